/*
 * Listing a history: what a name says, and that no number is missed while files take the place of
 * others. readdir(3) of the program comes here first.
 */
#include "libmemhist/history/dir.h"
#include "tests/unit/world.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* Names that readdir(3) passes over in so many looks. */
static struct {
	const char *name[2];
	int looks;
} missed;

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);

struct dirent *__wrap_readdir(DIR *dir)
{
	struct dirent *entry;

	while ((entry = __real_readdir(dir))) {
		bool is_missed = false;

		for (int i = 0; i < 2; i++)
			is_missed |= missed.looks > 0 && missed.name[i] &&
				     !strcmp(entry->d_name, missed.name[i]);
		if (!is_missed)
			return entry;
	}
	missed.looks--;
	return NULL;
}

struct rig {
	const char *dir;
	int dir_fd;
	struct mh_segment_list list;
};

static int setup(void **state)
{
	static struct rig rig;
	struct mh_err err;

	rig = (struct rig){.dir = temp_dir()};
	rig.dir_fd = mh_dir_open(rig.dir, &err);
	missed.looks = 0;
	*state = &rig;
	return rig.dir_fd < 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	mh_dir_list_done(&rig->list);
	close(rig->dir_fd);
	remove_dir(rig->dir);
	return 0;
}

static void make(const struct rig *rig, const char *name)
{
	int fd = openat(rig->dir_fd, name, O_WRONLY | O_CREAT, 0640);

	assert_true(fd >= 0);
	close(fd);
}

#define OPEN(seq)   "000000000" seq "-20261120T202848Z-01234567.open"
#define SEALED(seq) "000000000" seq "-20261120T202848Z-01234567.mh"

static void what_is_missed_once_is_seen(void **state)
{
	struct rig *rig = *state;

	make(rig, OPEN("1"));
	make(rig, OPEN("2"));
	make(rig, OPEN("3"));
	/* one look comes too late for the old name and was too early for the new one */
	missed.name[0] = OPEN("2");
	missed.name[1] = SEALED("2");
	missed.looks = 1;
	assert_int_equal(mh_dir_list(rig->dir_fd, &rig->list), 0);
	assert_int_equal(rig->list.n, 3);
	assert_int_equal(rig->list.file[1].seq, 2);
}

/* A history that nobody changes is looked at once. */
static void a_quiet_one_is_looked_at_once(void **state)
{
	const struct timespec long_ago[2] = {{1000000000, 1}, {1000000000, 1}};
	struct rig *rig = *state;

	make(rig, OPEN("1"));
	assert_int_equal(futimens(rig->dir_fd, long_ago), 0);
	assert_int_equal(mh_dir_list(rig->dir_fd, &rig->list), 0);
	assert_int_equal(missed.looks, -1);
	make(rig, OPEN("2"));
	assert_int_equal(mh_dir_list(rig->dir_fd, &rig->list), 0);
	assert_int_equal(missed.looks, -3);
	assert_int_equal(rig->list.n, 2);
}

static void names_say_what_they_hold(void **state)
{
	struct rig *rig = *state;
	const struct mh_segment_file *file;

	make(rig, "0000000003+00002-20261120T202848Z-89abcdef.mh");
	make(rig, "0000000006-20261121T202848Z-01234567.mh");
	make(rig, "0000000006-20261121T202848Z-01234567.open"); /* sealed just now */
	make(rig, "0000000007-20261122T202848Z-01234567.open");
	make(rig, "0000000004-20261120T212848Z-89abcdef.mh"); /* merged just now */
	make(rig, ".0000000003+00003-20261120T202848Z-89abcdef.mh.sealing");
	make(rig, "0000000003+00002-20261120T202848Z-89abcdef.open"); /* nobody's */
	make(rig, "0000000003+2-20261120T202848Z-89abcdef.mh");
	make(rig, "0000000003+00002-20261120T202848Z-89abcdef.mh2");
	make(rig, ".hidden");
	make(rig, "LOCK");
	assert_int_equal(mh_dir_list(rig->dir_fd, &rig->list), 0);
	assert_int_equal(rig->list.n, 3);
	assert_int_equal(rig->list.n_superseded, 2);
	assert_int_equal(rig->list.n_temporary, 1);
	assert_int_equal(rig->list.n_foreign, 3);
	file = rig->list.file;
	assert_int_equal(file[0].seq, 3);
	assert_int_equal(file[0].last_seq, 5);
	assert_true(file[0].is_sealed);
	assert_true(file[0].start_ms == 1795206528000);
	assert_string_equal(file[0].boot, "89abcdef");
	assert_int_equal(file[1].seq, 6);
	assert_int_equal(file[1].last_seq, 6);
	assert_true(file[1].is_sealed);
	assert_int_equal(file[2].seq, 7);
	assert_false(file[2].is_sealed);
}

static void merged_names_are_read_back(void **state)
{
	struct rig *rig = *state;
	char name[MH_SEGMENT_NAME_MAX], again[MH_SEGMENT_NAME_MAX];
	struct mh_segment_file first, last;

	make(rig, SEALED("1"));
	make(rig, "0000000002+99997-20261120T212848Z-01234567.mh");
	assert_int_equal(mh_dir_list(rig->dir_fd, &rig->list), 0);
	assert_int_equal(rig->list.n, 2);
	first = rig->list.file[0];
	last = rig->list.file[1];
	assert_int_equal(last.last_seq, 99999);
	mh_merged_name(name, &first, &last);
	assert_string_equal(name, "0000000001+99998-20261120T202848Z-01234567.mh");
	make(rig, name);
	assert_int_equal(mh_dir_list(rig->dir_fd, &rig->list), 0);
	assert_int_equal(rig->list.n, 1);
	assert_int_equal(rig->list.n_superseded, 2);
	/* what begins with a merged one is called as that */
	last.last_seq = 100000;
	mh_merged_name(again, &rig->list.file[0], &last);
	assert_string_equal(again, "0000000001+99999-20261120T202848Z-01234567.mh");
	mh_sealed_name(again, &rig->list.file[0]);
	assert_string_equal(again, name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_missed_once_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(a_quiet_one_is_looked_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(names_say_what_they_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(merged_names_are_read_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
