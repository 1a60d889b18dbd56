/*
 * The escapers over random bytes, each read by a small reader of its language that was written from
 * the language's own definition: what comes back is what went in, or what U+FFFD makes of it, and
 * nothing in the text could be taken for structure.
 */
#include "libmemhist/base/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ROUNDS = 30000, INPUT_MAX = 60, OUTPUT_MAX = INPUT_MAX * 8 };

#define UNKNOWN "\xef\xbf\xbd"

/* Pieces that are dangerous somewhere, so that chance meets them and their halves. */
static const char *const pieces[] = {
	"\\",
	"\"",
	"\n",
	"\t",
	"\r",
	"\x1b[31m",
	"\\n",
	"\\x41",
	"\\u0041",
	"'",
	"<",
	"&",
	">",
	"\x7f",
	"\xc2\x9b",
	"\xff",
	"\xe2\x80\xae",
	"\xe2\x81\xa6",
	"\xf0\x9f\x90\xa7",
	"\xed\xa0\x80",
	"\xc0\x80",
	",",
	"a",
	"0",
	" ",
};

static size_t make_input(char *to)
{
	size_t len = 0, want = (size_t)random() % INPUT_MAX;

	while (len < want) {
		const char *piece = pieces[(size_t)random() % (sizeof(pieces) / sizeof(pieces[0]))];
		size_t n = 1 + (size_t)random() % strlen(piece);

		if (random() % 3 == 0) {
			to[len++] = (char)random();
			continue;
		}
		if (n > want - len)
			n = want - len;
		memcpy(to + len, piece, n);
		len += n;
	}
	return len;
}

/* What a language that demands UTF-8 must say: each byte of no character as U+FFFD. */
static size_t replaced(char *to, const char *from, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len;) {
		size_t n = mh_utf8_length(from + i, len - i);

		memcpy(to + out, n ? from + i : UNKNOWN, n ? n : 3);
		out += n ? n : 3;
		i += n ? n : 1;
	}
	return out;
}

static void check_utf8(const struct mh_buf *b)
{
	for (size_t i = 0, n; i < b->len; i += n) {
		n = mh_utf8_length(b->data + i, b->len - i);
		assert_true(n > 0);
	}
}

/* No byte and no character that a terminal obeys. */
static void check_no_controls(const struct mh_buf *b)
{
	for (size_t i = 0; i < b->len; i++) {
		unsigned char c = (unsigned char)b->data[i];

		assert_true(c >= 0x20 && c != 0x7f);
		if (i + 1 < b->len)
			assert_false(c == 0xc2 && (unsigned char)b->data[i + 1] < 0xa0);
	}
}

static int hex(const char *p, int digits)
{
	int value = 0;

	for (; digits; digits--, p++) {
		const char *all = "0123456789abcdef", *at = *p ? strchr(all, *p) : NULL;

		assert_non_null(at);
		value = value * 16 + (int)(at - all);
	}
	return value;
}

typedef void escape_fn(struct mh_buf *out, const char *bytes, size_t len);
typedef size_t read_fn(char *to, const struct mh_buf *text);

/* \t \n \r \\ \xNN and nothing else behind a backslash. */
static size_t read_tsv(char *to, const struct mh_buf *text)
{
	size_t len = 0;

	check_no_controls(text);
	for (size_t i = 0; i < text->len; i++) {
		const char *p = text->data + i;

		if (*p != '\\') {
			to[len++] = *p;
			continue;
		}
		assert_true(++i < text->len);
		switch (p[1]) {
		case 't':
			to[len++] = '\t';
			break;
		case 'n':
			to[len++] = '\n';
			break;
		case 'r':
			to[len++] = '\r';
			break;
		case '\\':
			to[len++] = '\\';
			break;
		case 'x':
			assert_true(i + 2 < text->len);
			to[len++] = (char)hex(p + 2, 2);
			i += 2;
			break;
		default:
			fail_msg("\\%c in a TSV cell", p[1]);
		}
	}
	return len;
}

/* RFC 4180: a cell in quotes that holds quotes twice, or one without any of " , CR LF. */
static size_t read_csv(char *to, const struct mh_buf *text)
{
	size_t len = 0, i = 0, end = text->len;

	if (!end || text->data[0] != '"') {
		for (; i < end; i++) {
			assert_null(memchr(",\"\r\n", text->data[i], 4));
			to[len++] = text->data[i];
		}
		return len;
	}
	assert_int_equal(text->data[--end], '"');
	for (i = 1; i < end; i++) {
		if (text->data[i] == '"')
			assert_true(++i < end && text->data[i] == '"');
		to[len++] = text->data[i];
	}
	return len;
}

