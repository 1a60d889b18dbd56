/*
 * What the frames of a chapter say of processes, written: the reverse of decode_chapter.h.
 * Remembers what a reader of the chapter knows: its strings, and the last written values by slot.
 */
#ifndef MEMHIST_HISTORY_ROWS_ENCODE_CHAPTER_H
#define MEMHIST_HISTORY_ROWS_ENCODE_CHAPTER_H

#include "libmemhist/base/arena.h"
#include "libmemhist/base/buf.h"
#include "libmemhist/history/rows/encode_names.h"
#include "libmemhist/model/snapshot.h"

/* Embedded by the encoder; zero-initialise. */
struct mh_chapter_out {
	struct mh_arena *scratch; /* of the call … */
	struct mh_buf *out;       /* … likewise */
	struct mh_buf nested;     /* a message within another */
	struct mh_names_out names;
	struct mh_written *written; /* by slot; of free ones all 0 */
	uint64_t *marked;           /* bitmap by slot, all clear between uses */
	uint32_t slots_cap;
	uint32_t slots_used; /* from here on all in `written` are 0 */
};

void mh_chapter_out_done(struct mh_chapter_out *c);

/*
 * Append to `out` all that a message Snapshot says of processes: of everybody when it begins a
 * chapter (key), else of what changed since the snapshot before. Returns 0, -ENOMEM or an error of
 * the buffer; after an error the next one must be a key.
 */
int mh_chapter_out_add(struct mh_chapter_out *c, struct mh_arena *scratch,
		       const struct mh_snapshot *s, bool key, struct mh_buf *out);

#endif
