/*
 * What a scanner is made of, for those who implement one: scan.c hands every call of scan.h on to
 * the backend that it chose.
 */
#ifndef MEMHIST_PROC_SCAN_BACKEND_H
#define MEMHIST_PROC_SCAN_BACKEND_H

#include "libmemhist/proc/listing.h"
#include "libmemhist/proc/scan.h"

/* a sentence for each of the better ones, and what is between */
enum { MH_SCAN_REASONS_BYTES = (MH_SCAN_PROCFS - MH_SCAN_BPF) * (sizeof(struct mh_err) + 2) };

struct mh_scan_ops {
	const char *name; /* as mh_scan_backend_parse() knows it */
	void (*free)(struct mh_scan *scan);
	int (*pass)(struct mh_scan *scan, struct mh_table *table, bool *ret_partial,
		    struct mh_err *err);
	void (*stats)(const struct mh_scan *scan, struct mh_scan_stats *ret);
};

/* The head of every backend's scanner. */
struct mh_scan {
	const struct mh_scan_ops *ops;
	mh_fields_t fields, lagging; /* see scan.h */
	struct mh_scan_stats stats;
	char reasons[MH_SCAN_REASONS_BYTES]; /* why it is no better one; empty: it is the best */
	struct mh_err exits_reason;
};

/* Count a process that could not be read. Returns whether it is alive, as far as rc tells. */
bool mh_scan_count(struct mh_scan_stats *stats, int rc);

int mh_scan_procfs_new(struct mh_scan **ret, const struct mh_scan_config *config);

/*
 * One pass of a procfs scanner over these processes and no others; those it met in the pass before
 * and does not meet now are forgotten, not ended.
 */
void mh_scan_procfs_some(struct mh_scan *scan, struct mh_table *table,
			 struct mh_listing_entry *entry, uint32_t n, bool *ret_partial);

/*
 * A scanner through BPF, `backend` being one of the two; it has passed its self-check. -ENOTSUP
 * when the library was built without.
 */
int mh_scan_bpf_new(struct mh_scan **ret, const struct mh_scan_config *config,
		    enum mh_scan_backend backend, struct mh_err *err);

#endif
