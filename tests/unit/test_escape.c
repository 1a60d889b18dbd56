/*
 * The escapers: each case that its language names, here; the properties over random bytes, with a
 * reader of each language, in test_escape_random.c.
 */
#include "libmemhist/base/escape.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef void escape_fn(struct mh_buf *out, const char *bytes, size_t len);

static void check_bytes(escape_fn *escape, const char *bytes, size_t len, const char *expected)
{
	struct mh_buf b = MH_BUF_INIT(10000);

	escape(&b, bytes, len);
	assert_string_equal(mh_buf_str(&b), expected);
	assert_int_equal(b.len, strlen(expected));
	mh_buf_done(&b);
}

static void check(escape_fn *escape, const char *text, const char *expected)
{
	check_bytes(escape, text, strlen(text), expected);
}

/* --- UTF-8 ------------------------------------------------------------------------------- */

/* A second decoder, by arithmetic instead of by byte ranges: the length, or 0. */
static size_t naive_utf8(const unsigned char *p, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t need = p[0] < 0x80             ? 1
		      : (p[0] & 0xe0) == 0xc0 ? 2
		      : (p[0] & 0xf0) == 0xe0 ? 3
		      : (p[0] & 0xf8) == 0xf0 ? 4
					      : 0;
	uint32_t code;

	if (!need || need > len)
		return 0;
	if (need == 1)
		return 1;
	code = p[0] & (0x7fu >> need);
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[need] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return need;
}

static void every_short_sequence_is_judged_right(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1u << 24; i += 3) { /* all first two bytes, a third of the third */
		unsigned char p[4] = {(unsigned char)(i >> 16), (unsigned char)(i >> 8),
				      (unsigned char)i, 0x80};

		for (size_t len = 1; len <= 4; len++)
			if (mh_utf8_length((char *)p, len) != naive_utf8(p, len))
				fail_msg("%02x %02x %02x %02x, %zu bytes", p[0], p[1], p[2], p[3],
					 len);
	}
}

static void every_kind_of_invalid_utf8_is_refused(void **state)
{
	static const char *const invalid[] = {
		"\x80", /* a continuation alone */
		"\xbf",
		"\xc0\x80",     /* overlong NUL */
		"\xc1\xbf",     /* overlong DEL */
		"\xe0\x80\x80", /* overlong, three bytes */
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\x80", /* overlong, four bytes */
		"\xf0\x8f\xbf\xbf",
		"\xed\xa0\x80", /* surrogates */
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80", /* past U+10FFFF */
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80", /* five and six bytes */
		"\xfc\x84\x80\x80\x80\x80",
		"\xfe",
		"\xff",
		"\xc3", /* cut short */
		"\xe2\x82",
		"\xf0\x9f\x90",
		"\xc3"
		"a", /* the rest is something else */
		"\xe2\x82"
		"a",
		"\xf0\x9f\x90"
		"a",
		"\xe2"
		"a\xac",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		assert_int_equal(mh_utf8_length(invalid[i], strlen(invalid[i])), 0);
	assert_int_equal(mh_utf8_length("\0", 1), 1);
	assert_int_equal(mh_utf8_length("\xed\x9f\xbf", 3), 3);
	assert_int_equal(mh_utf8_length("\xee\x80\x80", 3), 3);
	assert_int_equal(mh_utf8_length("\xf4\x8f\xbf\xbf", 4), 4);
}

/* --- one language each ------------------------------------------------------------------- */

#define EURO    "\xe2\x82\xac"
#define UNKNOWN "\xef\xbf\xbd"

static void plain_text_stays_as_it_is(void **state)
{
	static escape_fn *const all[] = {mh_escape_utf8, mh_escape_prometheus, mh_escape_tsv,
					 mh_escape_json, mh_escape_terminal,   mh_escape_html,
					 mh_escape_csv,  mh_escape_collectd};
	const char *word = "kworker_0:1-events+x@host.example";

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		check(all[i], word, word);
		if (all[i] == mh_escape_collectd)
			continue;
		check(all[i], "", "");
		check(all[i], EURO " \xf0\x9f\x90\xa7", EURO " \xf0\x9f\x90\xa7");
	}
}

static void utf8_replaces_bytes_one_by_one(void **state)
{
	(void)state;
	check(mh_escape_utf8, "a\xff\xe2\x82z", "a" UNKNOWN UNKNOWN UNKNOWN "z");
	check(mh_escape_utf8, "\n\\\"\x1b", "\n\\\"\x1b");
}

static void prometheus_label_values(void **state)
{
	(void)state;
	check(mh_escape_prometheus, "a\\b\"c\nd\te\r\x1b", "a\\\\b\\\"c\\nd\te\r\x1b");
	check(mh_escape_prometheus, "\xff" EURO, UNKNOWN EURO);
}

static void tsv_cells(void **state)
{
	(void)state;
	check(mh_escape_tsv, "a\tb\nc\rd\\e", "a\\tb\\nc\\rd\\\\e");
	check_bytes(mh_escape_tsv, "\0\x1b\x7f", 3, "\\x00\\x1b\\x7f");
	check(mh_escape_tsv, "\xc2\x9b\xff" EURO, "\\xc2\\x9b\\xff" EURO);
	check(mh_escape_tsv, "\\x41", "\\\\x41");
}

