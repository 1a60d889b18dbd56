/* An array that grows in powers of two. */
#include "libmemhist/proc/slots.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ITEMS = 64 };

void mh_slots_done(struct mh_slots *slots)
{
	free(slots->item);
	slots->item = NULL;
	slots->n = 0;
}

void *mh_slots_make(struct mh_slots *slots, uint32_t slot)
{
	uint32_t n = slots->n ? slots->n : FIRST_ITEMS;
	char *bigger;

	if (slot < slots->n)
		return mh_slots_at(slots, slot);
	while (n <= slot)
		n *= 2;
	bigger = reallocarray(slots->item, n, slots->item_bytes);
	if (!bigger)
		return NULL;
	memset(bigger + slots->n * slots->item_bytes, 0, (n - slots->n) * slots->item_bytes);
	slots->item = bigger;
	slots->n = n;
	return mh_slots_at(slots, slot);
}
