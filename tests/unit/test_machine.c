/*
 * The machine's memory: its counters as kernels write them, cut and spoilt, each from a copy of its
 * exact size; and what becomes of a file that is missing or cannot be understood.
 */
#include "libmemhist/proc/machine.h"

#include "libmemhist/proc/parse.h"

#include "tests/unit/tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char vmstat[] = "nr_free_pages 6062130\nnr_dirtied 0\npswpin 11\npswpout 22\n"
			     "oom_kill 3\nnuma_hit 18446744073709551615\n";
static const char pressure[] = "some avg10=0.00 avg60=1.20 avg300=99.99 total=5000000\n"
			       "full avg10=0.00 avg60=0.00 avg300=0.00 total=123\n";

typedef int parse_fn(const char *text, size_t len, struct mh_counter_values *ret);

static int parse_copy(parse_fn *parse, const char *text, size_t len, struct mh_counter_values *ret)
{
	char *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	rc = parse(copy, len, ret);
	free(copy);
	return rc;
}

static void the_counters_of_several_kernels(void **state)
{
	static const char before_4_13[] = "pgpgin 5\npswpin 1\npswpout 2\n";
	static const char to_come[] = "none total=1\nsome avg1=0 total=7 max=9\nsomewhat total=2\n";
	struct mh_counter_values all = {0}, some = {0};

	(void)state;
	assert_int_equal(parse_copy(mh_parse_vmstat, vmstat, strlen(vmstat), &all), 0);
	assert_int_equal(parse_copy(mh_parse_pressure, pressure, strlen(pressure), &all), 0);
	assert_int_equal(all.have, (1 << MH_COUNTER_COUNT) - 1);
	assert_true(all.value[MH_COUNTER_SWAP_IN] == 11);
	assert_true(all.value[MH_COUNTER_SWAP_OUT] == 22);
	assert_true(all.value[MH_COUNTER_OOM_KILLS] == 3);
	assert_true(all.value[MH_COUNTER_WAITING] == 5000000);
	assert_true(all.value[MH_COUNTER_STALLED] == 123);

	assert_int_equal(parse_copy(mh_parse_vmstat, before_4_13, strlen(before_4_13), &some), 0);
	assert_int_equal(some.have, 1 << MH_COUNTER_SWAP_IN | 1 << MH_COUNTER_SWAP_OUT);
	assert_int_equal(parse_copy(mh_parse_pressure, to_come, strlen(to_come), &some), 0);
	assert_false(some.have & 1 << MH_COUNTER_STALLED);
	assert_true(some.value[MH_COUNTER_WAITING] == 7);
}

static void refused(parse_fn *parse, const char *text, size_t len)
{
	struct mh_counter_values values = {.have = 1, .value = {77}};

	if (parse_copy(parse, text, len, &values) != -EBADMSG)
		fail_msg("taken: %.*s", (int)len, text);
	assert_int_equal(values.have, 1);
	assert_true(values.value[0] == 77);
}

static void what_no_kernel_writes_is_refused(void **state)
{
	static const char *const no_vmstat[] = {"",
						"\n",
						"oom_kill\n",
						"oom_kill \n",
						" 1\n",
						"oom_kill  1\n",
						"oom_kill -1\n",
						"oom_kill 1 \n",
						"oom_kill 0x1\n",
						"oom_kill 18446744073709551616\n",
						"pswpin 5\n\noom_kill 1\n",
						"pswpin 5\noom_kill 1"};
	static const char *const no_pressure[] = {"",
						  "\n",
						  "some\n",
						  "some total\n",
						  "some total=\n",
						  "some total= 1\n",
						  "some total=-1\n",
						  "some total=1.5\n",
						  "total=1\n",
						  "some subtotal=1\n",
						  "some total=18446744073709551616\n",
						  "some total=1\nfull avg10=0.00\n",
						  "some total=1"};

	(void)state;
	for (size_t i = 0; i < sizeof(no_vmstat) / sizeof(no_vmstat[0]); i++)
		refused(mh_parse_vmstat, no_vmstat[i], strlen(no_vmstat[i]));
	for (size_t i = 0; i < sizeof(no_pressure) / sizeof(no_pressure[0]); i++)
		refused(mh_parse_pressure, no_pressure[i], strlen(no_pressure[i]));
	for (size_t len = 0; len < strlen(vmstat); len++)
		if (!len || vmstat[len - 1] != '\n')
			refused(mh_parse_vmstat, vmstat, len);
	for (size_t len = 0; len < strlen(pressure); len++)
		if (!len || pressure[len - 1] != '\n')
			refused(mh_parse_pressure, pressure, len);
}

