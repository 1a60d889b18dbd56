/*
 * The snapshots that are to be sent, one after the other: those of a history from a position on, or
 * those in a ring. The position is that of the last one that was taken (or, at the beginning, of
 * what was accepted in an earlier run), and outlives that segments are sealed, merged and deleted.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_QUEUE_H
#define MEMHIST_EXPORTER_REMOTE_QUEUE_H

#include "exporter/remote/cursor.h"
#include "libmemhist/model/snapshot.h"

struct remote_queue;

struct remote_queue_config {
	const char *history_dir; /* copied */
	mh_ms_t since_ms;        /* without a position, what is from this time on */
};

/* A snapshot, valid until the next call. */
struct remote_queued {
	const struct mh_snapshot *snapshot;
	uint32_t page_bytes, clk_tck, interval_ms;
	/* Not after the position: it was taken before, and says who lived then. */
	bool is_known;
	/* Before it nobody recorded, or what was recorded is gone, for longer than from snapshot to
	 * snapshot. */
	bool is_interrupted;
	/*
	 * What was recorded between the one before (or the position) and this one is partly gone,
	 * since then: not known to be complete. 0: nothing is.
	 */
	mh_ms_t lost_since_ms, lost_until_ms;
};

/* `position`: NULL for none. Returns 0 or -ENOMEM. */
int remote_queue_open(struct remote_queue **ret, const struct remote_queue_config *config,
		      const struct remote_position *position);
/* NULL is allowed. */
void remote_queue_close(struct remote_queue *q);

/*
 * 1 and the next snapshot; 0: none is there now; -errno and a sentence. After an error the next
 * call goes on where this one was.
 */
int remote_queue_next(struct remote_queue *q, struct mh_instant now, struct remote_queued *ret,
		      struct mh_err *err);

#endif
