/* What the BPF scanner reads from /proc and /sys about where it is: the texts. */
#include "libmemhist/proc/bpf_cpus.h"
#include "libmemhist/proc/bpf_place.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static int nspid(const char *text, uint32_t *ret_first, uint32_t *ret_last)
{
	return mh_bpf_parse_nspid(text, strlen(text), ret_first, ret_last);
}

static void test_nspid(void **state)
{
	uint32_t first = 7, last = 8;

	(void)state;
	assert_int_equal(nspid("Name:\tx\nNSpid:\t12\nNSsid:\t1\n", &first, &last), 1);
	assert_int_equal(first, 12);
	assert_int_equal(last, 12);
	assert_int_equal(nspid("NSpid:\t4194304\t34\t1\n", &first, &last), 3);
	assert_int_equal(first, 4194304);
	assert_int_equal(last, 1);
}

static void test_nspid_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"Name:\tNSpid:\n",
		"NSpid:\t\n",
		"NSpid:\t1",
		"NSpid:\t0\n",
		"NSpid:\t-1\n",
		"NSpid:\t1\tx\n",
		"NSpid:\t4194305\n",
	};
	uint32_t first = 7, last = 8;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(nspid(bad[i], &first, &last), -EBADMSG);
	assert_int_equal(first, 7);
	assert_int_equal(last, 8);
}

static int timens(const char *text, int64_t *ret)
{
	return mh_bpf_parse_timens(text, strlen(text), ret);
}

static void test_timens(void **state)
{
	int64_t ns = 1;

	(void)state;
	assert_int_equal(
		timens("monotonic           5         6\nboottime            0         0\n", &ns),
		0);
	assert_int_equal(ns, 0);
	assert_int_equal(timens("boottime       86400 500000000\n", &ns), 0);
	assert_int_equal(ns, INT64_C(86400500000000));
	assert_int_equal(timens("boottime         -10 250000000\n", &ns), 0);
	assert_int_equal(ns, INT64_C(-9750000000));
}

static void test_timens_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"monotonic 1 2\n",
		"boottime\n",
		"boottime 1\n",
		"boottime 1 2",
		"boottime x 2\n",
		"boottime 1 1000000000\n",
		"boottime 9223372036854775807 0\n",
	};
	int64_t ns = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(timens(bad[i], &ns), -EBADMSG);
	assert_int_equal(ns, 1);
}

static uint32_t cpus(const char *text, uint32_t max, uint32_t ret[MH_BPF_CPUS_MAX])
{
	return mh_bpf_parse_cpus(text, strlen(text), max, ret);
}

static void test_cpus(void **state)
{
	uint32_t cpu[MH_BPF_CPUS_MAX];

	(void)state;
	assert_int_equal(cpus("0", 16, cpu), 1);
	assert_int_equal(cpu[0], 0);
	assert_int_equal(cpus("0-3,8-9,12", 16, cpu), 7);
	assert_int_equal(cpu[3], 3);
	assert_int_equal(cpu[4], 8);
	assert_int_equal(cpu[6], 12);
	assert_int_equal(cpus("0-15", 16, cpu), 16);
	assert_int_equal(cpus("0-255", 1000, cpu), MH_BPF_CPUS_MAX);
}

/* Too many is none: a sum over some of the CPUs would be worse than no sum. */
static void test_cpus_refused(void **state)
{
	static const char *const bad[] = {"", "x", "0-", "-3", "3-0", "0,,1", "0-16", "0-1 "};
	uint32_t cpu[MH_BPF_CPUS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(cpus(bad[i], 16, cpu), 0);
	assert_int_equal(cpus("0-256", 1000, cpu), 0);
	assert_int_equal(cpus("0", 0, cpu), 0);
}

/* /proc as this process sees it. */
static void test_place(void **state)
{
	struct mh_bpf_place place;
	struct mh_root root;
	struct mh_err err;

	(void)state;
	assert_int_equal(mh_root_open(&root, "/proc", &err), 0);
	assert_int_equal(mh_bpf_place(&root, &place, &err), 0);
	assert_true(place.own_pid > 0);
	assert_true(place.tick_ns > 0);
	mh_root_close(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nspid),  cmocka_unit_test(test_nspid_malformed),
		cmocka_unit_test(test_timens), cmocka_unit_test(test_timens_malformed),
		cmocka_unit_test(test_cpus),   cmocka_unit_test(test_cpus_refused),
		cmocka_unit_test(test_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
