/*
 * A file under a segment's name, read as a history; and when it is an open one, sealed: then the
 * sealed one says what the open one said. The first byte says which of the two it is.
 */
#include "libmemhist/base/crc32c.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/seal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/images.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SNAPSHOTS_MAX = 2000, TEXT_MAX = 1 << 22 };

#define STEM "0000000001-20261120T202848Z-00000000"

static char dir[64];
static int dir_fd;

static void clean_up(void)
{
	remove_dir(dir);
}

static void prepare(void)
{
	struct mh_err err = {""};

	if (dir[0])
		return;
	temp_in_memory(true); /* ten thousand times */
	snprintf(dir, sizeof(dir), "%s", temp_dir());
	dir_fd = mh_dir_open(dir, &err);
	if (dir_fd < 0)
		abort();
	atexit(clean_up);
}

/* Checksums of what the snapshots say; *ret_stats what was no part of one. Returns how many, or
 * -errno. */
static int read_all(uint32_t digest[SNAPSHOTS_MAX], struct mh_reader_stats *ret_stats)
{
	const struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	struct mh_buf text = MH_BUF_INIT(TEXT_MAX);
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	struct mh_reader *r;
	int n = 0, rc = mh_reader_open(&r, dir, &options, &err);

	if (rc) {
		fuzz_assert(err.text[0]);
		return rc;
	}
	while (n < SNAPSHOTS_MAX && (rc = mh_reader_next(r, &s, &err)) > 0) {
		mh_buf_clear(&text);
		describe(&text, s);
		digest[n++] = mh_crc32c(0, text.data, text.len);
	}
	fuzz_assert(rc >= 0 || err.text[0]);
	mh_reader_stats(r, ret_stats);
	mh_reader_close(r);
	mh_buf_done(&text);
	return rc < 0 ? rc : n;
}

/*
 * A frame that breaks a rule half-way may have ended everybody, another boot's for instance, and
 * the next keyframe brings them back. Then who is whose twin depends on the way they came.
 */
static void seal_and_compare(const uint32_t *digest, int n, bool was_damaged)
{
	static uint32_t sealed[SNAPSHOTS_MAX];
	struct mh_segment_list list = {0};
	struct mh_reader_stats stats;
	struct mh_seal_result result;
	struct mh_err err = {""};
	int rc;

	if (mh_dir_list(dir_fd, &list) || list.n != 1)
		abort();
	rc = mh_seal_segment(dir_fd, &list.file[0], &result, &err);
	fuzz_assert(!rc || err.text[0]);
	if (!rc && n < SNAPSHOTS_MAX) {
		int m = read_all(sealed, &stats);

		fuzz_assert(m == n);
		fuzz_assert(!stats.damages && !stats.orphans);
		fuzz_assert(was_damaged || !memcmp(digest, sealed, (size_t)n * sizeof(*digest)));
	}
	mh_dir_list_done(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static uint32_t digest[SNAPSHOTS_MAX];
	bool is_sealed = len && bytes[0] & 1;
	struct mh_reader_stats stats;
	int fd, n;

	prepare();
	unlinkat(dir_fd, STEM MH_OPEN_SUFFIX, 0);
	unlinkat(dir_fd, STEM MH_SEALED_SUFFIX, 0);
	fd = openat(dir_fd, is_sealed ? STEM MH_SEALED_SUFFIX : STEM MH_OPEN_SUFFIX,
		    O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0 || (len > 1 && write(fd, bytes + 1, len - 1) != (ssize_t)(len - 1)))
		abort();
	close(fd);
	n = read_all(digest, &stats);
	if (!is_sealed && n > 0)
		seal_and_compare(digest, n, stats.damages || stats.orphans);
	return 0;
}

uint8_t *fuzz_seed(unsigned n, size_t *ret_len)
{
	uint8_t *image, *seed;
	bool is_sealed;
	size_t len;

	image = image_make(n, &len, &is_sealed);
	if (!image)
		return NULL;
	seed = malloc(len + 1);
	if (!seed)
		abort();
	seed[0] = is_sealed;
	memcpy(seed + 1, image, len);
	free(image);
	*ret_len = len + 1;
	return seed;
}

void fuzz_mend(uint8_t *bytes, size_t len)
{
	if (len)
		image_mend(bytes + 1, len - 1);
}
