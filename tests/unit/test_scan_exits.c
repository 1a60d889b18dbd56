/*
 * Through the sampler: nobody escapes, and everybody leaves with the last marks. Those that live
 * and die between two samples are brief; zombies are processes; each is shown once.
 */
#include "libmemhist/proc/scan_exits.h"
#include "libmemhist/sampler.h"
#include "tests/unit/exits.h"
#include "tests/unit/namespace.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	BIG_PAGES = 4096,
	LIFE_US = 20000,
	REUSED_PID = 300,
	CROWD = 400,
	CROWDS = 5,
	MANY = 320,
	BIG_EVERY = 2,
};

static struct mh_sampler *sampler;
static const struct mh_snapshot *snapshot;

/* Skips the test when this backend cannot be had, or is told of no exits. */
static void begin(enum mh_scan_backend backend)
{
	const struct mh_sampler_config config = {
		.procfs = "/proc",
		.backend = backend,
		.interval_ms = 1000,
	};
	struct mh_sampler_status status;
	struct mh_err err;

	if (mh_sampler_new(&sampler, &config, &err)) {
		print_message("# skipped: %s\n", err.text);
		skip();
	}
	mh_sampler_status(sampler, &status);
	if (*status.exits_reason) {
		print_message("# skipped: %s\n", status.exits_reason);
		mh_sampler_free(sampler);
		skip();
	}
}

static struct mh_scan_stats end(void)
{
	struct mh_sampler_status status;

	mh_sampler_status(sampler, &status);
	assert_int_equal(status.scan.exits_dropped, 0);
	mh_sampler_free(sampler);
	return status.scan;
}

static void tick(void)
{
	struct mh_err err;

	if (mh_sampler_tick(sampler, mh_now(), &snapshot, &err))
		fail_msg("%s", err.text);
}

/* --- where a pid is in the snapshot; it is in one of these lists at most ---------------------- */

static const struct mh_process *brief(pid_t pid)
{
	const struct mh_process *found = NULL;

	for (uint32_t i = 0; i < snapshot->n_brief; i++)
		if (snapshot->brief[i].id.pid == (uint32_t)pid) {
			assert_null(found);
			found = &snapshot->brief[i];
		}
	return found;
}

static const struct mh_process *gone(pid_t pid)
{
	for (uint32_t i = 0; i < snapshot->n_gone; i++)
		if (snapshot->gone[i].process.id.pid == (uint32_t)pid)
			return &snapshot->gone[i].process;
	return NULL;
}

static const struct mh_process *listed(pid_t pid)
{
	mh_snapshot_for_each (snapshot, slot)
		if (snapshot->process[slot].id.pid == (uint32_t)pid)
			return &snapshot->process[slot];
	return NULL;
}

/* --- lives ------------------------------------------------------------------------------------ */

/* A child that grows, is small again after LIFE_US, and ends, when told to. */
static pid_t start(int *ret_order)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		size_t bytes = BIG_PAGES * (size_t)sysconf(_SC_PAGESIZE);
		char *memory;
		char order;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "short");
		if (read(fds[0], &order, 1) != 1)
			_exit(1);
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0);
		if (memory == MAP_FAILED)
			_exit(1);
		memset(memory, 1, bytes);
		usleep(LIFE_US);
		munmap(memory, bytes);
		_exit(0);
	}
	close(fds[0]);
	*ret_order = fds[1];
	return pid;
}

static void let_end(pid_t pid, int order)
{
	siginfo_t info;

	assert_int_equal(write(order, "", 1), 1);
	close(order);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_status, 0);
}

