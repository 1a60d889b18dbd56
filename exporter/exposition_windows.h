/* The part of exposition.h that is about groups over time: candles, byte-seconds. */
#ifndef MEMHIST_EXPORTER_EXPOSITION_WINDOWS_H
#define MEMHIST_EXPORTER_EXPOSITION_WINDOWS_H

#include "exporter/families.h"
#include "exporter/view.h"

/* To be called while there is a current snapshot. */
void exposition_windows(struct families *out, const struct view *v);

#endif
