/*
 * Retention, rule by rule (T1 … in retention.h): the oldest goes first, as many as must and no
 * more, and none where that would be for nothing.
 */
#include "libmemhist/history/retention.h"

#include "libmemhist/history/tidy.h"
#include "tests/unit/disk.h"
#include "tests/unit/nomem.h"
#include "tests/unit/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { KIB = 1024, SEGMENT = 64 * KIB, HOUR_MS = 3600 * 1000 };

static const mh_ms_t start_ms = INT64_C(1790000000000);

/* A directory of files that have the names and sizes of segments, an hour each. */
struct fixture {
	const char *dir;
	int dir_fd;
	struct mh_limits limits;
	struct mh_retention_job job;
	struct mh_retention_result result;
	struct mh_err err;
	char gone[512]; /* as told: "size 1, size 2, age 3" */
};

static int note_gone(void *arg, const struct mh_segment_file *file, enum mh_deletion by)
{
	struct fixture *f = arg;
	size_t len = strlen(f->gone);

	snprintf(f->gone + len, sizeof(f->gone) - len, "%s%s %d", len ? ", " : "",
		 mh_deletion_name(by), (int)file->seq);
	return 0;
}

static void put(const struct fixture *f, const char *name, off_t bytes)
{
	int fd = openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	close(fd);
}

static void name_of(char ret[MH_SEGMENT_NAME_MAX], uint64_t seq)
{
	const struct mh_boot_id boot = {{1}};

	mh_segment_name(ret, seq, start_ms + (mh_ms_t)seq * HOUR_MS, &boot);
}

static void set_up(struct fixture *f, unsigned n)
{
	struct mh_err err = {""};

	disk_reset();
	disk.free_bytes = INT64_C(1) << 39;
	disk.free_files = 500000;
	*f = (struct fixture){.dir = temp_dir()};
	f->dir_fd = mh_dir_open(f->dir, &err);
	assert_true(f->dir_fd >= 0);
	f->job = (struct mh_retention_job){
		.limits = &f->limits,
		.newest_ms = MH_MS_MIN,
		.most_by_age = 1000,
		.told = note_gone,
		.arg = f,
	};
	for (unsigned seq = 1; seq <= n; seq++) {
		char name[MH_SEGMENT_NAME_MAX];

		name_of(name, seq);
		put(f, name, SEGMENT);
	}
}

static void tear_down(struct fixture *f)
{
	mh_stock_done(&f->result.stock);
	close(f->dir_fd);
	remove_dir(f->dir);
}

static int apply(struct fixture *f)
{
	f->gone[0] = '\0';
	return mh_retention_apply(f->dir_fd, f->dir, &f->job, &f->result, &f->err);
}

/* Applied without an error, these went, in this order, and are gone. */
static void goes(struct fixture *f, const char *gone)
{
	struct mh_segment_list list = {0};
	struct mh_stock stock = {0};

	if (apply(f))
		fail_msg("%s", f->err.text);
	assert_string_equal(f->gone, gone);
	assert_int_equal(mh_dir_list(f->dir_fd, &list), 0);
	assert_int_equal(list.n, f->result.stock.files.n);
	if (list.n)
		assert_string_equal(list.file[0].name, f->result.stock.files.file[0].name);
	assert_int_equal(mh_stock_take(f->dir_fd, &stock), 0);
	assert_int_equal(stock.bytes, f->result.stock.bytes);
	mh_stock_done(&stock);
	mh_dir_list_done(&list);
}

/* What everything takes now. */
static uint64_t taken(const struct fixture *f)
{
	struct mh_stock stock = {0};
	uint64_t bytes;

	assert_int_equal(mh_stock_take(f->dir_fd, &stock), 0);
	bytes = stock.bytes;
	mh_stock_done(&stock);
	return bytes;
}

static void without_limits_nothing_goes(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 5);
	disk.free_bytes = disk.free_files = 0;
	goes(&f, "");
	assert_false(f.result.is_low);
	tear_down(&f);
}

