/*
 * A ledger: what is kept of groups from snapshot to snapshot, beyond their sums of the moment (for
 * who looks seldom): candles of clock-aligned windows, and memory over time.
 *
 * Rules, of resident memory:
 *   L1  Windows are those of mh_window(). A candle is made of the group's sums in the snapshots of
 *       its window, as of a process in candle.h (C1 to C5): nothing is carried in, nothing
 *       interpolated. Shown is the last window that is complete and had snapshots.
 *   L2  Where the highest mark of the group's processes (VmHWM) moved between two snapshots, the
 *       group was at least that high in between: the high of the later snapshot's window is no
 * less. Not over gaps, not where marks lag, not when anybody was renamed meanwhile (somebody who
 *       comes from another group brings an old mark), nor for a group that was not there before,
 * nor for "other", which gets whole groups with all they bring. L3  Memory over time: between two
 * snapshots the group has what it had in the first, and that is added up, in page-seconds. Over a
 * gap nothing is: how much time was counted is kept, too, so that the mean of any span is the
 * growth of the one divided by that of the other. L4  A group that is gone keeps what it has for
 * `hold_ms`. When there are more than `max_groups`, those that are gone are forgotten at once.
 */
#ifndef MEMHIST_VIEW_LEDGER_H
#define MEMHIST_VIEW_LEDGER_H

#include "libmemhist/model/candle.h"
#include "libmemhist/model/group.h"

enum { MH_LEDGER_WINDOWS = 2 };

struct mh_ledger;

struct mh_ledger_config {
	mh_ms_t window_ms[MH_LEDGER_WINDOWS]; /* 0: no such windows */
	bool utc;                             /* align windows to UTC instead of local time */
	mh_ms_t hold_ms;                      /* 0 = one hour */
	uint32_t max_groups;                  /* 1 and up, "other" included */
};

struct mh_ledger_group {
	const char *name; /* as in struct mh_group; valid until the next update */
	double page_seconds;
	/* Of the last complete windows. samples 0: the group had none in it. */
	struct mh_candle candle[MH_LEDGER_WINDOWS];

	/* private */
	char *own_name;
	uint64_t pages;       /* in the last update, when it was there … */
	uint64_t mark;        /* … and the highest mark then */
	uint64_t update;      /* the last it was in */
	mh_boot_ns_t seen_ns; /* when that was */
	struct mh_candle begun[MH_LEDGER_WINDOWS];
};

struct mh_ledger_totals {
	double seconds; /* that page_seconds were counted in */
	/* The last complete windows, and how many snapshots they had. end_ms 0: none yet. */
	struct mh_ledger_window {
		mh_ms_t start_ms, end_ms;
		uint32_t samples;
	} window[MH_LEDGER_WINDOWS];
};

/* Returns 0 or -ENOMEM. */
int mh_ledger_new(struct mh_ledger **ret, const struct mh_ledger_config *config);
/* NULL is allowed. */
void mh_ledger_free(struct mh_ledger *l);

/*
 * Take in the next snapshot (every one, in order) and its groups, as mh_groups_list() gives them.
 * Returns 0 or -ENOMEM: then some of the groups are missing until a later update.
 */
int mh_ledger_update(struct mh_ledger *l, const struct mh_snapshot *s, const struct mh_group *group,
		     size_t n);

/*
 * From the next update on, groups are made by other rules, and there are at most so many: whoever
 * has the name of one before goes on with what that had.
 */
void mh_ledger_regroup(struct mh_ledger *l, uint32_t max_groups);

/* All groups, by name in byte order, "other" last. Returns their number; the array is valid until
 * the next update. */
size_t mh_ledger_list(const struct mh_ledger *l, const struct mh_ledger_group **ret);
const struct mh_ledger_totals *mh_ledger_totals(const struct mh_ledger *l);

#endif
