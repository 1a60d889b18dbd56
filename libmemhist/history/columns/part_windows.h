/*
 * The windows of time that the snapshots of a part fall into: rules 1 and 4 of view/candle.h. A
 * window is a run of snapshots here; one that the clock was set back into comes twice.
 *
 * Where only a range of time is wanted, the snapshots outside do not count: those that do are
 * numbered from 0, and what happens at one that does not, happens at the next that does.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_WINDOWS_H
#define MEMHIST_HISTORY_COLUMNS_PART_WINDOWS_H

#include "libmemhist/history/columns/part.h"

/* The windows that candle columns are made for: quarters of an hour, UTC. */
enum { MH_STORED_WINDOW_MS = 15 * 60 * 1000 };

struct mh_part_window {
	mh_ms_t start_ms, end_ms;
	uint32_t from, to; /* wanted snapshots from … to - 1 */
};

/* Embedded by its owner; zero-initialise. */
struct mh_part_windows {
	struct mh_part_window *item;
	uint32_t n;
	uint32_t n_snapshots; /* wanted */
	bool is_whole;        /* all are */
	struct mh_gap gap;    /* before the first one wanted, as the part says */
	struct mh_gap rest;   /* behind the last one wanted */
	uint32_t *of;         /* by wanted snapshot: its window */
	/*
	 * By wanted snapshot: the last one up to it with a gap before it over which nothing can be
	 * said of marks (rule 6). 0: none; of what is before the first, the part knows nothing.
	 */
	uint32_t *last_gap;
	/* By snapshot of the part, and one behind the last: how many before it are wanted. */
	uint32_t *place;
	uint32_t cap;
};

/* What is wanted. */
struct mh_part_wish {
	mh_ms_t interval_ms;
	bool utc;
	mh_ms_t since_ms, until_ms;
	uint64_t max_snapshots; /* 0: all */
	uint32_t n_known;       /* of the first ones; they were read before */
};

#define MH_PART_WISH_STORED \
	((struct mh_part_wish){MH_STORED_WINDOW_MS, true, MH_MS_MIN, MH_MS_MAX, 0, 0})

void mh_part_windows_done(struct mh_part_windows *w);
/* The part's snapshots are known. Returns 0 or -ENOMEM. */
int mh_part_windows_fill(struct mh_part_windows *w, const struct mh_part *p,
			 const struct mh_part_wish *wish);

/* Whether what is known of marks before such a gap still counts behind it (rule 6). */
static inline bool mh_gap_goes_on(enum mh_gap_kind kind)
{
	return kind == MH_GAP_NONE || kind == MH_GAP_CLOCK_STEP;
}

/* The wanted snapshots that show a series: *ret_from … *ret_to - 1; none when both are the same. */
static inline void mh_part_life(const struct mh_part_windows *w, const struct mh_part_series *s,
				uint32_t *ret_from, uint32_t *ret_to)
{
	*ret_from = w->place[s->first];
	*ret_to = w->place[s->first + s->count];
}

#endif
