/*
 * Reading a history: segments in, snapshots out, in the order they were taken, each of them once.
 * No lock: a reader may run while the writer appends and rotates, and others seal, merge and
 * delete; an incomplete last frame is "not yet".
 *
 *     struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
 *     const struct mh_snapshot *snapshot;
 *
 *     rc = mh_reader_open(&reader, dir, &options, &err);
 *     while ((rc = mh_reader_next(reader, &snapshot, &err)) > 0)
 *             …
 *     mh_reader_close(reader);
 *
 * Damage (a frame that is not valid by docs/FORMAT.md) is skipped up to the next keyframe; the
 * snapshot there carries a gap of kind MH_GAP_DAMAGE, and mh_reader_stats() counts it. It is never
 * a reason to stop; nor is a segment that may not be opened, or is gone (MH_GAP_MISSING). Memory is
 * bounded by the live processes and the largest frame.
 */
#ifndef MEMHIST_HISTORY_READER_H
#define MEMHIST_HISTORY_READER_H

#include "libmemhist/base/err.h"
#include "libmemhist/model/snapshot.h"

struct mh_reader;
struct mh_reader_parts;
struct mh_read_part;
struct mh_last_marks;

/* Bytes of a segment that could not be used. */
struct mh_damage {
	const char *file;
	uint64_t offset;
	uint64_t bytes;
	bool torn;          /* the end of a file that a crash cut short: nothing was ever
			     * reported as written there */
	bool unreadable;    /* the whole segment could not be opened */
	const char *reason; /* a short phrase */
};

/* Where in the history the last snapshot is stored. */
struct mh_place {
	const char *file; /* valid until the next call of mh_reader_next() */
	uint64_t offset;
	uint32_t size; /* bytes of the frame */
	uint32_t seq;
	bool key;
};

struct mh_reader_options {
	mh_ms_t since_ms; /* first wall time wanted, inclusive */
	mh_ms_t until_ms; /* last wall time wanted, exclusive */
	/*
	 * Start at the newest snapshot, and treat the end as "not yet": mh_reader_next() returns 0
	 * there and may be called again later.
	 */
	bool follow;
	/*
	 * As follow, but start at `since_ms`: for who takes up where he was, and wants all.
	 */
	bool wait;
	/* Told of every run of bytes that is no valid frame; NULL = not wanted. */
	void (*damage)(void *arg, const struct mh_damage *damage);
	void *arg;
	/*
	 * Sealed segments are read part by part (mh_reader_part()), not as snapshots, and only what
	 * is wanted of them. Kept by the caller. NULL: snapshots. Not with `follow` or `wait`.
	 */
	const struct mh_reader_parts *parts;
};

/* What is said once per segment rather than per snapshot. */
struct mh_segment_info {
	uint32_t page_bytes;
	uint32_t clk_tck;
	uint32_t interval_ms;
	char host[65];
	char writer[33]; /* "memhist 0.1.0" */
};

struct mh_reader_stats {
	uint64_t segments;      /* files opened */
	uint64_t foreign_files; /* in the directory, but no segments */
	uint64_t bytes;         /* of frames read */
	uint64_t frames;        /* valid ones */
	uint64_t keyframes;
	uint64_t snapshots;       /* delivered */
	uint64_t process_samples; /* processes in them */
	uint64_t gaps;            /* recorded by the writer */
	uint64_t damages; /* runs of bytes that are no valid frame, torn tails not counted */
	uint64_t damaged_bytes;
	uint64_t orphans;    /* valid deltas that had to be skipped for a damage before them */
	uint64_t torn_tails; /* ends of files that a crash cut short */
	uint64_t torn_bytes;
	uint64_t unreadable; /* segments that could not be opened, by permission or I/O error */
	uint64_t missing;    /* numbers of segments that are left out between two that are there */
};

/*
 * Returns 0; -ENODATA: the directory holds no segment; -ENOTDIR, -ENOENT, -EACCES: it cannot be
 * read; *err has the sentence.
 */
int mh_reader_open(struct mh_reader **ret, const char *dir, const struct mh_reader_options *options,
		   struct mh_err *err);
void mh_reader_close(struct mh_reader *r);

enum { MH_READER_SNAPSHOT = 1, MH_READER_PART = 2 };

/*
 * The next snapshot: MH_READER_SNAPSHOT and *ret (valid until the next call), 0 at the end, or
 * -errno: -EPROTO when a segment needs a newer memhist, -ENOMEM, -EIO. MH_READER_PART: what is next
 * is a part, and *ret is untouched.
 */
int mh_reader_next(struct mh_reader *r, const struct mh_snapshot **ret, struct mh_err *err);

/* After MH_READER_PART; valid until the next call of mh_reader_next(). */
void mh_reader_part(const struct mh_reader *r, struct mh_read_part *ret);
/* What the frame of the last snapshot said of ends, as mh_decoder_last_marks(). */
const struct mh_last_marks *mh_reader_last_marks(const struct mh_reader *r, uint32_t *ret_n);

/* Facts of the segment of the last snapshot; valid until the next call of mh_reader_next(). */
const struct mh_segment_info *mh_reader_segment(const struct mh_reader *r);
void mh_reader_place(const struct mh_reader *r, struct mh_place *ret);
void mh_reader_stats(const struct mh_reader *r, struct mh_reader_stats *ret);

/* What a history holds; the middle is read only where the clock was set back. */
struct mh_history_span {
	mh_ms_t first_wall_ms; /* the smallest … */
	mh_ms_t last_wall_ms;  /* … and the largest */
	uint64_t segments;
	uint64_t bytes;     /* of all segment files */
	bool being_written; /* somebody holds LOCK */
	int32_t writer_pid; /* who, 0 = unknown */
};

/* Returns 0, or as mh_reader_open(). -ENODATA also when no snapshot is readable. */
int mh_history_span(const char *dir, struct mh_history_span *ret, struct mh_err *err);

#endif
