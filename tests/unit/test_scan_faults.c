/*
 * What a machine does to a scanner: processes that come and go faster than they are read, a /proc
 * that hides or goes away, no descriptor left, titles that change without an exec. By each backend.
 */
#include "tests/unit/child.h"
#include "tests/unit/namespace.h"
#include "tests/unit/thrift.h"
#include "tests/unit/tiers.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum {
	NAMES_EVERY = 512, /* as the scanners have it: passes that a change of title may take */
	STORM_FORKS = 2000,
	STORM_PAUSE_US = 100,
	NOBODY = 65534,
};

/* --- coming and going ------------------------------------------------------------------------- */

/* Forks children that exit at once and counts them. */
static pid_t start_storm(volatile uint32_t *count)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;; (*count)++) {
		if (!fork())
			_exit(0);
		usleep(STORM_PAUSE_US);
	}
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool has_child_of(const struct scene *scene, pid_t parent)
{
	mh_snapshot_for_each (scene->snapshot, slot)
		if (scene->snapshot->process[slot].ppid == (uint32_t)parent)
			return true;
	return false;
}

static void a_storm_of_forks_disturbs_nobody(void **state)
{
	volatile uint32_t *count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct mh_scan_stats stats;
	struct mh_identity id;
	struct child child;
	struct scene scene;
	double begin;
	pid_t storm;

	assert_ptr_not_equal(count, MAP_FAILED);
	tiers_open(&scene, state);
	child_start(&child);
	scene_must_pass(&scene);
	id = scene_find(&scene, child.pid)->id;
	storm = start_storm(count);
	assert_true(storm > 0);
	begin = seconds_now();
	while (*count < STORM_FORKS / thrift_of_forks()) {
		scene_must_pass(&scene);
		assert_false(scene.snapshot->partial);
		assert_non_null(scene_find(&scene, child.pid));
		assert_true(mh_identity_same(&scene_find(&scene, child.pid)->id, &id));
		assert_true(scene_find(&scene, child.pid)->value[MH_FIELD_RSS] > 0);
	}
	stats = scene_stats(&scene);
	print_message("# %.0f forks and %.0f passes a second\n", *count / (seconds_now() - begin),
		      (double)stats.scans / (seconds_now() - begin));
	assert_int_equal(stats.denied + stats.malformed + stats.failed + stats.dropped, 0);
	kill(storm, SIGKILL);
	waitpid(storm, NULL, 0);
	/* the last ones may end up with another parent, which is seen in its turn */
	for (int passes = 0; has_child_of(&scene, storm); passes++) {
		assert_true(passes <= NAMES_EVERY);
		scene_must_pass(&scene);
	}
	child_end(&child);
	scene_close(&scene);
	munmap((void *)(uintptr_t)count, sizeof(*count));
}

/* Whoever opens this file finds that the process has just ended. */
static struct {
	struct child child;
	char path[64];
	bool ended;
} victim;

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	if (*victim.path && !strcmp(path, victim.path)) {
		victim.path[0] = '\0';
		victim.ended = true;
		child_end(&victim.child);
	}
	return __real_openat(dir, path, flags);
}

/* Returns whether the file was opened at all. */
static bool ends_before_opening(struct scene *scene, const char *file)
{
	struct mh_scan_stats before = scene_stats(scene), after;

	child_start(&victim.child);
	victim.ended = false;
	snprintf(victim.path, sizeof(victim.path), "%u/%s", victim.child.pid, file);
	scene_must_pass(scene);
	victim.path[0] = '\0';
	after = scene_stats(scene);
	assert_false(scene->snapshot->partial);
	assert_int_equal(after.failed + after.malformed, before.failed + before.malformed);
	if (victim.ended)
		assert_true(after.vanished > before.vanished);
	else
		child_end(&victim.child);
	scene_must_pass(scene);
	assert_null(scene_find(scene, victim.child.pid));
	return victim.ended;
}

static void an_exit_in_mid_scan_is_no_fault(void **state)
{
	struct scene scene;
	bool procfs;

	tiers_open(&scene, state);
	procfs = tiers_of(state) == MH_SCAN_PROCFS;
	scene_must_pass(&scene);
	assert_int_equal(ends_before_opening(&scene, "statm"), procfs);
	assert_int_equal(ends_before_opening(&scene, "status"), procfs);
	assert_true(ends_before_opening(&scene, "stat"));
	assert_true(ends_before_opening(&scene, "cmdline"));
	scene_close(&scene);
}

