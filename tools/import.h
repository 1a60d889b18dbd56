/*
 * Importers: foreign recordings in, a new history out. One row in the table of cmd_import.c and
 * one file import_X.c per format.
 */
#ifndef MEMHIST_TOOLS_IMPORT_H
#define MEMHIST_TOOLS_IMPORT_H

#include "libmemhist/history/writer.h"
#include "tools/progress.h"

struct import_job {
	const char *who;     /* for notes on standard error */
	const char *source;  /* file or directory, "-" = standard input */
	const char *dir;     /* an empty directory for the history */
	const char *host;    /* whose processes these are */
	bool is_host_given;  /* what the recording says of it does not count */
	bool utc;            /* times without a zone are UTC, not local */
	uint32_t clk_tck;    /* unit of start times */
	mh_ms_t interval_ms; /* how often snapshots were due; 0 = as the first two are apart */
	struct progress *progress;
	struct mh_writer_stats stats; /* what was written, set at success */
	uint64_t n_left_out;          /* files that could not be understood, which was said */
};

/* Returns 0; -EINVAL: the source makes no sense; -ENODATA: nothing in it; -EINTR; or -errno. */
int import_csv(struct import_job *job, struct mh_err *err);
int import_tsv(struct import_job *job, struct mh_err *err);
int import_json(struct import_job *job, struct mh_err *err);
int import_inspector(struct import_job *job, struct mh_err *err);

/* What the source seems to be, by its names and first bytes: the word for --from, or NULL. */
const char *import_recognise(const char *source, struct mh_err *err);

#endif
