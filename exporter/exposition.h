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

/*
 * The metric of a line of /proc/meminfo: its key as mh_meminfo_words() writes it, and its unit:
 * MemAvailable -> memhist_meminfo_mem_available_bytes, SReclaimable ->
 * memhist_meminfo_sreclaimable_bytes, HugePages_Total -> memhist_meminfo_huge_pages_total_pages.
 */
enum { MEMINFO_METRIC_MAX = MH_MEMINFO_WORDS_MAX + sizeof("memhist_meminfo__bytes") };
void exposition_meminfo_name(char ret[MEMINFO_METRIC_MAX], const struct mh_meminfo_line *line);

#endif
