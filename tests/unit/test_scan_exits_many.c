/*
 * Through the sampler, in a pid namespace of its own: who had a pid one after the other, and which
 * of many brief ones are listed.
 */
#include "libmemhist/proc/scan_exits.h"
#include "tests/unit/ends.h"
#include "tests/unit/exits.h"
#include "tests/unit/namespace.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { BIG_PAGES = 4096, REUSED_PID = 300, MANY = 320, BIG_EVERY = 2 };

static enum mh_scan_backend backend_inside;
static uint32_t interval_inside;

/* An owner of the pid that grows by so many pages and then ends, or stops until it is killed. */
static pid_t own_pid(pid_t number, size_t pages, bool ends)
{
	pid_t pid = namespace_fork(number);

	if (!pid) {
		size_t bytes = pages * (size_t)sysconf(_SC_PAGESIZE);
		char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (memory == MAP_FAILED)
			_exit(1);
		if (!ends)
			raise(SIGSTOP);
		_exit(0);
	}
	/* until it has stopped, or ended */
	return waitpid(pid, NULL, WUNTRACED);
}

static bool has_mark(const struct mh_process *p, uint64_t pages)
{
	return p && p->value[MH_FIELD_HWM] >= pages && p->value[MH_FIELD_HWM] < pages + BIG_PAGES;
}

/* Three owners of a pid between two samples: one known before, one brief, one that stays. */
static int check_reuse(char text[NAMESPACE_TEXT])
{
	const struct mh_sampler_config config = {
		.procfs = "/proc",
		.backend = backend_inside,
		.interval_ms = 1000,
	};
	struct mh_err err = {"the pid is not to be had"};
	pid_t pid = -1;

	if (mh_sampler_new(&ends_sampler, &config, &err) ||
	    (pid = own_pid(REUSED_PID, BIG_PAGES * 3, false)) != REUSED_PID ||
	    mh_sampler_tick(ends_sampler, mh_now(), &ends_snapshot, &err))
		goto failed;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (own_pid(REUSED_PID, BIG_PAGES * 5, true) != REUSED_PID ||
	    own_pid(REUSED_PID, 1, false) != REUSED_PID ||
	    mh_sampler_tick(ends_sampler, mh_now(), &ends_snapshot, &err))
		goto failed;
	if (ends_snapshot->n_brief != 1 || ends_snapshot->n_gone != 1 || !ends_listed(REUSED_PID) ||
	    !has_mark(ends_gone(REUSED_PID), BIG_PAGES * 3) ||
	    !has_mark(&ends_snapshot->brief[0], BIG_PAGES * 5) ||
	    ends_listed(REUSED_PID)->value[MH_FIELD_HWM] >= BIG_PAGES) {
		snprintf(text, NAMESPACE_TEXT, "%u brief, %u gone, or their marks are wrong",
			 ends_snapshot->n_brief, ends_snapshot->n_gone);
		return -1;
	}
	mh_sampler_free(ends_sampler);
	return 0;
failed:
	snprintf(text, NAMESPACE_TEXT, "%s", err.text);
	return -1;
}

/* Many brief ones, in an order that is none of their peaks. */
static int check_many(char text[NAMESPACE_TEXT])
{
	const struct mh_sampler_config config = {
		.procfs = "/proc",
		.backend = backend_inside,
		.interval_ms = interval_inside,
	};
	const uint32_t max = mh_scan_exits_brief_max(interval_inside);
	const uint32_t n_listed = max < MANY ? max : MANY;
	struct mh_sampler_status status;
	uint32_t n_big = 0, n_ordered = 0;
	struct mh_err err = {"fork failed"};

	if (mh_sampler_new(&ends_sampler, &config, &err) ||
	    mh_sampler_tick(ends_sampler, mh_now(), &ends_snapshot, &err))
		goto failed;
	for (uint32_t i = 0; i < MANY; i++)
		if (own_pid(REUSED_PID + i, i % BIG_EVERY ? 1 : BIG_PAGES, true) < 0)
			goto failed;
	if (mh_sampler_tick(ends_sampler, mh_now(), &ends_snapshot, &err))
		goto failed;
	for (uint32_t i = 0; i < ends_snapshot->n_brief; i++) {
		n_big += ends_snapshot->brief[i].value[MH_FIELD_HWM] >= BIG_PAGES;
		n_ordered += !i ||
			     ends_snapshot->brief[i].id.pid > ends_snapshot->brief[i - 1].id.pid;
	}
	mh_sampler_status(ends_sampler, &status);
	if (ends_snapshot->n_brief != n_listed || n_ordered != ends_snapshot->n_brief ||
	    n_big != MANY / BIG_EVERY || status.scan.exits_dropped ||
	    status.scan.exits_unlisted != MANY - n_listed) {
		snprintf(text, NAMESPACE_TEXT, "%u brief, %u in order, %u big, %u unlisted",
			 ends_snapshot->n_brief, n_ordered, n_big,
			 (unsigned)status.scan.exits_unlisted);
		return -1;
	}
	mh_sampler_free(ends_sampler);
	return 0;
failed:
	snprintf(text, NAMESPACE_TEXT, "%s", err.text);
	return -1;
}

static void run_in_namespace(enum mh_scan_backend backend, int (*check)(char text[NAMESPACE_TEXT]))
{
	ends_begin(backend);
	ends_end();
	backend_inside = backend;
	namespace_must(check);
}

/* Each owner of a pid has marks of its own. */
static void owners_of_a_pid_are_told_apart(enum mh_scan_backend backend)
{
	run_in_namespace(backend, check_reuse);
}

static void highest_peaks_are_listed(enum mh_scan_backend backend)
{
	/* in the longer interval there is room for all of them */
	for (interval_inside = 1000; interval_inside <= 10000; interval_inside *= 10)
		run_in_namespace(backend, check_many);
}

static void so_many_are_listed(void **state)
{
	static const struct {
		uint32_t interval_ms, max;
	} listed[] = {{0, 256},      {100, 256},    {1000, 256},   {2500, 512},
		      {10000, 2560}, {15999, 3840}, {16000, 4096}, {86400000, 4096}};

	(void)state;
	for (size_t i = 0; i < sizeof(listed) / sizeof(*listed); i++)
		assert_int_equal(mh_scan_exits_brief_max(listed[i].interval_ms), listed[i].max);
}

OF_TIERS(owners_of_a_pid_are_told_apart)
OF_TIERS(highest_peaks_are_listed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_of_a_pid_are_told_apart_by_bpf),
		cmocka_unit_test(owners_of_a_pid_are_told_apart_by_bpf_seq),
		cmocka_unit_test(so_many_are_listed),
		cmocka_unit_test(highest_peaks_are_listed_by_bpf),
		cmocka_unit_test(highest_peaks_are_listed_by_bpf_seq),
	};

	if (exits_are_sanitized())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
