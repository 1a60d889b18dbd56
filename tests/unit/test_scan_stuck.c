/*
 * Processes whose command line does not answer: they have all but that, and the others everything.
 * A FIFO without a writer stands for the file of a process whose address space is locked.
 *
 * On a busy machine, and under valgrind, which lets one thread run at a time, a thread may be left
 * behind that hangs on nothing: it is back at once, and what it read is asked for again. So nothing
 * here counts on a line being there at the first asking, or on a thread being there between two.
 */
#include "libmemhist/base/timespec.h"
#include "libmemhist/proc/offload.h"
#include "tests/unit/child.h"
#include "tests/unit/scene.h"
#include "tests/unit/stuck.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	PROCESSES = 20,
	STUCK_EVERY = 16, /* as the scanner has it: passes between two askings of who hung */
	NAMES_EVERY = 512,
};

struct fixture {
	struct tree tree;
	struct scene scene;
};

static void write_process(const struct tree *tree, uint32_t pid, uint64_t start_ticks)
{
	char comm[16], line[16];

	snprintf(comm, sizeof(comm), "comm%" PRIu32, pid);
	snprintf(line, sizeof(line), "line%" PRIu32, pid);
	tree_process(tree, pid,
		     &(struct tree_process){.comm = comm,
					    .cmdline = line,
					    .start_ticks = start_ticks,
					    .vsz_pages = 900,
					    .rss_pages = 90});
}

/* A tree with the processes 1 to 20, of which `n_stuck` from 3 on do not answer. */
static void set_up(struct fixture *f, uint32_t n_stuck)
{
	char name[32];

	tree_make(&f->tree);
	tree_write(&f->tree, "meminfo", "MemTotal: 1 kB\n", 15);
	for (uint32_t pid = 1; pid <= PROCESSES; pid++) {
		write_process(&f->tree, pid, pid);
		snprintf(name, sizeof(name), "%" PRIu32 "/cmdline", pid);
		if (pid >= 3 && pid < 3 + n_stuck)
			stuck_make(&f->tree, name);
	}
	assert_int_equal(scene_open(&f->scene, f->tree.path, (struct mh_scan_config){0}), 0);
}

static void tear_down(struct fixture *f)
{
	scene_close(&f->scene);
	tree_remove(&f->tree);
}

static bool has_line(const struct fixture *f, uint32_t pid)
{
	const struct mh_process *p = scene_must_find(&f->scene, pid);
	char line[16];
	int len = snprintf(line, sizeof(line), "line%" PRIu32, pid);

	assert_int_equal(p->value[MH_FIELD_RSS], 90);
	assert_memory_equal(p->comm, "comm", 4);
	if (!p->cmdline_len)
		return false;
	assert_int_equal(p->cmdline_len, len);
	assert_memory_equal(p->cmdline, line, (size_t)len);
	return true;
}

static uint32_t count_lines(const struct fixture *f)
{
	uint32_t n = 0;

	for (uint32_t pid = 1; pid <= PROCESSES; pid++)
		n += has_line(f, pid);
	return n;
}

/* Passes until there are so many: far fewer than until the next turn of a process. */
static void await_lines(struct fixture *f, uint32_t n)
{
	for (int tries = 20 * STUCK_EVERY; count_lines(f) != n; tries--) {
		assert_true(tries > 0);
		scene_must_pass(&f->scene);
	}
}

/* Let it answer, whether a thread hangs on it or not. */
static void wake(const struct fixture *f, uint32_t pid)
{
	char name[32];

	snprintf(name, sizeof(name), "%" PRIu32 "/cmdline", pid);
	stuck_release(&f->tree, name);
	write_process(&f->tree, pid, pid);
}

static void one_that_hangs_is_known_by_its_comm(void **state)
{
	struct fixture f;
	uint64_t stuck, late;

	(void)state;
	set_up(&f, 1);
	scene_must_pass(&f.scene);
	assert_int_equal(f.scene.snapshot->n_live, PROCESSES);
	assert_false(f.scene.snapshot->partial);
	await_lines(&f, PROCESSES - 1);
	assert_false(has_line(&f, 3));
	stuck_await_left(f.scene.offload, 1);
	/* it is asked again at its turn alone, which costs no other thread */
	stuck = scene_stats(&f.scene).stuck;
	late = mh_offload_returned(f.scene.offload);
	assert_true(stuck >= 1);
	for (int i = 0; i < NAMES_EVERY; i++)
		scene_must_pass(&f.scene);
	stuck_await_left(f.scene.offload, 1);
	late = mh_offload_returned(f.scene.offload) - late;
	assert_in_range(scene_stats(&f.scene).stuck - stuck, 1, 1 + 2 * late);
	assert_int_equal(count_lines(&f), PROCESSES - 1);
	/* when it wakes its name is asked for soon */
	wake(&f, 3);
	stuck_await_left(f.scene.offload, 0);
	await_lines(&f, PROCESSES);
	assert_int_equal(scene_stats(&f.scene).failed, 0);
	tear_down(&f);
}

static void many_that_hang_are_bounded(void **state)
{
	struct fixture f;
	struct mh_offload *o;

	(void)state;
	set_up(&f, 8);
	o = f.scene.offload;
	for (int tries = 2 * NAMES_EVERY;
	     mh_offload_left(o) != MH_OFFLOAD_LEFT || scene_stats(&f.scene).stuck < 8; tries--) {
		assert_true(tries > 0);
		scene_must_pass(&f.scene);
		assert_true(stuck_threads() <= MH_OFFLOAD_LEFT + 1);
	}
	assert_int_equal(f.scene.snapshot->n_live, PROCESSES);
	assert_true(count_lines(&f) <= PROCESSES - 8);
	/* a new one has its values, and a name when threads are back */
	write_process(&f.tree, 21, 21);
	scene_must_pass(&f.scene);
	assert_true(scene_born(&f.scene, 21));
	if (mh_offload_left(o) == MH_OFFLOAD_LEFT)
		assert_false(has_line(&f, 21));
	/* they wake, in whatever order the threads hang on them */
	for (uint32_t pid = 3; pid < 3 + 8; pid++)
		wake(&f, pid);
	stuck_await_left(o, 0);
	await_lines(&f, PROCESSES);
	for (int tries = 20 * STUCK_EVERY; !has_line(&f, 21); tries--) {
		assert_true(tries > 0);
		scene_must_pass(&f.scene);
	}
	tear_down(&f);
}

