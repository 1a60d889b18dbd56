/*
 * The counters that the kernel keeps next to /proc/meminfo: what its memory has cost since the
 * boot. The one table of them: exporter metrics and collectd types are made from it.
 *
 * In a snapshot they follow the lines of meminfo, each under a key of its file and its word there:
 * "vmstat.oom_kill". No key of the kernel's meminfo has a dot, so neither can be taken for the
 * other, and a history that is read back says the same as /proc did.
 */
#ifndef MEMHIST_MODEL_COUNTER_H
#define MEMHIST_MODEL_COUNTER_H

#include "libmemhist/model/meminfo.h"

enum mh_counter_index {
	MH_COUNTER_OOM_KILLS,
	MH_COUNTER_SWAP_IN,
	MH_COUNTER_SWAP_OUT,
	MH_COUNTER_WAITING,
	MH_COUNTER_STALLED,
	MH_COUNTER_COUNT
};

enum mh_counter_unit {
	MH_COUNTER_EVENTS,
	MH_COUNTER_PAGES, /* shown in bytes */
	MH_COUNTER_USEC,  /* shown in seconds, to collectd in milliseconds */
};

struct mh_counter {
	const char *key; /* "vmstat.pswpin": the file, a dot, the kernel's word in it */
	enum mh_counter_unit unit;
	const char *metric;        /* "memhist_swap_in_bytes_total" */
	const char *collectd_type; /* of collectd's own types.db */
	const char *collectd_instance;
	const char *help;
};

extern const struct mh_counter mh_counters[MH_COUNTER_COUNT];

/* Some of the counters: those of one file, or all that could be read. */
struct mh_counter_values {
	uint32_t have; /* bit i: value[i] was read; missing is missing, never 0 */
	uint64_t value[MH_COUNTER_COUNT];
};

/* Index of the counter called `word` in files whose keys begin with `file` ("vmstat."), or -1. */
int mh_counter_find(const char *file, const char *word, size_t word_len);

/* Append those that were read, in the table's order. What has no place is left out. */
void mh_counters_add(struct mh_meminfo *m, const struct mh_counter_values *values);
/* Counter `i` as a snapshot has it. False, and nothing written, when it does not. */
bool mh_counters_get(const struct mh_meminfo *m, int i, uint64_t *ret);

#endif
