/*
 * What the BPF program that sees processes end says to the library: one record per process. Both
 * sides compile this header, so it holds fixed-width types only.
 */
#ifndef MEMHIST_PROC_BPF_EXIT_H
#define MEMHIST_PROC_BPF_EXIT_H

#include "libmemhist/proc/bpf/task.h"

/* Marks of a record. */
enum {
	/* peaks since the program was started, as VmHWM and VmPeak were in the end */
	MH_BPF_EXIT_PEAK = 1 << 0,
	/* with MH_BPF_EXIT_PEAK: without what the CPUs had not booked yet (see exact_cpus) */
	MH_BPF_EXIT_INEXACT = 1 << 1,
	/*
	 * The peak was peak_rss_pages at most: they are ru_maxrss, which can be that of a program
	 * before an exec, even that of the parent when it was vforked. Before 6.16 only.
	 */
	MH_BPF_EXIT_BOUND = 1 << 2,
	/* its memory was another process' (vfork, CLONE_VM), who has the peaks */
	MH_BPF_EXIT_SHARED = 1 << 3,
};

/* One process that has ended. Pages are those of the kernel; 80 bytes with the ring's own. */
struct mh_bpf_exit {
	uint64_t start_ns; /* these as in struct mh_bpf_task; pid is never 0 */
	uint64_t cgroup;
	uint64_t peak_rss_pages; /* 0 unless marked */
	uint64_t peak_vsz_pages; /* 0: not known; without MH_BPF_EXIT_PEAK, and before 6.16 */
	uint32_t pid;
	uint32_t ppid;
	uint32_t euid;
	uint32_t exec;
	uint32_t flags; /* PF_*, of the first thread */
	uint32_t marks;
	char comm[MH_BPF_COMM_BYTES]; /* of the first thread; NUL-terminated */
};

#endif
