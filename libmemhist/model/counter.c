/* The table of counters, and the way in and out of the lines of meminfo. */
#include "libmemhist/model/counter.h"

#include <string.h>

const struct mh_counter mh_counters[MH_COUNTER_COUNT] = {
	[MH_COUNTER_OOM_KILLS] = {"vmstat.oom_kill", MH_COUNTER_EVENTS, "memhist_oom_kills_total",
				  "total_events", "oom_kills",
				  "Processes that the kernel killed for want of memory."},
	[MH_COUNTER_SWAP_IN] = {"vmstat.pswpin", MH_COUNTER_PAGES, "memhist_swap_in_bytes_total",
				"swap_io", "in", "Memory read back from swap."},
	[MH_COUNTER_SWAP_OUT] = {"vmstat.pswpout", MH_COUNTER_PAGES, "memhist_swap_out_bytes_total",
				 "swap_io", "out", "Memory written to swap."},
	[MH_COUNTER_WAITING] = {"pressure.some_us", MH_COUNTER_USEC,
				"memhist_pressure_memory_waiting_seconds_total", "total_time_in_ms",
				"memory_waiting",
				"Time in which at least one task waited for memory."},
	[MH_COUNTER_STALLED] = {"pressure.full_us", MH_COUNTER_USEC,
				"memhist_pressure_memory_stalled_seconds_total", "total_time_in_ms",
				"memory_stalled",
				"Time in which all tasks that had work waited for memory."},
};

int mh_counter_find(const char *file, const char *word, size_t word_len)
{
	size_t file_len = strlen(file);

	for (int i = 0; i < MH_COUNTER_COUNT; i++) {
		const char *key = mh_counters[i].key;

		if (!strncmp(key, file, file_len) && strlen(key) == file_len + word_len &&
		    !memcmp(key + file_len, word, word_len))
			return i;
	}
	return -1;
}

void mh_counters_add(struct mh_meminfo *m, const struct mh_counter_values *values)
{
	for (int i = 0; i < MH_COUNTER_COUNT; i++)
		if (values->have & 1u << i)
			mh_meminfo_add(m, mh_counters[i].key, strlen(mh_counters[i].key), false,
				       values->value[i]);
}

bool mh_counters_get(const struct mh_meminfo *m, int i, uint64_t *ret)
{
	const struct mh_meminfo_line *line = mh_meminfo_find(m, mh_counters[i].key);

	/* "vmstat.pswpin kB" is no key that a writer has */
	if (!line || line->is_kib)
		return false;
	*ret = line->value;
	return true;
}
