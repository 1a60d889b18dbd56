/* The procfs scanner on the real /proc, with real processes that grow, exec, rename and die. */
#include "tests/unit/child.h"
#include "tests/unit/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	STATUS_EVERY = 32, /* as the scanner has it: passes that a change may take to be seen */
	NAMES_EVERY = 512,
	GROWTH_PAGES = 2000, /* many kernels book them in batches: some come later */
};

static bool has_comm(const struct mh_process *p, const char *comm)
{
	return p->comm_len == strlen(comm) && !memcmp(p->comm, comm, p->comm_len);
}

/* Passes until `comm` is seen; at most `most`. */
static void pass_until_comm(struct scene *scene, uint32_t pid, const char *comm, int most)
{
	while (!has_comm(scene_must_find(scene, pid), comm)) {
		assert_true(most-- > 0);
		scene_must_pass(scene);
	}
}

static void growth_is_seen_exactly(void **state)
{
	const uint32_t open_files[] = {0, 1};
	struct child child;
	struct scene scene;
	uint64_t before;

	(void)state;
	/* through kept descriptors, and through the one at most that somebody else has */
	for (size_t i = 0; i < 2; i++) {
		scene_must_open(&scene, (struct mh_scan_config){.max_open_files = open_files[i]});
		child_start(&child);
		for (int step = 0; step < 5; step++) {
			scene_must_pass(&scene);
			scene_must_be_as_statm(&scene, child.pid);
			before = scene_must_find(&scene, child.pid)->value[MH_FIELD_RSS];
			child_do(&child, CHILD_GROW, GROWTH_PAGES, NULL);
			scene_must_pass(&scene);
			scene_must_be_as_statm(&scene, child.pid);
			assert_true(scene_must_find(&scene, child.pid)->value[MH_FIELD_RSS] >=
				    before + GROWTH_PAGES / 2);
			assert_true(scene.snapshot->n_changed > 0);
		}
		child_end(&child);
		scene_close(&scene);
	}
}

static void assert_parts_make_rss(const struct mh_process *p)
{
	assert_int_equal(p->value[MH_FIELD_ANON] + p->value[MH_FIELD_FILE] +
				 p->value[MH_FIELD_SHMEM],
			 p->value[MH_FIELD_RSS]);
}

/* What moves RSS or VSZ is seen at once, what does not in its turn. */
static void what_status_says_is_seen(void **state)
{
	const struct mh_process *p;
	struct child child;
	struct scene scene;
	uint64_t was[MH_FIELD_COUNT];
	int passes;

	(void)state;
	child_start(&child);
	scene_must_open(&scene, (struct mh_scan_config){0});
	scene_must_pass(&scene);
	/* of a child, the kernel may not have booked any yet */
	p = scene_must_find(&scene, (uint32_t)getpid());
	assert_true(p->value[MH_FIELD_ANON] > 0 && p->value[MH_FIELD_FILE] > 0);
	p = scene_must_find(&scene, child.pid);
	assert_parts_make_rss(p);
	assert_int_equal(p->value[MH_FIELD_THREADS], 1);
	assert_int_equal(p->value[MH_FIELD_LOCKED], 0);
	assert_true(p->value[MH_FIELD_HWM] >= p->value[MH_FIELD_RSS]);
	assert_true(p->value[MH_FIELD_PEAK] >= p->value[MH_FIELD_VSZ]);
	memcpy(was, p->value, sizeof(was));

	child_do(&child, CHILD_GROW, GROWTH_PAGES, NULL);
	scene_must_pass(&scene);
	p = scene_must_find(&scene, child.pid);
	assert_parts_make_rss(p);
	assert_true(p->value[MH_FIELD_ANON] >= was[MH_FIELD_ANON] + GROWTH_PAGES / 2);
	assert_true(p->value[MH_FIELD_HWM] >= p->value[MH_FIELD_RSS]);
	memcpy(was, p->value, sizeof(was));

	child_do(&child, CHILD_SPIKE, 9000, NULL);
	/* the kernel takes marks without what its CPUs have not booked yet */
	for (passes = 0;
	     scene_must_find(&scene, child.pid)->value[MH_FIELD_HWM] < was[MH_FIELD_RSS] + 8000;) {
		assert_true(passes++ < STATUS_EVERY);
		scene_must_pass(&scene);
	}
	assert_true(scene_must_find(&scene, child.pid)->value[MH_FIELD_PEAK] >=
		    was[MH_FIELD_VSZ] + 9000);

	if (child_do(&child, CHILD_LOCK, 0, NULL) == 0)
		for (passes = 0; scene_must_find(&scene, child.pid)->value[MH_FIELD_LOCKED] != 1;) {
			assert_true(passes++ < STATUS_EVERY);
			scene_must_pass(&scene);
		}
	assert_parts_make_rss(scene_must_find(&scene, child.pid));
	child_end(&child);
	scene_close(&scene);
}

