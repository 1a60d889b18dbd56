/*
 * Walking through one segment file, valid frame by valid frame. Knows what is a torn tail, what is
 * damage and where reading can go on; knows nothing of what frames mean.
 *
 * The file may grow while it is walked. Memory is bounded by the largest frame.
 */
#ifndef MEMHIST_HISTORY_WALK_H
#define MEMHIST_HISTORY_WALK_H

#include "libmemhist/base/err.h"
#include "libmemhist/history/frame.h"

#include <stdbool.h>

struct mh_walk;

/* One stop of the walk. */
struct mh_step {
	struct mh_frame frame; /* payload valid until the next call; NULL: passed over */
	uint64_t offset;       /* of the frame in the file */
	uint32_t size;         /* of the frame, header included */
	uint64_t skipped;      /* damaged bytes just before it */
};

/* Returns 0, -ENOENT (deleted meanwhile), -EINVAL (no regular file), -ELOOP (a symbolic link), … */
int mh_walk_open(struct mh_walk **ret, int dir_fd, const char *name);
void mh_walk_close(struct mh_walk *w);

/* Whether it was removed from its directory, under each of its names. */
bool mh_walk_is_removed(const struct mh_walk *w);

/* Which frames are wanted; both are asked where one is next. */
struct mh_walk_choice {
	/* Whether one of this type is; what is not comes without a payload. */
	bool (*wants)(void *arg, uint8_t type);
	/*
	 * How many bytes are passed over, before that: the frames in them do not come. It is tried;
	 * where no valid frame is behind them, they come after all. *ret_size: of that frame,
	 * header included, to be read at once; 0: not known.
	 */
	uint64_t (*passes_over)(void *arg, uint32_t *ret_size);
	void *arg;
};

/* Frames that are not wanted are neither read nor checked. Not for a file that grows. */
void mh_walk_pass_over(struct mh_walk *w, const struct mh_walk_choice *choice);

/*
 * The next valid frame: 1 and *ret; 0 when there is none up to the present end of the file (call
 * again when the file may have grown); -ENOMEM, -EIO.
 */
int mh_walk_next(struct mh_walk *w, struct mh_step *ret);

/*
 * After mh_walk_next() returned 0: the bytes behind the last valid frame. Returns their number;
 * *ret_torn says that they look like a write that a crash cut short (the beginning of a frame, or
 * zeros), not like damage.
 */
uint64_t mh_walk_tail(const struct mh_walk *w, bool *ret_torn);

#endif
