/* The string pool: one copy of equal strings, which goes with its last reference. */
#include "libmemhist/base/strpool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void equal_strings_are_one(void **state)
{
	struct mh_strpool pool = {0};
	const struct mh_pooled *a = mh_strpool_get(&pool, "sleep\0001", 7);
	const struct mh_pooled *b = mh_strpool_get(&pool, "sleep\0002", 7);
	const struct mh_pooled *empty = mh_strpool_get(&pool, NULL, 0);

	(void)state;
	assert_ptr_equal(mh_strpool_get(&pool, "sleep\0001", 7), a);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(mh_strpool_get(&pool, "", 0), empty);
	assert_ptr_not_equal(mh_strpool_get(&pool, "sleep", 5), a);
	assert_int_equal(a->len, 7);
	assert_memory_equal(a->bytes, "sleep\0001", 8);
	assert_int_equal(empty->len, 0);
	mh_strpool_done(&pool);
	mh_strpool_done(&pool);
}

static void the_last_reference_frees(void **state)
{
	struct mh_strpool pool = {0};
	const struct mh_pooled *a;

	(void)state;
	mh_strpool_put(&pool, NULL);
	a = mh_strpool_get(&pool, "a", 1);
	assert_ptr_equal(mh_strpool_get(&pool, "a", 1), a);
	mh_strpool_put(&pool, a);
	assert_int_equal(pool.index.n, 1);
	assert_ptr_equal(mh_strpool_get(&pool, "a", 1), a);
	mh_strpool_put(&pool, a);
	mh_strpool_put(&pool, a);
	assert_int_equal(pool.index.n, 0);
	assert_int_equal(pool.n_unused, 1);
	mh_strpool_done(&pool);
}

/* A title that changes for ever takes the room of one. */
static void a_changing_string_does_not_grow_the_pool(void **state)
{
	struct mh_strpool pool = {0};
	const struct mh_pooled *title = NULL;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		const struct mh_pooled *next = mh_strpool_get(&pool, (char *)&i, sizeof(i));

		assert_non_null(next);
		mh_strpool_put(&pool, title);
		title = next;
	}
	assert_int_equal(pool.index.n, 1);
	assert_int_equal(pool.cap, 64);
	assert_int_equal(pool.index.cap, 64);
	mh_strpool_done(&pool);
}

static void a_random_life_keeps_every_string(void **state)
{
	static const struct mh_pooled *held[5000];
	static uint32_t value[5000];
	struct mh_strpool pool = {0};

	(void)state;
	srandom(7);
	for (int step = 0; step < 100000; step++) {
		uint32_t i = (uint32_t)random() % 5000;

		if (held[i]) {
			assert_int_equal(held[i]->len, sizeof(value[i]));
			assert_memory_equal(held[i]->bytes, &value[i], sizeof(value[i]));
			mh_strpool_put(&pool, held[i]);
			held[i] = NULL;
		} else {
			value[i] = (uint32_t)random() % 2000;
			held[i] = mh_strpool_get(&pool, (char *)&value[i], sizeof(value[i]));
			assert_non_null(held[i]);
		}
	}
	assert_in_range(pool.index.n, 1, 2000);
	for (uint32_t i = 0; i < 5000; i++)
		mh_strpool_put(&pool, held[i]);
	assert_int_equal(pool.index.n, 0);
	assert_int_equal(pool.n_unused, pool.n_items);
	mh_strpool_done(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_strings_are_one),
		cmocka_unit_test(the_last_reference_frees),
		cmocka_unit_test(a_changing_string_does_not_grow_the_pool),
		cmocka_unit_test(a_random_life_keeps_every_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
