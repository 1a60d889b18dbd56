/*
 * The metrics: which there are, and their values as a view holds them. A value that was not
 * measured is absent, never 0. While there is no current snapshot, only what the exporter knows of
 * itself is shown, with memhist_up 0.
 *
 * Names of measured fields come from libmemhist/model/fields.def; docs/memhist-exporter.1.pod
 * lists all metrics.
 */
#ifndef MEMHIST_EXPORTER_EXPOSITION_H
#define MEMHIST_EXPORTER_EXPOSITION_H

#include "exporter/families.h"
#include "exporter/self.h"
#include "exporter/view.h"

/* What is counted of the pages, from the first on. */
struct page_counts {
	uint64_t written;
	uint64_t dropped_series; /* over all fillings */
};

/*
 * Forget what is in `out` and fill in all metrics. The caller holds the view's lock. `self` may be
 * NULL: not known. Raises counts->dropped_series. Look at out->error after.
 */
void exposition_fill(struct families *out, const struct view *v, const struct self *self,
		     struct page_counts *counts);

#endif
