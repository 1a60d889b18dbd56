/*
 * A set of byte strings, each known by the order in which it came: the first is 0, the next 1.
 * Used where a file or a table names strings by number (history frames, groups).
 *
 *     uint32_t index;
 *     int rc = mh_strset_add(&set, "bash", 4, &index);    // 1 new, 0 seen before, -ENOMEM
 *     const struct mh_str *s = mh_strset_get(&set, index);
 *
 * Embedded by its owner; zero-initialise. Strings are copied. Pointers from _get stay valid until
 * _clear or _done; they do not move when the set grows.
 */
#ifndef MEMHIST_BASE_STRSET_H
#define MEMHIST_BASE_STRSET_H

#include <stddef.h>
#include <stdint.h>

struct mh_str {
	uint32_t hash;
	uint32_t len;
	char bytes[]; /* len bytes and a NUL */
};

struct mh_strset {
	struct mh_str **items; /* by index */
	uint32_t n_items;
	uint32_t items_cap;
	uint32_t *buckets; /* open addressing: index + 1, 0 = free; a power of two */
	uint32_t n_buckets;
	struct mh_strset_block *blocks; /* arena that holds the strings */
};

void mh_strset_done(struct mh_strset *set);
/* Forget all strings; keep one block of memory for the next ones. */
void mh_strset_clear(struct mh_strset *set);
/* Returns 1 when the string is new, 0 when it was there, -ENOMEM; *ret_index set unless < 0. */
int mh_strset_add(struct mh_strset *set, const char *bytes, size_t len, uint32_t *ret_index);
/* The same for a string of another set, whose hash is known. */
int mh_strset_add_from(struct mh_strset *set, const struct mh_str *str, uint32_t *ret_index);
/* NULL when there is no such index. */
const struct mh_str *mh_strset_get(const struct mh_strset *set, uint32_t index);

/* The hash used, of this run and machine only; exposed for other tables keyed by bytes. */
uint32_t mh_hash_bytes(const void *bytes, size_t len);

#endif
