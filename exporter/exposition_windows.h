/* The part of exposition.h that is about groups over time: candles, byte-seconds. */
#ifndef MEMHIST_EXPORTER_EXPOSITION_WINDOWS_H
#define MEMHIST_EXPORTER_EXPOSITION_WINDOWS_H

#include "exporter/families.h"
#include "exporter/view.h"

/* To be called while there is a current snapshot. `first`: the labels of v->group[0]; those of the
 * others follow it. */
void exposition_windows(struct families *out, const struct view *v, uint32_t first);

/* The labels of an entry whose `group` this is; of those without one, in order, from *next on. */
static inline uint32_t exposition_set_of(uint32_t first, uint32_t group, uint32_t *next)
{
	return group == VIEW_NO_GROUP ? (*next)++ : first + group;
}

#endif
