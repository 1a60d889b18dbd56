/*
 * What the BPF programs and the library say to each other: one record per process, the
 * configuration before loading, and the window asked for. Both sides compile this header, so it
 * holds fixed-width types only.
 */
#ifndef MEMHIST_PROC_BPF_TASK_H
#define MEMHIST_PROC_BPF_TASK_H

#include <stdint.h>

enum {
	MH_BPF_COMM_BYTES = 16,
	MH_BPF_CPUS_MAX = 256, /* per-CPU counters are summed for so many at most */
};

/* Marks of a record. */
enum {
	MH_BPF_HAS_MM = 1 << 0, /* has memory of its own; else the page counts are 0 */
	MH_BPF_SHARES = 1 << 1, /* the memory is another process' (vfork, CLONE_VM): its owner's */
	MH_BPF_TORN = 1 << 2,   /* exec or exit while it was read: the page counts are void */
	MH_BPF_ORPHAN = 1 << 3, /* the first thread has exited, others live: memory is theirs */
};

/* One process. Pages are those of the kernel; 128 bytes: two cache lines. */
struct mh_bpf_task {
	uint64_t start_ns; /* task_struct.start_boottime: since boot, of no time namespace */
	uint64_t cgroup;   /* inode of the cgroup v2 */
	uint64_t file_pages, anon_pages, swap_pages, shmem_pages; /* in the kernel's order */
	uint64_t vsz_pages;
	uint64_t hiwater_rss_pages; /* lags: the peak is the higher one of it and RSS */
	uint64_t hiwater_vsz_pages; /* the same for VSZ */
	uint64_t locked_pages;
	uint32_t pid;   /* in the pid namespace of the procfs */
	uint32_t ppid;  /* 0: none there */
	uint32_t euid;  /* of the initial user namespace */
	uint32_t exec;  /* task_struct.self_exec_id: another number after each execve(2) */
	uint32_t flags; /* PF_* */
	uint32_t threads;
	uint16_t state; /* task_struct.__state | exit_state */
	uint16_t marks;
	uint32_t reserved;
	char comm[MH_BPF_COMM_BYTES]; /* NUL-terminated */
};

/* Set before loading, constant afterwards. */
struct mh_bpf_config {
	uint32_t namespaces_up; /* from our pid namespace up to that of the procfs */
	uint32_t window;        /* records that fit into the map */
	uint32_t n_cpus;        /* 0: take the approximate counters */
	uint32_t cpu[MH_BPF_CPUS_MAX];
};

/*
 * One run of the program of the task_syscall object fills one window with the processes after the
 * one named by after_*, in the order of the kernel's list.
 */
struct mh_bpf_window {
	uint64_t after_start_ns;
	uint32_t after_pid; /* 0: from the beginning */
	uint32_t found;     /* out: the named process was met; if not, nothing was written */
	uint32_t n;         /* out: records written */
	uint32_t more;      /* out: there are more than fitted */
};

#endif
