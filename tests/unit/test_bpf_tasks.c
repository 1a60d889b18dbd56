/*
 * The records that BPF programs deliver, against /proc/PID/status, stat and cgroup of more than a
 * thousand processes: each member must be the same for every process that did not change meanwhile.
 */
#include "libmemhist/proc/bpf_check.h"
#include "tests/unit/cgroups.h"
#include "tests/unit/zoo.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	PID_MAX = 1 << 22,
	STATUS_BYTES = 8192,
	WINDOW = 8192,
	SMALL_WINDOW = 37, /* no divisor of anything */
	EXACT_CPUS = MH_BPF_CPUS_MAX,
	STABLE_WANTED = 900, /* of the zoo: all but the growing and what the machine disturbs */
};

static struct zoo zoo;
static struct cgroups cgroups;
static bool has_cgroups;
static struct mh_root root;
static struct mh_bpf_place place;
static struct mh_bpf_task *found; /* by pid */
static uint32_t *times;           /* how often each came */

/* Of status; memory in pages. The cgroup is an inode, 0 where there is no cgroup v2. */
struct reading {
	uint64_t rss, anon, file, shmem, swap, hwm, vsz, peak, locked, threads, euid, ppid, cgroup;
	char name[MH_BPF_COMM_BYTES];
	char state;
};

static struct reading *before;

static int start(void **state)
{
	struct mh_err err;

	(void)state;
	found = calloc(PID_MAX + 1, sizeof(*found));
	times = calloc(PID_MAX + 1, sizeof(*times));
	zoo_start(&zoo);
	has_cgroups = !cgroups_make(&cgroups);
	if (!has_cgroups)
		print_message("# no cgroup v2 to move processes into\n");
	for (uint32_t i = 0; has_cgroups && i < zoo.n; i++)
		if (i % 3)
			cgroups_move(&cgroups, (int)(i % 3 - 1), zoo.animal[i].pid);
	before = calloc(zoo.n, sizeof(*before));
	if (!found || !times || !before || mh_root_open(&root, "/proc", &err))
		return -1;
	return mh_bpf_place(&root, &place, &err);
}

static int end(void **state)
{
	(void)state;
	zoo_end(&zoo);
	if (has_cgroups)
		cgroups_remove(&cgroups);
	mh_root_close(&root);
	free(found);
	free(times);
	free(before);
	return 0;
}

/* The number after `key` in a status, the `nth` one; what is not there is 0. */
static uint64_t number(const char *text, const char *key, int nth)
{
	const char *p = strstr(text, key);
	char *end = NULL;
	uint64_t value = 0;

	if (!p)
		return 0;
	p += strlen(key);
	for (; nth > 0; nth--, p = end)
		value = strtoull(p, &end, 10);
	return value;
}

/* As many bytes of the line after `key` as there is room for, without a NUL at their end. */
static void copy_line(const char *text, const char *key, char *ret, size_t size)
{
	const char *p = strstr(text, key);
	size_t len;

	assert_non_null(p);
	p += strlen(key);
	len = strcspn(p, "\n");
	memcpy(ret, p, len < size ? len : size);
}

