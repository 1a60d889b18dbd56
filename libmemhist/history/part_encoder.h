/*
 * The encoder of parts from inside: what part_encode.c (chunks) and part_encode_head.c share.
 */
#ifndef MEMHIST_HISTORY_PART_ENCODER_H
#define MEMHIST_HISTORY_PART_ENCODER_H

#include "libmemhist/base/arena.h"
#include "libmemhist/base/buf.h"
#include "libmemhist/history/part_candles.h"
#include "libmemhist/history/part_encode.h"
#include "proto/memhist.pb-c.h"

enum { MH_PART_COLUMNS = 27 /* that one payload can have at most */ };

struct mh_part_encoder {
	int level;
	struct mh_buf column[MH_PART_COLUMNS];
	struct mh_arena scratch;
	struct mh_buf packed, compressed;
	struct ZSTD_CCtx_s *zstd;
	/* of the part whose head was encoded last */
	struct mh_strset tuples;
	uint32_t *name_of; /* by version: number of its name tuple */
	uint32_t name_cap;
	uint32_t *first_version; /* by series; one more at the end */
	uint32_t *first_event;   /* by field and series; one more at the end */
	size_t series_cap, event_cap;
	/* candles: what each field has been made of so far, and the chunk that is made */
	struct mh_part_windows windows;
	struct mh_part_feeds feeds[MH_FIELD_COUNT];
	struct mh_part_candles candles;
};

/* What most processes of a program have in common. */
struct mh_part_tuple {
	uint32_t uid, comm, cmdline, exe, cgroup;
};

/* Forget the columns of the payload before. */
void mh_part_begin(struct mh_part_encoder *e);
/* What was written into column[i]. */
ProtobufCBinaryData mh_part_column(const struct mh_part_encoder *e, int i);
/* Pack and compress. Returns 0, -ENOMEM or -EOVERFLOW. */
int mh_part_finish(struct mh_part_encoder *e, const ProtobufCMessage *message,
		   struct mh_payload *ret);

/* The number of the tuple of these names. Returns 0 or -ENOMEM. */
int mh_part_tuple(struct mh_part_encoder *e, const struct mh_part_version *v, uint32_t *ret);
/* Begin with the candles of this part. Returns 0 or -ENOMEM. */
int mh_part_begin_candles(struct mh_part_encoder *e, const struct mh_part *p);

/* Number the name tuples of all versions, and find where each series begins in the logs. */
int mh_part_index(struct mh_part_encoder *e, const struct mh_part *p);

#endif
