/*
 * Instant queries for range vectors, and the JSON that comes back:
 *
 *     {"status":"success","data":{"resultType":"matrix","result":[
 *       {"metric":{"__name__":"…","pid":"1"},"values":[[1780315200.5,"1024"],…]},…]}}
 *
 * What is not known is passed over, whatever it is. Nothing here calls itself more than a fixed
 * number of times.
 */
#include "tools/store.h"

#include "libmemhist/base/escape.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20, NUMBER_MAX = 64 };

/* --- asking ----------------------------------------------------------------------------------- */

static void put_form(struct mh_buf *out, const char *bytes, size_t len)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] && strchr(plain, bytes[i]))
			mh_buf_addc(out, bytes[i]);
		else
			mh_buf_printf(out, "%%%02X", (unsigned char)bytes[i]);
	}
}

/*
 * Ranges are closed at both ends in Prometheus before 3, and open at their beginning in later ones
 * and in VictoriaMetrics. With a beginning that is a millisecond too early both have what is asked.
 */
int store_query_request(const struct selector *selector, mh_ms_t since_ms, mh_ms_t until_ms,
			struct mh_buf *out)
{
	struct mh_buf query = MH_BUF_INIT(out->max);
	const mh_ms_t last_ms = until_ms - 1;

	selector_write(selector, &query);
	mh_buf_printf(&query, "[%" PRIi64 "ms]", until_ms - since_ms);
	if (query.error)
		out->error = query.error;
	mh_buf_adds(out, "query=");
	put_form(out, query.data, query.len);
	mh_buf_printf(out, "&time=%" PRIi64 ".%03d", last_ms / 1000, (int)(last_ms % 1000));
	mh_buf_done(&query);
	return out->error;
}

/* --- JSON ------------------------------------------------------------------------------------- */

struct json {
	const char *at, *end;
	struct mh_buf text[2]; /* the strings read last: name, value */
};

static int peek(struct json *j)
{
	while (j->at < j->end && strchr(" \t\r\n", *j->at) && *j->at)
		j->at++;
	return j->at < j->end ? (unsigned char)*j->at : -1;
}

static bool take_char(struct json *j, char c)
{
	if (peek(j) != c)
		return false;
	j->at++;
	return true;
}

static bool take_hex(struct json *j, uint32_t *ret)
{
	uint32_t value = 0;

	if (j->end - j->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef0123456789ABCDEF";
		const char *found = *j->at ? strchr(digits, *j->at) : NULL;

		if (!found)
			return false;
		j->at++;
		value = value << 4 | (uint32_t)((found - digits) % 16);
	}
	*ret = value;
	return true;
}