static void reap(pid_t pid)
{
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void assert_last_marks(const struct mh_process *p)
{
	assert_non_null(p);
	assert_in_range(p->value[MH_FIELD_HWM], BIG_PAGES, BIG_PAGES * 2);
	if (exits_have_memory())
		assert_in_range(p->value[MH_FIELD_PEAK], p->value[MH_FIELD_HWM], SIZE_MAX);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void who_lives_between_samples_is_brief(enum mh_scan_backend backend)
{
	const struct mh_process *p;
	int order;
	pid_t pid;

	begin(backend);
	tick();
	assert_int_equal(snapshot->n_brief, 0);
	pid = start(&order);
	let_end(pid, order);
	reap(pid);
	tick();
	p = brief(pid);
	assert_last_marks(p);
	assert_int_equal(p->ppid, getpid());
	assert_int_equal(p->uid, geteuid());
	assert_string_equal(p->comm, "short");
	assert_int_equal(p->value[MH_FIELD_RSS], 0);
	assert_true(p->id.start_ticks > 0);
	assert_null(listed(pid));
	assert_null(gone(pid));
	tick();
	assert_null(brief(pid));
	assert_true(end().exits > 0);
}

static void who_was_known_leaves_with_last_marks(enum mh_scan_backend backend)
{
	uint64_t start_ticks;
	int order;
	pid_t pid;

	begin(backend);
	pid = start(&order);
	tick();
	assert_non_null(listed(pid));
	assert_true(listed(pid)->value[MH_FIELD_HWM] < BIG_PAGES);
	start_ticks = listed(pid)->id.start_ticks;
	let_end(pid, order);
	reap(pid);
	tick();
	assert_null(listed(pid));
	assert_null(brief(pid));
	assert_last_marks(gone(pid));
	assert_int_equal(gone(pid)->id.start_ticks, start_ticks);
	end();
}

static void zombies_keep_their_marks(enum mh_scan_backend backend)
{
	pid_t known, fresh;
	int known_order, fresh_order;

	begin(backend);
	known = start(&known_order);
	tick();
	fresh = start(&fresh_order);
	let_end(known, known_order);
	let_end(fresh, fresh_order);
	for (int i = 0; i < 3; i++) {
		tick();
		assert_last_marks(listed(known));
		assert_last_marks(listed(fresh));
		assert_int_equal(listed(known)->value[MH_FIELD_RSS], 0);
		assert_int_equal(listed(fresh)->value[MH_FIELD_RSS], 0);
		assert_null(brief(known));
		assert_null(brief(fresh));
	}
	reap(known);
	reap(fresh);
	tick();
	assert_last_marks(gone(known));
	assert_last_marks(gone(fresh));
	assert_null(brief(known));
	assert_null(brief(fresh));
	end();
}

/* Run once, when the next pass has walked by everybody. */
static void (*behind_the_walk)(void);
static pid_t latecomer;

int __real_mh_bpf_tasks_next(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret);
int __wrap_mh_bpf_tasks_next(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret);

int __wrap_mh_bpf_tasks_next(struct mh_bpf_tasks *tasks, const struct mh_bpf_task **ret)
{
	int n = __real_mh_bpf_tasks_next(tasks, ret);

	if (!n && behind_the_walk) {
		behind_the_walk();
		behind_the_walk = NULL;
	}
	return n;
}

static void begin_and_end(void)
{
	int order;

	latecomer = start(&order);
	let_end(latecomer, order);
}

static void begin_end_and_go(void)
{
	begin_and_end();
	reap(latecomer);
}

/* Whether they are still there tells the next pass. */
static void who_ends_behind_a_pass_is_there_once(enum mh_scan_backend backend)
{
	begin(backend);
	tick();
	behind_the_walk = begin_and_end;
	tick();
	assert_null(behind_the_walk);
	assert_true(!listed(latecomer) && !brief(latecomer) && !gone(latecomer));
	tick();
	assert_true(!brief(latecomer) && !gone(latecomer));
	assert_non_null(listed(latecomer));
	assert_last_marks(listed(latecomer));
	reap(latecomer);
	tick();
	assert_true(!listed(latecomer) && !brief(latecomer));
	assert_last_marks(gone(latecomer));

	behind_the_walk = begin_end_and_go;
	tick();
	assert_true(!listed(latecomer) && !brief(latecomer) && !gone(latecomer));
	tick();
	assert_true(!listed(latecomer) && !gone(latecomer));
	assert_last_marks(brief(latecomer));
	tick();
	assert_true(!listed(latecomer) && !brief(latecomer) && !gone(latecomer));
	end();
}

/* What ended before the first sample is no part of the record. */
static void first_sample_has_no_brief(enum mh_scan_backend backend)
{
	int order;
	pid_t pid;

	begin(backend);
	pid = start(&order);
	let_end(pid, order);
	reap(pid);
	tick();
	assert_null(brief(pid));
	tick();
	assert_null(brief(pid));
	end();
}

/* Everybody of a crowd is seen to end, once. Nobody waits for them: they are gone at once. */
static void let_a_crowd_end(void)
{
	uint32_t ends[CROWD] = {0}, n_ends = 0;
	pid_t pid[CROWD];
	int fds[2];
	char order;

	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < CROWD; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (!pid[i]) {
			close(fds[1]);
			_exit(read(fds[0], &order, 1) != 0);
		}
	}
	tick();
	for (int i = 0; i < CROWD; i++)
		assert_non_null(listed(pid[i]));
	close(fds[1]);
	close(fds[0]);
	/* and once more, for those that might come again */
	for (bool all = false; !all;) {
		all = n_ends >= CROWD;
		tick();
		for (int i = 0; i < CROWD; i++) {
			uint32_t n = (gone(pid[i]) != NULL) + (brief(pid[i]) != NULL);

			ends[i] += n;
			n_ends += n;
		}
	}
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(ends[i], 1);
}

/* Also who ends in the midst of a pass. */
static void everybody_ends_once(enum mh_scan_backend backend)
{
	begin(backend);
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < CROWDS; i++)
		let_a_crowd_end();
	signal(SIGCHLD, SIG_DFL);
	end();
}

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

	if (mh_sampler_new(&sampler, &config, &err) ||
	    (pid = own_pid(REUSED_PID, BIG_PAGES * 3, false)) != REUSED_PID ||
	    mh_sampler_tick(sampler, mh_now(), &snapshot, &err))
		goto failed;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (own_pid(REUSED_PID, BIG_PAGES * 5, true) != REUSED_PID ||
	    own_pid(REUSED_PID, 1, false) != REUSED_PID ||
	    mh_sampler_tick(sampler, mh_now(), &snapshot, &err))
		goto failed;
	if (snapshot->n_brief != 1 || snapshot->n_gone != 1 || !listed(REUSED_PID) ||
	    !has_mark(gone(REUSED_PID), BIG_PAGES * 3) ||
	    !has_mark(&snapshot->brief[0], BIG_PAGES * 5) ||
	    listed(REUSED_PID)->value[MH_FIELD_HWM] >= BIG_PAGES) {
		snprintf(text, NAMESPACE_TEXT, "%u brief, %u gone, or their marks are wrong",
			 snapshot->n_brief, snapshot->n_gone);
		return -1;
	}
	mh_sampler_free(sampler);
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

	if (mh_sampler_new(&sampler, &config, &err) ||
	    mh_sampler_tick(sampler, mh_now(), &snapshot, &err))
		goto failed;
	for (uint32_t i = 0; i < MANY; i++)
		if (own_pid(REUSED_PID + i, i % BIG_EVERY ? 1 : BIG_PAGES, true) < 0)
			goto failed;
	if (mh_sampler_tick(sampler, mh_now(), &snapshot, &err))
		goto failed;
	for (uint32_t i = 0; i < snapshot->n_brief; i++) {
		n_big += snapshot->brief[i].value[MH_FIELD_HWM] >= BIG_PAGES;
		n_ordered += !i || snapshot->brief[i].id.pid > snapshot->brief[i - 1].id.pid;
	}
	mh_sampler_status(sampler, &status);
	if (snapshot->n_brief != n_listed || n_ordered != snapshot->n_brief ||
	    n_big != MANY / BIG_EVERY || status.scan.exits_dropped ||
	    status.scan.exits_unlisted != MANY - n_listed) {
		snprintf(text, NAMESPACE_TEXT, "%u brief, %u in order, %u big, %u unlisted",
			 snapshot->n_brief, n_ordered, n_big, (unsigned)status.scan.exits_unlisted);
		return -1;
	}
	mh_sampler_free(sampler);
	return 0;
