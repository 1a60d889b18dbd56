/* Name patterns: what matches, what is refused with which sentence, and that nothing stalls. */
#include "libmemhist/model/match.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct mh_match *compile(const char *pattern, enum mh_match_plain plain)
{
	struct mh_match *m = NULL;
	struct mh_err err = {""};

	if (mh_match_new(&m, pattern, plain, &err))
		fail_msg("%s", err.text);
	return m;
}

static bool matches_as(const char *pattern, enum mh_match_plain plain, const char *name, size_t len)
{
	struct mh_match *m = compile(pattern, plain);
	bool matched = mh_match_name(m, name, len);

	mh_match_free(m);
	return matched;
}

static bool matches(const char *pattern, const char *name)
{
	return matches_as(pattern, MH_MATCH_EXACT, name, strlen(name));
}

static void exact_words_match_whole_names(void **state)
{
	(void)state;
	assert_true(matches("bash", "bash"));
	assert_false(matches("bash", "bas"));
	assert_false(matches("bash", "bashful"));
	assert_false(matches("bash", "Bash"));
	assert_false(matches("bash", ""));
	assert_true(matches("a.c", "a.c"));
	assert_false(matches("a.c", "abc"));
	assert_false(matches_as("bash", MH_MATCH_EXACT, "bash\0x", 6));
	assert_true(matches("b\xff\n", "b\xff\n"));
}

static void substrings_match_inside(void **state)
{
	(void)state;
	assert_true(matches_as("ash", MH_MATCH_SUBSTRING, "bash -l", 7));
	assert_true(matches_as("-l", MH_MATCH_SUBSTRING, "bash\0-l", 7));
	assert_false(matches_as("bash -l", MH_MATCH_SUBSTRING, "bash", 4));
	assert_false(matches_as("x", MH_MATCH_SUBSTRING, "", 0));
}

static void slashes_on_both_sides_make_a_regular_expression(void **state)
{
	(void)state;
	assert_true(matches("/^post(gres|master)/", "postgres: writer"));
	assert_true(matches("/^post(gres|master)/", "postmaster"));
	assert_false(matches("/^post(gres|master)/", "xpostgres"));
	assert_true(matches("/ash/", "bash"));
	assert_true(matches("/^$/", ""));
	assert_true(matches("/(?i)BASH/", "bash"));
	assert_true(matches("/^(.)\\1$/", "zz"));
	/* a slash on one side only is part of a plain word */
	assert_true(matches("/bin/sh", "/bin/sh"));
	assert_false(matches("/bin/sh", "xbin/sh"));
	assert_true(matches("bin/", "bin/"));
	assert_true(matches_as("/usr/lib/", MH_MATCH_SUBSTRING, "x usr/lib y", 11));
	assert_true(matches("/a/b/", "xa/b"));
}

/* Names are bytes: no UTF-8 is expected, none is required, a pattern cannot ask for it. */
static void regular_expressions_see_bytes(void **state)
{
	struct mh_match *m;
	struct mh_err err;

	(void)state;
	assert_true(matches("/^.$/", "\xff"));
	assert_true(matches("/^..$/", "\xc3\xa4"));
	assert_true(matches("/\xc3\xa4/", "z\xc3\xa4h"));
	assert_true(matches("/\\xff/", "\xff"));
	assert_true(matches_as("/^a.b$/", MH_MATCH_EXACT, "a\0b", 3));
	assert_int_equal(mh_match_new(&m, "/(*UTF)a/", MH_MATCH_EXACT, &err), -EINVAL);
}

/* "postgres\n" must not pass for postgres, and ".*" must not end at a newline. */
static void a_newline_is_an_ordinary_byte(void **state)
{
	(void)state;
	assert_false(matches("/^postgres$/", "postgres\n"));
	assert_true(matches("/^post.*end$/", "post\nend"));
	assert_true(matches("/^postgres\n$/", "postgres\n"));
}

