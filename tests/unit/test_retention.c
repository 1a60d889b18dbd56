/*
 * Retention, rule by rule (T1 … in retention.h): the oldest goes first, as many as must and no
 * more, and none where that would be for nothing.
 */
#include "tests/unit/disk.h"
#include "tests/unit/nomem.h"
#include "tests/unit/shelf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void without_limits_nothing_goes(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 5);
	disk.free_bytes = disk.free_files = 0;
	shelf_goes(&f, "");
	assert_false(f.result.is_low);
	shelf_remove(&f);
}

static void by_size_the_oldest_go_and_no_more_than_must(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 8);
	f.limits.max_bytes = shelf_taken(&f);
	shelf_goes(&f, "");
	f.limits.max_bytes--;
	shelf_goes(&f, "size 1");
	f.limits.max_bytes -= 3 * SHELF_BYTES;
	shelf_goes(&f, "size 2, size 3, size 4");
	f.job.room_bytes = 1;
	shelf_goes(&f, "");
	f.job.room_bytes = SHELF_BYTES;
	shelf_goes(&f, "size 5");
	assert_int_equal(f.result.deleted[MH_DELETED_BY_SIZE], 1);
	assert_int_equal(f.result.deleted_bytes, SHELF_BYTES);
	shelf_remove(&f);
}

/* T1 */
static void what_is_being_written_stays(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 4);
	f.job.keep_seq = 3;
	f.limits.max_bytes = shelf_taken(&f) - 2 * SHELF_BYTES;
	shelf_goes(&f, "size 1, size 2");
	f.limits.max_bytes -= 1;
	shelf_goes(&f, "");
	shelf_remove(&f);
}

/* Nobody writes: then nothing is sacred. */
static void by_size_even_the_newest_goes(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 2);
	f.limits.max_bytes = shelf_taken(&f) - 2 * SHELF_BYTES;
	shelf_goes(&f, "size 1, size 2");
	assert_int_equal(f.result.stock.files.n, 0);
	shelf_remove(&f);
}

/* T2 */
static void every_file_counts(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 4);
	shelf_put(&f, "LOCK", SHELF_BYTES);
	shelf_put(&f, ".hidden", SHELF_BYTES);
	f.limits.max_bytes = shelf_taken(&f);
	shelf_goes(&f, "");
	shelf_put(&f, "notes.txt", 2 * SHELF_BYTES);
	shelf_goes(&f, "size 1, size 2");
	assert_int_equal(f.result.stock.files.other_bytes, 4 * SHELF_BYTES);
	shelf_remove(&f);
}

/* T2 */
static void nothing_goes_for_what_is_no_segment(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 4);
	f.limits.max_bytes = shelf_taken(&f);
	shelf_put(&f, "backup.tar", 5 * SHELF_BYTES);
	shelf_goes(&f, "");
	shelf_remove(&f);
}

/* T3 */
static void below_min_free_the_oldest_go(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 5);
	f.limits.min_free_bytes = 1 << 30;
	disk.free_bytes = 1 << 30;
	shelf_goes(&f, "");
	disk.free_bytes -= 2 * SHELF_BYTES;
	shelf_goes(&f, "free 1, free 2");
	assert_false(f.result.is_low);
	assert_int_equal(f.result.min_free_bytes, 1 << 30);
	shelf_remove(&f);
}

/* T3: the newest is not for it, so four are all there are. */
static void nothing_goes_where_that_does_not_make_enough_free(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 5);
	f.limits.min_free_bytes = 1 << 30;
	disk.free_bytes = (1 << 30) - 4 * SHELF_BYTES;
	f.job.dry_run = true;
	assert_int_equal(shelf_apply(&f), 0);
	assert_string_equal(f.gone, "free 1, free 2, free 3, free 4");
	assert_false(f.result.is_low);
	f.job.dry_run = false;
	disk.free_bytes -= SHELF_BYTES;
	shelf_goes(&f, "");
	assert_true(f.result.is_low);
	assert_non_null(strstr(f.result.low.text, "writing pauses until there is more space: "));
	assert_non_null(strstr(f.result.low.text, "1.0 GiB are to be left"));
	shelf_remove(&f);
}

static void inodes_are_left_free_too(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 4);
	f.limits.min_free_percent = 50; /* of a million: 10,000 are enough */
	disk.free_files = 10000;
	disk.free_bytes = INT64_C(1) << 40;
	shelf_goes(&f, "");
	disk.free_files = 9998;
	shelf_goes(&f, "free 1, free 2");
	disk.free_files = 0;
	shelf_goes(&f, "");
	assert_true(f.result.is_low);
	assert_non_null(strstr(f.result.low.text, "inodes"));
	shelf_remove(&f);
}

static void of_two_ways_to_say_min_free_the_smaller_counts(void **state)
{
	struct mh_retention_result r = {0};
	struct shelf f;

	(void)state;
	shelf_fill(&f, 0);
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
	shelf_remove(&f);
}

/* T4. These files have no frames: they are as old as their names say. */
static void by_age_what_is_older_than_the_newest_data_goes(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 6);
	f.limits.max_age_ms = 3 * SHELF_HOUR_MS;
	f.job.newest_ms = SHELF_START_MS + 6 * SHELF_HOUR_MS;
	shelf_goes(&f, "age 1, age 2");
	f.job.newest_ms = SHELF_START_MS + 7 * SHELF_HOUR_MS + 1000;
	f.job.most_by_age = 1;
	shelf_goes(&f, "age 3");
	f.job.most_by_age = 0;
	shelf_goes(&f, "");
	shelf_remove(&f);
}

