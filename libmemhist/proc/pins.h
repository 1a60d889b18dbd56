/*
 * Descriptors kept open from pass to pass: reading through one saves the opening and closing, and
 * it stays with the process it was opened for, also when the pid gets another owner. Bounded, since
 * each costs kernel memory (a page of text, file, inode, dentry), which cannot be swapped out, and
 * one of our descriptors.
 */
#ifndef MEMHIST_PROC_PINS_H
#define MEMHIST_PROC_PINS_H

#include "libmemhist/base/memlimit.h"

#include <stdint.h>

/* The budget. Embedded by its owner, who keeps the descriptors themselves. */
struct mh_pins {
	uint32_t n;    /* kept now */
	uint32_t max;  /* may be kept */
	int lowest_fd; /* kept ones have this number or a higher one */
};

/*
 * At most `max` descriptors, 0 = as many as are worth their memory; and no more than RLIMIT_NOFILE
 * leaves when others have theirs.
 */
void mh_pins_init(struct mh_pins *pins, uint32_t max);

/* How many are worth their memory: a 256th of the machine's, an 8th of what our group may have. */
uint32_t mh_pins_affordable(const struct mh_memlimit *limit);

/* Take over `fd`. Returns the descriptor that is kept, or -1: no room, and `fd` is closed. */
int mh_pins_keep(struct mh_pins *pins, int fd);

/* Close a kept descriptor and set it to -1; -1 is allowed. */
void mh_pins_drop(struct mh_pins *pins, int *fd);

/* Descriptors ran out: halve the budget, for good. Those over it are the owner's to drop. */
void mh_pins_halve(struct mh_pins *pins);

#endif