static void refuse(const char *pattern, const char *expected)
{
	struct mh_match *m = (void *)0x1;
	struct mh_err err = {""};

	assert_int_equal(mh_match_new(&m, pattern, MH_MATCH_EXACT, &err), -EINVAL);
	assert_ptr_equal(m, (void *)0x1);
	assert_string_equal(err.text, expected);
	assert_int_equal(mh_match_new(&m, pattern, MH_MATCH_SUBSTRING, NULL), -EINVAL);
}

static void faults_are_explained(void **state)
{
	(void)state;
	refuse("", "pattern \"\": it is empty and would never match");
	refuse("/", "pattern \"/\": there is no regular expression between the slashes");
	refuse("//", "pattern \"//\": there is no regular expression between the slashes");
	refuse("/a(b/", "pattern \"/a(b/\": missing closing parenthesis (at offset 3 of the "
			"regular expression)");
	refuse("/[z-a]/", "pattern \"/[z-a]/\": range out of order in character class (at offset "
			  "3 of the regular expression)");
}

static void a_pattern_cannot_reach_the_terminal_through_its_sentence(void **state)
{
	char huge[5000];

	(void)state;
	refuse("/(\x1b[2J\n\xff/",
	       "pattern \"/(\\x1b[2J\\x0a\\xff/\": missing terminating ] for character class (at "
	       "offset 7 of the regular expression)");
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	refuse(huge, "pattern \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		     "...\": it is longer than 4096 bytes");
	huge[4096] = '\0';
	mh_match_free(compile(huge, MH_MATCH_EXACT));
}

/* Without the limits each of these would run for longer than the universe has. */
static void effort_is_bounded(void **state)
{
	static const char *const patterns[] = {
		"/^(a+)+$/",        "/^(a|aa)+$/",        "/^(a|b|ab)*c?$/",     "/^(?:(?:a*)*)*$/",
		"/(a?){50}a{60}$/", "/(*NO_JIT)^(a+)+$/", "/(*NO_JIT)^(a|aa)+$/"};
	char name[4096];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[62] = name[sizeof(name) - 1] = 'X';
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		assert_false(matches_as(patterns[i], MH_MATCH_EXACT, name, 63));
		assert_false(matches_as(patterns[i], MH_MATCH_EXACT, name, sizeof(name)));
	}
}

static void what_is_given_up_is_counted(void **state)
{
	static const char *const patterns[] = {"/^(a|aa)+$/", "/(*NO_JIT)^(a|aa)+$/"};
	char name[63];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[62] = 'X';
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct mh_select s = {.invert = true};

		assert_int_equal(mh_select_add(&s, patterns[i], NULL), 0);
		assert_int_equal(mh_select_add(&s, "aaX", NULL), 0);
		assert_false(mh_select_name(&s, "aaa", 3));
		assert_true(mh_select_name(&s, "aaaX", 4));
		assert_int_equal(mh_select_given_up(&s), 0);
		assert_true(mh_select_name(&s, name, sizeof(name)));
		assert_true(mh_select_name(&s, name, sizeof(name)));
		assert_int_equal(mh_match_given_up(s.match[0]), 2);
		assert_int_equal(mh_select_given_up(&s), 2);
		mh_select_done(&s);
	}
}

/* ... and they leave honest patterns alone, on the longest command line that is kept, also where
 * the system allows no just-in-time code. */
