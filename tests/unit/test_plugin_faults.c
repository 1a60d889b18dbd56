/*
 * The plugin on bad days that a real collectd cannot be made to have at will: a disk that hangs,
 * clocks that run, system calls that fail, a daemon that refuses. What never changes: reads return
 * 0, what can be reported is, and each change is said once.
 */
#include "tests/unit/plugin_rig.h"

#include "libmemhist/history/writer.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { ALL_VALUES = 3 + 6 };

static void a_history_that_cannot_be_opened_is_done_without_and_tried_each_minute(void **state)
{
	const struct rig *rig = *state;
	char below[600];

	/* its parent is missing */
	snprintf(below, sizeof(below), "%s/below", rig->history);
	rig_start(rig, below);
	assert_int_equal(mock_logged("values go on without it"), 1);
	rig_read();
	assert_int_equal(mock.n_values, ALL_VALUES);
	assert_int_equal(mkdir(rig->history, 0700), 0);
	faults.later_s += 59;
	rig_read();
	assert_int_equal(mock.n_values, ALL_VALUES);
	assert_int_equal(rig_recorded(below), 0);
	faults.later_s += 2;
	rig_read();
	assert_int_equal(mock.n_values, ALL_VALUES);
	assert_int_equal(rig_recorded(below), 1);
	assert_int_equal(mock_logged("values go on without it"), 1);
	assert_int_equal(mock_logged("the history is written again"), 1);
	rig_stop();
}

static void a_history_that_somebody_else_writes_is_taken_over_when_it_is_free(void **state)
{
	const struct rig *rig = *state;
	const struct mh_writer_config config = {.dir = rig->history, .page_bytes = 4096};
	struct mh_writer *other;

	assert_int_equal(mh_writer_open(&other, &config, NULL), 0);
	rig_start(rig, rig->history);
	assert_int_equal(mock_logged("is written by process"), 1);
	for (int minute = 0; minute < 5; minute++) {
		rig_read();
		assert_int_equal(mock.n_values, ALL_VALUES);
		faults.later_s += 61;
	}
	assert_int_equal(mock_logged("is written by process"), 1);
	mh_writer_close(other);
	rig_read();
	assert_int_equal(mock.n_values, ALL_VALUES);
	assert_int_equal(rig_recorded(rig->history), 1);
	assert_int_equal(mock_logged("the history is written again"), 1);
	rig_stop();
}

/* Files that have the names of segments, 2.5 MiB in all. */
static void make_segments(const char *history)
{
	char path[700];

	assert_int_equal(mkdir(history, 0700), 0);
	for (int hour = 1; hour <= 10; hour++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/%010d-20260101T%02d0000Z-01234567.open", history,
			 hour, hour);
		f = fopen(path, "w");
		assert_non_null(f);
		for (int i = 0; i < 256 * 1024; i++)
			fputc(0, f);
		assert_int_equal(fclose(f), 0);
	}
}

static void what_is_deleted_is_said_once(void **state)
{
	oconfig_item_t limit = RIG_OPTION("HistoryMaxSize", MOCK_STRING("2M"));
	const struct rig *rig = *state;

	make_segments(rig->history);
	rig_configure(rig, rig->history, &limit, 1);
	assert_int_equal(mock.init(), 0);
	for (int i = 0; i < 3; i++)
		rig_read();
	rig_stop();
	/* level: notice */
	assert_int_equal(mock_logged("<5> memhist plugin: "), 1);
	assert_int_equal(mock_logged(" segments were deleted, "), 1);
	assert_int_equal(mock_logged(", for max_size; the history begins at 2026-01-01 0"), 1);
	assert_int_equal(mock_logged(":00:00 UTC.\n"), 1);
}

