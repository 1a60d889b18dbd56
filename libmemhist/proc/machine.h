/*
 * The memory of the whole machine: /proc/meminfo, and the counters of /proc/vmstat and
 * /proc/pressure/memory (see model/counter.h), read once per tick.
 *
 * A file that is not there (no pressure in this kernel, no swap) or does not parse leaves its
 * values out, and the others are read all the same.
 */
#ifndef MEMHIST_PROC_MACHINE_H
#define MEMHIST_PROC_MACHINE_H

#include "libmemhist/base/buf.h"
#include "libmemhist/model/meminfo.h"
#include "libmemhist/proc/root.h"

enum { MH_MACHINE_FILES = 3 };

struct mh_machine {
	int fd[MH_MACHINE_FILES]; /* kept open from tick to tick; -1: not */
	struct mh_buf text;
};

void mh_machine_init(struct mh_machine *m);
void mh_machine_done(struct mh_machine *m);

/* Read everything into `ret`, replacing what it held; ret->n == 0: nothing could be read. */
void mh_machine_read(struct mh_machine *m, const struct mh_root *root, struct mh_meminfo *ret);

#endif
