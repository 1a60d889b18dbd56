/* Regular expressions of rules: meant as in Go, with limits, and nothing that stalls. */
#include "libmemhist/model/regex.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct mh_regex_room *room;

static int open_room(void **state)
{
	(void)state;
	return mh_regex_room_new(&room);
}

static int close_room(void **state)
{
	(void)state;
	mh_regex_room_free(room);
	return 0;
}

static struct mh_regex *compile(const char *pattern)
{
	struct mh_regex *re = NULL;
	struct mh_err err = {""};

	if (mh_regex_new(&re, pattern, &err))
		fail_msg("%s", err.text);
	return re;
}

static bool matches(const char *pattern, const char *text)
{
	struct mh_regex *re = compile(pattern);
	bool matched = mh_regex_match(re, room, text, strlen(text));

	mh_regex_free(re);
	return matched;
}

static void they_mean_what_they_mean_in_go(void **state)
{
	(void)state;
	assert_true(matches("b", "abc"));
	assert_false(matches("^b", "abc"));
	assert_true(matches(".+", "x"));
	assert_false(matches(".+", ""));
	assert_true(matches(".*", ""));
	assert_false(matches("a.b", "a\nb")); /* no newline by '.' … */
	assert_true(matches("(?s)a.b", "a\nb"));
	assert_false(matches("^a$", "a\n")); /* … and '$' is the very end */
	assert_false(matches("^b$", "a\nb"));
	assert_true(matches("(?m)^b$", "a\nb"));
	assert_true(matches("(?i)BASH", "bash"));
	assert_true(matches("-config.path\\s+(?P<file>\\S+)", "x -config.path  /etc/x"));
	assert_true(matches("^\\pL.$", "\303\244\303\266")); /* characters, not bytes */
	assert_true(matches("[\303\244\303\266]$", "\303\266"));
	assert_false(matches("^[\303\244\303\266]+$", "\303\274")); /* ü shares a byte with both */
	assert_true(matches("\\Aa\\z", "a"));
	assert_true(matches("^[[:alpha:]]+$", "abc"));
	assert_true(matches("\\Q.*\\E", "a.*b"));
}

static void expect_part(const char *pattern, const char *text, const char *name,
			const char *expected)
{
	struct mh_regex *re = compile(pattern);
	int part = mh_regex_part(re, name, strlen(name));
	struct mh_regex_span span;

	assert_true(part >= 0);
	assert_true(mh_regex_match(re, room, text, strlen(text)));
	span = mh_regex_found(room, part);
	assert_int_equal(span.len, strlen(expected));
	assert_memory_equal(text + span.at, expected, span.len);
	mh_regex_free(re);
}

static void named_parts_are_found(void **state)
{
	struct mh_regex *re = compile("(?P<port>\\d+)(x)(?P<portal>y)?");

	(void)state;
	assert_int_equal(mh_regex_part(re, "port", 4), 1);
	assert_int_equal(mh_regex_part(re, "portal", 6), 3);
	assert_int_equal(mh_regex_part(re, "porta", 5), -1);
	assert_int_equal(mh_regex_part(re, "por", 3), -1);
	assert_int_equal(mh_regex_part(re, "", 0), -1);
	mh_regex_free(re);
	expect_part("--port=(?P<port>\\d+)", "nc --port=80 --port=81", "port", "80");
	expect_part("(?P<a>x*)", "yyy", "a", "");
	expect_part("b(?P<a>x)?", "abc", "a", ""); /* took no part */
	expect_part("(?P<a>x+)|(?P<b>y+)", "zyy", "b", "yy");
	expect_part("(?P<a>x+?)(?P<b>.*)", "xxx\nx", "b", "xx");
}

static void expect_refusal(const char *pattern, const char *sentence)
{
	struct mh_regex *re = NULL;
	struct mh_err err = {""};

	assert_int_equal(mh_regex_new(&re, pattern, &err), -EINVAL);
	assert_null(re);
	assert_string_equal(err.text, sentence);
}

static void mistakes_are_told(void **state)
{
	char longest[MH_REGEX_MAX + 2], parts[4 * MH_REGEX_PARTS + 8] = "";

	(void)state;
	expect_refusal("", "regular expression “”: it is empty: “.*” is everything");
	expect_refusal("a(b", "regular expression “a(b”: missing closing parenthesis (at offset "
			      "3)");
	expect_refusal("(?P<x>a)(?P<x>b)",
		       "regular expression “(?P<x>a)(?P<x>b)”: two named subpatterns have the same "
		       "name (PCRE2_DUPNAMES not set) (at offset 14)");
	expect_refusal("\\C", "regular expression “\\C”: using \\C is disabled by the "
			      "application (at offset 2)");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	expect_refusal(longest,
		       "regular expression "
		       "“aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
		       "”: it is longer than 4096 bytes");
	longest[MH_REGEX_MAX] = '\0';
	mh_regex_free(compile(longest));
	for (int i = 0; i < MH_REGEX_PARTS; i++)
		memcpy(parts + (size_t)3 * i, "(a)", 4);
	mh_regex_free(compile(parts));
	memcpy(parts + (size_t)3 * MH_REGEX_PARTS, "(a)", 4);
	expect_refusal(parts, "regular expression "
			      "“(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)(..."
			      "”: it has more than 64 parts in brackets");
}

/* An expression that explodes is tried a few times a tick, then passed over. */
static void patience_ends_and_comes_back(void **state)
{
	static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
	struct mh_regex *re = compile("^(a+)+$");

	(void)state;
	for (int i = 0; i < MH_REGEX_PATIENCE; i++)
		assert_false(mh_regex_match(re, room, text, sizeof(text) - 1));
	assert_int_equal(mh_regex_given_up(re), MH_REGEX_PATIENCE);
	assert_false(mh_regex_match(re, room, "aaa", 3)); /* not begun */
	assert_int_equal(mh_regex_given_up(re), MH_REGEX_PATIENCE + 1);
	mh_regex_forgive(re);
	assert_true(mh_regex_match(re, room, "aaa", 3));
	assert_int_equal(mh_regex_given_up(re), MH_REGEX_PATIENCE + 1);
	mh_regex_free(re);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_mean_what_they_mean_in_go),
		cmocka_unit_test(named_parts_are_found),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(patience_ends_and_comes_back),
	};

	return cmocka_run_group_tests(tests, open_room, close_room);
}
