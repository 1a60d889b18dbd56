/* What a process is called, and when two are the same; the words for gaps. */
#include "libmemhist/model/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void check(const char *comm, const char *cmdline, size_t cmdline_len, const char *expected)
{
	struct mh_process p = {.comm_len = (uint32_t)strlen(comm),
			       .cmdline_len = (uint32_t)cmdline_len};
	const char *program;
	size_t len;

	/* in memory of its own size, so that reading past its end is seen by sanitizers */
	p.cmdline = cmdline_len ? malloc(cmdline_len) : NULL;
	if (cmdline_len)
		memcpy(p.cmdline, cmdline, cmdline_len);
	snprintf(p.comm, sizeof(p.comm), "%s", comm);
	len = mh_process_program(&p, &program);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(program, expected, len);
	free(p.cmdline);
}

#define CHECK(comm, cmdline, expected) check(comm, cmdline, sizeof(cmdline) - 1, expected)

static void a_whole_comm_is_the_name(void **state)
{
	(void)state;
	CHECK("bash", "/usr/bin/bash\0-l", "bash");
	CHECK("bash", "", "bash");
	CHECK("python3", "/usr/bin/python3.11\0x.py", "python3");
	CHECK("", "/bin/x", "");
	CHECK("fourteen-bytes", "fourteen-bytes-and-more", "fourteen-bytes");
	/* a kernel thread's comm is never cut at 15 */
	CHECK("kworker/u16:3-events_unbound", "", "kworker/u16:3-events_unbound");
}

static void a_cut_comm_is_completed_from_argv0(void **state)
{
	(void)state;
	CHECK("systemd-journal", "/lib/systemd/systemd-journald", "systemd-journald");
	CHECK("systemd-journal", "systemd-journald\0--x", "systemd-journald");
	CHECK("gnome-settings-", "/usr/libexec/gnome-settings-daemon\0a/b",
	      "gnome-settings-daemon");
}

static void what_argv0_does_not_confirm_stays_comm(void **state)
{
	char longest[200];

	(void)state;
	CHECK("systemd-journal", "", "systemd-journal");
	CHECK("systemd-journal", "/bin/other-program-name", "systemd-journal");
	CHECK("systemd-journal", "/lib/systemd/systemd-journal", "systemd-journal");
	CHECK("systemd-journal", "/lib/systemd-journald/", "systemd-journal");
	CHECK("systemd-journal", "/", "systemd-journal");
	CHECK("systemd-journal", "\0systemd-journald", "systemd-journal");
	CHECK("systemd-journal", "x\0/systemd-journald", "systemd-journal");

	memset(longest, 'a', sizeof(longest));
	longest[MH_COMM_MAX] = '\0';
	check("aaaaaaaaaaaaaaa", longest, MH_COMM_MAX, longest);
	longest[MH_COMM_MAX] = 'a';
	check("aaaaaaaaaaaaaaa", longest, MH_COMM_MAX + 1, "aaaaaaaaaaaaaaa");
}

static void an_identity_is_pid_start_and_twin(void **state)
{
	const struct mh_identity a = {.pid = 1, .start_ticks = 2, .twin = 0};
	struct mh_identity b = a;

	(void)state;
	assert_true(mh_identity_same(&a, &b));
	b.pid = 2;
	assert_false(mh_identity_same(&a, &b));
	b = a;
	b.start_ticks = UINT64_C(1) << 32 | 2;
	assert_false(mh_identity_same(&a, &b));
	b = a;
	b.twin = 1;
	assert_false(mh_identity_same(&a, &b));
}

static void every_gap_has_a_word(void **state)
{
	static const char *const words[] = {"none",        "stopped",    "suspended", "late",
					    "write error", "clock step", "reboot",    "damage"};

	(void)state;
	for (int kind = MH_GAP_NONE; kind <= MH_GAP_DAMAGE; kind++)
		assert_string_equal(mh_gap_name((enum mh_gap_kind)kind), words[kind]);
	assert_string_equal(mh_gap_name((enum mh_gap_kind)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_comm_is_the_name),
		cmocka_unit_test(a_cut_comm_is_completed_from_argv0),
		cmocka_unit_test(what_argv0_does_not_confirm_stays_comm),
		cmocka_unit_test(an_identity_is_pid_start_and_twin),
		cmocka_unit_test(every_gap_has_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
