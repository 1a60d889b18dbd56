/* The procfs scanner on the real /proc, with real processes that grow, exec, rename and die. */
#include "tests/unit/child.h"
#include "tests/unit/scene.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>
#include <cmocka.h>

/* As the scanner has them: how many passes a change may take to be seen. */
enum { STAT_EVERY = 32, NAMES_EVERY = 512 };

static void open_scene(struct scene *scene, struct mh_scan_config config)
{
	if (scene_open(scene, "/proc", config))
		fail_msg("%s", scene->err.text);
}

static void pass(struct scene *scene)
{
	if (scene_pass(scene))
		fail_msg("%s", scene->err.text);
}

static const struct mh_process *find(const struct scene *scene, uint32_t pid)
{
	const struct mh_process *p = scene_find(scene, pid);

	assert_non_null(p);
	return p;
}

/* The test's own reading of statm. */
static void assert_as_statm(const struct scene *scene, uint32_t pid)
{
	const struct mh_process *p = find(scene, pid);
	uint64_t vsz, rss;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/statm", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%" SCNu64 " %" SCNu64, &vsz, &rss), 2);
	fclose(f);
	assert_int_equal(p->value[MH_FIELD_VSZ], vsz);
	assert_int_equal(p->value[MH_FIELD_RSS], rss);
}

static bool has_comm(const struct mh_process *p, const char *comm)
{
	return p->comm_len == strlen(comm) && !memcmp(p->comm, comm, p->comm_len);
}

/* Passes until `comm` is seen; at most `most`. */
static void pass_until_comm(struct scene *scene, uint32_t pid, const char *comm, int most)
{
	while (!has_comm(find(scene, pid), comm)) {
		assert_true(most-- > 0);
		pass(scene);
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
		open_scene(&scene, (struct mh_scan_config){.max_open_files = open_files[i]});
		child_start(&child);
		for (int step = 0; step < 5; step++) {
			pass(&scene);
			assert_as_statm(&scene, child.pid);
			before = find(&scene, child.pid)->value[MH_FIELD_RSS];
			child_do(&child, CHILD_GROW, 300, NULL);
			pass(&scene);
			assert_as_statm(&scene, child.pid);
			assert_true(find(&scene, child.pid)->value[MH_FIELD_RSS] >= before + 300);
			assert_true(scene.snapshot->n_changed > 0);
		}
		child_end(&child);
		scene_close(&scene);
	}
}

static void births_and_exits_are_seen(void **state)
{
	struct child child;
	struct scene scene;
	uint64_t start_ticks;

	(void)state;
	open_scene(&scene, (struct mh_scan_config){0});
	pass(&scene);
	assert_true(scene.snapshot->first);
	child_start(&child);
	pass(&scene);
	assert_true(scene_born(&scene, child.pid));
	assert_int_equal(find(&scene, child.pid)->ppid, getpid());
	assert_int_equal(find(&scene, child.pid)->uid, geteuid());
	start_ticks = find(&scene, child.pid)->id.start_ticks;
	assert_true(start_ticks > 0);
	/* what a process does with its name right after birth is seen at once */
	child_do(&child, CHILD_NAME, 0, "settled");
	pass(&scene);
	assert_false(scene_born(&scene, child.pid));
	assert_true(has_comm(find(&scene, child.pid), "settled"));
	child_end(&child);
	pass(&scene);
	assert_null(scene_find(&scene, child.pid));
	assert_true(scene_gone(&scene, child.pid));
	scene_close(&scene);
}

