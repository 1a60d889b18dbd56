/* The parameters of requests to the API. */
#include "exporter/api/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static const char *const names[] = {"sort", "limit", "since", NULL};

static void add(struct query *q, const char *key, const char *value)
{
	query_add(q, key, strlen(key), value, value ? strlen(value) : 0);
}

/* What is said of one parameter; NULL: nothing. */
static const char *error_of(const char *key, const char *value)
{
	static struct query q;

	query_begin(&q, names);
	add(&q, key, value);
	return q.error;
}

static void parameters_are_decoded(void **state)
{
	struct query q;

	(void)state;
	query_begin(&q, names);
	add(&q, "sort", "%41b%2bc%c3%A9 d");
	assert_null(q.error);
	assert_string_equal(query_text(&q, "sort"), "Ab+c\xc3\xa9 d");
	assert_null(query_text(&q, "limit"));
	assert_null(query_text(&q, "other"));
}

static void wrong_parameters_are_refused(void **state)
{
	static const char unknown[] = "there is a parameter that is not known here";
	static const char escape[] =
		"a '%' in a parameter is not followed by two hexadecimal digits";
	char text[3 * QUERY_VALUE_MAX + 4] = "";
	struct query q;

	(void)state;
	assert_string_equal(error_of("other", "1"), unknown);
	assert_string_equal(error_of("", "1"), unknown);
	assert_string_equal(error_of("sor", "1"), unknown);
	assert_string_equal(error_of("sorts", "1"), unknown);
	assert_string_equal(error_of("SORT", "1"), unknown);
	assert_string_equal(error_of("sort", NULL), "a parameter has no value");
	assert_string_equal(error_of("sort", ""), "a parameter is empty");
	assert_string_equal(error_of("sort", "a%00b"), "a parameter has a NUL byte in it");
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(
			error_of("sort", (const char *[]){"%", "%4", "a%", "%g1", "%1g"}[i]),
			escape);
	query_begin(&q, names);
	add(&q, "sort", "1");
	assert_null(q.error);
	add(&q, "limit", "1");
	assert_null(q.error);
	add(&q, "sort", "1");
	assert_string_equal(q.error, "a parameter is given twice");
	add(&q, "other", "1"); /* the first error stays */
	assert_string_equal(q.error, "a parameter is given twice");

	for (size_t i = 0; i < QUERY_VALUE_MAX; i++)
		memcpy(text + 3 * i, "%41", 3);
	assert_null(error_of("sort", text));
	text[3 * QUERY_VALUE_MAX] = 'A';
	assert_string_equal(error_of("sort", text), "a parameter is longer than 255 bytes");
}

static const char *number_error(const char *text, uint32_t *ret)
{
	struct query q;

	query_begin(&q, names);
	if (text)
		add(&q, "limit", text);
	*ret = query_number(&q, "limit", 1, 100, 20, "wrong");
	return q.error;
}

static void numbers_have_bounds(void **state)
{
	static const char *const wrong[] = {"0",  "101",  "-1",  "+1",  "1.0",
					    "1a", "%201", "0x1", "1e1", "18446744073709551617"};
	uint32_t n;

	(void)state;
	assert_null(number_error(NULL, &n));
	assert_int_equal(n, 20);
	assert_null(number_error("1", &n));
	assert_int_equal(n, 1);
	assert_null(number_error("0100", &n));
	assert_int_equal(n, 100);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_string_equal(number_error(wrong[i], &n), "wrong");
}

static void digits_stop_at_their_limit(void **state)
{
	const char *p = "18446744073709551615-";
	uint64_t n;

	(void)state;
	assert_true(query_digits(&p, UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
	assert_string_equal(p, "-");
	p = "18446744073709551616";
	assert_false(query_digits(&p, UINT64_MAX, &n));
	p = "7";
	assert_false(query_digits(&p, 6, &n));
	p = "6";
	assert_true(query_digits(&p, 6, &n));
	p = "";
	assert_false(query_digits(&p, 6, &n));
}

static void words_are_those_of_a_list(void **state)
{
	static const char *const words[] = {"rss", "growth", NULL};
	struct query q;

	(void)state;
	query_begin(&q, names);
	assert_int_equal(query_word(&q, "sort", words, 1, "wrong"), 1);
	add(&q, "sort", "rss");
	assert_int_equal(query_word(&q, "sort", words, 1, "wrong"), 0);
	assert_null(q.error);
	query_begin(&q, names);
	add(&q, "sort", "rs");
	assert_int_equal(query_word(&q, "sort", words, 1, "wrong"), 1);
	assert_string_equal(q.error, "wrong");
}

static bool reads_time(const char *text, mh_ms_t *ret)
{
	struct query q;

	query_begin(&q, names);
	add(&q, "since", text);
	*ret = query_time(&q, "since", -7);
	return !q.error;
}

static void times_are_dates_or_seconds(void **state)
{
	static const char *const wrong[] = {"now",
					    "10m ago",
					    "-10m",
					    "@5",
					    "2026-01-31",
					    "2026-01-31 12:00:00Z",
					    "2026-01-31T12:00:00",
					    "2026-02-30T12:00:00Z",
					    "2026-01-31T12:00:00Zz",
					    "1.",
					    "1.2345",
					    "253402300800",
					    "1e3",
					    ".5",
					    "x2026-01-31T12:00:00Z"};
	mh_ms_t ms;

	(void)state;
	assert_true(reads_time("1769860800", &ms));
	assert_true(ms == 1769860800000);
	assert_true(reads_time("1769860800.25", &ms));
	assert_true(ms == 1769860800250);
	assert_true(reads_time("2026-01-31T12:00:00Z", &ms));
	assert_true(ms == 1769860800000);
	assert_true(reads_time("2026-01-31T21:00:00%2B09:00", &ms));
	assert_true(ms == 1769860800000);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(reads_time(wrong[i], &ms));
		assert_true(ms == -7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_decoded),
		cmocka_unit_test(wrong_parameters_are_refused),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(digits_stop_at_their_limit),
		cmocka_unit_test(words_are_those_of_a_list),
		cmocka_unit_test(times_are_dates_or_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
