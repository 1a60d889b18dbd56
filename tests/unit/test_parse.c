/*
 * The other parsers of /proc texts: as kernels write them, cut, and spoilt. Each text is parsed
 * from a copy of its exact size, so that a sanitizer or valgrind sees a byte read past its end.
 */
#include "libmemhist/proc/parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* --- as kernels write them -------------------------------------------------------------------- */

static const char status_6_18[] =
	"Name:\tcat\nUmask:\t0022\nState:\tR (running)\nTgid:\t19690\nNgid:\t0\nPid:\t19690\n"
	"PPid:\t19688\nTracerPid:\t0\nUid:\t1000\t33\t0\t1001\nGid:\t0\t0\t0\t0\nFDSize:\t256\n"
	"Groups:\t4 24 27 \nNStgid:\t19690\nKthread:\t0\nVmPeak:\t    3060 kB\n"
	"VmSize:\t    3050 kB\nVmLck:\t       4 kB\nVmHWM:\t    1724 kB\nVmRSS:\t    1620 kB\n"
	"RssAnon:\t     112 kB\nRssFile:\t    1500 kB\nRssShmem:\t       8 kB\n"
	"VmData:\t     360 kB\nVmSwap:\t       8 kB\nHugetlbPages:\t       0 kB\nThreads:\t3\n"
	"untag_mask:\t0xffffffffffffffff\nMems_allowed_list:\t0\n";
static const char status_3_10[] =
	"Name:\tsshd\nState:\tS (sleeping)\nTgid:\t811\nPid:\t811\nPPid:\t1\nTracerPid:\t0\n"
	"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t\nVmPeak:\t  105476 kB\n"
	"VmSize:\t  105400 kB\nVmLck:\t       0 kB\nVmHWM:\t    4140 kB\nVmRSS:\t    4140 "
	"kB\nVmData:\t     892 kB\nVmSwap:\t       0 kB\n"
	"Threads:\t1\n";
static const char status_kthread[] =
	"Name:\tkthreadd\nState:\tS (sleeping)\nTgid:\t2\nPid:\t2\nPPid:\t0\nTracerPid:\t0\n"
	"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nThreads:\t1\n";

static const char meminfo_6_18[] =
	"MemTotal:       24684084 kB\nMemFree:        24273960 kB\nMemAvailable:   24361716 kB\n"
	"Active(anon):       1548 kB\nZswap:                 0 kB\nVmallocTotal:   34359738367 kB\n"
	"HugePages_Total:       4\nHugepagesize:       2048 kB\nDirectMap1G:    25165824 kB\n";
static const char meminfo_2_6_32[] =
	"MemTotal:        1922404 kB\nMemFree:         1377068 kB\nBuffers:           54696 kB\n"
	"Cached:           244840 kB\nSwapCached:            0 kB\nHugePages_Total:       0\n";

/* --- parsing an exact copy -------------------------------------------------------------------- */