static void zombies_stay_with_nothing(void **state)
{
	struct child child;
	struct scene scene;
	uint32_t cmdline_len;

	(void)state;
	open_scene(&scene, (struct mh_scan_config){0});
	child_start(&child);
	pass(&scene);
	cmdline_len = find(&scene, child.pid)->cmdline_len;
	assert_true(cmdline_len > 0);
	child_do(&child, CHILD_EXIT, 0, NULL);
	child_await_exit(&child);
	/* past every turn of reading names: a zombie's command line can no more be read */
	for (int i = 0; i <= NAMES_EVERY; i++) {
		pass(&scene);
		assert_int_equal(find(&scene, child.pid)->value[MH_FIELD_RSS], 0);
		assert_int_equal(find(&scene, child.pid)->value[MH_FIELD_VSZ], 0);
		assert_int_equal(find(&scene, child.pid)->cmdline_len, cmdline_len);
		assert_false(scene_born(&scene, child.pid));
	}
	child_end(&child);
	pass(&scene);
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
		open_scene(&scene, (struct mh_scan_config){0});
		child_start(&child);
		if (i >= 2)
			child_do(&child, CHILD_NAME, 0, "sleep");
		pass(&scene);
		for (int passes = 0; i % 2 && passes < 2 * STAT_EVERY + 5; passes++)
			pass(&scene);
		id = find(&scene, child.pid)->id;
		child_do(&child, CHILD_EXEC, 0, "/bin/sleep");
		child_await_exec(&child);
		pass(&scene);
		assert_true(mh_identity_same(&find(&scene, child.pid)->id, &id));
		assert_true(scene_renamed(&scene, child.pid));
		assert_true(has_comm(find(&scene, child.pid), "sleep"));
		assert_int_equal(find(&scene, child.pid)->cmdline_len, sizeof(want) - 1);
		assert_memory_equal(find(&scene, child.pid)->cmdline, want, sizeof(want) - 1);
		assert_as_statm(&scene, child.pid);
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
	open_scene(&scene, (struct mh_scan_config){0});
	child_start(&child);
	sleeper = child_do(&child, CHILD_FORK, 0, NULL);
	for (int i = 0; i < 6; i++)
		pass(&scene);
	assert_int_equal(find(&scene, (uint32_t)sleeper)->ppid, child.pid);

	child_do(&child, CHILD_NAME, 0, "a new name");
	pass_until_comm(&scene, child.pid, "a new name", STAT_EVERY);

	child_do(&child, CHILD_TITLE, 0, NULL);
	/* under valgrind the arguments are elsewhere, and overwriting them shows nowhere */
	for (passes = 0; has_title(child.pid) && find(&scene, child.pid)->cmdline[0] != 'x';) {
		assert_true(passes++ < NAMES_EVERY);
		pass(&scene);
	}
	if (!geteuid()) {
		assert_int_equal(child_do(&child, CHILD_UID, 65534, NULL), 0);
		for (passes = 0; find(&scene, child.pid)->uid != 65534; passes++) {
			assert_true(passes < NAMES_EVERY);
			pass(&scene);
		}
	}
	/* an orphan gets another parent */
	child_end(&child);
	for (passes = 0; find(&scene, (uint32_t)sleeper)->ppid == child.pid; passes++) {
		assert_true(passes < STAT_EVERY);
		pass(&scene);
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
	open_scene(&without, (struct mh_scan_config){0});
	open_scene(&with, (struct mh_scan_config){.kernel_threads = true});
	pass(&without);
	pass(&with);
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

	for (int i = 0; i < STAT_EVERY; i++) {
		pass(scene);
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
	open_scene(&scene, (struct mh_scan_config){0});
	for (int i = 0; i < 5; i++)
		pass(&scene);
	reads = reads_of_a_turn(&scene, &most);
	assert_in_range(reads, STAT_EVERY * 2, most);
	scene_close(&scene);
}

/* Own descriptors with this number or a higher one. */
static int count_fds(int lowest)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		long fd = strtol(entry->d_name, NULL, 10);

		n += entry->d_name[0] != '.' && fd >= lowest && fd != dirfd(dir);
	}
	closedir(dir);
	return n;
}

