/*
 * The decoder of parts from inside: what part_decode.c (heads, series) and part_decode_columns.c
 * (values, candles) share.
 */
#ifndef MEMHIST_HISTORY_PART_DECODER_H
#define MEMHIST_HISTORY_PART_DECODER_H

#include "libmemhist/history/part_decode.h"
#include "libmemhist/history/part_encode.h"
#include "libmemhist/history/unpack.h"
#include "libmemhist/history/varints.h"
#include "proto/memhist.pb-c.h"

enum { MH_FRAME_ORDER_MAX = 64 };

/* The fields of a chunk's frames of one type, in order; -1: from the future. */
struct mh_frame_order {
	bool is_known;
	uint32_t n;
	int field[MH_FRAME_ORDER_MAX];
};

struct mh_tuple_in {
	uint32_t uid, comm, cmdline, exe, cgroup;
};

struct mh_part_decoder {
	struct mh_unpacker unpacker;
	struct mh_tuple_in *tuple;
	uint32_t n_tuples, tuple_cap;
	uint32_t n_series; /* that the head promised */
	uint32_t n_chunks;
	mh_fields_t stored;
	struct mh_part_choice choice;
	uint32_t *
		chunk_pid; /* the first one of each chunk; n_chunks of them where pids are chosen */
	uint32_t chunk_pids_cap;
	uint32_t n_passed_over; /* series of chunks that were not chosen */
	bool passes_over;       /* the chunk begun last */
	struct mh_frame_order value_order, candle_order;
	/* wanted */
	mh_fields_t values, starts;
	int wants_candles;
	/* of the last chunk; series of chunks below `chunk` were taken in */
	uint32_t chunk;
	uint32_t base;                          /* its first series */
	uint32_t n_starts, n_candles, n_values; /* frames */
	mh_fields_t left_starts, left_values;   /* wanted, and not here yet */
	bool left_candles;
	uint64_t *start[MH_FIELD_COUNT]; /* of its series */
	uint32_t from_event[MH_FIELD_COUNT], to_event[MH_FIELD_COUNT];

	struct mh_part_windows windows; /* stored ones, when candles are wanted */
	struct mh_part_candles candles;
};

static inline struct mh_varints mh_bytes_of(ProtobufCBinaryData bytes)
{
	/* one that is missing has no address to count from */
	const uint8_t *at = bytes.len ? bytes.data : (const uint8_t *)"";

	return (struct mh_varints){at, at + bytes.len, false};
}

/* The next of ascending positions below `end`, by its distance; *ret is the one before plus 1. */
static inline bool mh_next_position(struct mh_varints *v, uint32_t end, uint32_t *ret)
{
	uint64_t gap = mh_varint_next(v);

	if (v->bad || gap >= end - *ret || *ret >= end)
		return false;
	*ret += (uint32_t)gap;
	return true;
}

/* A chunk begins whose first series is `base`. */
void mh_part_begin_chunk(struct mh_part_decoder *d, uint32_t base, bool passes_over);

/* Take in the head of a chunk, or a frame of the one begun. Return 0, -EBADMSG or -ENOMEM. */
int mh_part_take_series(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p);
int mh_part_take_starts(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p);
int mh_part_take_values(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p);
int mh_part_take_candles(struct mh_part_decoder *d, const struct mh_frame *frame,
			 struct mh_part *p);

#endif
