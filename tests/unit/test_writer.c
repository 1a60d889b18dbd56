/*
 * Histories under bad luck: two writers, a full disk, files deleted under the writer, segments
 * missing, clocks set back, reboots. Nothing is lost without a word.
 */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/writer.h"
#include "tests/unit/recording.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Read everything; returns how many snapshots, and what the reader counted. */
static size_t count_snapshots(const char *dir, struct mh_reader_stats *ret)
{
	struct mh_reader *r = open_reader(dir, false);
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	int rc;

	while ((rc = mh_reader_next(r, &s, &err)) > 0)
		;
	if (rc)
		fail_msg("%s", err.text);
	mh_reader_stats(r, ret);
	mh_reader_close(r);
	return ret->snapshots;
}

static uint64_t count_segments_with_snapshots(const char *dir)
{
	struct mh_reader *r = open_reader(dir, false);
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	char last[MH_SEGMENT_NAME_MAX] = "";
	uint64_t n = 0;

	while (mh_reader_next(r, &s, &err) > 0) {
		struct mh_place place;

		mh_reader_place(r, &place);
		n += strcmp(last, place.file) != 0;
		snprintf(last, sizeof(last), "%s", place.file);
	}
	mh_reader_close(r);
	return n;
}

static void test_second_writer_is_refused(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct mh_writer *w = open_writer(&config), *second = NULL;
	struct mh_history_span span;
	struct mh_err err = {""};
	struct written log = {0};
	struct world world;

	(void)state;
	assert_int_equal(mh_writer_open(&second, &config, &err), -EBUSY);
	assert_non_null(strstr(err.text, "written by process"));
	assert_int_equal(mh_history_span(dir, &span, &err), -ENODATA);
	world_init(&world, 3);
	record(w, &world, &log, 5);
	assert_int_equal(mh_history_span(dir, &span, &err), 0);
	assert_true(span.being_written);
	assert_int_equal(span.writer_pid, getpid());
	assert_int_equal(span.first_wall_ms, log.wall_ms[0]);
	assert_int_equal(span.last_wall_ms, log.wall_ms[4]);
	mh_writer_close(w);
	w = open_writer(&config);
	mh_writer_close(w);
	assert_int_equal(mh_history_span(dir, &span, &err), 0);
	assert_false(span.being_written);
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

/* RLIMIT_FSIZE makes write(2) fall short and then fail, as a full disk does; what is said is why.
 */
static void test_full_disk(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct rlimit unlimited, tight;
	struct mh_reader_stats stats;
	struct written log = {0};
	struct mh_err err = {""};
	struct world world;
	struct mh_writer *w;
	int failed = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	world_init(&world, 9);
	w = open_writer(&config);
	record(w, &world, &log, 10);
	getrlimit(RLIMIT_FSIZE, &unlimited);
	tight = unlimited;
	for (int i = 0; i < 40; i++) {
		const struct mh_snapshot *s;
		int rc;

		tight.rlim_cur = (rlim_t)(i % 5 * 400); /* 0 … 1,600 bytes a file */
		setrlimit(RLIMIT_FSIZE, &tight);
		s = world_step(&world);
		rc = mh_writer_append(w, s, &err);
		setrlimit(RLIMIT_FSIZE, &unlimited);
		if (!rc) {
			note(&log, s);
			continue;
		}
		failed++;
		assert_int_equal(rc, -EFBIG);
		assert_non_null(strstr(err.text, "File too large"));
	}
	assert_true(failed > 5);
	record(w, &world, &log, 10);
	mh_writer_close(w);
	assert_int_equal(count_snapshots(dir, &stats), log.n);
	assert_int_equal(stats.damages + stats.orphans + stats.torn_tails + stats.missing, 0);
	assert_true(stats.gaps > 0);
	/* nothing is left of the failed attempts: every file has a snapshot to show */
	assert_int_equal(stats.segments, count_segments_with_snapshots(dir));
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

static void test_gaps_are_told(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	const enum mh_gap_kind kinds[] = {MH_GAP_SUSPENDED, MH_GAP_LATE, MH_GAP_CLOCK_STEP};
	struct mh_snapshot with_gap;
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	struct mh_reader *r;
	struct mh_writer *w;
	struct world world;

	(void)state;
	world_init(&world, 8);
	w = open_writer(&config);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(mh_writer_append(w, world_step(&world), &err), 0);
		with_gap = *world_step(&world);
		with_gap.gap = (struct mh_gap){kinds[i], with_gap.at.wall_ms - 1000};
		assert_int_equal(mh_writer_append(w, &with_gap, &err), 0);
	}
	mh_writer_close(w);
	r = open_reader(dir, false);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(mh_reader_next(r, &s, &err), 1);
		assert_int_equal(s->gap.kind, MH_GAP_NONE);
		assert_int_equal(mh_reader_next(r, &s, &err), 1);
		assert_int_equal(s->gap.kind, kinds[i]);
		assert_int_equal(s->gap.since_wall_ms, s->at.wall_ms - 1000);
	}
	mh_reader_close(r);
	world_done(&world);
	remove_dir(dir);
}

