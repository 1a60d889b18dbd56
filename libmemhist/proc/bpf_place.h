/*
 * How a procfs sees us: what has to be known to translate the kernel's own numbers of processes
 * and times into those of that procfs.
 */
#ifndef MEMHIST_PROC_BPF_PLACE_H
#define MEMHIST_PROC_BPF_PLACE_H

#include "libmemhist/proc/root.h"

struct mh_bpf_place {
	uint32_t own_pid;       /* of this process, in the procfs */
	uint32_t namespaces_up; /* from our pid namespace up to that of the procfs */
	int64_t boot_ns;        /* what our time namespace adds to the time since boot */
	uint64_t tick_ns;       /* a clock tick of stat */
};

/*
 * Find out where `root` stands. -ENOTSUP when it is no procfs of this kernel, or one in which this
 * process cannot be seen; *err says which.
 */
int mh_bpf_place(const struct mh_root *root, struct mh_bpf_place *ret, struct mh_err *err);

/*
 * The pids in the line NSpid of a /proc/PID/status: from the namespace of the procfs down to the
 * innermost. Returns their number or -EBADMSG; *ret_first is the first, *ret_last the last.
 */
int mh_bpf_parse_nspid(const char *text, size_t len, uint32_t *ret_first, uint32_t *ret_last);

/* The line boottime of a /proc/PID/timens_offsets, in nanoseconds. Returns 0 or -EBADMSG. */
int mh_bpf_parse_timens(const char *text, size_t len, int64_t *ret_ns);

#endif
