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

#include "exporter/self.h"
#include "exporter/view.h"

/*
 * Append the whole page. The caller holds the view's lock. `self` may be NULL: not known. Look at
 * out->error after.
 */
void exposition_write(struct mh_buf *out, const struct view *v, const struct self *self);

#endif
