/*
 * The records of processes that have ended: each under its own name, with the peaks that it would
 * have reported itself in its last moment.
 */
#include "tests/unit/exits.h"

#include <errno.h>
#include <pthread.h>
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	BIG_PAGES = 8192, /* 32 MiB, touched in a way that tells one process from another */
	BIGGER_PAGES = BIG_PAGES * 2,
	SLACK_PAGES = 64, /* what a process can touch between looking at itself and its end */
	NOBODY = 65534,
};

/* What this program does when it is given as its argument; it ends at once then. */
#define GROW "grow"
#define QUIT "quit"

static size_t page_bytes;

/* --- lives ------------------------------------------------------------------------------------ */

/* What a process knows of itself, in memory shared with the test. */
struct last_words {
	uint64_t hwm_pages, peak_pages;
	int go; /* set by the test */
};

static struct last_words *words;

static char *touch(size_t pages)
{
	char *memory = mmap(NULL, pages * page_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	madvise(memory, pages * page_bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < pages; i++)
		memory[i * page_bytes] = 1;
	return memory;
}

/* VmHWM and VmPeak of the process that calls. */
static void look_at_oneself(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "VmHWM:", 6))
			words->hwm_pages = strtoull(line + 6, NULL, 10) * 1024 / page_bytes;
		if (!strncmp(line, "VmPeak:", 7))
			words->peak_pages = strtoull(line + 7, NULL, 10) * 1024 / page_bytes;
	}
}

static void grow_and_end(void)
{
	look_at_oneself(); /* so that what stdio needs is there when it counts */
	touch(BIG_PAGES);
	look_at_oneself();
	_exit(0);
}

static void shrink_and_end(void)
{
	look_at_oneself();
	munmap(touch(BIG_PAGES), BIG_PAGES * page_bytes);
	look_at_oneself();
	_exit(0);
}

static void grow_when_told(void)
{
	while (!__atomic_load_n(&words->go, __ATOMIC_ACQUIRE))
		usleep(1000);
	touch(BIG_PAGES);
	_exit(0);
}

static void quit(void)
{
	_exit(0);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void assert_peaks(const struct mh_bpf_exit *exit)
{
	assert_non_null(exit);
	assert_in_range(exit->peak_rss_pages, words->hwm_pages, words->hwm_pages + SLACK_PAGES);
	assert_int_equal(exit->marks & ~MH_BPF_EXIT_INEXACT, MH_BPF_EXIT_PEAK);
	if (exits_have_memory())
		assert_int_equal(exit->marks, MH_BPF_EXIT_PEAK);
	assert_int_equal(exit->peak_vsz_pages, exits_have_memory() ? words->peak_pages : 0);
}

/* The peak is that of the life, whether the kernel had a reason to book it or not. */
static void peak_is_that_of_status(void **state)
{
	static void (*const lives[])(void) = {grow_and_end, shrink_and_end};
	struct mh_bpf_exits *exits = exits_load_or_skip();

	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(*lives); i++) {
		pid_t pid = exits_start(lives[i]);
		const struct mh_bpf_exit *exit;

		exits_await(pid);
		exits_drain(exits);
		exit = exits_record_of(pid);
		assert_true(words->hwm_pages > BIG_PAGES);
		assert_peaks(exit);
		assert_int_equal(exit->ppid, getpid());
		assert_int_equal(exit->euid, geteuid());
		assert_string_equal(exit->comm, "test_bpf_exits");
		assert_true(exit->start_ns > 0);
	}
	exits_free(exits);
}

/* This program, to be run as an argument says. */
static char itself[4096];

static const struct mh_bpf_exit *await_record(struct mh_bpf_exits *exits, pid_t pid)
{
	exits_await(pid);
	exits_drain(exits);
	return exits_record_of(pid);
}

static void become_cat(void)
{
	touch(BIG_PAGES);
	execl("/bin/cat", "cat", "/dev/null", (char *)NULL);
}