/* Text format 0.0.4: \\ \" \n; a bare quote or newline would end the value. */
static size_t read_prometheus(char *to, const struct mh_buf *text)
{
	size_t len = 0;

	for (size_t i = 0; i < text->len; i++) {
		char c = text->data[i];

		assert_true(c != '"' && c != '\n');
		if (c == '\\') {
			assert_true(++i < text->len);
			c = text->data[i];
			assert_true(c == '\\' || c == '"' || c == 'n');
			c = c == 'n' ? '\n' : c;
		}
		to[len++] = c;
	}
	return len;
}

/* RFC 8259: no control below U+0020 unescaped, \" \\ \/ \b \f \n \r \t \uXXXX. */
static size_t read_json(char *to, const struct mh_buf *text)
{
	size_t len = 0;

	check_no_controls(text);
	for (size_t i = 0; i < text->len; i++) {
		const char *p = text->data + i;
		int code;

		assert_true(*p != '"');
		if (*p != '\\') {
			to[len++] = *p;
			continue;
		}
		assert_true(++i < text->len);
		switch (p[1]) {
		case '"':
		case '\\':
			to[len++] = p[1];
			break;
		case 'n':
			to[len++] = '\n';
			break;
		case 't':
			to[len++] = '\t';
			break;
		case 'u':
			assert_true(i + 4 < text->len);
			code = hex(p + 2, 4);
			i += 4;
			/* only controls come so: one byte, or two with C2 before it */
			assert_true(code < 0xa0);
			if (code >= 0x80)
				to[len++] = '\xc2';
			to[len++] = (char)code;
			break;
		default:
			fail_msg("\\%c in a JSON string", p[1]);
		}
	}
	return len;
}

static size_t read_html(char *to, const struct mh_buf *text)
{
	static const char *const entities[][2] = {
		{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"},
	};
	size_t len = 0, i = 0;

	check_no_controls(text);
	while (i < text->len) {
		size_t e = 0;

		assert_null(memchr("<>\"'", text->data[i], 4));
		if (text->data[i] != '&') {
			to[len++] = text->data[i++];
			continue;
		}
		while (e < 5 &&
		       strncmp(text->data + i, entities[e][0], strlen(entities[e][0])) != 0)
			e++;
		assert_in_range(e, 0, 4);
		to[len++] = entities[e][1][0];
		i += strlen(entities[e][0]);
	}
	return len;
}

static size_t read_utf8(char *to, const struct mh_buf *text)
{
	memcpy(to, text->data, text->len);
	return text->len;
}

/* Controls are lost in HTML, as told: what U+FFFD makes of them too. */
static size_t without_controls(char *text, size_t len)
{
	char copy[OUTPUT_MAX];
	size_t out = 0;

	memcpy(copy, text, len);
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)copy[i];

		n = mh_utf8_length(copy + i, len - i);
		if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)copy[i + 1] < 0xa0)) {
			memcpy(text + out, UNKNOWN, 3);
			out += 3;
		} else {
			memmove(text + out, copy + i, n);
			out += n;
		}
	}
	return out;
}

/* Control bytes as RFC 4180 has none, but for those that text is laid out with. */
static size_t without_wild_controls(char *text, size_t len)
{
	char copy[OUTPUT_MAX];
	size_t out = 0;

	memcpy(copy, text, len);
	for (size_t i = 0, n; i < len; i += n) {
		unsigned char c = (unsigned char)copy[i];
		bool is_wild = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f ||
			       (c == 0xc2 && (unsigned char)copy[i + 1] < 0xa0);

		n = mh_utf8_length(copy + i, len - i);
		memcpy(text + out, is_wild ? UNKNOWN : copy + i, is_wild ? 3 : n);
		out += is_wild ? 3 : n;
	}
	return out;
}

