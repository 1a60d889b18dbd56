/*
 * Civil time on top of localtime_r(3) alone. mktime(3) is of no use here: for readings that come
 * twice or never its answer depends on what it was asked before.
 */
#include "libmemhist/base/civil.h"

#include <time.h>

static const mh_ms_t DAY_MS = 24 * 3600 * 1000;

/* Milliseconds that the clock is ahead of UTC. */
static mh_ms_t offset_at(mh_ms_t wall_ms, bool utc)
{
	/* rounded down, so that times before 1970 do not round towards it */
	time_t t = (time_t)(wall_ms / 1000 - (wall_ms % 1000 < 0));
	struct tm tm;

	if (utc || !localtime_r(&t, &tm))
		return 0;
	return (mh_ms_t)tm.tm_gmtoff * 1000;
}

mh_ms_t mh_civil(mh_ms_t wall_ms, bool utc)
{
	return wall_ms + offset_at(wall_ms, utc);
}

mh_ms_t mh_civil_change(mh_ms_t after_ms, mh_ms_t until_ms, bool utc)
{
	mh_ms_t offset = offset_at(after_ms, utc);

	if (offset_at(until_ms, utc) == offset)
		return INT64_MAX;
	while (until_ms - after_ms > 1) {
		mh_ms_t middle = after_ms + (until_ms - after_ms) / 2;

		if (offset_at(middle, utc) == offset)
			after_ms = middle;
		else
			until_ms = middle;
	}
	return until_ms;
}

mh_ms_t mh_civil_instant(mh_ms_t civil_ms, bool utc)
{
	/* no zone is a day from UTC, so the instant is within these */
	mh_ms_t from = civil_ms - DAY_MS, to = civil_ms + DAY_MS;
	mh_ms_t change = mh_civil_change(from, to, utc);
	mh_ms_t instant = civil_ms - offset_at(from, utc);

	if (instant < change)
		return instant;
	instant = civil_ms - offset_at(to, utc);
	return instant < change ? change : instant;
}
