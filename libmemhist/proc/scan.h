/*
 * Scanning: one pass over all processes into a process table. The interface of all backends: BPF
 * in two ways, where the kernel and our privileges allow it, and procfs, which is always there.
 *
 * A process that vanishes in mid-scan is data, not an error. A permission denied is counted, and a
 * live process that could not be read keeps its last values (the snapshot is `partial`).
 */
#ifndef MEMHIST_PROC_SCAN_H
#define MEMHIST_PROC_SCAN_H

#include "libmemhist/base/err.h"
#include "libmemhist/model/table.h"
#include "libmemhist/proc/offload.h"
#include "libmemhist/proc/root.h"

enum mh_scan_backend {
	MH_SCAN_AUTO,    /* the first of the others that can be had */
	MH_SCAN_BPF,     /* one program walks the kernel's list: Linux 6.7 or later */
	MH_SCAN_BPF_SEQ, /* the kernel's iterator over tasks: Linux 5.8 or later */
	MH_SCAN_PROCFS,
};

/* "auto", "bpf", "bpf-seq", "procfs". Returns 0, or -EINVAL and a sentence. */
int mh_scan_backend_parse(const char *text, enum mh_scan_backend *ret, struct mh_err *err);
const char *mh_scan_backend_name(enum mh_scan_backend backend);

#define MH_SCAN_NO_FILES UINT32_MAX

struct mh_scan_config {
	const struct mh_root *root; /* these two outlive the scanner */
	struct mh_offload *offload; /* of this root: who reads files that may hang */
	enum mh_scan_backend backend;
	bool kernel_threads; /* take in kernel threads too */
	/*
	 * procfs: descriptors of statm kept open at most; 0 = what memory allows (see pins.h),
	 * MH_SCAN_NO_FILES = none. RLIMIT_NOFILE bounds them, too, and there are half as many after
	 * each pass that ran out of descriptors.
	 */
	uint32_t max_open_files;
	/*
	 * BPF: up to so many CPUs, RSS is that of statm; 0 = 16. On more it lacks what each CPU has
	 * not booked yet, since that costs a cache line per CPU and process. At most 256.
	 */
	uint32_t exact_cpus;
	uint32_t bpf_window;  /* BPF: records mapped at once; 0 = some more than processes */
	uint32_t interval_ms; /* BPF: from pass to pass, so long exits are kept for the next */
};

/* What scans have met since the scanner was made. */
struct mh_scan_stats {
	uint64_t scans;
	uint64_t processes;      /* processes read, summed over scans */
	uint64_t vanished;       /* ended between listing and reading */
	uint64_t denied;         /* EACCES or EPERM */
	uint64_t malformed;      /* files that did not parse */
	uint64_t failed;         /* other errors: EMFILE, ENOMEM, EIO */
	uint64_t dropped;        /* processes over the table's cap */
	uint64_t stuck;          /* command lines that did not answer, or were not asked for that */
	uint64_t exits;          /* processes that the kernel reported to have ended */
	uint64_t exits_dropped;  /* those reported that there was no room for */
	uint64_t exits_unlisted; /* brief ones that are counted and no more (scan_exits.h) */
	uint32_t open_files;     /* statm descriptors kept now */
};

struct mh_scan;

/*
 * Make a scanner. Programs of BPF are loaded and compared with /proc here; afterwards a scanner
 * needs no privilege. A backend that was asked for and cannot be had is an error: -ENOTSUP, -EPERM,
 * -EBADMSG (it counts differently than /proc) or others, and *err says why.
 */
int mh_scan_new(struct mh_scan **ret, const struct mh_scan_config *config, struct mh_err *err);
void mh_scan_free(struct mh_scan *scan);

/*
 * The backend's name, and why it is no better one: "", or a sentence for each better one, the best
 * first, with "; " between. Both live as `scan` does.
 */
void mh_scan_backend(const struct mh_scan *scan, const char **ret_name, const char **ret_reason);

/*
 * Why the kernel does not report exits to this scanner, so that processes that begin and end
 * between two passes are not seen: a sentence that lives as `scan` does; "" when it does report
 * them.
 */
const char *mh_scan_exits_reason(const struct mh_scan *scan);

/* The fields this scanner measures. */
mh_fields_t mh_scan_fields(const struct mh_scan *scan);
/* Those that may be as old as the last change of the process, see snapshot.h. */
mh_fields_t mh_scan_lagging(const struct mh_scan *scan);

/*
 * One pass, inside a round of `table` (between its _begin and _end; see table.h). Returns 0, or
 * -errno when processes could not be listed to the end; then *err says why, and the round is to be
 * begun again.
 * *ret_partial tells that some live processes could not be read.
 */
int mh_scan_pass(struct mh_scan *scan, struct mh_table *table, bool *ret_partial,
		 struct mh_err *err);

void mh_scan_stats(const struct mh_scan *scan, struct mh_scan_stats *ret);

#endif
