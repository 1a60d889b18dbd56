/*
 * A pool of byte strings that are kept once however many share them, and only as long as somebody
 * does. For texts that others choose and change at will (command lines), where a set that only
 * grows (strset.h) would grow without end.
 *
 *     const struct mh_pooled *a = mh_strpool_get(&pool, "sleep 1", 7);    // a reference
 *     …
 *     mh_strpool_put(&pool, a);
 *
 * Two strings are equal exactly when their pointers are. Embedded by its owner; zero-initialise.
 */
#ifndef MEMHIST_BASE_STRPOOL_H
#define MEMHIST_BASE_STRPOOL_H

#include "libmemhist/base/index.h"

#include <stddef.h>

struct mh_pooled {
	uint32_t references;
	uint32_t number; /* in the pool */
	uint32_t hash;   /* mh_hash_bytes() */
	uint32_t len;
	char bytes[]; /* len bytes and a NUL */
};

struct mh_strpool {
	struct mh_pooled **items; /* by number; NULL where unused */
	uint32_t *unused;         /* numbers below n_items to be used again */
	uint32_t n_items;
	uint32_t n_unused;
	uint32_t cap; /* of items and of unused */
	struct mh_index index;
};

/* Frees all strings, referenced or not. */
void mh_strpool_done(struct mh_strpool *pool);
/* A reference to the string, which is copied when it is new. NULL: no memory. */
const struct mh_pooled *mh_strpool_get(struct mh_strpool *pool, const char *bytes, size_t len);
/* Another reference to the same. NULL is allowed. */
void mh_strpool_hold(struct mh_strpool *pool, const struct mh_pooled *string);
/* Give a reference back; the last one frees the string. NULL is allowed. */
void mh_strpool_put(struct mh_strpool *pool, const struct mh_pooled *string);

#endif