static void births_and_exits_are_seen(void **state)
{
	struct child child;
	struct scene scene;
	uint64_t start_ticks;

	(void)state;
	scene_must_open(&scene, (struct mh_scan_config){0});
	scene_must_pass(&scene);
	assert_true(scene.snapshot->first);
	child_start(&child);
	scene_must_pass(&scene);
	assert_true(scene_born(&scene, child.pid));
	assert_int_equal(scene_must_find(&scene, child.pid)->ppid, getpid());
	assert_int_equal(scene_must_find(&scene, child.pid)->uid, geteuid());
	start_ticks = scene_must_find(&scene, child.pid)->id.start_ticks;
	assert_true(start_ticks > 0);
	/* what a process does with its name right after birth is seen at once */
	child_do(&child, CHILD_NAME, 0, "settled");
	scene_must_pass(&scene);
	assert_false(scene_born(&scene, child.pid));
	assert_true(has_comm(scene_must_find(&scene, child.pid), "settled"));
	child_end(&child);
	scene_must_pass(&scene);
	assert_null(scene_find(&scene, child.pid));
	assert_true(scene_gone(&scene, child.pid));
	scene_close(&scene);
}

static void zombies_stay_with_their_marks(void **state)
{
	struct child child;
	struct scene scene;
	uint32_t cmdline_len;
	uint64_t hwm;

	(void)state;
	scene_must_open(&scene, (struct mh_scan_config){0});
	child_start(&child);
	/* a command line may come later than its process */
	for (int passes = 0; !passes || !scene_must_find(&scene, child.pid)->cmdline_len;) {
		assert_true(passes++ < STATUS_EVERY);
		scene_must_pass(&scene);
	}
	cmdline_len = scene_must_find(&scene, child.pid)->cmdline_len;
	hwm = scene_must_find(&scene, child.pid)->value[MH_FIELD_HWM];
	assert_true(hwm > 0);
	child_do(&child, CHILD_EXIT, 0, NULL);
	child_await_exit(&child);
	/* past every turn of reading names: a zombie's command line can no more be read */
	for (int i = 0; i <= NAMES_EVERY; i++) {
		scene_must_pass(&scene);
		assert_int_equal(scene_must_find(&scene, child.pid)->value[MH_FIELD_RSS], 0);
		assert_int_equal(scene_must_find(&scene, child.pid)->value[MH_FIELD_VSZ], 0);
		assert_int_equal(scene_must_find(&scene, child.pid)->value[MH_FIELD_HWM], hwm);
		assert_int_equal(scene_must_find(&scene, child.pid)->cmdline_len, cmdline_len);
		assert_false(scene_born(&scene, child.pid));
	}
	child_end(&child);
	scene_must_pass(&scene);
	assert_true(scene_gone(&scene, child.pid));
	scene_close(&scene);
}

