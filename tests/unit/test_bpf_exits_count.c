/*
 * The records of processes that have ended: each process has one, or is counted as lost, whatever
 * its threads do and however many end at once.
 */
#include "tests/unit/exits.h"
#include "tests/unit/namespace.h"
#include "tests/unit/thrift.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	CROWDS_MAX = 200,
	THREADS = 8,
	STORM_MAX = 4000,
	STORM_DRAINED_EVERY = 100, /* forks, more than the smallest ring has room for */
};

static pthread_barrier_t barrier;

static void *end_together(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&barrier);
	syscall(SYS_exit, 0);
	return NULL;
}

static void live_as_crowd(void)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, end_together, NULL))
			_exit(1);
	end_together(NULL);
}

/* However close together its threads exit, a process ends once. */
static void threads_end_as_one(void **state)
{
	struct mh_bpf_exits *exits = exits_load_or_skip();
	const unsigned crowds = CROWDS_MAX / thrift_of_forks();
	pid_t pid[CROWDS_MAX];

	(void)state;
	for (unsigned i = 0; i < crowds; i++) {
		pid[i] = exits_start(live_as_crowd);
		exits_await(pid[i]);
	}
	exits_drain(exits);
	for (unsigned i = 0; i < crowds; i++)
		assert_non_null(exits_record_of(pid[i]));
	exits_free(exits);
}

static int fork_one(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid ? 0 : -1;
}

/* In here nobody ends but the children of this process: all are recorded or counted as lost. */
static int storm_in_namespace(char text[NAMESPACE_TEXT])
{
	struct mh_err err = {""};
	struct mh_bpf_exits *exits = exits_load(1, &err);
	const unsigned storm = STORM_MAX / thrift_of_forks();
	uint64_t total = 0, dropped;

	if (!exits) {
		snprintf(text, NAMESPACE_TEXT, "%s", err.text);
		return -1;
	}
	for (unsigned i = 0; i < storm; i++) {
		int n = 0;

		if (fork_one() || (i % STORM_DRAINED_EVERY == 0 &&
				   (n = mh_bpf_exits_drain(exits, exits_see, NULL)) < 0)) {
			snprintf(text, NAMESPACE_TEXT, "fork or drain failed (%d)", n);
			return -1;
		}
		total += (uint64_t)n;
	}
	total += (uint64_t)mh_bpf_exits_drain(exits, exits_see, NULL);
	dropped = mh_bpf_exits_dropped(exits);
	for (uint32_t i = 0; i < exits_n_seen; i++)
		if (exits_seen[i].ppid != 1 || (i && exits_seen[i].pid <= exits_seen[i - 1].pid)) {
			snprintf(text, NAMESPACE_TEXT, "child %u of %u is none of ours",
				 exits_seen[i].pid, exits_seen[i].ppid);
			return -1;
		}
	if (total != exits_n_seen || !dropped || !total || total + dropped != storm) {
		snprintf(text, NAMESPACE_TEXT, "%llu recorded, %llu lost, of %u",
			 (unsigned long long)total, (unsigned long long)dropped, storm);
		return -1;
	}
	exits_free(exits);
	return 0;
}

static void storm_is_counted_to_the_last(void **state)
{
	(void)state;
	exits_free(exits_load_or_skip());
	namespace_must(storm_in_namespace);
}

static int outer_proc;
static pid_t *outer_pid; /* in memory shared with the namespace */

/* Leave word of the number by which the procfs outside knows us. */
static int tell_number(char text[NAMESPACE_TEXT])
{
	char self[32] = "";

	if (readlinkat(outer_proc, "self", self, sizeof(self) - 1) < 0) {
		snprintf(text, NAMESPACE_TEXT, "no /proc/self outside");
		return -1;
	}
	*outer_pid = (pid_t)strtol(self, NULL, 10);
	return 0;
}

/* A process of a namespace below has the number that it has in ours. */
static void namespaces_below_are_seen(void **state)
{
	struct mh_bpf_exits *exits = exits_load_or_skip();

	(void)state;
	outer_pid = mmap(NULL, sizeof(*outer_pid), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(outer_pid != MAP_FAILED);
	outer_proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(outer_proc >= 0);
	namespace_must(tell_number);
	close(outer_proc);
	exits_drain(exits);
	assert_true(*outer_pid > 1);
	assert_non_null(exits_record_of(*outer_pid));
	munmap(outer_pid, sizeof(*outer_pid));
	exits_free(exits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_end_as_one),
		cmocka_unit_test(storm_is_counted_to_the_last),
		cmocka_unit_test(namespaces_below_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
