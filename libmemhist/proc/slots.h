/*
 * What a scanner remembers of the processes in a table, by their slots: items of its own, zeroed
 * until they are written. Embedded by its owner, who sets item_bytes.
 */
#ifndef MEMHIST_PROC_SLOTS_H
#define MEMHIST_PROC_SLOTS_H

#include <stddef.h>
#include <stdint.h>

struct mh_slots {
	size_t item_bytes;
	uint32_t n; /* items there are; the others are zero */
	char *item;
};

void mh_slots_done(struct mh_slots *slots);

/* The item of a slot, made when it is not there: items move then. NULL without memory. */
void *mh_slots_make(struct mh_slots *slots, uint32_t slot);

/* The item of a slot, or NULL when it is not there. */
static inline void *mh_slots_at(const struct mh_slots *slots, uint32_t slot)
{
	return slot < slots->n ? slots->item + slot * slots->item_bytes : NULL;
}

#endif
