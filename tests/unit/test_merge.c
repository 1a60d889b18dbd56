/*
 * Merged segments read as those they were made of, also by a reader that was in the midst of them.
 */
#include "libmemhist/history/merge.h"
#include "libmemhist/history/seal.h"
#include "tests/unit/merging.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Gaps and facts of segments, snapshot by snapshot: what the log does not have. */
static char *gaps_of(const char *dir)
{
	struct mh_reader *reader = open_reader(dir, false);
	struct mh_buf b = MH_BUF_INIT(1 << 20);
	const struct mh_snapshot *s;
	struct mh_err err;
	char *text;

	while (mh_reader_next(reader, &s, &err) > 0) {
		const struct mh_segment_info *info = mh_reader_segment(reader);

		mh_buf_printf(&b, "%d %lld %s %u\n", s->gap.kind, (long long)s->gap.since_wall_ms,
			      info->writer, info->interval_ms);
	}
	text = strdup(mh_buf_str(&b));
	assert_non_null(text);
	mh_buf_done(&b);
	mh_reader_close(reader);
	return text;
}

static void merged_reads_as_unmerged(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct rig r;
		char *before, *after;

		rig_begin(&r, seed, 5000 * (mh_ms_t)seed, 100000);
		rig_write(&r, 80);
		world_step(&r.world); /* nobody writes this one down */
		r.config.host = "another";
		rig_write(&r, 80);
		before = gaps_of(r.dir);
		seal_each(r.dir, 1);
		rig_write(&r, 3);
		free(before);
		before = gaps_of(r.dir);
		assert_true(rig_list(&r)->n > 5);
		assert_int_equal(rig_merge(&r, false), 1); /* the day before */
		read_all_back(r.dir, &r.log);
		assert_true(rig_merge(&r, true) <= 1);
		read_all_back(r.dir, &r.log);
		seal_each(r.dir, 1);
		assert_int_equal(rig_merge(&r, true), 1); /* a merged one, and another */
		assert_int_equal(rig_merge(&r, true), 0);
		assert_int_equal(r.list.n, 2); /* two days */
		assert_int_equal(r.list.file[1].seq, r.list.file[0].last_seq + 1);
		read_all_back(r.dir, &r.log);
		after = gaps_of(r.dir);
		assert_string_equal(before, after);
		free(before);
		free(after);
		/* whoever writes on does so behind the last number */
		rig_write(&r, 1);
		assert_int_equal(rig_list(&r)->file[2].seq, r.list.file[1].last_seq + 1);
		rig_end(&r);
	}
}

static struct mh_segment_file a_file(uint64_t seq, uint64_t last_seq, mh_ms_t start_ms,
				     const char *boot, bool is_sealed)
{
	struct mh_segment_file file = {
		.seq = seq,
		.last_seq = last_seq,
		.start_ms = start_ms,
		.is_sealed = is_sealed,
		.bytes = 1000,
	};

	snprintf(file.boot, sizeof(file.boot), "%s", boot);
	return file;
}

