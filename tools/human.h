/* Numbers as people read them. */
#ifndef MEMHIST_TOOLS_HUMAN_H
#define MEMHIST_TOOLS_HUMAN_H

#include "libmemhist/base/buf.h"

/* "148,951" */
void human_count(struct mh_buf *out, uint64_t n);
/* What a regular plural ends with: "" after 1, else "s". */
const char *human_s(uint64_t n);
/* "512 bytes", "99.9 KiB", "1.5 GiB" */
void human_bytes(struct mh_buf *out, uint64_t bytes);

/*
 * One line of a list of facts: two blanks, the name in a column of its own, then what `fmt` says.
 */
void human_fact(struct mh_buf *out, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The first `columns` characters of `text` (valid UTF-8), the last one an ellipsis when it was
 * longer. Characters of double width count once.
 */
void human_clip(struct mh_buf *out, const char *text, size_t len, size_t columns);

#endif
