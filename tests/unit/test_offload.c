/*
 * Reading aside: what answers is answered, what does not holds nobody up. A FIFO without a writer
 * stands for the file of a process that hangs: opening it waits until somebody writes.
 */
#include "libmemhist/proc/offload.h"

#include "libmemhist/base/timespec.h"
#include "tests/unit/stuck.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const uint64_t SECOND_NS = 1000000000;

struct fixture {
	struct tree tree;
	struct mh_offload *offload;
};

/* A tree with the processes 1 to 9, and nobody waiting in it. */
static void set_up(struct fixture *f)
{
	struct mh_root root;
	struct mh_err err;

	tree_make(&f->tree);
	tree_write(&f->tree, "meminfo", "MemTotal: 1 kB\n", 15);
	for (uint32_t pid = 1; pid <= 9; pid++) {
		char line[16];

		snprintf(line, sizeof(line), "line %" PRIu32, pid);
		tree_process(&f->tree, pid, &(struct tree_process){.comm = "x", .cmdline = line});
	}
	assert_int_equal(mh_root_open(&root, f->tree.path, &err), 0);
	assert_int_equal(mh_offload_new(&f->offload, &root), 0);
	mh_root_close(&root);
}

static void tear_down(struct fixture *f)
{
	mh_offload_free(f->offload);
	tree_remove(&f->tree);
}

static void add(struct fixture *f, uint32_t pid)
{
	assert_true(mh_offload_add(f->offload, pid, "cmdline") >= 0);
}

static void run(struct fixture *f)
{
	mh_offload_run(f->offload, mh_monotonic_ns() + 60 * SECOND_NS);
}

static void assert_line(struct fixture *f, uint32_t i, uint32_t pid)
{
	char line[16];
	int len = snprintf(line, sizeof(line), "line %" PRIu32, pid);
	const char *text;

	assert_int_equal(mh_offload_answer(f->offload, i, &text), len + 1);
	assert_memory_equal(text, line, len + 1);
}

static void assert_fails(struct fixture *f, uint32_t i, int rc)
{
	const char *text;

	assert_int_equal(mh_offload_answer(f->offload, i, &text), rc);
}

static void files_are_read(void **state)
{
	static char much[MH_OFFLOAD_BYTES + 100];
	struct fixture f;
	const char *text;

	(void)state;
	set_up(&f);
	memset(much, 'm', sizeof(much));
	tree_write(&f.tree, "4/cmdline", much, sizeof(much));
	tree_write(&f.tree, "5/cmdline", "", 0);
	for (int round = 0; round < 3; round++) {
		for (uint32_t pid = 1; pid <= 5; pid++)
			add(&f, pid);
		add(&f, 77);
		assert_int_equal(mh_offload_add(f.offload, 1, "stat"), 6);
		run(&f);
		for (uint32_t pid = 1; pid <= 3; pid++)
			assert_line(&f, pid - 1, pid);
		assert_int_equal(mh_offload_answer(f.offload, 3, &text), MH_OFFLOAD_BYTES);
		assert_memory_equal(text, much, MH_OFFLOAD_BYTES);
		assert_fails(&f, 4, 0);
		assert_fails(&f, 5, -ENOENT);
		assert_true(mh_offload_answer(f.offload, 6, &text) > 50);
		assert_memory_equal(text, "1 (x) ", 6);
	}
	tear_down(&f);
}

static void a_batch_is_bounded(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	run(&f); /* an empty one */
	for (int i = 0; i < MH_OFFLOAD_BATCH; i++)
		add(&f, 1 + (uint32_t)i % 9);
	assert_int_equal(mh_offload_add(f.offload, 1, "cmdline"), -ENOSPC);
	run(&f);
	for (uint32_t i = 0; i < MH_OFFLOAD_BATCH; i++)
		assert_line(&f, i, 1 + i % 9);
	assert_int_equal(mh_offload_add(f.offload, 1, "cmdline"), 0);
	tear_down(&f);
}

static void a_thread_is_there_when_it_is_needed(void **state)
{
	struct fixture f;

	(void)state;
	assert_int_equal(stuck_threads(), 0);
	set_up(&f);
	assert_int_equal(stuck_threads(), 0);
	add(&f, 1);
	assert_int_equal(stuck_threads(), 0);
	run(&f);
	assert_int_equal(stuck_threads(), 1);
	assert_true(stuck_threads_block_signals());
	tear_down(&f);
	assert_int_equal(stuck_threads(), 0);
}

