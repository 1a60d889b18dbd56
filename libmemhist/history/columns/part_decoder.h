/*
 * The decoder of parts from inside: what part_decode.c (heads, series), part_decode_names.c,
 * part_decode_columns.c (values, candles) and part_decode_chunk.c (which frames) share.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_DECODER_H
#define MEMHIST_HISTORY_COLUMNS_PART_DECODER_H

#include "libmemhist/history/columns/part_decode.h"
#include "libmemhist/history/columns/part_encode.h"
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

/* The number of a string that is wanted, and what it is called in the part. */
struct mh_wanted_string {
	uint32_t number, mine;
};

struct mh_part_decoder {
	struct mh_unpacker unpacker;
	struct mh_tuple_in *tuple;
	uint32_t n_tuples, tuple_cap;
	uint32_t n_series; /* that the head promised */
	uint32_t n_chunks;
	mh_fields_t stored;
	struct mh_part_choice choice;
	uint32_t *chunk_pid;    /* the first one of each chunk, where pids are chosen */
	uint32_t *chunk_series; /* how many series each has */
	uint32_t chunk_pids_cap, chunk_series_cap;
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
	bool left_names;
	uint64_t *start[MH_FIELD_COUNT]; /* of its series */
	uint32_t from_event[MH_FIELD_COUNT], to_event[MH_FIELD_COUNT];

	/* names apart (Z15) */
	bool is_apart;
	bool left_meminfo, left_tuples;
	uint32_t n_named; /* versions, and brief ones, that have the number of a tuple */
	uint32_t *string_base, n_string_chunks, string_bases_cap; /* the first string of each */
	uint32_t next_strings;                                    /* chunk of these */
	struct mh_wanted_string *wanted; /* of a pid; in order of numbers */
	uint32_t n_wanted, n_got, wanted_cap;
	/* frames behind the head, by number; n_frame_bytes is 0 when their lengths are not known */
	uint32_t n_frames, at_frame, n_columns, n_candle_columns;
	uint32_t *frame_bytes, n_frame_bytes, frame_bytes_cap;
	bool wants_nothing;

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

/* Make room for n numbers. Returns 0 or -ENOMEM. */
int mh_part_numbers(uint32_t **array, uint32_t *cap, size_t n);

/* Names of a process by the number of their tuple; false: there is none. */
bool mh_part_take_name(const struct mh_part_decoder *d, uint64_t name, uint64_t ppid,
		       struct mh_part_version *ret);
/* Columns of tuples, of strings, of meminfo. Return 0, -EBADMSG or -ENOMEM. */
struct mh_tuple_columns {
	struct mh_varints uid, comm, cmdline, exe, cgroup;
};
int mh_part_take_tuple_columns(struct mh_part_decoder *d, struct mh_tuple_columns *c, uint32_t n,
			       uint32_t n_strings);
int mh_part_take_meminfo_columns(struct mh_part *p, struct mh_varints n, struct mh_varints gap,
				 struct mh_varints delta);
/* Z5, of one series. */
struct mh_name_columns {
	struct mh_varints versions, gap, name, ppid;
};
int mh_part_take_versions(const struct mh_part_decoder *d, struct mh_part *p, uint32_t series,
			  struct mh_name_columns *c);
/* After the head, where names are apart. Returns 0, -EBADMSG or -ENOMEM. */
int mh_part_begin_frames(struct mh_part_decoder *d, const Memhist__V1__PartHead *m,
			 const struct mh_part *p);

/* A chunk begins whose first series is `base`. */
void mh_part_begin_chunk(struct mh_part_decoder *d, uint32_t base, bool passes_over);

/* Take in the head of a chunk, or a frame of the one begun. Return 0, -EBADMSG or -ENOMEM. */
int mh_part_take_series(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p);
int mh_part_take_names(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p);
int mh_part_take_starts(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p);
int mh_part_take_values(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p);
int mh_part_take_candles(struct mh_part_decoder *d, const struct mh_frame *frame,
			 struct mh_part *p);
/* A frame behind the chunks. */
int mh_part_take_meminfo(struct mh_part_decoder *d, const struct mh_frame *frame,
			 struct mh_part *p);
int mh_part_take_tuples(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p);
int mh_part_take_strings(struct mh_part_decoder *d, const struct mh_frame *frame,
			 struct mh_part *p);
/* Whether the strings of this chunk have to be read. */
bool mh_part_wants_strings(const struct mh_part_decoder *d, uint32_t chunk);

#endif