static void csv_cells(void **state)
{
	(void)state;
	check(mh_escape_csv, "a,b", "\"a,b\"");
	check(mh_escape_csv, "say \"hi\"", "\"say \"\"hi\"\"\"");
	check(mh_escape_csv, "two\nlines", "\"two\nlines\"");
	check(mh_escape_csv, "from\r", "\"from\r\"");
	check(mh_escape_csv, " a", "\" a\"");
	check(mh_escape_csv, "a ", "\"a \"");
	check(mh_escape_csv, "a b\tc", "a b\tc");
	check_bytes(mh_escape_csv, "\0\x1b\x7f\xc2\x9b\xff", 6,
		    UNKNOWN UNKNOWN UNKNOWN UNKNOWN UNKNOWN);
}

static void formulas_are_guarded(void **state)
{
	static const char *const formulas[] = {"=1+1", "+1", "-1", "@x", "\tx", "\rx", "="};
	static const char *const harmless[] = {"", "a=1", "'", "'a", "''", " =1", "1-1", "a'=1"};

	(void)state;
	for (size_t i = 0; i < sizeof(formulas) / sizeof(formulas[0]); i++) {
		const char *text = formulas[i];
		char quoted[20];

		assert_true(mh_needs_guard(text, strlen(text), true));
		assert_false(mh_needs_guard(text, strlen(text), false));
		assert_false(mh_has_guard(text, strlen(text)));
		snprintf(quoted, sizeof(quoted), "'%s", text);
		assert_true(mh_has_guard(quoted, strlen(quoted)));
		/* the process that is called so by itself */
		assert_true(mh_needs_guard(quoted, strlen(quoted), true));
		assert_true(mh_needs_guard(quoted, strlen(quoted), false));
	}
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		assert_false(mh_needs_guard(harmless[i], strlen(harmless[i]), true));
		assert_false(mh_has_guard(harmless[i], strlen(harmless[i])));
	}
	assert_false(mh_needs_guard("\0=", 2, true));
}

static void json_strings(void **state)
{
	(void)state;
	check(mh_escape_json, "a\"b\\c/d\n\t", "a\\\"b\\\\c/d\\n\\t");
	check_bytes(mh_escape_json, "\0\r\x1b\x7f\xc2\x85", 6,
		    "\\u0000\\u000d\\u001b\\u007f\\u0085");
	check(mh_escape_json, "\xff\xed\xa0\x80", UNKNOWN UNKNOWN UNKNOWN UNKNOWN);
}

static void terminals(void **state)
{
	(void)state;
	check(mh_escape_terminal, "a\x1b[2Jb\n\r\x7f\xc2\x9b\xff",
	      "a\\x1b[2Jb\\x0a\\x0d\\x7f\\xc2\\x9b\\xff");
	/* right-to-left override and isolates reverse what stands after them */
	check(mh_escape_terminal, "\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9",
	      "\\u{202e}\\u{2066}\\u{2069}");
	check(mh_escape_terminal, "\xe2\x80\xa9\xe2\x80\xaf\xe2\x81\xa5",
	      "\xe2\x80\xa9\xe2\x80\xaf"
	      "\xe2\x81\xa5");
}

static void html(void **state)
{
	(void)state;
	check(mh_escape_html, "<b a='1' c=\"2\">&amp;",
	      "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;");
	check(mh_escape_html, "\x1b\n\xff\xc2\x9b", UNKNOWN UNKNOWN UNKNOWN UNKNOWN);
}

static void collectd_identifiers(void **state)
{
	char long_name[200], expected[128];

	(void)state;
	check(mh_escape_collectd, "", "_");
	check(mh_escape_collectd, "a/b c\xc3\xa4\n", "a_b_c___");
	check_bytes(mh_escape_collectd, "\0\0", 2, "__");
	memset(long_name, 'x', sizeof(long_name));
	memset(expected, 'x', 127);
	expected[127] = '\0';
	check_bytes(mh_escape_collectd, long_name, sizeof(long_name), expected);
}

static void a_full_buffer_is_told_by_its_error(void **state)
{
	struct mh_buf b = MH_BUF_INIT(5);

	(void)state;
	mh_escape_tsv(&b,
		      "abc\x1b"
		      "d",
		      5);
	assert_int_equal(b.error, -EOVERFLOW);
	assert_int_equal(b.len, 3);
	mh_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_short_sequence_is_judged_right),
		cmocka_unit_test(every_kind_of_invalid_utf8_is_refused),
		cmocka_unit_test(plain_text_stays_as_it_is),
		cmocka_unit_test(utf8_replaces_bytes_one_by_one),
		cmocka_unit_test(prometheus_label_values),
		cmocka_unit_test(tsv_cells),
		cmocka_unit_test(csv_cells),
		cmocka_unit_test(formulas_are_guarded),
		cmocka_unit_test(json_strings),
		cmocka_unit_test(terminals),
		cmocka_unit_test(html),
		cmocka_unit_test(collectd_identifiers),
		cmocka_unit_test(a_full_buffer_is_told_by_its_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
