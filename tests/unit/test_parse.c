/*
 * The parsers of /proc texts: what kernels write, what hostile processes make them write, and
 * everything that is cut or spoilt. Each text is parsed from a copy of its exact size, so that a
 * sanitizer or valgrind sees a byte read past its end.
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

static const char stat_6_18[] =
	"19690 (cat) R 19688 19688 11692 0 -1 4194304 101 0 0 0 0 0 0 0 20 0 1 0 300508 3133440 "
	"380 "
	"18446744073709551615 94452276555776 94452276575657 140722840853264 0 0 0 0 0 0 0 0 0 17 0 "
	"0 0 0 0 0 94452276591664 94452276593280 94453071003648 140722840857180 140722840857249 "
	"140722840857249 140722840858603 0\n";
/* 44 fields: up to 2.6.32 */
static const char stat_2_6_32[] =
	"1 (init) S 0 1 1 0 -1 4202752 3411 189273 22 114 3 88 201 190 20 0 1 0 5 19820544 385 "
	"18446744073709551615 1 1 0 0 0 0 0 4096 536962595 18446744073709551615 0 0 0 1 0 0 7 0 "
	"0\n";
static const char stat_kthread[] =
	"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 1 0 0 20 0 1 0 8 0 0 18446744073709551615 0 0 "
	"0 0 0 0 0 2147483647 0 1 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
/* nice -20, on a terminal, threads; priorities and terminal groups are signed */
static const char stat_signed[] =
	"77 (a b) Z 1 77 77 34816 -1 1077960708 0 0 0 0 9 9 -3 -2 -51 -20 12 0 "
	"18446744073709551615 18446744073709551615 18446744073709551615 0 1 1 "
	"18446744073709551615 0 0 0 0 0 0 0 0 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 -1\n";

static const char status_6_18[] =
	"Name:\tcat\nUmask:\t0022\nState:\tR (running)\nTgid:\t19690\nNgid:\t0\nPid:\t19690\n"
	"PPid:\t19688\nTracerPid:\t0\nUid:\t1000\t33\t0\t1001\nGid:\t0\t0\t0\t0\nFDSize:\t256\n"
	"Groups:\t4 24 27 \nNStgid:\t19690\nKthread:\t0\nVmPeak:\t    3060 kB\n"
	"VmSize:\t    3060 kB\nVmLck:\t       0 kB\nVmHWM:\t    1724 kB\nVmRSS:\t    1620 kB\n"
	"RssAnon:\t     112 kB\nRssFile:\t    1612 kB\nVmSwap:\t       8 kB\nThreads:\t1\n"
	"untag_mask:\t0xffffffffffffffff\nMems_allowed_list:\t0\n";
static const char status_3_10[] =
	"Name:\tsshd\nState:\tS (sleeping)\nTgid:\t811\nPid:\t811\nPPid:\t1\nTracerPid:\t0\n"
	"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t\nVmPeak:\t  105476 kB\n"
	"VmHWM:\t    4140 kB\nVmRSS:\t    4140 kB\nVmData:\t     892 kB\nVmSwap:\t       0 kB\n"
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

/* comm of the result points into `text` again. */
static int parse_stat(const char *text, size_t len, struct mh_stat *ret)
{
	char *copy = copy_of(text, len);
	int rc = mh_parse_stat(copy, len, ret);

	if (!rc)
		ret->comm = text + (ret->comm - copy);
	free(copy);
	return rc;
}