struct fixture {
	struct tree tree;
	struct mh_root root;
	struct mh_machine machine;
	struct mh_meminfo read;
};

static int set_up(void **state)
{
	static const char meminfo[] = "MemTotal: 1000 kB\nvmstat.oom_kill: 9\n";
	struct fixture *f = calloc(1, sizeof(*f));
	struct mh_err err;

	assert_non_null(f);
	tree_make(&f->tree);
	tree_process(&f->tree, 1, &(struct tree_process){.comm = "init"});
	tree_write(&f->tree, "meminfo", meminfo, strlen(meminfo));
	tree_write(&f->tree, "vmstat", vmstat, strlen(vmstat));
	tree_write(&f->tree, "pressure/memory", pressure, strlen(pressure));
	if (mh_root_open(&f->root, f->tree.path, &err))
		fail_msg("%s", err.text);
	mh_machine_init(&f->machine);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	mh_machine_done(&f->machine);
	mh_root_close(&f->root);
	tree_remove(&f->tree);
	free(f);
	return 0;
}

static uint64_t counter(const struct fixture *f, int i)
{
	uint64_t value;

	if (!mh_counters_get(&f->read, i, &value))
		fail_msg("%s is missing", mh_counters[i].key);
	return value;
}

static void counters_follow_meminfo(void **state)
{
	struct fixture *f = *state;

	for (int again = 0; again < 2; again++) {
		mh_machine_read(&f->machine, &f->root, &f->read);
		assert_int_equal(f->read.n, 1 + MH_COUNTER_COUNT);
		assert_true(mh_meminfo_is_own(&f->read.line[0]));
		for (uint32_t i = 1; i < f->read.n; i++)
			assert_false(mh_meminfo_is_own(&f->read.line[i]));
		/* and not the line of that name in meminfo */
		assert_true(counter(f, MH_COUNTER_OOM_KILLS) == 3);
		assert_true(counter(f, MH_COUNTER_STALLED) == 123);
	}
}

static void what_is_missing_is_missing_alone(void **state)
{
	struct fixture *f = *state;
	uint64_t value = 5;

	tree_drop(&f->tree, "pressure");
	mh_machine_read(&f->machine, &f->root, &f->read);
	assert_int_equal(f->read.n, 1 + 3);
	assert_false(mh_counters_get(&f->read, MH_COUNTER_WAITING, &value));
	assert_true(value == 5);

	tree_write(&f->tree, "vmstat", "nonsense", 8);
	mh_machine_read(&f->machine, &f->root, &f->read);
	assert_int_equal(f->read.n, 1);

	tree_write(&f->tree, "vmstat", vmstat, strlen(vmstat));
	tree_drop(&f->tree, "meminfo");
	mh_machine_read(&f->machine, &f->root, &f->read);
	assert_int_equal(f->read.n, 3);
	assert_true(counter(f, MH_COUNTER_SWAP_OUT) == 22);

	tree_drop(&f->tree, "vmstat");
	mh_machine_read(&f->machine, &f->root, &f->read);
	assert_int_equal(f->read.n, 0);
}

/* Of the kernel's own /proc: the same through descriptors just opened and kept. */
static void the_machine_itself(void **state)
{
	struct mh_machine machine;
	struct mh_meminfo first, second;
	struct mh_root root;
	struct mh_err err;

	(void)state;
	if (mh_root_open(&root, "/proc", &err))
		fail_msg("%s", err.text);
	mh_machine_init(&machine);
	mh_machine_read(&machine, &root, &first);
	mh_machine_read(&machine, &root, &second);
	assert_true(machine.fd[0] >= 0);
	assert_true(mh_meminfo_same_keys(&first, &second));
	assert_true(mh_meminfo_bytes(&first, "MemTotal") == mh_meminfo_bytes(&second, "MemTotal"));
	for (int i = 0; i < MH_COUNTER_COUNT; i++) {
		uint64_t before, after;

		if (mh_counters_get(&first, i, &before) && mh_counters_get(&second, i, &after))
			assert_true(before <= after);
	}
	mh_machine_done(&machine);
	mh_root_close(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_counters_of_several_kernels),
		cmocka_unit_test(what_no_kernel_writes_is_refused),
		cmocka_unit_test_setup_teardown(counters_follow_meminfo, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_missing_is_missing_alone, set_up,
						tear_down),
		cmocka_unit_test(the_machine_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
