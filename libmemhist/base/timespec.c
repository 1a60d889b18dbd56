/* Durations, points in time and clock-aligned windows. Reads the zone (TZ), never the clock,
 * except in mh_now() and mh_monotonic_ns(). */
#include "libmemhist/base/timespec.h"

#include "libmemhist/base/civil.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READINGS = 5, TIGHT_NS = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };
enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR, WEEK = 7 * DAY };

static const mh_ms_t LONGEST = (mh_ms_t)36525 * DAY; /* 100 years */
/* Some 200 million years: no sum of a time and a duration overflows. */
static const mh_ms_t FARTHEST = INT64_MAX / 3 * 2;

/* Longest unit first, so that formatting can walk the table; "ms" before "m" for the parser. */
static const struct {
	const char *suffix;
	const char *name;
	mh_ms_t ms;
} units[] = {
	{"y", NULL, (mh_ms_t)365 * DAY},
	{"w", NULL, WEEK},
	{"d", "d", DAY},
	{"h", "h", HOUR},
	{"ms", "ms", 1},
	{"min", NULL, MINUTE},
	{"m", "min", MINUTE},
	{"s", "s", SECOND},
};
#define N_UNITS (sizeof(units) / sizeof(units[0]))

static int64_t read_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

struct mh_instant mh_now(void)
{
	int64_t least_ns = INT64_MAX, wall_ns = 0, boot_ns = 0;

	/* the tightest of a few readings: somebody else may have run in between */
	for (int i = 0; i < READINGS && least_ns > TIGHT_NS; i++) {
		const int64_t before = read_ns(CLOCK_REALTIME), boot = read_ns(CLOCK_BOOTTIME);
		const int64_t took_ns = read_ns(CLOCK_REALTIME) - before;

		if (i && took_ns >= least_ns)
			continue;
		least_ns = took_ns;
		wall_ns = before;
		boot_ns = boot;
	}
	return mh_instant_of(wall_ns, (mh_boot_ns_t)boot_ns);
}

struct mh_instant mh_instant_of(int64_t wall_ns, mh_boot_ns_t boot_ns)
{
	int64_t apart_ns = wall_ns - (int64_t)boot_ns, apart_ms = apart_ns / NS_PER_MS;

	/* down, also before 1970 */
	if (apart_ns % NS_PER_MS < 0)
		apart_ms--;
	return (struct mh_instant){.wall_ms = (mh_ms_t)(boot_ns / NS_PER_MS) + apart_ms,
				   .boot_ns = boot_ns};
}

uint64_t mh_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Digits at *p; -EINVAL when there are none, -ERANGE when the number passes LONGEST. */
static int read_number(const char **p, mh_ms_t *ret)
{
	mh_ms_t n = 0;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++) {
		n = n * 10 + (**p - '0');
		if (n > LONGEST)
			return -ERANGE;
	}
	*ret = n;
	return 0;
}

static size_t unit_at(const char *p)
{
	size_t u;

	for (u = 0; u < N_UNITS; u++)
		if (!strncmp(p, units[u].suffix, strlen(units[u].suffix)))
			break;
	return u;
}

/* Add n units to *total_ms; -ERANGE past LONGEST. */
static int add_units(mh_ms_t n, mh_ms_t unit_ms, mh_ms_t *total_ms)
{
	if (n > (LONGEST - *total_ms) / unit_ms)
		return -ERANGE;
	*total_ms += n * unit_ms;
	return 0;
}

/* One or more "<digits><unit>" at *p, advancing it. */
static int read_parts(const char **p, mh_ms_t *ret_ms)
{
	mh_ms_t total = 0, n;

	do {
		int rc = read_number(p, &n);
		size_t u;

		if (rc)
			return rc;
		u = unit_at(*p);
		if (u == N_UNITS)
			return -EINVAL;
		rc = add_units(n, units[u].ms, &total);
		if (rc)
			return rc;
		*p += strlen(units[u].suffix);
	} while (isdigit((unsigned char)**p));
	*ret_ms = total;
	return 0;
}