/* --- a /proc that shows less ------------------------------------------------------------------ */

/* What the checks in namespaces, which are processes of their own, are to look at. */
static enum mh_scan_backend tier_of_check;
static int hidepid;

static int complain(char *text, const char *what)
{
	snprintf(text, NAMESPACE_TEXT, "hidepid=%d: %s", hidepid, what);
	return -1;
}

static int become_nobody(void)
{
	return setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	       setresuid(NOBODY, NOBODY, NOBODY);
}

static pid_t start_sleeper(bool nobody)
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		/* or it would be hidden from those with its own uid, too */
		if (nobody && (become_nobody() || prctl(PR_SET_DUMPABLE, 1)))
			_exit(1);
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

/*
 * Hidden from us are process 1 and the one of root. /proc does not show them, or not what is in
 * them; BPF shows all but their command lines.
 */
static int check_hidden(char text[NAMESPACE_TEXT])
{
	const struct mh_scan_config config = {.backend = tier_of_check};
	bool by_bpf = tier_of_check != MH_SCAN_PROCFS, listed = hidepid == 1;
	const struct mh_process *theirs, *ours;
	struct mh_scan_stats stats;
	struct scene scene;
	char option[32];
	pid_t root, nobody;

	snprintf(option, sizeof(option), "hidepid=%d", hidepid);
	if (mount("proc", "/proc", "proc", 0, option)) {
		/* 4 is as old as Linux 5.8 */
		return hidepid == 4 && errno == EINVAL ? 0 : complain(text, "cannot be mounted");
	}
	root = start_sleeper(false);
	nobody = start_sleeper(true);
	if (root < 0 || nobody < 0 || scene_open(&scene, "/proc", config) || become_nobody())
		return complain(text, scene.err.text);
	if (scene_pass(&scene))
		return complain(text, scene.err.text);
	theirs = scene_find(&scene, (uint32_t)root);
	ours = scene_find(&scene, (uint32_t)nobody);
	stats = scene_stats(&scene);
	if (!ours || !ours->value[MH_FIELD_RSS] || !ours->cmdline_len || ours->uid != NOBODY)
		return complain(text, "what is ours is not seen");
	if (by_bpf != (theirs && theirs->value[MH_FIELD_RSS] && !theirs->cmdline_len))
		return complain(text, "what is root's is not as it should be");
	if (scene.snapshot->partial != (listed && !by_bpf))
		return complain(text, "partial or not is wrong");
	/* by 4, a kernel denies what it had shown before, and does not know anything else */
	if ((stats.denied > 0) != listed && hidepid != 4)
		return complain(text, "denied or not is wrong");
	if (stats.failed || stats.malformed)
		return complain(text, "a hidden process is a fault");
	scene_close(&scene);
	return 0;
}

