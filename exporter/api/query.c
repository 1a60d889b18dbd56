/* Nothing of a request is believed: bounds first, then meaning. */
#include "exporter/api/query.h"

#include <errno.h>
#include <string.h>

void query_begin(struct query *q, const char *const *names)
{
	*q = (struct query){.names = names};
}

static int find(const struct query *q, const char *name, size_t len)
{
	for (int i = 0; i < QUERY_MAX && q->names[i]; i++)
		if (strlen(q->names[i]) == len && !memcmp(q->names[i], name, len))
			return i;
	return -1;
}

static void fail(struct query *q, const char *error)
{
	if (!q->error)
		q->error = error;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns NULL, or what is wrong. */
static const char *decode(char ret[QUERY_VALUE_MAX + 1], const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			int high = len - i > 2 ? hex(text[i + 1]) : -1;
			int low = len - i > 2 ? hex(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return "a '%' in a parameter is not followed by two hexadecimal "
				       "digits";
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (!c)
			return "a parameter has a NUL byte in it";
		if (n == QUERY_VALUE_MAX)
			return "a parameter is longer than 255 bytes";
		ret[n++] = c;
	}
	ret[n] = '\0';
	return n ? NULL : "a parameter is empty";
}

void query_add(struct query *q, const char *key, size_t key_len, const char *value,
	       size_t value_len)
{
	int i = find(q, key, key_len);
	const char *error = NULL;

	if (i < 0)
		error = "there is a parameter that is not known here";
	else if (q->is_given[i])
		error = "a parameter is given twice";
	else if (!value)
		error = "a parameter has no value";
	else
		error = decode(q->value[i], value, value_len);
	if (error)
		fail(q, error);
	else
		q->is_given[i] = true;
}

const char *query_text(const struct query *q, const char *name)
{
	int i = find(q, name, strlen(name));

	return i >= 0 && q->is_given[i] ? q->value[i] : NULL;
}

int query_word(struct query *q, const char *name, const char *const *words, int otherwise,
	       const char *error)
{
	const char *text = query_text(q, name);

	if (!text)
		return otherwise;
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	fail(q, error);
	return otherwise;
}

bool query_digits(const char **p, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;
	const char *text = *p;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (digit > max || n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*p = text;
	*ret = n;
	return true;
}

uint32_t query_number(struct query *q, const char *name, uint32_t min, uint32_t max,
		      uint32_t otherwise, const char *error)
{
	const char *text = query_text(q, name);
	uint64_t n;

	if (!text)
		return otherwise;
	if (query_digits(&text, max, &n) && !*text && n >= min)
		return (uint32_t)n;
	fail(q, error);
	return otherwise;
}

/* Seconds, up to those of the year 9999. */
static bool read_seconds(const char *text, mh_ms_t *ret)
{
	uint64_t s, ms = 0;
	const char *p = text;

	if (!query_digits(&p, UINT64_C(253402300799), &s))
		return false;
	if (*p == '.') {
		const char *decimals = ++p;
		uint64_t scale = 100;

		for (; *p >= '0' && *p <= '9' && p - decimals < 3; p++, scale /= 10)
			ms += (uint64_t)(*p - '0') * scale;
		if (p == decimals)
			return false;
	}
	*ret = (mh_ms_t)(s * 1000 + ms);
	return !*p;
}

/* What mh_time_parse() takes is more than RFC 3339: a date without time or zone, "now", "10m ago".
 */
static bool read_date(const char *text, mh_ms_t *ret)
{
	const char *zone = strlen(text) > 19 ? text + 19 : "";

	return text[10] == 'T' && (*zone == 'Z' || *zone == '+' || *zone == '-') &&
	       !mh_time_parse(text, 0, true, ret);
}

mh_ms_t query_time(struct query *q, const char *name, mh_ms_t otherwise)
{
	const char *text = query_text(q, name);
	mh_ms_t ms;

	if (!text)
		return otherwise;
	if (read_seconds(text, &ms) || (strlen(text) > 10 && read_date(text, &ms)))
		return ms;
	fail(q, "since is neither a time such as 2026-01-31T12:00:00Z nor seconds since 1970");
	return otherwise;
}
