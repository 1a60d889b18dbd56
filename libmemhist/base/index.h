/*
 * A hash index: finds the numbers of items by the hash of their key. The items themselves, and
 * what makes two of them equal, are the owner's business.
 *
 *     uint32_t at = 0, item;
 *
 *     while ((item = mh_index_next(&index, hash, &at)) != MH_INDEX_END)
 *             if (names_are_equal(&items[item], name))
 *                     …found
 *
 * Embedded by its owner; zero-initialise. Adding may allocate, finding and removing never do.
 */
#ifndef MEMHIST_BASE_INDEX_H
#define MEMHIST_BASE_INDEX_H

#include <stdint.h>

#define MH_INDEX_END UINT32_MAX

struct mh_index {
	struct mh_index_entry {
		uint32_t hash;
		uint32_t item; /* number + 1; 0 = free */
	} * entry;
	uint32_t n;
	uint32_t cap; /* 0 or a power of two */
};

/* A hash of small numbers, such as pids: neighbours spread over the whole index (Fibonacci). */
static inline uint32_t mh_index_hash(uint32_t number)
{
	return (uint32_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

void mh_index_done(struct mh_index *index);

/*
 * The items added with this hash, one per call: `*at` is 0 before the first. MH_INDEX_END after the
 * last. The index must not change between the calls of one search.
 */
uint32_t mh_index_next(const struct mh_index *index, uint32_t hash, uint32_t *at);

/* Make room, so that adding cannot fail while there are at most `n` items. Returns as _add. */
int mh_index_reserve(struct mh_index *index, uint32_t n);

/* Add an item under a hash. Returns 0, -ENOMEM, or -EOVERFLOW past 2^30 items. */
int mh_index_add(struct mh_index *index, uint32_t hash, uint32_t item);

/* Remove the item that was added under this hash; nothing happens when it is not there. */
void mh_index_remove(struct mh_index *index, uint32_t hash, uint32_t item);

#endif
