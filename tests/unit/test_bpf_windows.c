/*
 * A pass in several windows goes on behind the last process of the window before. When that one has
 * ended meanwhile, nobody behind it may be lost.
 */
#include "libmemhist/proc/bpf_tasks.h"
#include "tests/unit/namespace.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { FIRST_PID = 300, CHILDREN = 12 };

static uint32_t window;

static bool start_children(pid_t pid[CHILDREN])
{
	for (int i = 0; i < CHILDREN; i++) {
		pid[i] = namespace_fork(FIRST_PID + i);
		if (!pid[i])
			for (;;)
				pause();
		if (pid[i] < 0)
			return false;
	}
	return true;
}

static void end(pid_t *pid)
{
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

/*
 * One pass. Of those that a window ended with, all but the last child end before the next one; the
 * one before, too, when `two`.
 */
static int pass(struct mh_bpf_tasks *tasks, pid_t pid[CHILDREN], bool two, bool met[CHILDREN])
{
	const struct mh_bpf_task *task;
	int n = 0, ended = 0, rc = mh_bpf_tasks_begin(tasks);

	while (!rc && (n = mh_bpf_tasks_next(tasks, &task)) > 0) {
		int last = (int)task[n - 1].pid - FIRST_PID;

		for (int i = 0; i < n; i++)
			if (task[i].pid >= FIRST_PID && task[i].pid < FIRST_PID + CHILDREN)
				met[task[i].pid - FIRST_PID] = true;
		if (last < 0 || last >= CHILDREN - 1 || !pid[last])
			continue;
		end(&pid[last]);
		ended++;
		if (two && last && pid[last - 1])
			end(&pid[last - 1]);
	}
	return rc < 0 ? rc : n < 0 ? n : ended;
}

static int check(char text[NAMESPACE_TEXT])
{
	const struct mh_bpf_tasks_config config = {.window = window};
	struct mh_bpf_tasks *tasks;
	struct mh_err err;

	for (int two = 0; two < 2; two++) {
		bool met[CHILDREN] = {false};
		pid_t pid[CHILDREN];
		int rc;

		if (!start_children(pid) || mh_bpf_tasks_new(&tasks, MH_BPF_WALK, &config, &err)) {
			snprintf(text, NAMESPACE_TEXT, "it cannot be begun");
			return -1;
		}
		rc = pass(tasks, pid, two, met);
		mh_bpf_tasks_free(tasks);
		if (rc <= 0) {
			snprintf(text, NAMESPACE_TEXT, "nobody has ended (%d)", rc);
			return -1;
		}
		for (int i = 0; i < CHILDREN; i++)
			if (!met[i]) {
				snprintf(text, NAMESPACE_TEXT, "windows of %u: child %d of %d lost",
					 window, i, CHILDREN);
				return -1;
			}
		for (int i = 0; i < CHILDREN; i++)
			if (pid[i])
				end(&pid[i]);
	}
	return 0;
}

static void nobody_behind_one_that_ended_is_lost(void **state)
{
	const struct mh_bpf_tasks_config config = {.window = 1};
	struct mh_bpf_tasks *tasks;
	struct mh_err err;

	(void)state;
	if (mh_bpf_tasks_new(&tasks, MH_BPF_WALK, &config, &err)) {
		print_message("# skipped: %s\n", err.text);
		skip();
	}
	mh_bpf_tasks_free(tasks);
	for (window = 1; window <= 5; window++)
		namespace_must(check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_behind_one_that_ended_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
