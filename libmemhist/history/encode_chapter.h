/*
 * What the frames of a chapter say of processes, written: the reverse of decode_chapter.h.
 * Remembers what a reader of the chapter knows: its strings, and the last written values by slot.
 */
#ifndef MEMHIST_HISTORY_ENCODE_CHAPTER_H
#define MEMHIST_HISTORY_ENCODE_CHAPTER_H

#include "libmemhist/base/arena.h"
#include "libmemhist/base/strset.h"
#include "libmemhist/model/snapshot.h"
#include "proto/memhist.pb-c.h"

/* Embedded by the encoder; zero-initialise. */
struct mh_chapter_out {
	struct mh_arena *scratch; /* of the call */
	struct mh_strset strings;
	uint32_t strings_sent;      /* those already in an earlier frame of the chapter */
	struct mh_written *written; /* by slot */
	uint64_t *marked;           /* bitmap by slot, all clear between uses */
	uint32_t slots_cap;
};

void mh_chapter_out_done(struct mh_chapter_out *c);

/*
 * Fill in all that `ret` says of processes: of everybody when it begins a chapter (key), else of
 * what changed since the snapshot before. The arrays lie in `scratch`. Returns 0 or -ENOMEM; after
 * an error the next one must be a key.
 */
int mh_chapter_out_fill(struct mh_chapter_out *c, struct mh_arena *scratch,
			const struct mh_snapshot *s, bool key, Memhist__V1__Snapshot *ret);

#endif
