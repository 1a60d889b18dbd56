/* The clock of a place. */
#include "tests/unit/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

void zone_set(const char *name)
{
	const char *dir = getenv("TZDIR");
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "/usr/share/zoneinfo", name);
	if (strcmp(name, "UTC") != 0 && access(path, R_OK)) {
		print_message("# the zone %s is not installed (tzdata)\n", name);
		skip();
	}
	assert_int_equal(setenv("TZ", name, 1), 0);
	tzset();
}

static struct tm local(int64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000 - (wall_ms % 1000 < 0));
	struct tm tm;

	assert_non_null(localtime_r(&t, &tm));
	return tm;
}

int64_t zone_offset_ms(int64_t wall_ms)
{
	return (int64_t)local(wall_ms).tm_gmtoff * 1000;
}

int64_t zone_time_of_day_ms(int64_t wall_ms)
{
	struct tm tm = local(wall_ms);

	return ((tm.tm_hour * 60 + tm.tm_min) * 60 + tm.tm_sec) * (int64_t)1000 +
	       ((wall_ms % 1000) + 1000) % 1000;
}
