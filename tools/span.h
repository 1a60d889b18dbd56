/*
 * From when to when: the wall times of snapshots, in the order in which they were taken. Clocks are
 * set back, so the last one taken need not be the latest.
 */
#ifndef MEMHIST_TOOLS_SPAN_H
#define MEMHIST_TOOLS_SPAN_H

#include "libmemhist/base/timespec.h"

/* Zero-initialise. */
struct span {
	uint64_t n; /* snapshots added; without any the rest means nothing */
	mh_ms_t earliest_ms, latest_ms;
	mh_ms_t last_ms;     /* of the one taken last */
	uint64_t n_set_back; /* how often one was before the one taken before it */
};

void span_add(struct span *s, mh_ms_t wall_ms);

/* From the earliest to the latest as they are shown: in whole seconds. */
mh_ms_t span_length(const struct span *s);

/* "2026-06-01 12:00:00 to 2026-06-01 12:01:49 UTC (1 min 49 s); the clock was set back 1 time" */
void span_describe(struct mh_buf *out, const struct span *s, bool utc);

#endif
