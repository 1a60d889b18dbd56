/*
 * What earlier runs left in a history's directory, for who goes on writing there.
 */
#ifndef MEMHIST_HISTORY_PAST_H
#define MEMHIST_HISTORY_PAST_H

#include "libmemhist/history/dir.h"
#include "libmemhist/model/snapshot.h"

struct mh_past {
	uint64_t next_segment; /* the number that the next segment gets (D2) */
	char boot[9];          /* of the newest segment, as its name has it; "" = there is none */
	struct mh_gap gap;     /* since its last snapshot; MH_GAP_NONE = it cannot be read */
	uint64_t torn_bytes;   /* at its end: a write that a crash interrupted */
};

/*
 * Reads the newest segment. Returns 0; -EOVERFLOW: no number is left; -ENOMEM or -errno of reading
 * the directory.
 */
int mh_past_look(int dir_fd, struct mh_past *ret);

#endif
