/*
 * Retention over time: clocks that are set, or wrong from the start, cost no history, an old hour a
 * minute is all that goes by age, and writing pauses while there is too little free space.
 */
#include "libmemhist/history/frame.h"
#include "libmemhist/history/upkeep/room.h"

#include "tests/unit/disk.h"
#include "tests/unit/recording.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEGMENT = 4096, HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS, MINUTE_MS = 60 * 1000 };

static const mh_ms_t start_ms = INT64_C(1790000000000);

/* Segments 1 … n, an hour each up to now, the last one being written; a day is kept. */
struct fixture {
	const char *dir;
	int dir_fd;
	struct mh_room room;
	struct mh_room_moment moment;
	struct mh_room_status status;
	struct mh_err err;
};

/* A file of no snapshots, or one that ends with a frame of this time. */
static void put(const struct fixture *f, uint64_t seq, mh_ms_t begin_ms, mh_ms_t end_ms)
{
	const struct mh_boot_id boot = {{1}};
	const struct mh_frame frame = {
		.segment = 7,
		.at = {.wall_ms = end_ms},
		.type = MH_FRAME_SNAPSHOT,
		.version = MH_FRAME_VERSION,
		.len = 1,
		.payload = (const uint8_t *)"x",
	};
	uint8_t bytes[MH_FRAME_HEAD + 1] = {[MH_FRAME_HEAD] = 'x'};
	char name[MH_SEGMENT_NAME_MAX];
	int fd;

	mh_segment_name(name, seq, begin_ms, &boot);
	fd = openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	assert_true(fd >= 0 && !ftruncate(fd, SEGMENT));
	if (end_ms) {
		mh_frame_seal(&frame, bytes);
		assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	}
	close(fd);
}

static void set_up(struct fixture *f, unsigned n)
{
	disk_reset();
	disk.free_bytes = INT64_C(1) << 39;
	*f = (struct fixture){.dir = temp_dir(), .room.limits.max_age_ms = DAY_MS};
	f->dir_fd = mh_dir_open(f->dir, &f->err);
	assert_true(f->dir_fd >= 0);
	for (unsigned seq = 1; seq <= n; seq++)
		put(f, seq, start_ms + seq * (mh_ms_t)HOUR_MS, 0);
	f->moment.keep_seq = n;
	f->moment.newest = (struct mh_instant){
		.wall_ms = start_ms + n * (mh_ms_t)HOUR_MS,
		.boot_ns = UINT64_C(1000000000) * 3600 * 24 * 100,
	};
	f->moment.first = f->moment.newest;
}

static void tear_down(struct fixture *f)
{
	close(f->dir_fd);
	remove_dir(f->dir);
}

/* After so much time, by each clock; returns how many segments have gone by age so far. */
static uint64_t check_after(struct fixture *f, int64_t boot_ms, int64_t wall_ms)
{
	f->moment.newest.boot_ns += (uint64_t)boot_ms * 1000000;
	f->moment.newest.wall_ms += wall_ms;
	if (mh_room_check(&f->room, f->dir_fd, f->dir, &f->moment, &f->status, &f->err))
		fail_msg("%s", f->err.text);
	return f->status.deleted.segments[MH_DELETED_BY_AGE];
}

static void one_segment_a_minute_goes_by_age(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 24 + 10); /* nine are too old */
	assert_int_equal(check_after(&f, 0, 0), 1);
	assert_int_equal(check_after(&f, 1000, 1000), 1);
	assert_int_equal(check_after(&f, 58999, 58999), 1);
	for (uint64_t i = 2; i <= 9; i++)
		assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), i);
	assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), 9 + 1); /* the time goes on */
	assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), 9 + 1);
	assert_int_equal(f.status.segments, 24);
	tear_down(&f);
}

/* As fast by the time that goes: days that were merged take their time. */
static void a_segment_of_a_day_counts_as_its_hours(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 0);
	for (unsigned day = 0; day < 5; day++)
		put(&f, day + 1, start_ms + day * (mh_ms_t)DAY_MS,
		    start_ms + (day + 1) * (mh_ms_t)DAY_MS - 1000);
	f.moment.newest.wall_ms = start_ms + 5 * (mh_ms_t)DAY_MS;
	f.moment.first = f.moment.newest;
	f.moment.keep_seq = 6;
	assert_int_equal(check_after(&f, 0, 0), 1); /* four are too old */
	for (uint64_t i = 1; i <= 2; i++) {
		for (int minute = 1; minute < 23; minute++)
			assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), i);
		assert_int_equal(check_after(&f, 2 * MINUTE_MS, 2 * MINUTE_MS), i + 1);
	}
	tear_down(&f);
}

