/*
 * A tally of exits: how many, and the highest peak among the recent ones. Counted in updates, since
 * whose tally it is may be known only at the end of one.
 *
 *     mh_tally_begin(t, now);          // each update
 *     mh_tally_add(t, 1, peak);        // each exit
 *     mh_tally_book(t);                // they are this tally's
 */
#ifndef MEMHIST_MODEL_TALLY_H
#define MEMHIST_MODEL_TALLY_H

#include "libmemhist/base/timespec.h"

#include <stdint.h>

/* Zero-initialise; one made within an update has its minute from another of that update. */
struct mh_tally {
	uint64_t total;
	uint64_t fresh;        /* in this update, not booked */
	uint64_t minute;       /* since boot */
	uint64_t peak_pages;   /* of exits in that minute */
	uint64_t earlier_peak; /* and in the one before */
};

void mh_tally_begin(struct mh_tally *t, mh_boot_ns_t now_ns);
/* n exits, none with a higher peak than this; 0: not known. */
void mh_tally_add(struct mh_tally *t, uint64_t n, uint64_t peak_pages);
void mh_tally_book(struct mh_tally *t);
/* Go on where another ended, which is not used after. Both had _begin at about the same time. */
void mh_tally_continue(struct mh_tally *t, const struct mh_tally *old);
/* The highest peak of this minute and the one before. */
uint64_t mh_tally_peak(const struct mh_tally *t);

#endif
