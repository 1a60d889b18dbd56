/*
 * Samples of a store as snapshots of a history: what was stored of one machine with one time is one
 * snapshot.
 *
 *   - A process is (pid, start): by the label `start`, which remote write sends; else by the value
 *     of memhist_process_start_time_seconds, which pages have; else it is the one that had the pid
 *     in the snapshot before, unless snapshots are missing in between.
 *   - Where that value moves by no more than two seconds, it is the clock that was set.
 *   - A process that a snapshot does not show has ended, or was not among those that were sent.
 *   - It has a name, and no command line.
 */
#ifndef MEMHIST_TOOLS_STORE_INTAKE_H
#define MEMHIST_TOOLS_STORE_INTAKE_H

#include "tools/intake.h"
#include "tools/store_samples.h"

enum { STORE_START_MOVES_MS = 2000, STORE_CLK_TCK = 1000 };

/* The fields that have to be there for one that is shown; and its mark, which may be. */
struct store_fields {
	mh_fields_t needed, marks;
};

struct store_fields store_fields_of(int field);

/* Take in sorted samples, all of them later than those before. Returns 0 or as intake_…(). */
int store_intake(struct intake *in, const struct store_samples *s, struct store_fields fields,
		 struct mh_err *err);

#endif