static void set_file_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* SIGXFSZ would end this test. */
static void a_limit_of_file_size_is_an_error_of_the_history_only(void **state)
{
	const struct rig *rig = *state;
	sigset_t pending, blocked;

	rig_start(rig, rig->history);
	rig_read();
	set_file_limit(1);
	for (int i = 0; i < 3; i++) {
		rig_read();
		assert_int_equal(mock.n_values, ALL_VALUES);
	}
	set_file_limit(RLIM_INFINITY);
	assert_int_equal(mock_logged("File too large; values go on without it"), 1);
	rig_read();
	assert_int_equal(mock_logged("the history is written again"), 1);
	assert_int_equal(sigpending(&pending), 0);
	assert_false(sigismember(&pending, SIGXFSZ));
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
	assert_false(sigismember(&blocked, SIGXFSZ));
	rig_stop();
	assert_int_equal(rig_recorded(rig->history), 2);
}

static void processes_that_cannot_be_listed_are_a_hole(void **state)
{
	const struct rig *rig = *state;

	rig_start(rig, rig->history);
	rig_read();
	faults.listing_fails = true;
	for (int i = 0; i < 3; i++) {
		rig_read();
		assert_int_equal(mock.n_values, 0);
	}
	faults.listing_fails = false;
	rig_read();
	assert_int_equal(mock.n_values, ALL_VALUES);
	assert_int_equal(mock_logged("there are no values until it works again"), 1);
	assert_int_equal(mock_logged("processes can be read again"), 1);
	rig_stop();
}

static void meminfo_that_cannot_be_read_is_missing_alone(void **state)
{
	const struct rig *rig = *state;

	rig_start(rig, NULL);
	tree_drop(&rig->proc, "meminfo");
	rig_read();
	assert_int_equal(mock.n_values, 3);
	assert_non_null(mock_find("memhist-init/ps_rss"));
	rig_stop();
}

static void values_that_collectd_refuses_are_said_once(void **state)
{
	rig_start(*state, NULL);
	mock.refuses_values = true;
	rig_read();
	rig_read();
	mock.refuses_values = false;
	rig_read();
	rig_read();
	assert_int_equal(mock.n_values, ALL_VALUES);
	assert_int_equal(mock_logged("collectd refused 3 values"), 1);
	assert_int_equal(mock_logged("all values are reported again"), 1);
	rig_stop();
}

static void a_type_that_collectd_does_not_know_is_said_at_the_start(void **state)
{
	mock.unknown_type = "ps_count";
	rig_start(*state, NULL);
	assert_int_equal(mock_logged("does not know its own type ps_count"), 1);
	rig_stop();
}

/* A read, and the history's thread hangs in the disk. */
static void read_and_hang(void)
{
	faults.disk_hangs = true;
	rig_read();
	assert_int_equal(mock.flush(0, NULL, NULL), 0);
	while (!faults.waiting)
		usleep(1000);
}

static void a_disk_that_hangs_holds_up_no_read(void **state)
{
	const struct rig *rig = *state;

	rig_start(rig, rig->history);
	read_and_hang();
	for (int i = 0; i < 3; i++) {
		rig_read();
		assert_int_equal(mock.n_values, ALL_VALUES);
		assert_int_equal(mock.flush(0, NULL, NULL), 0);
	}
	assert_int_equal(faults.waiting, 1);
	assert_int_equal(rig_recorded(rig->history), 4);
	assert_string_equal(mock.log, RIG_QUIET);
	faults.disk_hangs = false;
	rig_stop();
}

static void a_disk_that_hangs_holds_up_no_shutdown(void **state)
{
	const struct rig *rig = *state;

	rig_start(rig, rig->history);
	read_and_hang();
	/* as the daemon does it: another flush, then the shutdown */
	rig_stop();
	assert_int_equal(mock_logged("may be lost"), 1);
	assert_int_equal(rig_recorded(rig->history), 1);
	/* the daemon would be gone by now; here its thread comes to its end, and cleans up */
	faults.disk_hangs = false;
	while (faults.waiting || rig_threads() > 1)
		usleep(1000);
}

static void what_is_no_procfs_fails_the_start(void **state)
{
	const struct rig *rig = *state;
	oconfig_item_t items[] = {RIG_OPTION("Procfs", MOCK_STRING(rig->dir.path))};

	rig_configure(rig, rig->history, items, 1);
	assert_int_not_equal(mock.init(), 0);
	assert_int_equal(mock_logged("no procfs"), 1);
	assert_int_equal(mock_logged("Nothing is measured."), 1);
	assert_null(mock.read);
	rig_stop();
}

