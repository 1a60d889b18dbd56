/* Did-you-mean: what is offered for typical slips, and that nothing far-fetched is. */
#include "libmemhist/base/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char *const words[] = {
	"HistoryDir", "Select", "IgnoreSelected", "MaxInstances", "--web.listen-address", NULL};

static void check(const char *word, const char *expected)
{
	const char *found = mh_suggest(word, words);

	if (expected) {
		assert_non_null(found);
		assert_string_equal(found, expected);
	} else if (found) {
		fail_msg("'%s' was offered for '%s'", found, word);
	}
}

static void each_kind_of_slip_is_one_error(void **state)
{
	(void)state;
	check("HistoryDirr", "HistoryDir");
	check("HistoryDr", "HistoryDir");
	check("HistoryDar", "HistoryDir");
	check("HistroyDir", "HistoryDir");
}

static void case_does_not_count(void **state)
{
	(void)state;
	check("historydir", "HistoryDir");
	check("IGNORESELECTED", "IgnoreSelected");
}

/* Six letters allow two errors and no third. */
static void a_third_of_the_letters_is_the_limit(void **state)
{
	(void)state;
	check("Sxlxct", "Select");
	check("Sxlxcx", NULL);
}

static void the_longer_word_counts(void **state)
{
	(void)state;
	check("--web.listen", NULL);
	check("--web.listen-adr", "--web.listen-address");
}

static void exchanged_neighbours_are_one_error(void **state)
{
	static const char *const known[] = {"ab", "abcd", NULL};

	(void)state;
	/* one exchange in four letters is within a third, two errors would not be */
	assert_string_equal(mh_suggest("abdc", known), "abcd");
	assert_null(mh_suggest("ba", known));
}

static void of_equals_the_first_wins(void **state)
{
	static const char *const known[] = {"rate", "date", NULL};

	(void)state;
	assert_string_equal(mh_suggest("gate", known), "rate");
}

static void the_nearest_wins_wherever_it_stands(void **state)
{
	static const char *const known[] = {"interim", "interval", "internal", NULL};

	(void)state;
	assert_string_equal(mh_suggest("intervall", known), "interval");
	assert_string_equal(mh_suggest("internall", known), "internal");
}

static void nonsense_and_extremes_find_nothing(void **state)
{
	static const char *const none[] = {NULL};
	char huge[5000];

	(void)state;
	memset(huge, 'a', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	check("", NULL);
	check("x", NULL);
	check("\xff\xfe\n\x1b", NULL);
	check(huge, NULL);
	assert_null(mh_suggest("Select", none));
}

static void words_of_the_greatest_length_are_compared(void **state)
{
	char word[65], known[65], longer[66];
	const char *const list[] = {longer, known, NULL};

	(void)state;
	memset(word, 'a', 64);
	memset(known, 'a', 64);
	memset(longer, 'a', 65);
	word[64] = known[64] = longer[65] = '\0';
	known[63] = 'b';
	assert_ptr_equal(mh_suggest(word, list), known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_slip_is_one_error),
		cmocka_unit_test(case_does_not_count),
		cmocka_unit_test(a_third_of_the_letters_is_the_limit),
		cmocka_unit_test(the_longer_word_counts),
		cmocka_unit_test(exchanged_neighbours_are_one_error),
		cmocka_unit_test(of_equals_the_first_wins),
		cmocka_unit_test(the_nearest_wins_wherever_it_stands),
		cmocka_unit_test(nonsense_and_extremes_find_nothing),
		cmocka_unit_test(words_of_the_greatest_length_are_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
