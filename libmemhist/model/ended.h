/*
 * Who ended in a round of the process table: those that a snapshot showed (`gone`) and those that
 * none ever did (`brief`). Part of table.c, which owns the processes until they get here.
 *
 * It also knows twins: a process born in this round with the pid and start time of one that ended
 * in it is another.
 */
#ifndef MEMHIST_MODEL_ENDED_H
#define MEMHIST_MODEL_ENDED_H

#include "libmemhist/base/index.h"
#include "libmemhist/base/strpool.h"
#include "libmemhist/model/snapshot.h"

/* Embedded by the table; zero-initialise. */
struct mh_ended {
	struct mh_gone *gone;
	uint32_t n_gone, gone_cap;
	struct mh_process *brief;
	uint32_t n_brief, brief_cap;
	struct mh_index index; /* pid -> 2 * position in gone, or 2 * position in brief + 1 */
};

void mh_ended_done(struct mh_ended *e, struct mh_strpool *pool);
/* A new round: free everybody. */
void mh_ended_clear(struct mh_ended *e, struct mh_strpool *pool);
/* Free the brief ones. */
void mh_ended_clear_brief(struct mh_ended *e, struct mh_strpool *pool);
/* Nobody born from here on can be a twin of one that has ended. */
void mh_ended_forget_twins(struct mh_ended *e);

/* Make room for `n` that are gone, so that adding them cannot fail. Returns -ENOMEM. */
int mh_ended_reserve(struct mh_ended *e, uint32_t n);
/* Take over a process that was in `slot`, strings included. */
void mh_ended_add_gone(struct mh_ended *e, const struct mh_process *p, uint32_t slot);
/* Take over a process, strings included. Returns 0, -ENOMEM or -EOVERFLOW; then it took nothing. */
int mh_ended_add_brief(struct mh_ended *e, const struct mh_process *p);

/* The twin number of a process born now: 1 + the greatest of this pid and start time here, or 0. */
uint32_t mh_ended_next_twin(const struct mh_ended *e, const struct mh_identity *id);

#endif
