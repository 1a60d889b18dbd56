/*
 * Frames of a sealed segment back to a part: the reverse of part_encode.h. Every payload is taken
 * as hostile; memory is bounded by what the bytes can hold before it is allocated.
 *
 *     mh_part_decode_head(d, frame, part);
 *     while (!mh_part_is_whole(d, part))
 *             mh_part_decode_chunk(d, frame, part);      // frames that follow, in order
 *
 * Who wants less than everything says so after the head, and may pass over frames.
 *
 * A part is whole when all its chunks were taken in: then it is as mh_part_builder_end() gave it.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_DECODE_H
#define MEMHIST_HISTORY_COLUMNS_PART_DECODE_H

#include "libmemhist/base/err.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/columns/part_candles.h"

struct mh_part_decoder;

/* What is wanted of all parts. Zero-initialised: everything. */
struct mh_part_choice {
	bool without_names; /* the part gets no strings and no versions */
	bool without_meminfo;
	/*
	 * Only chunks that have this pid; there are others in them, but without names and
	 * candles. Of those
	 * who were brief only this pid. 0: all.
	 */
	uint32_t pid;
	/*
	 * Of rows, only values that candles of `field` take (mh_part_candle_fields()); the others
	 * stay 0, and nothing without_names has names. Who takes parts says what he wants of each.
	 */
	bool for_candles;
	int field;
};

int mh_part_decoder_new(struct mh_part_decoder **ret);
void mh_part_decoder_free(struct mh_part_decoder *d);

void mh_part_decoder_choose(struct mh_part_decoder *d, const struct mh_part_choice *choice);

/* As mh_decoder_be_strict(). */
void mh_part_decoder_be_strict(struct mh_part_decoder *d);

/*
 * Begin a part. Returns 0, -EBADMSG: breaks a rule; -EPROTO and a sentence: written by a newer
 * memhist in a way this one must not guess at; -ENOMEM. After an error the part is void.
 */
int mh_part_decode_head(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p,
			struct mh_err *err);
/*
 * After the head: what is wanted of the part. Otherwise it is all values and no candles. `candles`
 * is a field for which mh_part_has_candles(), or MH_FIELD_NONE. Returns 0 or -ENOMEM.
 */
int mh_part_decoder_want(struct mh_part_decoder *d, const struct mh_part *p, mh_fields_t values,
			 int candles);
/* After the head: nothing more is wanted, and the part is whole as it is. */
void mh_part_decoder_want_nothing(struct mh_part_decoder *d);
/* Whether the part has candle columns of this field. */
bool mh_part_has_candles(const struct mh_part_decoder *d, int field);

/* Whether a frame of this type is of the part whose head came last; others end it. */
bool mh_part_has_frame(uint8_t type);
/* Whether the next frame, when it is of this type, has to be read; else it may be passed over. */
bool mh_part_wants(const struct mh_part_decoder *d, uint8_t type);
/*
 * How many bytes of frames from here on are not wanted, where the part says it; else 0. *ret_size:
 * of the frame behind them, 0 when that is of another part.
 */
uint64_t mh_part_pass_over(const struct mh_part_decoder *d, const struct mh_part *p,
			   uint32_t *ret_size);
/*
 * `n` frames were passed over, or cannot be read, and one of type `next` is here. Returns 0;
 * -EBADMSG: no, or one of them is wanted.
 */
int mh_part_passed_over(struct mh_part_decoder *d, struct mh_part *p, uint32_t n, uint8_t next);
/*
 * The next frame of the part begun; without a payload when it was passed over. Returns as
 * mh_part_decode_head(); -EPROTO only when it is to be strict.
 */
int mh_part_decode_chunk(struct mh_part_decoder *d, const struct mh_frame *frame,
			 struct mh_part *p);
/* All that is wanted of the chunk begun last was taken in. */
bool mh_part_chunk_is_whole(const struct mh_part_decoder *d);
bool mh_part_is_whole(const struct mh_part_decoder *d, const struct mh_part *p);

/* How many chunks were begun. */
uint32_t mh_part_chunks_begun(const struct mh_part_decoder *d);
/* The series of the chunk begun last: from *ret_from to the last one of the part so far. */
void mh_part_chunk(const struct mh_part_decoder *d, uint32_t *ret_from);
/* Where the changes of this chunk are; valid until the part gets more. */
void mh_part_chunk_feeds(const struct mh_part_decoder *d, const struct mh_part *p,
			 struct mh_part_feeds *ret);
/*
 * The candles wanted, in stored windows; those of the chunks so far. They are the caller's to
 * change, and to clear between chunks.
 */
struct mh_part_candles *mh_part_decoder_candles(struct mh_part_decoder *d);
const struct mh_part_windows *mh_part_stored_windows(const struct mh_part_decoder *d);

#endif
