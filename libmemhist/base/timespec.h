/*
 * Times and durations: the two clocks of a snapshot, and the words people write for them.
 *
 * Two clocks, two types, never mixed: wall time labels (it may jump), boot time orders (it never
 * runs backwards and counts through suspend, see clock_gettime(2) CLOCK_BOOTTIME).
 */
#ifndef MEMHIST_BASE_TIMESPEC_H
#define MEMHIST_BASE_TIMESPEC_H

#include "libmemhist/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

typedef int64_t mh_ms_t;       /* wall clock: milliseconds since 1970-01-01T00:00:00Z */
typedef uint64_t mh_boot_ns_t; /* CLOCK_BOOTTIME: nanoseconds since boot, suspend included */

struct mh_instant {
	mh_ms_t wall_ms;
	mh_boot_ns_t boot_ns;
};

#define MH_MS_MIN INT64_MIN
#define MH_MS_MAX INT64_MAX

/* Both clocks now, as mh_instant_of(). */
struct mh_instant mh_now(void);
/*
 * The instant of two readings of one moment. The wall clock is up to 2 ms behind, never ahead, so
 * that between it and the boot clock, both in whole milliseconds, there are the same number of them
 * at all times, unless the wall clock is set: whoever computes when something began gets the same
 * from any instant.
 */
struct mh_instant mh_instant_of(int64_t wall_ns, mh_boot_ns_t boot_ns);

/*
 * CLOCK_MONOTONIC now, for how long something took and how long it may: neither people nor suspend
 * move it.
 */
uint64_t mh_monotonic_ns(void);

/*
 * A duration: digits and one of ms s m h d w y ("90s", "15m", "1y", of 365 days), parts may follow
 * one another
 * ("1h30m"). A number alone counts in `bare_unit_ms` (0: it is refused). Returns 0 and milliseconds
 * (1 ms … 100 years), -ERANGE when it is longer, or -EINVAL.
 */
int mh_duration_parse(const char *text, mh_ms_t bare_unit_ms, mh_ms_t *ret_ms);

/* "1 h 30 min", "20 s", "250 ms": what mh_duration_parse() reads, written for people. */
void mh_duration_format(struct mh_buf *b, mh_ms_t ms);

/*
 * A point in time: "YYYY-MM-DD[ HH:MM[:SS]]" ('T' may stand for the blank, 'Z' or "+09:00" may
 * follow), "@SECONDS", "now", "10m ago", "-10m". Without a zone it is local time, or UTC when
 * `utc`. Impossible dates (February 30, second 60) are -ERANGE, never normalised. Where the clock
 * is put back, of two equal times the first is meant; where it is put forward, a time that it skips
 * means the moment of the change. Returns 0, -ERANGE or -EINVAL.
 */
int mh_time_parse(const char *text, mh_ms_t now_ms, bool utc, mh_ms_t *ret_ms);

/* "YYYY-MM-DD HH:MM:SS", local time or UTC: 19 characters in the years 0 to 9999. */
void mh_time_format(struct mh_buf *b, mh_ms_t wall_ms, bool utc);

/*
 * The clock-aligned window of `interval_ms` (1 and up) that holds `wall_ms`: [*ret_start,
 * *ret_end). Windows align to the clock that people see, also where its zone is 30 minutes off:
 * they count from local midnight, the last one of a day ends with it; windows of a day and more
 * count from 1970-01-01 local. Together they tile time: one ends where the next begins.
 *
 * Where the clock is put forward or back, windows up to an hour stay as long as they are and begin
 * anew, so that an hour shown twice has its windows twice. Longer ones keep their times of the day
 * and are shorter or longer: a day may have 23 or 25 hours.
 *
 * Beyond some 200 million years from now windows no longer follow.
 */
void mh_window(mh_ms_t wall_ms, mh_ms_t interval_ms, bool utc, mh_ms_t *ret_start,
	       mh_ms_t *ret_end);

#endif