static void a_backend_that_cannot_be_had_fails_the_start(void **state)
{
	const struct rig *rig = *state;
	oconfig_item_t items[] = {RIG_OPTION("Backend", MOCK_STRING("bpf"))};

	/* files that only look like a procfs are nothing to BPF, if there is any here */
	rig_configure(rig, rig->history, items, 1);
	assert_int_not_equal(mock.init(), 0);
	assert_int_equal(mock_logged("BPF"), 1);
	assert_int_equal(mock_logged("Nothing is measured."), 1);
	assert_int_equal(mock_logged("values go on"), 0);
	assert_null(mock.read);
	rig_stop();
}

static void why_there_is_no_better_backend_is_said(void **state)
{
	const struct rig *rig = *state;
	oconfig_item_t items[] = {RIG_OPTION("Backend", MOCK_STRING("auto"))};

	rig_configure(rig, NULL, items, 1);
	assert_int_equal(mock.init(), 0);
	rig_read();
	assert_int_equal(mock_logged("<6> memhist plugin: processes are read by procfs ("), 1);
	assert_int_equal(mock_logged("\n"), 1);
	rig_stop();
}

static void an_interval_that_is_no_interval_fails_the_start(void **state)
{
	rig_configure(*state, NULL, NULL, 0);
	mock.interval = MS_TO_CDTIME_T(10);
	assert_int_not_equal(mock.init(), 0);
	assert_int_equal(mock_logged("an interval of 10 ms"), 1);
	assert_null(mock.read);
	rig_stop();
}

static void a_read_that_is_not_registered_fails_the_start_and_frees_the_history(void **state)
{
	const struct rig *rig = *state;

	rig_configure(rig, rig->history, NULL, 0);
	mock.refuses_read = true;
	assert_int_not_equal(mock.init(), 0);
	assert_int_equal(mock_logged("Nothing is measured."), 1);
	rig_stop();

	mock_reset();
	module_register();
	rig_start(rig, rig->history);
	assert_string_equal(mock.log, RIG_QUIET);
	rig_stop();
}

static void a_wrong_option_is_said_and_refused(void **state)
{
	oconfig_item_t item = RIG_OPTION("MaxInstanses", MOCK_NUMBER(1));
	oconfig_item_t block = {.key = (char *)"Plugin", .children = &item, .children_num = 1};

	(void)state;
	assert_int_not_equal(mock.config(&block), 0);
	assert_int_equal(mock_logged("\"MaxInstanses\": did you mean MaxInstances?"), 1);
	rig_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_history_that_cannot_be_opened_is_done_without_and_tried_each_minute),
		RIG_TEST(a_history_that_somebody_else_writes_is_taken_over_when_it_is_free),
		RIG_TEST(what_is_deleted_is_said_once),
		RIG_TEST(a_limit_of_file_size_is_an_error_of_the_history_only),
		RIG_TEST(processes_that_cannot_be_listed_are_a_hole),
		RIG_TEST(meminfo_that_cannot_be_read_is_missing_alone),
		RIG_TEST(values_that_collectd_refuses_are_said_once),
		RIG_TEST(a_type_that_collectd_does_not_know_is_said_at_the_start),
		RIG_TEST(a_disk_that_hangs_holds_up_no_read),
		RIG_TEST(a_disk_that_hangs_holds_up_no_shutdown),
		RIG_TEST(what_is_no_procfs_fails_the_start),
		RIG_TEST(a_backend_that_cannot_be_had_fails_the_start),
		RIG_TEST(why_there_is_no_better_backend_is_said),
		RIG_TEST(an_interval_that_is_no_interval_fails_the_start),
		RIG_TEST(a_read_that_is_not_registered_fails_the_start_and_frees_the_history),
		RIG_TEST(a_wrong_option_is_said_and_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
