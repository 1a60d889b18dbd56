/*
 * A part told again as snapshots, into a process table.
 *
 *     mh_replay_begin(&r, part, table);
 *     while (mh_replay_next(&r) > 0)
 *             snapshot = mh_table_end(table, &r.round);
 *
 * A snapshot that nobody wants may be passed over by leaving its round open. Where the table knows
 * the first ones already, mh_replay_from() begins behind them, and the table does not go back.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_REPLAY_H
#define MEMHIST_HISTORY_COLUMNS_PART_REPLAY_H

#include "libmemhist/history/rows/decode_chapter.h"
#include "libmemhist/history/columns/part.h"
#include "libmemhist/model/table.h"

/* Embedded by its owner; zero-initialise. */
struct mh_replay {
	struct mh_part *part; /* not owned; kept in order of time */
	struct mh_table *table;
	uint32_t from;         /* the first snapshot told: it tells everything */
	uint32_t at;           /* the next one */
	struct mh_round round; /* of the last one */
	struct mh_meminfo meminfo;
	uint32_t version, event, meminfo_event, brief, birth, end; /* the next of each */
	uint32_t *by_birth, *by_end;                               /* series */
	uint32_t *slot;                                            /* by series: in the table + 1 */
	size_t cap;
};

void mh_replay_done(struct mh_replay *r);
/* Returns 0 or -ENOMEM. */
int mh_replay_begin(struct mh_replay *r, struct mh_part *part, struct mh_table *table);
/* Before the first mh_replay_next(): begin at this snapshot, as if the part did. */
void mh_replay_from(struct mh_replay *r, uint32_t at);
/*
 * The table is at the next snapshot: 1, with its round open; 0 at the end of the part; -EBADMSG:
 * what the part says cannot be; -ENOMEM.
 */
int mh_replay_next(struct mh_replay *r);

/*
 * What the part says of those who ended before it (Z7), for who makes another part of this one: as
 * many marks as it has of these go into *list, which grows. Returns 0 or -ENOMEM.
 */
int mh_replay_ended(const struct mh_part *part, struct mh_last_marks **list, uint32_t *cap);

#endif
