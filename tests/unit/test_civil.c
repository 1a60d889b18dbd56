/* Civil time: readings that come once, twice and never. */
#include "libmemhist/base/civil.h"
#include "tests/unit/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

/* A reading or an instant, from its words in UTC. */
static mh_ms_t at(const char *text)
{
	mh_ms_t ms;

	if (mh_time_parse(text, 0, true, &ms))
		fail_msg("%s is no time", text);
	return ms;
}

static void check(const char *reading, const char *instant)
{
	assert_int_equal(mh_civil_instant(at(reading), false), at(instant));
}

static void a_reading_has_its_first_instant(void **state)
{
	(void)state;
	zone_set("Europe/Berlin");
	check("2025-07-01 12:00", "2025-07-01 10:00");
	check("2025-01-01 00:00", "2024-12-31 23:00");
	/* skipped */
	check("2025-03-30 01:59:59", "2025-03-30 00:59:59");
	check("2025-03-30 02:00", "2025-03-30 01:00");
	check("2025-03-30 02:30", "2025-03-30 01:00");
	check("2025-03-30 03:00", "2025-03-30 01:00");
	check("2025-03-30 03:01", "2025-03-30 01:01");
	/* twice */
	check("2025-10-26 01:59", "2025-10-25 23:59");
	check("2025-10-26 02:00", "2025-10-26 00:00");
	check("2025-10-26 02:59", "2025-10-26 00:59");
	check("2025-10-26 03:00", "2025-10-26 02:00");
	zone_set("Pacific/Apia");
	check("2011-12-29 23:00", "2011-12-30 09:00");
	check("2011-12-30 12:00", "2011-12-30 10:00");
	check("2011-12-31 00:00", "2011-12-30 10:00");
	assert_int_equal(mh_civil_instant(-5, true), -5);
}

/* Asked in any order the answer is the same, and it undoes mh_civil() but in the second of two. */
static void readings_and_instants_agree(void **state)
{
	static const char *const zones[] = {"Europe/Berlin", "America/Havana", "Asia/Kolkata",
					    "Australia/Lord_Howe", "UTC"};

	(void)state;
	srandom(5);
	for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++) {
		zone_set(zones[z]);
		for (int i = 0; i < 20000; i++) {
			mh_ms_t ms = (mh_ms_t)(random() % 3000000000) * 1000 - 400000000000 +
				     random() % 1000;
			mh_ms_t reading = mh_civil(ms, false);
			mh_ms_t first = mh_civil_instant(reading, false);

			assert_int_equal(reading, ms + zone_offset_ms(ms));
			assert_true(first <= ms);
			assert_int_equal(mh_civil(first, false), reading);
			if (zone_offset_ms(ms - 7200000) == zone_offset_ms(ms))
				assert_int_equal(first, ms);
		}
	}
}

static void changes_are_found_to_the_millisecond(void **state)
{
	mh_ms_t change;

	(void)state;
	zone_set("Europe/Berlin");
	change = at("2025-03-30 01:00");
	assert_int_equal(mh_civil_change(change - 86400000, change + 86400000, false), change);
	assert_int_equal(mh_civil_change(change - 1, change, false), change);
	assert_int_equal(mh_civil_change(change, change + 1, false), INT64_MAX);
	assert_int_equal(mh_civil_change(change - 86400000, change - 1, false), INT64_MAX);
	assert_int_equal(mh_civil_change(change - 86400000, change + 86400000, true), INT64_MAX);
	change = at("1949-10-02 01:00"); /* long before 1970 */
	assert_int_equal(mh_civil_change(change - 86400000, change + 86400000, false), change);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reading_has_its_first_instant),
		cmocka_unit_test(readings_and_instants_agree),
		cmocka_unit_test(changes_are_found_to_the_millisecond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
