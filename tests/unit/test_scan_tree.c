/*
 * The scanner on a recorded tree: what a test cannot make a real kernel do. Nothing there tells
 * processes apart but start times, since files are no procfs' files.
 */
#include "tests/unit/scene.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <cmocka.h>

static const struct tree_process init = {.comm = "init",
					 .cmdline = "/sbin/init",
					 .start_ticks = 5,
					 .vsz_pages = 900,
					 .rss_pages = 90};
static const struct tree_process worker = {.comm = "worker",
					   .cmdline = "worker",
					   .ppid = 1,
					   .uid = 1000,
					   .start_ticks = 700,
					   .vsz_pages = 5000,
					   .rss_pages = 400};

struct fixture {
	struct tree tree;
	struct scene scene;
};

/* A tree with init and a worker (10), passed once. */
static void set_up(struct fixture *f)
{
	tree_make(&f->tree);
	tree_write(&f->tree, "meminfo", "MemTotal: 1 kB\n", 15);
	tree_process(&f->tree, 1, &init);
	tree_process(&f->tree, 10, &worker);
	assert_int_equal(scene_open(&f->scene, f->tree.path, (struct mh_scan_config){0}), 0);
	assert_int_equal(scene_pass(&f->scene), 0);
	assert_int_equal(f->scene.snapshot->n_live, 2);
}

static void tear_down(struct fixture *f)
{
	scene_close(&f->scene);
	tree_remove(&f->tree);
}

static void pass(struct fixture *f)
{
	assert_int_equal(scene_pass(&f->scene), 0);
}

static const struct mh_process *find(const struct fixture *f, uint32_t pid)
{
	const struct mh_process *p = scene_find(&f->scene, pid);

	assert_non_null(p);
	return p;
}

static void processes_are_as_their_files_say(void **state)
{
	const struct mh_process *p;
	struct fixture f;

	(void)state;
	set_up(&f);
	p = find(&f, 10);
	assert_int_equal(p->id.start_ticks, 700);
	assert_int_equal(p->value[MH_FIELD_RSS], 400);
	assert_int_equal(p->value[MH_FIELD_VSZ], 5000);
	assert_int_equal(p->ppid, 1);
	assert_int_equal(p->uid, 1000);
	assert_string_equal(p->comm, "worker");
	assert_int_equal(p->cmdline_len, 6);
	assert_false(f.scene.snapshot->partial);
	/* nothing is kept open where a descriptor proves nothing */
	assert_int_equal(scene_stats(&f.scene).open_files, 0);
	tear_down(&f);
}

static void a_later_start_is_another_process(void **state)
{
	struct tree_process next = worker;
	struct fixture f;

	(void)state;
	set_up(&f);
	pass(&f);
	assert_false(scene_gone(&f.scene, 10) || scene_born(&f.scene, 10));
	next.start_ticks = 701;
	tree_process(&f.tree, 10, &next);
	pass(&f);
	assert_true(scene_gone(&f.scene, 10) && scene_born(&f.scene, 10));
	assert_int_equal(find(&f, 10)->id.start_ticks, 701);
	assert_int_equal(find(&f, 10)->id.twin, 0);
	tear_down(&f);
}

/* Recordings are of machines that ran longer than this one, and files are replaced by rename. */
static void replaced_files_are_the_same_process(void **state)
{
	struct tree_process late = worker;
	struct fixture f;
	char from[512], to[512];

	(void)state;
	set_up(&f);
	late.start_ticks = UINT64_C(1) << 60;
	tree_process(&f.tree, 11, &late);
	pass(&f);
	late.rss_pages = 401;
	for (int i = 0; i < 3; i++) {
		tree_drop(&f.tree, "11");
		tree_process(&f.tree, 12, &late);
		assert_int_equal(
			rename(tree_path(&f.tree, "12", from), tree_path(&f.tree, "11", to)), 0);
		tree_process(&f.tree, 11, &late);
		pass(&f);
		assert_false(scene_gone(&f.scene, 11) || scene_born(&f.scene, 11));
		assert_int_equal(find(&f, 11)->value[MH_FIELD_RSS], 401);
	}
	tear_down(&f);
}

