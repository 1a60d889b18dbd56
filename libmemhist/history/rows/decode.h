/*
 * Payloads to snapshots: the reverse of encode.h, into a process table. Every payload is taken as
 * hostile, also behind a valid checksum: it may do nothing that the rules of docs/FORMAT.md section
 * 4 forbid, and its memory is bounded before it is allocated.
 *
 * A snapshot frame leaves the table's round open, so that a reader may pass over snapshots nobody
 * wants: mh_decoder_end() closes the round and says all that happened since the last one closed.
 */
#ifndef MEMHIST_HISTORY_ROWS_DECODE_H
#define MEMHIST_HISTORY_ROWS_DECODE_H

#include "libmemhist/base/err.h"
#include "libmemhist/history/rows/decode_chapter.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/columns/part_decode.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/model/snapshot.h"

struct mh_decoder;

/*
 * Who takes parts of sealed segments as they are, instead of snapshots. Non-zero returns of both
 * end the part with that value; -EBADMSG: it is damaged.
 */
struct mh_part_sink {
	/* A part begins: say what is wanted of it (mh_part_decoder_want()). Its chunks may never
	 * come. */
	int (*head)(void *arg, struct mh_part *p, struct mh_part_decoder *d);
	/* All that is wanted of a chunk is there. Its events may be forgotten. */
	int (*chunk)(void *arg, struct mh_part *p, struct mh_part_decoder *d);
	void *arg;
	struct mh_part_choice choice;
};

enum mh_decoded {
	MH_DECODED_NOTHING = 0,  /* a gap, noted for the next snapshot, or a type from the future */
	MH_DECODED_SNAPSHOT = 1, /* the table is at this snapshot */
	MH_DECODED_ORPHAN = 2,   /* a delta without the frame it builds on */
	MH_DECODED_PART = 3,     /* with a sink: all of a part was taken in */
};

int mh_decoder_new(struct mh_decoder **ret);
void mh_decoder_free(struct mh_decoder *d);

/*
 * What this memhist does not know is refused (-EPROTO) instead of passed over: for who writes
 * anew what was decoded, and would lose it (P3 of docs/FORMAT.md).
 */
void mh_decoder_be_strict(struct mh_decoder *d);

/* Another segment begins: no chapter is open, the sequence starts anew. */
void mh_decoder_new_segment(struct mh_decoder *d);

/*
 * The next segment has once more what was read of others (it is a merged one): its snapshots up to
 * this one are passed over, and the table does not go back to them.
 */
void mh_decoder_resume(struct mh_decoder *d, const struct mh_boot_id *boot_id,
		       mh_boot_ns_t boot_ns);

/*
 * Bytes were lost here: deltas are orphans until the next keyframe, which carries the gap. A part
 * goes on when the next frame shows that none is missing that is wanted (Z17): without a gap.
 */
void mh_decoder_lost(struct mh_decoder *d, mh_ms_t last_wall_ms);

/*
 * Before mh_decoder_end(): the last snapshot delivered was of this time. When what comes now goes
 * on much later, by the writer's own word, the time between is marked as MH_GAP_MISSING.
 */
void mh_decoder_continues(struct mh_decoder *d, mh_ms_t last_wall_ms, mh_ms_t wall_ms);

/*
 * Take in a frame. Returns an enum mh_decoded; -EBADMSG: breaks a rule, treat it as damage;
 * -EPROTO: written by a newer memhist in a way this one must not guess at; -ENOMEM.
 */
int mh_decoder_frame(struct mh_decoder *d, const struct mh_frame *frame, struct mh_err *err);

/*
 * Frames of a sealed segment hold many snapshots: before the next frame is given, the next of them.
 * MH_DECODED_SNAPSHOT, MH_DECODED_NOTHING when there is none, or as mh_decoder_frame().
 */
int mh_decoder_more(struct mh_decoder *d);

/* The time of the snapshot that the table is at, and the boot it is of. */
struct mh_instant mh_decoder_at(const struct mh_decoder *d);
const struct mh_boot_id *mh_decoder_boot(const struct mh_decoder *d);

/*
 * What the last frame, or the part of which this is the first snapshot, said of ends of processes
 * (S8, Z7), also of those that are not known here.
 */
const struct mh_last_marks *mh_decoder_last_marks(const struct mh_decoder *d, uint32_t *ret_n);

/* Parts go to the sink, which is kept by the caller. NULL: they become snapshots. */
void mh_decoder_set_sink(struct mh_decoder *d, const struct mh_part_sink *sink);
/* Whether the payload of the next frame is needed when it is of this type; see mh_part_wants(). */
bool mh_decoder_wants(const struct mh_decoder *d, uint8_t type);
/* How many bytes of frames from here on are not needed; see mh_part_pass_over(). */
uint64_t mh_decoder_pass_over(const struct mh_decoder *d, uint32_t *ret_size);
/* How many of the first snapshots of the part begun were read before (mh_decoder_resume()). */
uint32_t mh_decoder_known(const struct mh_decoder *d);
/* The part of MH_DECODED_PART, valid until the next frame. */
const struct mh_part *mh_decoder_part(const struct mh_decoder *d);
/* For a part, what the decoder does by itself for snapshots: note what the part says of the time
 * before its first snapshot; take all that is known of it. */
void mh_decoder_note_gap(struct mh_decoder *d, const struct mh_gap *gap);
struct mh_gap mh_decoder_take_gap(struct mh_decoder *d);

/* Close the round: the snapshot of the last frame that was MH_DECODED_SNAPSHOT. */
const struct mh_snapshot *mh_decoder_end(struct mh_decoder *d);

/* Gap records seen since the decoder was made. */
uint64_t mh_decoder_gaps(const struct mh_decoder *d);

const struct mh_segment_info *mh_decoder_segment(const struct mh_decoder *d);

#endif
