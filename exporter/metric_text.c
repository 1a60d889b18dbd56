/* Names that are made of others, and what their values are counted in. */
#include "exporter/metric_text.h"

#include <stdio.h>

void metric_of_field(struct metric_text *ret, const char *of, int field, const char *sentence)
{
	snprintf(ret->name, sizeof(ret->name), "%s%s", of, mh_fields[field].metric);
	snprintf(ret->help, sizeof(ret->help), "%s%s%s", mh_fields[field].help,
		 *sentence ? " " : "", sentence);
}

const char *metric_group_sentence(int field)
{
	return mh_fields[field].in_groups == MH_IN_GROUPS_SUM
		       ? "Sum over the group's processes."
		       : "The highest of the group's processes.";
}

void metric_of_meminfo(struct metric_text *ret, const struct mh_meminfo_line *line)
{
	char name[MH_MEMINFO_METRIC_MAX];

	mh_meminfo_metric(name, line);
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->help, sizeof(ret->help), "%s of /proc/meminfo.", line->key);
}

double metric_meminfo_value(const struct mh_meminfo_line *line)
{
	return (double)line->value * (line->is_kib ? 1024 : 1);
}

double metric_counter_value(int counter, uint64_t value, uint32_t page_bytes)
{
	switch (mh_counters[counter].unit) {
	case MH_COUNTER_PAGES:
		return (double)value * page_bytes;
	case MH_COUNTER_USEC:
		return (double)value / 1e6;
	default:
		return (double)value;
	}
}