static void *copy_of(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

static int parse_status(const char *text, size_t len, struct mh_status *ret)
{
	char *copy = copy_of(text, len);
	int rc = mh_parse_status(copy, len, ret);

	free(copy);
	return rc;
}

static int parse_meminfo(const char *text, size_t len, struct mh_meminfo *ret)
{
	char *copy = copy_of(text, len);
	int rc = mh_parse_meminfo(copy, len, ret);

	free(copy);
	return rc;
}

/* --- status ----------------------------------------------------------------------------------- */

static void status_of_several_kernels(void **state)
{
	struct mh_status status;

	(void)state;
	assert_int_equal(parse_status(status_6_18, strlen(status_6_18), &status), 0);
	assert_int_equal(status.uid, 33);
	assert_true(status.has_vm && status.has_parts);
	assert_int_equal(status.ppid, 19688);
	assert_int_equal(status.threads, 3);
	assert_int_equal(status.peak_kib, 3060);
	assert_int_equal(status.size_kib, 3050);
	assert_int_equal(status.locked_kib, 4);
	assert_int_equal(status.hwm_kib, 1724);
	assert_int_equal(status.rss_kib, 1620);
	assert_int_equal(status.file_kib, 1500);
	assert_int_equal(status.shmem_kib, 8);
	assert_int_equal(status.swap_kib, 8);
	assert_int_equal(parse_status(status_3_10, strlen(status_3_10), &status), 0);
	assert_int_equal(status.uid, 0);
	assert_true(status.has_vm && !status.has_parts);
	assert_int_equal(status.hwm_kib, 4140);
	assert_int_equal(status.file_kib, 0);
	assert_int_equal(parse_status(status_kthread, strlen(status_kthread), &status), 0);
	assert_false(status.has_vm);
	assert_int_equal(status.rss_kib, 0);
}

/* The kernel writes newline and backslash in a name as \n and \\, so it cannot make a line. */
static void names_in_status_make_no_lines(void **state)
{
	static const char text[] = "Name:\tx\\nUid:\\t9\t9\t9\nVmRSS\t\xff:\t1\nPPid:\t7\n"
				   "Uid:\t1\t2\t3\t4\nThreads:\t1\n";
	struct mh_status status;

	(void)state;
	assert_int_equal(parse_status(text, strlen(text), &status), 0);
	assert_int_equal(status.uid, 2);
	assert_false(status.has_vm);
}

static void names_in_status_are_those_of_stat(void **state)
{
	static const struct {
		const char *in_status, *comm;
		bool same;
	} cases[] = {
		{"cat", "cat", true},    {"cat", "cats", false},    {"cats", "cat", false},
		{"", "", true},          {"", "x", false},          {" x ", " x ", true},
		{"a\\nb", "a\nb", true}, {"a\\nb", "a\\nb", false}, {"a\\\\nb", "a\\nb", true},
		{"a\\\\", "a\\", true},  {"a\\", "a\\", false},     {"a\\", "a\n", false},
		{"anb", "a\nb", false},  {"\xc3)", "\xc3)", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mh_status status;
		char text[128];
		int len = snprintf(text, sizeof(text),
				   "Name:\t%s\nPPid:\t1\nUid:\t0\t0\t0\t0\nThreads:\t1\n",
				   cases[i].in_status);

		assert_int_equal(mh_parse_status(text, (size_t)len, &status), 0);
		if (mh_status_is_named(&status, cases[i].comm, strlen(cases[i].comm)) !=
		    cases[i].same)
			fail_msg("%s, %s", cases[i].in_status, cases[i].comm);
	}
}

static void cut_status_tells_nothing_wrong(void **state)
{
	static const char *const texts[] = {status_6_18, status_3_10, status_kthread};

	(void)state;
	for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
		struct mh_status whole;

		assert_int_equal(parse_status(texts[t], strlen(texts[t]), &whole), 0);
		whole.name = NULL; /* each is in a copy of its own */
		for (size_t len = 0; len < strlen(texts[t]); len++) {
			struct mh_status status = {.uid = 4711};
			int rc = parse_status(texts[t], len, &status);

			if (!len || texts[t][len - 1] != '\n')
				assert_int_equal(rc, -EBADMSG);
			if (rc) {
				assert_int_equal(rc, -EBADMSG);
				assert_int_equal(status.uid, 4711);
				continue;
			}
			/* the last line that counts is behind all the others */
			status.name = NULL;
			assert_memory_equal(&status, &whole, sizeof(status));
		}
	}
}

static void memory_in_status_is_all_or_nothing(void **state)
{
	static const char *const keys[] = {"VmPeak", "VmSize", "VmLck",   "VmHWM",
					   "VmRSS",  "VmSwap", "RssFile", "RssShmem"};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t len = strlen(status_6_18);
		char *text = copy_of(status_6_18, len);
		struct mh_status status;

		*(char *)memmem(text, len, keys[i], strlen(keys[i])) = 'x';
		assert_int_equal(mh_parse_status(text, len, &status), 0);
		assert_int_equal(status.has_vm, i > 5);
		assert_int_equal(status.rss_kib, i > 5 ? 1620 : 0);
		assert_false(status.has_parts);
		assert_true(!status.file_kib && !status.shmem_kib);
		free(text);
	}
}

static void broken_status_is_refused(void **state)
{
	static const char good[] = "Name:\tx\nPPid:\t0\nUid:\t0\t0\t0\t0\nThreads:\t1\n";
	static const char *const bad[] = {
		"Uid:\n",
		"Uid:\t1\n",
		"Uid:\t1 2\n",
		"Uid:\t-1\t-1\t0\t0\n",
		"Uid:\t0\t4294967296\t0\t0\n",
		"Uid:\t0\t18446744073709551616\t0\t0\n",
		"PPid:\t-1\n",
		"PPid:\t1 2\n",
		"PPid:\t4294967296\n",
		"Threads:\n",
		"Threads:\t1x\n",
		"VmRSS:\t1\n",
		"VmRSS:\t1 MB\n",
		"VmRSS:\t-1 kB\n",
		"VmRSS:\t1 kB \n",
		"VmHWM:\t kB\n",
		"RssFile:\n",
		"VmSwap:\t18446744073709551616 kB\n",
	};
	struct mh_status status;

	(void)state;
	assert_int_equal(parse_status(good, strlen(good), &status), 0);
	/* a line missing */
	for (const char *line = good; *line; line = strchr(line, '\n') + 1) {
		char text[sizeof(good)];
		size_t before = (size_t)(line - good);
		int len = snprintf(text, sizeof(text), "%.*s%s", (int)before, good,
				   strchr(line, '\n') + 1);

		assert_int_equal(parse_status(text, (size_t)len, &status), -EBADMSG);
	}
	/* a line too many */
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[256];
		int len = snprintf(text, sizeof(text), "%s%s", good, bad[i]);

		if (parse_status(text, (size_t)len, &status) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	}
}

