/*
 * Clock-aligned windows: in every zone and for every interval they tile time, hold their instant,
 * and begin at times of the day that people would choose, also on the days on which clocks change.
 */
#include "libmemhist/base/civil.h"
#include "tests/unit/zone.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static mh_ms_t utc(const char *text)
{
	mh_ms_t ms;

	if (mh_time_parse(text, 0, true, &ms))
		fail_msg("%s is no time", text);
	return ms;
}

/* Whether the clock is put forward or back at this very instant. */
static bool is_change(mh_ms_t wall_ms)
{
	return zone_offset_ms(wall_ms) != zone_offset_ms(wall_ms - 1);
}

/* What divides the time of day at which a window begins. */
static mh_ms_t aligned_to(mh_ms_t interval_ms)
{
	if (interval_ms < DAY)
		return interval_ms;
	return interval_ms % DAY ? interval_ms % DAY : DAY;
}

/* The window at `start`, which must begin there; returns its end. */
static mh_ms_t check_window(mh_ms_t start, mh_ms_t interval_ms)
{
	mh_ms_t first, end, inside[4], s, e;

	mh_window(start, interval_ms, false, &first, &end);
	assert_int_equal(first, start);
	assert_true(end > start);
	inside[0] = end - 1;
	inside[1] = start + (end - start) / 2;
	inside[2] = start + random() % (end - start);
	/* where clocks are put back, they may show a time before the window */
	inside[3] = mh_civil_change(start, end - 1, false);
	for (int i = 0; i < (inside[3] < end ? 4 : 3); i++) {
		mh_window(inside[i], interval_ms, false, &s, &e);
		assert_int_equal(s, start);
		assert_int_equal(e, end);
	}
	if (!is_change(start))
		assert_int_equal(zone_time_of_day_ms(start) % aligned_to(interval_ms), 0);
	if (zone_offset_ms(start) != zone_offset_ms(end))
		return end;
	/* the clock ran evenly: full length, or cut at midnight or at a change */
	if (end - start != interval_ms) {
		assert_true(end - start < interval_ms);
		assert_true(zone_time_of_day_ms(end) == 0 || is_change(start) || is_change(end));
	}
	return end;
}

static void tile(const char *zone, const char *from, const char *to)
{
	static const mh_ms_t intervals[] = {
		7 * MINUTE, 15 * MINUTE, 45 * MINUTE, HOUR,      90 * MINUTE, 2 * HOUR, 4 * HOUR,
		5 * HOUR,   12 * HOUR,   DAY,         36 * HOUR, 2 * DAY,     7 * DAY,
	};

	zone_set(zone);
	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
		mh_ms_t at, end;

		mh_window(utc(from), intervals[i], false, &at, &end);
		while (at < utc(to))
			at = check_window(at, intervals[i]);
	}
}

/* Everywhere where clocks do something special, around the days on which they do. */
static void windows_tile_time(void **state)
{
	(void)state;
	srandom(20251026);
	tile("UTC", "1969-12-25", "1970-01-05");
	tile("Europe/Berlin", "2025-01-01", "2026-01-02");
	tile("Asia/Kolkata", "2025-02-20", "2025-03-10");        /* half an hour off */
	tile("Asia/Kathmandu", "2025-02-20", "2025-03-01");      /* a quarter off */
	tile("Australia/Lord_Howe", "2025-03-25", "2025-04-15"); /* changes by 30 minutes */
	tile("Australia/Lord_Howe", "2025-09-25", "2025-10-15");
	tile("America/Havana", "2025-10-25", "2025-11-10");    /* 01:00 -> 00:00 */
	tile("America/Havana", "2025-03-01", "2025-03-15");    /* 00:00 -> 01:00 */
	tile("America/Sao_Paulo", "2018-10-25", "2018-11-10"); /* no midnight */
	tile("America/Sao_Paulo", "2018-02-10", "2018-02-25"); /* 00:00 -> 23:00 */
	tile("America/St_Johns", "2010-11-01", "2010-11-15");  /* 00:01 -> 23:01 the day before */
	tile("America/St_Johns", "2010-03-10", "2010-03-20");
	tile("Pacific/Apia", "2011-12-25", "2012-01-05");    /* a day that never was */
	tile("Africa/Monrovia", "1972-01-01", "1972-01-15"); /* 44 minutes 30 seconds */
}

static void check(const char *zone, const char *at, mh_ms_t interval_ms, const char *start,
		  const char *end)
{
	struct mh_buf b = MH_BUF_INIT(100);
	mh_ms_t s, e;

	zone_set(zone);
	mh_window(utc(at), interval_ms, false, &s, &e);
	mh_time_format(&b, s, true);
	assert_string_equal(mh_buf_str(&b), start);
	mh_buf_clear(&b);
	mh_time_format(&b, e, true);
	assert_string_equal(mh_buf_str(&b), end);
	mh_buf_done(&b);
}