int mh_duration_parse(const char *text, mh_ms_t bare_unit_ms, mh_ms_t *ret_ms)
{
	const char *p = text;
	mh_ms_t n, ms = 0;
	int rc = read_number(&p, &n);

	if (rc)
		return rc;
	if (!*p && bare_unit_ms) {
		rc = add_units(n, bare_unit_ms, &ms);
	} else {
		p = text;
		rc = read_parts(&p, &ms);
	}
	if (rc)
		return rc;
	if (*p || ms < 1)
		return -EINVAL;
	*ret_ms = ms;
	return 0;
}

void mh_duration_format(struct mh_buf *b, mh_ms_t ms)
{
	static const size_t order[] = {2, 3, 6, 7, 4}; /* d h min s ms */
	bool any = false;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		mh_ms_t n = ms / units[order[i]].ms;

		if (!n)
			continue;
		mh_buf_printf(b, "%s%lld %s", any ? " " : "", (long long)n, units[order[i]].name);
		ms -= n * units[order[i]].ms;
		any = true;
	}
	if (!any)
		mh_buf_adds(b, "0 s");
}

/* Exactly `digits` digits into *ret. */
static bool read_field(const char **p, int digits, int *ret)
{
	*ret = 0;
	for (; digits; digits--, (*p)++) {
		if (!isdigit((unsigned char)**p))
			return false;
		*ret = *ret * 10 + (**p - '0');
	}
	return true;
}

static bool read_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* "Z", "+09:00" or nothing at *p: 1 with seconds east of UTC, 0 without a zone, -EINVAL. */
static int read_zone(const char **p, int *ret_offset_s)
{
	int sign, hours, minutes;

	if (read_char(p, 'Z')) {
		*ret_offset_s = 0;
		return 1;
	}
	if (**p != '+' && **p != '-')
		return 0;
	sign = *(*p)++ == '-' ? -1 : 1;
	if (!read_field(p, 2, &hours))
		return -EINVAL;
	read_char(p, ':');
	if (!read_field(p, 2, &minutes) || hours > 14 || minutes > 59)
		return -EINVAL;
	*ret_offset_s = sign * (hours * 3600 + minutes * 60);
	return 1;
}

static int parse_calendar(const char *p, bool utc, mh_ms_t *ret_ms)
{
	struct tm tm = {0}, back;
	int year, month, offset_s = 0, zone;
	mh_ms_t civil_ms;

	if (!read_field(&p, 4, &year) || !read_char(&p, '-') || !read_field(&p, 2, &month) ||
	    !read_char(&p, '-') || !read_field(&p, 2, &tm.tm_mday))
		return -EINVAL;
	if (*p == ' ' || *p == 'T') {
		p++;
		if (!read_field(&p, 2, &tm.tm_hour) || !read_char(&p, ':') ||
		    !read_field(&p, 2, &tm.tm_min))
			return -EINVAL;
		if (read_char(&p, ':') && !read_field(&p, 2, &tm.tm_sec))
			return -EINVAL;
	}
	zone = read_zone(&p, &offset_s);
	if (zone < 0 || *p)
		return -EINVAL;
	if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
		return -ERANGE;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	back = tm;
	civil_ms = (mh_ms_t)timegm(&back) * 1000;
	/* the C library normalises February 30 to March 2: refuse what came back changed */
	if (back.tm_mday != tm.tm_mday || back.tm_mon != tm.tm_mon)
		return -ERANGE;
	if (zone)
		*ret_ms = civil_ms - (mh_ms_t)offset_s * 1000;
	else
		*ret_ms = mh_civil_instant(civil_ms, utc);
	return 0;
}

