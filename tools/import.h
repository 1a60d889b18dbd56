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
	const char *source;  /* file, "-" = standard input */
	const char *dir;     /* an empty directory for the history */
	const char *host;    /* whose processes these are */
	uint32_t clk_tck;    /* unit of start times */
	mh_ms_t interval_ms; /* how often snapshots were due; 0 = as the first two are apart */
	struct progress *progress;
	struct mh_writer_stats stats; /* what was written, set at success */
};

/* Returns 0; -EINVAL: the source makes no sense; -ENODATA: nothing in it; -EINTR; or -errno. */
int import_csv(struct import_job *job, struct mh_err *err);

#endif
