/*
 * Damage: after any cut and any flipped bit, exactly the snapshots of undamaged frames are read,
 * and never a wrong value.
 */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/reader.h"
#include "tests/unit/recording.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A small history in one file, and where its frames begin. */
struct specimen {
	const char *dir;
	char path[256];
	char *bytes;
	size_t len;
	struct written log;
	size_t offset[STEPS_MAX]; /* of each snapshot's frame; offset[n] = len */
	bool key[STEPS_MAX];
};

static void make_specimen(struct specimen *sp, int steps)
{
	struct mh_segment_list list = {0};
	struct mh_writer_config config;
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	struct world world;
	struct mh_writer *w;
	struct mh_reader *r;
	int dir_fd, fd;

	*sp = (struct specimen){.dir = temp_dir()};
	config = config_for(sp->dir);
	world_init(&world, 4711);
	world.max_pid = 12;
	world.target = 6;
	w = open_writer(&config);
	record(w, &world, &sp->log, steps);
	mh_writer_close(w);
	world_done(&world);

	dir_fd = mh_dir_open(sp->dir, &err);
	assert_int_equal(mh_dir_list(dir_fd, &list), 0);
	assert_int_equal(list.n, 1);
	snprintf(sp->path, sizeof(sp->path), "%s/%s", sp->dir, list.file[0].name);
	sp->len = list.file[0].bytes;
	sp->bytes = malloc(sp->len);
	fd = open(sp->path, O_RDONLY);
	assert_int_equal(read(fd, sp->bytes, sp->len), sp->len);
	close(fd);
	close(dir_fd);
	mh_dir_list_done(&list);

	r = open_reader(sp->dir, false);
	for (size_t n = 0; mh_reader_next(r, &s, &err) > 0; n++) {
		struct mh_place place;

		mh_reader_place(r, &place);
		sp->offset[n] = place.offset;
		sp->key[n] = place.key;
	}
	sp->offset[sp->log.n] = sp->len;
	mh_reader_close(r);
}

static void drop_specimen(struct specimen *sp)
{
	free(sp->bytes);
	forget(&sp->log);
	remove_dir(sp->dir);
}

/* Read the directory; every snapshot must be a true one. Returns a bit per survivor. */
static uint64_t survivors(const struct specimen *sp, struct mh_reader_stats *ret)
{
	struct mh_reader *r = open_reader(sp->dir, false);
	struct mh_buf b = MH_BUF_INIT(1 << 20);
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	uint64_t seen = 0;
	int rc;

	while ((rc = mh_reader_next(r, &s, &err)) > 0) {
		size_t n = 0;

		while (n < sp->log.n && sp->log.wall_ms[n] != s->at.wall_ms)
			n++;
		assert_true(n < sp->log.n);
		mh_buf_clear(&b);
		describe(&b, s);
		if (strcmp(mh_buf_str(&b), sp->log.text[n]) != 0)
			fail_msg("snapshot %zu is not what was written", n);
		seen |= UINT64_C(1) << n;
	}
	if (rc)
		fail_msg("%s", err.text);
	mh_reader_stats(r, ret);
	mh_reader_close(r);
	mh_buf_done(&b);
	return seen;
}

