/*
 * Merging: sealed segments that follow one another become one, so that a year is hundreds of files
 * and not thousands. Their snapshots go through the same columns as in sealing, in longer runs,
 * which take fewer bytes. At every moment each of them is there; mh_dir_list() says in which file.
 *
 *     for (size_t at = 0; mh_merge_next(&list, false, &at, &run);)
 *             rc = mh_merge(dir_fd, &list.file[run.first], run.n, &result, &err);
 *
 * What is merged: segments of one boot whose numbers have no hole, which begin on one day (UTC).
 */
#ifndef MEMHIST_HISTORY_MERGE_H
#define MEMHIST_HISTORY_MERGE_H

#include "libmemhist/history/dir.h"

/* A merged segment has no more than about so much. */
#define MH_MERGED_BYTES_MAX (UINT64_C(256) << 20)

struct mh_merge_run {
	size_t first, n; /* in the list; at least 2 */
	uint64_t bytes;  /* of them all */
};

/*
 * The next run of segments to be merged, from list->file[*at] on: 1, and *at is behind it; or 0.
 * Only finished days, which another day or boot follows, unless `all`.
 */
int mh_merge_next(const struct mh_segment_list *list, bool all, size_t *at,
		  struct mh_merge_run *ret);

struct mh_merge_result {
	char name[MH_SEGMENT_NAME_MAX]; /* of the merged segment */
	uint64_t snapshots;
	uint64_t process_samples;
	uint64_t bytes_before, bytes_after;
	/* of a failure: which one cannot be merged with those before it; n = no one of them */
	size_t bad;
};

/*
 * Merge n sealed segments of a run. Who calls holds the lock of mh_tidy_lock(). Returns 0 or -errno
 * and a sentence, and then they are as they were:
 *   -EBADMSG  file[ret->bad] is damaged. Nothing of it would be lost by reading it, but its bytes
 *             would be by removing it: it stays
 *   -EILSEQ   file[ret->bad] does not go on behind those before it: of another boot, or its time
 *             goes back
 *   -EPROTO   file[ret->bad] is written by a newer memhist
 *   -ESTALE   one of them was removed meanwhile
 */
int mh_merge(int dir_fd, const struct mh_segment_file *file, size_t n, struct mh_merge_result *ret,
	     struct mh_err *err);

#endif
