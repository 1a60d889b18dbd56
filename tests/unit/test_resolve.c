/* Where paths lead, by whose links. Links of other users need root to be made. */
#include "libmemhist/base/resolve.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct tree tree;
static char base[PATH_MAX]; /* the tree, resolved by the C library */

static void make_link(const char *name, const char *to)
{
	char path[512];

	assert_int_equal(symlink(to, tree_path(&tree, name, path)), 0);
}

static int set_up(void **state)
{
	char path[512];

	(void)state;
	tree_make(&tree);
	assert_non_null(realpath(tree.path, base));
	tree_write(&tree, "file", "", 0);
	tree_write(&tree, "a/b/file", "", 0);
	make_link("to-a", "a");
	make_link("a/up", "../a/b/");
	make_link("a/b/abs", tree_path(&tree, "to-a", path));
	make_link("to-file", "file");
	make_link("chain", "to-a/up/file");
	make_link("dangling", "nothing");
	make_link("loop", "loop");
	make_link("deep", "a/nothing/at/all");
	return chdir(tree.path);
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	tree_remove(&tree);
	return 0;
}

enum { MISSING = 1, BY_LINK = 2 };

static void test_ways(void **state)
{
	static const struct {
		const char *path;
		int rc;
		const char *to; /* beneath the tree */
		int flags;
	} ways[] = {
		{"file", 0, "/file", 0},
		{"./a//b/../b/./file", 0, "/a/b/file", 0},
		{"a/b/", 0, "/a/b", 0},
		{".", 0, "", 0},
		{"a/..", 0, "", 0},
		{"to-a", 0, "/a", BY_LINK},
		{"to-a/", 0, "/a", BY_LINK},
		{"to-a/b", 0, "/a/b", 0},
		{"to-a/up/abs/up/file", 0, "/a/b/file", 0},
		{"to-a/..", 0, "", 0}, /* not the shell's way: where the link leads, then up */
		{"a/up/..", 0, "/a", 0},
		{"to-file", 0, "/file", BY_LINK},
		{"chain", 0, "/a/b/file", BY_LINK},
		{"new", 0, "/new", MISSING},
		{"new/er/est", 0, "/new/er/est", MISSING},
		{"new/./er/", 0, "/new/er", MISSING},
		{"to-a/new", 0, "/a/new", MISSING},
		{"dangling", 0, "/nothing", MISSING | BY_LINK},
		{"deep", 0, "/a/nothing/at/all", MISSING | BY_LINK},
		{"", -ENOENT, NULL, 0},
		{"new/..", -ENOENT, NULL, 0},
		{"file/", -ENOTDIR, NULL, 0},
		{"file/x", -ENOTDIR, NULL, 0},
		{"file/..", -ENOTDIR, NULL, 0},
		{"to-file/", -ENOTDIR, NULL, 0},
		{"loop", -ELOOP, NULL, 0},
		{"loop/x", -ELOOP, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct mh_resolved r;
		int rc = mh_resolve(ways[i].path, &r);
		int flags = rc ? 0 : !r.exists * MISSING + r.by_link * BY_LINK;

		if (rc != ways[i].rc || flags != ways[i].flags)
			fail_msg("%s: %d, %d", ways[i].path, rc, flags);
		if (rc)
			continue;
		assert_memory_equal(r.path, base, strlen(base));
		assert_string_equal(r.path + strlen(base), ways[i].to);
	}
}

static void test_absolute(void **state)
{
	struct mh_resolved r;

	(void)state;
	assert_int_equal(mh_resolve("/", &r), 0);
	assert_string_equal(r.path, "/");
	assert_int_equal(mh_resolve("//../..//", &r), 0);
	assert_string_equal(r.path, "/");
	assert_true(r.exists && S_ISDIR(r.st.st_mode));
	assert_int_equal(mh_resolve("/no-such-thing", &r), 0);
	assert_string_equal(r.path, "/no-such-thing");
	assert_int_equal(mh_resolve("/proc/self/cwd/file", &r), 0);
	assert_string_equal(r.path + strlen(base), "/file");
}

static void test_too_long(void **state)
{
	char path[PATH_MAX + 10], name[PATH_MAX / 2 + 2];
	struct mh_resolved r;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(mh_resolve(path, &r), -ENAMETOOLONG);
	path[NAME_MAX + 1] = '\0';
	assert_int_equal(mh_resolve(path, &r), -ENAMETOOLONG);
	path[NAME_MAX] = '\0';
	assert_int_equal(mh_resolve(path, &r), 0);
	/* links that make it grow */
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = i % 2 ? '/' : '.';
	name[sizeof(name) - 1] = '\0';
	snprintf(path, sizeof(path), "%s/loop2/", name);
	assert_int_equal(symlink(path, "loop2"), 0);
	assert_int_equal(mh_resolve("loop2/x", &r), -ELOOP);
	/* the place itself is too long */
	memset(path, '/', sizeof(path));
	for (size_t i = 0; i + strlen(base) / 2 < PATH_MAX / 2; i++)
		memcpy(path + 2 * i, "n/", 2);
	path[PATH_MAX - 1] = '\0';
	assert_int_equal(mh_resolve(path, &r), -ENAMETOOLONG);
}

static void test_links_of_others(void **state)
{
	struct mh_resolved r;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_link("others", "a");
	assert_int_equal(lchown("others", 65534, 65534), 0);
	assert_int_equal(mh_resolve("others/b", &r), -EPERM);
	assert_string_equal(r.link + strlen(base), "/others");
	assert_int_equal(r.link_owner, 65534);
	assert_int_equal(mh_resolve("others", &r), -EPERM);
	assert_int_equal(mh_resolve("others/../file", &r), -EPERM);
	assert_int_equal(lchown("others", 0, 0), 0);
	assert_int_equal(mh_resolve("others/b", &r), 0);
	/* for another user: its own and root's are good, and nobody else's */
	assert_int_equal(lchown("to-a", 65534, 65534), 0);
	assert_int_equal(lchown("to-file", 1, 1), 0);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(mh_resolve("to-a/b", &r), 0);
	assert_int_equal(mh_resolve("others/b", &r), 0);
	assert_int_equal(mh_resolve("to-file", &r), -EPERM);
	assert_int_equal(seteuid(0), 0);
}

static void test_gone_directory(void **state)
{
	struct mh_resolved r;

	(void)state;
	assert_int_equal(mkdir("gone", 0700), 0);
	assert_int_equal(chdir("gone"), 0);
	assert_int_equal(rmdir("../gone"), 0);
	assert_int_equal(mh_resolve("x", &r), -ENOENT);
	assert_int_equal(mh_resolve("/", &r), 0);
}

static void test_within(void **state)
{
	(void)state;
	assert_true(mh_path_is_within("/a/b", "/a/b"));
	assert_true(mh_path_is_within("/a/b/c", "/a/b"));
	assert_false(mh_path_is_within("/a/bc", "/a/b"));
	assert_false(mh_path_is_within("/a", "/a/b"));
	assert_true(mh_path_is_within("/a", "/"));
	assert_true(mh_path_is_within("/", "/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_absolute, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_long, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_links_of_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone_directory, set_up, tear_down),
		cmocka_unit_test(test_within),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
