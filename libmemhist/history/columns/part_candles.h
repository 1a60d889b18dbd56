/*
 * Candles of a part, series by series, made from the changes of its values: what candle.h of the
 * view makes from snapshots, by the same rules (1 … 6 there), without going through snapshots.
 *
 * Candles come as **runs**: windows that follow one another and have the same candle. Nothing
 * happens in most windows of most processes, so these take no time.
 *
 * A part knows nothing of the snapshots around it. What rule 6 says of its first snapshot, and of
 * marks that lag and moved before anything else did, is left open: **edges** say what is needed to
 * find it out beside the parts before and behind (candle_reader.c does).
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_CANDLES_H
#define MEMHIST_HISTORY_COLUMNS_PART_CANDLES_H

#include "libmemhist/history/columns/part_windows.h"

/* The candle of a series in windows `window` … `window + n - 1`; n > 1: all four are one. */
struct mh_part_run {
	uint32_t series;
	uint32_t window;
	uint32_t n;
	uint64_t open, high, low, close;
};

/* Of a series that the first or the last wanted snapshot shows, where the field has a mark. */
struct mh_part_edge {
	uint32_t series;
	uint32_t run; /* its first */
	uint32_t
		changed; /* the last snapshot that changed it; 0: that one or one before the part */
	/* Of all its values in the first and in the last snapshot, where the mark lags. */
	uint32_t entry_print, exit_print;
	uint64_t entry; /* the mark in the first snapshot, when that shows it */
	uint64_t exit;  /* the mark in the last snapshot, when that shows it */
	uint64_t close; /* the value then */
	/*
	 * A mark that lags and moved before any other value did. It counts when the last change of
	 * the process before the part, or in its first snapshot, was in the window, or one snapshot
	 * before it; the window is that of mh_part_late_window(). 0: none.
	 */
	uint64_t late;
};

/* Embedded by its owner; zero-initialise. */
struct mh_part_candles {
	int error; /* sticky: 0, -ENOMEM or -EOVERFLOW */
	struct mh_part_run *run;
	uint32_t n_runs, runs_cap;
	struct mh_part_edge *edge;
	uint32_t n_edges, edges_cap;
};

enum { MH_PART_RUNS_MAX = 1 << 25 };

void mh_part_candles_done(struct mh_part_candles *c);
void mh_part_candles_clear(struct mh_part_candles *c);
/* Make room for n more runs; false after an error. */
bool mh_part_candles_room(struct mh_part_candles *c, uint32_t n);
/* Add one, unless there is no room. */
static inline void mh_part_candles_add(struct mh_part_candles *c, const struct mh_part_run *run)
{
	if (c->n_runs < c->runs_cap || mh_part_candles_room(c, 1))
		c->run[c->n_runs++] = *run;
}
void mh_part_candles_add_edge(struct mh_part_candles *c, const struct mh_part_edge *edge);

/* Leave only the runs of processes with this pid; edges are void then. */
void mh_part_candles_keep(struct mh_part_candles *c, const struct mh_part *p, uint32_t pid);

/* Fields that have candle columns, in the order in which these are stored. */
enum { MH_STORED_CANDLES = 6 };
extern const int mh_stored_candles[MH_STORED_CANDLES];

/* The stored field that first values of `field` are differences to (Z9), or MH_FIELD_NONE. */
int mh_part_start_base(const struct mh_segment_head *head, int field);
/* The high-water mark of a field in such a part, or MH_FIELD_NONE. A mark is its own. */
int mh_part_mark(const struct mh_segment_head *head, int field);
/* The fields whose changes are needed for the candles of `field`. */
mh_fields_t mh_part_candle_fields(const struct mh_segment_head *head, int field);

/* Where the changes of each field are; in order of series, then of time. */
struct mh_part_feeds {
	const struct mh_part_event *at[MH_FIELD_COUNT], *end[MH_FIELD_COUNT];
};

/* Of a part whose events are in order of series (mh_part_sort_by_series()). */
void mh_part_feeds_of(struct mh_part_feeds *ret, const struct mh_part *p);

/*
 * Candles of series `from` … `to - 1`, added to *ret; the feeds move on to what follows. Returns 0
 * or ret->error.
 */
int mh_part_candles_make(struct mh_part_candles *ret, const struct mh_part *p, uint32_t from,
			 uint32_t to, struct mh_part_feeds *feeds, const struct mh_part_windows *w,
			 int field);

/* A number that all values of a process make together: unequal when they are not the same (Z14). */
uint32_t mh_part_print(const uint64_t value[MH_FIELD_COUNT]);

/* The window that mh_part_edge.late belongs to; `to`: one behind the last snapshot of the life. */
static inline uint32_t mh_part_late_window(const struct mh_part_windows *w, uint32_t to)
{
	return w->of[to > 1 ? 1 : 0];
}

#endif
