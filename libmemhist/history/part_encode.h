/*
 * Parts to the payloads of frames: columns, as docs/FORMAT.md section 6 has them.
 *
 *     mh_part_encode_head(e, part);
 *     for (chunk = 0; chunk < mh_part_chunks(part); chunk++) {
 *             mh_part_encode_series(e, part, chunk);
 *             for (each field of the part)
 *                     mh_part_encode_starts(e, part, chunk, field);
 *             for (each of mh_stored_candles[] that the part has)
 *                     mh_part_encode_candles(e, part, chunk, field);
 *             for (each field of the part)
 *                     mh_part_encode_values(e, part, chunk, field);
 *     }
 *
 * Each call gives a payload that is valid until the next.
 */
#ifndef MEMHIST_HISTORY_PART_ENCODE_H
#define MEMHIST_HISTORY_PART_ENCODE_H

#include "libmemhist/history/encode.h"
#include "libmemhist/history/part.h"

enum { MH_PART_CHUNK_SERIES = 4096 };

struct mh_part_encoder;

/* `level` of zstd. Returns 0 or -ENOMEM. */
int mh_part_encoder_new(struct mh_part_encoder **ret, int level);
void mh_part_encoder_free(struct mh_part_encoder *e);

static inline uint32_t mh_part_chunks(const struct mh_part *p)
{
	return (p->series.n + MH_PART_CHUNK_SERIES - 1) / MH_PART_CHUNK_SERIES;
}

/* One behind the last series of a chunk. */
static inline uint32_t mh_part_chunk_end(const struct mh_part *p, uint32_t chunk)
{
	uint32_t end = (chunk + 1) * MH_PART_CHUNK_SERIES;

	return end < p->series.n ? end : p->series.n;
}

/* The part's events are in order of series. Return 0, -ENOMEM or -EOVERFLOW. */
int mh_part_encode_head(struct mh_part_encoder *e, const struct mh_part *p, struct mh_payload *ret);
int mh_part_encode_series(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			  struct mh_payload *ret);
int mh_part_encode_starts(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			  int field, struct mh_payload *ret);
/* Chunks in order. */
int mh_part_encode_candles(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			   int field, struct mh_payload *ret);
int mh_part_encode_values(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			  int field, struct mh_payload *ret);

#endif
