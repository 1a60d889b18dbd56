/*
 * What the two halves of upkeep share: its owner's (upkeep.c) and the thread's (upkeep_thread.c).
 *
 * All of it is guarded by the lock, which nobody holds while he waits, but for what only the thread
 * touches; whoever goes last frees it. A file that is handed over has a place, with a descriptor
 * that is the thread's alone. So:
 *   K1  Only the thread uses or closes the descriptors of places, and frees places.
 *   K2  A thread that was left behind touches nothing but its memory, its descriptors and the
 *       count of references, whenever it wakes.
 *   K3  What is in the directory never takes more than max_bytes, as long as only this history
 *       grows there: `left` is what was granted when it was last looked at, and what was free below
 *       max_bytes then; and what is granted never passes `left`.
 */
#ifndef MEMHIST_HISTORY_UPKEEP_UPKEEP_INNER_H
#define MEMHIST_HISTORY_UPKEEP_UPKEEP_INNER_H

#include "libmemhist/history/dir.h"
#include "libmemhist/history/upkeep/upkeep.h"

#include <pthread.h>

enum {
	/* ended segments that wait for the disk, and the open one: an hour each, normally */
	MH_UPKEEP_PLACES = 16,
};

#define MH_UPKEEP_NEVER UINT64_MAX

enum mh_place_state { MH_PLACE_FREE, MH_PLACE_OPEN, MH_PLACE_ENDED };

struct mh_place {
	enum mh_place_state state;
	int fd;
	bool is_dirty;  /* something was appended since it was synced */
	bool is_failed; /* U4 */
	char name[MH_SEGMENT_NAME_MAX];
};

struct mh_upkeep {
	pthread_mutex_t lock;
	pthread_cond_t work; /* there is some; waits by CLOCK_MONOTONIC */
	pthread_cond_t done; /* it answered, or it has ended; likewise */
	unsigned refs;       /* the owner's and the thread's */
	pthread_t thread;
	bool ending, has_ended;
	bool is_left; /* ending, and nobody waits for it any more */
	struct mh_upkeep_config config;
	char *dir_path;

	int dir_fd;     /* the thread's */
	int new_dir_fd; /* to be taken in its place, -1 = none */
	bool dir_dirty; /* a file was created since the directory was synced */
	struct mh_place place[MH_UPKEEP_PLACES];
	bool is_homeless; /* there is an open segment, and no place was free for it */
	uint64_t sync_ns; /* when the next is due, NEVER = nothing to sync */

	struct mh_room room;       /* the thread's */
	uint64_t keep_seq;         /* number of the open segment, or the next */
	uint64_t granted, left;    /* bytes since the upkeep began (K3) */
	uint64_t looked_granted;   /* what was, when the directory was looked at last */
	uint64_t check_at_granted; /* when so much is granted, it is time for a check … */
	uint64_t check_ns;         /* … and at this time */
	bool check_failed;         /* and people were told */

	struct mh_sealer *sealer; /* the thread's; NULL = none */
	bool is_seal_asked;       /* a segment was begun */
	uint64_t seal_ns;         /* when it is to be looked after, NEVER = not before that */
	uint64_t seal_bytes;      /* of what was left, granted to it while it runs */

	uint64_t asked, answered; /* numbers of mh_upkeep_wait() */
	int wait_rc;              /* the first thing that failed since the last answer … */
	struct mh_err wait_err;   /* … and its sentence */

	struct mh_instant first, newest; /* snapshots appended; boot_ns 0 = none yet */
	mh_boot_ns_t lost_ns;            /* of the newest one in a segment that was given up */
	struct mh_upkeep_status status;
};

/* All with the lock held. */

struct mh_place *mh_upkeep_open_place(struct mh_upkeep *u);
/* Something that people should hear of. */
void mh_upkeep_trouble(struct mh_upkeep *u, int rc, const struct mh_err *err);
/* Have the limits checked then, if not before. */
void mh_upkeep_check_by(struct mh_upkeep *u, uint64_t ns);
/* Check the limits; the lock is given back while that waits for the disk. */
void mh_upkeep_check(struct mh_upkeep *u);
/* Start the thread, which has a reference of its own. Returns 0 or -errno. */
int mh_upkeep_start(struct mh_upkeep *u);
/* What config.sealer asks for. Returns 0 or -errno. */
int mh_upkeep_begin_sealer(struct mh_upkeep *u, const struct mh_places *places);
/* There is something to seal. */
void mh_upkeep_ask_sealer(struct mh_upkeep *u);
/* The lock is given back meanwhile. */
void mh_upkeep_tend_sealer(struct mh_upkeep *u);
void mh_upkeep_end_sealer(struct mh_upkeep *u);
/* Give back a reference, and the lock. */
void mh_upkeep_unref(struct mh_upkeep *u);

#endif