static void by_size_the_oldest_go_and_no_more_than_must(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 8);
	f.limits.max_bytes = taken(&f);
	goes(&f, "");
	f.limits.max_bytes--;
	goes(&f, "size 1");
	f.limits.max_bytes -= 3 * SEGMENT;
	goes(&f, "size 2, size 3, size 4");
	f.job.room_bytes = 1;
	goes(&f, "");
	f.job.room_bytes = SEGMENT;
	goes(&f, "size 5");
	assert_int_equal(f.result.deleted[MH_DELETED_BY_SIZE], 1);
	assert_int_equal(f.result.deleted_bytes, SEGMENT);
	tear_down(&f);
}

/* T1 */
static void what_is_being_written_stays(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 4);
	f.job.keep_seq = 3;
	f.limits.max_bytes = taken(&f) - 2 * SEGMENT;
	goes(&f, "size 1, size 2");
	f.limits.max_bytes -= 1;
	goes(&f, "");
	tear_down(&f);
}

/* Nobody writes: then nothing is sacred. */
static void by_size_even_the_newest_goes(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 2);
	f.limits.max_bytes = taken(&f) - 2 * SEGMENT;
	goes(&f, "size 1, size 2");
	assert_int_equal(f.result.stock.files.n, 0);
	tear_down(&f);
}

/* T2 */
static void every_file_counts(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 4);
	put(&f, "LOCK", SEGMENT);
	put(&f, ".hidden", SEGMENT);
	f.limits.max_bytes = taken(&f);
	goes(&f, "");
	put(&f, "notes.txt", 2 * SEGMENT);
	goes(&f, "size 1, size 2");
	assert_int_equal(f.result.stock.files.other_bytes, 4 * SEGMENT);
	tear_down(&f);
}

/* T2 */
static void nothing_goes_for_what_is_no_segment(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 4);
	f.limits.max_bytes = taken(&f);
	put(&f, "backup.tar", 5 * SEGMENT);
	goes(&f, "");
	tear_down(&f);
}

/* Written, they take their blocks; sparse ones take their size. */
static void the_larger_of_size_and_blocks_counts(void **state)
{
	struct fixture f;
	char name[MH_SEGMENT_NAME_MAX];
	uint64_t before;
	int fd;

	(void)state;
	set_up(&f, 0);
	before = taken(&f);
	name_of(name, 1);
	put(&f, name, 0);
	fd = openat(f.dir_fd, name, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	fsync(fd);
	close(fd);
	assert_true(taken(&f) >= before + 1);
	name_of(name, 2);
	put(&f, name, 1 << 30);
	assert_true(taken(&f) >= before + (1 << 30));
	tear_down(&f);
}

/* T3 */
static void below_min_free_the_oldest_go(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 5);
	f.limits.min_free_bytes = 1 << 30;
	disk.free_bytes = 1 << 30;
	goes(&f, "");
	disk.free_bytes -= 2 * SEGMENT;
	goes(&f, "free 1, free 2");
	assert_false(f.result.is_low);
	assert_int_equal(f.result.min_free_bytes, 1 << 30);
	tear_down(&f);
}

/* T3: the newest is not for it, so four are all there are. */
static void nothing_goes_where_that_does_not_make_enough_free(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 5);
	f.limits.min_free_bytes = 1 << 30;
	disk.free_bytes = (1 << 30) - 4 * SEGMENT;
	f.job.dry_run = true;
	assert_int_equal(apply(&f), 0);
	assert_string_equal(f.gone, "free 1, free 2, free 3, free 4");
	assert_false(f.result.is_low);
	f.job.dry_run = false;
	disk.free_bytes -= SEGMENT;
	goes(&f, "");
	assert_true(f.result.is_low);
	assert_non_null(strstr(f.result.low.text, "writing pauses until there is more space: "));
	assert_non_null(strstr(f.result.low.text, "1.0 GiB are to be left"));
	tear_down(&f);
}

static void inodes_are_left_free_too(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 4);
	f.limits.min_free_percent = 50; /* of a million: 10,000 are enough */
	disk.free_files = 10000;
	disk.free_bytes = INT64_C(1) << 40;
	goes(&f, "");
	disk.free_files = 9998;
	goes(&f, "free 1, free 2");
	disk.free_files = 0;
	goes(&f, "");
	assert_true(f.result.is_low);
	assert_non_null(strstr(f.result.low.text, "inodes"));
	tear_down(&f);
}

