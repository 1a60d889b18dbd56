/*
 * Columns of numbers as bytes (Z2 of docs/FORMAT.md): LEB128 varints, signed ones in zigzag, one
 * after the other. Written into a buffer, read through a cursor that remembers whether it ran past
 * the end or met a number of more than 64 bits, so that a column can be read without a check at
 * each step and judged once.
 */
#ifndef MEMHIST_HISTORY_VARINTS_H
#define MEMHIST_HISTORY_VARINTS_H

#include "libmemhist/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

void mh_varint_add(struct mh_buf *out, uint64_t value);

static inline void mh_zigzag_add(struct mh_buf *out, int64_t value)
{
	mh_varint_add(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

struct mh_varints {
	const uint8_t *p, *end;
	bool bad; /* sticky: what was read since is not to be used */
};

/* The slow half of mh_varint_next(): numbers of more than a byte, and the end. */
uint64_t mh_varint_next_long(struct mh_varints *v);

/* The next number; 0 and `bad` when there is none. */
static inline uint64_t mh_varint_next(struct mh_varints *v)
{
	if (v->p < v->end && *v->p < 0x80)
		return *v->p++;
	return mh_varint_next_long(v);
}

static inline int64_t mh_zigzag_next(struct mh_varints *v)
{
	uint64_t n = mh_varint_next(v);

	return (int64_t)(n >> 1 ^ -(n & 1));
}

/* Whether all was read, and nothing else. */
static inline bool mh_varints_done(const struct mh_varints *v)
{
	return !v->bad && v->p == v->end;
}

#endif
