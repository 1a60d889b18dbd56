/* Series by number: one for each process of each boot, and how many there may be. */
#include "tools/export_series.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static uint32_t series_of(struct series_set *set, uint32_t pid, uint64_t start_ticks)
{
	const struct mh_process p = {
		.id = {.pid = pid, .start_ticks = start_ticks},
		.comm = "a",
		.comm_len = 1,
	};
	uint32_t series = UINT32_MAX;

	assert_int_equal(series_of_process(set, &p, &series), 0);
	return series;
}

static void a_process_has_one_series(void **state)
{
	static const struct mh_boot_id first = {{1}}, second = {{2}};
	struct series_set set = {0};

	(void)state;
	assert_int_equal(series_set_boot(&set, &first, "host"), 0);
	assert_int_equal(series_of(&set, 1, 10), 0);
	assert_int_equal(series_of(&set, 1, 11), 1);
	assert_int_equal(series_of(&set, 2, 10), 2);
	assert_int_equal(series_of(&set, 1, 10), 0);
	assert_int_equal(series_set_boot(&set, &second, "host"), 0);
	assert_int_equal(series_of(&set, 1, 10), 3);
	assert_int_equal(series_set_boot(&set, &first, "host"), 0);
	assert_int_equal(series_of(&set, 2, 10), 2);
	series_done(&set);
}

static void more_than_the_limit_are_refused(void **state)
{
	static const struct mh_boot_id boot = {{1}};
	const struct mh_process other = {.id = {.pid = 2}, .comm = "b", .comm_len = 1};
	struct series_set set = {0};
	uint32_t series = 7;

	(void)state;
	assert_int_equal(series_set_boot(&set, &boot, ""), 0);
	assert_int_equal(series_of(&set, 1, 10), 0);
	set.n = SERIES_PROCESSES_MAX;
	assert_int_equal(series_of_process(&set, &other, &series), -EOVERFLOW);
	assert_int_equal(series, 7);
	assert_int_equal(set.n, SERIES_PROCESSES_MAX);
	/* those that are there go on */
	assert_int_equal(series_of(&set, 1, 10), 0);
	set.n = 1;
	assert_int_equal(series_of_process(&set, &other, &series), 0);
	assert_int_equal(series, 1);
	series_done(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_has_one_series),
		cmocka_unit_test(more_than_the_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