static int parse_statm(const char *text, size_t len, struct mh_statm *ret)
{
	char *copy = copy_of(text, len);
	int rc = mh_parse_statm(copy, len, ret);

	free(copy);
	return rc;
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

/* --- stat ------------------------------------------------------------------------------------- */

static void stat_of_several_kernels(void **state)
{
	struct mh_stat stat;

	(void)state;
	assert_int_equal(parse_stat(stat_6_18, strlen(stat_6_18), &stat), 0);
	assert_int_equal(stat.pid, 19690);
	assert_int_equal(stat.comm_len, 3);
	assert_memory_equal(stat.comm, "cat", 3);
	assert_int_equal(stat.state, 'R');
	assert_int_equal(stat.ppid, 19688);
	assert_int_equal(stat.flags, 4194304);
	assert_int_equal(stat.num_threads, 1);
	assert_int_equal(stat.start_ticks, 300508);
	assert_int_equal(stat.vsz_bytes, 3133440);
	assert_int_equal(stat.rss_pages, 380);
	assert_int_equal(stat.start_stack, 140722840853264);

	assert_int_equal(parse_stat(stat_2_6_32, strlen(stat_2_6_32), &stat), 0);
	assert_int_equal(stat.pid, 1);
	assert_int_equal(stat.ppid, 0);
	assert_int_equal(stat.start_ticks, 5);
	assert_int_equal(stat.rss_pages, 385);
	assert_int_equal(stat.start_stack, 0);

	assert_int_equal(parse_stat(stat_kthread, strlen(stat_kthread), &stat), 0);
	assert_true(stat.flags & MH_PF_KTHREAD);
	assert_int_equal(stat.vsz_bytes, 0);

	assert_int_equal(parse_stat(stat_signed, strlen(stat_signed), &stat), 0);
	assert_false(stat.flags & MH_PF_KTHREAD);
	assert_int_equal(stat.state, 'Z');
	assert_int_equal(stat.num_threads, 12);
	assert_true(stat.start_ticks == UINT64_MAX && stat.vsz_bytes == UINT64_MAX &&
		    stat.rss_pages == UINT64_MAX && stat.start_stack == UINT64_MAX);
}

/* "7 (comm) …" with the rest of a true line. */
static size_t stat_with_comm(char *text, size_t size, const char *comm, size_t comm_len)
{
	const char *rest = strchr(stat_6_18, ')');
	size_t rest_len = strlen(rest);

	assert_true(3 + comm_len + rest_len <= size);
	memcpy(text, "7 (", 3);
	memcpy(text + 3, comm, comm_len);
	memcpy(text + 3 + comm_len, rest, rest_len);
	return 3 + comm_len + rest_len;
}

static void comm_is_any_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} comm[] = {
		{"a) R 1 1 (x", 11},
		{") R 1 1 (", 9},
		{"", 0},
		{")", 1},
		{"((((((((((((((((", 15},
		{"\n", 1},
		{"a\n7 (b) S 1", 11},
		{"\x1b[31m", 5},
		{"\xff\xfe", 2},
		{"\"\\{},=\t", 7},
		{"kworker/u8:2-events_freezable_power_and_as_long_as_a_name_may_be", 64},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(comm) / sizeof(comm[0]); i++) {
		char text[512];
		size_t len = stat_with_comm(text, sizeof(text), comm[i].bytes, comm[i].len);
		struct mh_stat stat;

		assert_int_equal(parse_stat(text, len, &stat), 0);
		assert_int_equal(stat.pid, 7);
		assert_int_equal(stat.comm_len, comm[i].len);
		assert_memory_equal(stat.comm, comm[i].bytes, comm[i].len);
		assert_int_equal(stat.state, 'R');
		assert_int_equal(stat.ppid, 19688);
		assert_int_equal(stat.start_ticks, 300508);
	}
}

static void no_cut_stat_is_taken(void **state)
{
	static const char *const texts[] = {stat_6_18, stat_2_6_32, stat_kthread, stat_signed};

	(void)state;
	for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++)
		for (size_t len = 0; len < strlen(texts[t]); len++) {
			struct mh_stat stat = {.pid = 4711};

			assert_int_equal(parse_stat(texts[t], len, &stat), -EBADMSG);
			assert_int_equal(stat.pid, 4711);
		}
}