failed:
	snprintf(text, NAMESPACE_TEXT, "%s", err.text);
	return -1;
}

static void run_in_namespace(enum mh_scan_backend backend, int (*check)(char text[NAMESPACE_TEXT]))
{
	begin(backend);
	end();
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

#define OF_TIERS(check)                              \
	static void check##_by_bpf(void **state)     \
	{                                            \
		(void)state;                         \
		check(MH_SCAN_BPF);                  \
	}                                            \
	static void check##_by_bpf_seq(void **state) \
	{                                            \
		(void)state;                         \
		check(MH_SCAN_BPF_SEQ);              \
	}
OF_TIERS(who_lives_between_samples_is_brief)
OF_TIERS(who_was_known_leaves_with_last_marks)
OF_TIERS(zombies_keep_their_marks)
OF_TIERS(who_ends_behind_a_pass_is_there_once)
OF_TIERS(first_sample_has_no_brief)
OF_TIERS(everybody_ends_once)
OF_TIERS(owners_of_a_pid_are_told_apart)
OF_TIERS(highest_peaks_are_listed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_lives_between_samples_is_brief_by_bpf),
		cmocka_unit_test(who_lives_between_samples_is_brief_by_bpf_seq),
		cmocka_unit_test(who_was_known_leaves_with_last_marks_by_bpf),
		cmocka_unit_test(who_was_known_leaves_with_last_marks_by_bpf_seq),
		cmocka_unit_test(zombies_keep_their_marks_by_bpf),
		cmocka_unit_test(zombies_keep_their_marks_by_bpf_seq),
		cmocka_unit_test(who_ends_behind_a_pass_is_there_once_by_bpf),
		cmocka_unit_test(who_ends_behind_a_pass_is_there_once_by_bpf_seq),
		cmocka_unit_test(first_sample_has_no_brief_by_bpf),
		cmocka_unit_test(first_sample_has_no_brief_by_bpf_seq),
		cmocka_unit_test(everybody_ends_once_by_bpf),
		cmocka_unit_test(everybody_ends_once_by_bpf_seq),
		cmocka_unit_test(owners_of_a_pid_are_told_apart_by_bpf),
		cmocka_unit_test(owners_of_a_pid_are_told_apart_by_bpf_seq),
		cmocka_unit_test(so_many_are_listed),
		cmocka_unit_test(highest_peaks_are_listed_by_bpf),
		cmocka_unit_test(highest_peaks_are_listed_by_bpf_seq),
	};

	return exits_are_sanitized() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