static void what_is_merged(void **state)
{
	const mh_ms_t hour = 3600 * 1000, day = 24 * hour;
	struct mh_segment_file file[] = {
		a_file(1, 1, hour, "aaaaaaaa", true), /* alone: 2 is missing */
		a_file(3, 3, 2 * hour, "aaaaaaaa", true),
		a_file(4, 7, 3 * hour, "aaaaaaaa", true),
		a_file(8, 8, 4 * hour, "bbbbbbbb", true), /* another boot */
		a_file(9, 9, 5 * hour, "bbbbbbbb", true),
		a_file(10, 10, day - 1, "bbbbbbbb", true),
		a_file(11, 11, day, "bbbbbbbb", true), /* another day */
		a_file(12, 12, day + hour, "bbbbbbbb", true),
		a_file(13, 13, day + 2 * hour, "bbbbbbbb", false), /* nobody sealed it */
		a_file(14, 14, day + 3 * hour, "bbbbbbbb", true),
		a_file(15, 15, day + 4 * hour, "bbbbbbbb", true),
	};
	struct mh_segment_list l = {.file = file, .n = sizeof(file) / sizeof(*file)};
	struct mh_merge_run run;
	size_t at = 0;

	(void)state;
	assert_int_equal(mh_merge_next(&l, false, &at, &run), 1);
	assert_int_equal(run.first, 1);
	assert_int_equal(run.n, 2);
	assert_int_equal(run.bytes, 2000);
	assert_int_equal(mh_merge_next(&l, false, &at, &run), 1);
	assert_int_equal(run.first, 3);
	assert_int_equal(run.n, 3);
	assert_int_equal(mh_merge_next(&l, false, &at, &run), 0); /* today */
	at = 6;
	assert_int_equal(mh_merge_next(&l, true, &at, &run), 1);
	assert_int_equal(run.first, 6);
	assert_int_equal(run.n, 2);
	assert_int_equal(mh_merge_next(&l, true, &at, &run), 1);
	assert_int_equal(run.first, 9);
	assert_int_equal(run.n, 2);
	assert_int_equal(mh_merge_next(&l, true, &at, &run), 0);
	/* not more than there is room for in one */
	file[4].bytes = MH_MERGED_BYTES_MAX;
	at = 3;
	assert_int_equal(mh_merge_next(&l, false, &at, &run), 0);
	/* nor in the name */
	file[4].bytes = 1000;
	file[5].last_seq = file[3].seq + MH_MERGED_MORE_MAX + 1;
	at = 3;
	assert_int_equal(mh_merge_next(&l, false, &at, &run), 1);
	assert_int_equal(run.n, 2);
	/* before 1970, days end at midnight too */
	file[0] = a_file(1, 1, -hour, "aaaaaaaa", true);
	file[1] = a_file(2, 2, hour, "aaaaaaaa", true);
	l.n = 2;
	at = 0;
	assert_int_equal(mh_merge_next(&l, true, &at, &run), 0);
}

/* Wherever a reader is, sealing and merging change nothing of what it reads. */
static void a_reader_goes_on(void **state)
{
	(void)state;
	for (size_t stop = 0; stop <= 40; stop++) {
		struct rig r;
		struct mh_reader *reader;
		struct mh_buf b = MH_BUF_INIT(1 << 20), c = MH_BUF_INIT(1 << 20);
		struct mh_reader_stats stats;
		struct shadow shadow = {0};
		const struct mh_snapshot *s;
		struct mh_err err;
		size_t n = 0;

		rig_begin(&r, 40 + stop, 4000, 30000); /* midnight is behind 30 of them */
		rig_write(&r, 40);
		if (stop % 2)
			seal_each(r.dir, 1 + stop % 3);
		if (stop % 4 == 3)
			rig_merge(&r, true);
		reader = open_reader(r.dir, false);
		for (;;) {
			int rc;

			if (n == stop) {
				seal_each(r.dir, 1);
				rig_merge(&r, stop % 3);
			}
			if (n == stop + 5)
				rig_merge(&r, true);
			rc = mh_reader_next(reader, &s, &err);
			assert_true(rc >= 0);
			if (!rc)
				break;
			mh_buf_clear(&b);
			mh_buf_clear(&c);
			describe(&b, s);
			assert_true(n < r.log.n);
			assert_string_equal(mh_buf_str(&b), r.log.text[n]);
			shadow_follow(&shadow, s);
			shadow_describe(&c, &shadow, s);
			assert_string_equal(mh_buf_str(&c), r.log.text[n]);
			assert_int_equal(s->gap.kind, MH_GAP_NONE);
			n++;
		}
		assert_int_equal(n, r.log.n);
		mh_reader_stats(reader, &stats);
		assert_int_equal(stats.snapshots, r.log.n);
		assert_int_equal(stats.damages + stats.orphans + stats.missing + stats.unreadable,
				 0);
		mh_reader_close(reader);
		shadow_done(&shadow);
		mh_buf_done(&b);
		mh_buf_done(&c);
		rig_end(&r);
	}
}

