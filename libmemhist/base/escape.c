/*
 * The escapers. All share one walk over the bytes, which hands out valid characters and single
 * invalid bytes; a language is a function that says what to write for each.
 */
#include "libmemhist/base/escape.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

enum { COLLECTD_PART_MAX = 127 };

/* One item of the walk: a whole character (code >= 0) or one byte that belongs to none (-1). */
struct item {
	const char *bytes;
	size_t len;
	int32_t code;
};

typedef void write_item_fn(struct mh_buf *out, const struct item *item);

size_t mh_utf8_length(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t need;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len < need)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0; /* overlong, surrogate, beyond U+10FFFF */
	return need;
}

static int32_t decode(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	int32_t code;

	if (len == 1)
		return p[0];
	code = p[0] & (0xff >> (len + 1));
	for (size_t i = 1; i < len; i++)
		code = code << 6 | (p[i] & 0x3f);
	return code;
}

/* Bytes that stand for themselves in every language here: printable ASCII but for " & ' < > and
 * backslash. */
static const bool is_plain[256] = {
	[0x20 ... 0x21] = true, [0x23 ... 0x25] = true, [0x28 ... 0x3b] = true,
	[0x3d] = true,          [0x3f ... 0x5b] = true, [0x5d ... 0x7e] = true,
};

/* How many bytes from the first on are plain: nearly always all. */
static size_t plain_length(const char *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && is_plain[(unsigned char)bytes[n]])
		n++;
	return n;
}

static void walk(struct mh_buf *out, const char *bytes, size_t len, write_item_fn *write_item)
{
	while (len) {
		size_t n = plain_length(bytes, len);
		struct item item;

		mh_buf_add(out, bytes, n);
		bytes += n;
		len -= n;
		if (!len)
			return;
		n = mh_utf8_length(bytes, len);
		item = (struct item){bytes, n ? n : 1, n ? decode(bytes, n) : -1};
		write_item(out, &item);
		bytes += item.len;
		len -= item.len;
	}
}

static bool is_control(int32_t code)
{
	return (code >= 0 && code < 0x20) || (code >= 0x7f && code < 0xa0);
}

static void write_plain(struct mh_buf *out, const struct item *item)
{
	if (item->code < 0)
		mh_buf_adds(out, REPLACEMENT);
	else
		mh_buf_add(out, item->bytes, item->len);
}

/* Every byte of the item as \xNN. */
static void write_hex(struct mh_buf *out, const struct item *item)
{
	for (size_t i = 0; i < item->len; i++)
		mh_buf_printf(out, "\\x%02x", (unsigned char)item->bytes[i]);
}

static void write_prometheus(struct mh_buf *out, const struct item *item)
{
	switch (item->code) {
	case '\\':
		mh_buf_adds(out, "\\\\");
		break;
	case '"':
		mh_buf_adds(out, "\\\"");
		break;
	case '\n':
		mh_buf_adds(out, "\\n");
		break;
	default:
		write_plain(out, item);
	}
}

static void write_tsv(struct mh_buf *out, const struct item *item)
{
	switch (item->code) {
	case '\\':
		mh_buf_adds(out, "\\\\");
		break;
	case '\t':
		mh_buf_adds(out, "\\t");
		break;
	case '\n':
		mh_buf_adds(out, "\\n");
		break;
	case '\r':
		mh_buf_adds(out, "\\r");
		break;
	default:
		if (item->code < 0 || is_control(item->code))
			write_hex(out, item);
		else
			mh_buf_add(out, item->bytes, item->len);
	}
}

static void write_csv(struct mh_buf *out, const struct item *item)
{
	if (item->code == '"')
		mh_buf_adds(out, "\"\"");
	else if (is_control(item->code) && (!item->code || !strchr("\t\n\r", item->code)))
		mh_buf_adds(out, REPLACEMENT);
	else
		write_plain(out, item);
}

