/*
 * One sentence about what went wrong.
 *
 * Library functions return 0 (or a count) or -errno. Those that can fail for a reason worth
 * telling a person also take a `struct mh_err *` (NULL is allowed) and put one sentence there:
 * the object, what failed, and what happens next. The sentence never holds a raw foreign byte.
 *
 * -errno values with one meaning throughout the library:
 *   -EBADMSG    damaged history, or a text that does not parse
 *   -EPROTO     a history format newer than this program
 *   -EOVERFLOW  a documented cap was reached
 *   -EBUSY      another process writes this history
 *   -ENODATA    nothing there for what was asked
 */
#ifndef MEMHIST_BASE_ERR_H
#define MEMHIST_BASE_ERR_H

#include <stdarg.h>

struct mh_err {
	/* NUL-terminated UTF-8 without control characters; cut at its end when longer */
	char text[512];
};

/* Write a sentence; returns `rc`, so that `return mh_errf(err, -EINVAL, "…")` reads well. */
int mh_errf(struct mh_err *err, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As mh_errf(), with ": <strerror(-rc)>" appended. */
int mh_err_sys(struct mh_err *err, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
