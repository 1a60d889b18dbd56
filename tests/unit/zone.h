/* The clock of a place, for tests of local time. */
#ifndef MEMHIST_TESTS_UNIT_ZONE_H
#define MEMHIST_TESTS_UNIT_ZONE_H

#include <stdint.h>

/* Set TZ for the rest of the program. Skips the running test where the zone is not installed. */
void zone_set(const char *name);

/* The local clock by localtime_r(3): its distance from UTC, and its time of day; milliseconds. */
int64_t zone_offset_ms(int64_t wall_ms);
int64_t zone_time_of_day_ms(int64_t wall_ms);

#endif