/* --- cgroup ----------------------------------------------------------------------------------- */

static void check_cgroup(const char *text, const char *expected)
{
	const char *path = "untouched";
	int n = mh_parse_cgroup(text, strlen(text), &path);

	if (!expected) {
		assert_int_equal(n, -EBADMSG);
		assert_string_equal(path, "untouched");
		return;
	}
	assert_int_equal(n, strlen(expected));
	assert_memory_equal(path, expected, strlen(expected));
}

static void cgroup_is_where_memory_is_charged(void **state)
{
	(void)state;
	check_cgroup("0::/system.slice/cron.service\n", "/system.slice/cron.service");
	check_cgroup("0::/\n", "/");
	check_cgroup("9:name=systemd:/s\n4:memory:/m/x\n0::/u\n", "/m/x");
	check_cgroup("3:cpu,memory,pids:/both\n0::/u\n", "/both");
	check_cgroup("3:cpu,memory2,xmemory:/no\n0::/a:b c\n", "/a:b c");
	check_cgroup("1:name=x:/y\n", NULL);
}

static void a_cgroup_file_that_is_none_is_refused(void **state)
{
	(void)state;
	check_cgroup("", NULL);
	check_cgroup("\n", NULL);
	check_cgroup("0\n", NULL);
	check_cgroup("0:\n", NULL);
	check_cgroup("0::\n", NULL);
	check_cgroup("0::x\n", NULL);
	check_cgroup("0::/cut", NULL);
	check_cgroup("x::/\n", NULL);
	check_cgroup("-1::/\n", NULL);
	check_cgroup("0::/a\n1:cpu\n", NULL);
	check_cgroup("99999999999999999999::/\n", NULL);
}

/* --- cmdline ---------------------------------------------------------------------------------- */

static void cmdline_loses_the_nuls_at_its_end(void **state)
{
	(void)state;
	assert_int_equal(mh_parse_cmdline("", 0), 0);
	assert_int_equal(mh_parse_cmdline("ls\0-l\0", 6), 5);
	assert_int_equal(mh_parse_cmdline("postgres: writer\0\0\0\0", 20), 16);
	assert_int_equal(mh_parse_cmdline("\0\0\0", 3), 0);
	assert_int_equal(mh_parse_cmdline("no end", 6), 6);
	assert_int_equal(mh_parse_cmdline("\0x", 2), 2);
	assert_int_equal(mh_parse_cmdline("sh\0-c\0\0", 7), 5);
}

/* --- meminfo ---------------------------------------------------------------------------------- */

static void meminfo_of_several_kernels(void **state)
{
	struct mh_meminfo m;

	(void)state;
	assert_int_equal(parse_meminfo(meminfo_6_18, strlen(meminfo_6_18), &m), 0);
	assert_int_equal(m.n, 9);
	assert_true(mh_meminfo_bytes(&m, "MemTotal") == 24684084ull * 1024);
	assert_true(mh_meminfo_bytes(&m, "VmallocTotal") == 34359738367ull * 1024);
	assert_true(mh_meminfo_bytes(&m, "Active(anon)") == 1548 * 1024);
	assert_true(mh_meminfo_find(&m, "HugePages_Total")->value == 4);
	assert_false(mh_meminfo_find(&m, "HugePages_Total")->is_kib);
	assert_string_equal(m.line[8].key, "DirectMap1G");
	assert_int_equal(parse_meminfo(meminfo_2_6_32, strlen(meminfo_2_6_32), &m), 0);
	assert_int_equal(m.n, 6);
	assert_null(mh_meminfo_find(&m, "MemAvailable"));
}

