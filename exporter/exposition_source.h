/* The part of exposition.h that is about where samples come from and how that goes. */
#ifndef MEMHIST_EXPORTER_EXPOSITION_SOURCE_H
#define MEMHIST_EXPORTER_EXPOSITION_SOURCE_H

#include "exporter/families.h"
#include "exporter/view.h"

void exposition_source(struct families *out, const struct view *v);

#endif
