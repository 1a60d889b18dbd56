/* The string set: numbers in order of coming, pointers that stay, memory that is used again. */
#include "libmemhist/base/strset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint32_t add(struct mh_strset *set, const char *bytes, size_t len, int expected)
{
	uint32_t index = UINT32_MAX;

	assert_int_equal(mh_strset_add(set, bytes, len, &index), expected);
	return index;
}

static void strings_are_numbered_as_they_come(void **state)
{
	struct mh_strset set = {0};

	(void)state;
	assert_null(mh_strset_get(&set, 0));
	assert_int_equal(add(&set, "bash", 4, 1), 0);
	assert_int_equal(add(&set, "sh", 2, 1), 1);
	assert_int_equal(add(&set, "bash", 4, 0), 0);
	assert_int_equal(add(&set, "bas", 3, 1), 2);
	assert_int_equal(add(&set, "bash\0", 5, 1), 3);
	assert_int_equal(add(&set, NULL, 0, 1), 4);
	assert_int_equal(add(&set, "", 0, 0), 4);
	assert_int_equal(add(&set, NULL, 0, 0), 4);
	assert_int_equal(mh_strset_get(&set, 3)->len, 5);
	assert_memory_equal(mh_strset_get(&set, 3)->bytes, "bash\0\0", 6);
	assert_string_equal(mh_strset_get(&set, 4)->bytes, "");
	assert_null(mh_strset_get(&set, 5));
	assert_null(mh_strset_get(&set, UINT32_MAX));
	mh_strset_done(&set);
	mh_strset_done(&set);
	assert_int_equal(add(&set, "again", 5, 1), 0);
	mh_strset_done(&set);
}

static void strings_move_to_another_set(void **state)
{
	struct mh_strset from = {0}, to = {0};
	uint32_t index;

	(void)state;
	add(&from, "", 0, 1);
	add(&from, "bash", 4, 1);
	add(&to, "sh", 2, 1);
	assert_int_equal(mh_strset_add_from(&to, mh_strset_get(&from, 1), &index), 1);
	assert_int_equal(index, 1);
	assert_int_equal(mh_strset_add_from(&to, mh_strset_get(&from, 0), &index), 1);
	assert_int_equal(index, 2);
	mh_strset_done(&from);
	assert_int_equal(add(&to, "bash", 4, 0), 1);
	assert_int_equal(add(&to, "", 0, 0), 2);
	assert_int_equal(mh_strset_add_from(&to, mh_strset_get(&to, 0), &index), 0);
	assert_int_equal(index, 0);
	mh_strset_done(&to);
}

/* Strings shorter, as long as and longer than a block of the arena, and the zero bytes between. */
static void thousands_of_strings_stay_where_they_are(void **state)
{
	static const struct mh_str *where[20000];
	struct mh_strset set = {0};
	static char text[40000];

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		size_t len = i % 1000 ? i % 37 + 4 : 16384 - 24 + i / 1000;

		memset(text, 0, len);
		memcpy(text, &i, sizeof(i));
		assert_int_equal(add(&set, text, len, 1), i);
		where[i] = mh_strset_get(&set, i);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		size_t len = i % 1000 ? i % 37 + 4 : 16384 - 24 + i / 1000;

		memset(text, 0, len);
		memcpy(text, &i, sizeof(i));
		assert_int_equal(add(&set, text, len, 0), i);
		assert_ptr_equal(mh_strset_get(&set, i), where[i]);
		assert_int_equal(where[i]->len, len);
		assert_memory_equal(where[i]->bytes, text, len);
		assert_int_equal(where[i]->bytes[len], 0);
		assert_int_equal(where[i]->hash, mh_hash_bytes(text, len));
	}
	mh_strset_done(&set);
}

static void a_cleared_set_is_empty(void **state)
{
	struct mh_strset set = {0};
	char text[16];

	(void)state;
	mh_strset_clear(&set);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 3000; i++) {
			int len = snprintf(text, sizeof(text), "%d", i + round);

			assert_int_equal(add(&set, text, (size_t)len, 1), i);
		}
		mh_strset_clear(&set);
		assert_null(mh_strset_get(&set, 0));
	}
	mh_strset_done(&set);
}

static void a_string_past_two_gigabytes_is_refused(void **state)
{
	struct mh_strset set = {0};
	uint32_t index = 7;

	(void)state;
	if (sizeof(size_t) == 4)
		skip();
	/* the length is judged before a byte is read */
	assert_int_equal(mh_strset_add(&set, NULL, (size_t)UINT32_MAX, &index), -ENOMEM);
	assert_int_equal(index, 7);
	mh_strset_done(&set);
}

/* The hash is written into nothing, but a bad one would make every table slow. */
static void the_hash_spreads(void **state)
{
	static uint32_t low[4096], high[4096];

	(void)state;
	for (uint32_t i = 0; i < 4096 * 16; i++) {
		char text[16];
		int len = snprintf(text, sizeof(text), "name%u", i);
		uint32_t hash = mh_hash_bytes(text, (size_t)len);

		low[hash % 4096]++;
		high[hash >> 20]++;
	}
	/* 16 each on average: 60 would be eleven standard deviations away */
	for (int i = 0; i < 4096; i++) {
		assert_true(low[i] < 60);
		assert_true(high[i] < 60);
	}
	assert_true(mh_hash_bytes("a", 1) != mh_hash_bytes("a\0", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_numbered_as_they_come),
		cmocka_unit_test(strings_move_to_another_set),
		cmocka_unit_test(thousands_of_strings_stay_where_they_are),
		cmocka_unit_test(a_cleared_set_is_empty),
		cmocka_unit_test(a_string_past_two_gigabytes_is_refused),
		cmocka_unit_test(the_hash_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
