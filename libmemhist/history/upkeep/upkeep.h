/*
 * Upkeep of a history that is being written: all that may have to wait for a disk, done by a thread
 * of its own, so that who samples never does. It brings to the disk what was written, closes files,
 * and keeps the history within its limits (retention.h).
 *
 * A writer (writer.h) has one when its configuration says so, and tells it what it does:
 *
 *     mh_upkeep_ask(u, &err)           before each snapshot: may it be written, and where
 *     mh_upkeep_begin(u, fd, name)     a segment was begun
 *     mh_upkeep_grow(u, from, to, &err)  before each write: is there room
 *     mh_upkeep_appended(u, at)        a snapshot was handed to the kernel in full
 *     mh_upkeep_end(u, next_seq)       the segment was ended
 *
 * These five are for one thread, the owner. They take a lock that is only held to look at and
 * change numbers, never while anything waits.
 *
 * When what was written is on the disk:
 *   U1  A new segment and its name: at once, when its first snapshot was appended.
 *   U2  What was appended: at most `sync_ms` after, on a disk that takes less than an eighth of
 *       that time, and at most five seconds. 0: it is begun at once.
 *   U3  An ended segment: at once.
 *   U4  A file that could not be brought to the disk once is never tried again: the kernel may have
 *       dropped what it could not write, and would call the second try a success. Its segment is
 *       given up, and the next snapshot begins another, with a gap before it.
 */
#ifndef MEMHIST_HISTORY_UPKEEP_UPKEEP_H
#define MEMHIST_HISTORY_UPKEEP_UPKEEP_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/timespec.h"
#include "libmemhist/history/upkeep/room.h"
#include "libmemhist/history/upkeep/sealer.h"

#include <stdbool.h>

enum {
	MH_UPKEEP_SYNC_MS = 60 * 1000,
	MH_UPKEEP_END_MS = 2000, /* so long the end waits for a disk that does not answer */
};

#define MH_UPKEEP_THREAD "memhist-disk" /* its comm */

struct mh_upkeep_config {
	uint32_t sync_ms; /* 0 = each snapshot */
	struct mh_limits limits;
	const char *sealer; /* the program that seals and merges segments; NULL = none does */
};

/* Initialise with this: all limits are the defaults. */
#define MH_UPKEEP_DEFAULTS                                                 \
	{                                                                  \
		.sync_ms = MH_UPKEEP_SYNC_MS, .limits = MH_LIMITS_DEFAULTS \
	}

struct mh_upkeep;

struct mh_upkeep_history {
	const char *dir_path;   /* for sentences; it is copied */
	int dir_fd;             /* may be closed before the upkeep is freed */
	uint64_t next_seq;      /* the number of the next segment: those before are finished */
	uint64_t segment_bytes; /* how large a segment becomes */
	const struct mh_places *places; /* where may be written, NULL: not set; for the sealer */
};

/*
 * Bring the history within its limits, and start the thread. What cannot be deleted is a trouble
 * (see below) and no failure. Returns 0, or -errno and a sentence.
 */
int mh_upkeep_new(struct mh_upkeep **ret, const struct mh_upkeep_config *config,
		  const struct mh_upkeep_history *history, struct mh_err *err);

/*
 * Bring everything to the disk and end the thread. A disk that does not answer is waited for
 * MH_UPKEEP_END_MS; then the thread is left behind, touches nothing but its own files and memory,
 * and frees these when it wakes. NULL is allowed. Returns 0; -ETIMEDOUT; or -errno of bringing it
 * to the disk.
 */
int mh_upkeep_free(struct mh_upkeep *u);

/* The directory was made anew: go on in that one. Returns 0 or -errno. */
int mh_upkeep_move(struct mh_upkeep *u, int dir_fd, uint64_t next_seq);

/*
 * Whether to write now. Returns 0, or
 *   -ENOSPC  no, and a sentence: less than min_free is free. It is looked at each second.
 *    -ESTALE  the open segment is not trusted any more (U4): end it and begin another
 *   -EAGAIN  yes; and hand over the open segment once more, for which there was no place before
 */
int mh_upkeep_ask(struct mh_upkeep *u, struct mh_err *err);

/*
 * Whether the open segment may grow from `from` to `to` bytes (0: the file too is new), which is
 * then counted as if it had. Returns 0; or -ENOSPC and a sentence: max_bytes would be exceeded,
 * since older segments have not been deleted yet, or cannot be; or the snapshot is too large for
 * it.
 */
int mh_upkeep_grow(struct mh_upkeep *u, uint64_t from, uint64_t to, struct mh_err *err);

/*
 * Takes a descriptor of its own to the segment. Returns 0 or -errno. While the disk does not take
 * many ended segments, there is no place for this one: then it is asked for later (-EAGAIN above).
 */
int mh_upkeep_begin(struct mh_upkeep *u, int fd, const char *name, uint64_t seq);
void mh_upkeep_appended(struct mh_upkeep *u, struct mh_instant at);
/*
 * The caller may close or remove the segment at once. Without an open segment: nothing. `next_seq`
 * is as above; 1: not known, and no segment is touched until it is.
 */
void mh_upkeep_end(struct mh_upkeep *u, uint64_t next_seq);

/* Ask for what was appended to be brought to the disk now. Any thread. */
void mh_upkeep_sync(struct mh_upkeep *u);
/*
 * The same, and have the limits checked, and wait for it: 0, -ETIMEDOUT, or -errno and a sentence
 * when something could not be brought to the disk since the last time it was asked for. Any thread,
 * one at a time.
 */
int mh_upkeep_wait(struct mh_upkeep *u, uint32_t timeout_ms, struct mh_err *err);

struct mh_upkeep_status {
	uint64_t syncs;       /* files brought to the disk */
	uint64_t sync_errors; /* files that could not be, or were not for want of places */
	/* This snapshot is on the disk, and those before, but for those in segments that were given
	 * up since (sync_errors grew with each). 0 = none of this run. */
	mh_ms_t synced_wall_ms;
	uint64_t troubles;     /* raised when something breaks that people should hear of … */
	struct mh_err trouble; /* … and what it was, the last time */
	struct mh_limits limits;
	struct mh_room_status room; /* `bytes` with what was written since it was looked */
	bool has_sealer;
	struct mh_sealer_status sealer; /* its troubles are not among those above */
};

/* Any thread. */
void mh_upkeep_status(struct mh_upkeep *u, struct mh_upkeep_status *ret);

#endif
