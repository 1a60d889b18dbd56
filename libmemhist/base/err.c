/* Sentences about failures: formatted once, cut rather than overrun, safe to show. */
#include "libmemhist/base/err.h"

#include <stdio.h>
#include <string.h>

/* Control bytes must not reach a terminal or a log line through a file name in a sentence. */
static void disarm(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
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