static void exec_is_a_new_name_of_the_same_process(void **state)
{
	static const char want[] = "sleep\0"
				   "1000";
	struct mh_identity id;
	struct child child;
	struct scene scene;

	(void)state;
	/* early in its life, and when it has been known for long; also when the comm is the same */
	for (int i = 0; i < 4; i++) {
		scene_must_open(&scene, (struct mh_scan_config){0});
		child_start(&child);
		if (i >= 2)
			child_do(&child, CHILD_NAME, 0, "sleep");
		scene_must_pass(&scene);
		for (int passes = 0; i % 2 && passes < 2 * STATUS_EVERY + 5; passes++)
			scene_must_pass(&scene);
		id = scene_must_find(&scene, child.pid)->id;
		child_do(&child, CHILD_EXEC, 0, "/bin/sleep");
		child_await_exec(&child);
		scene_must_pass(&scene);
		assert_true(mh_identity_same(&scene_must_find(&scene, child.pid)->id, &id));
		assert_true(scene_renamed(&scene, child.pid));
		assert_true(has_comm(scene_must_find(&scene, child.pid), "sleep"));
		assert_int_equal(scene_must_find(&scene, child.pid)->cmdline_len, sizeof(want) - 1);
		assert_memory_equal(scene_must_find(&scene, child.pid)->cmdline, want,
				    sizeof(want) - 1);
		scene_must_be_as_statm(&scene, child.pid);
		child_end(&child);
		scene_close(&scene);
	}
}

/* Whether the command line has been overwritten, by a reading of the test's own. */
static bool has_title(uint32_t pid)
{
	char path[64];
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	c = fgetc(f);
	fclose(f);
	return c == 'x';
}

static void other_changes_are_seen_in_their_turn(void **state)
{
	struct child child;
	struct scene scene;
	int sleeper, passes;

	(void)state;
	scene_must_open(&scene, (struct mh_scan_config){0});
	child_start(&child);
	sleeper = child_do(&child, CHILD_FORK, 0, NULL);
	for (int i = 0; i < 6; i++)
		scene_must_pass(&scene);
	assert_int_equal(scene_must_find(&scene, (uint32_t)sleeper)->ppid, child.pid);

	child_do(&child, CHILD_NAME, 0, "a new name");
	pass_until_comm(&scene, child.pid, "a new name", STATUS_EVERY);

	child_do(&child, CHILD_TITLE, 0, NULL);
	/* under valgrind the arguments are elsewhere, and overwriting them shows nowhere */
	for (passes = 0;
	     has_title(child.pid) && scene_must_find(&scene, child.pid)->cmdline[0] != 'x';) {
		assert_true(passes++ < NAMES_EVERY);
		scene_must_pass(&scene);
	}
	if (!geteuid()) {
		assert_int_equal(child_do(&child, CHILD_UID, 65534, NULL), 0);
		for (passes = 0; scene_must_find(&scene, child.pid)->uid != 65534; passes++) {
			assert_true(passes < NAMES_EVERY);
			scene_must_pass(&scene);
		}
	}
	/* an orphan gets another parent */
	child_end(&child);
	for (passes = 0; scene_must_find(&scene, (uint32_t)sleeper)->ppid == child.pid; passes++) {
		assert_true(passes < STATUS_EVERY);
		scene_must_pass(&scene);
	}
	kill(sleeper, SIGKILL);
	scene_close(&scene);
}

static void kernel_threads_are_left_out_unless_wanted(void **state)
{
	struct scene without, with;
	uint32_t threads = 0;
	bool kworkers = false;

	(void)state;
	scene_must_open(&without, (struct mh_scan_config){0});
	scene_must_open(&with, (struct mh_scan_config){.kernel_threads = true});
	scene_must_pass(&without);
	scene_must_pass(&with);
	if (!scene_find(&with, 2) || !has_comm(scene_find(&with, 2), "kthreadd")) {
		print_message("# no kernel threads in this pid namespace\n");
		scene_close(&with);
		scene_close(&without);
		skip();
	}
	mh_snapshot_for_each (with.snapshot, slot) {
		const struct mh_process *p = &with.snapshot->process[slot];

		if (p->ppid != 2 && p->id.pid != 2)
			continue;
		threads++;
		assert_null(scene_find(&without, p->id.pid));
		assert_int_equal(p->value[MH_FIELD_RSS], 0);
		assert_int_equal(p->cmdline_len, 0);
		if (p->comm_len > 8 && !memcmp(p->comm, "kworker/", 8) && p->comm[8] != 'R') {
			kworkers = true;
			assert_null(memchr(p->comm, '-', p->comm_len));
			assert_null(memchr(p->comm, '+', p->comm_len));
		}
	}
	assert_true(threads > 2 && kworkers);
	scene_close(&with);
	scene_close(&without);
}

