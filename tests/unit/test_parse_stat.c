/*
 * stat and statm, which are read most and hold a name that anybody may choose: what kernels write,
 * what hostile processes make them write, and everything that is cut or spoilt. Each text is parsed
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
	} comm[] = {{"a) R 1 1 (x", 11},
		    {") R 1 1 (", 9},
		    {"", 0},
		    {")", 1},
		    {"((((((((((((((((", 15},
		    {"\n", 1},
		    {"a\n7 (b) S 1", 11},
		    {"\x1b[31m", 5},
		    {"\xff\xfe", 2},
		    {"\"\\{},=\t", 7},
		    {"kworker/u8:2-events_freezable_power_and_as_long_as_a_name_may_be", 64}};

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

static void workers_of_the_kernel_keep_one_name(void **state)
{
	static const struct {
		const char *comm;
		uint32_t flags;
		size_t len;
	} cases[] = {{"kworker/0:1-events_freezable", MH_PF_KTHREAD, 11},
		     {"kworker/u8:2+flush-8:0", MH_PF_KTHREAD, 12},
		     {"kworker/1:0H", MH_PF_KTHREAD, 12},
		     {"kworker/R-rcu_gp", MH_PF_KTHREAD, 16},
		     {"kworker/", MH_PF_KTHREAD, 8},
		     {"ksoftirqd/0-x", MH_PF_KTHREAD, 13},
		     {"kworker/0:1-mine", 0, 16}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct mh_stat stat = {.comm = cases[i].comm,
					     .comm_len = strlen(cases[i].comm),
					     .flags = cases[i].flags};

		assert_int_equal(mh_stat_comm_len(&stat), cases[i].len);
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
	static const char *const bad_numbers[] = {"18446744073709551616",
						  "99999999999999999999999",
						  "-1",
						  "",
						  "0x10",
						  "1.5",
						  "+1",
						  " 1",
						  "1\t",
						  "nan"};
	static const char *const bad_lines[] = {
		"\n", "7\n", "7 (x)\n", "7 (x) R\n", "7 (x) R 1\n", "7 x R 1 2 3\n",
		"0 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"4294967296 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"-7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) S4294967296 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		/* ppid, flags, threads past 32 bits */
		"7 (x) S 4294967296 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) S 0 0 0 0 0 4294967296 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 4294967296 0 0 0 0 0 0 0 0\n",
		/* 27 fields; something after the last */
		"7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 \n",
		"7 (x) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 more\n"};
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

static void comm_has_a_limit(void **state)
{
	struct mh_stat stat;
	char comm[65], text[512];

	(void)state;
	memset(comm, 'a', sizeof(comm));
	assert_int_equal(parse_stat(text, stat_with_comm(text, sizeof(text), comm, 64), &stat), 0);
	assert_int_equal(parse_stat(text, stat_with_comm(text, sizeof(text), comm, 65), &stat),
			 -EBADMSG);
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
	static const char *const bad[] = {"18446744073709551616 1 1 1 0 1 0\n",
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
					  "\n"};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_of_several_kernels),
		cmocka_unit_test(comm_is_any_bytes),
		cmocka_unit_test(workers_of_the_kernel_keep_one_name),
		cmocka_unit_test(no_cut_stat_is_taken),
		cmocka_unit_test(broken_stat_is_refused),
		cmocka_unit_test(comm_has_a_limit),
		cmocka_unit_test(later_kernels_may_append_to_stat),
		cmocka_unit_test(statm_gives_its_first_two),
		cmocka_unit_test(broken_statm_is_refused),
	};

	return cmocka_run_group_tests_name("parse_stat", tests, NULL, NULL);
}
