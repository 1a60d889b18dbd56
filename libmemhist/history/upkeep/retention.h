/*
 * Retention: what has to go, so that a history keeps within its limits (limits.h).
 *
 *   T1  Whole segments go, the oldest (by number) first, and never the one that is being written.
 *   T2  By size, until all that is in the directory, other people's files too, leaves `room_bytes`
 *       below max_bytes. When that cannot be reached, for what is no segment takes too much, none
 *       goes: it would be for nothing.
 *   T3  By free space and free inodes, until min_free is free again; none goes when that cannot be
 *       reached, as in T2. The newest segment stays.
 *   T4  By age, when the end of the segment is more than max_age before the newest data. The newest
 *       segment stays. What the clock says otherwise is of no importance, and none goes when there
 *       are segments from after the newest data: then a clock was set back.
 *   T5  What sealing and merging have left behind when they were killed goes first (tidy.h).
 *
 * Segments that are missing at the beginning are no gap: that is where history begins.
 */
#ifndef MEMHIST_HISTORY_UPKEEP_RETENTION_H
#define MEMHIST_HISTORY_UPKEEP_RETENTION_H

#include "libmemhist/history/upkeep/limits.h"
#include "libmemhist/history/upkeep/stock.h"

enum mh_deletion {
	MH_DELETED_BY_SIZE,
	MH_DELETED_BY_AGE,
	MH_DELETED_BY_FREE,
	MH_DELETIONS,
};

/* "size", "age", "free" */
const char *mh_deletion_name(enum mh_deletion by);

struct mh_retention_job {
	const struct mh_limits *limits;
	uint64_t room_bytes; /* what is to be left below max_bytes */
	uint64_t keep_seq;   /* segments of this number and above are being written; 0 = none is */
	mh_ms_t newest_ms;   /* the newest data; MH_MS_MIN: that of the newest segment */
	unsigned most_by_age;
	bool dry_run; /* nothing is touched; the answer is as if it were */
	/* What goes is told here; NULL is allowed. A number other than 0 ends the work (-EINTR). */
	int (*told)(void *arg, const struct mh_segment_file *file, enum mh_deletion by);
	void *arg;
};

struct mh_retention_result {
	uint64_t deleted[MH_DELETIONS]; /* segments */
	uint64_t deleted_bytes;
	uint64_t aged_ms;        /* what those deleted by age covered, from begin to end */
	struct mh_stock stock;   /* afterwards; mh_stock_done() */
	bool has_stock;          /* the directory could be read */
	bool is_low;             /* less than min_free is free, and nothing can be done about it */
	struct mh_err low;       /* a sentence for that */
	uint64_t free_bytes;     /* in the file system */
	uint64_t min_free_bytes; /* what min_free comes to in it, 0 = no limit */
};

/*
 * Apply the limits once. Who calls is the one who writes the history (LOCK). `dir_path` is for
 * sentences. Zero-initialise *ret before the first call. Returns 0; or -errno and a sentence, when
 * something could not be read or deleted: *ret says what was done until then.
 */
int mh_retention_apply(int dir_fd, const char *dir_path, const struct mh_retention_job *job,
		       struct mh_retention_result *ret, struct mh_err *err);

/* Only the free space: fills the last four members of *ret. Returns 0 or -errno. */
int mh_retention_look(int dir_fd, const char *dir_path, const struct mh_limits *limits,
		      struct mh_retention_result *ret);

/*
 * How long a history can become, in seconds: with max_bytes, and not more than max_age. 0 = that is
 * not known, or there is neither limit.
 */
uint64_t mh_retention_projected_s(const struct mh_limits *limits, const struct mh_stock_rate *rate);
/* For people: "about 231 days at 8.9 MiB a day". */
void mh_retention_describe(struct mh_buf *out, const struct mh_stock_rate *rate,
			   uint64_t projected_s);

#endif
