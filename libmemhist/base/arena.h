/*
 * An arena: memory for many small things that go together, at the speed of adding to a pointer.
 *
 *     struct mh_arena a = MH_ARENA_INIT(1 << 20);
 *
 *     uint32_t *list = mh_arena_array(&a, n, sizeof(*list));   // NULL: the cap, or no memory
 *     …
 *     mh_arena_reset(&a);     // all of it at once; the memory is kept for the next use
 *     mh_arena_done(&a);
 *
 * After a few rounds of the same work it no longer calls malloc().
 */
#ifndef MEMHIST_BASE_ARENA_H
#define MEMHIST_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct mh_arena {
	struct mh_arena_block *block; /* the newest, others behind it */
	size_t used;                  /* of the newest block */
	size_t total;                 /* handed out since the reset */
	size_t max;                   /* the cap on `total` */
};

#define MH_ARENA_INIT(max_bytes)   \
	{                          \
		.max = (max_bytes) \
	}

void mh_arena_done(struct mh_arena *a);
/* Take back everything. The largest block is kept for the next use. */
void mh_arena_reset(struct mh_arena *a);
/* `size` bytes aligned for any type, not cleared; NULL past the cap or without memory. */
void *mh_arena_alloc(struct mh_arena *a, size_t size);
/* Whether so much is below the cap: what mh_arena_alloc() does not give then, is for lack of
 * memory. */
bool mh_arena_has_room(const struct mh_arena *a, size_t size);
/* n * size bytes, with the multiplication checked. */
void *mh_arena_array(struct mh_arena *a, size_t n, size_t size);

#endif
