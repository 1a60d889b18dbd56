/*
 * The side of the data of remote write: snapshot after snapshot of a history as batches of samples,
 * from a position that is kept in a file.
 *
 * The history is the queue. While an endpoint is away nothing is kept for it but the position: what
 * it missed is read when it is back. So an outage costs no memory and loses nothing, as long as it
 * is shorter than what the history keeps.
 *
 *     rc = remote_feed_open(&feed, &config, mh_now(), &err);
 *     remote_feed_batch(feed, &batch);
 *     for (;;) {
 *             rc = remote_feed_next(feed, mh_now(), &err);  // 1: the batch is full
 *             if (rc < 0) …                                 // said once, tried again later
 *             if (rc == 0 && (!batch->n_samples || …not waited long enough yet…))
 *                     …sleep a little; continue…
 *             …encode, send; again until it is taken, or given up…
 *             remote_feed_accept(feed, mh_now(), &err);     // the position moves, batch is empty
 *     }
 *     while (remote_feed_end(feed, mh_now(), &err) > 0) …send; remote_feed_accept()…
 *     remote_feed_close(feed);
 *
 * Each endpoint has a feed of its own, and all calls for a feed come from one thread.
 *
 * What is sent of a snapshot is said in series.h. Rules of time:
 *   N1  Every sample has the time of its snapshot, in milliseconds. The samples of a series have
 *       ascending times.
 *   N2  A time that is later than now by more than two seconds is sent as now: a store that had
 *       taken a time in the future would take nothing else until then. One that is a little later
 *       was recorded after this look had begun, and is left to the next.
 *   N3  A snapshot that is not later than what was sent before (the clock was set back) is left out
 *       and counted; but where what was sent before is more than ten minutes later than now, it is
 *       sent, since that time was wrong.
 *   N4  A series ends with a stale marker: at the first snapshot without it; for all series, just
 *       behind the last snapshot before a gap in which nobody recorded, and at the end
 *       (remote_feed_end()).
 *   N5  The position is that of a snapshot (its boot, its boot time, its wall time), so it outlives
 *       that segments are sealed, merged and deleted. It is written down after each snapshot that
 *       was accepted in full, and is on the disk some seconds later. What was accepted after
 *       that is sent once more after a crash; nothing is left out.
 *   N6  What the history has lost meanwhile (retention), and what is older than max_age_ms, is left
 *       out and counted, the oldest first.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_FEED_H
#define MEMHIST_EXPORTER_REMOTE_FEED_H

#include "exporter/remote/batch.h"
#include "exporter/remote/series.h"
#include "libmemhist/base/err.h"
#include "libmemhist/base/places.h"

struct remote_feed;

enum { REMOTE_BATCH_DEFAULT = 2000, REMOTE_BATCH_MAX = 10000 };

struct remote_feed_config {
	const char *history_dir; /* the queue: our own, or one that is followed */
	/*
	 * Where the position is kept (cursor.h), in a directory that is there and that `places`
	 * allow (base/places.h; NULL: not set); only one feed at a time may have it. NULL: nowhere:
	 * each start begins at what is recorded then.
	 */
	const char *cursor_file;
	const struct mh_places *places;
	uint32_t max_samples; /* of a batch; 0 = REMOTE_BATCH_DEFAULT */
	mh_ms_t max_age_ms;   /* what is older is left out; 0 = nothing is */
	/* Without a position to begin at: so much of the history is sent too. 0 = none. */
	mh_ms_t backfill_ms;
	struct remote_series_config series; /* which; its groups are taken over, not on failure */
};

/*
 * Returns 0, or -errno and a sentence: -EBUSY another process has the file of the position,
 * -EINVAL, -ENOMEM, -EACCES, … A file of no or of a damaged position is a sentence in *err, too,
 * with 0. A history that is not there yet is no error: it is looked for at each remote_feed_next().
 */
int remote_feed_open(struct remote_feed **ret, const struct remote_feed_config *config,
		     struct mh_instant now, struct mh_err *err);
/* Brings the position to the disk. NULL is allowed. */
void remote_feed_close(struct remote_feed *f);

/* The batch that is filled; the feed's, there until it is closed. Nobody else clears it. */
const struct remote_batch *remote_feed_batch(const struct remote_feed *f);

/*
 * Fill the batch up with what is new. Returns 1: it is full (or as full as the next snapshot lets
 * it be) and is to be sent; 0: no more is there now, and it may hold samples; -errno and a
 * sentence: the history cannot be read now, and what the batch holds may be sent.
 */
int remote_feed_next(struct remote_feed *f, struct mh_instant now, struct mh_err *err);

/*
 * The batch was taken by the endpoint, or given up: the position moves behind it, and it is empty.
 * Returns 0, or -errno and a sentence when the position could not be written down: sending goes on.
 */
int remote_feed_accept(struct remote_feed *f, struct mh_instant now, struct mh_err *err);

/*
 * The exporter ends: fill the (empty) batch with stale markers of all series. As
 * remote_feed_next(): 1 as long as there is something to be sent and accepted, 0 when that is all.
 * Where the endpoint is not at the end of the history there is nothing to be said: what is missing
 * is sent after the next start, and these series go on then.
 */
int remote_feed_end(struct remote_feed *f, struct mh_instant now, struct mh_err *err);

/*
 * From the next snapshot on, other groups, which are taken over: series of groups that are no more
 * end, and those of processes whose group has another name now.
 */
void remote_feed_regroup(struct remote_feed *f, struct mh_groups *groups);

enum remote_dropped {
	REMOTE_DROPPED_RETENTION,    /* N6; an estimate: time by interval, by the series before */
	REMOTE_DROPPED_AGE,          /* N6 */
	REMOTE_DROPPED_OUT_OF_ORDER, /* N3 */
	REMOTE_DROPPED_LIMIT,        /* there were more series than config.series.max_series */
	REMOTE_DROPPED_REASONS
};
/* "retention", "age", "out_of_order", "series_limit". */
extern const char *const remote_dropped_names[REMOTE_DROPPED_REASONS];

struct remote_feed_status {
	uint64_t dropped[REMOTE_DROPPED_REASONS]; /* samples */
	uint64_t snapshots;                       /* that were read to be sent */
	uint64_t samples;                         /* that were put into batches */
	uint32_t series;                          /* live ones */
	/*
	 * Behind what is recorded: 0 when all was accepted. Samples: those in the batch, and for
	 * the rest an estimate, time by interval by series.
	 */
	mh_ms_t lag_ms;
	uint64_t pending;
	mh_ms_t accepted_ms; /* the highest time accepted, 0: none yet */
	uint64_t cursor_errors;
};

void remote_feed_status(const struct remote_feed *f, struct mh_instant now,
			struct remote_feed_status *ret);

#endif
