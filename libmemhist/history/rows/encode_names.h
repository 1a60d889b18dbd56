/*
 * The strings of a chapter, numbered as they come (C3 of docs/FORMAT.md), and who has which.
 *
 * A keyframe says all names of everybody anew. Most of them are those of the chapter before, so
 * what a slot had there is remembered; it is compared with what the process has now, and only where
 * that differs a string is looked for. Nobody has to say what changed.
 */
#ifndef MEMHIST_HISTORY_ROWS_ENCODE_NAMES_H
#define MEMHIST_HISTORY_ROWS_ENCODE_NAMES_H

#include "libmemhist/base/strset.h"
#include "libmemhist/history/wire.h"
#include "libmemhist/model/process.h"

enum { MH_NAMES_RECENT = 256 };

/* Embedded by the chapter; zero-initialise. */
struct mh_names_out {
	struct mh_strset strings[2]; /* of this chapter, and of the one before */
	uint32_t now;                /* the index of the former */
	uint32_t n_sent;             /* of the former: taken by mh_names_out_new() */
	uint32_t chapter;            /* its number */
	uint32_t *carried;           /* numbers in it + 1, by those before; 0: not used yet */
	uint32_t carried_cap;
	struct mh_named *by_slot;
	uint32_t slots_cap;
	/* Strings that many share, by where they lie: that means something within a frame. */
	uint32_t frame;
	struct {
		const struct mh_pooled *string;
		uint32_t frame;
		uint32_t number;
	} recent[MH_NAMES_RECENT];
	uint32_t unknown; /* number of what is not known + 1; of the frame, 0: not used yet */
};

/* Numbers of strings, a column for each name. */
struct mh_name_columns {
	struct mh_column *comm, *cmdline, *exe, *cgroup;
};

void mh_names_out_done(struct mh_names_out *n);
/* A frame is next, which may begin a chapter, and whose slots are less than this. -ENOMEM. */
int mh_names_out_begin(struct mh_names_out *n, bool key, uint32_t n_slots);
/*
 * Add the names of n processes, which are in these slots (NULL: in none). A column in which nothing
 * is known stays empty. Returns 0 or -ENOMEM.
 */
int mh_names_out_add(struct mh_names_out *n, const struct mh_process *const *who,
		     const uint32_t *slots, size_t count, const struct mh_name_columns *to);
/* The next string of the chapter that no frame brought yet; NULL: there is none. */
const struct mh_str *mh_names_out_new(struct mh_names_out *n);

#endif
