/*
 * The self-check of the BPF backends, on a kernel that counts as it should: what is read is changed
 * on its way to the check, which has to find out and say what; then the next backend is taken.
 */
#include "libmemhist/proc/bpf_check.h"
#include "libmemhist/proc/scan.h"
#include "tests/unit/exits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { WINDOW = 4096, EXACT_CPUS = MH_BPF_CPUS_MAX, SECOND_NS = 1000000000 };

/* Change the record of a process, or all of them; `own` is that of this one. NULL: change none. */
static void (*falsify)(struct mh_bpf_task *task, bool own);
/* Only those that are read in this way; -1: in each. */
static int falsified_how = -1;
static enum mh_bpf_how how_made;
/* What our time namespace is said to add to the time since boot, besides. */
static int64_t more_boot_ns;

int __real_mh_bpf_tasks_new(struct mh_bpf_tasks **ret, enum mh_bpf_how how,
			    const struct mh_bpf_tasks_config *config, struct mh_err *err);
int __wrap_mh_bpf_tasks_new(struct mh_bpf_tasks **ret, enum mh_bpf_how how,
			    const struct mh_bpf_tasks_config *config, struct mh_err *err);
int __real_mh_bpf_tasks_next(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret);
int __wrap_mh_bpf_tasks_next(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret);

int __wrap_mh_bpf_tasks_new(struct mh_bpf_tasks **ret, enum mh_bpf_how how,
			    const struct mh_bpf_tasks_config *config, struct mh_err *err)
{
	how_made = how;
	return __real_mh_bpf_tasks_new(ret, how, config, err);
}

int __wrap_mh_bpf_tasks_next(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret)
{
	static struct mh_bpf_task *copy;
	int n = __real_mh_bpf_tasks_next(tasks, ret);

	if (n <= 0 || !falsify || (falsified_how >= 0 && (int)how_made != falsified_how))
		return n;
	free(copy);
	copy = calloc((size_t)n, sizeof(*copy));
	assert_non_null(copy);
	memcpy(copy, *ret, (size_t)n * sizeof(*copy));
	for (int i = 0; i < n; i++)
		falsify(&copy[i], copy[i].pid == (uint32_t)getpid());
	*ret = copy;
	return n;
}

static void add_a_page(struct mh_bpf_task *task, bool own)
{
	(void)own;
	task->file_pages++;
}

static void add_address_space(struct mh_bpf_task *task, bool own)
{
	(void)own;
	task->vsz_pages++;
}

static void begin_later(struct mh_bpf_task *task, bool own)
{
	(void)own;
	task->start_ns += SECOND_NS;
}

/* One that is right says nothing of the others. */
static void add_pages_to_others(struct mh_bpf_task *task, bool own)
{
	if (!own)
		task->anon_pages += 100;
}

static void hide_ourselves(struct mh_bpf_task *task, bool own)
{
	if (own)
		task->pid = MH_PID_MAX;
}

/* Without what the CPUs have not booked, RSS may be off by some pages per CPU. */
static void add_what_is_not_booked(struct mh_bpf_task *task, bool own)
{
	(void)own;
	task->file_pages += 100;
}

static void add_a_gibibyte(struct mh_bpf_task *task, bool own)
{
	(void)own;
	task->file_pages += UINT64_C(1) << 30;
}

/* What the check says of records that are changed so; skips where there are none. */
static int check(void (*change)(struct mh_bpf_task *, bool), uint32_t exact_cpus,
		 struct mh_err *err)
{
	const struct mh_bpf_tasks_config config = {.window = WINDOW, .exact_cpus = exact_cpus};
	struct mh_bpf_tasks *tasks;
	struct mh_bpf_place place;
	struct mh_root root;
	int rc;

	falsify = NULL;
	if (mh_bpf_tasks_new(&tasks, MH_BPF_WALK, &config, err) &&
	    mh_bpf_tasks_new(&tasks, MH_BPF_SEQ, &config, err)) {
		print_message("# skipped: %s\n", err->text);
		skip();
	}
	assert_int_equal(mh_root_open(&root, "/proc", err), 0);
	assert_int_equal(mh_bpf_place(&root, &place, err), 0);
	place.boot_ns += more_boot_ns;
	falsify = change;
	rc = mh_bpf_check(tasks, &root, &place, err);
	falsify = NULL;
	mh_root_close(&root);
	mh_bpf_tasks_free(tasks);
	return rc;
}

