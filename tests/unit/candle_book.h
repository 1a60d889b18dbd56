/*
 * All candles of a history, to be compared with those of another way to read it: collected window
 * by window, pieces of one candle put together, and sorted by window and process.
 */
#ifndef MEMHIST_TESTS_UNIT_CANDLE_BOOK_H
#define MEMHIST_TESTS_UNIT_CANDLE_BOOK_H

#include "libmemhist/view/candle.h"

#include <stddef.h>

enum { SLOTS_MAX = 1024, BRIEF_MAX = 64 };

/* A candle, of whom, and in which window, counted through. */
struct candle_line {
	uint64_t window;
	struct mh_boot_id boot;
	struct mh_identity id;
	struct mh_candle candle;
};

struct candle_book {
	struct candle_line *line;
	size_t n, cap, n_windows;
	size_t from; /* the first of the window that is open */
	struct mh_boot_id boot;
	struct mh_identity by_slot[SLOTS_MAX], brief[BRIEF_MAX]; /* snapshots */
	struct mh_identity *by_series;                           /* parts */
	uint64_t snapshots, candles, columns;
};

/* Add a candle of the open window. */
void book_add(struct candle_book *b, const struct mh_identity *id, const struct mh_candle *candle);
/* The window is complete; `arg` is the book. */
int book_on_window(void *arg, mh_ms_t start_ms, mh_ms_t end_ms);
void book_finish(struct candle_book *b);
void book_done(struct candle_book *b);
/* Both are finished. Any difference is printed, and fails the test. */
void book_compare(const struct candle_book *a, const struct candle_book *b);

#endif
