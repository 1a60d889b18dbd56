/* Durations and points in time: what people write for them, and what is refused. */
#include "libmemhist/base/timespec.h"
#include "tests/unit/zone.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const mh_ms_t SECOND = 1000, MINUTE = 60000, HOUR = 3600000, DAY = 86400000;
static const mh_ms_t NOW = 1763676245123; /* 2025-11-20 22:04:05.123 */

static void read_as(const char *text, mh_ms_t bare_unit_ms, mh_ms_t expected)
{
	mh_ms_t ms = -1;
	int rc = mh_duration_parse(text, bare_unit_ms, &ms);

	if (rc || ms != expected)
		fail_msg("'%s': %d, %" PRId64 " ms", text, rc, ms);
}

static void durations_are_read(void **state)
{
	(void)state;
	read_as("1ms", 0, 1);
	read_as("250ms", 0, 250);
	read_as("90s", 0, 90 * SECOND);
	read_as("15m", 0, 15 * MINUTE);
	read_as("15min", 0, 15 * MINUTE);
	read_as("1h", 0, HOUR);
	read_as("1d", 0, DAY);
	read_as("2w", 0, 14 * DAY);
	read_as("1h30m", 0, 90 * MINUTE);
	read_as("1h30min15s1ms", 0, 90 * MINUTE + 15 * SECOND + 1);
	read_as("30m1h", 0, 90 * MINUTE);
	read_as("15", MINUTE, 15 * MINUTE);
	read_as("15", SECOND, 15 * SECOND);
	read_as("0015", 1, 15);
	read_as("0h1s", 0, SECOND);
	read_as("36525d", 0, 36525 * DAY);
	read_as("3155760000000", 1, 36525 * DAY);
}

static void other_durations_are_refused(void **state)
{
	static const char *const texts[] = {
		"",    "0",   "0s",   "-1s",   "+1s",  " 1s",  "1s ",
		"1 s", "1x",  "s",    "1.5h",  "1h30", "15 m", "1hm",
		"1H",  "1m2", "1msx", "0x10s", "1e3s", "m",    "\xd9\xa1s",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		mh_ms_t ms = 42;

		if (mh_duration_parse(texts[i], SECOND, &ms) != -EINVAL || ms != 42)
			fail_msg("'%s' was taken for %" PRId64 " ms", texts[i], ms);
	}
}

static void too_long_a_duration_is_told_apart(void **state)
{
	static const char *const texts[] = {
		"36526d",
		"36525d1ms",
		"5218w",
		"3155760000001ms",
		"99999999999999999999s",
		"18446744073709551617ms",
		"9223372036854775807w",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		mh_ms_t ms = 42;

		if (mh_duration_parse(texts[i], SECOND, &ms) != -ERANGE || ms != 42)
			fail_msg("'%s' was taken for %" PRId64 " ms", texts[i], ms);
	}
}

static void a_number_alone_needs_a_unit_of_the_caller(void **state)
{
	mh_ms_t ms;

	(void)state;
	assert_int_equal(mh_duration_parse("15", 0, &ms), -EINVAL);
	assert_int_equal(mh_duration_parse("3155760001", SECOND, &ms), -ERANGE);
}

static void written_as(mh_ms_t ms, const char *expected)
{
	struct mh_buf b = MH_BUF_INIT(100);

	mh_duration_format(&b, ms);
	assert_string_equal(mh_buf_str(&b), expected);
	mh_buf_done(&b);
}

static void durations_are_written_for_people(void **state)
{
	(void)state;
	written_as(0, "0 s");
	written_as(250, "250 ms");
	written_as(20 * SECOND, "20 s");
	written_as(90 * MINUTE, "1 h 30 min");
	written_as(DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5, "1 d 2 h 3 min 4 s 5 ms");
	written_as(36525 * DAY, "36525 d");
}

/* What is written can be read when the blanks are taken out. */
static void written_durations_are_read_back(void **state)
{
	(void)state;
	srandom(11);
	for (int i = 0; i < 20000; i++) {
		mh_ms_t limit = 1, back, ms;
		struct mh_buf b = MH_BUF_INIT(100);
		char *to;

		for (long digits = random() % 12; digits >= 0; digits--)
			limit *= 10;
		ms = 1 + ((mh_ms_t)random() << 31 | random()) % limit;
		mh_duration_format(&b, ms);
		to = b.data;
		for (size_t k = 0; k < b.len; k++)
			if (b.data[k] != ' ')
				*to++ = b.data[k];
		b.len = (size_t)(to - b.data);
		assert_int_equal(mh_duration_parse(mh_buf_str(&b), 0, &back), 0);
		assert_int_equal(back, ms);
		mh_buf_done(&b);
	}
}