static void what_does_not_change_stays(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 0);
	scene_must_pass(&f.scene);
	await_lines(&f, PROCESSES);
	/* asked again at its turn: a name that was read is kept */
	stuck_make(&f.tree, "5/cmdline");
	for (int i = 0; i < NAMES_EVERY; i++)
		scene_must_pass(&f.scene);
	assert_true(scene_stats(&f.scene).stuck >= 1);
	assert_int_equal(count_lines(&f), PROCESSES);
	wake(&f, 5);
	stuck_await_left(f.scene.offload, 0);
	tear_down(&f);
}

/* Gives the pid 7 to another process once the command lines are being read. */
static void *replace(void *arg)
{
	struct fixture *f = arg;

	/* however many there are by now */
	for (int left_ms = 60 * 1000; !stuck_threads() && left_ms; left_ms--)
		usleep(1000);
	write_process(&f->tree, 7, 7777);
	return NULL;
}

/* Whether the line of 7 was not taken, which is so when it was replaced in time. */
static bool check_successor(void)
{
	pthread_t thread;
	struct fixture f;
	bool taken;

	set_up(&f, 3); /* those who hang make the time in which another is replaced */
	assert_int_equal(pthread_create(&thread, NULL, replace, &f), 0);
	scene_must_pass(&f.scene);
	pthread_join(thread, NULL);
	taken = has_line(&f, 7);
	assert_int_equal(scene_must_find(&f.scene, 7)->id.start_ticks, 7);
	assert_true(count_lines(&f) <= PROCESSES - 3u - !taken);
	scene_must_pass(&f.scene);
	assert_int_equal(scene_must_find(&f.scene, 7)->id.start_ticks, 7777);
	for (int tries = 20 * STUCK_EVERY; !has_line(&f, 7); tries--) {
		assert_true(tries > 0);
		scene_must_pass(&f.scene);
	}
	for (uint32_t pid = 3; pid <= 5; pid++)
		wake(&f, pid);
	tear_down(&f);
	stuck_await_threads(0);
	return !taken;
}

static void a_successor_gives_its_line_to_nobody_else(void **state)
{
	int tries = 20; /* a busy machine may replace it too late */

	(void)state;
	while (!check_successor())
		assert_true(--tries > 0);
}

/* The real /proc by each way there is; the command lines alone come from a tree where one hangs. */
static void every_backend_goes_on(void **state)
{
	static const enum mh_scan_backend backends[] = {MH_SCAN_BPF, MH_SCAN_BPF_SEQ,
							MH_SCAN_PROCFS};
	struct mh_scan_config config = {0};
	struct child child;
	struct fixture f;
	char name[32];

	(void)state;
	child_start(&child);
	snprintf(name, sizeof(name), "%" PRIu32 "/cmdline", child.pid);
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		const struct mh_process *p;
		struct mh_root root;
		struct mh_err err;

		set_up(&f, 0);
		scene_close(&f.scene);
		tree_write(&f.tree, name, "", 0);
		stuck_make(&f.tree, name);
		assert_int_equal(mh_root_open(&root, f.tree.path, &err), 0);
		assert_int_equal(mh_offload_new(&config.offload, &root), 0);
		mh_root_close(&root);
		config.backend = backends[i];
		if (scene_open(&f.scene, "/proc", config)) {
			print_message("# %s: %s\n", mh_scan_backend_name(backends[i]),
				      f.scene.err.text);
			mh_offload_free(config.offload);
			tree_remove(&f.tree);
			continue;
		}
		scene_must_pass(&f.scene);
		p = scene_must_find(&f.scene, child.pid);
		assert_true(p->value[MH_FIELD_RSS] > 0 && p->comm_len > 0);
		assert_int_equal(p->cmdline_len, 0);
		/* on a busy machine its turn may come some passes later */
		for (int tries = NAMES_EVERY; !stuck_try_wake(&f.tree, name); tries--) {
			assert_true(tries > 0);
			scene_must_pass(&f.scene);
		}
		assert_true(scene_stats(&f.scene).stuck >= 1);
		stuck_await_left(config.offload, 0);
		stuck_end(&f.tree, name, "aside");
		/* it is asked again within STUCK_EVERY passes of the thread's return being noticed
		 */
		for (int tries = 20 * STUCK_EVERY; tries; tries--) {
			scene_must_pass(&f.scene);
			p = scene_must_find(&f.scene, child.pid);
			if (p->cmdline_len)
				break;
		}
		assert_int_equal(p->cmdline_len, 5);
		assert_memory_equal(p->cmdline, "aside", 5);
		mh_offload_free(config.offload);
		tear_down(&f);
	}
	child_end(&child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_hangs_is_known_by_its_comm),
		cmocka_unit_test(many_that_hang_are_bounded),
		cmocka_unit_test(what_does_not_change_stays),
		cmocka_unit_test(a_successor_gives_its_line_to_nobody_else),
		cmocka_unit_test(every_backend_goes_on),
	};

	return cmocka_run_group_tests_name("scan_stuck", tests, NULL, NULL);
}
