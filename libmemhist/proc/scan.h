/*
 * Scanning: one pass over all processes into a process table. The interface that every backend
 * has; procfs is one (scan_procfs.c).
 *
 * A process that vanishes in mid-scan is data, not an error. A permission denied is counted, and a
 * live process that could not be read keeps its last values (the snapshot is `partial`).
 */
#ifndef MEMHIST_PROC_SCAN_H
#define MEMHIST_PROC_SCAN_H

#include "libmemhist/base/err.h"
#include "libmemhist/model/table.h"
#include "libmemhist/proc/root.h"

struct mh_scan_config {
	const struct mh_root *root; /* outlives the scanner */
	bool kernel_threads;        /* take in kernel threads too */
	/*
	 * statm descriptors kept open, where it is a procfs; 0 = 1024. Never more than half of
	 * RLIMIT_NOFILE, and half as many after each pass that ran out of descriptors.
	 */
	uint32_t max_open_files;
};

/* What scans have met since the scanner was made. */
struct mh_scan_stats {
	uint64_t scans;
	uint64_t processes;  /* processes read, summed over scans */
	uint64_t vanished;   /* ended between listing and reading */
	uint64_t denied;     /* EACCES or EPERM */
	uint64_t malformed;  /* files that did not parse */
	uint64_t failed;     /* other errors: EMFILE, ENOMEM, EIO */
	uint64_t dropped;    /* processes over the table's cap */
	uint32_t open_files; /* statm descriptors kept now */
};

struct mh_scan;

/* Returns 0 or -ENOMEM. */
int mh_scan_procfs_new(struct mh_scan **ret, const struct mh_scan_config *config);
void mh_scan_free(struct mh_scan *scan);

/* The fields this scanner measures. */
mh_fields_t mh_scan_fields(const struct mh_scan *scan);

/*
 * One pass, inside a round of `table` (between its _begin and _end; see table.h). Returns 0, or
 * -errno when /proc itself could not be listed; then *err says why and the table is as it was.
 * *ret_partial tells that some live processes could not be read.
 */
int mh_scan_pass(struct mh_scan *scan, struct mh_table *table, bool *ret_partial,
		 struct mh_err *err);

void mh_scan_stats(const struct mh_scan *scan, struct mh_scan_stats *ret);

#endif