static uint64_t pages(const char *text, const char *key)
{
	return number(text, key, 1) * 1024 / (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What status says of a process. Ends the test when it cannot be read. */
static struct reading read_status(pid_t pid)
{
	char path[64], text[STATUS_BYTES];
	struct reading reading;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	/* compared as bytes, so those between the members count */
	memset(&reading, 0, sizeof(reading));
	reading = (struct reading){
		.rss = pages(text, "VmRSS:"),
		.anon = pages(text, "RssAnon:"),
		.file = pages(text, "RssFile:"),
		.shmem = pages(text, "RssShmem:"),
		.swap = pages(text, "VmSwap:"),
		.hwm = pages(text, "VmHWM:"),
		.vsz = pages(text, "VmSize:"),
		.peak = pages(text, "VmPeak:"),
		.locked = pages(text, "VmLck:"),
		.threads = number(text, "Threads:", 1),
		.euid = number(text, "Uid:", 2),
		.ppid = number(text, "PPid:", 1),
		.cgroup = has_cgroups ? cgroups_inode(&cgroups, pid) : 0,
	};
	copy_line(text, "Name:	", reading.name, sizeof(reading.name));
	copy_line(text, "State:	", &reading.state, 1);
	return reading;
}

static struct mh_bpf_tasks *load(enum mh_bpf_how how, uint32_t window, uint32_t exact_cpus)
{
	const struct mh_bpf_tasks_config config = {.window = window, .exact_cpus = exact_cpus};
	struct mh_bpf_tasks *tasks;
	struct mh_err err;

	if (!mh_bpf_tasks_new(&tasks, how, &config, &err))
		return tasks;
	print_message("# skipped: %s\n", err.text);
	skip();
	return NULL;
}

static void pass(struct mh_bpf_tasks *tasks)
{
	const struct mh_bpf_task *task;
	int n;

	memset(times, 0, (PID_MAX + 1) * sizeof(*times));
	assert_int_equal(mh_bpf_tasks_begin(tasks), 0);
	while ((n = mh_bpf_tasks_next(tasks, &task)) > 0)
		for (; n; n--, task++) {
			if (times[task->pid]++ && !(task->marks & MH_BPF_HAS_MM))
				continue;
			found[task->pid] = *task;
		}
	assert_int_equal(n, 0);
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void assert_start(const struct mh_bpf_task *task)
{
	char path[64], text[2048], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/stat", task->pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	p = strrchr(text, ')') + 1;
	for (int i = 3; i < 22; i++)
		p = strchr(p + 1, ' ');
	assert_int_equal(mh_bpf_start_ticks(task, &place), strtoull(p, NULL, 10));
}

/* The letter that stat and status have for a state: fs/proc/array.c, task_state_array. */
static char letter(unsigned state)
{
	static const char letters[] = "RSDTtXZP";
	int bits = 0;

	while ((state & 0x7f) >> bits)
		bits++;
	return letters[bits];
}

static void assert_same(const struct mh_bpf_task *task, const struct reading *r, bool exact)
{
	uint64_t rss = mh_bpf_rss_pages(task);

	if (exact) {
		assert_int_equal(rss, r->rss);
		assert_int_equal(task->anon_pages, r->anon);
		assert_int_equal(task->file_pages, r->file);
		assert_int_equal(task->shmem_pages, r->shmem);
		assert_int_equal(task->swap_pages, r->swap);
		assert_int_equal(higher(task->hiwater_rss_pages, rss), r->hwm);
	}
	assert_int_equal(task->vsz_pages, r->vsz);
	assert_int_equal(higher(task->hiwater_vsz_pages, task->vsz_pages), r->peak);
	assert_int_equal(task->locked_pages, r->locked);
	assert_int_equal(task->threads, r->threads);
	assert_int_equal(task->euid, r->euid);
	assert_int_equal(task->ppid, r->ppid);
	assert_string_equal(task->comm, r->name);
	assert_int_equal(letter(task->state), r->state);
	if (r->cgroup)
		assert_int_equal(task->cgroup, r->cgroup);
	assert_start(task);
}

static unsigned marks_of(enum zoo_kind kind)
{
	switch (kind) {
	case ZOO_SHARER:
	case ZOO_VFORKED:
		return MH_BPF_HAS_MM | MH_BPF_SHARES;
	case ZOO_ZOMBIE:
		return 0;
	default:
		return MH_BPF_HAS_MM;
	}
}

/* One pass between two readings of everybody. Returns how many did not change: all agree. */
static uint32_t compare(struct mh_bpf_tasks *tasks)
{
	uint32_t stable = 0;

	for (uint32_t i = 0; i < zoo.n; i++)
		before[i] = read_status(zoo.animal[i].pid);
	pass(tasks);
	for (uint32_t i = 0; i < zoo.n; i++) {
		const struct zoo_animal *animal = &zoo.animal[i];
		const struct mh_bpf_task *task = &found[animal->pid];
		struct reading after = read_status(animal->pid);

		assert_true(times[animal->pid] > 0);
		if (animal->kind == ZOO_FIRST_GONE ||
		    memcmp(&before[i], &after, sizeof(after)) != 0)
			continue;
		assert_int_equal(task->marks, marks_of(animal->kind));
		assert_same(task, &after, mh_bpf_tasks_are_exact(tasks));
		stable++;
	}
	return stable;
}

static void compare_to_status(enum mh_bpf_how how, uint32_t window, uint32_t exact_cpus)
{
	struct mh_bpf_tasks *tasks = load(how, window, exact_cpus);
	uint32_t stable = 0;

	for (int round = 0; round < 3; round++)
		stable += compare(tasks);
	print_message("# %u processes compared, 0 mismatches\n", stable);
	assert_true(stable >= 3 * STABLE_WANTED);
	mh_bpf_tasks_free(tasks);
}

static void test_walk(void **state)
{
	(void)state;
	compare_to_status(MH_BPF_WALK, WINDOW, EXACT_CPUS);
}

/* Processes end all the time while a pass goes through many windows. */
static void test_walk_small_window(void **state)
{
	(void)state;
	compare_to_status(MH_BPF_WALK, SMALL_WINDOW, EXACT_CPUS);
}

static void test_walk_inexact(void **state)
{
	(void)state;
	compare_to_status(MH_BPF_WALK, WINDOW, 0);
}

static void test_seq(void **state)
{
	(void)state;
	compare_to_status(MH_BPF_SEQ, WINDOW, EXACT_CPUS);
}

/* The memory of a process whose first thread has exited is what its other threads show. */
static void first_gone(enum mh_bpf_how how)
{
	struct mh_bpf_tasks *tasks = load(how, WINDOW, EXACT_CPUS);
	int compared = 0;

	pass(tasks);
	for (uint32_t i = 0; i < zoo.n; i++) {
		pid_t pid = zoo.animal[i].pid;
		const struct mh_bpf_task *task = &found[pid];
		uint64_t rss = 0;
		int tid;

		if (zoo.animal[i].kind != ZOO_FIRST_GONE)
			continue;
		assert_int_equal(task->marks, MH_BPF_HAS_MM | MH_BPF_ORPHAN);
		/* the other thread was made right after the first */
		for (tid = pid + 1; !rss && tid < pid + 4096; tid++) {
			char path[64];
			FILE *f;

			snprintf(path, sizeof(path), "/proc/%d/task/%d/statm", pid, tid);
			f = fopen(path, "re");
			if (!f)
				continue;
			assert_int_equal(fscanf(f, "%*u %ju", (uintmax_t *)&rss), 1);
			fclose(f);
		}
		assert_int_equal(mh_bpf_rss_pages(task), rss);
		compared++;
	}
	assert_true(compared > 0);
	mh_bpf_tasks_free(tasks);
}

static void test_first_gone_walk(void **state)
{
	(void)state;
	first_gone(MH_BPF_WALK);
}

static void test_first_gone_seq(void **state)
{
	(void)state;
	first_gone(MH_BPF_SEQ);
}

/* exec changes the number that tells of it, and nothing else of the identity. */
static void exec_number(enum mh_bpf_how how)
{
	struct mh_bpf_tasks *tasks = load(how, WINDOW, EXACT_CPUS);
	struct mh_bpf_task first;
	int go[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		/* cat goes on waiting on the same pipe */
		if (read(go[0], &byte, 1) != 1 || dup2(go[0], 0) < 0)
			_exit(1);
		close(go[1]);
		execlp("cat", "cat", (char *)NULL);
		_exit(1);
	}
	close(go[0]);
	pass(tasks);
	first = found[pid];
	assert_int_equal(write(go[1], &byte, 1), 1);
	do
		pass(tasks);
	while (found[pid].exec == first.exec);
	assert_int_equal(found[pid].start_ns, first.start_ns);
	close(go[1]);
	waitpid(pid, NULL, 0);
	mh_bpf_tasks_free(tasks);
}

static void test_exec_walk(void **state)
{
	(void)state;
	exec_number(MH_BPF_WALK);
}

static void test_exec_seq(void **state)
{
	(void)state;
	exec_number(MH_BPF_SEQ);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_walk_small_window),
		cmocka_unit_test(test_walk_inexact),
		cmocka_unit_test(test_seq),
		cmocka_unit_test(test_first_gone_walk),
		cmocka_unit_test(test_first_gone_seq),
		cmocka_unit_test(test_exec_walk),
		cmocka_unit_test(test_exec_seq),
	};

	return cmocka_run_group_tests(tests, start, end);
}
