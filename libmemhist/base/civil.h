/*
 * Civil time: what a clock on the wall shows, as milliseconds since it showed 1970-01-01 00:00.
 * The clock goes by the zone of TZ (see tzset(3)), or by UTC.
 *
 * Clocks are put forward and back, so some readings never come and some come twice, but every
 * instant has one reading, and every reading has a first instant at which it has been reached.
 */
#ifndef MEMHIST_BASE_CIVIL_H
#define MEMHIST_BASE_CIVIL_H

#include "libmemhist/base/timespec.h"

/* What the clock shows at an instant. */
mh_ms_t mh_civil(mh_ms_t wall_ms, bool utc);

/*
 * The first instant at which the clock shows `civil_ms` or a later time: of a reading that comes
 * twice the first, of one that is skipped the moment at which the clock is put forward past it.
 */
mh_ms_t mh_civil_instant(mh_ms_t civil_ms, bool utc);

/*
 * The instant in (after_ms, until_ms] at which the clock is put forward or back, or INT64_MAX when
 * it is not. At most one change may lie between them.
 */
mh_ms_t mh_civil_change(mh_ms_t after_ms, mh_ms_t until_ms, bool utc);

#endif
