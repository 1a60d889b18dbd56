/*
 * Snapshots to payloads (proto/memhist.proto). Stateful: a delta says what differs from the payload
 * before, so every snapshot of a segment passes through the same encoder, in order.
 *
 * A keyframe begins a **chapter**: the strings start anew and all values count from 0, so that the
 * chapter can be read with nothing from before it.
 */
#ifndef MEMHIST_HISTORY_ROWS_ENCODE_H
#define MEMHIST_HISTORY_ROWS_ENCODE_H

#include "libmemhist/model/snapshot.h"

struct mh_encoder;

/* What keyframes say of the segment. */
struct mh_segment_facts {
	uint32_t page_bytes;
	uint32_t clk_tck;
	uint32_t interval_ms;
	const char *host;
	const char *writer;
};

struct mh_payload {
	const uint8_t *bytes; /* valid until the next call */
	size_t len;
	uint8_t flags; /* MH_FRAME_KEY, MH_FRAME_ZSTD */
};

int mh_encoder_new(struct mh_encoder **ret);
void mh_encoder_free(struct mh_encoder *e);

/*
 * Encode one snapshot, as a keyframe when `facts` is given, else as a delta to the one before.
 * Returns 0, -ENOMEM, or -EOVERFLOW (more than a frame can hold). After an error the next one must
 * be a keyframe.
 */
int mh_encode_snapshot(struct mh_encoder *e, const struct mh_snapshot *s,
		       const struct mh_segment_facts *facts, struct mh_payload *ret);

/* Encode a gap record; leaves the chapter as it is. */
int mh_encode_gap(struct mh_encoder *e, const struct mh_gap *gap, struct mh_payload *ret);

#endif