static void means(const char *text, bool utc, const char *expected_utc)
{
	struct mh_buf b = MH_BUF_INIT(100);
	mh_ms_t ms = -1;

	if (mh_time_parse(text, NOW, utc, &ms))
		fail_msg("'%s' was refused", text);
	mh_time_format(&b, ms, true);
	assert_string_equal(mh_buf_str(&b), expected_utc);
	mh_buf_done(&b);
}

static void points_in_time_are_read(void **state)
{
	mh_ms_t ms;

	(void)state;
	means("2025-11-20", true, "2025-11-20 00:00:00");
	means("2025-11-20 22:04", true, "2025-11-20 22:04:00");
	means("2025-11-20 22:04:05", true, "2025-11-20 22:04:05");
	means("2025-11-20T22:04:05", true, "2025-11-20 22:04:05");
	means("2025-11-20T22:04:05Z", false, "2025-11-20 22:04:05");
	means("2025-11-20 22:04:05+09:00", false, "2025-11-20 13:04:05");
	means("2025-11-20 22:04-0330", true, "2025-11-21 01:34:00");
	means("2025-11-20Z", false, "2025-11-20 00:00:00");
	means("@0", false, "1970-01-01 00:00:00");
	means("@1763676245", false, "2025-11-20 22:04:05");
	means("1969-12-31 23:59:59", true, "1969-12-31 23:59:59");
	means("0000-01-01", true, "0000-01-01 00:00:00");
	means("9999-12-31 23:59:59", true, "9999-12-31 23:59:59");
	assert_int_equal(mh_time_parse("now", NOW, false, &ms), 0);
	assert_int_equal(ms, NOW);
	assert_int_equal(mh_time_parse("10m ago", NOW, false, &ms), 0);
	assert_int_equal(ms, NOW - 10 * MINUTE);
	assert_int_equal(mh_time_parse("1h30m ago", NOW, false, &ms), 0);
	assert_int_equal(ms, NOW - 90 * MINUTE);
	assert_int_equal(mh_time_parse("-2d", NOW, false, &ms), 0);
	assert_int_equal(ms, NOW - 2 * DAY);
	assert_int_equal(mh_time_parse("0s ago", NOW, false, &ms), 0);
	assert_int_equal(ms, NOW);
}

static void leap_days_are_known(void **state)
{
	(void)state;
	means("2024-02-29", true, "2024-02-29 00:00:00");
	means("2000-02-29", true, "2000-02-29 00:00:00");
	means("2024-12-31", true, "2024-12-31 00:00:00");
}

static void other_texts_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"2025-1-1",
		"25-01-01",
		"02025-01-01",
		"2025-01-01 1:00",
		"2025-01-01 12",
		"2025-01-01 12:",
		"2025-01-01  12:00",
		"2025-01-01t12:00",
		"2025-01-01 12:00:00.5",
		"2025-01-01 12:00 ",
		" 2025-01-01",
		"2025-01-01 12:00z",
		"2025-01-01 12:00+9",
		"2025-01-01 12:00+09",
		"2025-01-01 12:00+15:00",
		"2025-01-01 12:00+09:60",
		"2025-01-01 12:00 UTC",
		"2025/01/01",
		"-2025-01-01",
		"@",
		"@-1",
		"@1.5",
		"@99999999999999999999",
		"Now",
		"10m  ago",
		"10 ago",
		"10mago",
		"-10",
		"-",
		"--10m",
		"tomorrow",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		mh_ms_t ms = 42;

		if (mh_time_parse(texts[i], NOW, true, &ms) != -EINVAL || ms != 42)
			fail_msg("'%s' was taken for %" PRId64, texts[i], ms);
	}
}

static void days_and_times_that_never_come_are_told_apart(void **state)
{
	static const char *const texts[] = {
		"2025-02-30",       "2025-02-29",          "1900-02-29",
		"2025-04-31",       "2025-13-01",          "2025-00-01",
		"2025-01-00",       "2025-01-32",          "2025-01-01 24:00",
		"2025-01-01 23:60", "2025-01-01 23:59:60", "2025-01-01 12:00:60",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		mh_ms_t ms = 42;

		if (mh_time_parse(texts[i], NOW, true, &ms) != -ERANGE || ms != 42)
			fail_msg("'%s' was taken for %" PRId64, texts[i], ms);
	}
}

