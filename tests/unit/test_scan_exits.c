/*
 * Through the sampler: nobody escapes, and everybody leaves with the last marks. Those that live
 * and die between two samples are brief; zombies are processes; each is shown once.
 */
#include "libmemhist/proc/bpf_tasks.h"
#include "tests/unit/ends.h"
#include "tests/unit/exits.h"

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
	CROWD = 400,
	CROWDS = 5,
};

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

	ends_begin(backend);
	ends_tick();
	assert_int_equal(ends_snapshot->n_brief, 0);
	pid = start(&order);
	let_end(pid, order);
	reap(pid);
	ends_tick();
	p = ends_brief(pid);
	assert_last_marks(p);
	assert_int_equal(p->ppid, getpid());
	assert_int_equal(p->uid, geteuid());
	assert_string_equal(p->comm, "short");
	assert_int_equal(p->value[MH_FIELD_RSS], 0);
	assert_true(p->id.start_ticks > 0);
	assert_null(ends_listed(pid));
	assert_null(ends_gone(pid));
	ends_tick();
	assert_null(ends_brief(pid));
	assert_true(ends_end().exits > 0);
}

static void who_was_known_leaves_with_last_marks(enum mh_scan_backend backend)
{
	uint64_t start_ticks;
	int order;
	pid_t pid;

	ends_begin(backend);
	pid = start(&order);
	ends_tick();
	assert_non_null(ends_listed(pid));
	assert_true(ends_listed(pid)->value[MH_FIELD_HWM] < BIG_PAGES);
	start_ticks = ends_listed(pid)->id.start_ticks;
	let_end(pid, order);
	reap(pid);
	ends_tick();
	assert_null(ends_listed(pid));
	assert_null(ends_brief(pid));
	assert_last_marks(ends_gone(pid));
	assert_int_equal(ends_gone(pid)->id.start_ticks, start_ticks);
	ends_end();
}

static void zombies_keep_their_marks(enum mh_scan_backend backend)
{
	pid_t known, fresh;
	int known_order, fresh_order;

	ends_begin(backend);
	known = start(&known_order);
	ends_tick();
	fresh = start(&fresh_order);
	let_end(known, known_order);
	let_end(fresh, fresh_order);
	for (int i = 0; i < 3; i++) {
		ends_tick();
		assert_last_marks(ends_listed(known));
		assert_last_marks(ends_listed(fresh));
		assert_int_equal(ends_listed(known)->value[MH_FIELD_RSS], 0);
		assert_int_equal(ends_listed(fresh)->value[MH_FIELD_RSS], 0);
		assert_null(ends_brief(known));
		assert_null(ends_brief(fresh));
	}
	reap(known);
	reap(fresh);
	ends_tick();
	assert_last_marks(ends_gone(known));
	assert_last_marks(ends_gone(fresh));
	assert_null(ends_brief(known));
	assert_null(ends_brief(fresh));
	ends_end();
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
	ends_begin(backend);
	ends_tick();
	behind_the_walk = begin_and_end;
	ends_tick();
	assert_null(behind_the_walk);
	assert_true(!ends_listed(latecomer) && !ends_brief(latecomer) && !ends_gone(latecomer));
	ends_tick();
	assert_true(!ends_brief(latecomer) && !ends_gone(latecomer));
	assert_non_null(ends_listed(latecomer));
	assert_last_marks(ends_listed(latecomer));
	reap(latecomer);
	ends_tick();
	assert_true(!ends_listed(latecomer) && !ends_brief(latecomer));
	assert_last_marks(ends_gone(latecomer));

	behind_the_walk = begin_end_and_go;
	ends_tick();
	assert_true(!ends_listed(latecomer) && !ends_brief(latecomer) && !ends_gone(latecomer));
	ends_tick();
	assert_true(!ends_listed(latecomer) && !ends_gone(latecomer));
	assert_last_marks(ends_brief(latecomer));
	ends_tick();
	assert_true(!ends_listed(latecomer) && !ends_brief(latecomer) && !ends_gone(latecomer));
	ends_end();
}

/* What ended before the first sample is no part of the record. */
static void first_sample_has_no_brief(enum mh_scan_backend backend)
{
	int order;
	pid_t pid;

	ends_begin(backend);
	pid = start(&order);
	let_end(pid, order);
	reap(pid);
	ends_tick();
	assert_null(ends_brief(pid));
	ends_tick();
	assert_null(ends_brief(pid));
	ends_end();
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
	ends_tick();
	for (int i = 0; i < CROWD; i++)
		assert_non_null(ends_listed(pid[i]));
	close(fds[1]);
	close(fds[0]);
	/* and once more, for those that might come again */
	for (bool all = false; !all;) {
		all = n_ends >= CROWD;
		ends_tick();
		for (int i = 0; i < CROWD; i++) {
			uint32_t n = (ends_gone(pid[i]) != NULL) + (ends_brief(pid[i]) != NULL);

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
	ends_begin(backend);
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < CROWDS; i++)
		let_a_crowd_end();
	signal(SIGCHLD, SIG_DFL);
	ends_end();
}

OF_TIERS(who_lives_between_samples_is_brief)
OF_TIERS(who_was_known_leaves_with_last_marks)
OF_TIERS(zombies_keep_their_marks)
OF_TIERS(who_ends_behind_a_pass_is_there_once)
OF_TIERS(first_sample_has_no_brief)
OF_TIERS(everybody_ends_once)

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
	};

	return exits_are_sanitized() ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
