/* Counts, sizes and lines for people. */
#include "tools/human.h"

#include "libmemhist/base/escape.h"
#include "libmemhist/base/size.h"

#include <stdarg.h>
#include <string.h>

void human_count(struct mh_buf *out, uint64_t n)
{
	char text[32], *end = text + sizeof(text), *p = end;

	for (int digits = 0; n || !digits; digits++, n /= 10) {
		if (digits && digits % 3 == 0)
			*--p = ',';
		*--p = (char)('0' + n % 10);
	}
	mh_buf_add(out, p, (size_t)(end - p));
}

const char *human_s(uint64_t n)
{
	return n == 1 ? "" : "s";
}

void human_bytes(struct mh_buf *out, uint64_t bytes)
{
	char text[MH_SIZE_TEXT];

	mh_buf_adds(out, mh_size_text(text, bytes));
}

void human_fact(struct mh_buf *out, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mh_buf_printf(out, "  %-16s %s\n", name, text);
}

void human_clip(struct mh_buf *out, const char *text, size_t len, size_t columns)
{
	size_t at = 0, last = 0;

	for (size_t n = 0; at < len && n < columns; n++) {
		size_t step = mh_utf8_length(text + at, len - at);

		last = at;
		at += step ? step : 1;
	}
	mh_buf_add(out, text, at < len ? last : at);
	if (at < len)
		mh_buf_adds(out, "…");
}
