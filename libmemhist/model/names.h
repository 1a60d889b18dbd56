/*
 * The names of a process: everything that is a version of it and no value. A scanner, reader or
 * importer fills a struct mh_names with what it read and gives it to the process table.
 */
#ifndef MEMHIST_MODEL_NAMES_H
#define MEMHIST_MODEL_NAMES_H

#include "libmemhist/model/process.h"

struct mh_names {
	uint32_t ppid;
	uint32_t uid;
	const char *comm;
	size_t comm_len; /* cut at MH_COMM_MAX and at a NUL */
	const char *cmdline;
	size_t cmdline_len; /* cut at MH_CMDLINE_MAX */
	/* cut at MH_PATH_MAX; empty: not known */
	const char *exe;
	size_t exe_len;
	const char *cgroup;
	size_t cgroup_len;
};

/* The names that a process has. They point into it. */
void mh_names_of(const struct mh_process *p, struct mh_names *ret);

/*
 * Give p these names, copied; strings of exe and cgroup are taken from the pool. They may be p's
 * own. Returns 1 when one differs from those it had, 0 when none does, or -ENOMEM; then p is as it
 * was.
 */
int mh_names_give(const struct mh_names *names, struct mh_process *p, struct mh_strpool *pool);

#endif