static void honest_patterns_on_long_names_are_within_the_limits(void **state)
{
	char name[4096];

	(void)state;
	memset(name, 'a', sizeof(name));
	memcpy(name + sizeof(name) - 6, "foobar", 6);
	assert_true(matches_as("/^.*foo.*bar$/", MH_MATCH_EXACT, name, sizeof(name)));
	assert_true(matches_as("/^(?:a|b)*foobar$/", MH_MATCH_EXACT, name, sizeof(name)));
	assert_true(matches_as("/[^ ]+bar/", MH_MATCH_EXACT, name, sizeof(name)));
	assert_true(matches_as("/(*NO_JIT)^.*foo.*bar$/", MH_MATCH_EXACT, name, sizeof(name)));
	assert_true(matches_as("/(*NO_JIT)^(?:a|b)*foobar$/", MH_MATCH_EXACT, name, sizeof(name)));
	assert_true(matches_as("/(*NO_JIT)^(a|b)*foobar$/", MH_MATCH_EXACT, name, sizeof(name)));
	assert_true(matches_as("/^((a|b)(a|b))*foobar$/", MH_MATCH_EXACT, name, sizeof(name)));
	assert_true(
		matches_as("/(*NO_JIT)^((a|b)(a|b))*foobar$/", MH_MATCH_EXACT, name, sizeof(name)));
}

static void a_match_is_used_again_and_again(void **state)
{
	struct mh_match *m = compile("/^(\\w+)-\\1$/", MH_MATCH_EXACT);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_true(mh_match_name(m, "ab-ab", 5));
		assert_false(mh_match_name(m, "ab-ba", 5));
	}
	assert_int_equal(mh_match_given_up(m), 0);
	mh_match_free(m);
	mh_match_free(NULL);
}

static void a_selection_takes_any_pattern_or_none(void **state)
{
	struct mh_select s = {0};

	(void)state;
	assert_true(mh_select_name(&s, "anything", 8));
	s.invert = true;
	assert_true(mh_select_name(&s, "anything", 8));

	s.invert = false;
	assert_int_equal(mh_select_add(&s, "bash", NULL), 0);
	assert_int_equal(mh_select_add(&s, "/^kw/", NULL), 0);
	assert_true(mh_select_name(&s, "bash", 4));
	assert_true(mh_select_name(&s, "kworker", 7));
	assert_false(mh_select_name(&s, "init", 4));
	s.invert = true;
	assert_false(mh_select_name(&s, "bash", 4));
	assert_false(mh_select_name(&s, "kworker", 7));
	assert_true(mh_select_name(&s, "init", 4));
	mh_select_done(&s);
	assert_null(s.match);
	mh_select_done(&s);
}

static void a_refused_pattern_leaves_the_selection_as_it_was(void **state)
{
	struct mh_select s = {0};
	struct mh_err err;

	(void)state;
	assert_int_equal(mh_select_add(&s, "/(/", &err), -EINVAL);
	assert_true(mh_select_name(&s, "x", 1));
	assert_int_equal(mh_select_add(&s, "a", &err), 0);
	assert_int_equal(mh_select_add(&s, "", &err), -EINVAL);
	assert_int_equal(s.n, 1);
	for (int i = 1; i < 1024; i++)
		assert_int_equal(mh_select_add(&s, "b", &err), 0);
	assert_int_equal(mh_select_add(&s, "c", &err), -EOVERFLOW);
	assert_non_null(strstr(err.text, "1024 patterns"));
	assert_false(mh_select_name(&s, "c", 1));
	mh_select_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_words_match_whole_names),
		cmocka_unit_test(substrings_match_inside),
		cmocka_unit_test(slashes_on_both_sides_make_a_regular_expression),
		cmocka_unit_test(regular_expressions_see_bytes),
		cmocka_unit_test(a_newline_is_an_ordinary_byte),
		cmocka_unit_test(faults_are_explained),
		cmocka_unit_test(a_pattern_cannot_reach_the_terminal_through_its_sentence),
		cmocka_unit_test(effort_is_bounded),
		cmocka_unit_test(what_is_given_up_is_counted),
		cmocka_unit_test(honest_patterns_on_long_names_are_within_the_limits),
		cmocka_unit_test(a_match_is_used_again_and_again),
		cmocka_unit_test(a_selection_takes_any_pattern_or_none),
		cmocka_unit_test(a_refused_pattern_leaves_the_selection_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
