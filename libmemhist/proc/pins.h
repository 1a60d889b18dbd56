/*
 * Descriptors kept open from pass to pass: reading through one saves the opening and closing, and
 * it stays with the process it was opened for, also when the pid gets another owner. Bounded, since
 * each costs some 5.5 KiB of kernel memory and one of the process' descriptors.
 */
#ifndef MEMHIST_PROC_PINS_H
#define MEMHIST_PROC_PINS_H

#include <stdint.h>

/* The budget. Embedded by its owner, who keeps the descriptors themselves. */
struct mh_pins {
	uint32_t n;    /* kept now */
	uint32_t max;  /* may be kept */
	int lowest_fd; /* kept ones have this number or a higher one */
};

/* At most `max` descriptors, and no more than half of RLIMIT_NOFILE. */
void mh_pins_init(struct mh_pins *pins, uint32_t max);

/* Take over `fd`. Returns the descriptor that is kept, or -1: no room, and `fd` is closed. */
int mh_pins_keep(struct mh_pins *pins, int fd);

/* Close a kept descriptor and set it to -1; -1 is allowed. */
void mh_pins_drop(struct mh_pins *pins, int *fd);

/* Descriptors ran out: halve the budget, for good. Those over it are the owner's to drop. */
void mh_pins_halve(struct mh_pins *pins);

#endif
