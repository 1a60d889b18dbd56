/*
 * What holds for a whole segment, as keyframes and heads of parts say it: docs/FORMAT.md C2, S6,
 * M2, M4.
 */
#ifndef MEMHIST_HISTORY_SEGMENT_H
#define MEMHIST_HISTORY_SEGMENT_H

#include "libmemhist/base/arena.h"
#include "libmemhist/history/rows/encode.h"
#include "libmemhist/history/reader.h"
#include "proto/memhist.pb-c.h"

/* Features that a reader must know (P2). */
enum {
	MH_FEATURE_STARTS = 1, /* of parts: first values are in frames of their own (Z9) */
	MH_FEATURE_APART = 2,  /* of parts: names and meminfo are in frames of their own (Z15) */
};

struct mh_segment_head {
	struct mh_boot_id boot_id;
	struct mh_segment_info info;
	mh_fields_t fields, lagging; /* those that follow from others too */
	struct mh_meminfo meminfo;   /* keys, values 0; none: not read */
	uint64_t features;
};

/* The number of a new file's frames: one that nobody outside can guess; see walk.c for why. */
uint32_t mh_segment_number(void);

/*
 * `known`: features that may be there. Returns 0; -EBADMSG; or -EPROTO and a sentence: others,
 * which only a newer memhist knows.
 */
int mh_segment_take(const Memhist__V1__Segment *m, uint64_t known, struct mh_segment_head *ret,
		    struct mh_err *err);

/* The message, in the arena. NULL: no memory. `meminfo` may be NULL. */
Memhist__V1__Segment *mh_segment_make(struct mh_arena *a, const struct mh_segment_facts *facts,
				      const struct mh_boot_id *boot_id, mh_fields_t fields,
				      mh_fields_t lagging, const struct mh_meminfo *meminfo);

#endif
