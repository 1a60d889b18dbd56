/* JSON output. Whether a comma is due is seen from the last byte written. */
#include "tools/json.h"

#include "libmemhist/base/escape.h"

#include <string.h>

static void begin_member(struct mh_buf *b, const char *key)
{
	char last = b->len ? b->data[b->len - 1] : '\n';

	if (last != '{' && last != '[' && last != '\n')
		mh_buf_addc(b, ',');
	if (key)
		mh_buf_printf(b, "\"%s\":", key);
}

void json_open(struct mh_buf *b, const char *key, char bracket)
{
	begin_member(b, key);
	mh_buf_addc(b, bracket);
}

void json_close(struct mh_buf *b, char bracket)
{
	mh_buf_addc(b, bracket);
}

void json_number(struct mh_buf *b, const char *key, uint64_t value)
{
	begin_member(b, key);
	mh_buf_addu(b, value);
}

void json_signed(struct mh_buf *b, const char *key, int64_t value)
{
	begin_member(b, key);
	mh_buf_printf(b, "%lld", (long long)value);
}

void json_decimal(struct mh_buf *b, const char *key, double value, int decimals)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%.*f", decimals, value);

	while (len > 2 && text[len - 1] == '0' && text[len - 2] != '.')
		len--;
	begin_member(b, key);
	mh_buf_add(b, text, (size_t)len);
}

void json_bool(struct mh_buf *b, const char *key, bool value)
{
	begin_member(b, key);
	mh_buf_adds(b, value ? "true" : "false");
}

void json_text(struct mh_buf *b, const char *key, const char *bytes, size_t len)
{
	begin_member(b, key);
	mh_buf_addc(b, '"');
	mh_escape_json(b, bytes, len);
	mh_buf_addc(b, '"');
}

void json_string(struct mh_buf *b, const char *key, const char *text)
{
	json_text(b, key, text, strlen(text));
}

void json_time(struct mh_buf *b, const char *key, mh_ms_t wall_ms)
{
	struct mh_buf time = MH_BUF_INIT(64);
	int ms = (int)((wall_ms % 1000 + 1000) % 1000);

	mh_time_format(&time, wall_ms, true);
	if (time.len > 10)
		time.data[10] = 'T';
	mh_buf_printf(&time, ".%03dZ", ms);
	json_string(b, key, mh_buf_str(&time));
	mh_buf_done(&time);
}
