/*
 * The string pool: strings by number, found by an index over their hashes. Invariants: `index` and
 * `items` hold the same strings, each with at least one reference; every number below n_items is
 * either in `items` or in `unused`.
 */
#include "libmemhist/base/strpool.h"

#include "libmemhist/base/strset.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

void mh_strpool_done(struct mh_strpool *pool)
{
	for (uint32_t i = 0; i < pool->n_items; i++)
		free(pool->items[i]);
	free(pool->items);
	free(pool->unused);
	mh_index_done(&pool->index);
	*pool = (struct mh_strpool){0};
}

static bool reserve_number(struct mh_strpool *pool)
{
	uint32_t cap = pool->cap ? pool->cap * 2 : FIRST_CAP;
	struct mh_pooled **items;
	uint32_t *unused;

	if (pool->n_unused || pool->n_items < pool->cap)
		return true;
	items = reallocarray(pool->items, cap, sizeof(struct mh_pooled *));
	if (!items)
		return false;
	pool->items = items;
	unused = reallocarray(pool->unused, cap, sizeof(*unused));
	if (!unused)
		return false;
	pool->unused = unused;
	pool->cap = cap;
	return true;
}

/* A new string that is in nothing yet. */
static struct mh_pooled *make(const char *bytes, size_t len, uint32_t hash)
{
	struct mh_pooled *string;

	if (len > UINT32_MAX / 2)
		return NULL;
	string = malloc(sizeof(*string) + len + 1);
	if (!string)
		return NULL;
	*string = (struct mh_pooled){.references = 1, .hash = hash, .len = (uint32_t)len};
	if (len)
		memcpy(string->bytes, bytes, len);
	string->bytes[len] = '\0';
	return string;
}

const struct mh_pooled *mh_strpool_get(struct mh_strpool *pool, const char *bytes, size_t len)
{
	uint32_t hash = mh_hash_bytes(bytes, len), at = 0, number;
	struct mh_pooled *string;

	while ((number = mh_index_next(&pool->index, hash, &at)) != MH_INDEX_END) {
		string = pool->items[number];
		if (string->len == len && (!len || !memcmp(string->bytes, bytes, len))) {
			string->references++;
			return string;
		}
	}
	if (!reserve_number(pool))
		return NULL;
	string = make(bytes, len, hash);
	if (!string)
		return NULL;
	number = pool->n_unused ? pool->unused[pool->n_unused - 1] : pool->n_items;
	if (mh_index_add(&pool->index, hash, number)) {
		free(string);
		return NULL;
	}
	if (pool->n_unused)
		pool->n_unused--;
	else
		pool->n_items++;
	string->number = number;
	pool->items[number] = string;
	return string;
}

void mh_strpool_hold(struct mh_strpool *pool, const struct mh_pooled *string)
{
	(void)pool;
	/* ours, although others may only read it */
	if (string)
		((struct mh_pooled *)(uintptr_t)string)->references++;
}

void mh_strpool_put(struct mh_strpool *pool, const struct mh_pooled *string)
{
	struct mh_pooled *mine;

	if (!string)
		return;
	mine = (struct mh_pooled *)(uintptr_t)string;
	if (--mine->references)
		return;
	mh_index_remove(&pool->index, mine->hash, mine->number);
	pool->items[mine->number] = NULL;
	pool->unused[pool->n_unused++] = mine->number;
	free(mine);
}
