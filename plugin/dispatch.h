/*
 * Values out: the one place that knows how collectd names and takes them.
 *
 *     memhist-<program>/ps_rss, ps_vm         bytes, summed over the program's processes
 *     memhist-<program>/ps_count              processes; threads are not measured: NaN
 *     memhist-meminfo/memory-<line>           bytes: total, free, available, swap_total, …
 *     memhist-meminfo/count-<line>            lines without a unit: huge_pages_total, …
 *     memhist-meminfo/swap_io-in, -out        bytes since the boot, as are all below: a DERIVE
 *     memhist-meminfo/total_events-oom_kills
 *     memhist-meminfo/total_time_in_ms-memory_waiting, -memory_stalled
 *
 * Only types of collectd's own types.db, so that no receiver has to learn any. No identifier holds
 * a pid: receivers keep a file or a series for every identifier that ever was.
 */
#ifndef MEMHIST_PLUGIN_DISPATCH_H
#define MEMHIST_PLUGIN_DISPATCH_H

#include "libmemhist/base/err.h"
#include "libmemhist/model/group.h"

/*
 * Whether collectd knows the types above: it drops values of an unknown type without a word that
 * anybody would see. Returns 0, or -ENOENT and a sentence.
 */
int dispatch_check_types(struct mh_err *err);

/*
 * Hand over the groups of one snapshot, spelled by mh_escape_collectd() and stamped `wall_ms`;
 * `fields` were measured, in pages of `page_bytes`. Returns 0, or -EIO and a sentence when collectd
 * refused some of the values (the others were handed over).
 */
int dispatch_groups(const struct mh_group *group, size_t n, mh_fields_t fields, uint32_t page_bytes,
		    mh_ms_t wall_ms, struct mh_err *err);

/*
 * Hand over all lines of meminfo, of lines that come to the same name the first, and the counters
 * that follow them. As above.
 */
int dispatch_meminfo(const struct mh_meminfo *meminfo, uint32_t page_bytes, mh_ms_t wall_ms,
		     struct mh_err *err);

#endif
