/*
 * The string set: an arena of strings, an array of pointers by index, and an open-addressing hash
 * over the indexes. Invariants: n_buckets is 0 or a power of two and at most half full; every item
 * is reachable from its hash by linear probing.
 */
#include "libmemhist/base/strset.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 16 * 1024, FIRST_BUCKETS = 64 };

struct mh_strset_block {
	struct mh_strset_block *next;
	size_t used, size;
	alignas(struct mh_str) char bytes[];
};

/* Eight bytes at a time: a keyframe hashes all names of all processes in the sampling thread. */
uint32_t mh_hash_bytes(const void *bytes, size_t len)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
	const uint8_t *p = bytes;
	uint64_t h = len * odd, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * odd;
		h ^= h >> 32;
	}
	word = 0;
	if (len)
		memcpy(&word, p, len);
	h = (h ^ word) * odd;
	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)(h >> 32);
}

static void free_blocks(struct mh_strset_block *block)
{
	while (block) {
		struct mh_strset_block *next = block->next;

		free(block);
		block = next;
	}
}

void mh_strset_done(struct mh_strset *set)
{
	free(set->items);
	free(set->buckets);
	free_blocks(set->blocks);
	memset(set, 0, sizeof(*set));
}

void mh_strset_clear(struct mh_strset *set)
{
	set->n_items = 0;
	if (set->buckets)
		memset(set->buckets, 0, set->n_buckets * sizeof(*set->buckets));
	if (set->blocks) {
		free_blocks(set->blocks->next);
		set->blocks->next = NULL;
		set->blocks->used = 0;
	}
}

static struct mh_str *arena_string(struct mh_strset *set, size_t len)
{
	size_t size = (sizeof(struct mh_str) + len + 1 + alignof(struct mh_str) - 1) &
		      ~(alignof(struct mh_str) - 1);
	struct mh_strset_block *block = set->blocks;
	struct mh_str *str;

	if (!block || block->size - block->used < size) {
		size_t bytes = size > BLOCK_BYTES ? size : BLOCK_BYTES;

		block = malloc(sizeof(*block) + bytes);
		if (!block)
			return NULL;
		block->next = set->blocks;
		block->used = 0;
		block->size = bytes;
		set->blocks = block;
	}
	str = (struct mh_str *)(void *)(block->bytes + block->used);
	block->used += size;
	return str;
}

/* The bucket where the string is, or the free one where it belongs. */
static uint32_t *find_bucket(const struct mh_strset *set, const char *bytes, size_t len,
			     uint32_t hash)
{
	for (uint32_t i = hash;; i++) {
		uint32_t *bucket = &set->buckets[i & (set->n_buckets - 1)];
		const struct mh_str *str;

		if (!*bucket)
			return bucket;
		str = set->items[*bucket - 1];
		if (str->hash == hash && str->len == len &&
		    (!len || !memcmp(str->bytes, bytes, len)))
			return bucket;
	}
}

static int grow(struct mh_strset *set)
{
	uint32_t n = set->n_buckets ? set->n_buckets * 2 : FIRST_BUCKETS;
	uint32_t *buckets = calloc(n, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	free(set->buckets);
	set->buckets = buckets;
	set->n_buckets = n;
	for (uint32_t i = 0; i < set->n_items; i++) {
		uint32_t at = set->items[i]->hash;

		while (buckets[at & (n - 1)])
			at++;
		buckets[at & (n - 1)] = i + 1;
	}
	return 0;
}

static int reserve_item(struct mh_strset *set)
{
	if ((set->n_items + 1) * 2 > set->n_buckets && grow(set))
		return -ENOMEM;
	if (set->n_items == set->items_cap) {
		uint32_t cap = set->items_cap ? set->items_cap * 2 : FIRST_BUCKETS / 2;
		struct mh_str **items = realloc(set->items, cap * sizeof(struct mh_str *));

		if (!items)
			return -ENOMEM;
		set->items = items;
		set->items_cap = cap;
	}
	return 0;
}

static int add(struct mh_strset *set, const char *bytes, size_t len, uint32_t hash,
	       uint32_t *ret_index)
{
	uint32_t *bucket;
	struct mh_str *str;

	if (reserve_item(set))
		return -ENOMEM;
	bucket = find_bucket(set, bytes, len, hash);
	if (*bucket) {
		*ret_index = *bucket - 1;
		return 0;
	}
	str = arena_string(set, len);
	if (!str)
		return -ENOMEM;
	str->hash = hash;
	str->len = (uint32_t)len;
	if (len)
		memcpy(str->bytes, bytes, len);
	str->bytes[len] = '\0';
	set->items[set->n_items++] = str;
	*bucket = set->n_items;
	*ret_index = set->n_items - 1;
	return 1;
}

int mh_strset_add(struct mh_strset *set, const char *bytes, size_t len, uint32_t *ret_index)
{
	if (len > UINT32_MAX / 2)
		return -ENOMEM;
	return add(set, bytes, len, mh_hash_bytes(bytes, len), ret_index);
}

int mh_strset_add_from(struct mh_strset *set, const struct mh_str *str, uint32_t *ret_index)
{
	return add(set, str->bytes, str->len, str->hash, ret_index);
}

const struct mh_str *mh_strset_get(const struct mh_strset *set, uint32_t index)
{
	return index < set->n_items ? set->items[index] : NULL;
}
