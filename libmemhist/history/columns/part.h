/*
 * A part: a run of snapshots of one boot turned from rows into columns, in memory. What a sealed
 * segment consists of; see docs/FORMAT.md section 6.
 *
 *     snapshots ──mh_part_add()──▶ part ──part_encode──▶ frames
 *     frames ──part_decode──▶ part ──part_replay──▶ snapshots, the same as before
 *
 * A **series** is one life of a process within the part: from the first snapshot that shows it on,
 * without a break. Everything that happens to it is in two logs, which are kept in order of time or
 * of series, whichever the next step needs: versions of its names, and changes of its values.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_H
#define MEMHIST_HISTORY_COLUMNS_PART_H

#include "libmemhist/base/strset.h"
#include "libmemhist/history/segment.h"

enum {
	MH_PART_SNAPSHOTS_MAX = 1 << 16,
	MH_PART_SERIES_MAX = 1 << 22,
	MH_PART_EVENTS_MAX = 1 << 24,
	/* A builder calls it full at so many; one snapshot can bring it above. */
	MH_PART_SERIES_FULL = 1 << 17,
	MH_PART_EVENTS_FULL = 1 << 19,
};

struct mh_part_snapshot {
	struct mh_instant at;
	uint32_t collect_us;
	bool partial;
	struct mh_gap gap;
};

/* It is shown by the snapshots first … first + count - 1. */
struct mh_part_series {
	struct mh_identity id;
	uint32_t first;
	uint32_t count;
};

/* Names from snapshot `at` on. Strings by number. */
struct mh_part_version {
	uint32_t series;
	uint32_t at;
	uint32_t ppid, uid;
	uint32_t comm, cmdline, exe, cgroup;
};

/*
 * A change of a value, to the one before; the first one of a series is from 0. One `at` the
 * snapshot that does not show the series any more is its last high-water mark.
 */
struct mh_part_event {
	uint32_t series;  /* or the position of a meminfo key */
	uint32_t at : 24; /* snapshot */
	uint32_t field : 8;
	int64_t delta;
};

/* Of a process without a life in the part: brief, or shown before the part only. */
struct mh_part_end {
	struct mh_identity id;
	uint32_t at;
	struct mh_part_version names; /* of a brief one */
	uint64_t value[MH_FIELD_COUNT];
};

/* A growing array. */
#define MH_PART_LIST(type)    \
	struct {              \
		type *item;   \
		uint32_t n;   \
		uint32_t cap; \
	}

struct mh_part_ends {
	struct mh_part_end *item;
	uint32_t n;
	uint32_t cap;
};

struct mh_part {
	int error; /* sticky: 0, -ENOMEM or -EOVERFLOW */
	struct mh_segment_head head;
	struct mh_strset strings;
	MH_PART_LIST(struct mh_part_snapshot) snapshots;
	MH_PART_LIST(struct mh_part_series) series;
	MH_PART_LIST(struct mh_part_version) versions;
	MH_PART_LIST(struct mh_part_event) events;
	struct mh_part_event *sorted; /* room for the events in another order */
	uint32_t sorted_cap;
	MH_PART_LIST(struct mh_part_event) meminfo_events;
	struct mh_part_ends brief;
	struct mh_part_ends ended;
};

/* Zero-initialised is empty. */
void mh_part_done(struct mh_part *p);
/* Forget the content, keep the memory. */
void mh_part_clear(struct mh_part *p);

/*
 * Make room for one more in a list of the part; true when there is. Past `max`, or without memory,
 * false and p->error says which.
 */
#define mh_part_reserve(p, list, max) \
	mh_part_grow((p), (void **)&(list).item, (list).n, &(list).cap, sizeof(*(list).item), (max))
bool mh_part_grow(struct mh_part *p, void **item, uint32_t n, uint32_t *cap, size_t size,
		  uint32_t max);

/* Room for n more series; true when there is. */
bool mh_part_room_for_series(struct mh_part *p, uint32_t n);

/*
 * Number the series by pid and start time, and sort versions by series and time, events by field,
 * series and time. Given in order of time. Returns 0 or -ENOMEM.
 */
int mh_part_sort_by_series(struct mh_part *p);
/* Sort both by time. */
int mh_part_sort_by_time(struct mh_part *p);

#endif