static uint64_t first_bits(size_t n)
{
	return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

static void test_every_truncation(void **state)
{
	struct mh_reader_stats stats;
	struct specimen sp;

	(void)state;
	make_specimen(&sp, 20);
	for (size_t cut = sp.len; cut-- > 0;) {
		size_t whole = 0;

		assert_int_equal(truncate(sp.path, (off_t)cut), 0);
		while (whole < sp.log.n && sp.offset[whole + 1] <= cut)
			whole++;
		assert_int_equal(survivors(&sp, &stats), first_bits(whole));
		assert_int_equal(stats.damages, 0);
		assert_int_equal(stats.torn_bytes, cut - sp.offset[whole]);
	}
	drop_specimen(&sp);
}

static void test_zero_filled_tail(void **state)
{
	struct mh_reader_stats stats;
	struct specimen sp;

	(void)state;
	make_specimen(&sp, 20);
	for (size_t zeros = 1; zeros <= 5000; zeros += 37) {
		assert_int_equal(truncate(sp.path, (off_t)sp.len), 0);
		assert_int_equal(truncate(sp.path, (off_t)(sp.len + zeros)), 0);
		assert_int_equal(survivors(&sp, &stats), first_bits(sp.log.n));
		assert_int_equal(stats.damages, 0);
		assert_int_equal(stats.torn_bytes, zeros);
	}
	drop_specimen(&sp);
}

/* What remains when the frame of snapshot `hit` is lost: all but it and the rest of its chapter. */
static uint64_t expected_survivors(const struct specimen *sp, size_t hit)
{
	uint64_t expected = first_bits(sp->log.n);

	do
		expected &= ~(UINT64_C(1) << hit++);
	while (hit < sp->log.n && !sp->key[hit]);
	return expected;
}

static void test_every_flipped_bit(void **state)
{
	struct mh_reader_stats stats;
	struct specimen sp;
	size_t hit = 0;
	int fd;

	(void)state;
	make_specimen(&sp, 16);
	fd = open(sp.path, O_WRONLY);
	for (size_t at = 0; at < sp.len; at++) {
		while (sp.offset[hit + 1] <= at)
			hit++;
		for (int bit = 0; bit < 8; bit++) {
			char flipped = (char)(sp.bytes[at] ^ 1 << bit);

			assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
			assert_int_equal(survivors(&sp, &stats), expected_survivors(&sp, hit));
			assert_true(stats.damages + stats.torn_tails >= 1);
		}
		assert_int_equal(pwrite(fd, &sp.bytes[at], 1, (off_t)at), 1);
	}
	close(fd);
	drop_specimen(&sp);
}

/* A frame taken out whole, as if it had never been written: noticed by the numbers of the others.
 */
static void test_every_missing_frame(void **state)
{
	struct mh_reader_stats stats;
	struct specimen sp;

	(void)state;
	make_specimen(&sp, 16);
	for (size_t hit = 0; hit + 1 < sp.log.n; hit++) {
		int fd = open(sp.path, O_WRONLY | O_TRUNC);
		size_t rest = sp.len - sp.offset[hit + 1];

		assert_int_equal(write(fd, sp.bytes, sp.offset[hit]), sp.offset[hit]);
		assert_int_equal(write(fd, sp.bytes + sp.offset[hit + 1], rest), rest);
		close(fd);
		assert_int_equal(survivors(&sp, &stats), expected_survivors(&sp, hit));
		/* when all of a chapter is gone, no delta is left to tell */
		if (!sp.key[hit + 1])
			assert_int_equal(stats.damages, 1);
	}
	drop_specimen(&sp);
}

/* Frames of another file, whole and valid, do not become part of this one. */
static void test_frames_of_another_file(void **state)
{
	struct mh_reader_stats stats;
	struct specimen sp, other;
	char first_dir[64];
	int fd;

	(void)state;
	make_specimen(&other, 16);
	snprintf(first_dir, sizeof(first_dir), "%s", other.dir);
	other.dir = first_dir;
	make_specimen(&sp, 16);
	fd = open(sp.path, O_WRONLY);
	/* the second half of the file is the other's: keyframes and all */
	assert_int_equal(ftruncate(fd, (off_t)sp.offset[8]), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), sp.offset[8]);
	assert_int_equal(write(fd, other.bytes, other.len), other.len);
	close(fd);
	assert_int_equal(survivors(&sp, &stats), first_bits(8));
	assert_int_equal(stats.damages, 1);
	assert_int_equal(stats.damaged_bytes, other.len);
	drop_specimen(&sp);
	drop_specimen(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_zero_filled_tail),
		cmocka_unit_test(test_every_flipped_bit),
		cmocka_unit_test(test_every_missing_frame),
		cmocka_unit_test(test_frames_of_another_file), /* F4 */
	};

	return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}
