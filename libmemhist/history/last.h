/*
 * When a segment ends, found at its end: cheap, however long it is.
 */
#ifndef MEMHIST_HISTORY_LAST_H
#define MEMHIST_HISTORY_LAST_H

#include "libmemhist/base/timespec.h"

/*
 * The time of the last valid frame in a segment: that of its last snapshot. Returns 0, -ENODATA
 * (no valid frame), or -errno.
 */
int mh_segment_last(int dir_fd, const char *name, struct mh_instant *ret);

#endif