/* Edges told by hand; all times in UTC. */
static void days_begin_at_local_midnight(void **state)
{
	(void)state;
	check("Europe/Berlin", "2025-01-15 12:00", DAY, "2025-01-14 23:00:00",
	      "2025-01-15 23:00:00");
	check("Europe/Berlin", "2025-03-30 12:00", DAY, "2025-03-29 23:00:00",
	      "2025-03-30 22:00:00"); /* 23 hours */
	check("Europe/Berlin", "2025-10-26 12:00", DAY, "2025-10-25 22:00:00",
	      "2025-10-26 23:00:00"); /* 25 hours */
	check("Asia/Kolkata", "2025-01-15 18:29:59", DAY, "2025-01-14 18:30:00",
	      "2025-01-15 18:30:00");
	check("America/Sao_Paulo", "2018-11-04 12:00", DAY, "2018-11-04 03:00:00",
	      "2018-11-05 02:00:00"); /* begins at 01:00 */
	check("America/Havana", "2025-11-02 05:30", DAY, "2025-11-02 04:00:00",
	      "2025-11-03 05:00:00"); /* has two midnights */
	check("Pacific/Apia", "2011-12-30 10:00", DAY, "2011-12-30 10:00:00",
	      "2011-12-31 10:00:00"); /* after the 29th comes the 31st */
	check("UTC", "1969-12-31 23:59:59", DAY, "1969-12-31 00:00:00", "1970-01-01 00:00:00");
}

static void hours_begin_at_the_hour_of_the_clock(void **state)
{
	(void)state;
	check("Asia/Kolkata", "2025-01-15 12:00", HOUR, "2025-01-15 11:30:00",
	      "2025-01-15 12:30:00");
	check("Asia/Kolkata", "2025-01-15 12:00", 15 * MINUTE, "2025-01-15 12:00:00",
	      "2025-01-15 12:15:00");
	check("Asia/Kolkata", "2025-01-15 12:00", 4 * HOUR, "2025-01-15 10:30:00",
	      "2025-01-15 14:30:00");
	/* the hour that Berlin has twice */
	check("Europe/Berlin", "2025-10-26 00:30", HOUR, "2025-10-26 00:00:00",
	      "2025-10-26 01:00:00");
	check("Europe/Berlin", "2025-10-26 01:30", HOUR, "2025-10-26 01:00:00",
	      "2025-10-26 02:00:00");
	/* from midnight to four: five hours and three */
	check("Europe/Berlin", "2025-10-26 01:30", 4 * HOUR, "2025-10-25 22:00:00",
	      "2025-10-26 03:00:00");
	check("Europe/Berlin", "2025-03-30 00:59", 4 * HOUR, "2025-03-29 23:00:00",
	      "2025-03-30 02:00:00");
	check("Europe/Berlin", "2025-03-30 02:00", 4 * HOUR, "2025-03-30 02:00:00",
	      "2025-03-30 06:00:00");
	/* five hours do not divide the day: 20:00 to midnight is the last */
	check("UTC", "2025-01-15 23:00", 5 * HOUR, "2025-01-15 20:00:00", "2025-01-16 00:00:00");
	check("UTC", "2025-01-16 00:00", 5 * HOUR, "2025-01-16 00:00:00", "2025-01-16 05:00:00");
	check("UTC", "2025-01-15 23:58", 7 * MINUTE, "2025-01-15 23:55:00", "2025-01-16 00:00:00");
}

static void several_days_count_from_1970(void **state)
{
	(void)state;
	check("UTC", "1970-01-07 12:00", 7 * DAY, "1970-01-01 00:00:00", "1970-01-08 00:00:00");
	check("UTC", "1969-12-31 12:00", 7 * DAY, "1969-12-25 00:00:00", "1970-01-01 00:00:00");
	check("UTC", "1970-01-02 12:00", 36 * HOUR, "1970-01-02 12:00:00", "1970-01-04 00:00:00");
}

static void utc_windows_do_not_care_for_the_zone(void **state)
{
	mh_ms_t start, end;

	(void)state;
	zone_set("Asia/Kolkata");
	mh_window(utc("2025-01-15 12:07:03"), HOUR, true, &start, &end);
	assert_int_equal(start, utc("2025-01-15 12:00"));
	assert_int_equal(end, utc("2025-01-15 13:00"));
	mh_window(utc("2025-01-15 12:07:03"), DAY, true, &start, &end);
	assert_int_equal(start, utc("2025-01-15"));
	assert_int_equal(end, utc("2025-01-16"));
	mh_window(-1, 1000, true, &start, &end);
	assert_int_equal(start, -1000);
	assert_int_equal(end, 0);
	mh_window(7, 1, true, &start, &end);
	assert_int_equal(start, 7);
	assert_int_equal(end, 8);
}

/* A file may claim any time: nothing may overflow (watched by UBSan) or hang. */
static void the_end_of_time_is_survived(void **state)
{
	static const mh_ms_t ends[] = {MH_MS_MIN, MH_MS_MIN + 1, MH_MS_MAX, MH_MS_MAX - 1};
	mh_ms_t start, end;

	(void)state;
	zone_set("Europe/Berlin");
	for (size_t i = 0; i < 4; i++) {
		struct mh_buf b = MH_BUF_INIT(100);

		mh_window(ends[i], 15 * MINUTE, false, &start, &end);
		assert_int_equal(end - start, 15 * MINUTE);
		mh_window(ends[i], DAY, false, &start, &end);
		assert_true(end > start);
		mh_time_format(&b, ends[i], false);
		assert_int_equal(b.error, 0);
		assert_true(b.len > 19);
		mh_buf_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_tile_time),
		cmocka_unit_test(days_begin_at_local_midnight),
		cmocka_unit_test(hours_begin_at_the_hour_of_the_clock),
		cmocka_unit_test(several_days_count_from_1970),
		cmocka_unit_test(utc_windows_do_not_care_for_the_zone),
		cmocka_unit_test(the_end_of_time_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
