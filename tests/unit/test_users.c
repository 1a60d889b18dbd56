/* Names of users: of a file like /etc/passwd, also of one that is none, and when it changes. */
#include "libmemhist/base/users.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct place {
	const char *dir;
	char path[128];
	struct mh_users users;
};

static int setup(void **state)
{
	static struct place place;

	place = (struct place){.dir = temp_dir()};
	snprintf(place.path, sizeof(place.path), "%s/passwd", place.dir);
	*state = &place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	mh_users_done(&place->users);
	remove_dir(place->dir);
	return 0;
}

static void write_file(const struct place *place, const char *text, size_t len)
{
	FILE *file = fopen(place->path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void check_name(const struct place *place, uint32_t uid, const char *expected)
{
	const char *name = mh_users_name(&place->users, uid);

	if (expected)
		assert_string_equal(name, expected);
	else
		assert_null(name);
}

static void names_are_found(void **state)
{
	static const char text[] = "root:x:0:0:root:/root:/bin/bash\n"
				   "nobody:x:65534:65534::/:/usr/sbin/nologin\n"
				   "toor:x:0:0::/:/bin/sh\n"
				   "big:x:4294967295:0::/:\n"
				   "daemon:*:1:1::/:";
	struct place *place = *state;

	check_name(place, 0, NULL);
	write_file(place, text, strlen(text));
	assert_int_equal(mh_users_read(&place->users, place->path), 0);
	check_name(place, 0, "root"); /* the first */
	check_name(place, 1, "daemon");
	check_name(place, 65534, "nobody");
	check_name(place, UINT32_MAX, "big");
	check_name(place, 2, NULL);
}

static void lines_that_are_none_are_passed_over(void **state)
{
	static const char text[] = "\n::\n:x:1:\nx\nx:y\nx:y:\nx:y:1\nx:y:a:\nx:y:4294967296:\n"
				   "x:y:99999999999999999999999:\n+::::::\n# comment\n\0a\n"
				   "good:x:7:7\n";
	struct place *place = *state;

	write_file(place, text, sizeof(text) - 1);
	assert_int_equal(mh_users_read(&place->users, place->path), 0);
	assert_int_equal(place->users.n, 1);
	check_name(place, 7, "good");
}

static void a_change_is_read(void **state)
{
	struct place *place = *state;
	const char *name;

	write_file(place, "a:x:1:\n", 7);
	assert_int_equal(mh_users_read(&place->users, place->path), 0);
	name = mh_users_name(&place->users, 1);
	assert_int_equal(mh_users_read(&place->users, place->path), 0);
	assert_ptr_equal(mh_users_name(&place->users, 1), name); /* not read again */
	write_file(place, "bc:x:1:\n", 8);
	assert_int_equal(mh_users_read(&place->users, place->path), 0);
	check_name(place, 1, "bc");
	write_file(place, "", 0);
	assert_int_equal(mh_users_read(&place->users, place->path), 0);
	check_name(place, 1, NULL);
}

static void what_cannot_be_read_changes_nothing(void **state)
{
	struct place *place = *state;

	write_file(place, "a:x:1:\n", 7);
	assert_int_equal(mh_users_read(&place->users, place->path), 0);
	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(mh_users_read(&place->users, place->path), -ENOENT);
	assert_int_equal(mkfifo(place->path, 0600), 0);
	assert_int_equal(mh_users_read(&place->users, place->path), -EINVAL);
	assert_int_equal(unlink(place->path), 0);
	write_file(place, "", 0);
	assert_int_equal(truncate(place->path, 17 << 20), 0);
	assert_int_equal(mh_users_read(&place->users, place->path), -EFBIG);
	check_name(place, 1, "a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(names_are_found),
		TEST(lines_that_are_none_are_passed_over),
		TEST(a_change_is_read),
		TEST(what_cannot_be_read_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
