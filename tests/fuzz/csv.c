/* A file for memhist import --from csv: any bytes become a sound history or a sentence. */
#include "libmemhist/history/reader.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/world.h"
#include "tools/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

static char dir[64], source[128], history[128];

static void clean_up(void)
{
	remove_dir(history);
	remove_dir(dir);
}

static void prepare(void)
{
	if (dir[0])
		return;
	fuzz_in_memory();
	snprintf(dir, sizeof(dir), "%s", temp_dir());
	snprintf(source, sizeof(source), "%s/source", dir);
	snprintf(history, sizeof(history), "%s/history", dir);
	atexit(clean_up);
}

static void read_back(uint64_t snapshots)
{
	const struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	const struct mh_snapshot *s;
	struct mh_reader_stats stats;
	struct mh_err err = {""};
	struct mh_reader *r;

	fuzz_assert(!mh_reader_open(&r, history, &options, &err));
	while (mh_reader_next(r, &s, &err) > 0)
		;
	mh_reader_stats(r, &stats);
	fuzz_assert(stats.snapshots == snapshots);
	fuzz_assert(!stats.damages && !stats.orphans && !stats.torn_tails);
	mh_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct progress progress = {0};
	struct import_job job = {
		.who = "fuzz",
		.source = source,
		.dir = history,
		.host = "h",
		.clk_tck = 100,
		.progress = &progress,
	};
	struct mh_err err = {""};
	int fd, rc;

	prepare();
	fd = open(source, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || (len && write(fd, bytes, len) != (ssize_t)len))
		abort();
	close(fd);
	rc = import_csv(&job, &err);
	if (rc)
		fuzz_assert(err.text[0]);
	else
		read_back(job.stats.snapshots);
	remove_dir(history);
	return 0;
}

uint8_t *fuzz_seed(unsigned n, size_t *ret_len)
{
	static const char *const seeds[] = {
		"ts_ms,pid,starttime,ppid,uid,rss_kb,vsz_kb,swap_kb,comm,cmdline\n"
		"1780315200000,1,100,0,0,1200,9000,0,init,/sbin/init\n"
		"1780315200000,7,101,1,33,80,100,4,\"a,\"\"b\"\"\",\"x\ny\"\n"
		"1780315201000,1,100,0,0,1300,9000,0,init,/sbin/init\n"
		"1780315201000,9,140,1,33,80,100,4,c,\n"
		"1780315301000,1,100,0,0,1300,9000,0,init,/sbin/init --new\n",
		"\xef\xbb\xbfrss_kb,pid,comm,cmdline,uid,ppid,starttime,ts_ms\r\n"
		"5,1,a,b,0,0,1,1780315200000\r\n6,1,a,b,0,0,1,1780315200250\r\n",
	};
	static char packed[1024];
	size_t len;

	if (n < 2)
		return fuzz_copy(seeds[n], strlen(seeds[n]), ret_len);
	if (n > 2)
		return NULL;
	len = ZSTD_compress(packed, sizeof(packed), seeds[0], strlen(seeds[0]), 1);
	if (ZSTD_isError(len))
		abort();
	return fuzz_copy(packed, len, ret_len);
}

void fuzz_mend(uint8_t *bytes, size_t len)
{
	(void)bytes;
	(void)len;
}
