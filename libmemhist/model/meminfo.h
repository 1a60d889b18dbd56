/*
 * /proc/meminfo at one instant: every line the kernel gives, in its order. Behind them, the
 * counters of other files (counter.h), whose keys have a dot.
 *
 * Keys are the kernel's own words ("MemAvailable", "Active(anon)", "HugePages_Total"); see proc(5).
 * Values are KiB where the line ends in " kB", plain counts otherwise. Keys come from the kernel,
 * but also from imported files, so they are checked: [A-Za-z0-9_().] only, at most
 * MH_MEMINFO_KEY_MAX bytes.
 */
#ifndef MEMHIST_MODEL_MEMINFO_H
#define MEMHIST_MODEL_MEMINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	MH_MEMINFO_MAX = 128,
	MH_MEMINFO_KEY_MAX = 39,
	MH_MEMINFO_WORDS_MAX = 2 * MH_MEMINFO_KEY_MAX, /* an underscore before each letter */
	MH_MEMINFO_METRIC_MAX = MH_MEMINFO_WORDS_MAX + sizeof("memhist_meminfo__bytes"),
};

struct mh_meminfo {
	uint32_t n;
	struct mh_meminfo_line {
		char key[MH_MEMINFO_KEY_MAX + 1];
		bool is_kib;
		uint64_t value; /* KiB when is_kib, else a count */
	} line[MH_MEMINFO_MAX];
};

/* Whether the line is one of /proc/meminfo; else it is a counter, known to us or not. */
static inline bool mh_meminfo_is_own(const struct mh_meminfo_line *line)
{
	return !strchr(line->key, '.');
}

/* The line called `key`, or NULL. */
const struct mh_meminfo_line *mh_meminfo_find(const struct mh_meminfo *m, const char *key);
/* Value of `key` in bytes (or the count), 0 when the kernel does not give it. */
uint64_t mh_meminfo_bytes(const struct mh_meminfo *m, const char *key);
/* Whether both list the same keys with the same units in the same order. */
bool mh_meminfo_same_keys(const struct mh_meminfo *a, const struct mh_meminfo *b);
/* Append a line; -EINVAL for a key that is not allowed, -EOVERFLOW past MH_MEMINFO_MAX. */
int mh_meminfo_add(struct mh_meminfo *m, const char *key, size_t key_len, bool is_kib,
		   uint64_t value);
/*
 * `key` in the small letters and underscores that other systems' names are made of, NUL-terminated:
 * "MemAvailable" -> "mem_available", "Active(anon)" -> "active_anon", "SReclaimable" ->
 * "s_reclaimable", "HugePages_Total" -> "huge_pages_total". Two keys that the kernel does not have
 * side by side ("Active(anon)", "Active_anon") may come out alike.
 */
void mh_meminfo_words(char ret[MH_MEMINFO_WORDS_MAX + 1], const char *key);

/*
 * The metric of a line of /proc/meminfo: its key as mh_meminfo_words() writes it, and its unit:
 * MemAvailable -> memhist_meminfo_mem_available_bytes, SReclaimable ->
 * memhist_meminfo_sreclaimable_bytes, HugePages_Total -> memhist_meminfo_huge_pages_total_pages.
 */
void mh_meminfo_metric(char ret[MH_MEMINFO_METRIC_MAX], const struct mh_meminfo_line *line);

#endif
