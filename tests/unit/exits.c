#include "tests/unit/exits.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { PF_KTHREAD = 0x00200000 };

struct mh_bpf_exit exits_seen[EXITS_SEEN_MAX];
uint32_t exits_n_seen;

void exits_see(void *arg, const struct mh_bpf_exit *exit)
{
	(void)arg;
	if (exits_n_seen < EXITS_SEEN_MAX)
		exits_seen[exits_n_seen++] = *exit;
}

struct mh_bpf_tasks *exits_tasks;

bool exits_have_memory(void)
{
	struct utsname name;
	unsigned long major, minor;
	char *end;

	uname(&name);
	major = strtoul(name.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return major > 6 || (major == 6 && minor >= 16);
}

struct mh_bpf_exits *exits_load(uint32_t ring_bytes, struct mh_err *err)
{
	const struct mh_bpf_tasks_config config = {.window = 1, .exact_cpus = MH_BPF_CPUS_MAX};
	struct mh_bpf_exits *exits;

	exits_n_seen = 0;
	if (mh_bpf_tasks_new(&exits_tasks, MH_BPF_WALK, &config, err) &&
	    mh_bpf_tasks_new(&exits_tasks, MH_BPF_SEQ, &config, err))
		return NULL;
	if (!mh_bpf_exits_new(&exits, exits_tasks, ring_bytes, err))
		return exits;
	exits_free(NULL);
	return NULL;
}

void exits_free(struct mh_bpf_exits *exits)
{
	mh_bpf_exits_free(exits);
	mh_bpf_tasks_free(exits_tasks);
	exits_tasks = NULL;
}

struct mh_bpf_exits *exits_load_or_skip(void)
{
	struct mh_err err;
	struct mh_bpf_exits *exits = exits_load(0, &err);

	if (!exits) {
		print_message("# skipped: %s\n", err.text);
		skip();
	}
	return exits;
}

void exits_drain(struct mh_bpf_exits *exits)
{
	assert_true(mh_bpf_exits_drain(exits, exits_see, NULL) >= 0);
	assert_int_equal(mh_bpf_exits_dropped(exits), 0);
	for (uint32_t i = 0; i < exits_n_seen; i++)
		assert_false(exits_seen[i].flags & PF_KTHREAD);
}

const struct mh_bpf_exit *exits_record_of(pid_t pid)
{
	const struct mh_bpf_exit *found = NULL;

	for (uint32_t i = 0; i < exits_n_seen; i++)
		if (exits_seen[i].pid == (uint32_t)pid) {
			assert_null(found);
			found = &exits_seen[i];
		}
	return found;
}

pid_t exits_start(void (*life)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		life();
		_exit(1);
	}
	return pid;
}

void exits_await(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}
