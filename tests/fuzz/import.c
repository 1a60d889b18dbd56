/*
 * Recordings for memhist import: any bytes become a sound history or a sentence. The first byte
 * says which importer; those of directories get two files, apart by a NUL.
 */
#include "libmemhist/history/reader.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/world.h"
#include "tools/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum kind { CSV, TSV, INSPECTOR, JSON, KINDS };

static char dir[64], history[128], source[128], file[2][256];

static void forget_files(void)
{
	unlink(file[0]);
	unlink(file[1]);
}

static void clean_up(void)
{
	forget_files();
	remove_dir(history);
	remove_dir(source);
	remove_dir(dir);
}

static void prepare(void)
{
	if (dir[0])
		return;
	temp_in_memory(true); /* ten thousand times */
	snprintf(dir, sizeof(dir), "%s", temp_dir());
	snprintf(source, sizeof(source), "%s/source", dir);
	snprintf(history, sizeof(history), "%s/history", dir);
	if (mkdir(source, 0700))
		abort();
	atexit(clean_up);
}

static void put(char path[256], const char *name, const uint8_t *bytes, size_t len)
{
	int fd;

	snprintf(path, 256, "%s/%s", source, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || (len && write(fd, bytes, len) != (ssize_t)len))
		abort();
	close(fd);
}

static void put_two(const char *name, const char *other, const uint8_t *bytes, size_t len)
{
	const uint8_t *apart = len ? memchr(bytes, 0, len) : NULL;
	size_t first = apart ? (size_t)(apart - bytes) : len;

	put(file[0], name, bytes, first);
	if (apart)
		put(file[1], other, apart + 1, len - first - 1);
}

/* Lay the files out and import them. */
static int import(struct import_job *job, enum kind kind, const uint8_t *bytes, size_t len,
		  struct mh_err *err)
{
	switch (kind) {
	case INSPECTOR:
		put_two("process_mem_20250604_123456.csv", "sys_mem_20250604_123456.csv", bytes,
			len);
		job->source = source;
		return import_inspector(job, err);
#ifdef HAVE_JSON
	case JSON:
		put_two("memory_1.json", "memory_2.json", bytes, len);
		job->source = source;
		return import_json(job, err);
#endif
	default:
		put(file[0], "source", bytes, len);
		job->source = file[0];
		return kind == TSV ? import_tsv(job, err) : import_csv(job, err);
	}
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
		.dir = history,
		.host = "h",
		.utc = true,
		.clk_tck = 100,
		.progress = &progress,
	};
	struct mh_err err = {""};
	int rc;

	if (!len)
		return 0;
	prepare();
	rc = import(&job, bytes[0] % KINDS, bytes + 1, len - 1, &err);
	if (rc)
		fuzz_assert(err.text[0]);
	else
		read_back(job.stats.snapshots);
	forget_files();
	remove_dir(history);
	return 0;
}

uint8_t *fuzz_seed(unsigned n, size_t *ret_len)
{
#define NUL "\0"
#define SEED(kind, text)                     \
	{                                    \
		kind, text, sizeof(text) - 1 \
	}
	static const struct {
		char kind;
		const char *text;
		size_t len;
	} seeds[] = {
		SEED(CSV, "ts_ms,pid,starttime,ppid,uid,rss_kb,vsz_kb,swap_kb,comm,cmdline\n"
			  "1780315200000,1,100,0,0,1200,9000,0,init,/sbin/init\n"
			  "1780315200000,7,101,1,33,80,100,4,\"a,\"\"b\"\"\",\"x\ny\"\n"
			  "1780315201000,1,100,0,0,1300,9000,0,init,/sbin/init\n"
			  "1780315201000,9,140,1,33,80,100,4,c,\n"
			  "1780315301000,1,100,0,0,1300,9000,0,init,/sbin/init --new\n"),
		SEED(CSV, "\xef\xbb\xbfrss_kb,pid,comm,cmdline,uid,ppid,starttime,ts_ms\r\n"
			  "5,1,a,b,0,0,1,1780315200000\r\n6,1,a,b,0,0,1,1780315200250\r\n"),
		SEED(TSV, "ts_ms\tpid\tstarttime\tppid\tuid\trss_kb\tcomm\tcmdline\n"
			  "1780315200000\t1\t100\t0\t0\t1200\tinit\t/sbin/init\\t-x\n"
			  "1780315201000\t1\t100\t0\t0\t1300\tinit\t/sbin/init\\t-x\n"),
		SEED(INSPECTOR, "PID,PPID,USER,RSS_MB,VSZ_MB,CMD\n1,0,root,11.5,163.20,/sbin/init\n"
				"7,1,www-data,0.25,1e2,\"a, b\"\n" NUL
				"MemTotal_MB,MemFree_MB,HugePages_Free\n16000.5,12.25,0\n"),
		SEED(JSON,
		     "{\"timestamp\": \"2025-06-04T12:34:56+09:00\", \"hostname\": \"s\", "
		     "\"items\": [{\"pid\": 1234, \"cmd\": \"python main.py\", \"rss\": 102400, "
		     "\"group\": \"python\"}, {\"pid\": 7, \"cmd\": \"a\\u0041\", \"rss\": 0}], "
		     "\"total_mb\": 100.0, \"total_gb\": 0.1, \"total_tb\": 0.0}" NUL
		     "{\"timestamp\": \"2025-06-04T12:35:56+09:00\", \"items\": []}"),
	};
	const unsigned n_seeds = sizeof(seeds) / sizeof(seeds[0]);
	static char seed[2048];
	size_t len;

	if (n > n_seeds)
		return NULL;
	seed[0] = n < n_seeds ? seeds[n].kind : CSV;
	if (n < n_seeds)
		memcpy(seed + 1, seeds[n].text, len = seeds[n].len);
	else
		len = ZSTD_compress(seed + 1, sizeof(seed) - 1, seeds[0].text, seeds[0].len, 1);
	if (ZSTD_isError(len))
		abort();
	return fuzz_copy(seed, len + 1, ret_len);
}

void fuzz_mend(uint8_t *bytes, size_t len)
{
	(void)bytes;
	(void)len;
}
