/*
 * Candles of stored windows (quarters of an hour) to those of longer ones.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_CANDLE_COMPOSE_H
#define MEMHIST_HISTORY_COLUMNS_CANDLE_COMPOSE_H

#include "libmemhist/history/columns/part_candles.h"

/* Embedded by its owner; zero-initialise. */
struct mh_compose {
	uint32_t *to; /* by stored window: the window wanted */
	uint32_t cap;
};

void mh_compose_done(struct mh_compose *c);
/*
 * Of one part: which window a stored one belongs to. Returns 1; 0: the windows wanted cannot be
 * made of these; -ENOMEM. `lags`: marks of the field do; those are judged by window (rule 6 of
 * view/candle.h), so then both must be the same.
 */
int mh_compose_plan(struct mh_compose *c, const struct mh_part_windows *stored,
		    const struct mh_part_windows *wanted, bool lags);
/* Move what is in `stored` to *made, behind what is there. Returns 0 or made->error. */
int mh_compose_runs(const struct mh_compose *c, struct mh_part_candles *made,
		    struct mh_part_candles *stored);

#endif