static void descriptors_are_bounded_and_given_back(void **state)
{
	struct child children[8];
	struct scene scene;
	struct rlimit limit;
	int before = count_fds(0), high_before = count_fds(FD_SETSIZE);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 8; i++)
		child_start(&children[i]);
	open_scene(&scene, (struct mh_scan_config){.max_open_files = 3});
	for (int i = 0; i < 5; i++) {
		pass(&scene);
		assert_int_equal(scene_stats(&scene).open_files, 3);
		/* pipes of the children, the root, and those kept */
		assert_int_equal(count_fds(0), before + 16 + 1 + 3);
		/* out of the way of select(2), where the limit allows */
		if (limit.rlim_cur >= 2 * FD_SETSIZE)
			assert_int_equal(count_fds(FD_SETSIZE), high_before + 3);
		for (int c = 0; c < 8; c++)
			assert_as_statm(&scene, children[c].pid);
	}
	for (int i = 0; i < 8; i++)
		child_end(&children[i]);
	pass(&scene);
	assert_true(scene_stats(&scene).open_files <= 3);
	scene_close(&scene);
	assert_int_equal(count_fds(0), before);
}

static void descriptors_follow_the_limit(void **state)
{
	struct rlimit was, few = {.rlim_cur = 20};
	struct scene scene;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	open_scene(&scene, (struct mh_scan_config){0});
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	pass(&scene);
	assert_true(scene_stats(&scene).open_files <= 10);
	scene_close(&scene);
}

static void without_descriptors_the_known_stay(void **state)
{
	struct rlimit was, none;
	struct child child;
	struct scene scene;
	uint64_t rss;

	(void)state;
	child_start(&child);
	open_scene(&scene, (struct mh_scan_config){.max_open_files = 2});
	pass(&scene);
	assert_int_equal(scene_stats(&scene).open_files, 2);
	rss = find(&scene, child.pid)->value[MH_FIELD_RSS];
	child_do(&child, CHILD_GROW, 50, NULL);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	pass(&scene);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(scene.snapshot->partial);
	assert_true(scene_stats(&scene).failed > 0);
	/* one of them is given back to whoever needs it */
	assert_int_equal(scene_stats(&scene).open_files, 1);
	assert_non_null(scene_find(&scene, (uint32_t)getpid()));
	assert_int_equal(find(&scene, child.pid)->value[MH_FIELD_RSS], rss);
	assert_false(scene_gone(&scene, child.pid));

	pass(&scene);
	assert_false(scene.snapshot->partial);
	assert_false(scene_born(&scene, child.pid));
	assert_as_statm(&scene, child.pid);
	child_end(&child);
	scene_close(&scene);
}

static void a_listing_that_fails_changes_nothing(void **state)
{
	struct scene scene;
	uint32_t live;
	int fd;

	(void)state;
	open_scene(&scene, (struct mh_scan_config){0});
	pass(&scene);
	live = mh_table_live(scene.table);
	fd = scene.root.fd;
	scene.root.fd = -1;
	assert_int_equal(scene_pass(&scene), -EBADF);
	assert_non_null(strstr(scene.err.text, "/proc"));
	assert_int_equal(mh_table_live(scene.table), live);
	scene.root.fd = fd;
	pass(&scene);
	assert_false(scene_born(&scene, (uint32_t)getpid()));
	assert_non_null(scene_find(&scene, (uint32_t)getpid()));
	scene_close(&scene);
}

static void own_fields_are_said(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, (struct mh_scan_config){0});
	assert_int_equal(mh_scan_fields(scene.scan), MH_FIELDS(RSS) | MH_FIELDS(VSZ));
	pass(&scene);
	pass(&scene);
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
		cmocka_unit_test(births_and_exits_are_seen),
		cmocka_unit_test(zombies_stay_with_nothing),
		cmocka_unit_test(exec_is_a_new_name_of_the_same_process),
		cmocka_unit_test(other_changes_are_seen_in_their_turn),
		cmocka_unit_test(kernel_threads_are_left_out_unless_wanted),
		cmocka_unit_test(a_steady_pass_reads_once_per_process),
		cmocka_unit_test(descriptors_are_bounded_and_given_back),
		cmocka_unit_test(descriptors_follow_the_limit),
		cmocka_unit_test(without_descriptors_the_known_stay),
		cmocka_unit_test(a_listing_that_fails_changes_nothing),
		cmocka_unit_test(own_fields_are_said),
	};

	(void)argc;
	child_argv(argv);
	return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
