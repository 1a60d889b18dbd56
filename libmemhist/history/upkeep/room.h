/*
 * The limits of a history that is being written, over time: retention (retention.h) at the right
 * moments, and how much may be written until the next one. Not a thread, but what one does.
 *
 * Below max_bytes room is kept for one more segment and for one that is being sealed. What is
 * written is taken from what was left at the last check, so that max_bytes holds between checks,
 * too.
 *
 * By age one segment goes at a time, and then none for a minute per hour that it covered (one
 * minute at least, an hour at most). None goes for an hour after the clock was set, and after a
 * start whose first data lies more than an hour after what was recorded before, by this run or by
 * one that began within that hour: a wrong clock is noticed before it has cost much.
 */
#ifndef MEMHIST_HISTORY_UPKEEP_ROOM_H
#define MEMHIST_HISTORY_UPKEEP_ROOM_H

#include "libmemhist/history/upkeep/retention.h"

struct mh_room {
	struct mh_limits limits;
	uint64_t segment_bytes; /* how large a segment becomes */
	/* private */
	bool has_seen;
	struct mh_instant seen;    /* the newest data at the last check, before it the first */
	mh_boot_ns_t hold_ns;      /* until then none goes by age, for the clock may be wrong … */
	mh_boot_ns_t next_aged_ns; /* … and until then, for one has gone */
	uint64_t rate_seq;         /* the newest segment when the rate was taken */
	struct mh_stock_rate rate;
};

/* What has gone, since the writer began. */
struct mh_deleted {
	uint64_t segments[MH_DELETIONS];
	uint64_t bytes;
};

struct mh_room_status {
	uint64_t looks;       /* how often all this was found out */
	uint64_t bytes;       /* of all in the directory, at the last check */
	uint64_t segments;    /* files of them */
	uint64_t other_bytes; /* of what is no segment */
	mh_ms_t oldest_ms;    /* when the oldest segment begins; 0 = there is none */
	struct mh_deleted deleted;
	bool is_low;       /* writing pauses … */
	struct mh_err low; /* … for this reason */
	uint64_t free_bytes;
	uint64_t min_free_bytes; /* 0 = no limit */
	struct mh_stock_rate rate;
	uint64_t projected_s; /* see mh_retention_projected_s() */
};

struct mh_room_moment {
	uint64_t keep_seq; /* segments of this number and above are not touched; 0 = all */
	struct mh_instant first, newest; /* data of this run; boot_ns 0 = none yet */
	int (*told)(void *arg, const struct mh_segment_file *file, enum mh_deletion by);
	void *arg; /* as in struct mh_retention_job */
};

/*
 * Check now. Returns 0, or -errno and a sentence; *status is brought up to date either way, as far
 * as that is possible.
 */
int mh_room_check(struct mh_room *r, int dir_fd, const char *dir_path,
		  const struct mh_room_moment *moment, struct mh_room_status *status,
		  struct mh_err *err);

/*
 * For people, what has gone since *told, which is brought up to date: "3 segments were deleted, 1.2
 * MiB, for max_size; the history begins at …". Returns whether there is anything to say.
 */
bool mh_room_describe_deleted(struct mh_buf *out, struct mh_deleted *told,
			      const struct mh_room_status *status);

/* Only whether there is enough free space again: updates is_low, low and free_bytes. */
int mh_room_look(const struct mh_room *r, int dir_fd, const char *dir_path,
		 struct mh_room_status *status);

#endif
