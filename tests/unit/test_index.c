/* The hash index against a plain list, through collisions, growth and removals. */
#include "libmemhist/base/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ITEMS = 3000, STEPS = 60000 };

/* Whether a search under `hash` comes by `item`; it must also end. */
static bool finds(const struct mh_index *index, uint32_t hash, uint32_t item)
{
	uint32_t at = 0, found, n = 0;
	bool seen = false;

	while ((found = mh_index_next(index, hash, &at)) != MH_INDEX_END) {
		assert_true(n++ <= index->n);
		if (found == item) {
			assert_false(seen);
			seen = true;
		}
	}
	return seen;
}

static void an_empty_index_finds_and_removes_nothing(void **state)
{
	struct mh_index index = {0};
	uint32_t at = 0;

	(void)state;
	assert_int_equal(mh_index_next(&index, 7, &at), MH_INDEX_END);
	mh_index_remove(&index, 7, 1);
	assert_int_equal(mh_index_add(&index, 7, 1), 0);
	mh_index_remove(&index, 7, 2);
	mh_index_remove(&index, 8, 1);
	assert_true(finds(&index, 7, 1));
	assert_int_equal(index.n, 1);
	mh_index_done(&index);
	assert_null(index.entry);
	mh_index_done(&index);
}

static void equal_hashes_are_all_found(void **state)
{
	struct mh_index index = {0};

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(mh_index_add(&index, 0xffffffff, i), 0);
	for (uint32_t i = 0; i < 500; i++)
		assert_true(finds(&index, 0xffffffff, i));
	for (uint32_t i = 0; i < 500; i += 2)
		mh_index_remove(&index, 0xffffffff, i);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(finds(&index, 0xffffffff, i), i % 2);
	mh_index_done(&index);
}

/* Hashes from a handful, from neighbours and from everywhere, so that runs meet and wrap. */
static uint32_t make_hash(int kind)
{
	switch (kind) {
	case 0:
		return (uint32_t)random() % 5;
	case 1:
		return UINT32_MAX - (uint32_t)random() % 50;
	default:
		return (uint32_t)random();
	}
}

static void a_random_life_equals_the_list(void **state)
{
	static uint32_t hash[ITEMS];
	static bool present[ITEMS];

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct mh_index index = {0};
		uint32_t n = 0;
		/* few items under few hashes, else every search is long */
		uint32_t items = kind == 0 ? 100 : kind == 1 ? 400 : ITEMS;

		srandom(20240229 + (unsigned)kind);
		memset(present, 0, sizeof(present));
		for (int step = 0; step < STEPS; step++) {
			uint32_t i = (uint32_t)random() % items;

			if (present[i]) {
				assert_true(finds(&index, hash[i], i));
				mh_index_remove(&index, hash[i], i);
				n--;
			} else {
				hash[i] = make_hash(kind);
				assert_int_equal(mh_index_add(&index, hash[i], i), 0);
				n++;
			}
			present[i] = !present[i];
			assert_int_equal(index.n, n);
			assert_true(index.n * 3 <= index.cap * 2);
		}
		for (uint32_t i = 0; i < items; i++)
			assert_int_equal(finds(&index, hash[i], i), present[i]);
		mh_index_done(&index);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_index_finds_and_removes_nothing),
		cmocka_unit_test(equal_hashes_are_all_found),
		cmocka_unit_test(a_random_life_equals_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
