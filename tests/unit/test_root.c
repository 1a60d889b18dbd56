/* Roots: what is taken for a procfs, what is refused with which sentence, and reading below one. */
#include "libmemhist/proc/root.h"

#include "tests/unit/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void refused(const char *path, int rc, const char *in_sentence)
{
	struct mh_root root = {.fd = 4711};
	struct mh_err err = {""};

	assert_int_equal(mh_root_open(&root, path, &err), rc);
	assert_int_equal(root.fd, 4711);
	if (!strstr(err.text, in_sentence))
		fail_msg("\"%s\" does not say \"%s\"", err.text, in_sentence);
}

static void the_real_one_is_taken(void **state)
{
	struct mh_boot_id id = {{0}}, again = {{1}};
	struct mh_root root;
	struct mh_err err = {""};

	(void)state;
	assert_int_equal(mh_root_open(&root, "/proc", &err), 0);
	assert_string_equal(root.path, "/proc");
	assert_true(fcntl(root.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(mh_root_boot_id(&root, &id), 0);
	assert_int_equal(mh_root_boot_id(&root, &again), 0);
	assert_memory_equal(&id, &again, sizeof(id));
	mh_root_close(&root);
	assert_int_equal(root.fd, -1);
}

static void others_are_refused(void **state)
{
	struct tree tree;
	char path[512];

	(void)state;
	tree_make(&tree);
	refused(tree_path(&tree, "nowhere", path), -ENOENT, "nowhere");
	tree_write(&tree, "file", "x", 1);
	refused(tree_path(&tree, "file", path), -ENOTDIR, "file");
	assert_int_equal(mkfifo(tree_path(&tree, "fifo", path), 0600), 0);
	refused(path, -ENOTDIR, "fifo");
	refused("/dev/null", -ENOTDIR, "/dev/null");
	refused("", -ENOENT, "procfs");

	/* a folder, with meminfo, with a process that has no stat: not until the last is there */
	refused(tree.path, -ENODATA, "no meminfo");
	tree_write(&tree, "meminfo", "MemTotal: 1 kB\n", 15);
	tree_write(&tree, "12x/stat", "x", 1);
	tree_write(&tree, "99999999999999999999/stat", "x", 1);
	tree_write(&tree, "0/stat", "x", 1);
	tree_write(&tree, "12/cmdline", "x", 1);
	refused(tree.path, -ENODATA, "no process");
	tree_write(&tree, "12/stat", "x", 1);
	{
		struct mh_root root;

		assert_int_equal(mh_root_open(&root, tree.path, NULL), 0);
		mh_root_close(&root);
	}
	tree_remove(&tree);
}

static void long_paths_are_refused(void **state)
{
	char path[600];

	(void)state;
	memset(path, '/', sizeof(path));
	memcpy(path + 255 - 4, "proc", 5);
	{
		struct mh_root root;

		/* 255 bytes of "////…/proc" are fine */
		assert_int_equal(mh_root_open(&root, path, NULL), 0);
		mh_root_close(&root);
	}
	memset(path, '/', sizeof(path));
	path[256] = '\0';
	refused(path, -ENAMETOOLONG, "256 bytes");
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	refused(path, -ENAMETOOLONG, "255");
}

static void files_are_read_whole_or_to_the_cap(void **state)
{
	struct mh_buf buf = MH_BUF_INIT(20000), small = MH_BUF_INIT(100), none = MH_BUF_INIT(0);
	struct mh_root root;
	struct tree tree;
	char bytes[10000];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 256);
	tree_make(&tree);
	tree_write(&tree, "meminfo", "", 0);
	tree_write(&tree, "1/stat", "", 0);
	tree_write(&tree, "big", bytes, sizeof(bytes));
	assert_int_equal(mh_root_open(&root, tree.path, NULL), 0);

	assert_int_equal(mh_root_read(&root, "big", &buf), sizeof(bytes));
	assert_int_equal(buf.len, sizeof(bytes));
	assert_memory_equal(buf.data, bytes, sizeof(bytes));
	/* replaced, not appended; and a reading after an error starts anew */
	assert_int_equal(mh_root_read(&root, "meminfo", &buf), 0);
	assert_int_equal(buf.len, 0);
	assert_int_equal(mh_root_read(&root, "big", &small), 100);
	assert_memory_equal(small.data, bytes, 100);
	assert_int_equal(mh_root_read(&root, "big", &small), 100);
	assert_int_equal(mh_root_read(&root, "big", &none), 0);
	assert_int_equal(mh_root_read(&root, "nowhere", &buf), -ENOENT);
	assert_int_equal(mh_root_read(&root, "1", &buf), -EISDIR);
	assert_int_equal(mh_root_read(&root, "big", &buf), sizeof(bytes));

	mh_root_close(&root);
	mh_buf_done(&buf);
	mh_buf_done(&small);
	tree_remove(&tree);
}

static void boot_ids_are_checked(void **state)
{
	static const char id_text[] = "00112233-4455-6677-8899-aabbccddeeff\n";
	struct mh_boot_id id = {{0x55}};
	struct mh_root root;
	struct tree tree;

	(void)state;
	tree_make(&tree);
	tree_write(&tree, "meminfo", "", 0);
	tree_write(&tree, "1/stat", "", 0);
	assert_int_equal(mh_root_open(&root, tree.path, NULL), 0);
	assert_int_equal(mh_root_boot_id(&root, &id), -ENOENT);
	tree_write(&tree, "sys/kernel/random/boot_id", "", 0);
	assert_int_equal(mh_root_boot_id(&root, &id), -EBADMSG);
	tree_write(&tree, "sys/kernel/random/boot_id", id_text, 30);
	assert_int_equal(mh_root_boot_id(&root, &id), -EBADMSG);
	assert_int_equal(id.bytes[0], 0x55);
	tree_write(&tree, "sys/kernel/random/boot_id", id_text, strlen(id_text));
	assert_int_equal(mh_root_boot_id(&root, &id), 0);
	assert_int_equal(id.bytes[0], 0x00);
	assert_int_equal(id.bytes[15], 0xff);
	mh_root_close(&root);
	tree_remove(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_real_one_is_taken),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(long_paths_are_refused),
		cmocka_unit_test(files_are_read_whole_or_to_the_cap),
		cmocka_unit_test(boot_ids_are_checked),
	};

	return cmocka_run_group_tests_name("root", tests, NULL, NULL);
}
