/* The plugin on a good day: what it reports under which names, records, and keeps to itself. */
#include "tests/unit/plugin_rig.h"

#include "libmemhist/model/snapshot.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static double page(void)
{
	return (double)sysconf(_SC_PAGESIZE);
}

static void programs_are_sums_in_bytes(void **state)
{
	const struct rig *rig = *state;
	const struct mock_value *count;

	rig_process(rig, 20, "worker", 100);
	rig_process(rig, 21, "worker", 50);
	rig_start(rig, NULL);
	rig_read();
	assert_true(rig_value("memhist-init/ps_rss") == 10 * page());
	assert_true(rig_value("memhist-init/ps_vm") == 100 * page());
	assert_true(rig_value("memhist-worker/ps_rss") == 150 * page());
	assert_true(rig_value("memhist-worker/ps_vm") == 1500 * page());
	count = mock_find("memhist-worker/ps_count");
	assert_non_null(count);
	assert_int_equal(count->n, 2);
	assert_true(count->value[0] == 2);
	assert_true(isnan(count->value[1])); /* threads */
	rig_stop();
}

static void meminfo_is_whole_in_bytes_and_counts(void **state)
{
	rig_start(*state, NULL);
	rig_read();
	assert_true(rig_value("memhist-meminfo/memory-total") == 2000 * 1024);
	assert_true(rig_value("memhist-meminfo/memory-free") == 1000 * 1024);
	assert_true(rig_value("memhist-meminfo/memory-available") == 1500 * 1024);
	assert_true(rig_value("memhist-meminfo/memory-swap_total") == 4096 * 1024);
	assert_true(rig_value("memhist-meminfo/count-huge_pages_total") == 3);
	/* of two lines that come to one name, the first */
	assert_true(rig_value("memhist-meminfo/memory-active_anon") == 300 * 1024);
	rig_stop();
}

static void counters_are_whole_numbers(void **state)
{
	static const char vmstat[] = "pswpin 3\npswpout 5\noom_kill 2\n";
	static const char pressure[] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=7999\n"
				       "full avg10=0.00 avg60=0.00 avg300=0.00 total=999\n";
	const struct rig *rig = *state;

	tree_write(&rig->proc, "vmstat", vmstat, sizeof(vmstat) - 1);
	tree_write(&rig->proc, "pressure/memory", pressure, sizeof(pressure) - 1);
	rig_start(rig, NULL);
	rig_read();
	assert_int_equal(mock.n_values, 3 + 6 + 5);
	assert_true(rig_value("memhist-meminfo/swap_io-in") == 3 * page());
	assert_true(rig_value("memhist-meminfo/swap_io-out") == 5 * page());
	assert_true(rig_value("memhist-meminfo/total_events-oom_kills") == 2);
	assert_true(rig_value("memhist-meminfo/total_time_in_ms-memory_waiting") == 7);
	assert_true(rig_value("memhist-meminfo/total_time_in_ms-memory_stalled") == 0);
	rig_stop();
}

static void one_read_has_one_time(void **state)
{
	rig_start(*state, NULL);
	rig_read();
	assert_int_equal(mock.n_values, 3 + 6);
	assert_true(mock.value[0].time > TIME_T_TO_CDTIME_T(1700000000));
	for (size_t i = 1; i < mock.n_values; i++)
		assert_true(mock.value[i].time == mock.value[0].time);
	rig_stop();
}

static void names_that_look_alike_to_collectd_are_one(void **state)
{
	const struct rig *rig = *state;

	rig_process(rig, 20, "a b", 1);
	rig_process(rig, 21, "a/b", 2);
	rig_process(rig, 22, "a_b", 4);
	rig_process(rig, 23, "a\nb", 8);
	rig_process(rig, 24, "a.b", 16);
	rig_process(rig, 25, "meminfo", 32);
	rig_process(rig, 26, "other", 64);
	rig_start(rig, NULL);
	rig_read();
	assert_true(rig_value("memhist-a_b/ps_rss") == 15 * page());
	assert_true(rig_value("memhist-a_b/ps_count") == 4);
	assert_true(rig_value("memhist-a.b/ps_rss") == 16 * page());
	assert_true(rig_value("memhist-meminfo/ps_rss") == 32 * page());
	assert_true(rig_value("memhist-other/ps_rss") == 64 * page());
	rig_stop();
}

static void select_is_about_names_as_they_are(void **state)
{
	oconfig_item_t items[] = {RIG_OPTION("Select", MOCK_STRING("a b")),
				  RIG_OPTION("Select", MOCK_STRING("/^work/"))};
	const struct rig *rig = *state;

	rig_process(rig, 20, "a b", 1);
	rig_process(rig, 21, "a_b", 2);
	rig_process(rig, 22, "worker", 4);
	rig_configure(rig, NULL, items, 2);
	assert_int_equal(mock.init(), 0);
	rig_read();
	assert_true(rig_value("memhist-a_b/ps_rss") == 1 * page());
	assert_true(rig_value("memhist-worker/ps_rss") == 4 * page());
	assert_null(mock_find("memhist-init/ps_rss"));
	assert_null(mock_find("memhist-other/ps_rss"));
	rig_stop();
}

static void a_select_that_is_too_costly_is_told_once(void **state)
{
	oconfig_item_t items[] = {RIG_OPTION("Select", MOCK_STRING("/^((a|aa)+)+$/"))};
	const struct rig *rig = *state;

	rig_process(rig, 20, "aaa", 1);
	rig_configure(rig, NULL, items, 1);
	assert_int_equal(mock.init(), 0);
	rig_read();
	assert_int_equal(mock_logged("too costly"), 0);
	rig_process(rig, 21, "aaaaaaaaaaaaaab", 2);
	for (int i = 0; i < 3; i++) {
		rig_read();
		assert_true(rig_value("memhist-aaa/ps_rss") == 1 * page());
		assert_null(mock_find("memhist-aaaaaaaaaaaaaab/ps_rss"));
	}
	assert_int_equal(mock_logged("Select is too costly for the name of a program"), 1);
	rig_stop();
}