static void by_age_the_newest_stays(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 3);
	f.limits.max_age_ms = SHELF_HOUR_MS;
	f.job.newest_ms = SHELF_START_MS + INT64_C(1000) * SHELF_HOUR_MS;
	shelf_goes(&f, "age 1, age 2");
	shelf_remove(&f);
}

/* T1, however old: a writer that could not be asked where it is has all of them. */
static void by_age_what_is_being_written_stays(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 6);
	f.limits.max_age_ms = SHELF_HOUR_MS;
	f.job.newest_ms = SHELF_START_MS + INT64_C(1000) * SHELF_HOUR_MS;
	f.job.keep_seq = 1;
	shelf_goes(&f, "");
	f.job.keep_seq = 3;
	shelf_goes(&f, "age 1, age 2");
	shelf_goes(&f, "");
	shelf_remove(&f);
}

/* T4: it is a clock that was set back. */
static void none_goes_by_age_while_there_is_something_from_the_future(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 6);
	f.limits.max_age_ms = SHELF_HOUR_MS;
	f.job.keep_seq = 6;
	f.job.newest_ms = SHELF_START_MS + 4 * SHELF_HOUR_MS;
	shelf_goes(&f, "");
	/* the one that is being written as well, where its clock was set back meanwhile */
	f.job.newest_ms = SHELF_START_MS + 5 * SHELF_HOUR_MS + 1;
	shelf_goes(&f, "");
	f.job.newest_ms = SHELF_START_MS + 6 * SHELF_HOUR_MS;
	shelf_goes(&f, "age 1, age 2, age 3, age 4");
	shelf_remove(&f);
}

static void a_dry_run_touches_nothing(void **state)
{
	struct shelf f;
	uint64_t before;

	(void)state;
	shelf_fill(&f, 6);
	shelf_put(&f, ".0000000009-20261120T202848Z-0123abcd.mh.sealing", SHELF_BYTES);
	before = shelf_taken(&f);
	f.limits.max_bytes = before - 2 * SHELF_BYTES;
	f.job.dry_run = true;
	disk.unlink_errno = EIO;
	assert_int_equal(shelf_apply(&f), 0);
	assert_string_equal(f.gone, "size 1, size 2");
	assert_int_equal(f.result.stock.bytes, before - 2 * SHELF_BYTES);
	assert_int_equal(shelf_taken(&f), before);
	disk.unlink_errno = 0;
	shelf_remove(&f);
}

static void what_cannot_be_deleted_is_said(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 4);
	f.limits.max_bytes = shelf_taken(&f) - 2 * SHELF_BYTES;
	disk.unlink_errno = EACCES;
	assert_int_equal(shelf_apply(&f), -EACCES);
	assert_non_null(strstr(f.err.text, "/0000000001-"));
	assert_non_null(strstr(f.err.text, "which has to go: Permission denied"));
	assert_true(f.result.has_stock);
	assert_int_equal(f.result.stock.files.n, 4);
	assert_int_equal(f.result.stock.bytes, shelf_taken(&f));
	disk.unlink_errno = 0;
	shelf_goes(&f, "size 1, size 2");
	shelf_remove(&f);
}

/* Somebody else removes the same files. */
static void what_is_gone_already_is_no_error(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 3);
	f.limits.max_bytes = shelf_taken(&f) - SHELF_BYTES;
	disk.unlink_errno = ENOENT;
	assert_int_equal(shelf_apply(&f), 0);
	disk.unlink_errno = 0;
	shelf_remove(&f);
}

static int stop_at_once(void *arg, const struct mh_segment_file *file, enum mh_deletion by)
{
	shelf_note(arg, file, by);
	return 1;
}

static void it_can_be_stopped(void **state)
{
	struct shelf f;

	(void)state;
	shelf_fill(&f, 4);
	f.limits.max_bytes = shelf_taken(&f) - 3 * SHELF_BYTES;
	f.job.told = stop_at_once;
	assert_int_equal(shelf_apply(&f), -EINTR);
	assert_string_equal(f.gone, "size 1");
	assert_int_equal(f.result.stock.files.n, 3);
	f.job.told = shelf_note;
	shelf_goes(&f, "size 2, size 3");
	shelf_remove(&f);
}

static void without_memory_nothing_goes(void **state)
{
	struct shelf f;
	int rc;

	(void)state;
	nomem_begin();
	nomem_pause();
	do {
		shelf_fill(&f, 3);
		f.limits.max_bytes = shelf_taken(&f) - SHELF_BYTES;
		assert_true(nomem_next());
		rc = shelf_apply(&f);
		nomem_pause();
		assert_int_equal(rc, nomem_failed() ? -ENOMEM : 0);
		assert_string_equal(f.gone, rc ? "" : "size 1");
		assert_int_equal(f.result.has_stock, !rc);
		shelf_remove(&f);
	} while (rc);
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
		cmocka_unit_test(below_min_free_the_oldest_go),
		cmocka_unit_test(nothing_goes_where_that_does_not_make_enough_free),
		cmocka_unit_test(inodes_are_left_free_too),
		cmocka_unit_test(of_two_ways_to_say_min_free_the_smaller_counts),
		cmocka_unit_test(by_age_what_is_older_than_the_newest_data_goes),
		cmocka_unit_test(by_age_the_newest_stays),
		cmocka_unit_test(by_age_what_is_being_written_stays),
		cmocka_unit_test(none_goes_by_age_while_there_is_something_from_the_future),
		cmocka_unit_test(a_dry_run_touches_nothing),
		cmocka_unit_test(what_cannot_be_deleted_is_said),
		cmocka_unit_test(what_is_gone_already_is_no_error),
		cmocka_unit_test(it_can_be_stopped),
		cmocka_unit_test(without_memory_nothing_goes),
	};

	return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
