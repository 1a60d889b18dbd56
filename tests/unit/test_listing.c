/* Listings: which names are processes, and whose marks come back. */
#include "libmemhist/proc/listing.h"

#include "tests/unit/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct mh_listing_entry *entry(const struct mh_listing *l, uint32_t pid)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->entry[i].pid == pid)
			return &l->entry[i];
	return NULL;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void only_pids_are_listed(void **state)
{
	static const char *const others[] = {
		"0",       "00",  "01",   "12x", "x12", "-1",      "1.5",
		"4194305", "sys", "self", " 12", "+12", "meminfo", "99999999999999999999"};
	struct mh_listing l = {0};
	struct tree tree;
	char name[64];
	int fd;

	(void)state;
	tree_make(&tree);
	fd = open_dir(tree.path);
	assert_int_equal(mh_listing_read(&l, fd), 0);
	assert_int_equal(l.n, 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(name, sizeof(name), "%s/stat", others[i]);
		tree_write(&tree, name, "", 0);
	}
	assert_int_equal(mh_listing_read(&l, fd), 0);
	assert_int_equal(l.n, 0);
	tree_write(&tree, "1/stat", "", 0);
	tree_write(&tree, "4194304/stat", "", 0);
	assert_int_equal(mh_listing_read(&l, fd), 0);
	assert_int_equal(l.n, 2);
	assert_non_null(entry(&l, 1));
	assert_non_null(entry(&l, 4194304));
	mh_listing_done(&l);
	close(fd);
	tree_remove(&tree);
}

static void long_listings_are_whole(void **state)
{
	enum { MANY = 2000 };
	struct mh_listing l = {0};
	struct tree tree;
	char name[64];
	int fd;

	(void)state;
	tree_make(&tree);
	for (int i = 1; i <= MANY; i++) {
		snprintf(name, sizeof(name), "%d", i);
		tree_write(&tree, name, "", 0);
	}
	fd = open_dir(tree.path);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(mh_listing_read(&l, fd), 0);
		assert_int_equal(l.n, MANY);
	}
	for (uint32_t pid = 1; pid <= MANY; pid++)
		assert_non_null(entry(&l, pid));
	mh_listing_done(&l);
	close(fd);
	tree_remove(&tree);
}

static void marks_come_back_on_procfs(void **state)
{
	uint32_t self = (uint32_t)getpid(), other;
	struct mh_listing l = {0};
	int fd = open_dir("/proc");
	pid_t child = fork();

	(void)state;
	if (!child)
		for (;;)
			pause();
	other = (uint32_t)child;
	assert_int_equal(mh_listing_read(&l, fd), 0);
	for (uint32_t i = 1; i < l.n; i++)
		assert_true(l.entry[i - 1].pid < l.entry[i].pid);
	assert_false(entry(&l, self)->left_out);
	entry(&l, self)->left_out = true;
	entry(&l, other)->left_out = true;
	for (int round = 0; round < 3; round++) {
		assert_int_equal(mh_listing_read(&l, fd), 0);
		assert_true(entry(&l, self)->left_out);
		assert_true(entry(&l, other)->left_out);
	}
	entry(&l, self)->left_out = false;
	assert_int_equal(mh_listing_read(&l, fd), 0);
	assert_false(entry(&l, self)->left_out);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(mh_listing_read(&l, fd), 0);
	assert_null(entry(&l, other));
	mh_listing_done(&l);
	close(fd);
}

static void marks_do_not_come_back_for_another_inode(void **state)
{
	struct mh_listing l = {0};
	struct tree tree;
	int fd;

	(void)state;
	tree_make(&tree);
	tree_write(&tree, "7/stat", "", 0);
	fd = open_dir(tree.path);
	assert_int_equal(mh_listing_read(&l, fd), 0);
	entry(&l, 7)->left_out = true;
	assert_int_equal(mh_listing_read(&l, fd), 0);
	assert_true(entry(&l, 7)->left_out);
	/* the old folder stays while the new one is made, so they cannot have the same inode */
	{
		char from[512], to[512];

		assert_int_equal(rename(tree_path(&tree, "7", from), tree_path(&tree, "old", to)),
				 0);
	}
	tree_write(&tree, "7/stat", "", 0);
	assert_int_equal(mh_listing_read(&l, fd), 0);
	assert_false(entry(&l, 7)->left_out);
	mh_listing_done(&l);
	close(fd);
	tree_remove(&tree);
}

static void a_failed_listing_leaves_the_one_before(void **state)
{
	struct mh_listing l = {0};
	int fd = open_dir("/proc");
	uint32_t n, self = (uint32_t)getpid();

	(void)state;
	assert_int_equal(mh_listing_read(&l, -1), -EBADF);
	assert_int_equal(l.n, 0);
	assert_int_equal(mh_listing_read(&l, fd), 0);
	entry(&l, self)->left_out = true;
	n = l.n;
	assert_int_equal(mh_listing_read(&l, -1), -EBADF);
	assert_int_equal(l.n, n);
	assert_true(entry(&l, self)->left_out);
	assert_int_equal(mh_listing_read(&l, fd), 0);
	assert_true(entry(&l, self)->left_out);
	mh_listing_done(&l);
	mh_listing_done(&l);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_pids_are_listed),
		cmocka_unit_test(long_listings_are_whole),
		cmocka_unit_test(marks_come_back_on_procfs),
		cmocka_unit_test(marks_do_not_come_back_for_another_inode),
		cmocka_unit_test(a_failed_listing_leaves_the_one_before),
	};

	return cmocka_run_group_tests_name("listing", tests, NULL, NULL);
}
