/* Two cgroups (v2) to put processes into, and which one a process is in, as /proc says. */
#ifndef MEMHIST_TESTS_UNIT_CGROUPS_H
#define MEMHIST_TESTS_UNIT_CGROUPS_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroups {
	char root[PATH_MAX]; /* where the hierarchy is mounted */
	char own[2][PATH_MAX];
};

/* Make them. Returns 0, or -1: there is no cgroup v2, or none may be made. */
int cgroups_make(struct cgroups *ret);
/* Those in them must have ended. */
void cgroups_remove(struct cgroups *cgroups);
/* Move a live process into the first or the second. */
void cgroups_move(const struct cgroups *cgroups, int which, pid_t pid);
/* The inode of the folder that /proc/PID/cgroup names; 0: there is none. */
uint64_t cgroups_inode(const struct cgroups *cgroups, pid_t pid);

#endif