static void of_two_ways_to_say_min_free_the_smaller_counts(void **state)
{
	struct mh_retention_result r = {0};
	struct fixture f;

	(void)state;
	set_up(&f, 0);
	f.limits = (struct mh_limits)MH_LIMITS_DEFAULTS; /* 1 GiB, 5 % of 1 TiB */
	assert_int_equal(mh_retention_look(f.dir_fd, f.dir, &f.limits, &r), 0);
	assert_int_equal(r.min_free_bytes, 1 << 30);
	f.limits.min_free_bytes = UINT64_C(1) << 39;
	assert_int_equal(mh_retention_look(f.dir_fd, f.dir, &f.limits, &r), 0);
	assert_int_equal(r.min_free_bytes, (UINT64_C(1) << 40) / 100 * 5);
	assert_int_equal(r.free_bytes, UINT64_C(1) << 39);
	assert_false(r.is_low);
	disk.free_bytes = 0;
	assert_int_equal(mh_retention_look(f.dir_fd, f.dir, &f.limits, &r), 0);
	assert_true(r.is_low);
	tear_down(&f);
}

/* T4. These files have no frames: they are as old as their names say. */
static void by_age_what_is_older_than_the_newest_data_goes(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 6);
	f.limits.max_age_ms = 3 * HOUR_MS;
	f.job.newest_ms = start_ms + 6 * HOUR_MS;
	goes(&f, "age 1, age 2");
	f.job.newest_ms = start_ms + 7 * HOUR_MS + 1000;
	f.job.most_by_age = 1;
	goes(&f, "age 3");
	f.job.most_by_age = 0;
	goes(&f, "");
	tear_down(&f);
}

static void by_age_the_newest_stays(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 3);
	f.limits.max_age_ms = HOUR_MS;
	f.job.newest_ms = start_ms + INT64_C(1000) * HOUR_MS;
	goes(&f, "age 1, age 2");
	tear_down(&f);
}

/* T4: it is a clock that was set back. */
static void none_goes_by_age_while_there_is_something_from_the_future(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 6);
	f.limits.max_age_ms = HOUR_MS;
	f.job.keep_seq = 6;
	f.job.newest_ms = start_ms + 4 * HOUR_MS;
	goes(&f, "");
	/* the one that is being written as well, where its clock was set back meanwhile */
	f.job.newest_ms = start_ms + 5 * HOUR_MS + 1;
	goes(&f, "");
	f.job.newest_ms = start_ms + 6 * HOUR_MS;
	goes(&f, "age 1, age 2, age 3, age 4");
	tear_down(&f);
}

/* With frames in them segments are as old as their last snapshot. */
static void the_end_of_a_segment_is_what_counts(void **state)
{
	enum { SNAPSHOTS = 30, PER_SEGMENT = 10 };
	struct fixture f;
	struct mh_writer_config config;
	struct mh_writer *w;
	struct written log = {0};
	struct world world;

	(void)state;
	set_up(&f, 0);
	config = config_for(f.dir);
	config.rotate_ms = PER_SEGMENT * 1000;
	world_init(&world, 3);
	w = open_writer(&config);
	record(w, &world, &log, SNAPSHOTS);
	mh_writer_close(w);
	/* to the newest data, that of the third one: its own beginning is 10 s before, … */
	f.limits.max_age_ms = log.wall_ms[29] - log.wall_ms[9];
	goes(&f, "");
	f.limits.max_age_ms--;
	goes(&f, "age 1");
	world_done(&world);
	forget(&log);
	tear_down(&f);
}

static void a_dry_run_touches_nothing(void **state)
{
	struct fixture f;
	uint64_t before;

	(void)state;
	set_up(&f, 6);
	put(&f, ".0000000009-20261120T202848Z-0123abcd.mh.sealing", SEGMENT);
	before = taken(&f);
	f.limits.max_bytes = before - 2 * SEGMENT;
	f.job.dry_run = true;
	disk.unlink_errno = EIO;
	assert_int_equal(apply(&f), 0);
	assert_string_equal(f.gone, "size 1, size 2");
	assert_int_equal(f.result.stock.bytes, before - 2 * SEGMENT);
	assert_int_equal(taken(&f), before);
	disk.unlink_errno = 0;
	tear_down(&f);
}