/* A program's peak is its own, not that of the one before it in the process. */
static void exec_begins_anew(void **state)
{
	struct mh_bpf_exits *exits = exits_load_or_skip();
	const struct mh_bpf_exit *exit = await_record(exits, exits_start(become_cat));

	(void)state;
	assert_non_null(exit);
	assert_string_equal(exit->comm, "cat");
	if (exits_have_memory()) {
		assert_int_equal(exit->marks, MH_BPF_EXIT_PEAK);
		assert_in_range(exit->peak_rss_pages, 1, BIG_PAGES / 4);
	} else {
		assert_int_equal(exit->marks, MH_BPF_EXIT_BOUND);
		assert_true(exit->peak_rss_pages > BIG_PAGES);
	}
	exits_free(exits);
}

static void become_one_that_grows(void)
{
	touch(BIG_PAGES);
	execl(itself, itself, GROW, (char *)NULL);
}

static void *become_it_in_a_thread(void *unused)
{
	(void)unused;
	become_one_that_grows();
	_exit(1);
}

static void become_it_by_a_thread(void)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, become_it_in_a_thread, NULL))
		pthread_join(thread, NULL);
}

/* A program that uses more than those before it in the process has a peak on every kernel. */
static void exec_of_a_bigger_one(void **state)
{
	static void (*const lives[])(void) = {become_one_that_grows, become_it_by_a_thread};
	struct mh_bpf_exits *exits = exits_load_or_skip();

	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(*lives); i++) {
		const struct mh_bpf_exit *exit = await_record(exits, exits_start(lives[i]));

		assert_non_null(exit);
		assert_int_equal(exit->marks & ~MH_BPF_EXIT_INEXACT, MH_BPF_EXIT_PEAK);
		assert_in_range(exit->peak_rss_pages, BIGGER_PAGES, BIGGER_PAGES + BIG_PAGES);
	}
	exits_free(exits);
}

static pid_t vfork_child(const char *argument)
{
	pid_t pid = vfork();

	if (!pid) {
		if (argument)
			execl(itself, itself, argument, (char *)NULL);
		_exit(argument ? 1 : 0);
	}
	return pid;
}

/* With an address space of its parent, a process has no peak of its own. */
static void shared_memory_is_its_owners(void **state)
{
	struct mh_bpf_exits *exits = exits_load_or_skip();
	char *memory = touch(BIG_PAGES);
	const struct mh_bpf_exit *exit = await_record(exits, vfork_child(NULL));

	(void)state;
	assert_non_null(exit);
	if (exits_have_memory()) {
		assert_int_equal(exit->marks, MH_BPF_EXIT_SHARED);
		assert_int_equal(exit->peak_rss_pages, 0);
	} else {
		assert_int_equal(exit->marks, MH_BPF_EXIT_BOUND);
	}
	assert_int_equal(exit->peak_vsz_pages, 0);
	munmap(memory, BIG_PAGES * page_bytes);
	exits_free(exits);
}

/* Once it runs a program of its own, it has a peak; its parent's is not taken for it. */
static void vfork_and_exec(void **state)
{
	struct mh_bpf_exits *exits = exits_load_or_skip();
	char *memory = touch(BIG_PAGES);
	const struct mh_bpf_exit *exit = await_record(exits, vfork_child(GROW));

	(void)state;
	assert_non_null(exit);
	assert_int_equal(exit->marks & ~MH_BPF_EXIT_INEXACT, MH_BPF_EXIT_PEAK);
	assert_in_range(exit->peak_rss_pages, BIGGER_PAGES, BIGGER_PAGES + BIG_PAGES);
	exit = await_record(exits, vfork_child(QUIT));
	assert_non_null(exit);
	if (exits_have_memory()) {
		assert_int_equal(exit->marks, MH_BPF_EXIT_PEAK);
		assert_in_range(exit->peak_rss_pages, 1, BIG_PAGES - 1);
	} else {
		assert_int_equal(exit->marks, MH_BPF_EXIT_BOUND);
	}
	munmap(memory, BIG_PAGES * page_bytes);
	exits_free(exits);
}

