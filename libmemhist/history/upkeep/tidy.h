/*
 * What sealing and merging leave behind when they are killed: half a file under a temporary name,
 * or segments whose content is in another one already. Harmless, but they take room.
 */
#ifndef MEMHIST_HISTORY_UPKEEP_TIDY_H
#define MEMHIST_HISTORY_UPKEEP_TIDY_H

#include <stddef.h>

/*
 * One process at a time seals, merges or tidies a history: flock(2) of the directory's descriptor,
 * which goes with it. The writer has a lock of its own. Returns 0, -EWOULDBLOCK (another does) or
 * -errno.
 */
int mh_tidy_lock(int dir_fd);

struct mh_tidied {
	size_t temporary;  /* files removed */
	size_t superseded; /* segments removed: the one that holds them is whole, and on the disk */
	size_t kept;       /* segments that stay, since that one has damage */
};

/* Remove it; who calls holds the lock. Returns 0 or -errno. */
int mh_tidy(int dir_fd, struct mh_tidied *ret);

#endif