static void the_unreadable_keep_their_last_values(void **state)
{
	static const char *const spoilt[] = {"10/statm", "10/stat", "10/status"};
	struct tree_process bigger = worker;
	struct fixture f;

	(void)state;
	bigger.rss_pages = 500;
	for (size_t i = 0; i < 3; i++) {
		set_up(&f);
		tree_process(&f.tree, 10, &bigger);
		tree_write(&f.tree, spoilt[i], "10 (worker) nonsense\n", 21);
		pass(&f);
		assert_true(f.scene.snapshot->partial);
		assert_int_equal(scene_stats(&f.scene).malformed, 1);
		assert_int_equal(f.scene.snapshot->n_live, 2);
		assert_int_equal(find(&f, 10)->value[MH_FIELD_RSS], 400);
		assert_int_equal(f.scene.snapshot->n_changed, 0);
		/* somebody new who cannot be read is not taken in */
		tree_write(&f.tree, "11/statm", "", 0);
		pass(&f);
		assert_null(scene_find(&f.scene, 11));
		tree_process(&f.tree, 10, &bigger);
		tree_drop(&f.tree, "11");
		pass(&f);
		assert_false(f.scene.snapshot->partial);
		assert_false(scene_born(&f.scene, 10));
		assert_int_equal(find(&f, 10)->value[MH_FIELD_RSS], 500);
		tear_down(&f);
	}
}

/* A process may be in 65,536 groups, and what we want of status stands behind them. */
static void many_groups_hide_nothing(void **state)
{
	static const char tail[] = "Uid:\t7\t7\t7\t7\n", groups[] = "Groups:\t";
	static const size_t lengths[] = {1,    10,   3000, 3700, 3800,  3900,
					 4000, 4096, 8191, 8192, 700000};
	char *text = malloc(1000000), whole[2048], path[512], *after_uid;
	struct fixture f;
	size_t whole_len, head;
	FILE *file;

	(void)state;
	assert_non_null(text);
	set_up(&f);
	file = fopen(tree_path(&f.tree, "10/status", path), "re");
	assert_non_null(file);
	whole_len = fread(whole, 1, sizeof(whole), file);
	fclose(file);
	after_uid = memmem(whole, whole_len, "VmPeak", 6);
	head = (size_t)(after_uid - whole);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t at = head;

		memcpy(text, whole, head);
		memcpy(text + at, tail, sizeof(tail) - 1);
		at += sizeof(tail) - 1;
		memcpy(text + at, groups, sizeof(groups) - 1);
		at += sizeof(groups) - 1;
		memset(text + at, '1', lengths[i]);
		at += lengths[i];
		text[at++] = '\n';
		memcpy(text + at, after_uid, whole_len - head);
		at += whole_len - head;
		/* and so much behind what we want that it is cut */
		memset(text + at, 'x', 5000);
		at += 5000;
		text[at++] = '\n';
		tree_write(&f.tree, "10/status", text, at);
		pass(&f);
		assert_false(f.scene.snapshot->partial);
		assert_int_equal(find(&f, 10)->uid, 7);
		assert_int_equal(find(&f, 10)->value[MH_FIELD_RSS], 400);
		tree_process(&f.tree, 10, &worker);
		pass(&f);
		assert_int_equal(find(&f, 10)->uid, 1000);
	}
	free(text);
	tear_down(&f);
}