static void without_a_zone_it_is_local_time(void **state)
{
	(void)state;
	zone_set("Europe/Berlin");
	means("2025-07-01 12:00", false, "2025-07-01 10:00:00");
	means("2025-01-01", false, "2024-12-31 23:00:00");
	means("2025-07-01 12:00Z", false, "2025-07-01 12:00:00");
	means("2025-07-01 12:00", true, "2025-07-01 12:00:00");
	/* skipped in spring, twice in autumn */
	means("2025-03-30 02:30", false, "2025-03-30 01:00:00");
	means("2025-10-26 02:30", false, "2025-10-26 00:30:00");
	means("2025-10-26 02:30+01:00", false, "2025-10-26 01:30:00");
	zone_set("Asia/Kolkata");
	means("2025-07-01 12:00", false, "2025-07-01 06:30:00");
	means("1970-01-01", false, "1969-12-31 18:30:00");
}

static void times_are_written(void **state)
{
	struct mh_buf b = MH_BUF_INIT(200);

	(void)state;
	zone_set("Asia/Kolkata");
	mh_time_format(&b, NOW, false);
	mh_buf_addc(&b, ' ');
	mh_time_format(&b, NOW, true);
	mh_buf_addc(&b, ' ');
	mh_time_format(&b, -1, true); /* rounded down */
	assert_string_equal(mh_buf_str(&b),
			    "2025-11-21 03:34:05 2025-11-20 22:04:05 1969-12-31 23:59:59");
	mh_buf_done(&b);
}

static void written_times_are_read_back(void **state)
{
	(void)state;
	zone_set("Europe/Berlin");
	srandom(12);
	for (int i = 0; i < 20000; i++) {
		mh_ms_t ms = (mh_ms_t)(random() - (1L << 30)) * 8000, back;
		struct mh_buf b = MH_BUF_INIT(100);

		mh_time_format(&b, ms, true);
		assert_int_equal(b.len, 19);
		assert_int_equal(mh_time_parse(mh_buf_str(&b), 0, true, &back), 0);
		assert_int_equal(back, ms);
		mh_buf_done(&b);
	}
}

/* In whole milliseconds the clocks are as far apart in all instants, and none is in the future. */
static void instants_agree_on_when_the_machine_began(void **state)
{
	static const int64_t aparts_ns[] = {1795274511942000000,
					    1795274511942000001,
					    1795274511942999999,
					    0,
					    -1,
					    -1000000,
					    -1000001};
	uint64_t boot_ns = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(aparts_ns) / sizeof(aparts_ns[0]); i++)
		for (int step = 0; step < 1000; step++) {
			const int64_t wall_ns = (int64_t)boot_ns + aparts_ns[i];
			const struct mh_instant at = mh_instant_of(wall_ns, boot_ns);
			const struct mh_instant begin = mh_instant_of(aparts_ns[i], 0);

			assert_true(at.boot_ns == boot_ns);
			assert_true(at.wall_ms - (int64_t)(boot_ns / 1000000) == begin.wall_ms);
			assert_true(at.wall_ms * 1000000 <= wall_ns);
			assert_true(at.wall_ms * 1000000 > wall_ns - 2000000);
			boot_ns += 123456;
		}
}

static void now_is_later_than_before(void **state)
{
	struct mh_instant a = mh_now(), b = mh_now();

	(void)state;
	assert_true(a.wall_ms > 1700000000000);
	assert_true(a.boot_ns > 0);
	assert_true(b.boot_ns >= a.boot_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_read),
		cmocka_unit_test(other_durations_are_refused),
		cmocka_unit_test(too_long_a_duration_is_told_apart),
		cmocka_unit_test(a_number_alone_needs_a_unit_of_the_caller),
		cmocka_unit_test(durations_are_written_for_people),
		cmocka_unit_test(written_durations_are_read_back),
		cmocka_unit_test(points_in_time_are_read),
		cmocka_unit_test(leap_days_are_known),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(days_and_times_that_never_come_are_told_apart),
		cmocka_unit_test(without_a_zone_it_is_local_time),
		cmocka_unit_test(times_are_written),
		cmocka_unit_test(written_times_are_read_back),
		cmocka_unit_test(instants_agree_on_when_the_machine_began),
		cmocka_unit_test(now_is_later_than_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