static void broken_stat_is_refused(void **state)
{
	/* what stands for %s in a line of 28 fields: 22 start_ticks, 23 vsz, 24 rss */
	static const char *const bad_numbers[] = {
		"18446744073709551616",
		"99999999999999999999999",
		"-1",
		"",
		"0x10",
		"1.5",
		"+1",
		" 1",
		"1\t",
		"nan",
	};
	static const char *const bad_lines[] = {
		"\n",
		"7\n",
		"7 (x)\n",
		"7 (x) R\n",
		"7 (x) R 1\n",
		"7 x R 1 2 3\n",
		"0 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"4294967296 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"-7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) S4294967296 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		/* ppid, flags, threads past 32 bits */
		"7 (x) S 4294967296 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) S 0 0 0 0 0 4294967296 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 4294967296 0 0 0 0 0 0 0 0\n",
		/* 27 fields; something after the last; a comm longer than any kernel's */
		"7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 \n",
		"7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 more\n",
		"7 (0123456789012345678901234567890123456789012345678901234567890123x) "
		"S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
	};
	struct mh_stat stat;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++)
		if (parse_stat(bad_lines[i], strlen(bad_lines[i]), &stat) != -EBADMSG)
			fail_msg("taken: %s", bad_lines[i]);
	for (size_t i = 0; i < sizeof(bad_numbers) / sizeof(bad_numbers[0]); i++)
		for (int field = 22; field <= 24; field++) {
			char text[256];
			int len = snprintf(text, sizeof(text),
					   "7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 %s %s %s 0 "
					   "0 0 0\n",
					   field == 22 ? bad_numbers[i] : "1",
					   field == 23 ? bad_numbers[i] : "1",
					   field == 24 ? bad_numbers[i] : "1");

			if (parse_stat(text, (size_t)len, &stat) != -EBADMSG)
				fail_msg("taken: %s", text);
		}
	/* the same line with good numbers is good */
	assert_int_equal(parse_stat("7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 1 1 0 0 0 0\n",
				    58, &stat),
			 0);
}

static void later_kernels_may_append_to_stat(void **state)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "%.*s 12 -5 18446744073709551615\n",
			   (int)strlen(stat_6_18) - 1, stat_6_18);
	struct mh_stat stat;

	(void)state;
	assert_int_equal(parse_stat(text, (size_t)len, &stat), 0);
	assert_int_equal(stat.start_ticks, 300508);
}

/* --- statm ------------------------------------------------------------------------------------ */

static void statm_gives_its_first_two(void **state)
{
	struct mh_statm m;

	(void)state;
	assert_int_equal(parse_statm("765 431 403 5 0 123 0\n", 22, &m), 0);
	assert_int_equal(m.vsz_pages, 765);
	assert_int_equal(m.rss_pages, 431);
	/* a zombie */
	assert_int_equal(parse_statm("0 0 0 0 0 0 0\n", 14, &m), 0);
	assert_int_equal(m.vsz_pages, 0);
	assert_int_equal(m.rss_pages, 0);
	/* a process under AddressSanitizer maps 20 TiB; and the greatest number there is */
	assert_int_equal(parse_statm("5368777131 4611 1 1 0 1 0\n", 26, &m), 0);
	assert_true(m.vsz_pages == 5368777131);
	assert_int_equal(parse_statm("18446744073709551615 1 1 1 0 1 0\n", 33, &m), 0);
	assert_true(m.vsz_pages == UINT64_MAX);
	/* a later kernel's eighth */
	assert_int_equal(parse_statm("7 6 5 4 3 2 1 0\n", 16, &m), 0);
	assert_int_equal(m.rss_pages, 6);
}

static void broken_statm_is_refused(void **state)
{
	static const char whole[] = "765 431 403 5 0 123 0\n";
	static const char *const bad[] = {
		"18446744073709551616 1 1 1 0 1 0\n",
		"1 18446744073709551616 1 1 0 1 0\n",
		"1 1 18446744073709551616 1 0 1 0\n",
		"-1 1 1 1 0 1 0\n",
		"1 -1 1 1 0 1 0\n",
		"1 1 1 1 0 1\n",
		"1 1 1 1 0 1 \n",
		"1  1 1 1 0 1 0\n",
		" 1 1 1 1 0 1 0\n",
		"1 1 1 1 0 1 0 \n",
		"1 1 1 1 0 1 0\n\n",
		"1 1 1 1 0 1 x\n",
		"1,1,1,1,0,1,0\n",
		"",
		"\n",
	};
	struct mh_statm m = {11, 22};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_statm(bad[i], strlen(bad[i]), &m) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	for (size_t len = 0; len < strlen(whole); len++)
		assert_int_equal(parse_statm(whole, len, &m), -EBADMSG);
	assert_int_equal(m.vsz_pages, 11);
	assert_int_equal(m.rss_pages, 22);
}