static void put_character(struct mh_buf *out, uint32_t c)
{
	if (c < 0x80) {
		mh_buf_addc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		mh_buf_addc(out, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			mh_buf_addc(out, (char)(0xe0 | c >> 12));
		} else {
			mh_buf_addc(out, (char)(0xf0 | c >> 18));
			mh_buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		mh_buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	mh_buf_addc(out, (char)(0x80 | (c & 0x3f)));
}

/* After \u. Halves of pairs that stand alone are U+FFFD. */
static bool take_unicode(struct json *j, struct mh_buf *out)
{
	uint32_t c, low;

	if (!take_hex(j, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00 && j->end - j->at >= 2 && !memcmp(j->at, "\\u", 2)) {
		j->at += 2;
		if (!take_hex(j, &low))
			return false;
		c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + (c - 0xd800) * 0x400 + (low - 0xdc00)
						  : 0xfffd;
	}
	put_character(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
	return true;
}

static bool take_string(struct json *j, struct mh_buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

	mh_buf_clear(out);
	if (!take_char(j, '"'))
		return false;
	while (j->at < j->end && *j->at != '"') {
		const char *plain = j->at, *found;

		while (j->at < j->end && *j->at != '"' && *j->at != '\\')
			j->at++;
		mh_buf_add(out, plain, (size_t)(j->at - plain));
		if (j->at == j->end || *j->at == '"')
			continue;
		if (++j->at == j->end)
			return false;
		found = *j->at ? strchr(from, *j->at) : NULL;
		j->at++;
		if (found)
			mh_buf_addc(out, to[found - from]);
		else if (j->at[-1] != 'u' || !take_unicode(j, out))
			return false;
	}
	return take_char(j, '"') && !out->error;
}

/* true, null, 12.5e3: whatever has no structure. */
static bool take_bare(struct json *j, char ret[NUMBER_MAX])
{
	size_t n = 0;

	for (peek(j); j->at < j->end && !strchr(",]} \t\r\n", *j->at) && n + 1 < NUMBER_MAX;
	     j->at++)
		ret[n++] = *j->at;
	ret[n] = '\0';
	return n;
}

/* Any value, however deep. */
static bool skip_value(struct json *j)
{
	char bare[NUMBER_MAX];
	size_t depth = 0;

	do {
		switch (peek(j)) {
		case '{':
		case '[':
			depth++;
			j->at++;
			break;
		case '}':
		case ']':
			if (!depth)
				return false;
			depth--;
			j->at++;
			break;
		case ',':
		case ':':
			if (!depth)
				return false;
			j->at++;
			break;
		case '"':
			if (!take_string(j, &j->text[1]))
				return false;
			break;
		case -1:
			return false;
		default:
			if (!take_bare(j, bare))
				return false;
		}
	} while (depth);
	return true;
}

/*
 * What is in an object or array. `begin` says whether anything was read of it. 1: there is
 * something (of an object, its key is in text[0]); 0: the end; -EBADMSG.
 */
static int next_in(struct json *j, bool *begun, char close)
{
	if (take_char(j, close))
		return 0;
	if (*begun && !take_char(j, ','))
		return -EBADMSG;
	*begun = true;
	if (close == ']')
		return 1;
	return take_string(j, &j->text[0]) && take_char(j, ':') ? 1 : -EBADMSG;
}

static bool key_is(const struct json *j, const char *key)
{
	return j->text[0].len == strlen(key) && !memcmp(j->text[0].data, key, j->text[0].len);
}

/* --- an answer -------------------------------------------------------------------------------- */

static int take_metric(struct json *j, struct store_samples *to)
{
	bool begun = false;
	int rc = take_char(j, '{') ? 0 : -EBADMSG;

	store_series_begin(to);
	while (!rc && (rc = next_in(j, &begun, '}')) > 0) {
		if (!take_string(j, &j->text[1]))
			return -EBADMSG;
		rc = store_series_label(to, j->text[0].data, j->text[0].len,
					j->text[1].len ? j->text[1].data : "", j->text[1].len);
	}
	return rc ? rc : store_series_end(to);
}

/* [1780315200.5,"1024"]; some write numbers without quotes, and null for what is none. */
static int take_sample(struct json *j, struct store_samples *to)
{
	char seconds[NUMBER_MAX], bare[NUMBER_MAX], *end;
	double at, value = NAN;

	if (!take_char(j, '[') || !take_bare(j, seconds) || !take_char(j, ','))
		return -EBADMSG;
	at = strtod(seconds, &end);
	if (*end || !(fabs(at) < 1e13))
		return -EBADMSG;
	if (peek(j) == '"') {
		if (!take_string(j, &j->text[1]))
			return -EBADMSG;
		value = strtod(mh_buf_str(&j->text[1]), &end);
	} else if (!take_bare(j, bare)) {
		return -EBADMSG;
	} else if (strcmp(bare, "null") != 0) {
		value = strtod(bare, &end);
	}
	if (!take_char(j, ']'))
		return -EBADMSG;
	return store_sample_add(to, llround(at * 1000), value);
}

static int take_values(struct json *j, struct store_samples *to)
{
	bool begun = false;
	int rc = take_char(j, '[') ? 0 : -EBADMSG;

	while (!rc && (rc = next_in(j, &begun, ']')) > 0)
		rc = take_sample(j, to);
	return rc;
}

static int take_series(struct json *j, struct store_samples *to)
{
	bool begun = false, is_wanted = false;
	int rc = take_char(j, '{') ? 0 : -EBADMSG;

	while (!rc && (rc = next_in(j, &begun, '}')) > 0) {
		if (key_is(j, "metric")) {
			rc = take_metric(j, to);
			is_wanted = rc > 0;
			rc = rc > 0 ? 0 : rc;
		} else if (key_is(j, "values") && is_wanted) {
			rc = take_values(j, to);
		} else {
			rc = skip_value(j) ? 0 : -EBADMSG;
		}
	}
	return rc;
}

static int take_result(struct json *j, struct store_samples *to)
{
	bool begun = false;
	int rc = take_char(j, '[') ? 0 : -EBADMSG;

	while (!rc && (rc = next_in(j, &begun, ']')) > 0)
		rc = take_series(j, to);
	return rc;
}

static int take_data(struct json *j, struct store_samples *to, bool *has_result)
{
	bool begun = false;
	int rc = take_char(j, '{') ? 0 : -EBADMSG;

	while (!rc && (rc = next_in(j, &begun, '}')) > 0) {
		if (key_is(j, "result")) {
			*has_result = true;
			rc = take_result(j, to);
		} else {
			rc = skip_value(j) ? 0 : -EBADMSG;
		}
	}
	return rc;
}

int store_query_answer(const char *bytes, size_t len, struct store_samples *to)
{
	struct json j = {bytes, bytes + len, {MH_BUF_INIT(TEXT_MAX), MH_BUF_INIT(TEXT_MAX)}};
	bool begun = false, has_result = false;
	int rc = take_char(&j, '{') ? 0 : -EBADMSG;

	while (!rc && (rc = next_in(&j, &begun, '}')) > 0) {
		if (key_is(&j, "data"))
			rc = take_data(&j, to, &has_result);
		else
			rc = skip_value(&j) ? 0 : -EBADMSG;
	}
	if (!rc && (!has_result || peek(&j) != -1))
		rc = -EBADMSG;
	mh_buf_done(&j.text[0]);
	mh_buf_done(&j.text[1]);
	return rc;
}

void store_query_said(const char *bytes, size_t len, char ret[STORE_SAID_MAX])
{
	struct json j = {bytes, bytes + len, {MH_BUF_INIT(TEXT_MAX), MH_BUF_INIT(TEXT_MAX)}};
	bool begun = false;

	/* plain text, or the beginning of a page for people */
	snprintf(ret, STORE_SAID_MAX, "%.*s", (int)(len < 200 ? strcspn(bytes, "\n") : 200), bytes);
	if (len && bytes[0] == '<')
		ret[0] = '\0';
	if (!take_char(&j, '{'))
		return;
	ret[0] = '\0';
	while (next_in(&j, &begun, '}') > 0) {
		bool is_error = key_is(&j, "error");

		if (is_error && take_string(&j, &j.text[1])) {
			snprintf(ret, STORE_SAID_MAX, "%s", mh_buf_str(&j.text[1]));
			break;
		}
		if (is_error || !skip_value(&j))
			break;
	}
	mh_buf_done(&j.text[0]);
	mh_buf_done(&j.text[1]);
}
