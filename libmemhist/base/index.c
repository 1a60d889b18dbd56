/*
 * The hash index: open addressing with linear probing. Invariants: at most two thirds of the
 * entries are used, so that every search ends; between an entry and its home (hash modulo cap)
 * there is no free entry. Removing closes the hole it leaves, so no tombstones gather in an index
 * that lives for months.
 */
#include "libmemhist/base/index.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_CAP = 64, ITEMS_MAX = 1 << 30 };

void mh_index_done(struct mh_index *index)
{
	free(index->entry);
	*index = (struct mh_index){0};
}

uint32_t mh_index_next(const struct mh_index *index, uint32_t hash, uint32_t *at)
{
	if (!index->cap)
		return MH_INDEX_END;
	for (;;) {
		const struct mh_index_entry *e = &index->entry[(hash + *at) & (index->cap - 1)];

		if (!e->item)
			return MH_INDEX_END;
		(*at)++;
		if (e->hash == hash)
			return e->item - 1;
	}
}

/* There must be a free entry. */
static void insert(struct mh_index_entry *entry, uint32_t cap, struct mh_index_entry new)
{
	uint32_t i = new.hash &(cap - 1);

	while (entry[i].item)
		i = (i + 1) & (cap - 1);
	entry[i] = new;
}

static int grow(struct mh_index *index)
{
	uint32_t cap = index->cap ? index->cap * 2 : FIRST_CAP;
	struct mh_index_entry *entry;

	entry = calloc(cap, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	for (uint32_t i = 0; i < index->cap; i++)
		if (index->entry[i].item)
			insert(entry, cap, index->entry[i]);
	free(index->entry);
	index->entry = entry;
	index->cap = cap;
	return 0;
}

int mh_index_reserve(struct mh_index *index, uint32_t n)
{
	if (n > ITEMS_MAX)
		return -EOVERFLOW;
	while ((uint64_t)n * 3 > (uint64_t)index->cap * 2)
		if (grow(index))
			return -ENOMEM;
	return 0;
}

int mh_index_add(struct mh_index *index, uint32_t hash, uint32_t item)
{
	int rc = mh_index_reserve(index, index->n + 1);

	if (rc)
		return rc;
	insert(index->entry, index->cap, (struct mh_index_entry){hash, item + 1});
	index->n++;
	return 0;
}

void mh_index_remove(struct mh_index *index, uint32_t hash, uint32_t item)
{
	uint32_t mask = index->cap - 1, hole, i;

	if (!index->cap)
		return;
	for (hole = hash & mask; index->entry[hole].item; hole = (hole + 1) & mask)
		if (index->entry[hole].item == item + 1 && index->entry[hole].hash == hash)
			break;
	if (!index->entry[hole].item)
		return;
	for (i = (hole + 1) & mask; index->entry[i].item; i = (i + 1) & mask) {
		/* an entry may move into the hole unless its home lies after the hole */
		if (((i - index->entry[i].hash) & mask) < ((i - hole) & mask))
			continue;
		index->entry[hole] = index->entry[i];
		hole = i;
	}
	index->entry[hole] = (struct mh_index_entry){0};
	index->n--;
}