/* --- status ----------------------------------------------------------------------------------- */

static void status_of_several_kernels(void **state)
{
	struct mh_status status;

	(void)state;
	assert_int_equal(parse_status(status_6_18, strlen(status_6_18), &status), 0);
	assert_int_equal(status.uid, 33);
	assert_true(status.has_vm);
	assert_int_equal(status.hwm_kib, 1724);
	assert_int_equal(status.rss_kib, 1620);
	assert_int_equal(status.swap_kib, 8);
	assert_int_equal(parse_status(status_3_10, strlen(status_3_10), &status), 0);
	assert_int_equal(status.uid, 0);
	assert_int_equal(status.hwm_kib, 4140);
	assert_int_equal(parse_status(status_kthread, strlen(status_kthread), &status), 0);
	assert_false(status.has_vm);
	assert_int_equal(status.rss_kib, 0);
}

/* The kernel writes newline and backslash in a name as \n and \\, so it cannot make a line. */
static void names_in_status_make_no_lines(void **state)
{
	static const char text[] =
		"Name:\tx\\nUid:\\t9\\t9\t9\nVmRSS\t\xff:\t1\nUid:\t1\t2\t3\t4\n";
	struct mh_status status;

	(void)state;
	assert_int_equal(parse_status(text, strlen(text), &status), 0);
	assert_int_equal(status.uid, 2);
	assert_false(status.has_vm);
}

static void cut_status_tells_nothing_wrong(void **state)
{
	static const char *const texts[] = {status_6_18, status_3_10, status_kthread};

	(void)state;
	for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
		struct mh_status whole;

		assert_int_equal(parse_status(texts[t], strlen(texts[t]), &whole), 0);
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
			assert_int_equal(status.uid, whole.uid);
			if (status.has_vm)
				assert_memory_equal(&status, &whole, sizeof(status));
			else
				assert_true(!status.hwm_kib && !status.rss_kib && !status.swap_kib);
		}
	}
}

static void broken_status_is_refused(void **state)
{
	static const char *const bad[] = {
		"Name:\tx\n",
		"Uid:\n",
		"Uid:\t1\n",
		"Uid:\t1 2\n",
		"Uid:\t-1\t-1\t0\t0\n",
		"Uid:\t0\t4294967296\t0\t0\n",
		"Uid:\t0\t18446744073709551616\t0\t0\n",
		"Uid:\t0\t0\t0\t0\nVmRSS:\t1\n",
		"Uid:\t0\t0\t0\t0\nVmRSS:\t1 MB\n",
		"Uid:\t0\t0\t0\t0\nVmRSS:\t-1 kB\n",
		"Uid:\t0\t0\t0\t0\nVmRSS:\t1 kB \n",
		"Uid:\t0\t0\t0\t0\nVmHWM:\t kB\n",
		"Uid:\t0\t0\t0\t0\nVmSwap:\t18446744073709551616 kB\n",
	};
	struct mh_status status;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse_status(bad[i], strlen(bad[i]), &status) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
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
	static const char *const bad[] = {
		"",
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
		"MemTotal: 1 kB\n\nMemFree: 1 kB\n",
	};
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
		cmocka_unit_test(stat_of_several_kernels),
		cmocka_unit_test(comm_is_any_bytes),
		cmocka_unit_test(no_cut_stat_is_taken),
		cmocka_unit_test(broken_stat_is_refused),
		cmocka_unit_test(later_kernels_may_append_to_stat),
		cmocka_unit_test(statm_gives_its_first_two),
		cmocka_unit_test(broken_statm_is_refused),
		cmocka_unit_test(status_of_several_kernels),
		cmocka_unit_test(names_in_status_make_no_lines),
		cmocka_unit_test(cut_status_tells_nothing_wrong),
		cmocka_unit_test(broken_status_is_refused),
		cmocka_unit_test(cmdline_loses_the_nuls_at_its_end),
		cmocka_unit_test(meminfo_of_several_kernels),
		cmocka_unit_test(strange_meminfo_lines_are_left_out),
		cmocka_unit_test(broken_meminfo_is_refused),
		cmocka_unit_test(numbers),
		cmocka_unit_test(uuids),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