static void test_reboot_ends_everybody(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	const struct mh_boot_id boots[] = {{{1}}, {{2}}};
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	uint32_t live = 0;
	struct mh_reader *r;

	(void)state;
	for (int boot = 0; boot < 2; boot++) {
		struct mh_writer *w = open_writer(&config);
		struct world world;

		world_init(&world, 6); /* the same life, hence the same pids and start times */
		mh_table_set_boot(world.table, &boots[boot]);
		s = world_step(&world);
		live = s->n_live;
		assert_int_equal(mh_writer_append(w, s, &err), 0);
		mh_writer_close(w);
		world_done(&world);
	}
	r = open_reader(dir, false);
	assert_int_equal(mh_reader_next(r, &s, &err), 1);
	assert_int_equal(mh_reader_next(r, &s, &err), 1);
	assert_int_equal(s->n_gone, live);
	assert_int_equal(s->n_born, live);
	assert_int_equal(s->gap.kind, MH_GAP_REBOOT);
	assert_int_equal(s->boot_id.bytes[0], 2);
	mh_reader_close(r);
	remove_dir(dir);
}

/* A segment deleted while it is written, then the whole directory: said once, and recording goes
 * on. */
static void test_deleted_under_the_writer(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct mh_segment_list list = {0};
	struct mh_history_span span;
	struct mh_err err = {""};
	struct written log = {0};
	struct mh_writer *w;
	struct world world;
	int dir_fd;

	(void)state;
	world_init(&world, 31);
	w = open_writer(&config);
	record(w, &world, &log, 3);
	dir_fd = mh_dir_open(dir, &err);
	assert_int_equal(mh_dir_list(dir_fd, &list), 0);
	assert_int_equal(unlinkat(dir_fd, list.file[0].name, 0), 0);
	assert_int_equal(mh_writer_append(w, world_step(&world), &err), -ESTALE);
	assert_non_null(strstr(err.text, "deleted while it was written"));
	forget(&log);
	record(w, &world, &log, 3);
	remove_dir(dir);
	assert_int_equal(mh_writer_append(w, world_step(&world), &err), -ESTALE);
	forget(&log);
	record(w, &world, &log, 3);
	assert_int_equal(mh_history_span(dir, &span, &err), 0);
	assert_int_equal(span.first_wall_ms, log.wall_ms[0]);
	assert_true(span.being_written);
	mh_writer_close(w);
	close(dir_fd);
	mh_dir_list_done(&list);
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

/* Without its middle, or with a middle that may not be read, a history tells of a gap there. */
static void test_missing_segment(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct mh_segment_list list = {0};
	struct mh_reader_stats stats;
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	struct written log = {0};
	struct mh_writer *w;
	struct mh_reader *r;
	struct world world;
	int dir_fd, gaps = 0;

	(void)state;
	world_init(&world, 32);
	config.rotate_ms = 10000;
	w = open_writer(&config);
	record(w, &world, &log, 30);
	mh_writer_close(w);
	dir_fd = mh_dir_open(dir, &err);
	assert_int_equal(mh_dir_list(dir_fd, &list), 0);
	assert_int_equal(list.n, 3);
	assert_int_equal(unlinkat(dir_fd, list.file[1].name, 0), 0);
	r = open_reader(dir, false);
	while (mh_reader_next(r, &s, &err) > 0) {
		if (s->gap.kind == MH_GAP_NONE)
			continue;
		gaps++;
		assert_int_equal(s->gap.kind, MH_GAP_MISSING);
		assert_int_equal(s->gap.since_wall_ms, log.wall_ms[9]);
		assert_int_equal(s->at.wall_ms, log.wall_ms[20]);
	}
	assert_int_equal(gaps, 1);
	mh_reader_stats(r, &stats);
	assert_int_equal(stats.missing, 1);
	assert_int_equal(stats.damages, 0);
	mh_reader_close(r);
	close(dir_fd);
	mh_dir_list_done(&list);
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

static void test_span_after_the_clock_was_set_back(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	const mh_ms_t starts[] = {5000000000000, 4000000000000, 4500000000000};
	struct mh_history_span span;
	struct mh_err err = {""};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct mh_writer *w = open_writer(&config);
		struct written log = {0};
		struct world world;

		world_init(&world, i);
		world.now.wall_ms = starts[i];
		record(w, &world, &log, 2);
		mh_writer_close(w);
		world_done(&world);
		forget(&log);
	}
	assert_int_equal(mh_history_span(dir, &span, &err), 0);
	assert_int_equal(span.first_wall_ms, starts[1] + 1000);
	assert_int_equal(span.last_wall_ms, starts[0] + 2000);
	remove_dir(dir);
}

static void test_foreign_and_missing(void **state)
{
	struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	const char *dir = temp_dir();
	struct mh_err err = {""};
	struct mh_reader *r;
	char path[256];

	(void)state;
	assert_int_equal(mh_reader_open(&r, dir, &options, &err), -ENODATA);
	assert_int_equal(mh_reader_open(&r, "/nonexistent/x", &options, &err), -ENOENT);
	assert_int_equal(mh_reader_open(&r, "/dev/null", &options, &err), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/0000000001-20261120T202848Z-0123abcd.open", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(mh_reader_open(&r, dir, &options, &err), -ENODATA);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_writer_is_refused),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_gaps_are_told),
		cmocka_unit_test(test_reboot_ends_everybody),
		cmocka_unit_test(test_deleted_under_the_writer),
		cmocka_unit_test(test_missing_segment),
		cmocka_unit_test(test_span_after_the_clock_was_set_back),
		cmocka_unit_test(test_foreign_and_missing),
	};

	return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