/* A begin that is wrong by years does not stop it. */
static void no_segment_counts_as_more_than_an_hour_of_waiting(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 0);
	put(&f, 1, 1000, start_ms - 2 * DAY_MS);
	put(&f, 2, start_ms - 2 * DAY_MS, start_ms - 2 * DAY_MS);
	put(&f, 3, start_ms - 2 * HOUR_MS, start_ms);
	f.moment.keep_seq = 4;
	assert_int_equal(check_after(&f, 0, 0), 1);
	assert_int_equal(check_after(&f, HOUR_MS - 1000, HOUR_MS - 1000), 1);
	assert_int_equal(check_after(&f, 1000, 1000), 2);
	tear_down(&f);
}

static void before_the_first_data_none_goes_by_age(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 50);
	f.moment.first = f.moment.newest = (struct mh_instant){0};
	assert_int_equal(check_after(&f, 0, 0), 0);
	tear_down(&f);
}

static void a_clock_set_forward_a_day_costs_nothing_for_an_hour(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 24);
	assert_int_equal(check_after(&f, 0, 0), 0);
	/* all but the newest would be too old, by this clock */
	assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS + DAY_MS), 0);
	for (int minute = 1; minute < 60; minute++)
		assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), 0);
	/* set right again within that hour: nothing has happened */
	assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS - DAY_MS), 0);
	for (int minute = 1; minute < 60; minute++)
		assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), 0);
	tear_down(&f);
}

static void a_clock_set_before_the_first_check_costs_nothing_either(void **state)
{
	struct fixture f;

	(void)state;
	for (int forward = 0; forward < 2; forward++) {
		set_up(&f, 24);
		assert_int_equal(check_after(&f, 1000, 1000 + (forward ? DAY_MS : -DAY_MS)), 0);
		assert_int_equal(check_after(&f, 59 * MINUTE_MS, 59 * MINUTE_MS), 0);
		tear_down(&f);
	}
}

/* As another run would, from now on. */
static void start_anew(struct fixture *f, mh_ms_t wall_ms)
{
	f->room = (struct mh_room){.limits = f->room.limits};
	f->moment.newest.wall_ms = wall_ms;
	f->moment.first = f->moment.newest;
}

static void a_clock_that_is_ahead_from_the_start_costs_nothing_for_an_hour(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 24);
	start_anew(&f, f.moment.newest.wall_ms + 365 * (mh_ms_t)DAY_MS);
	assert_int_equal(check_after(&f, 0, 0), 0);
	for (int minute = 1; minute < 60; minute++)
		assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), 0);
	assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), 1);
	tear_down(&f);
}

/* What that clock's first run recorded does not make it right. */
static void nor_does_it_when_it_starts_again_within_that_hour(void **state)
{
	struct fixture f;
	mh_ms_t ahead_ms;

	(void)state;
	set_up(&f, 24);
	ahead_ms = f.moment.newest.wall_ms + 365 * (mh_ms_t)DAY_MS;
	put(&f, 25, ahead_ms, ahead_ms + 20 * MINUTE_MS);
	put(&f, 26, ahead_ms + 21 * MINUTE_MS, ahead_ms + 58 * MINUTE_MS);
	f.moment.keep_seq = 27;
	start_anew(&f, ahead_ms + 59 * MINUTE_MS);
	assert_int_equal(check_after(&f, 0, 0), 0);
	assert_int_equal(check_after(&f, 59 * MINUTE_MS, 59 * MINUTE_MS), 0);
	/* after more than that it is the time */
	start_anew(&f, ahead_ms + 61 * MINUTE_MS);
	assert_int_equal(check_after(&f, 0, 0), 1);
	tear_down(&f);
}

/* A pause of less is an update, a reboot. */
static void an_hour_without_recording_is_no_hole(void **state)
{
	struct fixture f;

	(void)state;
	for (int longer = 0; longer < 2; longer++) {
		set_up(&f, 24 + 5);
		f.moment.keep_seq = 30;
		start_anew(&f, f.moment.newest.wall_ms + HOUR_MS + longer);
		assert_int_equal(check_after(&f, 0, 0), !longer);
		tear_down(&f);
	}
}

static void a_clock_that_stays_ahead_costs_a_segment_a_minute(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 24);
	assert_int_equal(check_after(&f, 0, 0), 0);
	assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS + DAY_MS), 0);
	assert_int_equal(check_after(&f, HOUR_MS, HOUR_MS), 1);
	assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), 2);
	tear_down(&f);
}

static void a_clock_set_back_an_hour_costs_nothing(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 24 + 5);
	assert_int_equal(check_after(&f, 0, -HOUR_MS - MINUTE_MS), 0);
	for (int minute = 0; minute < 60; minute++)
		assert_int_equal(check_after(&f, MINUTE_MS, MINUTE_MS), 0);
	/* past where it was before */
	assert_int_equal(check_after(&f, 2 * MINUTE_MS, 2 * MINUTE_MS), 1);
	tear_down(&f);
}

