/*
 * Which series of a store are meant, as PromQL writes it: {instance="a:9100", job=~"mem.*"}.
 */
#ifndef MEMHIST_TOOLS_SELECTOR_H
#define MEMHIST_TOOLS_SELECTOR_H

#include "libmemhist/base/buf.h"
#include "libmemhist/base/err.h"

/* As remote read numbers them. */
enum matcher_type { MATCHER_EQUAL, MATCHER_NOT_EQUAL, MATCHER_REGEX, MATCHER_NOT_REGEX };

enum { SELECTOR_MATCHERS_MAX = 32, SELECTOR_TEXT_MAX = 4096 };

struct matcher {
	enum matcher_type type;
	const char *name, *value; /* NUL-terminated */
};

struct selector {
	struct matcher matcher[SELECTOR_MATCHERS_MAX + 1]; /* room for one more: that of a name */
	size_t n;
	char text[2 * SELECTOR_TEXT_MAX]; /* keeps the texts */
};

/* NULL is {}, which everything matches. Returns 0, or -EINVAL and a sentence. */
int selector_parse(struct selector *ret, const char *text, struct mh_err *err);

/* As PromQL. */
void selector_write(const struct selector *s, struct mh_buf *out);

#endif
