/* The limits of memory, from files as kernels and containers have them. */
#include "libmemhist/base/memlimit.h"
#include "libmemhist/proc/pins.h"
#include "tests/unit/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void write_file(const struct tree *tree, const char *name, const char *text)
{
	tree_write(tree, name, text, strlen(text));
}

static uint64_t limit_of(const struct tree *tree)
{
	struct mh_memlimit limit;

	mh_memlimit_read(&limit, tree->path);
	assert_true(limit.machine_bytes > 1 << 20);
	return limit.group_bytes;
}

static void groups_of_version_2(void **state)
{
	struct tree tree;

	(void)state;
	tree_make(&tree);
	assert_true(limit_of(&tree) == UINT64_MAX);
	write_file(&tree, "proc/self/cgroup", "0::/system.slice/memhist.service\n");
	assert_true(limit_of(&tree) == UINT64_MAX);
	write_file(&tree, "sys/fs/cgroup/system.slice/memhist.service/memory.max", "max\n");
	assert_true(limit_of(&tree) == UINT64_MAX);
	write_file(&tree, "sys/fs/cgroup/system.slice/memhist.service/memory.max", "67108864\n");
	assert_int_equal(limit_of(&tree), 67108864);
	/* the least on the way up */
	write_file(&tree, "sys/fs/cgroup/system.slice/memory.max", "1000000000\n");
	assert_int_equal(limit_of(&tree), 67108864);
	write_file(&tree, "sys/fs/cgroup/system.slice/memory.max", "4096\n");
	assert_int_equal(limit_of(&tree), 4096);
	tree_remove(&tree);
}

/* A container sees its group as the root, or reads the path that its host has. */
static void groups_of_containers(void **state)
{
	static const char *const paths[] = {"0::/\n", "0::/docker/0123\n", "0::/../..\n"};
	struct tree tree;

	(void)state;
	tree_make(&tree);
	write_file(&tree, "sys/fs/cgroup/memory.max", "5000\n");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		write_file(&tree, "proc/self/cgroup", paths[i]);
		assert_int_equal(limit_of(&tree), 5000);
	}
	tree_remove(&tree);
}

static void groups_of_version_1(void **state)
{
	static const char none[] = "9223372036854771712\n";
	struct tree tree;

	(void)state;
	tree_make(&tree);
	write_file(&tree, "proc/self/cgroup", "9:name=systemd:/\n4:memory:/a/b\n1:cpu:/a\n0::/\n");
	write_file(&tree, "sys/fs/cgroup/memory/memory.limit_in_bytes", none);
	write_file(&tree, "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", none);
	assert_true(limit_of(&tree) == UINT64_C(9223372036854771712));
	write_file(&tree, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "8192\n");
	assert_int_equal(limit_of(&tree), 8192);
	tree_remove(&tree);
}

static void strange_files_limit_nothing(void **state)
{
	static const char *const limits[] = {
		"", "-1\n", "12", "1x\n", " 1\n", "99999999999999999999\n", "\n",
	};
	static const char *const groups[] = {"", "\n", "0::", "0:", "x\n\n", "4:memory\n", "::\n"};
	struct tree tree;

	(void)state;
	tree_make(&tree);
	write_file(&tree, "proc/self/cgroup", "0::/\n");
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		write_file(&tree, "sys/fs/cgroup/memory.max", limits[i]);
		assert_true(limit_of(&tree) == UINT64_MAX);
	}
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		write_file(&tree, "proc/self/cgroup", groups[i]);
		assert_true(limit_of(&tree) == UINT64_MAX);
	}
	tree_remove(&tree);
}

/* What descriptors may cost of it. */
static void descriptors_take_a_share(void **state)
{
	struct mh_memlimit limit = {.machine_bytes = UINT64_C(8) << 30, .group_bytes = UINT64_MAX};

	(void)state;
	assert_in_range(mh_pins_affordable(&limit), 5000, 7000);
	limit.group_bytes = 64 << 20;
	assert_in_range(mh_pins_affordable(&limit), 1000, 2000);
	limit.group_bytes = 0;
	assert_int_equal(mh_pins_affordable(&limit), 0);
	limit = (struct mh_memlimit){UINT64_MAX, UINT64_MAX};
	assert_in_range(mh_pins_affordable(&limit), 1 << 20, 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_of_version_2),
		cmocka_unit_test(groups_of_containers),
		cmocka_unit_test(groups_of_version_1),
		cmocka_unit_test(strange_files_limit_nothing),
		cmocka_unit_test(descriptors_take_a_share),
	};

	return cmocka_run_group_tests_name("memlimit", tests, NULL, NULL);
}
