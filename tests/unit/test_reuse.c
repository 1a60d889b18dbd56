/*
 * Reused pids: no value of one process may ever be booked on another, however quickly a pid gets
 * its next owner. In a pid namespace of the test's own one pid is given to thousands of processes,
 * one after the other, most of them within the clock tick of the one before. Each is marked by its
 * VSZ, which it has from birth: so a wrong value shows.
 */
#include "libmemhist/base/timespec.h"
#include "tests/unit/namespace.h"
#include "tests/unit/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* A fork of a sanitizer's memory takes a hundred times as long, and a few hundred show no more. */
#ifdef __SANITIZE_ADDRESS__
#define FEWER(n) ((n) / 8)
#else
#define FEWER(n) (n)
#endif

enum {
	PID = 300,
	BLOCKS = 7,                /* of memory, of which an owner has as many as its mark says */
	BLOCK_PAGES = 512,         /* more than owners differ in otherwise */
	OWNERS = FEWER(400),       /* of the pid, one after the other */
	STORM_OWNERS = FEWER(600), /* to be met while they are replaced without a pause */
	STORM_SECONDS = 30,        /* after which fewer will do … */
	STORM_OWNERS_MIN = 50,     /* … on a machine that is slow: so many … */
	STORM_SECONDS_MAX = 300,   /* … in this time */
};

/* How many blocks of memory the owner with this mark has. */
static uint32_t blocks_of(uint64_t mark)
{
	return (uint32_t)(mark % (BLOCKS + 1));
}

static char *memory;
static size_t block_bytes;

