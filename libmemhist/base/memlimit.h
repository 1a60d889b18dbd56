/*
 * How much memory there is for this process: that of the machine, and what its control groups leave
 * of it (memory.max of version 2, memory.limit_in_bytes of version 1, where they are mounted below
 * /sys/fs/cgroup). The kernel's own memory that a process makes it use is charged there, too.
 */
#ifndef MEMHIST_BASE_MEMLIMIT_H
#define MEMHIST_BASE_MEMLIMIT_H

#include <stdint.h>

struct mh_memlimit {
	uint64_t machine_bytes;
	uint64_t group_bytes; /* the least limit of its group and those above; UINT64_MAX: none */
};

/* `root` is put before the paths of files: "" is this machine, a test has a folder of its own. */
void mh_memlimit_read(struct mh_memlimit *ret, const char *root);

#endif
