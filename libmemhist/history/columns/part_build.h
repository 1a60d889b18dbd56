/*
 * Snapshots to a part (part.h), one after the other as they were taken.
 *
 *     mh_part_builder_new(&b);
 *     while (…the next snapshot…) {
 *             rc = mh_part_builder_add(b, snapshot, facts);
 *             if (rc == -EOVERFLOW)
 *                     …the part is full: take it, begin another, and add the snapshot to that
 *     }
 *     part = mh_part_builder_end(b);
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_BUILD_H
#define MEMHIST_HISTORY_COLUMNS_PART_BUILD_H

#include "libmemhist/history/columns/part.h"

struct mh_part_builder;

int mh_part_builder_new(struct mh_part_builder **ret);
/*
 * Of parts that are for candles of this field only: they have the changes of values that these take
 * (mh_part_candle_fields()), no meminfo, and names only where they are asked for.
 */
int mh_part_builder_new_for_candles(struct mh_part_builder **ret, int field, bool with_names);
void mh_part_builder_free(struct mh_part_builder *b);

/*
 * Add the next snapshot. The first one of a part tells everything, so it may be any. Returns 0;
 * -EOVERFLOW: the part is full or the snapshot is of another boot, other fields or meminfo keys;
 * the snapshot was not added; -ENOMEM: the part is void.
 */
int mh_part_builder_add(struct mh_part_builder *b, const struct mh_snapshot *s,
			const struct mh_segment_info *segment);

/*
 * What the first snapshot of the part says of the end of a process that was shown before the part
 * only. Returns 0 or -ENOMEM.
 */
int mh_part_builder_ended(struct mh_part_builder *b, const struct mh_identity *id,
			  const uint64_t value[MH_FIELD_COUNT]);

/*
 * The part so far, events in order of series; valid until the next call. NULL: out of memory. The
 * next snapshot begins another.
 */
struct mh_part *mh_part_builder_end(struct mh_part_builder *b);

#endif
