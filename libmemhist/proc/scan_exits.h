/*
 * Booking of the exits that BPF reports (bpf_exits.h) into a process table, for a scanner:
 *
 *     mh_scan_exits_begin(exits, table, find, arg);     // before the pass
 *     …the pass: for each process that it adds
 *             mh_scan_exits_meet(exits, table, p, start_ns);
 *     mh_scan_exits_end(exits, table, find, arg, …);    // after it
 *
 * A process that the table knows gets its last marks. Of the others, those that the pass still
 * meets (nobody has waited for them yet) are processes like all, but with their last marks; the
 * rest lived between two passes: they are brief. Who ended while the pass was on, and was not met,
 * may have begun behind its back and still be there for the next one, which decides.
 *
 * Of the brief ones, mh_scan_exits_brief_max() go into the table: those with the highest peaks, of
 * equal ones the last. The others are counted: a machine that starts a thousand programs a second
 * would fill a disk, and the memory of those who read the history, with programs nobody asks for.
 *
 * A mark that is only a bound (exit.h) is not booked: it can be another's.
 */
#ifndef MEMHIST_PROC_SCAN_EXITS_H
#define MEMHIST_PROC_SCAN_EXITS_H

#include "libmemhist/model/table.h"
#include "libmemhist/proc/bpf_exits.h"
#include "libmemhist/proc/bpf_place.h"
#include "libmemhist/proc/scan.h"

struct mh_scan_exits;

/*
 * How many brief ones of a pass go into the table: 256 for each second between passes, which are
 * some 5 KB of a history; at least 256, at most 4,096.
 */
uint32_t mh_scan_exits_brief_max(uint32_t interval_ms);

/* The process of the table whose exit this is, or NULL. */
typedef struct mh_process *mh_scan_exits_find_fn(void *arg, const struct mh_bpf_exit *exit);

/*
 * Begin to record. Returns 0 or -errno and a sentence, as mh_bpf_exits_new(). `place` is copied.
 * There is room for some two thousand exits a second between passes that are `interval_ms` apart,
 * up to 13,107 in all. NULL in place of the result is taken by all the functions below: nothing is
 * recorded then.
 */
int mh_scan_exits_new(struct mh_scan_exits **ret, const struct mh_bpf_tasks *tasks,
		      const struct mh_bpf_place *place, uint32_t interval_ms, struct mh_err *err);
void mh_scan_exits_free(struct mh_scan_exits *exits);

void mh_scan_exits_begin(struct mh_scan_exits *exits, struct mh_table *table,
			 mh_scan_exits_find_fn *find, void *arg);
/* In the pass, before the table loses a process, whose last marks may be here. */
void mh_scan_exits_drain(struct mh_scan_exits *exits, struct mh_table *table,
			 mh_scan_exits_find_fn *find, void *arg);
void mh_scan_exits_meet(struct mh_scan_exits *exits, struct mh_table *table, struct mh_process *p,
			uint64_t start_ns);

/*
 * `first`: there was no pass before, so that nobody is brief, and who was not met is forgotten.
 * Without the call, after a pass that failed, they wait for the next.
 */
void mh_scan_exits_end(struct mh_scan_exits *exits, struct mh_table *table,
		       mh_scan_exits_find_fn *find, void *arg, bool first);

/*
 * Fill in those members of `ret` that are about exits: recorded; lost, since the ring or the table
 * had no room; and not put into the table, since others had higher peaks.
 */
void mh_scan_exits_count(const struct mh_scan_exits *exits, struct mh_scan_stats *ret);

#endif
