/* The growing buffer. Invariant: len <= cap, len <= max, data == NULL exactly when cap == 0. */
#include "libmemhist/base/buf.h"

#include "libmemhist/base/decimal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 256 };

void mh_buf_done(struct mh_buf *b)
{
	free(b->data);
	*b = (struct mh_buf)MH_BUF_INIT(b->max);
}

void mh_buf_clear(struct mh_buf *b)
{
	b->len = 0;
	b->error = 0;
}

char *mh_buf_reserve(struct mh_buf *b, size_t more)
{
	size_t want, cap;
	char *data;

	if (b->error)
		return NULL;
	if (more > b->max || b->len > b->max - more) {
		b->error = -EOVERFLOW;
		return NULL;
	}
	want = b->len + more;
	/* one byte more than asked, for mh_buf_str() */
	if (want < b->cap)
		return b->data + b->len;
	if (want >= SIZE_MAX / 2) {
		b->error = -ENOMEM;
		return NULL;
	}
	cap = b->cap ? b->cap : SMALLEST;
	while (cap <= want)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->error = -ENOMEM;
		return NULL;
	}
	b->data = data;
	b->cap = cap;
	return data + b->len;
}

void mh_buf_add(struct mh_buf *b, const void *bytes, size_t len)
{
	char *to = mh_buf_reserve(b, len);

	if (!to || !len)
		return;
	memcpy(to, bytes, len);
	b->len += len;
}

void mh_buf_addc(struct mh_buf *b, char c)
{
	mh_buf_add(b, &c, 1);
}

void mh_buf_adds(struct mh_buf *b, const char *text)
{
	mh_buf_add(b, text, strlen(text));
}

void mh_buf_addu(struct mh_buf *b, uint64_t value)
{
	char digits[MH_DECIMAL_MAX];

	mh_buf_add(b, digits, (size_t)(mh_decimal(digits, value) - digits));
}

void mh_buf_printf(struct mh_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (b->error)
		return;
	va_start(ap, fmt);
	n = vsnprintf(b->cap ? b->data + b->len : NULL, b->cap - b->len, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->error = -EOVERFLOW;
		return;
	}
	if ((size_t)n > b->max - b->len) {
		b->error = -EOVERFLOW;
		return;
	}
	if ((size_t)n >= b->cap - b->len) {
		if (!mh_buf_reserve(b, (size_t)n))
			return;
		va_start(ap, fmt);
		vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
		va_end(ap);
	}
	b->len += (size_t)n;
}

const char *mh_buf_str(struct mh_buf *b)
{
	if (b->error || !mh_buf_reserve(b, 0))
		return "";
	b->data[b->len] = '\0';
	return b->data;
}
