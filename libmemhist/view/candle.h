/*
 * Candles: open, high, low, close and sample count of one field of each process, per clock-aligned
 * window, from snapshots in order.
 *
 * Rules:
 *   C1  A sample belongs to the window that holds its wall time; windows as in mh_window().
 *   C2  open is the first sample of the process in the window, close the last; high and low are
 *       the extremes of its samples. Nothing is carried in from outside the window.
 *   C3  samples counts the snapshots in the window in which the process was alive.
 *   C4  A window ends when a snapshot of another window comes, so after a backward step of the
 *       wall clock one window can give two candles; order inside is that of boot time.
 *   C5  Nothing is interpolated: a window without snapshots gives no candle. Gaps need no special
 *       care, since only samples count.
 *   C6  The kernel keeps high-water marks of RSS (VmHWM) and VSZ (VmPeak). Where a field's mark is
 *       measured and moved between two snapshots, the field was that high in between, although no
 *       sample saw it: the high of its candle is at least the mark, in the window of the later
 *       snapshot. Not over gaps, where "in between" can be hours, and not in the first snapshot
 *       that has the mark, where it can be years. A mark that lags (snapshot.h) moved after the
 *       last change of the process before this one: it counts when that was in the window, or in
 *       the last snapshot before it, and no gap lies between. A process that ended has its last
 *       mark, which counts in the last window it has samples in. The marks are fields as well, and
 *       each is its own mark.
 *       A mark is of one program: the kernel begins it anew with exec. So in the snapshot that
 *       shows the new names it is the new program's. Only where a process ends before such a
 *       snapshot is the last mark, of a program that nobody saw, told of the names seen last.
 *   C7  A process that began and ended between two snapshots (see mh_snapshot.brief) has no
 *       sample, but where its mark is known a candle in the window of the later snapshot: of
 *       samples 0, and the mark four times.
 *
 * Cost is one step per change, not per sample: a process that does not change is counted by
 * arithmetic.
 */
#ifndef MEMHIST_VIEW_CANDLE_H
#define MEMHIST_VIEW_CANDLE_H

#include "libmemhist/model/candle.h"
#include "libmemhist/model/snapshot.h"

struct mh_candles;

struct mh_candles_config {
	int field;           /* MH_FIELD_… */
	mh_ms_t interval_ms; /* 1,000 and up */
	bool utc;            /* align windows to UTC instead of local time */
	/*
	 * Called with each finished candle. `slot` is the place the process has (or had until now)
	 * in the snapshots, or MH_BRIEF_SLOT(i) for the i-th of `brief`. Candles of one window come
	 * together: those of processes that ended in it first, then the others by slot. Any
	 * callback's non-zero return stops the builder and is returned by the call that led here.
	 */
	int (*emit)(void *arg, uint32_t slot, const struct mh_candle *candle);
	/* Called when a window is complete: all its candles have been emitted. NULL = not wanted.
	 */
	int (*window)(void *arg, mh_ms_t start_ms, mh_ms_t end_ms);
	/*
	 * Called once per snapshot, after everything that ended before it has been emitted and
	 * before anything of it is taken in: the moment to update what is kept by slot (labels).
	 * NULL = not wanted.
	 */
	int (*update)(void *arg, const struct mh_snapshot *s);
	bool cut_on_rename; /* a process whose names change ends its candle and begins another */
	void *arg;
};

int mh_candles_new(struct mh_candles **ret, const struct mh_candles_config *config);
void mh_candles_free(struct mh_candles *c);

/* Take in the next snapshot. Returns 0, -ENOMEM, or what a callback returned. */
int mh_candles_add(struct mh_candles *c, const struct mh_snapshot *s);
/* No more snapshots: emit the candles of the window begun. */
int mh_candles_finish(struct mh_candles *c);

#endif
