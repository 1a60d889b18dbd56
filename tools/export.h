/*
 * Exports: a stretch of a history as somebody else's file or files. One row in the table of
 * cmd_export.c and one file export_X.c per format.
 *
 * A format is given every snapshot once, in order, and keeps no more than what is alive: memory
 * does not grow with the range. What it writes appears at commit, in full or not at all.
 */
#ifndef MEMHIST_TOOLS_EXPORT_H
#define MEMHIST_TOOLS_EXPORT_H

#include "libmemhist/history/reader.h"
#include "tools/chosen.h"
#include "tools/progress.h"
#include "tools/range.h"

struct export_job {
	const char *who;     /* for notes on standard error */
	const char *history; /* the directory that is read */
	const char *output;  /* file or directory; "-" = standard output */
	struct range range;
	mh_fields_t fields; /* wanted */
	bool utc;           /* times are written in UTC, not local time */
	bool formulas;      /* csv, tsv: cells that look like formulas are left as they are */
	struct chosen chosen;
	struct progress progress;

	/* what was exported */
	uint64_t snapshots, samples, brief, gaps;
	struct mh_reader_stats stats;
};

/* What a format sees of a snapshot: only the chosen processes are its business. */
struct export_step {
	const struct export_job *job;
	const struct mh_snapshot *s;
	const struct mh_segment_info *segment;
	mh_fields_t fields; /* wanted, and measured in this snapshot */
	bool is_new_boot;   /* those that are gone were of the boot before, which has ended */
};

struct export_format {
	const char *name;
	/* Where it writes unless told otherwise; NULL = it must be told. */
	const char *output;
	/* Values that follow from others are written too, unless told otherwise. */
	bool has_derived;
	/* Make the output, under no name yet. On failure there is nothing to be closed. */
	int (*open)(void **ret, struct export_job *job, struct mh_err *err);
	int (*snapshot)(void *self, const struct export_step *step, struct mh_err *err);
	/* Everything has come: the output gets its name. */
	int (*commit)(void *self, struct mh_err *err);
	/* Without commit: nothing has happened. NULL is allowed. */
	void (*close)(void *self);
};

extern const struct export_format export_json, export_csv, export_tsv;
extern const struct export_format export_openmetrics, export_sqlite;

/* The high-water marks that are known of a process that has ended. */
mh_fields_t export_known_marks(const struct export_step *step, const struct mh_process *p);

/*
 * Read the history once through a format. Returns 0; -ENODATA: nothing in the range; -EINTR; or
 * -errno and a sentence. `job` has the statistics then.
 */
int export_run(const struct export_format *format, struct export_job *job, struct mh_err *err);

#endif
