/*
 * One pass over a stretch of history: reader, labels and candle builder put together. What comes
 * out is candles per series, in bytes, window by window. A series may have several in one window,
 * in order of time: candle_merge() makes them one.
 */
#ifndef MEMHIST_TOOLS_PASS_H
#define MEMHIST_TOOLS_PASS_H

#include "libmemhist/history/reader.h"
#include "libmemhist/view/candle.h"
#include "libmemhist/view/label.h"
#include "tools/progress.h"
#include "tools/span.h"

#define GAP_KINDS (MH_GAP_MISSING + 1)

struct pass {
	const char *dir;
	mh_ms_t since_ms;
	mh_ms_t until_ms;
	int field;
	mh_ms_t interval_ms;
	bool utc;
	enum mh_label_rule by;
	/* Stop after this many snapshots: a second pass sees what the first saw. 0 = to the end. */
	uint64_t max_snapshots;
	/*
	 * A candle of `series`, its values in bytes. Non-zero returns of callbacks end the pass
	 * with that value; *err of pass_run() is theirs to fill.
	 */
	int (*candle)(void *arg, uint32_t series, const struct mh_candle *candle);
	/* All candles of the window have come; labels are as of its end. NULL = not wanted. */
	int (*window)(void *arg, mh_ms_t start_ms);
	/* Before anything else is told: `first` is known. NULL = not wanted. */
	int (*begin)(void *arg);
	/* A series has got names, or other ones. NULL = not wanted. */
	int (*named)(void *arg, uint32_t series);
	/*
	 * By identity: series are forgotten when all is told of them, so that memory is bounded by
	 * those that live. NULL = none is. The label's latest command, a reference of the labels'
	 * that becomes the callback's; a label whose process is missed for a while and then seen
	 * again comes twice. pass_run() returns -EAGAIN where this cannot work (see
	 * mh_labels_forget()); what was told until then holds.
	 */
	int (*forgotten)(void *arg, const struct mh_forgotten *label);
	void *arg;
	bool from_samples;         /* do not use candle columns */
	uint32_t pid;              /* by identity: only processes with this pid; 0 = all */
	struct progress *progress; /* NULL = none */

	/* set by pass_run() */
	struct mh_labels *labels; /* to be freed by pass_done() */
	uint64_t n_snapshots;     /* all in the range */
	uint64_t n_measured;      /* of those, with this field */
	struct mh_instant first;  /* as it was taken */
	struct span span;
	uint64_t n_gaps[GAP_KINDS];     /* by enum mh_gap_kind; those found by the reader too */
	struct mh_segment_info segment; /* of the last snapshot */
	struct mh_reader_stats stats;
	/* while it runs */
	uint32_t page_bytes;
};

/* pass.c and pass_parts.c: one value as it is shown; what is known of the pass so far. */
struct mh_candle pass_shown(const struct pass *p, const struct mh_candle *candle);
int pass_take_time(struct pass *p, struct mh_instant at, enum mh_gap_kind gap);
/* By identity: candles out of parts, not snapshots. As pass_run(), the labels are made. */
int pass_run_parts(struct pass *p, struct mh_err *err);

/* Returns 0; -ENODATA: no segments at all; -EINTR after a signal; -EAGAIN, see `forgotten`; or as
 * mh_reader_*(). */
int pass_run(struct pass *p, struct mh_err *err);
void pass_done(struct pass *p);

/*
 * The exit status after a history was read: STATUS_DAMAGED, STATUS_PARTIAL when segments could not
 * be opened, which is said, or STATUS_OK.
 */
int pass_verdict(const char *who, const char *dir, const struct mh_reader_stats *stats);

/* "none", or "3: 2 stopped, 1 late". */
void pass_describe_gaps(struct mh_buf *out, const uint64_t n_gaps[GAP_KINDS]);

/* Whether this is a place for a candle, all zero. (One of a process that no sample saw has none.)
 */
static inline bool candle_is_none(const struct mh_candle *candle)
{
	return !candle->samples && candle->start_ms == candle->end_ms;
}

/* `later` of the same series and window is taken into `into`, which may be none. */
void candle_merge(struct mh_candle *into, const struct mh_candle *later);

#endif
