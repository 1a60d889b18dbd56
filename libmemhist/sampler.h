/*
 * The sampler: /proc in, snapshots out, history written on the way. The left half of the picture
 * in docs/ARCHITECTURE.md, owned by the plugin's read callback or the exporter's sampling thread.
 *
 *     struct mh_sampler_config config = {.procfs = "/proc", .interval_ms = 1000};
 *     struct mh_sampler *sampler;
 *
 *     rc = mh_sampler_new(&sampler, &config, &err);
 *     …every interval:
 *     rc = mh_sampler_tick(sampler, mh_now(), &snapshot, &err);
 *
 * One owner thread. Never logs: mh_sampler_status() has what a daemon should say.
 */
#ifndef MEMHIST_SAMPLER_H
#define MEMHIST_SAMPLER_H

#include "libmemhist/base/err.h"
#include "libmemhist/history/writer.h"
#include "libmemhist/model/snapshot.h"
#include "libmemhist/proc/pss.h"
#include "libmemhist/proc/scan.h"

struct mh_sampler;

struct mh_sampler_config {
	const char *procfs;             /* NULL = "/proc" */
	const char *history_dir;        /* NULL = keep no history */
	const struct mh_places *places; /* where that may be, as in struct mh_writer_config */
	const struct mh_upkeep_config *upkeep; /* of the history; NULL = the defaults */
	uint32_t interval_ms;                  /* how often ticks are due: 100 … 86,400,000 */
	bool kernel_threads;
	enum mh_scan_backend backend; /* how processes are read; 0 = the best way there is */
	uint32_t max_open_files;      /* as in struct mh_scan_config … */
	uint32_t exact_cpus;          /* … and this too */
	struct mh_pss_choice pss;     /* whose proportional memory is read; zero: nobody's */
};

/*
 * Opens procfs and, when asked for, the history for writing. Returns 0, or -errno and a sentence;
 * -EBUSY: another process writes that history (follow it instead, see history/reader.h).
 */
int mh_sampler_new(struct mh_sampler **ret, const struct mh_sampler_config *config,
		   struct mh_err *err);
/* Writes out and closes the history. NULL is allowed. Returns what mh_writer_close() does. */
int mh_sampler_free(struct mh_sampler *s);

/*
 * Take one sample. Returns 0 and the snapshot, valid until the next tick; or -errno when /proc
 * could not be read (*err says why; nothing was recorded). A history that cannot be written does
 * not fail the tick: see mh_sampler_status().
 */
int mh_sampler_tick(struct mh_sampler *s, struct mh_instant now, const struct mh_snapshot **ret,
		    struct mh_err *err);

/* Have the history brought to the disk now, without waiting for it. */
void mh_sampler_sync(struct mh_sampler *s);

/*
 * Proportional memory as known after the last tick that succeeded: see mh_pss_list(). It is read in
 * ticks, for a tenth of the interval and 50 ms at most. None unless it was asked for.
 */
size_t mh_sampler_pss(const struct mh_sampler *s, const struct mh_pss_value **ret);

struct mh_sampler_status {
	uint64_t ticks;             /* those that made a snapshot */
	uint64_t failed_ticks;      /* those that did not */
	const char *backend;        /* the one in use */
	const char *backend_reason; /* why no better one; "" or a sentence; the sampler's */
	const char *exits_reason;   /* why exits are not reported to it; likewise */
	struct mh_scan_stats scan;
	bool has_pss;
	struct mh_pss_stats pss;
	bool has_history;
	struct mh_writer_stats history;
	struct mh_upkeep_status upkeep; /* of the history */
	int history_error;             /* 0, or -errno of the last append: history is not written */
	struct mh_err history_message; /* the sentence for it */
};

void mh_sampler_status(const struct mh_sampler *s, struct mh_sampler_status *ret);

#endif
