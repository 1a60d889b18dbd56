/*
 * Everything that is in a history's directory, and what it takes: what retention (retention.h)
 * decides by.
 */
#ifndef MEMHIST_HISTORY_UPKEEP_STOCK_H
#define MEMHIST_HISTORY_UPKEEP_STOCK_H

#include "libmemhist/history/dir.h"

struct mh_stock {
	struct mh_segment_list files;
	uint64_t bytes; /* of everything, the directory itself included, and damaged/ in it */
};

/* Zero-initialise it before the first call. Returns 0, -ENOMEM or -errno. */
int mh_stock_take(int dir_fd, struct mh_stock *ret);
void mh_stock_done(struct mh_stock *s);

/*
 * When sealing or merging has left something behind (tidy.h), and is not at work just now, remove
 * that and take stock anew. Returns 0, -ENOMEM or -errno.
 */
int mh_stock_tidy(int dir_fd, struct mh_stock *s);

/*
 * How fast a history grows: so many bytes in so much time, of its newest segments. Sealed ones
 * where there are any, since that is what the others become. Segments of the number `keep_seq` and
 * above are being written; 0 = none is. Reads the ends of some segments. Returns 1; or 0: there are
 * not ten minutes to go by.
 */
struct mh_stock_rate {
	uint64_t bytes;
	uint64_t ms;
};
int mh_stock_rate(int dir_fd, const struct mh_stock *s, uint64_t keep_seq,
		  struct mh_stock_rate *ret);

#endif
