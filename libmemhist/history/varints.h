/*
 * Columns of numbers as bytes (Z2 of docs/FORMAT.md): LEB128 varints, signed ones in zigzag, one
 * after the other. Written into a buffer, read through a cursor that remembers whether it ran past
 * the end or met a number of more than 64 bits, so that a column can be read without a check at
 * each step and judged once.
 */
#ifndef MEMHIST_HISTORY_VARINTS_H
#define MEMHIST_HISTORY_VARINTS_H

#include "libmemhist/base/buf.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { MH_VARINT_MAX = 10 }; /* bytes of one; half of that for 32 bits */

/* The slow half of mh_varint_put(): numbers of more than four bytes. */
uint8_t *mh_varint_put_long(uint8_t *to, uint64_t value);

/*
 * Write a number where there is room for the longest of its type, all of which may be changed;
 * returns its end. Lengths are as good as random in a column of memory sizes, so nothing here
 * depends on them that a processor would have to guess.
 */
static inline uint8_t *mh_varint_put(uint8_t *to, uint64_t value)
{
	uint32_t v = (uint32_t)value, bits, n;

	if (value >> 28)
		return mh_varint_put_long(to, value);
	bits = 32 - (uint32_t)__builtin_clz(v | 1);
	n = (bits * 9 + 64) / 64; /* a seventh, rounded up */
	v = (v & 0x7f) | (v & 0x3f80) << 1 | (v & 0x1fc000) << 2 | (v & 0xfe00000) << 3;
	v = htole32(v | (UINT32_C(0x808080) & ((UINT32_C(1) << 8 * (n - 1)) - 1)));
	memcpy(to, &v, sizeof(v));
	return to + n;
}

static inline uint64_t mh_zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

void mh_varint_add(struct mh_buf *out, uint64_t value);

static inline void mh_zigzag_add(struct mh_buf *out, int64_t value)
{
	mh_varint_add(out, mh_zigzag(value));
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
