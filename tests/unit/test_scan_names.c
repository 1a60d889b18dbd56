/* The program's file and the cgroup of processes, by each backend. */
#include "libmemhist/proc/pidfile.h"
#include "tests/unit/child.h"
#include "tests/unit/tiers.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	TURN = 512, /* NAMES_EVERY: by then everything has been looked at again */
	PASSES_MAX = 200,
	SETTLED = 8, /* passes after the turn of a process; early ones are fewer */
};

static bool is(const struct mh_pooled *string, const char *bytes, int len)
{
	return string && len >= 0 && string->len == (uint32_t)len &&
	       !memcmp(string->bytes, bytes, string->len);
}

/* Passes until the program is known: on a busy machine reading names is put off to the next. */
static void pass_until_known(struct scene *scene, uint32_t pid)
{
	for (int i = 0; i < PASSES_MAX; i++) {
		scene_must_pass(scene);
		if (scene_must_find(scene, pid)->exe)
			return;
	}
	fail_msg("the program of %u was not read in %d passes", pid, PASSES_MAX);
}

/* Program and cgroup are what /proc says now. */
static void must_be_as_proc(const struct scene *scene, uint32_t pid)
{
	const struct mh_process *p = scene_must_find(scene, pid);
	char exe[MH_PATH_MAX], text[MH_CGROUP_TEXT_MAX];
	const char *cgroup = NULL;
	int len = mh_pidfile_exe(&scene->root, pid, exe);

	assert_true(len > 1 && exe[0] == '/');
	assert_true(is(p->exe, exe, len));
	len = mh_pidfile_cgroup(&scene->root, pid, text, &cgroup);
	assert_true(len > 0 && cgroup[0] == '/');
	assert_true(is(p->cgroup, cgroup, len));
}

static void program_and_cgroup_are_known(void **state)
{
	struct child child, late;
	struct scene scene;

	tiers_open(&scene, state);
	child_start(&child);
	pass_until_known(&scene, child.pid);
	must_be_as_proc(&scene, child.pid);
	child_start(&late);
	pass_until_known(&scene, late.pid);
	must_be_as_proc(&scene, late.pid);
	/* both are of one program, which is kept once */
	assert_ptr_equal(scene_find(&scene, child.pid)->exe, scene_find(&scene, late.pid)->exe);
	child_end(&late);
	child_end(&child);
	scene_close(&scene);
}

/* Passes until its names have been looked at for good, and will not be so soon without a reason. */
static void pass_until_settled(struct scene *scene, uint32_t pid)
{
	pass_until_known(scene, pid);
	do
		scene_must_pass(scene);
	while ((pid + scene_stats(scene).scans) % TURN != SETTLED);
}

/* By what the kernel counts, or by what an exec changes: comm, the only name in sight, does not. */
static void an_exec_is_another_program(void **state)
{
	static const char line[] = "sleep\0001000";
	const struct mh_process *p;
	struct child child;
	struct scene scene;
	int passes = 0;

	tiers_open(&scene, state);
	child_start(&child);
	child_do(&child, CHILD_NAME, 0, "sleep");
	pass_until_settled(&scene, child.pid);
	child_do(&child, CHILD_EXEC, 0, "/bin/sleep");
	child_await_exec(&child);
	do {
		assert_true(passes++ < PASSES_MAX);
		scene_must_pass(&scene);
		p = scene_must_find(&scene, child.pid);
	} while (!p->exe || !strstr(p->exe->bytes, "sleep"));
	must_be_as_proc(&scene, child.pid);
	assert_int_equal(p->cmdline_len, sizeof(line) - 1);
	assert_memory_equal(p->cmdline, line, sizeof(line) - 1);
	child_end(&child);
	scene_close(&scene);
}

/* A zombie has no program any more; it keeps the one that it had. */
static void a_zombie_keeps_its_program(void **state)
{
	struct child child;
	struct scene scene;

	tiers_open(&scene, state);
	child_start(&child);
	pass_until_known(&scene, child.pid);
	child_do(&child, CHILD_EXIT, 0, NULL);
	child_await_exit(&child);
	for (int i = 0; i < 5; i++)
		scene_must_pass(&scene);
	assert_non_null(scene_must_find(&scene, child.pid)->exe);
	assert_non_null(scene_must_find(&scene, child.pid)->cgroup);
	child_end(&child);
	scene_close(&scene);
}

/* The folder of a new cgroup where memory is charged to, or skips. */
static void make_cgroup(char ret[64])
{
	static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};

	for (size_t i = 0; i < 2; i++) {
		snprintf(ret, 64, "%s/memhist-test-%d", roots[i], getpid());
		if (!mkdir(ret, 0755))
			return;
	}
	print_message("# skipped: no cgroup can be made here: %m\n");
	skip();
}

/* Returns 0, or -1: the kernel does not let processes into this cgroup. */
static int move_into(const char *folder, uint32_t pid)
{
	char path[96], text[16];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	snprintf(text, sizeof(text), "%u", pid);
	rc = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
	close(fd);
	return rc;
}

static void a_move_to_another_cgroup_is_seen(void **state)
{
	struct child child;
	struct scene scene;
	char folder[64];
	int moved;

	tiers_open(&scene, state);
	make_cgroup(folder);
	child_start(&child);
	pass_until_known(&scene, child.pid);
	moved = move_into(folder, child.pid);
	for (int i = 0; i < TURN && !moved; i++)
		scene_must_pass(&scene);
	if (!moved) {
		must_be_as_proc(&scene, child.pid);
		assert_non_null(strstr(scene_find(&scene, child.pid)->cgroup->bytes, "memhist-"));
	}
	child_end(&child);
	scene_close(&scene);
	rmdir(folder);
	if (moved)
		skip();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TIERS_TEST(program_and_cgroup_are_known),
		TIERS_TEST(an_exec_is_another_program),
		TIERS_TEST(a_zombie_keeps_its_program),
		TIERS_TEST(a_move_to_another_cgroup_is_seen),
	};

	(void)argc;
	child_argv(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
