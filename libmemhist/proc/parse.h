/*
 * The texts of /proc, parsed. Pure: (bytes, length) in, numbers out; nothing is opened, nothing
 * allocated, no locale read. Every parser accepts exactly what proc(5) describes plus fields that
 * later kernels may append, and answers anything else with -EBADMSG. Return values are untouched
 * on failure. Output that points into the input is valid as long as the input is.
 */
#ifndef MEMHIST_PROC_PARSE_H
#define MEMHIST_PROC_PARSE_H

#include "libmemhist/model/counter.h"
#include "libmemhist/model/meminfo.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* /proc/PID/stat, see proc(5). comm is raw: it may hold blanks, newlines and ')'. */
struct mh_stat {
	uint32_t pid;         /* field 1 */
	const char *comm;     /* field 2, between the first '(' and the last ')' */
	size_t comm_len;      /* 0 … 64 */
	char state;           /* field 3: R S D Z T t X I … */
	uint32_t ppid;        /* field 4 */
	uint32_t flags;       /* field 9: PF_* */
	uint32_t num_threads; /* field 20 */
	uint64_t start_ticks; /* field 22 */
	uint64_t vsz_bytes;   /* field 23 */
	uint64_t rss_pages;   /* field 24; inexact on kernels >= 6.2, see statm */
	uint64_t start_stack; /* field 28; changes at exec, 0 without ptrace access */
};

#define MH_PF_KTHREAD 0x00200000u /* include/linux/sched.h; a kernel thread */

int mh_parse_stat(const char *text, size_t len, struct mh_stat *ret);

/*
 * Length of comm without what a worker of the kernel does at present: "kworker/0:1-events" changes
 * its name all the time, and is "kworker/0:1". Rescuers, "kworker/R-name", have theirs for life.
 */
size_t mh_stat_comm_len(const struct mh_stat *stat);

/* /proc/PID/statm: fields 1 and 2. The exact RSS on every kernel. */
struct mh_statm {
	uint64_t vsz_pages;
	uint64_t rss_pages;
};

int mh_parse_statm(const char *text, size_t len, struct mh_statm *ret);

/*
 * /proc/PID/status: the lines that are used. The Vm and Rss lines say what statm does and more, in
 * KiB, all at one instant: RssAnon + RssFile + RssShmem is VmRSS.
 */
struct mh_status {
	const char *name; /* Name: as stat's comm, but with newline and backslash as \n and \\ */
	size_t name_len;
	uint32_t ppid;    /* PPid */
	uint32_t uid;     /* Uid: second number, the effective uid */
	uint32_t threads; /* Threads */
	bool has_vm;      /* the Vm lines were there; kernel threads and zombies have none */
	bool has_parts;   /* the Rss lines were there, too: Linux 4.5 */
	uint64_t peak_kib, size_kib, locked_kib, hwm_kib, rss_kib; /* VmPeak, Size, Lck, HWM, RSS */
	uint64_t file_kib, shmem_kib;                              /* RssFile, RssShmem */
	uint64_t swap_kib;                                         /* VmSwap */
};

int mh_parse_status(const char *text, size_t len, struct mh_status *ret);

/* Whether Name is this comm. */
bool mh_status_is_named(const struct mh_status *status, const char *comm, size_t len);

/* Length of a /proc/PID/cmdline without the NUL bytes at its end (setproctitle leaves many). */
size_t mh_parse_cmdline(const char *text, size_t len);

/*
 * /proc/PID/cgroup: the path of the cgroup that its memory is charged to, which is that of the v1
 * memory controller where there is one, else that of the v2 hierarchy. *ret points into `text`.
 * Returns the path's length, or -EBADMSG when there is neither (cgroups(7)).
 */
int mh_parse_cgroup(const char *text, size_t len, const char **ret);

/*
 * /proc/PID/smaps_rollup (Linux 4.14). A text without Pss or one of the Private lines is refused;
 * so is one that is cut.
 */
struct mh_smaps_rollup {
	uint64_t pss_bytes;      /* Pss */
	uint64_t uss_bytes;      /* Private_Clean + Private_Dirty */
	bool has_swap;           /* SwapPss was there */
	uint64_t swap_pss_bytes; /* SwapPss */
};

int mh_parse_smaps_rollup(const char *text, size_t len, struct mh_smaps_rollup *ret);

/* /proc/meminfo. Lines with keys that are not allowed are left out. -EBADMSG without any line. */
int mh_parse_meminfo(const char *text, size_t len, struct mh_meminfo *ret);

/* /proc/vmstat and /proc/pressure/memory: the counters that are there are set in `ret`. */
int mh_parse_vmstat(const char *text, size_t len, struct mh_counter_values *ret);
int mh_parse_pressure(const char *text, size_t len, struct mh_counter_values *ret);

/* /proc/sys/kernel/random/boot_id or any UUID text: 16 bytes into `ret`. */
int mh_parse_uuid(const char *text, size_t len, uint8_t ret[16]);

/* An unsigned decimal number that fills `len` bytes exactly. -EBADMSG, -ERANGE past uint64_t. */
int mh_parse_u64(const char *text, size_t len, uint64_t *ret);

#endif