static void strange_meminfo_lines_are_left_out(void **state)
{
	static const char text[] = "Good: 1 kB\nBa d: 2 kB\nB\xc3\xa4 : 3 kB\n: 4 kB\n"
				   "AKeyThatIsLongerThanAnyKeyTheKernelHasHad: 5 kB\nGood2: 6\n";
	char many[200 * 16];
	size_t len = 0;
	struct mh_meminfo m;

	(void)state;
	assert_int_equal(parse_meminfo(text, strlen(text), &m), 0);
	assert_int_equal(m.n, 2);
	assert_string_equal(m.line[1].key, "Good2");
	assert_int_equal(m.line[1].value, 6);
	for (int i = 0; i < 200; i++)
		len += (size_t)snprintf(many + len, sizeof(many) - len, "K%d: %d kB\n", i, i);
	assert_int_equal(parse_meminfo(many, len, &m), 0);
	assert_int_equal(m.n, MH_MEMINFO_MAX);
	assert_string_equal(m.line[MH_MEMINFO_MAX - 1].key, "K127");
}

static void broken_meminfo_is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "\n",
					  "MemTotal\n",
					  "MemTotal:\n",
					  "MemTotal: kB\n",
					  "MemTotal: 1 MB\n",
					  "MemTotal: 1 kB \n",
					  "MemTotal: 1kB\n",
					  "MemTotal: -1 kB\n",
					  "MemTotal: 18446744073709551616 kB\n",
					  "Ba d: 1 kB\n",
					  "MemTotal: 1 kB\n\nMemFree: 1 kB\n"};
	struct mh_meminfo m = {.n = 77};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_meminfo(bad[i], strlen(bad[i]), &m) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	for (size_t len = 0; len < strlen(meminfo_6_18); len++)
		if (!len || meminfo_6_18[len - 1] != '\n')
			assert_int_equal(parse_meminfo(meminfo_6_18, len, &m), -EBADMSG);
	assert_int_equal(m.n, 77);
}

/* --- numbers and UUIDs ------------------------------------------------------------------------ */

static void numbers(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
	} cases[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"18446744073709551620", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"100000000000000000000000000", -ERANGE, 0},
		{"", -EBADMSG, 0},
		{"-1", -EBADMSG, 0},
		{"+1", -EBADMSG, 0},
		{" 1", -EBADMSG, 0},
		{"1 ", -EBADMSG, 0},
		{"1x", -EBADMSG, 0},
		{"\xd9\xa1", -EBADMSG, 0}, /* ARABIC-INDIC DIGIT ONE */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *copy = copy_of(cases[i].text, strlen(cases[i].text));
		uint64_t value = 4711;

		assert_int_equal(mh_parse_u64(copy, strlen(cases[i].text), &value), cases[i].rc);
		assert_true(value == (cases[i].rc ? 4711 : cases[i].value));
		free(copy);
	}
}

static void uuids(void **state)
{
	static const char good[] = "01234567-89ab-CDEF-fedc-ba9876543210\n";
	static const uint8_t want[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
	uint8_t bytes[16];

	(void)state;
	assert_int_equal(mh_parse_uuid(good, 37, bytes), 0);
	assert_memory_equal(bytes, want, 16);
	memset(bytes, 0x55, sizeof(bytes));
	assert_int_equal(mh_parse_uuid(good, 36, bytes), 0);
	assert_memory_equal(bytes, want, 16);
	memset(bytes, 0x55, sizeof(bytes));
	for (size_t len = 0; len < 36; len++)
		assert_int_equal(mh_parse_uuid(good, len, bytes), -EBADMSG);
	for (size_t i = 0; i < 36; i++) {
		char spoilt[sizeof(good)];

		memcpy(spoilt, good, sizeof(good));
		spoilt[i] = spoilt[i] == '-' ? '0' : 'g';
		assert_int_equal(mh_parse_uuid(spoilt, 37, bytes), -EBADMSG);
	}
	assert_int_equal(mh_parse_uuid("01234567-89ab-cdef-fedc-ba9876543210 ", 37, bytes),
			 -EBADMSG);
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0x55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_of_several_kernels),
		cmocka_unit_test(names_in_status_make_no_lines),
		cmocka_unit_test(names_in_status_are_those_of_stat),
		cmocka_unit_test(memory_in_status_is_all_or_nothing),
		cmocka_unit_test(cut_status_tells_nothing_wrong),
		cmocka_unit_test(broken_status_is_refused),
		cmocka_unit_test(cgroup_is_where_memory_is_charged),
		cmocka_unit_test(a_cgroup_file_that_is_none_is_refused),
		cmocka_unit_test(cmdline_loses_the_nuls_at_its_end),
		cmocka_unit_test(meminfo_of_several_kernels),
		cmocka_unit_test(strange_meminfo_lines_are_left_out),
		cmocka_unit_test(broken_meminfo_is_refused),
		cmocka_unit_test(numbers),
		cmocka_unit_test(uuids),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