static void what_is_true_passes(void **state)
{
	struct mh_err err;

	(void)state;
	if (check(NULL, EXACT_CPUS, &err))
		fail_msg("%s", err.text);
	if (check(NULL, 0, &err))
		fail_msg("%s", err.text);
}

static void what_is_not_is_found_and_named(void **state)
{
	static const struct {
		void (*change)(struct mh_bpf_task *, bool);
		const char *word;
	} wrong[] = {
		{add_a_page, "resident"},         {add_address_space, "pages"},
		{begin_later, "start time"},      {add_pages_to_others, "resident"},
		{hide_ourselves, "is not found"},
	};
	struct mh_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(check(wrong[i].change, EXACT_CPUS, &err), -EBADMSG);
		if (!strstr(err.text, wrong[i].word) || !strstr(err.text, "/proc"))
			fail_msg("\"%s\" does not say \"%s\"", err.text, wrong[i].word);
	}
}

/* A clock that is set back by what all begin later shows them as they are. */
static void times_are_those_of_the_namespace(void **state)
{
	struct mh_err err;

	(void)state;
	more_boot_ns = -SECOND_NS;
	if (check(begin_later, EXACT_CPUS, &err))
		fail_msg("%s", err.text);
	assert_int_equal(check(NULL, EXACT_CPUS, &err), -EBADMSG);
	more_boot_ns = 0;
}

static void inexact_counters_may_be_off(void **state)
{
	struct mh_err err;

	(void)state;
	if (check(add_what_is_not_booked, 0, &err))
		fail_msg("%s", err.text);
	assert_int_equal(check(add_a_gibibyte, 0, &err), -EBADMSG);
}

static int new_scan(struct mh_scan **ret, const struct mh_root *root, enum mh_scan_backend backend,
		    struct mh_err *err)
{
	const struct mh_scan_config config = {.root = root, .backend = backend};

	return mh_scan_new(ret, &config, err);
}

/* A backend that counts wrongly is refused, and "auto" takes the next, saying why. */
static void who_counts_wrongly_is_not_taken(void **state)
{
	static const enum mh_scan_backend by_how[] = {
		[MH_BPF_WALK] = MH_SCAN_BPF,
		[MH_BPF_SEQ] = MH_SCAN_BPF_SEQ,
	};
	const char *name, *reason, *next;
	struct mh_scan *scan;
	struct mh_root root;
	struct mh_err err;

	(void)state;
	assert_int_equal(mh_root_open(&root, "/proc", &err), 0);
	if (new_scan(&scan, &root, MH_SCAN_BPF, &err)) {
		mh_root_close(&root);
		print_message("# skipped: %s\n", err.text);
		skip();
	}
	mh_scan_free(scan);
	falsify = add_a_page;
	for (falsified_how = MH_BPF_WALK; falsified_how <= MH_BPF_SEQ; falsified_how++)
		assert_int_equal(new_scan(&scan, &root, by_how[falsified_how], &err), -EBADMSG);
	falsified_how = MH_BPF_WALK;
	next = new_scan(&scan, &root, MH_SCAN_BPF_SEQ, &err) ? "procfs" : "bpf-seq";
	if (!strcmp(next, "bpf-seq"))
		mh_scan_free(scan);
	for (int all = 0; all < 2; all++) {
		assert_int_equal(new_scan(&scan, &root, MH_SCAN_AUTO, &err), 0);
		mh_scan_backend(scan, &name, &reason);
		assert_string_equal(name, all ? "procfs" : next);
		assert_non_null(strstr(reason, "resident"));
		mh_scan_free(scan);
		falsified_how = -1;
	}
	falsify = NULL;
	mh_root_close(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_true_passes),
		cmocka_unit_test(what_is_not_is_found_and_named),
		cmocka_unit_test(times_are_those_of_the_namespace),
		cmocka_unit_test(inexact_counters_may_be_off),
		cmocka_unit_test(who_counts_wrongly_is_not_taken),
	};

	return exits_are_sanitized() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