/* Where the first thread has exited, another one tells of the memory. */
static void memory_is_found_behind_a_dead_first_thread(void **state)
{
	static const char dead[] = "Name:\tworker\nPPid:\t1\nUid:\t1000\t1000\t1000\t1000\n"
				   "Threads:\t3\n";
	char from[512], to[512];
	struct fixture f;

	(void)state;
	set_up(&f);
	tree_write(&f.tree, "10/task/10/status", dead, strlen(dead));
	tree_write(&f.tree, "10/task/11/status", dead, strlen(dead));
	tree_write(&f.tree, "10/task/x/status", dead, strlen(dead));
	assert_int_equal(mkdir(tree_path(&f.tree, "10/task/12", to), 0755), 0);
	assert_int_equal(rename(tree_path(&f.tree, "10/status", from),
				tree_path(&f.tree, "10/task/12/status", to)),
			 0);
	tree_write(&f.tree, "10/status", dead, strlen(dead));
	tree_write(&f.tree, "10/statm", "0 0 0 0 0 0 0\n", 14);
	for (int i = 0; i < 2; i++) {
		pass(&f);
		assert_false(f.scene.snapshot->partial);
		assert_int_equal(find(&f, 10)->value[MH_FIELD_RSS], 400);
		assert_int_equal(find(&f, 10)->value[MH_FIELD_VSZ], 5000);
		assert_int_equal(find(&f, 10)->value[MH_FIELD_THREADS], 3);
		assert_string_equal(find(&f, 10)->comm, "worker");
	}
	tree_drop(&f.tree, "10/task/12");
	pass(&f);
	assert_int_equal(find(&f, 10)->value[MH_FIELD_RSS], 0);
	assert_int_equal(find(&f, 10)->value[MH_FIELD_THREADS], 3);
	tear_down(&f);
}

static void a_stat_of_somebody_else_is_malformed(void **state)
{
	struct fixture f;
	char from[512], to[512];

	(void)state;
	set_up(&f);
	assert_int_equal(rename(tree_path(&f.tree, "10", from), tree_path(&f.tree, "11", to)), 0);
	pass(&f);
	assert_null(scene_find(&f.scene, 11));
	assert_null(scene_find(&f.scene, 10));
	assert_int_equal(scene_stats(&f.scene).malformed, 1);
	tear_down(&f);
}

static void denials_are_counted(void **state)
{
	struct fixture f;
	char path[512];

	(void)state;
	set_up(&f);
	assert_int_equal(chmod(tree_path(&f.tree, "10/statm", path), 0), 0);
	/* root reads everything; what counts for files is the fsuid */
	setfsuid(65534);
	pass(&f);
	setfsuid(0);
	assert_true(f.scene.snapshot->partial);
	assert_int_equal(scene_stats(&f.scene).denied, 1);
	assert_int_equal(find(&f, 10)->value[MH_FIELD_RSS], 400);
	assert_false(scene_gone(&f.scene, 10));
	tear_down(&f);
}

/* A ghost would live on in the values of a process that ended, unseen behind one we may not read.
 */
static void a_denied_successor_ends_the_one_before(void **state)
{
	struct fixture f;
	char from[512], to[512];

	(void)state;
	set_up(&f);
	assert_int_equal(rename(tree_path(&f.tree, "10", from), tree_path(&f.tree, "old", to)), 0);
	tree_process(&f.tree, 10, &worker);
	assert_int_equal(chmod(tree_path(&f.tree, "10/statm", from), 0), 0);
	setfsuid(65534);
	pass(&f);
	setfsuid(0);
	assert_int_equal(scene_stats(&f.scene).denied, 1);
	assert_true(scene_gone(&f.scene, 10));
	assert_null(scene_find(&f.scene, 10));
	tear_down(&f);
}

static void those_who_vanish_have_ended(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	/* listed, but its files are gone: ended between the two */
	tree_drop(&f.tree, "10/statm");
	pass(&f);
	assert_true(scene_gone(&f.scene, 10));
	assert_false(f.scene.snapshot->partial);
	assert_int_equal(scene_stats(&f.scene).vanished, 1);
	/* statm still there, stat not any more */
	tree_process(&f.tree, 10, &worker);
	pass(&f);
	assert_true(scene_born(&f.scene, 10));
	tree_drop(&f.tree, "10/stat");
	pass(&f);
	assert_true(scene_gone(&f.scene, 10));
	assert_int_equal(scene_stats(&f.scene).vanished, 2);
	tear_down(&f);
}

