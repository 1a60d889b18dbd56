/*
 * Sealing: a segment that nobody writes any more becomes columns (docs/FORMAT.md section 6), a half
 * to a fifth of its size. The new file takes the old one's place under the same number; at every
 * moment one of the two is there, whole.
 */
#ifndef MEMHIST_HISTORY_SEAL_H
#define MEMHIST_HISTORY_SEAL_H

#include "libmemhist/history/dir.h"

struct mh_seal_result {
	uint64_t snapshots;
	uint64_t process_samples;
	uint64_t bytes_before, bytes_after;
};

/*
 * Seal one open segment of the directory. Who calls holds LOCK, or knows that nobody writes this
 * segment. Returns 0; -ENODATA: it holds no snapshot, and stays; -ESTALE: it was
 * removed meanwhile; -EBADMSG: it is damaged, and nothing of it is thrown away but by who wants
 * that (repair.h); or -errno; always with a sentence. After an error the segment is as it was.
 */
int mh_seal_segment(int dir_fd, const struct mh_segment_file *file, struct mh_seal_result *ret,
		    struct mh_err *err);

#endif
