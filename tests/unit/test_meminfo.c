/* The lines of meminfo: which keys are taken, how values are found, what keys become in words. */
#include "libmemhist/model/meminfo.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void add(struct mh_meminfo *m, const char *key, bool is_kib, uint64_t value)
{
	assert_int_equal(mh_meminfo_add(m, key, strlen(key), is_kib, value), 0);
}

static void values_are_found_in_bytes_or_as_counts(void **state)
{
	struct mh_meminfo m = {0};

	(void)state;
	add(&m, "MemTotal", true, 24684084);
	add(&m, "HugePages_Total", false, 7);
	assert_true(mh_meminfo_bytes(&m, "MemTotal") == 24684084ull * 1024);
	assert_true(mh_meminfo_bytes(&m, "HugePages_Total") == 7);
	assert_true(mh_meminfo_bytes(&m, "MemAvailable") == 0);
	assert_null(mh_meminfo_find(&m, "Mem"));
	assert_ptr_equal(mh_meminfo_find(&m, "HugePages_Total"), &m.line[1]);
}

static void keys_that_the_kernel_would_not_write_are_refused(void **state)
{
	char longest[MH_MEMINFO_KEY_MAX + 1];
	struct mh_meminfo m = {0};

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(mh_meminfo_add(&m, "", 0, true, 1), -EINVAL);
	assert_int_equal(mh_meminfo_add(&m, "a b", 3, true, 1), -EINVAL);
	assert_int_equal(mh_meminfo_add(&m, "a/b", 3, true, 1), -EINVAL);
	assert_int_equal(mh_meminfo_add(&m, "a\0b", 3, true, 1), -EINVAL);
	assert_int_equal(mh_meminfo_add(&m, "caf\xc3\xa9", 5, true, 1), -EINVAL);
	assert_int_equal(mh_meminfo_add(&m, longest, sizeof(longest), true, 1), -EINVAL);
	assert_int_equal(mh_meminfo_add(&m, longest, sizeof(longest) - 1, true, 1), 0);
	assert_int_equal(m.n, 1);
}

static void there_is_a_cap(void **state)
{
	struct mh_meminfo m = {0};

	(void)state;
	for (int i = 0; i < MH_MEMINFO_MAX; i++)
		add(&m, "Key", true, 1);
	assert_int_equal(mh_meminfo_add(&m, "Key", 3, true, 1), -EOVERFLOW);
	assert_int_equal(m.n, MH_MEMINFO_MAX);
}

static void same_keys_means_same_names_units_and_order(void **state)
{
	struct mh_meminfo a = {0}, b = {0}, c = {0}, d = {0};

	(void)state;
	add(&a, "MemTotal", true, 1);
	add(&a, "MemFree", true, 1);
	add(&b, "MemTotal", true, 2);
	assert_false(mh_meminfo_same_keys(&a, &b));
	add(&b, "MemFree", true, 2);
	assert_true(mh_meminfo_same_keys(&a, &b));
	add(&c, "MemFree", true, 1);
	add(&c, "MemTotal", true, 1);
	assert_false(mh_meminfo_same_keys(&a, &c));
	add(&d, "MemTotal", true, 1);
	add(&d, "MemFree", false, 1);
	assert_false(mh_meminfo_same_keys(&a, &d));
}

static void keys_become_words(void **state)
{
	static const char *const expected[][2] = {
		{"MemAvailable", "mem_available"},
		{"Buffers", "buffers"},
		{"Active(anon)", "active_anon"},
		{"SReclaimable", "s_reclaimable"},
		{"KReclaimable", "k_reclaimable"},
		{"NFS_Unstable", "nfs_unstable"},
		{"Committed_AS", "committed_as"},
		{"HugePages_Total", "huge_pages_total"},
		{"ShmemPmdMapped", "shmem_pmd_mapped"},
		{"DirectMap4k", "direct_map4k"},
		{"Zswap", "zswap"},
	};
	char words[MH_MEMINFO_WORDS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		mh_meminfo_words(words, expected[i][0]);
		assert_string_equal(words, expected[i][1]);
	}
}

/* The longest key with the most underscores fits; a sanitizer or valgrind would see if not. */
static void words_have_room(void **state)
{
	char key[MH_MEMINFO_KEY_MAX + 1], words[MH_MEMINFO_WORDS_MAX + 1];

	(void)state;
	for (int i = 0; i < MH_MEMINFO_KEY_MAX; i++)
		key[i] = i % 2 ? 'B' : 'a';
	key[MH_MEMINFO_KEY_MAX] = '\0';
	mh_meminfo_words(words, key);
	assert_int_equal(strlen(words), MH_MEMINFO_KEY_MAX + MH_MEMINFO_KEY_MAX / 2);
	memset(key, 'A', MH_MEMINFO_KEY_MAX);
	mh_meminfo_words(words, key);
	assert_int_equal(strlen(words), MH_MEMINFO_KEY_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_in_bytes_or_as_counts),
		cmocka_unit_test(keys_that_the_kernel_would_not_write_are_refused),
		cmocka_unit_test(there_is_a_cap),
		cmocka_unit_test(same_keys_means_same_names_units_and_order),
		cmocka_unit_test(keys_become_words),
		cmocka_unit_test(words_have_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