/* The same for one that follows, and is always at the end of what there is. */
static void a_follower_goes_on(void **state)
{
	struct rig r;
	struct mh_reader *reader = NULL;
	struct mh_writer *w;
	struct mh_buf b = MH_BUF_INIT(1 << 20);
	struct mh_reader_stats stats;
	const struct mh_snapshot *s;
	struct mh_err err;

	(void)state;
	rig_begin(&r, 7, 3000, 60000);
	w = open_writer(&r.config);
	for (size_t n = 0; n < 120; n++) {
		record(w, &r.world, &r.log, 1);
		if (!n)
			reader = open_reader(r.dir, true);
		if (n % 5 == 4)
			continue; /* two at a time */
		for (size_t i = n % 5 || !n ? n : n - 1; i <= n; i++) {
			assert_int_equal(mh_reader_next(reader, &s, &err), 1);
			mh_buf_clear(&b);
			describe(&b, s);
			assert_string_equal(mh_buf_str(&b), r.log.text[i]);
		}
		assert_int_equal(mh_reader_next(reader, &s, &err), 0);
		if (n % 7)
			continue;
		/* all but the one that is written: it has the last number */
		rig_list(&r);
		for (size_t i = 0; i + 1 < r.list.n; i++) {
			struct mh_seal_result result;

			if (!r.list.file[i].is_sealed &&
			    mh_seal_segment(r.dir_fd, &r.list.file[i], &result, &err))
				fail_msg("%s", err.text);
		}
		rig_merge(&r, n % 2);
	}
	mh_reader_stats(reader, &stats);
	assert_int_equal(stats.damages + stats.missing, 0);
	mh_reader_close(reader);
	mh_writer_close(w);
	mh_buf_done(&b);
	rig_end(&r);
}

/* What is deleted is missing behind what was read, and was never there before it. */
static void deleted_ones_are_missing(void **state)
{
	struct mh_reader_stats stats;
	struct mh_reader *reader;
	const struct mh_snapshot *s;
	struct mh_err err;
	struct rig r;

	(void)state;
	rig_begin(&r, 9, 4000, 600000);
	rig_write(&r, 32); /* eight segments */
	reader = open_reader(r.dir, false);
	assert_int_equal(rig_list(&r)->n, 8);
	unlinkat(r.dir_fd, r.list.file[0].name, 0);
	assert_int_equal(mh_reader_next(reader, &s, &err), 1);
	assert_true(s->at.wall_ms == r.log.wall_ms[4]);
	mh_reader_stats(reader, &stats);
	assert_int_equal(stats.missing, 0);
	for (size_t i = 1; i < 5; i++)
		unlinkat(r.dir_fd, r.list.file[i].name, 0);
	seal_each(r.dir, 1);
	assert_int_equal(rig_merge(&r, true), 1); /* the last three */
	for (int i = 0; i < 3; i++)
		assert_int_equal(mh_reader_next(reader, &s, &err), 1); /* it has this one open */
	assert_int_equal(s->gap.kind, MH_GAP_NONE);
	assert_int_equal(mh_reader_next(reader, &s, &err), 1);
	assert_true(s->at.wall_ms == r.log.wall_ms[20]);
	assert_int_equal(s->gap.kind, MH_GAP_MISSING);
	mh_reader_stats(reader, &stats);
	assert_int_equal(stats.missing, 3);
	mh_reader_close(reader);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merged_reads_as_unmerged), cmocka_unit_test(what_is_merged),
		cmocka_unit_test(a_reader_goes_on),         cmocka_unit_test(a_follower_goes_on),
		cmocka_unit_test(deleted_ones_are_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
