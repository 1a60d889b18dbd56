/*
 * A made machine: snapshot after snapshot of a busy one, the same for the same seed everywhere.
 *
 *     struct day_config config = {.processes = 2000, .interval_ms = 10000, .seed = 1};
 *     const struct mh_snapshot *s;
 *
 *     rc = day_new(&day, &config);
 *     while (wanted && !(rc = day_next(day, &s)))
 *             …
 *     day_free(day);
 *
 * `processes` of them last. Beside them one in fifty of that number is born per snapshot and lives
 * for 3.4 snapshots on average, mostly steps of one job after another, with pids that come round.
 * Three in ten processes are active: their memory moves in 55 of 100 snapshots, so that one sample
 * in six has another RSS than the one before. They move up and down by 25 pages on average, most
 * often in anonymous memory, at times in mapped files and shared memory; address space and threads
 * move far less often, and one lasting process in 17 is swapped. VmHWM is at times higher than any
 * sample. All fields are measured; /proc/meminfo has 54 lines, of which 19 change, and the counters
 * beside it are there.
 *
 * What it draws are whole numbers, so that no machine rounds differently.
 */
#ifndef MEMHIST_TESTS_BENCH_DAY_H
#define MEMHIST_TESTS_BENCH_DAY_H

#include "libmemhist/model/snapshot.h"

enum {
	DAY_PROCESSES_MIN = 100,
	DAY_PROCESSES_MAX = 20000, /* of the pids there are, most stay free */
	DAY_CMDLINES = 733,
	DAY_PAGE_BYTES = 4096,
	DAY_CLK_TCK = 100,
};

/* The first snapshot is a little after 2026-06-01 00:00 UTC. */
#define DAY_BEGIN_MS INT64_C(1780272000000)

/* The command line of pid 1, which no other process has. */
#define DAY_ONLY_ONE "/sbin/init"

struct day_config {
	uint32_t processes; /* that last; DAY_PROCESSES_MIN … DAY_PROCESSES_MAX */
	uint32_t interval_ms;
	uint64_t seed;
};

/* What was made so far. A change is of RSS, to the snapshot before; births are none. */
struct day_counts {
	uint64_t snapshots, process_samples, changed, born, renamed;
};

struct day;

/* Returns 0, -EINVAL (a number out of range) or -ENOMEM. */
int day_new(struct day **ret, const struct day_config *config);
void day_free(struct day *d);

/* The next snapshot, valid until the next call. Returns 0 or -ENOMEM. */
int day_next(struct day *d, const struct mh_snapshot **ret);

/* The number of the process that is in this slot: from 0 on in order of birth, never reused. */
uint32_t day_series(const struct day *d, uint32_t slot);
/*
 * How high its RSS is known to have been, in pages: what VmHWM says where that moved since the
 * snapshot before (C6 of libmemhist/view/candle.h), else its RSS.
 */
uint64_t day_high(const struct day *d, uint32_t slot);

void day_counts(const struct day *d, struct day_counts *ret);

#endif
