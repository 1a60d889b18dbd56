/*
 * Which series of a pass can be forgotten, and when: those that a part had, and the next one has
 * not. A window that is not complete may have candles of them, so they wait until it is.
 */
#ifndef MEMHIST_TOOLS_PASS_FORGET_H
#define MEMHIST_TOOLS_PASS_FORGET_H

#include "tools/pass.h"

struct series_list {
	uint32_t *item;
	uint32_t n, cap;
};

/* Embedded by its owner; zero-initialise. */
struct forgetting {
	uint32_t n_parts;
	uint32_t *seen; /* by series: in the how-manieth part, the last time; 0: forgotten */
	uint32_t seen_cap;
	struct series_list shown; /* by this part */
	uint32_t n_before;        /* of these, by the part before: while this one is looked at */
	struct series_list waiting;
};

void forgetting_done(struct forgetting *f);

/* A part is next; its series; it is known. Where the pass has nobody to tell, nothing is done. */
void forgetting_begin_part(struct forgetting *f);
int forgetting_show(struct forgetting *f, const struct pass *p, uint32_t series);
int forgetting_end_part(struct forgetting *f);

/* No candle of those who wait will be asked for. Returns 0 or what the callback returned. */
int forgetting_waiting(struct forgetting *f, struct pass *p);
/* The pass is at its end: all. */
int forgetting_all(struct forgetting *f, struct pass *p);

#endif
