/*
 * Reading a history on from a position. A reader delivers each snapshot once, whatever becomes of
 * segments meanwhile; what is to be done here is to begin at the right one, and to say what is
 * missing in between.
 *
 * Sealed segments, which are read after an outage, take memory that a reader keeps: at the end of
 * the history it is exchanged for another one, whose memory is that of the live processes.
 *
 * The reader begins with the snapshots that are not older than the position by the wall clock. The
 * one at the position is among them, unless it is gone, and tells who lived then.
 */
#include "exporter/remote/queue.h"

#include "libmemhist/history/dir.h"
#include "libmemhist/history/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* A position that is later than now by more is not believed: it is of a wrong clock. */
	AHEAD_MAX_MS = 600 * 1000,
	/* Nothing is missing between two snapshots that are nearer, in tenths of an interval. */
	NEAR_TENTHS = 25,
};

struct remote_queue {
	char *dir;
	mh_ms_t since_ms;
	struct mh_reader *reader; /* NULL: not open (yet, or after an error) */
	bool has_position;
	struct mh_boot_id boot_id; /* of the position */
	struct mh_instant at;
	bool has_columns;  /* the reader has been in a sealed segment, for what was not known */
	bool is_connected; /* the snapshot at the position was seen, or nothing was taken before */
};

int remote_queue_open(struct remote_queue **ret, const struct remote_queue_config *config,
		      const struct remote_position *position)
{
	struct remote_queue *q = calloc(1, sizeof(*q));

	if (q)
		q->dir = strdup(config->history_dir);
	if (!q || !q->dir) {
		remote_queue_close(q);
		return -ENOMEM;
	}
	q->since_ms = config->since_ms;
	if (position) {
		q->has_position = true;
		q->boot_id = position->boot_id;
		q->at = position->at;
	}
	*ret = q;
	return 0;
}

void remote_queue_close(struct remote_queue *q)
{
	if (!q)
		return;
	mh_reader_close(q->reader);
	free(q->dir);
	free(q);
}

static void close_reader(struct remote_queue *q)
{
	mh_reader_close(q->reader);
	q->reader = NULL;
	q->has_columns = false;
}

static int open_reader(struct remote_queue *q, struct mh_instant now, struct mh_err *err)
{
	struct mh_reader_options options = {
		.since_ms = q->since_ms, .until_ms = MH_MS_MAX, .wait = true};

	if (q->reader)
		return 0;
	if (q->has_position && q->at.wall_ms > now.wall_ms + AHEAD_MAX_MS) {
		q->has_position = false;
		q->since_ms = options.since_ms = now.wall_ms;
	}
	if (q->has_position)
		options.since_ms = q->at.wall_ms;
	q->is_connected = !q->has_position;
	return mh_reader_open(&q->reader, q->dir, &options, err);
}

static void note_columns(struct remote_queue *q)
{
	struct mh_place place;
	size_t len;

	mh_reader_place(q->reader, &place);
	len = strlen(place.file);
	q->has_columns |= len > strlen(MH_SEALED_SUFFIX) &&
			  !strcmp(place.file + len - strlen(MH_SEALED_SUFFIX), MH_SEALED_SUFFIX);
}

/* Of another boot that is not known, only the wall clock can tell. */
static bool is_known(const struct remote_queue *q, const struct mh_snapshot *s)
{
	if (!q->has_position)
		return false;
	if (!memcmp(&q->boot_id, &s->boot_id, sizeof(s->boot_id)))
		return s->at.boot_ns <= q->at.boot_ns;
	return s->at.wall_ms <= q->at.wall_ms;
}

static bool is_far(const struct remote_queued *next, mh_ms_t since_ms, mh_ms_t until_ms)
{
	return until_ms > since_ms && (uint64_t)until_ms - (uint64_t)since_ms >=
					      (uint64_t)next->interval_ms * NEAR_TENTHS / 10;
}

/* What is missing in front of a snapshot that was not known. */
static void find_loss(const struct remote_queue *q, struct remote_queued *ret)
{
	const struct mh_gap *gap = &ret->snapshot->gap;
	mh_ms_t since_ms, until_ms = ret->snapshot->at.wall_ms;
	const bool is_gap = gap->kind != MH_GAP_NONE && gap->kind != MH_GAP_CLOCK_STEP;

	ret->is_interrupted = is_gap && gap->kind != MH_GAP_LATE &&
			      is_far(ret, gap->since_wall_ms, until_ms);
	if (gap->kind == MH_GAP_DAMAGE || gap->kind == MH_GAP_MISSING) {
		since_ms = gap->since_wall_ms;
	} else if (!q->is_connected) {
		/* nobody recorded since the gap began: that is no loss */
		since_ms = q->at.wall_ms;
		if (is_gap && gap->since_wall_ms < until_ms)
			until_ms = gap->since_wall_ms;
	} else {
		return;
	}
	if (!is_far(ret, since_ms, until_ms))
		return;
	ret->is_interrupted = true;
	ret->lost_since_ms = since_ms;
	ret->lost_until_ms = until_ms;
}

int remote_queue_next(struct remote_queue *q, struct mh_instant now, struct remote_queued *ret,
		      struct mh_err *err)
{
	const struct mh_segment_info *segment;
	const struct mh_snapshot *s;
	int rc = open_reader(q, now, err);

	if (rc == -ENOENT || rc == -ENODATA)
		return 0; /* nobody has recorded yet */
	if (!rc)
		rc = mh_reader_next(q->reader, &s, err);
	if (rc < 0 || (!rc && q->has_columns))
		close_reader(q);
	if (rc <= 0)
		return rc;
	segment = mh_reader_segment(q->reader);
	*ret = (struct remote_queued){.snapshot = s,
				      .page_bytes = segment->page_bytes,
				      .clk_tck = segment->clk_tck,
				      .interval_ms = segment->interval_ms};
	ret->is_known = is_known(q, s);
	if (ret->is_known) {
		q->is_connected |= s->at.boot_ns == q->at.boot_ns;
		return 1;
	}
	note_columns(q);
	find_loss(q, ret);
	q->is_connected = q->has_position = true;
	q->boot_id = s->boot_id;
	q->at = s->at;
	return 1;
}