/* Who began before the record did has a peak where the kernel still has the memory. */
static void who_began_before(void **state)
{
	struct mh_bpf_exits *exits;
	const struct mh_bpf_exit *exit;
	pid_t pid;

	(void)state;
	exits_free(exits_load_or_skip());
	words->go = 0;
	pid = exits_start(grow_when_told);
	exits = exits_load_or_skip();
	__atomic_store_n(&words->go, 1, __ATOMIC_RELEASE);
	exit = await_record(exits, pid);
	assert_non_null(exit);
	assert_true(exit->peak_rss_pages > BIG_PAGES);
	assert_int_equal(exit->marks, exits_have_memory() ? MH_BPF_EXIT_PEAK : MH_BPF_EXIT_BOUND);
	exits_free(exits);
}

static void *outlive(void *unused)
{
	(void)unused;
	prctl(PR_SET_NAME, "second");
	look_at_oneself();
	touch(BIG_PAGES);
	while (!__atomic_load_n(&words->go, __ATOMIC_ACQUIRE))
		usleep(1000);
	look_at_oneself();
	syscall(SYS_exit, 0);
	return NULL;
}

static void end_before_own_thread(void)
{
	pthread_t thread;

	prctl(PR_SET_NAME, "first");
	if (pthread_create(&thread, NULL, outlive, NULL))
		_exit(1);
	syscall(SYS_exit, 0);
}

static char state_of(pid_t pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
	fclose(f);
	return state;
}

/* When the first thread goes, the process goes on; when the last goes, it is still the process. */
static void last_thread_ends_the_process(void **state)
{
	struct mh_bpf_exits *exits = exits_load_or_skip();
	const struct mh_bpf_exit *exit;
	pid_t pid;

	(void)state;
	words->go = 0;
	words->hwm_pages = 0;
	pid = exits_start(end_before_own_thread);
	while (state_of(pid) != 'Z')
		usleep(1000);
	exits_drain(exits);
	assert_null(exits_record_of(pid));
	__atomic_store_n(&words->go, 1, __ATOMIC_RELEASE);
	exits_await(pid);
	exits_drain(exits);
	exit = exits_record_of(pid);
	assert_non_null(exit);
	assert_string_equal(exit->comm, "first");
	assert_int_equal(exit->ppid, getpid());
	/* /proc/self is the first thread's, which has no memory left to report */
	assert_in_range(exit->peak_rss_pages, BIG_PAGES, BIG_PAGES * 2);
	exits_free(exits);
}

static void drain_as_nobody(struct mh_bpf_exits *exits)
{
	struct mh_bpf_exits *others;
	struct mh_err err;

	if (setresuid(NOBODY, NOBODY, NOBODY) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(1);
	if (mh_bpf_exits_drain(exits, exits_see, NULL) < 1)
		_exit(2);
	if (mh_bpf_exits_new(&others, exits_tasks, 0, &err) != -EPERM ||
	    !strstr(err.text, "CAP_BPF"))
		_exit(3);
	_exit(0);
}

/* To be loaded, the program needs privileges; to be read, none. */
static void reading_needs_no_privilege(void **state)
{
	struct mh_bpf_exits *exits = exits_load_or_skip();
	pid_t pid;

	(void)state;
	if (geteuid()) {
		exits_free(exits);
		skip();
	}
	exits_await(exits_start(quit));
	pid = fork();
	if (!pid)
		drain_as_nobody(exits);
	exits_await(pid);
	exits_free(exits);
}

static int set_up(void **state)
{
	(void)state;
	words = mmap(NULL, sizeof(*words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	return words != MAP_FAILED ? 0 : -1;
}

static int clean_up(void **state)
{
	(void)state;
	return munmap(words, sizeof(*words));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peak_is_that_of_status),
		cmocka_unit_test(exec_begins_anew),
		cmocka_unit_test(exec_of_a_bigger_one),
		cmocka_unit_test(shared_memory_is_its_owners),
		cmocka_unit_test(vfork_and_exec),
		cmocka_unit_test(who_began_before),
		cmocka_unit_test(last_thread_ends_the_process),
		cmocka_unit_test(reading_needs_no_privilege),
	};

	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	if (argc > 1) {
		if (!strcmp(argv[1], GROW))
			touch(BIGGER_PAGES);
		return 0;
	}
	if (readlink("/proc/self/exe", itself, sizeof(itself) - 1) < 0)
		return 1;
	return exits_are_sanitized() ? 0 : cmocka_run_group_tests(tests, set_up, clean_up);
}