static void round_trip(escape_fn *escape, read_fn *read, bool reversible)
{
	struct mh_buf b = MH_BUF_INIT(OUTPUT_MAX);

	srandom(20);
	for (int i = 0; i < ROUNDS; i++) {
		char input[INPUT_MAX], back[OUTPUT_MAX], expected[OUTPUT_MAX];
		size_t len = make_input(input), want = len, got;

		mh_buf_clear(&b);
		escape(&b, input, len);
		mh_buf_addc(&b, '.'); /* so that there are bytes, and one behind the last escape */
		assert_int_equal(b.error, 0);
		b.len--;
		check_utf8(&b);
		got = read(back, &b);
		memcpy(expected, input, len);
		if (!reversible)
			want = replaced(expected, input, len);
		if (escape == mh_escape_html)
			want = without_controls(expected, want);
		if (escape == mh_escape_csv)
			want = without_wild_controls(expected, want);
		assert_int_equal(got, want);
		assert_memory_equal(back, expected, want);
	}
	mh_buf_done(&b);
}

static void tsv_comes_back_byte_for_byte(void **state)
{
	(void)state;
	round_trip(mh_escape_tsv, read_tsv, true);
}

static void csv_comes_back(void **state)
{
	(void)state;
	round_trip(mh_escape_csv, read_csv, false);
}

/* Whatever the text, what was put in front of it comes off again, and nothing else does. */
static void guards_come_off_again(void **state)
{
	(void)state;
	srandom(23);
	for (int i = 0; i < ROUNDS; i++) {
		static const char start[] = "''=+-@\t\ra";
		char input[INPUT_MAX + 5], *text = input + 1;
		size_t n = (size_t)random() % 4, len;
		bool formulas = random() % 2;

		for (size_t k = 0; k < n; k++)
			text[k] = start[(size_t)random() % (sizeof(start) - 1)];
		len = n + make_input(text + n);
		if (mh_needs_guard(text, len, formulas)) {
			input[0] = '\'';
			assert_true(mh_has_guard(input, len + 1));
		} else {
			assert_false(mh_has_guard(text, len));
			assert_false(formulas && len && text[0] && strchr("=+-@\t\r", text[0]));
		}
	}
}

static void prometheus_comes_back(void **state)
{
	(void)state;
	round_trip(mh_escape_prometheus, read_prometheus, false);
}

static void json_comes_back(void **state)
{
	(void)state;
	round_trip(mh_escape_json, read_json, false);
}

static void html_comes_back(void **state)
{
	(void)state;
	round_trip(mh_escape_html, read_html, false);
}

static void utf8_comes_back(void **state)
{
	(void)state;
	round_trip(mh_escape_utf8, read_utf8, false);
}

static void a_terminal_obeys_nothing(void **state)
{
	static const char *const overrides[] = {
		"\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae",
		"\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9",
	};
	struct mh_buf b = MH_BUF_INIT(OUTPUT_MAX);

	(void)state;
	srandom(21);
	for (int i = 0; i < ROUNDS; i++) {
		char input[INPUT_MAX];
		size_t len = make_input(input);

		mh_buf_clear(&b);
		mh_escape_terminal(&b, input, len);
		check_utf8(&b);
		check_no_controls(&b);
		for (size_t k = 0; k < 9; k++)
			assert_null(strstr(mh_buf_str(&b), overrides[k]));
	}
	mh_buf_done(&b);
}

static void collectd_gets_only_its_letters(void **state)
{
	struct mh_buf b = MH_BUF_INIT(OUTPUT_MAX);

	(void)state;
	srandom(22);
	for (int i = 0; i < ROUNDS; i++) {
		char input[INPUT_MAX];
		size_t len = make_input(input);

		mh_buf_clear(&b);
		mh_escape_collectd(&b, input, len);
		assert_int_equal(b.len, len ? len : 1);
		for (size_t k = 0; k < b.len; k++) {
			char c = b.data[k];
			bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				       (c >= '0' && c <= '9') || c == '_' || c == '.' || c == ':' ||
				       c == '@' || c == '+' || c == '-';

			assert_true(allowed);
			if (len)
				assert_true(c == input[k] || c == '_');
		}
	}
	mh_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tsv_comes_back_byte_for_byte),
		cmocka_unit_test(csv_comes_back),
		cmocka_unit_test(guards_come_off_again),
		cmocka_unit_test(prometheus_comes_back),
		cmocka_unit_test(json_comes_back),
		cmocka_unit_test(html_comes_back),
		cmocka_unit_test(utf8_comes_back),
		cmocka_unit_test(a_terminal_obeys_nothing),
		cmocka_unit_test(collectd_gets_only_its_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
