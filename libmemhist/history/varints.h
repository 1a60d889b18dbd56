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
	const uint8_t *p = v->p;

	if (v->end - p < 3) {
		if (p < v->end && *p < 0x80)
			return *v->p++;
		return mh_varint_next_long(v);
	}
	/* most numbers are short */
	if (p[0] < 0x80) {
		v->p = p + 1;
		return p[0];
	}
	if (p[1] < 0x80) {
		v->p = p + 2;
		return (p[0] & 0x7fU) | (uint64_t)p[1] << 7;
	}
	if (p[2] < 0x80) {
		v->p = p + 3;
		return (p[0] & 0x7fU) | (p[1] & 0x7fU) << 7 | (uint64_t)p[2] << 14;
	}
	return mh_varint_next_long(v);
}

/*
 * The same, for columns in which numbers of one byte and of two come in any order: there is nothing
 * to be guessed wrong.
 */
static inline uint64_t mh_varint_next_mixed(struct mh_varints *v)
{
	const uint8_t *p = v->p;
	uint64_t more;

	if (v->end - p < 2)
		return mh_varint_next(v);
	more = p[0] >> 7;
	if (more & p[1] >> 7)
		return mh_varint_next_long(v);
	v->p = p + 1 + more;
	return (p[0] & 0x7fU) | (p[1] & -more) << 7;
}

static inline int64_t mh_unzigzag(uint64_t n)
{
	return (int64_t)(n >> 1 ^ -(n & 1));
}

static inline int64_t mh_zigzag_next(struct mh_varints *v)
{
	return mh_unzigzag(mh_varint_next(v));
}

static inline int64_t mh_zigzag_next_mixed(struct mh_varints *v)
{
	return mh_unzigzag(mh_varint_next_mixed(v));
}

/* Whether all was read, and nothing else. */
static inline bool mh_varints_done(const struct mh_varints *v)
{
	return !v->bad && v->p == v->end;
}

#endif
