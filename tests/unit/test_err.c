/* Sentences about failures: what they say, where they are cut, and that they are safe to show. */
#include "libmemhist/base/err.h"
#include "libmemhist/base/escape.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void a_sentence_is_written_and_the_code_returned(void **state)
{
	struct mh_err err;

	(void)state;
	assert_int_equal(mh_errf(&err, -EINVAL, "%s, line %d: %s", "x.csv", 7, "bad"), -EINVAL);
	assert_string_equal(err.text, "x.csv, line 7: bad");
	assert_int_equal(mh_errf(&err, 3, "%s", ""), 3);
	assert_string_equal(err.text, "");
	assert_int_equal(mh_errf(NULL, -EBUSY, "%s", "nobody listens"), -EBUSY);
}

static void the_systems_reason_is_appended(void **state)
{
	struct mh_err err;

	(void)state;
	assert_int_equal(mh_err_sys(&err, -ENOENT, "cannot open %s", "/x"), -ENOENT);
	assert_string_equal(err.text, "cannot open /x: No such file or directory");
	mh_err_sys(&err, -99999, "cannot");
	assert_string_equal(err.text, "cannot: Unknown error 99999");
	assert_int_equal(mh_err_sys(NULL, -EIO, "x"), -EIO);
}

static void long_sentences_are_cut(void **state)
{
	char text[2000];
	struct mh_err err;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (size_t len = 490; len < 530; len++) {
		size_t expected = len < sizeof(err.text) ? len : sizeof(err.text) - 1;

		text[len] = '\0';
		mh_errf(&err, -1, "%s", text);
		assert_int_equal(strlen(err.text), expected);
		mh_err_sys(&err, -EIO, "%s", text);
		assert_memory_equal(err.text, text, expected);
		assert_in_range(strlen(err.text), expected, sizeof(err.text) - 1);
		text[len] = 'a';
	}
}

static void check_safe(const struct mh_err *err)
{
	size_t len = strlen(err->text);

	for (size_t i = 0; i < len;) {
		const unsigned char *p = (const unsigned char *)err->text + i;
		size_t n = mh_utf8_length(err->text + i, len - i);

		assert_true(n > 0);
		assert_true(*p >= 0x20 && *p != 0x7f);
		assert_false(*p == 0xc2 && p[1] < 0xa0);
		i += n;
	}
}

static void control_characters_and_broken_text_are_defused(void **state)
{
	struct mh_err err;

	(void)state;
	mh_errf(&err, -1, "a\x1b[2J\n\tb\x7f");
	assert_string_equal(err.text, "a?[2J??b?");
	mh_errf(&err, -1,
		"\xc2\x9b"
		"2J \xff \xc3"); /* CSI as one character */
	assert_string_equal(err.text, "??2J ? ?");
	mh_errf(&err, -1, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7\xc2\xa0");
	assert_string_equal(err.text, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7\xc2\xa0");
	mh_err_sys(&err, -ENOENT, "\x9b\n");
	assert_string_equal(err.text, "??: No such file or directory");
}

static void a_character_is_not_cut_in_half(void **state)
{
	char text[600];
	struct mh_err err;

	(void)state;
	for (size_t pad = 505; pad < 512; pad++) {
		memset(text, 'a', sizeof(text));
		memcpy(text + pad, "\xf0\x9f\x90\xa7\xf0\x9f\x90\xa7", 9);
		mh_errf(&err, -1, "%s", text);
		check_safe(&err);
		assert_int_equal(strlen(err.text), 511);
	}
}

static void random_bytes_are_safe(void **state)
{
	struct mh_err err;

	(void)state;
	srandom(8);
	for (int i = 0; i < 20000; i++) {
		char text[40];

		for (size_t k = 0; k < sizeof(text); k++)
			text[k] = (char)(random() % 2 ? 0xc0 + random() % 64 : random());
		text[sizeof(text) - 1] = '\0';
		mh_errf(&err, -1, "%s", text);
		assert_int_equal(strlen(err.text), strlen(text));
		check_safe(&err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sentence_is_written_and_the_code_returned),
		cmocka_unit_test(the_systems_reason_is_appended),
		cmocka_unit_test(long_sentences_are_cut),
		cmocka_unit_test(control_characters_and_broken_text_are_defused),
		cmocka_unit_test(a_character_is_not_cut_in_half),
		cmocka_unit_test(random_bytes_are_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
