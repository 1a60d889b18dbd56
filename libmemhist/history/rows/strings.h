/*
 * The strings of a chapter as a reader has them: by number, in the order in which frames brought
 * them. Unlike mh_strset it takes what comes, repetitions too, since the numbers are the file's.
 */
#ifndef MEMHIST_HISTORY_ROWS_STRINGS_H
#define MEMHIST_HISTORY_ROWS_STRINGS_H

#include "libmemhist/base/arena.h"

#include <stdint.h>

struct mh_string {
	const char *bytes; /* len of them, no NUL */
	size_t len;
};

/* Embedded by the decoder; zero-initialise. */
struct mh_strings {
	struct mh_string *item;
	uint32_t n, cap;
	struct mh_arena bytes;
};

void mh_strings_done(struct mh_strings *s);
void mh_strings_clear(struct mh_strings *s);
/* Returns 0, -ENOMEM, or -EOVERFLOW: the string or all together are longer than a file may have. */
int mh_strings_add(struct mh_strings *s, const void *bytes, size_t len);
/* NULL when no string has this number. */
const struct mh_string *mh_strings_get(const struct mh_strings *s, uint32_t index);

#endif
