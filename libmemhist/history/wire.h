/*
 * Messages of proto/memhist.proto put together from columns, in the encoding of Protocol Buffers,
 * for the thread that samples: protobuf-c takes arrays of numbers and goes through each of them
 * twice more, here a number is written once, as soon as it is known.
 *
 *     struct mh_column pid;
 *
 *     if (!mh_column_init(&pid, arena, n, MH_COLUMN_32))
 *             return -ENOMEM;
 *     for (…n times…)
 *             mh_column_add(&pid, number);
 *     mh_wire_columns(out, PROCESSES_PID, &pid, 1);   // nothing where nothing was added
 *
 * Fields may be written in any order; a repeated one keeps its own. Errors stick to the buffer.
 */
#ifndef MEMHIST_HISTORY_WIRE_H
#define MEMHIST_HISTORY_WIRE_H

#include "libmemhist/base/arena.h"
#include "libmemhist/history/varints.h"

/* A packed repeated field while it is written. */
struct mh_column {
	uint8_t *bytes, *end;
};

enum mh_column_of { MH_COLUMN_32 = MH_VARINT_MAX / 2, MH_COLUMN_64 = MH_VARINT_MAX };

/* Room for n numbers of 32 or 64 bits. Whether there is memory. */
static inline bool mh_column_init(struct mh_column *c, struct mh_arena *a, size_t n,
				  enum mh_column_of of)
{
	c->bytes = c->end = mh_arena_array(a, n + 1, of);
	return c->bytes != NULL;
}

static inline void mh_column_clear(struct mh_column *c)
{
	c->end = c->bytes;
}

static inline void mh_column_add(struct mh_column *c, uint64_t value)
{
	c->end = mh_varint_put(c->end, value);
}

static inline void mh_column_add_signed(struct mh_column *c, int64_t value)
{
	c->end = mh_varint_put(c->end, mh_zigzag(value));
}

/* Fields have numbers from 1 to 15. A number that is 0 is not written, as proto3 has it. */
void mh_wire_uint(struct mh_buf *out, uint32_t field, uint64_t value);
size_t mh_wire_uint_size(uint32_t field, uint64_t value);
/* An empty one is written: it may be one of several. */
void mh_wire_bytes(struct mh_buf *out, uint32_t field, const void *bytes, size_t len);
/* What stands in front of a message of `len` bytes, which is written next. */
void mh_wire_begin(struct mh_buf *out, uint32_t field, size_t len);
/* Fields first, first + 1, …; empty ones are not written. */
void mh_wire_columns(struct mh_buf *out, uint32_t first, const struct mh_column *column, int n);
size_t mh_wire_columns_size(uint32_t first, const struct mh_column *column, int n);

#endif
