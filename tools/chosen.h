/*
 * Which processes are wanted, snapshot by snapshot in one pass: those with given pids, those that
 * match by name, or all.
 *
 * A process matches from the first snapshot on that shows it under a name that does: its comm, or
 * its command line with blanks between the arguments. What it is called later does not matter.
 */
#ifndef MEMHIST_TOOLS_CHOSEN_H
#define MEMHIST_TOOLS_CHOSEN_H

#include "libmemhist/base/buf.h"
#include "libmemhist/model/match.h"
#include "libmemhist/model/snapshot.h"

enum { CHOSEN_PIDS_MAX = 1024 };

/* Embedded by its owner; zero-initialise. */
struct chosen {
	uint32_t pid[CHOSEN_PIDS_MAX]; /* n_pids of them; none: any */
	uint32_t n_pids;
	struct mh_match *match; /* owned; NULL = any name */

	/* of the snapshot given last */
	bool *is_slot;  /* by slot */
	bool *is_gone;  /* by position in `gone` */
	bool *is_brief; /* by position in `brief` */
	uint32_t slots_cap, gone_cap, brief_cap;
	struct mh_buf command;
};

/* "1,22,333" is added. Returns 0, or -EINVAL or -EOVERFLOW and a sentence. */
int chosen_add_pids(struct chosen *c, const char *list, struct mh_err *err);
/* A word or /pattern/, as in match.h; a word may stand anywhere in the name. */
int chosen_set_match(struct chosen *c, const char *pattern, struct mh_err *err);
void chosen_done(struct chosen *c);

/* Take in the next snapshot (every one, in order). Returns 0 or -ENOMEM. */
int chosen_update(struct chosen *c, const struct mh_snapshot *s);

/* How often matching was given up because it took too long: those names are not chosen. */
static inline uint64_t chosen_given_up(const struct chosen *c)
{
	return c->match ? mh_match_given_up(c->match) : 0;
}

#endif
