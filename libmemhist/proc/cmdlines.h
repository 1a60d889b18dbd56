/*
 * Command lines, read aside (see offload.h), and with them the program's file and the cgroup, which
 * answer at once: what the scanners share. Meeting processes, a scanner
 * says whose command line it wants; they are read in batches, the last one after the walk:
 *
 *     mh_cmdlines_begin(&c);
 *     for (each process) {
 *             …
 *             if (the command line may be another)
 *                     st->cmdline = MH_CMDLINE_DUE;
 *             if (mh_cmdlines_is_due(&c, st->cmdline) && mh_cmdlines_want(&c, p, slot))
 *                     take them, as below
 *     }
 *     mh_cmdlines_read(&c);
 *     while (mh_cmdlines_next(&c, table, &line)) {
 *             st->cmdline = line.due;
 *             if (line.len >= 0 && /proc/PID is still line.process)
 *                     mh_cmdlines_give(&c, table, &line);
 *     }
 *
 * Between the reading and the question, the scanner must find out by something that was read after
 * the command line whether the process is the same, by the rules of its own.
 *
 * A pass waits for command lines MH_CMDLINES_PASS_MS, and a little more for one that hangs then; a
 * process whose line was not read keeps the one it has, and is asked again.
 */
#ifndef MEMHIST_PROC_CMDLINES_H
#define MEMHIST_PROC_CMDLINES_H

#include "libmemhist/model/table.h"
#include "libmemhist/proc/offload.h"
#include "libmemhist/proc/pidfile.h"
#include "libmemhist/proc/scan.h"

enum { MH_CMDLINES_PASS_MS = 400 };

/* When the command line of a process is to be read, besides the scanner's own reasons. */
enum mh_cmdline_due {
	MH_CMDLINE_FINE, /* it was read, or is not to be */
	MH_CMDLINE_DUE, /* in this pass; or the next, when there is no time, descriptor or memory */
	MH_CMDLINE_STUCK, /* when a thread that hung has come back: it did not answer */
};

/* Embedded by the scanner; zero-initialise but for the first three. */
struct mh_cmdlines {
	const struct mh_root *root;
	struct mh_offload *offload;
	struct mh_scan_stats *stats;

	uint64_t deadline_ns; /* of this pass; 0 before the first reading in it */
	uint64_t returned;    /* threads come back, when processes that hang were asked last */
	uint32_t rest;        /* passes until they may be asked again */
	bool ask_stuck;       /* this pass asks them */

	uint32_t n, at; /* wanted; those already handed out */
	struct {
		uint32_t slot;
		struct mh_identity id;
	} wanted[MH_OFFLOAD_BATCH];
	char exe[MH_PATH_MAX];
	char cgroup[MH_CGROUP_TEXT_MAX];
};

void mh_cmdlines_begin(struct mh_cmdlines *c);

static inline bool mh_cmdlines_is_due(const struct mh_cmdlines *c, enum mh_cmdline_due due)
{
	return due == MH_CMDLINE_DUE || (due == MH_CMDLINE_STUCK && c->ask_stuck);
}

/* Want that of a process in this slot of the table. Returns whether there is no room for more. */
bool mh_cmdlines_want(struct mh_cmdlines *c, const struct mh_process *p, uint32_t slot);

/* Read those that are wanted; this makes room. */
void mh_cmdlines_read(struct mh_cmdlines *c);

struct mh_cmdline {
	struct mh_process *process;
	enum mh_cmdline_due due;
	int len; /* or -errno: it could not be read, which is counted */
	const char *bytes;
	/* empty: not known. They are those of the scanner until the next one. */
	const char *exe, *cgroup;
	size_t exe_len, cgroup_len;
};

/*
 * The next answer for a process that is still in the table. Returns false at the end.
 */
bool mh_cmdlines_next(struct mh_cmdlines *c, const struct mh_table *table, struct mh_cmdline *ret);

/* Give the process this line, program and cgroup, and leave it its other names. Want of memory is
 * counted. */
void mh_cmdlines_give(struct mh_cmdlines *c, struct mh_table *table, const struct mh_cmdline *line);

#endif
