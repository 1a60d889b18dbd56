/*
 * Parts to the payloads of frames: columns, as docs/FORMAT.md section 6 has them.
 *
 *     mh_part_encode_begin(e, part);
 *     while (mh_part_encode_next(e, part, &type, &payload) > 0)
 *             …                                          // frames that follow the head
 *     mh_part_encode_head(e, part, &payload);            // says how long they are
 *
 * A payload is valid until the next call.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_ENCODE_H
#define MEMHIST_HISTORY_COLUMNS_PART_ENCODE_H

#include "libmemhist/history/rows/encode.h"
#include "libmemhist/history/columns/part.h"

enum {
	MH_PART_CHUNK_SERIES = 4096, /* at most */
	/*
	 * A chunk gets no further series when it has so many changes: what lives long and changes
	 * often is asked for alone, and then few others have to be read with it.
	 */
	MH_PART_CHUNK_EVENTS = 1 << 16,
	MH_PART_STRINGS_BYTES = 1 << 12, /* of strings in a chunk of these */
};

struct mh_part_encoder;

/* `level` of zstd. Returns 0 or -ENOMEM. */
int mh_part_encoder_new(struct mh_part_encoder **ret, int level);
void mh_part_encoder_free(struct mh_part_encoder *e);

/* The part's events are in order of series. Returns 0 or -ENOMEM. */
int mh_part_encode_begin(struct mh_part_encoder *e, const struct mh_part *p);
/* The next frame's type and payload: 1; 0 behind the last one; -ENOMEM or -EOVERFLOW. */
int mh_part_encode_next(struct mh_part_encoder *e, const struct mh_part *p, uint8_t *ret_type,
			struct mh_payload *ret);
/* The payload of the frame in front of these. Returns 0, -ENOMEM or -EOVERFLOW. */
int mh_part_encode_head(struct mh_part_encoder *e, const struct mh_part *p, struct mh_payload *ret);

#endif