static void what_cannot_be_deleted_is_said(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 4);
	f.limits.max_bytes = taken(&f) - 2 * SEGMENT;
	disk.unlink_errno = EACCES;
	assert_int_equal(apply(&f), -EACCES);
	assert_non_null(strstr(f.err.text, "/0000000001-"));
	assert_non_null(strstr(f.err.text, "which has to go: Permission denied"));
	assert_true(f.result.has_stock);
	assert_int_equal(f.result.stock.files.n, 4);
	assert_int_equal(f.result.stock.bytes, taken(&f));
	disk.unlink_errno = 0;
	goes(&f, "size 1, size 2");
	tear_down(&f);
}

/* Somebody else removes the same files. */
static void what_is_gone_already_is_no_error(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 3);
	f.limits.max_bytes = taken(&f) - SEGMENT;
	disk.unlink_errno = ENOENT;
	assert_int_equal(apply(&f), 0);
	disk.unlink_errno = 0;
	tear_down(&f);
}

/* T5 */
static void what_a_crash_left_goes_unless_somebody_works_on_it(void **state)
{
	static const char temporary[] = ".0000000002-20261120T202848Z-0123abcd.mh.sealing";
	struct fixture f;
	uint64_t before;
	int fd;

	(void)state;
	set_up(&f, 3);
	before = taken(&f);
	put(&f, temporary, SEGMENT);
	fd = mh_dir_open(f.dir, &f.err);
	assert_int_equal(mh_tidy_lock(fd), 0);
	goes(&f, "");
	assert_int_equal(f.result.stock.bytes, before + SEGMENT);
	close(fd);
	goes(&f, "");
	assert_int_equal(f.result.stock.bytes, before);
	assert_int_equal(faccessat(f.dir_fd, temporary, F_OK, 0), -1);
	tear_down(&f);
}

/* A sealed segment that is damaged, so that the open one of its number was kept. */
static void a_segment_takes_along_those_that_it_stands_for(void **state)
{
	struct fixture f;
	char name[MH_SEGMENT_NAME_MAX], *suffix;
	uint64_t before;

	(void)state;
	set_up(&f, 3);
	name_of(name, 1);
	suffix = strstr(name, MH_OPEN_SUFFIX);
	snprintf(suffix, 8, "%s", MH_SEALED_SUFFIX);
	put(&f, name, SEGMENT);
	before = taken(&f);
	f.limits.max_bytes = before - 1;
	goes(&f, "size 1");
	assert_int_equal(f.result.stock.bytes, before - 2 * SEGMENT);
	tear_down(&f);
}

static int stop_at_once(void *arg, const struct mh_segment_file *file, enum mh_deletion by)
{
	note_gone(arg, file, by);
	return 1;
}

static void it_can_be_stopped(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 4);
	f.limits.max_bytes = taken(&f) - 3 * SEGMENT;
	f.job.told = stop_at_once;
	assert_int_equal(apply(&f), -EINTR);
	assert_string_equal(f.gone, "size 1");
	assert_int_equal(f.result.stock.files.n, 3);
	f.job.told = note_gone;
	goes(&f, "size 2, size 3");
	tear_down(&f);
}

static void without_memory_nothing_goes(void **state)
{
	struct fixture f;
	int rc;

	(void)state;
	nomem_begin();
	nomem_pause();
	do {
		set_up(&f, 3);
		f.limits.max_bytes = taken(&f) - SEGMENT;
		assert_true(nomem_next());
		rc = apply(&f);
		nomem_pause();
		assert_int_equal(rc, nomem_failed() ? -ENOMEM : 0);
		assert_string_equal(f.gone, rc ? "" : "size 1");
		assert_int_equal(f.result.has_stock, !rc);
		tear_down(&f);
	} while (rc);
}

