/*
 * What the frames of a chapter say of processes, read, into a process table: docs/FORMAT.md
 * sections 4.1 and 4.2. Remembers the chapter's strings and where in the table each slot of the
 * file is; the two differ, since a process keeps its place in the table over segments and restarts
 * of the writer.
 */
#ifndef MEMHIST_HISTORY_ROWS_DECODE_CHAPTER_H
#define MEMHIST_HISTORY_ROWS_DECODE_CHAPTER_H

#include "libmemhist/history/rows/strings.h"
#include "libmemhist/model/table.h"
#include "proto/memhist.pb-c.h"

/* What a frame said of somebody's end (S8). */
struct mh_last_marks {
	struct mh_identity id;
	uint64_t value[MH_FIELD_COUNT];
};

/* Embedded by the decoder; zero-initialise. */
struct mh_chapter_in {
	struct mh_table *table; /* of the call */
	uint32_t *place;        /* by slot of the file */
	uint32_t place_cap;
	struct mh_strings strings;
	/* What is checked like all else, but does not get into the table. */
	mh_fields_t unwanted;
	bool without_names;
	/* of the frame read last, those included that nobody knows here */
	struct mh_last_marks *last_marks;
	uint32_t n_last_marks, last_marks_cap;
};

void mh_chapter_in_done(struct mh_chapter_in *c);

/*
 * Take in a snapshot frame, within a round of `table`; a keyframe begins the chapter anew. Returns
 * 0, -EBADMSG (breaks a rule) or -ENOMEM; after an error only a keyframe can go on.
 */
int mh_chapter_in_take(struct mh_chapter_in *c, struct mh_table *table,
		       const Memhist__V1__Snapshot *m, bool key);

/*
 * Ascending numbers from gaps (section 4.2): *at, the one with number i - 1, becomes the one with
 * number i. False past the largest slot.
 */
bool mh_next_in_list(uint32_t *at, size_t i, uint32_t gap);

#endif
