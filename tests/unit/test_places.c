/* The rules for places, Q1 to Q7 of places.h, each with what it refuses and what it lets be. */
#include "libmemhist/base/places.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct tree tree;

static const char *in_tree(const char *name)
{
	static char path[4][512];
	static unsigned i;

	return tree_path(&tree, name, path[i++ % 4]);
}

static int set_up(void **state)
{
	(void)state;
	tree_make(&tree);
	assert_int_equal(mkdir(in_tree("history"), 0750), 0);
	assert_int_equal(mkdir(in_tree("out"), 0750), 0);
	tree_write(&tree, "out/file", "old", 3);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

/* `word` must be in the sentence. */
static void expect(const struct mh_places *places, const char *path, enum mh_place_use use,
		   int rule, const char *word)
{
	struct mh_verdict verdict;
	int rc = mh_places_judge(places, path, use, &verdict);

	if (verdict.rule != rule || rc != verdict.rc || !rc != !rule)
		fail_msg("%s: rule %d, not %d; %d: %s", path, verdict.rule, rule, rc,
			 verdict.why.text);
	if (!strstr(verdict.why.text, word))
		fail_msg("%s: “%s” is not in: %s", path, word, verdict.why.text);
}

static void test_system_directories(void **state)
{
	static const char *const refused[] = {
		"/bin/x",
		"/boot/x",
		"/dev/x",
		"/efi/x",
		"/etc/x",
		"/etc/cron.d/x",
		"/lib/x",
		"/lib64/x",
		"/proc/self/x",
		"/sbin/x",
		"/sys/x",
		"/sys/kernel/x",
		"/usr/x",
		"/usr/local/bin/x",
		"/usr/lib/systemd/system/x",
		"/run/udev/x",
		"/run/systemd/x",
		"/var/lib/dpkg/x",
		"/var/mail/x",
		"/var/spool/cron/x",
		"/var/spool/cron/crontabs/x",
		"/tmp/../etc/x",
		"/tmp/.././//usr/x",
		"/dev/shm/../x",
	};
	static const char *const free_files[] = {
		"/tmp/x",
		"/dev/shm/x",
		"/usr/src/app/x",
		"/usr/local/src/x",
		"/var/lib/memhist/x",
		"/var/tmp/x",
		"/run/memhist/x",
		"/media/x/y",
		"/srv/x",
		"/opt/x",
		"/mnt/x",
		"/var/log/x",
		"/devices/x",
		"/etcetera/x",
		"/usr2/x",
		"/var/lib/dpkg2/x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		expect(NULL, refused[i], MH_PLACE_FILE, 2, "directory of the system (/");
		expect(NULL, refused[i], MH_PLACE_HISTORY, 2, "choose another place");
	}
	for (size_t i = 0; i < sizeof(free_files) / sizeof(free_files[0]); i++)
		expect(NULL, free_files[i], MH_PLACE_FILE, 0, "");
	expect(NULL, "/etc", MH_PLACE_HISTORY, 2, "(/etc)");
	expect(NULL, "/dev/shm", MH_PLACE_HISTORY, 2, "(/dev)");
	expect(NULL, "/dev/shm/history", MH_PLACE_HISTORY, 0, "");
}

static void test_shared_directories(void **state)
{
	static const char *const shared[] = {"/home",    "/run",       "/var",
					     "/var/lib", "/var/cache", "/var/spool"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		expect(NULL, shared[i], MH_PLACE_HISTORY, 3, "a directory of its own");
		snprintf(path, sizeof(path), "%s/x.tsv", shared[i]);
		expect(NULL, path, MH_PLACE_FILE, 3, "shared by the whole system");
		snprintf(path, sizeof(path), "%s/no-such-history", shared[i]);
		expect(NULL, path, MH_PLACE_HISTORY, 0, "");
	}
	expect(NULL, "/", MH_PLACE_HISTORY, 3, "/ is shared");
	expect(NULL, "/x", MH_PLACE_FILE, 3, "/ is shared");
	expect(NULL, "/no-such-history", MH_PLACE_HISTORY, 0, "");
}

static void test_disguises(void **state)
{
	(void)state;
	assert_int_equal(symlink("/etc", in_tree("link")), 0);
	assert_int_equal(symlink("/etc/passwd", in_tree("file-link")), 0);
	assert_int_equal(symlink("history", in_tree("own-link")), 0);
	expect(NULL, in_tree("link/x"), MH_PLACE_FILE, 2, "/etc/x is in a directory of the system");
	expect(NULL, in_tree("file-link"), MH_PLACE_FILE, 2, "/etc/passwd is in");
	expect(NULL, in_tree("link/../x"), MH_PLACE_FILE, 3, "/ is shared");
	expect(NULL, in_tree("own-link"), MH_PLACE_HISTORY, 5, "name the directory itself");
	expect(NULL, in_tree("own-link/"), MH_PLACE_HISTORY, 5, "symbolic link");
	expect(NULL, in_tree("own-link/x"), MH_PLACE_FILE, 0, "");
	expect(NULL, in_tree("own-link/below"), MH_PLACE_HISTORY, 0, "");
	if (geteuid() != 0)
		return;
	assert_int_equal(lchown(in_tree("own-link"), 65533, 65533), 0);
	expect(NULL, in_tree("own-link/x"), MH_PLACE_FILE, 1,
	       "of user 65533, which is not followed");
	expect(NULL, in_tree("own-link"), MH_PLACE_HISTORY, 1, "name the place itself");
}

static void test_allowed_paths(void **state)
{
	struct mh_places places = {0};
	struct mh_verdict verdict;
	struct mh_err err;

	(void)state;
	assert_int_equal(symlink("out", in_tree("to-out")), 0);
	assert_int_equal(symlink("../history", in_tree("out/escape")), 0);
	assert_int_equal(mh_places_add(&places, in_tree("to-out"), &err), 0);
	assert_int_equal(mh_places_add(&places, in_tree("later"), &err), 0);
	expect(&places, in_tree("out/file"), MH_PLACE_FILE, 0, "");
	expect(&places, in_tree("out/new"), MH_PLACE_FILE, 0, "");
	expect(&places, in_tree("to-out/new"), MH_PLACE_FILE, 0, "");
	expect(&places, in_tree("out"), MH_PLACE_HISTORY, 0, "");
	expect(&places, in_tree("out/below"), MH_PLACE_HISTORY, 0, "");
	expect(&places, in_tree("later"), MH_PLACE_HISTORY, 0, "");
	expect(&places, in_tree("later/x"), MH_PLACE_FILE, 0, "");
	expect(&places, in_tree("out"), MH_PLACE_FILE, 4,
	       "not beneath one of allowed_output_paths");
	expect(&places, in_tree("outside"), MH_PLACE_FILE, 4, "add its directory to that list");
	expect(&places, in_tree("out/../x"), MH_PLACE_FILE, 4, "allowed_output_paths");
	expect(&places, in_tree("out/escape/x"), MH_PLACE_FILE, 4, "/history/x is not beneath");
	expect(&places, in_tree("history"), MH_PLACE_HISTORY, 4, "allowed_output_paths");
	expect(&places, "/etc/x", MH_PLACE_FILE, 2, "/etc");
	assert_int_equal(mh_places_judge(&places, in_tree("out/x"), MH_PLACE_FILE, &verdict), 0);
	assert_string_equal(verdict.list, in_tree("to-out"));
	mh_places_done(&places);
	places.is_set = true;
	expect(&places, in_tree("out/x"), MH_PLACE_FILE, 4, "allowed_output_paths");
	mh_places_done(&places);
}

static void test_lists(void **state)
{
	struct mh_places places = {0};
	struct mh_err err;
	char dir[32];

	(void)state;
	assert_int_equal(mh_places_add(&places, "relative", &err), -EINVAL);
	assert_string_equal(err.text, "“relative” is no absolute path");
	assert_int_equal(mh_places_add(&places, "", &err), -EINVAL);
	assert_int_equal(mh_places_add(&places, "//", &err), -EINVAL);
	assert_non_null(strstr(err.text, "/ is everything"));
	assert_int_equal(mh_places_add(&places, "/etc/memhist", &err), -EINVAL);
	assert_non_null(strstr(err.text, "directory of the system (/etc)"));
	assert_false(places.is_set);
	assert_int_equal(mh_places_add(&places, "/dev/shm", &err), 0);
	for (int i = 1; i < MH_PLACES_MAX; i++) {
		snprintf(dir, sizeof(dir), "/srv/%d", i);
		assert_int_equal(mh_places_add(&places, dir, &err), 0);
	}
	assert_int_equal(mh_places_add(&places, "/srv/more", &err), -EOVERFLOW);
	assert_non_null(strstr(err.text, "more than 100"));
	mh_places_done(&places);
	assert_false(places.is_set);
}

static void test_who_may_write(void **state)
{
	const char *dir = in_tree("history");
	struct mh_err err;
	int fd;

	(void)state;
	for (mode_t mode = 0; mode < 010; mode++) {
		assert_int_equal(chmod(dir, 0770 | mode), 0);
		expect(NULL, dir, MH_PLACE_HISTORY, mode & 02 ? 7 : 0,
		       mode & 02 ? "chmod o-w " : "");
	}
	assert_int_equal(chmod(dir, 01777), 0);
	expect(NULL, dir, MH_PLACE_HISTORY, 7, "(mode 1777)");
	expect(NULL, in_tree("history/file"), MH_PLACE_FILE, 0, "");
	assert_int_equal(mh_places_open_history(NULL, dir, true, &err), -EPERM);
	assert_non_null(strstr(err.text, "everybody may write"));
	assert_int_equal(chmod(dir, 0750), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(dir, 1, 1), 0);
	expect(NULL, dir, MH_PLACE_HISTORY, 6, "run as that user, or give it to root (chown root ");
	assert_int_equal(mh_places_open_history(NULL, dir, true, &err), -EPERM);
	assert_non_null(strstr(err.text, "who could redirect what root writes there"));
	expect(NULL, in_tree("history/file"), MH_PLACE_FILE, 0, "");
	/* the other way round is no danger: that user's own, and one that root owns */
	assert_int_equal(seteuid(1), 0);
	fd = mh_places_open_history(NULL, dir, true, &err);
	assert_true(fd >= 0);
	close(fd);
	expect(NULL, in_tree("out"), MH_PLACE_HISTORY, 0, "");
	assert_int_equal(seteuid(0), 0);
}

static void test_opening_a_history(void **state)
{
	struct mh_err err = {""};
	struct stat st;
	int fd;

	(void)state;
	fd = mh_places_open_history(NULL, in_tree("new"), false, &err);
	assert_int_equal(fd, -ENOENT);
	assert_non_null(strstr(err.text, "cannot open the history directory"));
	umask(022);
	fd = mh_places_open_history(NULL, in_tree("new"), true, &err);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
	close(fd);
	fd = mh_places_open_history(NULL, in_tree("new"), false, &err);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mh_places_open_history(NULL, in_tree("a/b"), true, &err), -ENOENT);
	assert_non_null(strstr(err.text, "cannot create the history directory"));
	assert_int_equal(mh_places_open_history(NULL, in_tree("out/file"), true, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "a history is a directory of segments"));
	assert_int_equal(mh_places_open_history(NULL, in_tree("out/file/x"), true, &err), -ENOTDIR);
	assert_int_equal(mh_places_open_history(NULL, "/usr/lib/memhist", true, &err), -EPERM);
	assert_int_equal(mh_places_open_history(NULL, "", true, &err), -ENOENT);
}

static void test_opening_for_a_file(void **state)
{
	struct mh_err err = {""};
	struct mh_resolved at;
	struct stat st, expected;
	int fd;

	(void)state;
	assert_int_equal(symlink("out/file", in_tree("link")), 0);
	fd = mh_places_open_parent(NULL, in_tree("link"), &at, &err);
	assert_true(fd >= 0 && at.exists && at.by_link);
	assert_string_equal(strrchr(at.path, '/'), "/file");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(stat(in_tree("out"), &expected), 0);
	assert_int_equal(st.st_ino, expected.st_ino);
	close(fd);
	assert_int_equal(mh_places_open_parent(NULL, in_tree("no/dir"), &at, &err), -ENOENT);
	assert_non_null(strstr(err.text, "cannot write "));
	assert_int_equal(mh_places_open_parent(NULL, "/etc/x", &at, &err), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_system_directories, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shared_directories, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_disguises, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_allowed_paths, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_who_may_write, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_opening_a_history, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_opening_for_a_file, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