static void the_rate_is_that_of_the_newest_segments(void **state)
{
	enum { MINUTE_MS = 60 * 1000, HOURS = 5 };
	struct mh_stock_rate rate = {0};
	struct mh_stock stock = {0};
	struct mh_writer_config config;
	struct mh_writer *w;
	struct written log = {0};
	struct fixture f;
	struct world world;
	uint64_t bytes = 0, ms = 0;

	(void)state;
	set_up(&f, 0);
	config = config_for(f.dir);
	world_init(&world, 5);
	world.interval_ms = MINUTE_MS;
	w = open_writer(&config);
	record(w, &world, &log, 5);
	assert_int_equal(mh_stock_take(f.dir_fd, &stock), 0);
	assert_int_equal(mh_stock_rate(f.dir_fd, &stock, 1, &rate), 0);
	/* the open one, where it is all there is */
	record(w, &world, &log, 15);
	assert_int_equal(mh_stock_take(f.dir_fd, &stock), 0);
	assert_int_equal(mh_stock_rate(f.dir_fd, &stock, 1, &rate), 1);
	assert_int_equal(rate.bytes, stock.files.file[0].disk_bytes);
	assert_in_range(rate.ms, 19 * MINUTE_MS, 19 * MINUTE_MS + 999);
	/* then those that are finished */
	record(w, &world, &log, HOURS * 60);
	assert_int_equal(mh_stock_take(f.dir_fd, &stock), 0);
	assert_int_equal(stock.files.n, HOURS + 1);
	assert_int_equal(mh_stock_rate(f.dir_fd, &stock, HOURS + 1, &rate), 1);
	for (int i = 0; i < HOURS; i++) {
		bytes += stock.files.file[i].disk_bytes;
		ms += 59 * MINUTE_MS;
	}
	assert_int_equal(rate.bytes, bytes);
	assert_in_range(rate.ms, ms, ms + HOURS * 1000);
	mh_writer_close(w);
	mh_stock_done(&stock);
	world_done(&world);
	forget(&log);
	tear_down(&f);
}

static void the_projection_follows_from_rate_and_limit(void **state)
{
	const struct mh_stock_rate rate = {.bytes = 10 << 20, .ms = 86400 * 1000};

	(void)state;
	assert_int_equal(
		mh_retention_projected_s(&(struct mh_limits){.max_bytes = 100 << 20}, &rate),
		10 * 86400);
	assert_int_equal(mh_retention_projected_s(&(struct mh_limits){0}, &rate), 0);
	assert_int_equal(mh_retention_projected_s(&(struct mh_limits){.max_bytes = 1 << 20},
						  &(struct mh_stock_rate){0}),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_limits_nothing_goes),
		cmocka_unit_test(by_size_the_oldest_go_and_no_more_than_must),
		cmocka_unit_test(what_is_being_written_stays),
		cmocka_unit_test(by_size_even_the_newest_goes),
		cmocka_unit_test(every_file_counts),
		cmocka_unit_test(nothing_goes_for_what_is_no_segment),
		cmocka_unit_test(the_larger_of_size_and_blocks_counts),
		cmocka_unit_test(below_min_free_the_oldest_go),
		cmocka_unit_test(nothing_goes_where_that_does_not_make_enough_free),
		cmocka_unit_test(inodes_are_left_free_too),
		cmocka_unit_test(of_two_ways_to_say_min_free_the_smaller_counts),
		cmocka_unit_test(by_age_what_is_older_than_the_newest_data_goes),
		cmocka_unit_test(by_age_the_newest_stays),
		cmocka_unit_test(none_goes_by_age_while_there_is_something_from_the_future),
		cmocka_unit_test(the_end_of_a_segment_is_what_counts),
		cmocka_unit_test(a_dry_run_touches_nothing),
		cmocka_unit_test(what_cannot_be_deleted_is_said),
		cmocka_unit_test(what_is_gone_already_is_no_error),
		cmocka_unit_test(what_a_crash_left_goes_unless_somebody_works_on_it),
		cmocka_unit_test(a_segment_takes_along_those_that_it_stands_for),
		cmocka_unit_test(it_can_be_stopped),
		cmocka_unit_test(without_memory_nothing_goes),
		cmocka_unit_test(the_rate_is_that_of_the_newest_segments),
		cmocka_unit_test(the_projection_follows_from_rate_and_limit),
	};

	return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
