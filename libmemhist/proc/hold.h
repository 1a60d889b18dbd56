/*
 * The hold on a process while it is looked at: a descriptor of its statm, which was read through
 * it. What is read of the process by name belongs to it when statm can still be read afterwards.
 *
 *     rc = mh_hold_take(&hold, root, pid, fd_kept_or_minus_1);
 *     …hold.statm…
 *     fd_kept = mh_hold_release(&hold, &pins);
 */
#ifndef MEMHIST_PROC_HOLD_H
#define MEMHIST_PROC_HOLD_H

#include "libmemhist/proc/pidfile.h"
#include "libmemhist/proc/pins.h"

struct mh_hold {
	int fd;
	bool kept;      /* from the passes before: it is the process it was opened for */
	uint64_t inode; /* of statm; 0 when kept */
	struct mh_statm statm;
};

/*
 * Through `kept_fd`, or -1: open the statm of whoever has the pid now. Returns 0 or -errno as
 * pidfile.h has them; -ESRCH through kept_fd says that its process has ended.
 */
int mh_hold_take(struct mh_hold *ret, const struct mh_root *root, uint32_t pid, int kept_fd);

/*
 * Returns the descriptor, kept for the passes to come, or -1: closed, since there was no room or
 * `pins` is NULL. One that was kept already stays kept.
 */
int mh_hold_release(struct mh_hold *hold, struct mh_pins *pins);

#endif
