/* Durations, points in time and clock-aligned windows. Reads the zone (TZ), never the clock,
 * except in mh_now(). */
#include "libmemhist/base/timespec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR, WEEK = 7 * DAY };

static const mh_ms_t LONGEST = (mh_ms_t)36525 * DAY; /* 100 years */

/* Longest unit first, so that formatting can walk the table; "ms" before "m" for the parser. */
static const struct {
	const char *suffix;
	const char *name;
	mh_ms_t ms;
} units[] = {
	{"w", NULL, WEEK},     {"d", "d", DAY},      {"h", "h", HOUR},   {"ms", "ms", 1},
	{"min", NULL, MINUTE}, {"m", "min", MINUTE}, {"s", "s", SECOND},
};
#define N_UNITS (sizeof(units) / sizeof(units[0]))

struct mh_instant mh_now(void)
{
	struct timespec wall, boot;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (struct mh_instant){
		.wall_ms = (mh_ms_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000,
		.boot_ns = (mh_boot_ns_t)boot.tv_sec * 1000000000u + (mh_boot_ns_t)boot.tv_nsec,
	};
}

/* Digits at *p; -EINVAL when there are none or the number passes LONGEST. */
static int read_number(const char **p, mh_ms_t *ret)
{
	mh_ms_t n = 0;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); (*p)++) {
		n = n * 10 + (**p - '0');
		if (n > LONGEST)
			return -EINVAL;
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

/* One or more "<digits><unit>" at *p, advancing it. */
static int read_parts(const char **p, mh_ms_t bare_unit_ms, mh_ms_t *ret_ms)
{
	mh_ms_t total = 0, n;
	bool bare = false;

	do {
		size_t u;

		if (bare || read_number(p, &n))
			return -EINVAL;
		u = unit_at(*p);
		bare = u == N_UNITS;
		if (bare && !bare_unit_ms)
			return -EINVAL;
		if (n > LONGEST / (bare ? bare_unit_ms : units[u].ms))
			return -EINVAL;
		total += n * (bare ? bare_unit_ms : units[u].ms);
		if (total > LONGEST)
			return -EINVAL;
		if (!bare)
			*p += strlen(units[u].suffix);
	} while (isdigit((unsigned char)**p));
	*ret_ms = total;
	return 0;
}

int mh_duration_parse(const char *text, mh_ms_t bare_unit_ms, mh_ms_t *ret_ms)
{
	mh_ms_t ms;

	if (read_parts(&text, bare_unit_ms, &ms) || *text || ms < 1)
		return -EINVAL;
	*ret_ms = ms;
	return 0;
}

void mh_duration_format(struct mh_buf *b, mh_ms_t ms)
{
	static const size_t order[] = {1, 2, 5, 6, 3}; /* d h min s ms */
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
	struct tm tm = {.tm_isdst = -1}, back;
	int year, month, offset_s = 0, zone;
	time_t t;

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
	if (zone < 0 || *p || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	back = tm;
	utc = utc || zone;
	if (utc)
		back.tm_isdst = 0;
	t = utc ? timegm(&back) : mktime(&back);
	/* the C library normalises February 30 to March 2: refuse what came back changed */
	if (back.tm_mday != tm.tm_mday || back.tm_mon != tm.tm_mon || back.tm_year != tm.tm_year)
		return -EINVAL;
	*ret_ms = ((mh_ms_t)t - offset_s) * 1000;
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
		if (read_parts(&p, 0, &ms) || *p)
			return -EINVAL;
		*ret_ms = now_ms - ms;
		return 0;
	}
	if (!read_parts(&p, 0, &ms) && !strcmp(p, " ago")) {
		*ret_ms = now_ms - ms;
		return 0;
	}
	return parse_calendar(text, utc, ret_ms);
}

/* Seconds since the epoch, rounded down, so that times before 1970 do not round towards it. */
static time_t floor_seconds(mh_ms_t wall_ms)
{
	return (time_t)(wall_ms / 1000 - (wall_ms % 1000 < 0));
}

static void broken_down(time_t t, bool utc, struct tm *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (utc)
		gmtime_r(&t, ret);
	else
		localtime_r(&t, ret);
}

void mh_time_format(struct mh_buf *b, mh_ms_t wall_ms, bool utc)
{
	struct tm tm;

	broken_down(floor_seconds(wall_ms), utc, &tm);
	mh_buf_printf(b, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		      tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static mh_ms_t floor_to(mh_ms_t value, mh_ms_t step)
{
	mh_ms_t rest = value % step;

	return value - (rest < 0 ? rest + step : rest);
}

/* Midnight that begins the local (or UTC) day `days` after the one that holds wall_ms, in units
 * of `step` days since 1970-01-01. */
static mh_ms_t day_start(mh_ms_t wall_ms, mh_ms_t step, int after, bool utc)
{
	struct tm tm, day = {.tm_mday = 1, .tm_isdst = -1};
	mh_ms_t number;

	broken_down(floor_seconds(wall_ms), utc, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	number = floor_to(floor_to((mh_ms_t)timegm(&tm), 86400) / 86400, step) + after * step;
	/* mktime() takes any day of the month and finds the date: day N of January 1970 */
	day.tm_year = 70;
	day.tm_mday = (int)number + 1;
	if (utc)
		day.tm_isdst = 0;
	return (mh_ms_t)(utc ? timegm(&day) : mktime(&day)) * 1000;
}

static mh_ms_t zone_offset_ms(mh_ms_t wall_ms, bool utc)
{
	struct tm tm;

	broken_down(floor_seconds(wall_ms), utc, &tm);
	return (mh_ms_t)tm.tm_gmtoff * 1000;
}

void mh_window(mh_ms_t wall_ms, mh_ms_t interval_ms, bool utc, mh_ms_t *ret_start, mh_ms_t *ret_end)
{
	mh_ms_t offset_ms, day, next;

	if (interval_ms % DAY == 0) {
		*ret_start = day_start(wall_ms, interval_ms / DAY, 0, utc);
		*ret_end = day_start(wall_ms, interval_ms / DAY, 1, utc);
		return;
	}
	offset_ms = zone_offset_ms(wall_ms, utc);
	*ret_start = floor_to(wall_ms + offset_ms, interval_ms) - offset_ms;
	*ret_end = *ret_start + interval_ms;
	if (interval_ms <= HOUR)
		return;
	/* Summer time may begin or end inside a window of hours: its edges keep their wall time.
	 * Windows that do not divide the day are cut at midnight. */
	*ret_start += offset_ms - zone_offset_ms(*ret_start, utc);
	*ret_end += offset_ms - zone_offset_ms(*ret_end, utc);
	day = day_start(wall_ms, 1, 0, utc);
	next = day_start(wall_ms, 1, 1, utc);
	if (*ret_start < day)
		*ret_start = day;
	if (*ret_end > next)
		*ret_end = next;
}
