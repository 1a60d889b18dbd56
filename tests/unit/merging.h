/*
 * A history of small segments in a folder of its own, to be sealed and merged. Failures fail the
 * running cmocka test.
 */
#ifndef MEMHIST_TESTS_UNIT_MERGING_H
#define MEMHIST_TESTS_UNIT_MERGING_H

#include "libmemhist/history/dir.h"
#include "tests/unit/recording.h"

#define MIDNIGHT INT64_C(1795219200000) /* 2026-11-21T00:00:00Z */

struct rig {
	const char *dir;
	int dir_fd;
	struct world world;
	struct written log;
	struct mh_writer_config config;
	struct mh_segment_list list;
};

/* Nothing is written yet; the clock stands so long before midnight. */
void rig_begin(struct rig *r, uint64_t seed, mh_ms_t rotate_ms, mh_ms_t before_ms);
/* A run of the writer. */
void rig_write(struct rig *r, int steps);
void rig_end(struct rig *r);
/* List the segments: &r->list. */
const struct mh_segment_list *rig_list(struct rig *r);
/* Merge what there is to merge. Returns how many segments were made; r->list has them. */
size_t rig_merge(struct rig *r, bool all);

#endif
