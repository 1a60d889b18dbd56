/*
 * Repair: what can be read of a damaged segment becomes a new, sealed one, with a gap where
 * something is lost. The damaged file itself is kept, in the directory `damaged` of the history:
 * another program, or a better one, may get more out of it.
 *
 *     rc = mh_repair_segment(dir_fd, &file, dir_fd, &result, &err);
 *
 * Who calls holds LOCK and the lock of mh_tidy_lock().
 */
#ifndef MEMHIST_HISTORY_REPAIR_H
#define MEMHIST_HISTORY_REPAIR_H

#include "libmemhist/history/dir.h"

struct mh_repair_result {
	char name[MH_SEGMENT_NAME_MAX]; /* of the new segment; "": there is none */
	uint64_t snapshots;
	uint64_t process_samples;
	uint64_t bytes_before, bytes_after;
	uint64_t damages;       /* places of which something is lost */
	uint64_t damaged_bytes; /* in them */
	uint64_t orphans;       /* valid frames that are of no use without those before them */
};

/*
 * Repair one segment of the directory from_fd into the directory to_fd.
 *
 * Where both are the same directory, the new segment takes the place of the damaged one, which
 * moves to `damaged`; at every moment one of the two is there under its number, whole. Elsewhere
 * the damaged one is only read.
 *
 * Returns 0; -ENODATA: nothing of it can be read, so there is no new segment (it has moved all the
 * same); or -errno and a sentence, and everything is as it was.
 */
int mh_repair_segment(int from_fd, const struct mh_segment_file *file, int to_fd,
		      struct mh_repair_result *ret, struct mh_err *err);

#endif
