/*
 * What somebody else may have put in the place of LOCK, of a segment: nothing is written to it, and
 * nobody waits for it.
 */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/walk.h"
#include "tests/unit/recording.h"
#include "tests/unit/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SEGMENT "0000000001-20261120T202848Z-0123abcd.open"

struct fixture {
	struct tree tree;
	int fd;
	char lock[512], precious[512], segment[512];
};

static void set_up(struct fixture *f)
{
	tree_make(&f->tree);
	tree_write(&f->tree, "precious", "do not touch", 12);
	tree_path(&f->tree, "history/" SEGMENT, f->segment);
	tree_path(&f->tree, "precious", f->precious);
	snprintf(f->lock, sizeof(f->lock), "%s/history", f->tree.path);
	assert_int_equal(mkdir(f->lock, 0750), 0);
	f->fd = open(f->lock, O_RDONLY | O_DIRECTORY);
	assert_true(f->fd >= 0);
	tree_path(&f->tree, "history/LOCK", f->lock);
}

static void tear_down(struct fixture *f)
{
	char text[32] = "";
	int fd = open(f->precious, O_RDONLY);

	assert_int_equal(read(fd, text, sizeof(text)), 12);
	assert_string_equal(text, "do not touch");
	close(fd);
	close(f->fd);
	tree_remove(&f->tree);
}

/* A writer says what is wrong with LOCK, and what to do. */
static void refuse(const struct fixture *f, int expected)
{
	char dir[512];
	struct mh_writer_config config = config_for(tree_path(&f->tree, "history", dir));
	struct mh_err err = {""};
	struct mh_writer *w;
	int32_t pid = -1;

	assert_int_equal(mh_dir_lock(f->fd, &pid), expected);
	assert_false(mh_dir_is_locked(f->fd, &pid));
	assert_int_equal(mh_writer_open(&w, &config, &err), expected);
	assert_non_null(
		strstr(err.text, "/history/LOCK is not a plain file of its own: remove it"));
}

static void test_lock_in_disguise(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	alarm(60);
	assert_int_equal(symlink("../precious", f.lock), 0);
	refuse(&f, -ELOOP);
	assert_int_equal(unlink(f.lock), 0);
	assert_int_equal(link(f.precious, f.lock), 0);
	refuse(&f, -EMLINK);
	assert_int_equal(unlink(f.lock), 0);
	assert_int_equal(mkfifo(f.lock, 0600), 0);
	refuse(&f, -EINVAL);
	assert_int_equal(unlink(f.lock), 0);
	assert_int_equal(mkdir(f.lock, 0700), 0);
	refuse(&f, -EINVAL);
	alarm(0);
	tear_down(&f);
}

/* Listed as foreign, and not opened even where it was exchanged after the listing. */
static void test_segment_in_disguise(void **state)
{
	struct mh_segment_list list = {0};
	struct mh_walk *walk;
	struct fixture f;

	(void)state;
	set_up(&f);
	alarm(60);
	for (int i = 0; i < 3; i++) {
		const int expected = i ? -EINVAL : -ELOOP;
		int made = !i       ? symlink("../precious", f.segment)
			   : i == 1 ? mkfifo(f.segment, 0600)
				    : mkdir(f.segment, 0700);

		assert_int_equal(made, 0);
		assert_int_equal(mh_dir_list(f.fd, &list), 0);
		assert_int_equal(list.n, 0);
		assert_int_equal(list.n_foreign, 1);
		assert_int_equal(mh_walk_open(&walk, f.fd, SEGMENT), expected);
		assert_int_equal(remove(f.segment), 0);
	}
	alarm(0);
	mh_dir_list_done(&list);
	tear_down(&f);
}

/* The names under which files are made: what is there already stays what it is. */
static void test_new_files_are_new(void **state)
{
	struct mh_segment_file file = {.name = SEGMENT, .seq = 1};
	struct mh_seal_result result;
	struct mh_err err = {""};
	char path[512];
	struct fixture f;

	(void)state;
	set_up(&f);
	tree_write(&f.tree, "history/" SEGMENT, "nothing", 7);
	tree_path(&f.tree, "history/.0000000001-20261120T202848Z-0123abcd.sealing", path);
	assert_int_equal(symlink("../precious", path), 0);
	assert_int_equal(mh_seal_segment(f.fd, &file, &result, &err), -EBADMSG);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lock_in_disguise),
		cmocka_unit_test(test_segment_in_disguise),
		cmocka_unit_test(test_new_files_are_new),
	};

	return cmocka_run_group_tests_name("dir_lock", tests, NULL, NULL);
}
