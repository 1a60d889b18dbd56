/*
 * A sealed segment on its way (docs/FORMAT.md section 6): snapshots in, parts out, into a temporary
 * file that gets its name when all of it is on the disk.
 *
 *     mh_sealed_new(&s, dir_fd, name);
 *     while (…the decoder is at a snapshot…)
 *             mh_sealed_add(s, decoder);
 *     mh_sealed_finish(s);
 *     mh_sealed_put(s);
 *     mh_sealed_free(s);
 *
 * Memory is bounded by the largest part.
 */
#ifndef MEMHIST_HISTORY_SEALED_H
#define MEMHIST_HISTORY_SEALED_H

#include "libmemhist/history/rows/decode.h"
#include "libmemhist/history/dir.h"

struct mh_sealed;

struct mh_sealed_stats {
	uint64_t snapshots;
	uint64_t process_samples;
	uint64_t bytes; /* written so far */
};

/*
 * Begin the segment that will be called `name` (at most MH_SEGMENT_NAME_MAX - 1 bytes) in the
 * directory, whose descriptor stays the caller's. What a crash left of an earlier try is removed:
 * who calls is the only one. Returns 0 or -errno.
 */
int mh_sealed_new(struct mh_sealed **ret, int dir_fd, const char *name);
/* What did not get its name is removed. NULL is allowed. */
void mh_sealed_free(struct mh_sealed *s);

/* Close the round of the snapshot that the decoder is at, and add it. Returns 0 or -errno. */
int mh_sealed_add(struct mh_sealed *s, struct mh_decoder *d);
/* Behind the last snapshot something is lost: the next segment's first one will have the gap. */
void mh_sealed_lost(struct mh_sealed *s);
/* Write what is left, and bring all to the disk. Returns 0, -ENODATA (no snapshot) or -errno. */
int mh_sealed_finish(struct mh_sealed *s);
/* Give it its name, on the disk. Returns 0 or -errno. */
int mh_sealed_put(struct mh_sealed *s);

void mh_sealed_stats(const struct mh_sealed *s, struct mh_sealed_stats *ret);

#endif
