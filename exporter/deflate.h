/*
 * DEFLATE (RFC 1951), for pages of metrics: lines that are much like the one before. Each block is
 * packed by itself, with codes of its own; what repeats is found by one look at where the same five
 * bytes were last, or at the distance of the last repetition.
 *
 *     struct deflate *d;
 *
 *     deflate_begin(d);
 *     for (…)
 *             deflate_add(d, out, bytes, len);
 *     deflate_end(d, out);
 *     if (out->error) …
 */
#ifndef MEMHIST_EXPORTER_DEFLATE_H
#define MEMHIST_EXPORTER_DEFLATE_H

#include "libmemhist/base/buf.h"

struct deflate;

/* Returns 0 or -ENOMEM. */
int deflate_new(struct deflate **ret);
/* NULL is allowed. */
void deflate_free(struct deflate *d);

void deflate_begin(struct deflate *d);
/* Any bytes. Not too few at a time: a block has a head of some 80 bytes. */
void deflate_add(struct deflate *d, struct mh_buf *out, const char *bytes, size_t len);
/* The last bytes. */
void deflate_end(struct deflate *d, struct mh_buf *out);

#endif