int mh_time_parse(const char *text, mh_ms_t now_ms, bool utc, mh_ms_t *ret_ms)
{
	const char *p = text;
	mh_ms_t ms;

	if (!strcmp(text, "now")) {
		*ret_ms = now_ms;
		return 0;
	}
	if (read_char(&p, '@')) {
		if (read_number(&p, &ms) || *p || ms > INT64_MAX / 1000)
			return -EINVAL;
		*ret_ms = ms * 1000;
		return 0;
	}
	if (read_char(&p, '-')) {
		if (read_parts(&p, &ms) || *p)
			return -EINVAL;
		*ret_ms = now_ms - ms;
		return 0;
	}
	if (!read_parts(&p, &ms) && !strcmp(p, " ago")) {
		*ret_ms = now_ms - ms;
		return 0;
	}
	return parse_calendar(text, utc, ret_ms);
}

static mh_ms_t floor_to(mh_ms_t value, mh_ms_t step)
{
	mh_ms_t rest = value % step;

	return value - (rest < 0 ? rest + step : rest);
}

static mh_ms_t within_reach(mh_ms_t wall_ms)
{
	return wall_ms > FARTHEST ? FARTHEST : wall_ms < -FARTHEST ? -FARTHEST : wall_ms;
}

void mh_time_format(struct mh_buf *b, mh_ms_t wall_ms, bool utc)
{
	mh_ms_t civil_ms = mh_civil(within_reach(wall_ms), utc);
	time_t t = (time_t)(floor_to(civil_ms, SECOND) / SECOND);
	struct tm tm = {0};

	gmtime_r(&t, &tm);
	mh_buf_printf(b, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		      tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/*
 * Windows up to an hour: the clock runs evenly inside each. Where it is put forward or back a
 * window ends and another begins, so that an hour shown twice has its windows twice.
 */
static void short_window(mh_ms_t wall_ms, mh_ms_t interval_ms, bool utc, mh_ms_t *ret_start,
			 mh_ms_t *ret_end)
{
	mh_ms_t since_midnight = mh_civil(wall_ms, utc);
	mh_ms_t start, end, change;

	since_midnight -= floor_to(since_midnight, DAY);
	start = wall_ms - since_midnight % interval_ms;
	end = start + interval_ms;
	if (end > wall_ms - since_midnight + DAY)
		end = wall_ms - since_midnight + DAY;
	change = mh_civil_change(start, wall_ms, utc);
	if (change != INT64_MAX)
		start = change;
	change = mh_civil_change(wall_ms, end, utc);
	*ret_start = start;
	*ret_end = change < end ? change : end;
}

/*
 * Longer windows: both edges are times of the day, so a window in which the clock is put forward or
 * back is shorter or longer than the others.
 */
static void long_window(mh_ms_t wall_ms, mh_ms_t interval_ms, bool utc, mh_ms_t *ret_start,
			mh_ms_t *ret_end)
{
	mh_ms_t reading = mh_civil(wall_ms, utc), start, end;

	for (;;) {
		mh_ms_t midnight = interval_ms < DAY ? floor_to(reading, DAY) : 0;

		start = midnight + floor_to(reading - midnight, interval_ms);
		end = start + interval_ms;
		if (interval_ms < DAY && end > midnight + DAY)
			end = midnight + DAY;
		*ret_end = mh_civil_instant(end, utc);
		if (wall_ms < *ret_end)
			break;
		/* put back across an edge: what is shown again belongs behind the edge */
		reading = end;
	}
	*ret_start = mh_civil_instant(start, utc);
}

void mh_window(mh_ms_t wall_ms, mh_ms_t interval_ms, bool utc, mh_ms_t *ret_start, mh_ms_t *ret_end)
{
	wall_ms = within_reach(wall_ms);
	if (interval_ms <= HOUR)
		short_window(wall_ms, interval_ms, utc, ret_start, ret_end);
	else
		long_window(wall_ms, interval_ms, utc, ret_start, ret_end);
}