static int fill_memory(void)
{
	block_bytes = (size_t)BLOCK_PAGES * (size_t)sysconf(_SC_PAGESIZE);
	memory = mmap(NULL, BLOCKS * block_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	memset(memory, 1, BLOCKS * block_bytes);
	return 0;
}

/* Give the pid to a new process with this mark. */
static pid_t spawn(uint32_t mark)
{
	size_t kept = blocks_of(mark) * block_bytes;
	char name[16];
	pid_t pid;

	if (kept)
		madvise(memory, kept, MADV_KEEPONFORK);
	if (kept < BLOCKS * block_bytes)
		madvise(memory + kept, BLOCKS * block_bytes - kept, MADV_WIPEONFORK);
	snprintf(name, sizeof(name), "%u", mark);
	prctl(PR_SET_NAME, name);
	pid = namespace_fork(PID);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The process that starts owners, when told to or all the time. */
struct forge {
	pid_t pid;
	int orders, answers;
};

static void replace_when_told(int orders, int answers)
{
	pid_t owner = 0;
	uint32_t mark;

	while (read(orders, &mark, sizeof(mark)) == sizeof(mark)) {
		if (owner > 0)
			end(owner);
		owner = spawn(mark);
		if (write(answers, &owner, sizeof(owner)) != sizeof(owner))
			break;
	}
	_exit(0);
}

static void replace_all_the_time(void)
{
	for (uint32_t mark = 1;; mark++) {
		pid_t owner = spawn(mark);

		if (owner < 0)
			_exit(1);
		usleep(mark % 8 * 20);
		end(owner);
	}
}

static int forge_start(struct forge *forge, bool storm, char *text)
{
	int orders[2], answers[2];

	if (pipe2(orders, O_CLOEXEC) || pipe2(answers, O_CLOEXEC) || (forge->pid = fork()) < 0) {
		snprintf(text, NAMESPACE_TEXT, "cannot start a process (errno %d)", errno);
		return -1;
	}
	if (!forge->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fill_memory())
			_exit(1);
		if (storm)
			replace_all_the_time();
		replace_when_told(orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	forge->orders = orders[1];
	forge->answers = answers[0];
	return 0;
}

static int forge_next(const struct forge *forge, uint32_t mark, char *text)
{
	pid_t owner = 0;

	if (write(forge->orders, &mark, sizeof(mark)) == sizeof(mark) &&
	    read(forge->answers, &owner, sizeof(owner)) == sizeof(owner) && owner == PID)
		return 0;
	snprintf(text, NAMESPACE_TEXT, "pid %d is not to be had", PID);
	return -1;
}

static void forge_end(struct forge *forge)
{
	end(forge->pid);
	close(forge->orders);
	close(forge->answers);
	/* its last owner is process 1's now, which is this one */
	kill(PID, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static uint64_t mark_of(const struct mh_process *p)
{
	return strtoull(p->comm, NULL, 10);
}

/*
 * Name and RSS must be of one process. *unmarked is the RSS of an owner without its blocks, set by
 * the first; all have nearly the same.
 */
static int check_owner(uint64_t *unmarked, const struct mh_process *p, char *text)
{
	uint64_t rss = p->value[MH_FIELD_RSS], blocks;

	/* no address space: it has exited and nobody has waited for it yet */
	if (!p->value[MH_FIELD_VSZ])
		return 0;
	if (!*unmarked)
		*unmarked = rss - blocks_of(mark_of(p)) * BLOCK_PAGES;
	blocks = (rss + BLOCK_PAGES / 2 - *unmarked) / BLOCK_PAGES;
	if (blocks == blocks_of(mark_of(p)))
		return 0;
	snprintf(text, NAMESPACE_TEXT, "%s has %llu blocks, not %u: another's value", p->comm,
		 (unsigned long long)blocks, blocks_of(mark_of(p)));
	return -1;
}

/* What the processes are read by; in the process of the check only. */
static enum mh_scan_backend backend = MH_SCAN_PROCFS;

static int open_scene(struct scene *scene, uint32_t open_files, char *text)
{
	const struct mh_scan_config config = {.backend = backend, .max_open_files = open_files};

	if (!scene_open(scene, "/proc", config))
		return 0;
	snprintf(text, NAMESPACE_TEXT, "%s", scene->err.text);
	return -1;
}

/* Each owner must be seen, as a process of its own, also when it lives through several passes. */
static int owner_in_turn(struct scene *scene, uint32_t mark, uint64_t *unmarked,
			 struct mh_identity *last, char *text)
{
	for (uint32_t passes = 0; passes <= mark % 3; passes++) {
		const struct mh_process *p;

		if (scene_pass(scene) || !(p = scene_find(scene, PID))) {
			snprintf(text, NAMESPACE_TEXT, "owner %u was not seen", mark);
			return -1;
		}
		if (mark_of(p) != mark || mh_identity_same(&p->id, last) != (passes > 0)) {
			snprintf(text, NAMESPACE_TEXT, "owner %u was taken for another, %s", mark,
				 p->comm);
			return -1;
		}
		*last = p->id;
		if (check_owner(unmarked, p, text))
			return -1;
	}
	return 0;
}

static int owners_in_turn(uint32_t open_files, char *text)
{
	struct mh_identity last = {0};
	uint64_t unmarked = 0;
	struct scene scene;
	struct forge forge;
	int rc = open_scene(&scene, open_files, text);

	if (rc)
		return rc;
	rc = forge_start(&forge, false, text);
	if (rc)
		goto close;
	for (uint32_t mark = 1; mark <= OWNERS && !rc; mark++) {
		rc = forge_next(&forge, mark, text);
		if (!rc)
			rc = owner_in_turn(&scene, mark, &unmarked, &last, text);
	}
	forge_end(&forge);
close:
	scene_close(&scene);
	return rc;
}

static int owners_through_kept_descriptors(char *text)
{
	return owners_in_turn(0, text);
}

static int owners_opened_each_time(char *text)
{
	/* the one descriptor is kept for process 1 */
	return owners_in_turn(1, text);
}

/* On one CPU, a pass is interrupted between any two of its system calls, for long. */
static void stay_on_one_cpu(void)
{
	cpu_set_t cpus;
	int cpu = sched_getcpu();

	CPU_ZERO(&cpus);
	CPU_SET(cpu < 0 ? 0 : cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* The owner changes while a pass is under way. */
static int owners_in_a_storm(uint32_t open_files, char *text)
{
	struct mh_process last = {0};
	uint64_t unmarked = 0;
	struct scene scene;
	struct forge forge;
	const uint64_t began_ns = mh_monotonic_ns();
	int met = 0, rc = open_scene(&scene, open_files, text);

	if (rc)
		return rc;
	stay_on_one_cpu();
	rc = forge_start(&forge, true, text);
	if (rc)
		goto close;
	while (!rc && met < STORM_OWNERS) {
		const uint64_t seconds = (mh_monotonic_ns() - began_ns) / 1000000000;
		const struct mh_process *p;

		if (seconds > (met < STORM_OWNERS_MIN ? STORM_SECONDS_MAX : STORM_SECONDS))
			break;
		rc = scene_pass(&scene);
		p = scene_find(&scene, PID);
		if (rc || !p) {
			last.id.pid = 0;
			continue;
		}
		rc = check_owner(&unmarked, p, text);
		if (mh_identity_same(&p->id, &last.id) && mark_of(p) != mark_of(&last)) {
			snprintf(text, NAMESPACE_TEXT, "%s and %s are one", last.comm, p->comm);
			rc = -1;
		}
		met += mark_of(p) != mark_of(&last);
		last = *p;
	}
	if (!rc && met < STORM_OWNERS_MIN) {
		snprintf(text, NAMESPACE_TEXT, "only %d owners were met", met);
		rc = -1;
	}
	forge_end(&forge);
close:
	scene_close(&scene);
	return rc;
}

static int storm_through_kept_descriptors(char *text)
{
	return owners_in_a_storm(0, text);
}

static int storm_opened_each_time(char *text)
{
	return owners_in_a_storm(1, text);
}

static int owners_by_bpf(char *text)
{
	backend = MH_SCAN_BPF;
	return owners_in_turn(0, text);
}

static int storm_by_bpf(char *text)
{
	backend = MH_SCAN_BPF;
	return owners_in_a_storm(0, text);
}

static int owners_by_bpf_seq(char *text)
{
	backend = MH_SCAN_BPF_SEQ;
	return owners_in_turn(0, text);
}

static int storm_by_bpf_seq(char *text)
{
	backend = MH_SCAN_BPF_SEQ;
	return owners_in_a_storm(0, text);
}

/* Whether the kernel lets us choose pids at all, and wipe memory on fork. */
static int pids_can_be_chosen(char *text)
{
	pid_t pid = fill_memory() ? -1 : spawn(1);

	if (pid != PID) {
		snprintf(text, NAMESPACE_TEXT, "clone3 with set_tid is refused (errno %d)", errno);
		return -1;
	}
	end(pid);
	return 0;
}

static void run(int (*check)(char *text))
{
	char text[NAMESPACE_TEXT];

	if (namespace_run(pids_can_be_chosen, text) != NAMESPACE_GOOD) {
		print_message("# skipped: %s\n", text);
		skip();
	}
	if (namespace_run(check, text) != NAMESPACE_GOOD)
		fail_msg("%s", text);
}

static void each_owner_is_itself_by_descriptor(void **state)
{
	(void)state;
	run(owners_through_kept_descriptors);
}

static void each_owner_is_itself_by_inode(void **state)
{
	(void)state;
	run(owners_opened_each_time);
}

static void no_value_is_misbooked_by_descriptor(void **state)
{
	(void)state;
	run(storm_through_kept_descriptors);
}

static void no_value_is_misbooked_by_inode(void **state)
{
	(void)state;
	run(storm_opened_each_time);
}

static void run_by(enum mh_scan_backend wanted, int (*check)(char *text))
{
	const struct mh_scan_config config = {.backend = wanted};
	struct scene scene;

	if (scene_open(&scene, "/proc", config)) {
		print_message("# skipped: %s\n", scene.err.text);
		skip();
	}
	scene_close(&scene);
	run(check);
}

static void each_owner_is_itself_by_bpf(void **state)
{
	(void)state;
	run_by(MH_SCAN_BPF, owners_by_bpf);
}

static void no_value_is_misbooked_by_bpf(void **state)
{
	(void)state;
	run_by(MH_SCAN_BPF, storm_by_bpf);
}

static void each_owner_is_itself_by_bpf_seq(void **state)
{
	(void)state;
	run_by(MH_SCAN_BPF_SEQ, owners_by_bpf_seq);
}

static void no_value_is_misbooked_by_bpf_seq(void **state)
{
	(void)state;
	run_by(MH_SCAN_BPF_SEQ, storm_by_bpf_seq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_owner_is_itself_by_descriptor),
		cmocka_unit_test(each_owner_is_itself_by_inode),
		cmocka_unit_test(no_value_is_misbooked_by_descriptor),
		cmocka_unit_test(no_value_is_misbooked_by_inode),
		cmocka_unit_test(each_owner_is_itself_by_bpf),
		cmocka_unit_test(no_value_is_misbooked_by_bpf),
		cmocka_unit_test(each_owner_is_itself_by_bpf_seq),
		cmocka_unit_test(no_value_is_misbooked_by_bpf_seq),
	};

	return cmocka_run_group_tests_name("reuse", tests, NULL, NULL);
}