static void more_names_than_places_are_other_and_that_is_said_once(void **state)
{
	oconfig_item_t items[] = {RIG_OPTION("MaxInstances", MOCK_NUMBER(2))};
	const struct rig *rig = *state;

	rig_process(rig, 20, "large", 300);
	rig_process(rig, 21, "larger", 400);
	rig_process(rig, 22, "small", 1);
	rig_configure(rig, NULL, items, 1);
	assert_int_equal(mock.init(), 0);
	for (int i = 0; i < 3; i++) {
		rig_read();
		assert_int_equal(mock.n_values, 3 * 3 + 6);
		assert_true(rig_value("memhist-large/ps_rss") == 300 * page());
		assert_true(rig_value("memhist-larger/ps_rss") == 400 * page());
		assert_true(rig_value("memhist-other/ps_rss") == 11 * page());
		assert_true(rig_value("memhist-other/ps_count") == 2);
	}
	assert_int_equal(mock_logged("more program names than MaxInstances 2: 2 of them"), 1);
	rig_stop();
}

static void reports_can_be_switched_off(void **state)
{
	oconfig_item_t no_processes[] = {RIG_OPTION("ReportProcesses", MOCK_BOOLEAN(0))};
	oconfig_item_t no_meminfo[] = {RIG_OPTION("ReportMeminfo", MOCK_BOOLEAN(0))};
	const struct rig *rig = *state;

	rig_configure(rig, NULL, no_processes, 1);
	assert_int_equal(mock.init(), 0);
	rig_read();
	assert_int_equal(mock.n_values, 6);
	rig_stop();

	mock_reset();
	module_register();
	rig_configure(rig, NULL, no_meminfo, 1);
	assert_int_equal(mock.init(), 0);
	rig_read();
	assert_int_equal(mock.n_values, 3);
	rig_stop();
}

static void a_process_that_ended_has_no_value(void **state)
{
	const struct rig *rig = *state;

	rig_process(rig, 20, "worker", 100);
	rig_start(rig, NULL);
	rig_read();
	assert_non_null(mock_find("memhist-worker/ps_rss"));
	tree_drop(&rig->proc, "20");
	rig_read();
	assert_null(mock_find("memhist-worker/ps_rss"));
	assert_non_null(mock_find("memhist-init/ps_rss"));
	rig_stop();
}

static void every_read_is_in_the_history(void **state)
{
	const struct rig *rig = *state;

	rig_start(rig, rig->history);
	for (int i = 0; i < 5; i++)
		rig_read();
	/* before anything is closed: others may be reading */
	assert_int_equal(rig_recorded(rig->history), 5);
	rig_stop();
	assert_int_equal(rig_recorded(rig->history), 5);
	assert_string_equal(mock.log, RIG_QUIET);
}

static void flush_brings_the_history_to_the_disk(void **state)
{
	/* or it would come there by itself, on a machine that is busy for long */
	oconfig_item_t items[] = {RIG_OPTION("HistorySyncInterval", MOCK_STRING("1h"))};
	const struct rig *rig = *state;
	const int at_creation = 2; /* of the segment, and of its name */

	rig_configure(rig, rig->history, items, 1);
	assert_int_equal(mock.init(), 0);
	rig_read();
	while (faults.syncs < at_creation)
		usleep(1000);
	rig_read();
	/* a value's identifier names nothing in a history */
	assert_int_equal(mock.flush(0, "h/memhist-init/ps_rss", NULL), 0);
	assert_int_equal(faults.syncs, at_creation);
	assert_int_equal(mock.flush(0, NULL, NULL), 0);
	while (faults.syncs < at_creation + 1)
		usleep(1000);
	rig_stop();
}

/* collectd -t */
static void configuration_alone_does_nothing(void **state)
{
	const struct rig *rig = *state;

	rig_configure(rig, rig->history, NULL, 0);
	assert_int_equal(access(rig->history, F_OK), -1);
	assert_null(mock.read);
	/* collectd shuts down what it did not start, too */
	assert_int_equal(mock.shutdown(), 0);
}

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void fifty_lives_leave_nothing_open(void **state)
{
	const struct rig *rig = *state;
	int before = open_files();

	for (int i = 0; i < 50; i++) {
		mock_reset();
		module_register();
		rig_start(rig, rig->history);
		rig_read();
		rig_stop();
		assert_string_equal(mock.log, RIG_QUIET);
	}
	assert_int_equal(open_files(), before);
	assert_int_equal(rig_recorded(rig->history), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(programs_are_sums_in_bytes),
		RIG_TEST(meminfo_is_whole_in_bytes_and_counts),
		RIG_TEST(counters_are_whole_numbers),
		RIG_TEST(one_read_has_one_time),
		RIG_TEST(names_that_look_alike_to_collectd_are_one),
		RIG_TEST(select_is_about_names_as_they_are),
		RIG_TEST(a_select_that_is_too_costly_is_told_once),
		RIG_TEST(more_names_than_places_are_other_and_that_is_said_once),
		RIG_TEST(reports_can_be_switched_off),
		RIG_TEST(a_process_that_ended_has_no_value),
		RIG_TEST(every_read_is_in_the_history),
		RIG_TEST(flush_brings_the_history_to_the_disk),
		RIG_TEST(configuration_alone_does_nothing),
		RIG_TEST(fifty_lives_leave_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
