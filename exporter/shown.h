/*
 * Which processes are shown one by one: the largest by RSS, and those that rules choose
 * (libmemhist/model/choice.h), of these again the largest. Each once, the largest first; of equals
 * the lower pid, so that they do not change places.
 *
 * Memory is allocated by shown_reserve() alone. Embedded by its owner; zero-initialise.
 */
#ifndef MEMHIST_EXPORTER_SHOWN_H
#define MEMHIST_EXPORTER_SHOWN_H

#include "libmemhist/model/choice.h"

enum { SHOWN_CHOSEN_MAX = 1000 }; /* by rules; and at most so many without */

struct shown {
	uint32_t *slot; /* who is shown */
	size_t n;
	size_t n_left_out; /* chosen, but more than there is room for */

	/* private */
	uint32_t *largest, *chosen;
	size_t max_largest, max_chosen;
};

/* Room for so many, if there is less. Returns 0, or -ENOMEM, and what there was is left. */
int shown_reserve(struct shown *s, size_t max_largest, size_t max_chosen);
void shown_done(struct shown *s);

/* After mh_choice_update() with this snapshot; NULL: nobody is chosen. */
void shown_pick(struct shown *shown, const struct mh_snapshot *s, const struct mh_choice *choice,
		uint32_t page_bytes);

#endif
