/*
 * The encoder of parts from inside: what part_encode.c (order, chunks), part_encode_names.c,
 * part_encode_candles.c and part_encode_head.c share.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_ENCODER_H
#define MEMHIST_HISTORY_COLUMNS_PART_ENCODER_H

#include "libmemhist/base/arena.h"
#include "libmemhist/base/buf.h"
#include "libmemhist/history/columns/part_candles.h"
#include "libmemhist/history/columns/part_encode.h"
#include "proto/memhist.pb-c.h"

enum {
	MH_PART_COLUMNS = 19, /* that one payload can have at most */
	MH_PART_SAVING = 8,   /* what saves less than one part in so many is not compressed */
	/* Shorter matches of numbers are chance, and take longer to read than they save. */
	MH_PART_NUMBERS_MATCH = 6,
};

struct mh_part_encoder {
	struct mh_buf column[MH_PART_COLUMNS];
	struct mh_arena scratch;
	struct mh_buf packed, compressed;
	struct ZSTD_CCtx_s *zstd;
	int min_match; /* of the payload that is made: zstd's; 0: as its level has it */
	/* of the part that is encoded */
	struct mh_strset tuples;
	uint32_t *name_of; /* by version: number of its name tuple */
	uint32_t name_cap;
	uint32_t *first_version; /* by series; one more at the end */
	uint32_t *first_event;   /* by field and series; one more at the end */
	size_t series_cap, event_cap;
	uint32_t *chunk; /* the first series of each; one more at the end */
	size_t chunks_cap;
	uint32_t n_chunks;
	uint32_t *strings; /* the first string of each chunk of these; one more at the end */
	size_t strings_cap;
	uint32_t n_string_chunks;
	/* which frame is next: `step` of chunk `at`, or of what is behind the chunks */
	uint32_t at, step;
	struct mh_buf frame_bytes; /* of those made so far */
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

/* Make room for n numbers. Returns 0 or -ENOMEM. */
int mh_part_room(uint32_t **array, size_t *cap, size_t n);

/* The number of the tuple of these names. Returns 0 or -ENOMEM. */
int mh_part_tuple(struct mh_part_encoder *e, const struct mh_part_version *v, uint32_t *ret);
/* Number the tuples of all versions, and cut the strings into chunks. Returns 0 or -ENOMEM. */
int mh_part_begin_names(struct mh_part_encoder *e, const struct mh_part *p);
/* Begin with the candles of this part. Returns 0 or -ENOMEM. */
int mh_part_begin_candles(struct mh_part_encoder *e, const struct mh_part *p);

/* Payloads of a chunk, candles in order of chunks; of the part. Return as mh_part_finish(). */
int mh_part_encode_names(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			 struct mh_payload *ret);
int mh_part_encode_candles(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			   int field, struct mh_payload *ret);
int mh_part_encode_meminfo(struct mh_part_encoder *e, const struct mh_part *p,
			   struct mh_payload *ret);
int mh_part_encode_tuples(struct mh_part_encoder *e, struct mh_payload *ret);
int mh_part_encode_strings(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			   struct mh_payload *ret);

#endif
