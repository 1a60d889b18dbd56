/* Sentences about failures: formatted once, cut rather than overrun, safe to show. */
#include "libmemhist/base/err.h"

#include "libmemhist/base/escape.h"

#include <stdio.h>
#include <string.h>

/*
 * Control characters must not reach a terminal or a log line through a file name in a sentence, nor
 * bytes that are no UTF-8, such as half a character where the sentence was cut.
 */
static void disarm(char *text)
{
	size_t len = strlen(text), n;

	for (size_t i = 0; i < len; i += n) {
		const unsigned char *p = (unsigned char *)text + i;

		n = mh_utf8_length(text + i, len - i);
		if (n && *p >= 0x20 && *p != 0x7f && !(*p == 0xc2 && p[1] < 0xa0))
			continue;
		text[i] = '?';
		n = 1;
	}
}

int mh_errf(struct mh_err *err, int rc, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return rc;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	disarm(err->text);
	return rc;
}

int mh_err_sys(struct mh_err *err, int rc, const char *fmt, ...)
{
	char reason[128];
	va_list ap;
	size_t len;

	if (!err)
		return rc;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	len = strlen(err->text);
	/* the GNU strerror_r(): thread-safe, may return a static text instead of the buffer */
	snprintf(err->text + len, sizeof(err->text) - len, ": %s",
		 strerror_r(-rc, reason, sizeof(reason)));
	disarm(err->text);
	return rc;
}