static void kernel_threads_are_known_by_their_flag(void **state)
{
	struct tree_process thread = {.comm = "kworker/0:1-events", .flags = 0x00200040, .ppid = 2};
	struct tree_process no_thread = {.comm = "kworker/0:1-mine", .vsz_pages = 1};
	struct scene with;
	struct fixture f;

	(void)state;
	set_up(&f);
	tree_process(&f.tree, 20, &thread);
	tree_process(&f.tree, 21, &no_thread);
	pass(&f);
	assert_null(scene_find(&f.scene, 20));
	assert_string_equal(find(&f, 21)->comm, "kworker/0:1-mine");
	assert_int_equal(
		scene_open(&with, f.tree.path, (struct mh_scan_config){.kernel_threads = true}), 0);
	assert_int_equal(scene_pass(&with), 0);
	assert_string_equal(scene_find(&with, 20)->comm, "kworker/0:1");
	/* another job is no other name */
	thread.comm = "kworker/0:1+flush-8:0";
	tree_process(&f.tree, 20, &thread);
	assert_int_equal(scene_pass(&with), 0);
	assert_int_equal(with.snapshot->n_renamed, 0);
	scene_close(&with);
	tear_down(&f);
}

static void long_command_lines_are_cut(void **state)
{
	static char text[MH_CMDLINE_MAX + 1000];
	struct fixture f;

	(void)state;
	set_up(&f);
	memset(text, 'a', sizeof(text));
	tree_process(&f.tree, 30, &init);
	tree_write(&f.tree, "30/cmdline", text, sizeof(text));
	tree_process(&f.tree, 31, &init);
	text[MH_CMDLINE_MAX - 1] = '\0';
	tree_write(&f.tree, "31/cmdline", text, sizeof(text));
	pass(&f);
	assert_int_equal(find(&f, 30)->cmdline_len, MH_CMDLINE_MAX);
	assert_int_equal(find(&f, 31)->cmdline_len, MH_CMDLINE_MAX - 1);
	tear_down(&f);
}

static void over_the_cap_they_are_dropped(void **state)
{
	struct mh_table *small;
	struct fixture f;
	bool partial = false;

	(void)state;
	set_up(&f);
	assert_int_equal(mh_table_new(&small, 1), 0);
	mh_table_begin(small, mh_now());
	assert_int_equal(mh_scan_pass(f.scene.scan, small, &partial, NULL), 0);
	assert_true(partial);
	assert_int_equal(mh_table_live(small), 1);
	assert_int_equal(scene_stats(&f.scene).dropped, 1);
	mh_table_free(small);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_are_as_their_files_say),
		cmocka_unit_test(a_later_start_is_another_process),
		cmocka_unit_test(replaced_files_are_the_same_process),
		cmocka_unit_test(the_unreadable_keep_their_last_values),
		cmocka_unit_test(many_groups_hide_nothing),
		cmocka_unit_test(memory_is_found_behind_a_dead_first_thread),
		cmocka_unit_test(a_stat_of_somebody_else_is_malformed),
		cmocka_unit_test(denials_are_counted),
		cmocka_unit_test(a_denied_successor_ends_the_one_before),
		cmocka_unit_test(those_who_vanish_have_ended),
		cmocka_unit_test(kernel_threads_are_known_by_their_flag),
		cmocka_unit_test(long_command_lines_are_cut),
		cmocka_unit_test(over_the_cap_they_are_dropped),
	};

	return cmocka_run_group_tests_name("scan_tree", tests, NULL, NULL);
}
