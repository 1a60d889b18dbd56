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

/* Both clocks now, in one reading. */
struct mh_instant mh_now(void);

/*
 * A duration: digits and one of ms s m h d w ("90s", "15m", "1d"), parts may follow one another
 * ("1h30m"). A bare number counts in `bare_unit_ms`. Returns 0 and milliseconds (1 ms … 100
 * years), or -EINVAL.
 */
int mh_duration_parse(const char *text, mh_ms_t bare_unit_ms, mh_ms_t *ret_ms);

/* "1 h 30 min", "20 s", "250 ms": what mh_duration_parse() reads, written for people. */
void mh_duration_format(struct mh_buf *b, mh_ms_t ms);

/*
 * A point in time: "YYYY-MM-DD[ HH:MM[:SS]]" ('T' may stand for the blank, 'Z' or "+09:00" may
 * follow), "@SECONDS", "now", "10m ago", "-10m". Without a zone it is local time, or UTC when
 * `utc`. Impossible dates (February 30) are refused, never normalised. Returns 0 or -EINVAL.
 */
int mh_time_parse(const char *text, mh_ms_t now_ms, bool utc, mh_ms_t *ret_ms);

/* "YYYY-MM-DD HH:MM:SS", 19 characters, local time or UTC. */
void mh_time_format(struct mh_buf *b, mh_ms_t wall_ms, bool utc);

/*
 * The clock-aligned window of `interval_ms` that holds `wall_ms`: [*ret_start, *ret_end).
 * Windows align to the wall clock that people see: an hour begins at :00 local time also where the
 * zone is 30 minutes off, a day at local midnight also when it has 23 or 25 hours. Days and their
 * multiples count from 1970-01-01 local.
 */
void mh_window(mh_ms_t wall_ms, mh_ms_t interval_ms, bool utc, mh_ms_t *ret_start,
	       mh_ms_t *ret_end);

#endif
