/*
 * Parts to the payloads of frames: columns, as docs/FORMAT.md section 6 has them.
 *
 *     mh_part_encode_head(e, part);
 *     for (chunk = 0; chunk < mh_part_chunks(part); chunk++) {
 *             mh_part_encode_series(e, part, chunk);
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

/* The part's events are in order of series. Return 0, -ENOMEM or -EOVERFLOW. */
int mh_part_encode_head(struct mh_part_encoder *e, const struct mh_part *p, struct mh_payload *ret);
int mh_part_encode_series(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			  struct mh_payload *ret);
int mh_part_encode_values(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			  int field, struct mh_payload *ret);

#endif
