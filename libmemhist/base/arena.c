/* The arena: a list of blocks, each twice the one before; a reset leaves one. */
#include "libmemhist/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

enum { FIRST_BLOCK = 16 * 1024, ALIGN = alignof(max_align_t) };

struct mh_arena_block {
	struct mh_arena_block *next;
	size_t size;
	alignas(max_align_t) char bytes[];
};

static void free_blocks(struct mh_arena_block *block)
{
	while (block) {
		struct mh_arena_block *next = block->next;

		free(block);
		block = next;
	}
}

void mh_arena_done(struct mh_arena *a)
{
	free_blocks(a->block);
	*a = (struct mh_arena)MH_ARENA_INIT(a->max);
}

static struct mh_arena_block *new_block(size_t size)
{
	struct mh_arena_block *block = malloc(sizeof(*block) + size);

	if (block)
		*block = (struct mh_arena_block){.size = size};
	return block;
}

void mh_arena_reset(struct mh_arena *a)
{
	a->used = 0;
	a->total = 0;
	if (a->block && a->block->next) {
		/* the newest is at least as large as all before it */
		free_blocks(a->block->next);
		a->block->next = NULL;
	}
}

static size_t aligned(size_t size)
{
	return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

bool mh_arena_has_room(const struct mh_arena *a, size_t size)
{
	const size_t left = a->max - a->total;

	return size <= left && aligned(size) <= left;
}

void *mh_arena_alloc(struct mh_arena *a, size_t size)
{
	struct mh_arena_block *block = a->block;
	void *p;

	if (!mh_arena_has_room(a, size))
		return NULL;
	size = aligned(size);
	if (!block || size > block->size - a->used) {
		size_t want = block ? block->size * 2 : FIRST_BLOCK;

		while (want < size)
			want *= 2;
		block = new_block(want);
		if (!block)
			return NULL;
		block->next = a->block;
		a->block = block;
		a->used = 0;
	}
	p = block->bytes + a->used;
	a->used += size;
	a->total += size;
	return p;
}

void *mh_arena_array(struct mh_arena *a, size_t n, size_t size)
{
	return size && n > SIZE_MAX / size ? NULL : mh_arena_alloc(a, n * size);
}
