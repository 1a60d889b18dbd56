/* Where processes are on each axis. */
#include "libmemhist/model/axis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct mh_pooled *pooled(struct mh_strpool *pool, const char *text)
{
	return text ? mh_strpool_get(pool, text, strlen(text)) : NULL;
}

static void expect(enum mh_axis axis, uint32_t uid, const char *comm, const char *exe,
		   const char *cgroup, const char *expected)
{
	struct mh_strpool pool = {0};
	struct mh_buf out = MH_BUF_INIT(MH_PATH_MAX);
	char root[] = "root";
	struct mh_user user = {0, root};
	const struct mh_users users = {.user = &user, .n = 1};
	struct mh_process p = {.uid = uid,
			       .comm_len = (uint32_t)strlen(comm),
			       .exe = pooled(&pool, exe),
			       .cgroup = pooled(&pool, cgroup)};

	memcpy(p.comm, comm, p.comm_len + 1);
	mh_axis_add(&out, axis, &p, &users);
	assert_string_equal(mh_buf_str(&out), expected);
	mh_buf_done(&out);
	mh_strpool_done(&pool);
}

static void axes_have_names(void **state)
{
	(void)state;
	for (int axis = 0; axis < MH_AXES; axis++)
		assert_int_equal(mh_axis_parse(mh_axis_name((enum mh_axis)axis)), axis);
	assert_int_equal(mh_axis_parse("Program"), -1);
	assert_int_equal(mh_axis_parse(""), -1);
}

static void what_is_not_known_is_said_to_be(void **state)
{
	(void)state;
	expect(MH_BY_PROGRAM, 0, "", NULL, NULL, "");
	expect(MH_BY_EXE, 0, "a", NULL, NULL, "(unknown)");
	expect(MH_BY_CGROUP, 0, "a", NULL, NULL, "(unknown)");
	expect(MH_BY_UNIT, 0, "a", NULL, NULL, "(unknown)");
	expect(MH_BY_USER, 77, "a", NULL, NULL, "77");
}

static void paths_are_as_they_are(void **state)
{
	(void)state;
	expect(MH_BY_PROGRAM, 0, "a b\xff", NULL, NULL, "a b\xff");
	expect(MH_BY_USER, 0, "a", NULL, NULL, "root");
	expect(MH_BY_EXE, 0, "a", "/opt/a", NULL, "/opt/a");
	expect(MH_BY_EXE, 0, "a", "/opt/a (deleted)", NULL, "/opt/a");
	expect(MH_BY_EXE, 0, "a", " (deleted)", NULL, "(unknown)");
	expect(MH_BY_CGROUP, 0, "a", NULL, "/", "/");
	expect(MH_BY_CGROUP, 0, "a", NULL, "/a.slice/b.service", "/a.slice/b.service");
}

static void units_are_those_of_systemd(void **state)
{
	static const struct {
		const char *path, *unit;
	} rows[] = {
		{"/", "-.slice"},
		{"//", "-.slice"},
		{"/init.scope", "init.scope"},
		{"/system.slice", "system.slice"},
		{"/system.slice/cron.service", "cron.service"},
		{"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"},
		{"/system.slice/docker-0123.scope", "docker-0123.scope"},
		{"/system.slice/a.service/sub/group", "a.service"},
		{"/user.slice/user-1000.slice/session-2.scope", "session-2.scope"},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
		 "user@1000.service"},
		{"/kubepods.slice/kubepods-pod1.slice", "kubepods-pod1.slice"},
		{"/kubepods.slice/kubepods-pod1.slice/cri-containerd-1.scope",
		 "cri-containerd-1.scope"},
		{"/docker/0123456789", "(none)"},
		{"/system.slice/.service", "(none)"}, /* nothing but the suffix */
		{"/.slice", ".slice"},
		{"relative.service", "relative.service"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(MH_BY_UNIT, 0, "a", NULL, rows[i].path, rows[i].unit);
}

static void classes_are_two(void **state)
{
	(void)state;
	expect(MH_BY_CLASS, 0, "a", "/opt/a", NULL, "system");
	expect(MH_BY_CLASS, 0, "a", NULL, NULL, "system");
	expect(MH_BY_CLASS, 1000, "a", NULL, NULL, "user");
	expect(MH_BY_CLASS, 1000, "a", "/opt/a", NULL, "user");
	expect(MH_BY_CLASS, 1000, "a", "/usr/local/bin/a", NULL, "user");
	expect(MH_BY_CLASS, 1000, "a", "/usr/binary/a", NULL, "user");
	expect(MH_BY_CLASS, 1000, "a", "/usr/bin/a", NULL, "system");
	expect(MH_BY_CLASS, 1000, "a", "/usr/lib/x/a (deleted)", NULL, "system");
	expect(MH_BY_CLASS, 1000, "my-daemon", "/opt/a", NULL, "system");
	expect(MH_BY_CLASS, 1000, "xserver9", "/opt/a", NULL, "system");
	expect(MH_BY_CLASS, 1000, "serve", "/opt/a", NULL, "user");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(axes_have_names),
		cmocka_unit_test(what_is_not_known_is_said_to_be),
		cmocka_unit_test(paths_are_as_they_are),
		cmocka_unit_test(units_are_those_of_systemd),
		cmocka_unit_test(classes_are_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