static void write_json(struct mh_buf *out, const struct item *item)
{
	switch (item->code) {
	case '\\':
		mh_buf_adds(out, "\\\\");
		break;
	case '"':
		mh_buf_adds(out, "\\\"");
		break;
	case '\n':
		mh_buf_adds(out, "\\n");
		break;
	case '\t':
		mh_buf_adds(out, "\\t");
		break;
	default:
		if (is_control(item->code))
			mh_buf_printf(out, "\\u%04x", (unsigned)item->code);
		else
			write_plain(out, item);
	}
}

static bool is_bidi_override(int32_t code)
{
	return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static void write_terminal(struct mh_buf *out, const struct item *item)
{
	if (is_bidi_override(item->code))
		mh_buf_printf(out, "\\u{%04x}", (unsigned)item->code);
	else if (item->code < 0 || is_control(item->code))
		write_hex(out, item);
	else
		mh_buf_add(out, item->bytes, item->len);
}

static void write_html(struct mh_buf *out, const struct item *item)
{
	switch (item->code) {
	case '&':
		mh_buf_adds(out, "&amp;");
		break;
	case '<':
		mh_buf_adds(out, "&lt;");
		break;
	case '>':
		mh_buf_adds(out, "&gt;");
		break;
	case '"':
		mh_buf_adds(out, "&quot;");
		break;
	case '\'':
		mh_buf_adds(out, "&#39;");
		break;
	default:
		if (item->code < 0 || is_control(item->code))
			mh_buf_adds(out, REPLACEMENT);
		else
			mh_buf_add(out, item->bytes, item->len);
	}
}

void mh_escape_utf8(struct mh_buf *out, const char *bytes, size_t len)
{
	walk(out, bytes, len, write_plain);
}

void mh_escape_prometheus(struct mh_buf *out, const char *bytes, size_t len)
{
	walk(out, bytes, len, write_prometheus);
}

void mh_escape_tsv(struct mh_buf *out, const char *bytes, size_t len)
{
	walk(out, bytes, len, write_tsv);
}

static bool needs_quotes(const char *bytes, size_t len)
{
	if (len && (bytes[0] == ' ' || bytes[len - 1] == ' '))
		return true;
	for (size_t i = 0; i < len; i++)
		if (bytes[i] && strchr(",\"\n\r", bytes[i]))
			return true;
	return false;
}

void mh_escape_csv(struct mh_buf *out, const char *bytes, size_t len)
{
	bool quotes = needs_quotes(bytes, len);

	if (quotes)
		mh_buf_addc(out, '"');
	walk(out, bytes, len, write_csv);
	if (quotes)
		mh_buf_addc(out, '"');
}

/* Whether, behind any quotes, there is what a formula begins with; *ret_n_quotes how many. */
static bool is_formula(const char *bytes, size_t len, size_t *ret_n_quotes)
{
	size_t i = 0;

	while (i < len && bytes[i] == '\'')
		i++;
	*ret_n_quotes = i;
	return i < len && bytes[i] && strchr("=+-@\t\r", bytes[i]);
}

bool mh_needs_guard(const char *bytes, size_t len, bool formulas)
{
	size_t n_quotes;

	return is_formula(bytes, len, &n_quotes) && (n_quotes || formulas);
}

bool mh_has_guard(const char *bytes, size_t len)
{
	size_t n_quotes;

	return is_formula(bytes, len, &n_quotes) && n_quotes;
}

void mh_escape_json(struct mh_buf *out, const char *bytes, size_t len)
{
	walk(out, bytes, len, write_json);
}

void mh_escape_terminal(struct mh_buf *out, const char *bytes, size_t len)
{
	walk(out, bytes, len, write_terminal);
}

void mh_escape_html(struct mh_buf *out, const char *bytes, size_t len)
{
	walk(out, bytes, len, write_html);
}

void mh_escape_collectd(struct mh_buf *out, const char *bytes, size_t len)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.:@+-";

	if (len > COLLECTD_PART_MAX)
		len = COLLECTD_PART_MAX;
	for (size_t i = 0; i < len; i++)
		mh_buf_addc(out, bytes[i] && strchr(allowed, bytes[i]) ? bytes[i] : '_');
	if (!len)
		mh_buf_addc(out, '_');
}