/* Both clocks count through suspend. */
static void sleep_is_no_clock_that_was_set(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 24 + 1);
	assert_int_equal(check_after(&f, 0, 0), 0);
	assert_int_equal(check_after(&f, DAY_MS, DAY_MS), 1);
	tear_down(&f);
}

static void room_is_kept_for_the_next_segment_and_for_sealing(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 10);
	f.room.segment_bytes = SEGMENT;
	check_after(&f, 0, 0);
	f.room.limits.max_bytes = f.status.bytes + 2 * SEGMENT;
	check_after(&f, 0, 0);
	assert_int_equal(f.status.deleted.segments[MH_DELETED_BY_SIZE], 0);
	f.room.limits.max_bytes--;
	check_after(&f, 0, 0);
	assert_int_equal(f.status.deleted.segments[MH_DELETED_BY_SIZE], 1);
	assert_int_equal(f.status.segments, 9);
	assert_int_equal(f.status.oldest_ms, start_ms + 2 * HOUR_MS);
	tear_down(&f);
}

static void too_little_free_space_is_told_until_there_is_more(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 3);
	f.room.limits.min_free_bytes = 1 << 30;
	check_after(&f, 0, 0);
	assert_false(f.status.is_low);
	disk.free_bytes = 1 << 20;
	check_after(&f, 0, 0);
	assert_true(f.status.is_low);
	assert_int_equal(f.status.free_bytes, 1 << 20);
	assert_int_equal(mh_room_look(&f.room, f.dir_fd, f.dir, &f.status), 0);
	assert_true(f.status.is_low);
	disk.free_bytes = 1 << 30;
	assert_int_equal(mh_room_look(&f.room, f.dir_fd, f.dir, &f.status), 0);
	assert_false(f.status.is_low);
	assert_int_equal(f.status.segments, 3);
	tear_down(&f);
}

static const char *described(struct mh_buf *text, struct mh_deleted *told,
			     const struct mh_room_status *status)
{
	mh_buf_clear(text);
	return mh_room_describe_deleted(text, told, status) ? mh_buf_str(text) : NULL;
}

static void what_has_gone_is_said_once(void **state)
{
	struct mh_buf text = MH_BUF_INIT(1024);
	struct mh_deleted told = {0};
	struct fixture f;

	(void)state;
	set_up(&f, 24 + 10);
	f.room.segment_bytes = SEGMENT;
	assert_null(described(&text, &told, &f.status));
	check_after(&f, 0, 0);
	/* nothing of these is on the disk but their lengths */
	assert_string_equal(described(&text, &told, &f.status),
			    "1 segment was deleted, 4.0 KiB, for max_age; the history begins at "
			    "2026-09-21 16:13:20 UTC");
	assert_null(described(&text, &told, &f.status));
	/* two checks, for two reasons */
	check_after(&f, MINUTE_MS, MINUTE_MS);
	f.room.limits.max_bytes = f.status.bytes + SEGMENT;
	check_after(&f, 0, 0);
	assert_string_equal(described(&text, &told, &f.status),
			    "2 segments were deleted, 8.0 KiB, for max_size and max_age; the "
			    "history begins at 2026-09-21 18:13:20 UTC");
	assert_null(described(&text, &told, &f.status));
	mh_buf_done(&text);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_gone_is_said_once),
		cmocka_unit_test(one_segment_a_minute_goes_by_age),
		cmocka_unit_test(a_segment_of_a_day_counts_as_its_hours),
		cmocka_unit_test(no_segment_counts_as_more_than_an_hour_of_waiting),
		cmocka_unit_test(before_the_first_data_none_goes_by_age),
		cmocka_unit_test(a_clock_set_forward_a_day_costs_nothing_for_an_hour),
		cmocka_unit_test(a_clock_set_before_the_first_check_costs_nothing_either),
		cmocka_unit_test(a_clock_that_is_ahead_from_the_start_costs_nothing_for_an_hour),
		cmocka_unit_test(nor_does_it_when_it_starts_again_within_that_hour),
		cmocka_unit_test(an_hour_without_recording_is_no_hole),
		cmocka_unit_test(a_clock_that_stays_ahead_costs_a_segment_a_minute),
		cmocka_unit_test(a_clock_set_back_an_hour_costs_nothing),
		cmocka_unit_test(sleep_is_no_clock_that_was_set),
		cmocka_unit_test(room_is_kept_for_the_next_segment_and_for_sealing),
		cmocka_unit_test(too_little_free_space_is_told_until_there_is_more),
	};

	return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