static void who_hangs_holds_nobody_up(void **state)
{
	uint64_t began_ns;
	struct fixture f;

	(void)state;
	set_up(&f);
	stuck_make(&f.tree, "2/cmdline");
	for (uint32_t pid = 1; pid <= 3; pid++)
		add(&f, pid);
	began_ns = mh_monotonic_ns();
	run(&f);
	assert_in_range(mh_monotonic_ns() - began_ns, SECOND_NS / 1000 * MH_OFFLOAD_FILE_MS,
			60 * SECOND_NS);
	assert_line(&f, 0, 1);
	assert_fails(&f, 1, -ETIMEDOUT);
	assert_line(&f, 2, 3);
	assert_int_equal(mh_offload_left(f.offload), 1);

	/* it is known by now: it costs no other thread, whatever file is asked for */
	add(&f, 2);
	add(&f, 4);
	assert_int_equal(mh_offload_add(f.offload, 2, "stat"), 2);
	run(&f);
	assert_fails(&f, 0, -EBUSY);
	assert_line(&f, 1, 4);
	assert_fails(&f, 2, -EBUSY);
	assert_int_equal(mh_offload_left(f.offload), 1);
	assert_int_equal(stuck_threads(), 2);
	assert_int_equal(mh_offload_returned(f.offload), 0);

	/* it wakes, between batches, and is forgotten */
	stuck_wake(&f.tree, "2/cmdline");
	stuck_await_threads(1);
	assert_int_equal(mh_offload_left(f.offload), 0);
	assert_int_equal(mh_offload_returned(f.offload), 1);
	assert_fails(&f, 0, -EBUSY);
	stuck_end(&f.tree, "2/cmdline", "back");
	add(&f, 2);
	run(&f);
	assert_fails(&f, 0, 4);
	tear_down(&f);
}

static void threads_left_behind_are_bounded(void **state)
{
	struct fixture f;
	char name[32];

	(void)state;
	set_up(&f);
	add(&f, 9);
	for (uint32_t pid = 1; pid <= MH_OFFLOAD_LEFT + 1; pid++) {
		snprintf(name, sizeof(name), "%" PRIu32 "/cmdline", pid);
		stuck_make(&f.tree, name);
		add(&f, pid);
	}
	add(&f, 8);
	run(&f);
	assert_line(&f, 0, 9);
	for (uint32_t i = 1; i <= MH_OFFLOAD_LEFT; i++)
		assert_fails(&f, i, -ETIMEDOUT);
	assert_fails(&f, MH_OFFLOAD_LEFT + 1, -EBUSY);
	assert_fails(&f, MH_OFFLOAD_LEFT + 2, -EBUSY);
	assert_int_equal(mh_offload_left(f.offload), MH_OFFLOAD_LEFT);
	assert_int_equal(stuck_threads(), MH_OFFLOAD_LEFT);
	add(&f, 8);
	run(&f);
	assert_fails(&f, 0, -EBUSY);
	assert_int_equal(stuck_threads(), MH_OFFLOAD_LEFT);

	/* one of them comes back: there is room for one that reads */
	stuck_wake(&f.tree, "3/cmdline");
	stuck_await_threads(MH_OFFLOAD_LEFT - 1);
	add(&f, 8);
	add(&f, 1);
	add(&f, 7);
	run(&f);
	assert_line(&f, 0, 8);
	assert_fails(&f, 1, -EBUSY);
	assert_line(&f, 2, 7);
	for (uint32_t pid = 1; pid <= MH_OFFLOAD_LEFT; pid++) {
		snprintf(name, sizeof(name), "%" PRIu32 "/cmdline", pid);
		if (pid != 3)
			stuck_wake(&f.tree, name);
	}
	stuck_await_threads(1);
	assert_int_equal(mh_offload_left(f.offload), 0);
	assert_int_equal(mh_offload_returned(f.offload), MH_OFFLOAD_LEFT);
	tear_down(&f);
}

static void freeing_waits_for_nobody(void **state)
{
	struct fixture f;

	(void)state;
	for (int later = 0; later < 2; later++) {
		set_up(&f);
		stuck_make(&f.tree, "1/cmdline");
		stuck_make(&f.tree, "2/cmdline");
		add(&f, 1);
		add(&f, 2);
		if (later)
			add(&f, 3); /* and another thread is there */
		run(&f);
		mh_offload_free(f.offload);
		/* both wake when what they knew is gone */
		assert_int_equal(stuck_threads(), 2);
		stuck_wake(&f.tree, "2/cmdline");
		stuck_await_threads(1);
		stuck_wake(&f.tree, "1/cmdline");
		stuck_await_threads(0);
		tree_remove(&f.tree);
	}
	mh_offload_free(NULL);
}

static void a_deadline_ends_the_batch(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	stuck_make(&f.tree, "2/cmdline");
	/* nothing is begun after it */
	add(&f, 1);
	mh_offload_run(f.offload, mh_monotonic_ns());
	assert_fails(&f, 0, -EAGAIN);
	assert_int_equal(stuck_threads(), 0);
	/* what has begun has its time */
	for (uint32_t pid = 1; pid <= 4; pid++)
		add(&f, pid);
	mh_offload_run(f.offload, mh_monotonic_ns() + SECOND_NS / 1000 * MH_OFFLOAD_FILE_MS / 2);
	assert_fails(&f, 1, -ETIMEDOUT);
	assert_fails(&f, 2, -EAGAIN);
	assert_fails(&f, 3, -EAGAIN);
	run(&f); /* the same one is not read again */
	assert_fails(&f, 3, -EAGAIN);
	add(&f, 3);
	run(&f);
	assert_line(&f, 0, 3);
	stuck_wake(&f.tree, "2/cmdline");
	stuck_await_threads(1);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(a_batch_is_bounded),
		cmocka_unit_test(a_thread_is_there_when_it_is_needed),
		cmocka_unit_test(who_hangs_holds_nobody_up),
		cmocka_unit_test(threads_left_behind_are_bounded),
		cmocka_unit_test(freeing_waits_for_nobody),
		cmocka_unit_test(a_deadline_ends_the_batch),
	};

	return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
