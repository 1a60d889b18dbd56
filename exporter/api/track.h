/*
 * What a figure was in the last quarter of an hour: a value every ten seconds (or with every
 * sample, where samples are rarer), for thousands of figures, most of which never change.
 *
 *     tracks_tick(&t, snapshot->at);              // once a sample, before the others
 *     track_begin(&t, &track, pages);             // a figure that is new in this sample
 *     track_set(&t, &track, pages);               // one that was there before
 *     for (uint32_t i = tracks_first(&t); i < t.n; i++)
 *             … t.wall_ms[i % TRACK_POINTS], track_at(&t, &track, i) …
 *
 * A figure that did not change takes no more than its struct track: it was then what it is now. One
 * that did has a ring, until it was the same for the whole time. There are TRACK_RINGS_MAX rings
 * (6 MiB) at most; a figure that gets none is as if it were new.
 */
#ifndef MEMHIST_EXPORTER_API_TRACK_H
#define MEMHIST_EXPORTER_API_TRACK_H

#include "libmemhist/base/timespec.h"

enum {
	TRACK_POINTS = 91, /* 15 minutes, both ends included */
	TRACK_STEP_MS = 10000,
	TRACK_RINGS_MAX = 16384,
	TRACK_WINDOWS = 2,
	TRACK_LEAST_S = 60, /* growth is never told of less than this, see track_growth() */
};

/* What there is no value for. */
#define TRACK_ABSENT UINT32_MAX

/* The windows that growth is told of: "5m", "15m". */
struct track_window {
	const char *name;
	mh_ms_t ms;
};
extern const struct track_window track_windows[TRACK_WINDOWS];

struct track_ring;

/* Points are numbered from 0 on; number i is kept at i % TRACK_POINTS. Zero-initialise. */
struct tracks {
	uint32_t n; /* points so far; the last TRACK_POINTS of them are known */
	mh_ms_t wall_ms[TRACK_POINTS];
	mh_boot_ns_t boot_ns[TRACK_POINTS];

	/* private */
	struct mh_instant now; /* of the sample */
	bool is_point;         /* the sample is the last point */
	uint32_t next;         /* the point that the sample is, or that comes after it */
	uint32_t base[TRACK_WINDOWS];
	struct track_ring *free_rings;
	uint32_t n_rings; /* in use */
};

/* Embedded by its owner. Zero is no figure: track_begin() first. */
struct track {
	uint32_t value; /* now */

	/* private */
	uint32_t first;   /* point that it is known from */
	uint32_t changed; /* point that it is the same from */
	struct track_ring *ring;
};

/* After track_end() of all. */
void tracks_done(struct tracks *t);
/* The next sample, of the same boot. */
void tracks_tick(struct tracks *t, struct mh_instant at);
/* The first point that is known. */
uint32_t tracks_first(const struct tracks *t);

/* `value` is cut at TRACK_ABSENT - 1. */
void track_begin(const struct tracks *t, struct track *track, uint64_t value);
void track_set(struct tracks *t, struct track *track, uint64_t value);
void track_end(struct tracks *t, struct track *track);

/* What it was at point i, or TRACK_ABSENT. */
uint32_t track_at(const struct tracks *t, const struct track *track, uint32_t i);

/*
 * How much it grew in a window that ends with the sample: false when that cannot be said yet, else
 * the difference and the seconds that it came about in. The window begins with the oldest point in
 * it that the figure has. What grew in less than TRACK_LEAST_S is told of so many seconds: a
 * program that starts is no leak.
 */
bool track_growth(const struct tracks *t, const struct track *track, int window, int64_t *ret_diff,
		  double *ret_s);

#endif