/* read(2) and its like, as the kernel counts them; -1 when it does not. Valgrind has its own, too.
 */
static long count_reads(void)
{
	FILE *f = fopen("/proc/self/io", "re");
	long n = -1;

	if (f && fscanf(f, "rchar: %*d wchar: %*d syscr: %ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/*
 * How many reads a round of passes takes in which everybody's stat has its turn once, and how many
 * it may: kernel threads, of which a machine has dozens, cost none; births and changes of its own
 * some.
 */
static long reads_of_a_turn(struct scene *scene, long *ret_most)
{
	long before = count_reads(), most = 100;

	for (int i = 0; i < STATUS_EVERY; i++) {
		scene_must_pass(scene);
		most += scene->snapshot->n_live + 40 * (long)scene->snapshot->n_born +
			4 * (long)scene->snapshot->n_changed;
	}
	*ret_most = most + 4 * (long)scene->snapshot->n_live;
	return count_reads() - before;
}

static void a_steady_pass_reads_once_per_process(void **state)
{
	struct scene scene;
	long reads, most;
	int fd;
	char c;

	(void)state;
	/* no more than this read and that of the counter itself, or they cannot be counted */
	fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	reads = count_reads();
	assert_int_equal(pread(fd, &c, 1, 0), 1);
	close(fd);
	if (reads < 0 || count_reads() - reads > 2)
		skip();
	scene_must_open(&scene, (struct mh_scan_config){0});
	for (int i = 0; i < 5; i++)
		scene_must_pass(&scene);
	reads = reads_of_a_turn(&scene, &most);
	assert_in_range(reads, STATUS_EVERY * 2, most);
	scene_close(&scene);
}

static void a_listing_that_fails_changes_nothing(void **state)
{
	struct scene scene;
	uint32_t live;
	int fd;

	(void)state;
	scene_must_open(&scene, (struct mh_scan_config){0});
	scene_must_pass(&scene);
	live = mh_table_live(scene.table);
	fd = scene.root.fd;
	scene.root.fd = -1;
	assert_int_equal(scene_pass(&scene), -EBADF);
	assert_non_null(strstr(scene.err.text, "/proc"));
	assert_int_equal(mh_table_live(scene.table), live);
	scene.root.fd = fd;
	scene_must_pass(&scene);
	assert_false(scene_born(&scene, (uint32_t)getpid()));
	assert_non_null(scene_find(&scene, (uint32_t)getpid()));
	scene_close(&scene);
}

static void own_fields_are_said(void **state)
{
	struct scene scene;

	(void)state;
	scene_must_open(&scene, (struct mh_scan_config){0});
	assert_int_equal(mh_scan_fields(scene.scan), MH_FIELDS_ALL);
	scene_must_pass(&scene);
	scene_must_pass(&scene);
	assert_int_equal(scene_stats(&scene).scans, 2);
	assert_true(scene_stats(&scene).processes >= scene.snapshot->n_live);
	assert_int_equal(scene_stats(&scene).malformed, 0);
	assert_int_equal(scene_stats(&scene).dropped, 0);
	scene_close(&scene);
	mh_scan_free(NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_is_seen_exactly),
		cmocka_unit_test(what_status_says_is_seen),
		cmocka_unit_test(births_and_exits_are_seen),
		cmocka_unit_test(zombies_stay_with_their_marks),
		cmocka_unit_test(exec_is_a_new_name_of_the_same_process),
		cmocka_unit_test(other_changes_are_seen_in_their_turn),
		cmocka_unit_test(kernel_threads_are_left_out_unless_wanted),
		cmocka_unit_test(a_steady_pass_reads_once_per_process),
		cmocka_unit_test(a_listing_that_fails_changes_nothing),
		cmocka_unit_test(own_fields_are_said),
	};

	(void)argc;
	child_argv(argv);
	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