static void hidden_processes_are_counted_or_unknown(void **state)
{
	static const int modes[] = {1, 2, 4};

	tier_of_check = tiers_of(state);
	if (geteuid()) {
		print_message("# skipped: only root can become somebody else\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		hidepid = modes[i];
		namespace_must(check_hidden);
	}
}

/* What was opened stays; nothing can be opened any more. */
static int check_unmounted(char text[NAMESPACE_TEXT])
{
	const struct mh_scan_config config = {.backend = tier_of_check};
	const struct mh_process *p;
	struct scene scene, late;
	pid_t child;

	if (scene_open(&scene, "/proc", config) || scene_pass(&scene)) {
		snprintf(text, NAMESPACE_TEXT, "%s", scene.err.text);
		return -1;
	}
	while (!umount2("/proc", MNT_DETACH))
		;
	child = start_sleeper(false);
	if (child < 0 || scene_pass(&scene) || scene.snapshot->partial) {
		snprintf(text, NAMESPACE_TEXT, "after unmounting: %s", scene.err.text);
		return -1;
	}
	p = scene_find(&scene, (uint32_t)child);
	if (!p || !p->value[MH_FIELD_RSS] || !p->cmdline_len || scene.snapshot->n_live != 2) {
		snprintf(text, NAMESPACE_TEXT, "a process born after unmounting is not seen");
		return -1;
	}
	if (!scene_open(&late, "/proc", config) || !strstr(late.err.text, "/proc")) {
		snprintf(text, NAMESPACE_TEXT, "an empty /proc was taken for one");
		return -1;
	}
	scene_close(&scene);
	return 0;
}

static void an_unmounted_proc_goes_on(void **state)
{
	tier_of_check = tiers_of(state);
	namespace_must(check_unmounted);
}

/* --- no descriptor left ----------------------------------------------------------------------- */

/* A pass without a descriptor to be had: it fails as a whole, or keeps what it cannot read. */
static void pass_without_descriptors(struct scene *scene)
{
	uint32_t live = mh_table_live(scene->table);
	struct rlimit was, none;
	int rc;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	rc = scene_pass(scene);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	if (rc) {
		assert_int_equal(rc, -EMFILE);
		assert_true(*scene->err.text != '\0');
		assert_int_equal(mh_table_live(scene->table), live);
	}
}

static void without_descriptors_nothing_is_lost(void **state)
{
	struct child known, born;
	struct mh_identity id;
	struct scene scene;

	tiers_open(&scene, state);
	child_start(&known);
	scene_must_pass(&scene);
	id = scene_find(&scene, known.pid)->id;
	child_start(&born);
	for (int i = 0; i < 4; i++)
		pass_without_descriptors(&scene);
	assert_non_null(scene_find(&scene, known.pid));
	scene_must_pass(&scene);
	scene_must_pass(&scene);
	assert_false(scene.snapshot->partial);
	assert_true(mh_identity_same(&scene_find(&scene, known.pid)->id, &id));
	assert_true(scene_find(&scene, known.pid)->cmdline_len > 0);
	assert_non_null(scene_find(&scene, born.pid));
	assert_true(scene_find(&scene, born.pid)->cmdline_len > 0);
	child_end(&known);
	child_end(&born);
	scene_close(&scene);
}

/* --- titles ----------------------------------------------------------------------------------- */

static void await_title(struct scene *scene, uint32_t pid, char first)
{
	const struct mh_process *p = scene_must_find(scene, pid);

	for (int passes = 0; !p->cmdline_len || p->cmdline[0] != first; passes++) {
		assert_true(passes <= NAMES_EVERY);
		scene_must_pass(scene);
		p = scene_must_find(scene, pid);
	}
}

/* setproctitle(3): the arguments are overwritten, or moved elsewhere (which takes a privilege). */
static void a_new_title_is_seen_in_its_turn(void **state)
{
	struct child child;
	struct scene scene;

	tiers_open(&scene, state);
	child_start(&child);
	for (int i = 0; i < 3; i++)
		scene_must_pass(&scene);
	assert_int_equal(child_do(&child, CHILD_TITLE, 0, NULL), 0);
	await_title(&scene, child.pid, 'x');
	if (!child_do(&child, CHILD_MOVE_TITLE, 0, "elsewhere")) {
		await_title(&scene, child.pid, 'e');
		assert_string_equal(scene_find(&scene, child.pid)->cmdline, "elsewhere");
		assert_int_equal(scene_find(&scene, child.pid)->cmdline_len, strlen("elsewhere"));
	}
	child_end(&child);
	scene_close(&scene);
}

/* Whoever takes another name is asked at once; a busy machine may let it wait a little. */
static void a_new_title_comes_with_a_new_name(void **state)
{
	enum { PATIENCE = 4 };
	struct child child;
	struct scene scene;
	const struct mh_process *p;

	tiers_open(&scene, state);
	child_start(&child);
	for (int i = 0; i < 6; i++)
		scene_must_pass(&scene);
	assert_int_equal(child_do(&child, CHILD_TITLE, 0, NULL), 0);
	assert_int_equal(child_do(&child, CHILD_NAME, 0, "titled"), 0);
	do {
		scene_must_pass(&scene);
		p = scene_must_find(&scene, child.pid);
	} while (p->comm_len != strlen("titled") || memcmp(p->comm, "titled", p->comm_len) != 0);
	for (int passes = 0; p->cmdline[0] != 'x'; passes++) {
		assert_true(passes < PATIENCE);
		scene_must_pass(&scene);
		p = scene_must_find(&scene, child.pid);
	}
	child_end(&child);
	scene_close(&scene);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TIERS_TEST(a_storm_of_forks_disturbs_nobody),
		TIERS_TEST(an_exit_in_mid_scan_is_no_fault),
		TIERS_TEST(hidden_processes_are_counted_or_unknown),
		TIERS_TEST(an_unmounted_proc_goes_on),
		TIERS_TEST(without_descriptors_nothing_is_lost),
		TIERS_TEST(a_new_title_is_seen_in_its_turn),
		TIERS_TEST(a_new_title_comes_with_a_new_name),
	};

	(void)argc;
	child_argv(argv);
	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
