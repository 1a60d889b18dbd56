/* The growing buffer: whole appends or nothing, the cap to the byte, errors that stick. */
#include "libmemhist/base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void check(struct mh_buf *b, const char *expected)
{
	assert_int_equal(b->error, 0);
	assert_int_equal(b->len, strlen(expected));
	assert_string_equal(mh_buf_str(b), expected);
	assert_true(b->len < b->cap);
}

static void appends_follow_one_another(void **state)
{
	struct mh_buf b = MH_BUF_INIT(1000);

	(void)state;
	check(&b, "");
	mh_buf_add(&b, "ab", 2);
	mh_buf_addc(&b, 'c');
	mh_buf_adds(&b, "");
	mh_buf_adds(&b, "de");
	mh_buf_printf(&b, "%d|%s|%.1f", -7, "x", 0.5);
	mh_buf_printf(&b, "%s", "");
	mh_buf_add(&b, NULL, 0);
	check(&b, "abcde-7|x|0.5");
	mh_buf_clear(&b);
	check(&b, "");
	mh_buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(mh_buf_str(&b), "a\0b", 4);
	mh_buf_done(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 1000);
	mh_buf_adds(&b, "again");
	check(&b, "again");
	mh_buf_done(&b);
	mh_buf_done(&b);
}

static void numbers_are_decimal(void **state)
{
	static const uint64_t values[] = {0, 1, 9, 10, 99, 100, 4294967295, 4294967296, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct mh_buf b = MH_BUF_INIT(20);
		char expected[24];

		snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[i]);
		mh_buf_addu(&b, values[i]);
		check(&b, expected);
		mh_buf_done(&b);
	}
}

/* Every append of every kind that is one byte too long leaves nothing; one that fits, fits. */
static void the_cap_holds_to_the_byte(void **state)
{
	(void)state;
	for (size_t max = 0; max < 600; max++) {
		struct mh_buf b = MH_BUF_INIT(max);

		for (size_t i = 0; i < max; i++)
			mh_buf_addc(&b, 'x');
		assert_int_equal(b.error, 0);
		assert_int_equal(b.len, max);
		assert_int_equal(strlen(mh_buf_str(&b)), max);
		mh_buf_add(&b, NULL, 0);
		mh_buf_printf(&b, "%s", "");
		assert_int_equal(b.error, 0);
		switch (max % 5) {
		case 0:
			mh_buf_addc(&b, 'y');
			break;
		case 1:
			mh_buf_adds(&b, "yy");
			break;
		case 2:
			mh_buf_printf(&b, "%d", 12);
			break;
		case 3:
			mh_buf_addu(&b, 0);
			break;
		default:
			assert_null(mh_buf_reserve(&b, 1));
		}
		assert_int_equal(b.error, -EOVERFLOW);
		assert_int_equal(b.len, max);
		mh_buf_done(&b);
	}
}

static void an_append_that_fails_leaves_nothing_behind(void **state)
{
	struct mh_buf b = MH_BUF_INIT(10);

	(void)state;
	mh_buf_adds(&b, "12345");
	mh_buf_printf(&b, "%s", "123456");
	assert_int_equal(b.error, -EOVERFLOW);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "12345", 5);
	mh_buf_done(&b);
}

static void errors_stick_until_cleared(void **state)
{
	struct mh_buf b = MH_BUF_INIT(4);

	(void)state;
	mh_buf_adds(&b, "12345");
	mh_buf_addc(&b, 'a');
	mh_buf_addu(&b, 1);
	mh_buf_printf(&b, "x");
	mh_buf_add(&b, "", 0);
	assert_null(mh_buf_reserve(&b, 0));
	assert_int_equal(b.error, -EOVERFLOW);
	assert_int_equal(b.len, 0);
	assert_string_equal(mh_buf_str(&b), "");
	mh_buf_clear(&b);
	mh_buf_adds(&b, "1234");
	check(&b, "1234");
	mh_buf_done(&b);
}

static void absurd_sizes_are_refused(void **state)
{
	struct mh_buf capped = MH_BUF_INIT(100), endless = MH_BUF_INIT(SIZE_MAX);

	(void)state;
	mh_buf_adds(&capped, "abc");
	assert_null(mh_buf_reserve(&capped, SIZE_MAX));
	assert_int_equal(capped.error, -EOVERFLOW);
	mh_buf_adds(&endless, "abc");
	assert_null(mh_buf_reserve(&endless, SIZE_MAX - 2));
	assert_int_equal(endless.error, -EOVERFLOW);
	mh_buf_clear(&endless);
	assert_null(mh_buf_reserve(&endless, SIZE_MAX / 4 * 3));
	assert_int_equal(endless.error, -ENOMEM);
	mh_buf_clear(&endless);
	mh_buf_adds(&endless, "abc");
	check(&endless, "abc");
	mh_buf_done(&capped);
	mh_buf_done(&endless);
}

static void reserved_room_can_be_written(void **state)
{
	struct mh_buf b = MH_BUF_INIT(100000);

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		char *to = mh_buf_reserve(&b, i);

		assert_non_null(to);
		assert_ptr_equal(to, b.data + b.len);
		memset(to, 'a' + (int)(i % 26), i);
		b.len += i;
	}
	assert_int_equal(strlen(mh_buf_str(&b)), 300 * 299 / 2);
	mh_buf_done(&b);
}

static void cleared_memory_is_used_again(void **state)
{
	struct mh_buf b = MH_BUF_INIT(100000);
	char *data;
	size_t cap;

	(void)state;
	mh_buf_printf(&b, "%50000s", "x");
	data = b.data;
	cap = b.cap;
	for (int i = 0; i < 100; i++) {
		mh_buf_clear(&b);
		mh_buf_printf(&b, "%50000d", i);
	}
	assert_ptr_equal(b.data, data);
	assert_int_equal(b.cap, cap);
	mh_buf_done(&b);
}

/* Any mixture of appends is what a plain array would hold. */
static void a_random_mixture_equals_an_array(void **state)
{
	static char expected[70000];

	(void)state;
	srandom(1);
	for (int round = 0; round < 50; round++) {
		struct mh_buf b = MH_BUF_INIT(65536);
		size_t len = 0;

		while (len < 60000) {
			char text[700];
			size_t n = (size_t)random() % sizeof(text);

			memset(text, 'a' + (int)random() % 26, sizeof(text));
			text[n ? n - 1 : 0] = '\0';
			n = strlen(text);
			if (random() % 2)
				mh_buf_add(&b, text, n);
			else
				mh_buf_printf(&b, "%s", text);
			memcpy(expected + len, text, n);
			len += n;
		}
		assert_int_equal(b.len, len);
		assert_memory_equal(b.data, expected, len);
		mh_buf_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_follow_one_another),
		cmocka_unit_test(numbers_are_decimal),
		cmocka_unit_test(the_cap_holds_to_the_byte),
		cmocka_unit_test(an_append_that_fails_leaves_nothing_behind),
		cmocka_unit_test(errors_stick_until_cleared),
		cmocka_unit_test(absurd_sizes_are_refused),
		cmocka_unit_test(reserved_room_can_be_written),
		cmocka_unit_test(cleared_memory_is_used_again),
		cmocka_unit_test(a_random_mixture_equals_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
