/*
 * Candles of a history, process by process, without going through its snapshots: what a reader
 * (reader.h) and a candle builder (view/candle.h) make together, by the same rules, only faster.
 *
 * Sealed segments with candle columns give them away where these fit: windows of 15 minutes (UTC),
 * and all that can be composed of such. Everything else is made from the changes of values, part by
 * part; an open segment is made a part first.
 *
 *     struct mh_candle_reader_config config = {.reader = {…}, .field = MH_FIELD_RSS, …};
 *
 *     mh_candle_reader_new(&c, dir, &config, &err);
 *     while ((rc = mh_candle_reader_next(c, &err)) > 0)
 *             …                                             // callbacks are called from here
 *     mh_candle_reader_free(c);
 *
 * Memory is bounded by the largest part, not by the range.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_CANDLE_READER_H
#define MEMHIST_HISTORY_COLUMNS_CANDLE_READER_H

#include "libmemhist/history/columns/part_windows.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/model/candle.h"

struct mh_candle_reader;

struct mh_candle_reader_config {
	mh_ms_t since_ms, until_ms; /* as those of the reader */
	int field;                  /* MH_FIELD_… */
	mh_ms_t interval_ms;        /* 1,000 and up */
	bool utc;
	uint64_t max_snapshots; /* stop after so many; 0: never */
	bool from_samples;      /* do not use candle columns */
	uint32_t pid;           /* only processes with this pid; 0: all. Parts have others too */
	/*
	 * Callbacks; a non-zero return ends the reading and is returned by mh_candle_reader_next().
	 * All but `candle` may be NULL.
	 *
	 * A part is next. Its series are known by their numbers in it until the next part; the i-th
	 * of `brief` has the number series.n + i. `gap` is what came before its first snapshot.
	 */
	int (*part)(void *arg, const struct mh_part *p, const struct mh_part_windows *w,
		    const struct mh_gap *gap);
	/*
	 * All of a window that the part has is next, up to (not including) this wanted snapshot:
	 * names are as of then. Without this callback parts may have no names.
	 */
	int (*names)(void *arg, uint32_t to);
	/*
	 * A candle, or a piece of one: a process may have several in one window, in order of time.
	 * They make one: the first's open, the last's close, highest and lowest, the sum of
	 * samples. A piece of 0 samples can raise the high of what came before it.
	 */
	int (*candle)(void *arg, uint32_t series, const struct mh_candle *candle);
	/* The window is complete. */
	int (*window)(void *arg, mh_ms_t start_ms, mh_ms_t end_ms);
	void *arg;
};

/* What was used. */
struct mh_candle_reader_stats {
	uint64_t n_snapshots; /* wanted */
	uint64_t n_measured;  /* of these, with the field */
	uint64_t candles;     /* with pieces */
	uint64_t parts_from_columns, parts_from_samples;
};

/* Returns 0, or as mh_reader_open(). */
int mh_candle_reader_new(struct mh_candle_reader **ret, const char *dir,
			 const struct mh_candle_reader_config *config, struct mh_err *err);
void mh_candle_reader_free(struct mh_candle_reader *c);

/*
 * Read on, up to the next whole part: 1; 0 at the end, when all windows are complete; or -errno, or
 * what a callback returned (then *err is as the callback left it).
 */
int mh_candle_reader_next(struct mh_candle_reader *c, struct mh_err *err);

/* Facts of the segment of the last part. */
const struct mh_segment_info *mh_candle_reader_segment(const struct mh_candle_reader *c);
void mh_candle_reader_stats(const struct mh_candle_reader *c, struct mh_candle_reader_stats *ret,
			    struct mh_reader_stats *ret_reader);

#endif
