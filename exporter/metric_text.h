/*
 * Names and helps of metrics that are said in more than one place: on the page (exposition.c) and
 * by remote write (remote/series.c).
 */
#ifndef MEMHIST_EXPORTER_METRIC_TEXT_H
#define MEMHIST_EXPORTER_METRIC_TEXT_H

#include "exporter/families.h"
#include "libmemhist/model/counter.h"
#include "libmemhist/model/field.h"

enum { METRIC_HELP_MAX = 255 };

struct metric_text {
	char name[METRIC_NAME_MAX + 1];
	char help[METRIC_HELP_MAX + 1];
};

#define METRIC_OF_PROCESS "memhist_process_"
#define METRIC_OF_GROUP   "memhist_group_"

#define METRIC_PROCESSES            "memhist_processes"
#define METRIC_PROCESSES_HELP       "Live processes, without kernel threads."
#define METRIC_GROUP_PROCESSES      METRIC_OF_GROUP "processes"
#define METRIC_GROUP_PROCESSES_HELP "Live processes in the group."

/* Of a measured field: METRIC_OF_… and its name; its help and one more sentence, "" for none. */
void metric_of_field(struct metric_text *ret, const char *of, int field, const char *sentence);
/* That sentence for groups. */
const char *metric_group_sentence(int field);

/* Of a line of /proc/meminfo, and its value as it is shown. */
void metric_of_meminfo(struct metric_text *ret, const struct mh_meminfo_line *line);
double metric_meminfo_value(const struct mh_meminfo_line *line);

/* A counter as it is shown: bytes, seconds, or events. */
double metric_counter_value(int counter, uint64_t value, uint32_t page_bytes);

#endif
