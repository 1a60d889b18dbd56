/*
 * The feed: queue -> maker -> batch, and the position. Invariants:
 *   I1  `read` is the snapshot that the maker took last; `filled` the last one of which all samples
 *       have been in a batch; `accepted` the last one of which all were accepted. None is ahead of
 *       the one before it in this list.
 *   I2  Items of the maker that are not in the batch are of `read` (and of the gap before it).
 *   I3  sent_ms is not lower than the time of any sample that was made.
 */
#include "exporter/remote/feed.h"

#include "exporter/remote/cursor.h"
#include "exporter/remote/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_MAX_MS = 2000,        /* N2 */
	AHEAD_MAX_MS = 600 * 1000, /* N3 */
};

const char *const remote_dropped_names[REMOTE_DROPPED_REASONS] = {"retention", "age",
								  "out_of_order", "series_limit"};

struct remote_feed {
	uint32_t max_samples;
	mh_ms_t max_age_ms;
	struct remote_pool pool;
	struct remote_batch *batch;
	struct remote_maker *maker;
	struct remote_cursor *cursor; /* NULL: none is kept */
	struct remote_queue *queue;

	struct remote_position read, filled, accepted; /* I1 */
	bool is_started;                               /* a snapshot was taken that was not known */
	bool is_resumed; /* there was a position, and what was known of it has been taken */
	bool is_at_end;  /* the queue had no more when it was asked last */
	bool is_ending;  /* the last markers were made */
	uint32_t interval_ms;
	uint64_t last_samples; /* of the last snapshot, sent or not */

	struct remote_queued held; /* a snapshot to be taken; its snapshot NULL: none */
	struct remote_feed_status status;
};

static int take_cursor(struct remote_feed *f, const struct remote_feed_config *config,
		       struct mh_err *err)
{
	int rc;

	if (!config->cursor_file)
		return 0;
	rc = remote_cursor_open(&f->cursor, config->cursor_file, config->places, err);
	return rc ? rc : remote_cursor_read(f->cursor, &f->accepted, err);
}

static int open_parts(struct remote_feed *f, const struct remote_feed_config *config,
		      struct mh_instant now, struct mh_err *err)
{
	struct remote_queue_config queue = {config->history_dir, now.wall_ms - config->backfill_ms};
	struct remote_series_config series = config->series;
	int known = take_cursor(f, config, err), rc;

	if (known < 0 && known != -EBADMSG)
		return known;
	f->is_resumed = known == 1;
	f->filled = f->read = f->accepted;
	rc = remote_batch_new(&f->batch, &f->pool, f->max_samples);
	if (!rc)
		rc = remote_queue_open(&f->queue, &queue, known == 1 ? &f->accepted : NULL);
	if (!rc) /* last, since it takes the groups over */
		rc = remote_maker_new(&f->maker, &f->pool, &series);
	if (rc == -EINVAL)
		return mh_errf(err, rc, "the external labels of remote write are not good");
	if (rc)
		return mh_err_sys(err, rc, "cannot begin remote write");
	return known == -EBADMSG;
}

int remote_feed_open(struct remote_feed **ret, const struct remote_feed_config *config,
		     struct mh_instant now, struct mh_err *err)
{
	struct remote_feed *f;
	int rc;

	if (!config->history_dir)
		return mh_errf(err, -EINVAL, "remote write needs a history, which is its queue");
	if (config->max_samples > REMOTE_BATCH_MAX)
		return mh_errf(err, -EINVAL, "a batch of remote write has at most %d samples",
			       REMOTE_BATCH_MAX);
	f = calloc(1, sizeof(*f));
	if (!f)
		return mh_err_sys(err, -ENOMEM, "cannot begin remote write");
	f->max_samples = config->max_samples ? config->max_samples : REMOTE_BATCH_DEFAULT;
	f->max_age_ms = config->max_age_ms;
	rc = open_parts(f, config, now, err);
	if (rc < 0) {
		remote_feed_close(f);
		return rc;
	}
	*ret = f;
	return rc;
}

void remote_feed_close(struct remote_feed *f)
{
	if (!f)
		return;
	remote_maker_free(f->maker);
	remote_batch_free(f->batch);
	remote_queue_close(f->queue);
	remote_cursor_close(f->cursor);
	remote_pool_done(&f->pool);
	free(f);
}

const struct remote_batch *remote_feed_batch(const struct remote_feed *f)
{
	return f->batch;
}

void remote_feed_regroup(struct remote_feed *f, struct mh_groups *groups)
{
	remote_maker_regroup(f->maker, groups);
}

/* Items into the batch, as many as it has room for. Returns whether that was all. */
static bool move_items(struct remote_feed *f)
{
	size_t n, moved = 0;
	const struct remote_item *item = remote_maker_items(f->maker, &n);

	for (; moved < n && f->batch->n_samples < f->batch->max_samples; moved++) {
		int rc = remote_batch_add(f->batch, item[moved].series, item[moved].value,
					  item[moved].ms);

		if (rc)
			f->status.dropped[REMOTE_DROPPED_OUT_OF_ORDER]++;
		else
			f->status.samples++;
	}
	remote_maker_remove(f->maker, moved);
	if (moved == n)
		f->filled = f->read;
	return moved == n;
}

/*
 * The wall time of the boot as it was seen first, and so for the whole boot, also when the clock is
 * set: start times tell processes apart and must not change.
 */
static void note_boot(struct remote_feed *f, const struct mh_snapshot *s)
{
	if (f->read.booted_ms && !memcmp(&f->read.boot_id, &s->boot_id, sizeof(s->boot_id)))
		return;
	f->read.boot_id = s->boot_id;
	f->read.booted_ms = (mh_ms_t)((uint64_t)s->at.wall_ms - s->at.boot_ns / 1000000);
}

static int take(struct remote_feed *f, const struct remote_queued *next, mh_ms_t ms, bool is_silent,
		struct mh_err *err)
{
	struct remote_taking how = {
		.snapshot = next->snapshot,
		.page_bytes = next->page_bytes,
		.clk_tck = next->clk_tck,
		.ms = ms,
		.is_silent = is_silent,
	};
	int rc;

	note_boot(f, next->snapshot);
	how.boot_ms = f->read.booted_ms;
	rc = remote_maker_take(f->maker, &how);
	f->last_samples = remote_maker_last(f->maker);
	f->interval_ms = next->interval_ms;
	return rc ? mh_err_sys(err, rc, "samples are missing in remote write") : 0;
}

/* What lived at the position goes on from there. */
static int take_known(struct remote_feed *f, const struct remote_queued *next, struct mh_err *err)
{
	int rc = take(f, next, 0, true, err);

	if (!f->is_started && f->is_resumed)
		remote_maker_resume(f->maker, f->read.sent_ms, !f->read.is_ended);
	return rc;
}

/* N6 */
static bool is_too_old(const struct remote_feed *f, mh_ms_t ms, struct mh_instant now)
{
	return f->max_age_ms && ms < now.wall_ms - f->max_age_ms;
}

/* All that lives gets its marker before the next snapshot, which is of `ms`, where it must. */
static int mark_gap(struct remote_feed *f, const struct remote_queued *next, mh_ms_t ms,
		    struct mh_instant now, struct mh_err *err)
{
	mh_ms_t at = f->read.sent_ms + 1;
	int rc;

	if (!next->is_interrupted || at >= ms || is_too_old(f, at, now))
		return 0;
	rc = remote_maker_end(f->maker, at);
	f->read.sent_ms = at;
	return rc ? mh_err_sys(err, rc, "samples are missing in remote write") : 0;
}

/* An estimate, by what there was before or, at the beginning, there is now. */
static void count_loss(struct remote_feed *f, const struct remote_queued *next, uint64_t before)
{
	uint64_t ms = (uint64_t)next->lost_until_ms - (uint64_t)next->lost_since_ms;

	if (next->lost_until_ms > next->lost_since_ms)
		f->status.dropped[REMOTE_DROPPED_RETENTION] +=
			ms / (next->interval_ms ? next->interval_ms : 1000) *
			(before ? before : f->last_samples);
}

/* N3: times begin anew, and what is in the batch goes first. True: not yet. */
static bool is_waiting_for_batch(struct remote_feed *f, mh_ms_t ms, struct mh_instant now)
{
	if (ms > f->read.sent_ms || f->read.sent_ms <= now.wall_ms + AHEAD_MAX_MS)
		return false;
	if (f->batch->n_samples)
		return true;
	remote_maker_rewind(f->maker, ms - 1);
	f->read.sent_ms = ms - 1;
	return false;
}

/* N2: whether the snapshot that is held was recorded after this look had begun. */
static bool is_not_yet(const struct remote_feed *f, struct mh_instant now)
{
	mh_ms_t wall_ms = f->held.snapshot->at.wall_ms;

	return wall_ms > now.wall_ms && wall_ms - now.wall_ms <= LOOK_MAX_MS;
}

/* The snapshot that is held: 1 taken, 0 the batch must be sent first, or not yet, or -errno. */
static int take_held(struct remote_feed *f, struct mh_instant now, struct mh_err *err)
{
	const struct remote_queued next = f->held;
	mh_ms_t wall_ms = next.snapshot->at.wall_ms;
	mh_ms_t ms = wall_ms < now.wall_ms ? wall_ms : now.wall_ms; /* N2 */
	uint64_t before = f->last_samples;
	bool is_old, is_back;
	int rc, marked;

	if (is_not_yet(f, now) || is_waiting_for_batch(f, ms, now))
		return 0;
	f->held.snapshot = NULL;
	is_old = is_too_old(f, ms, now);
	is_back = f->read.sent_ms && ms <= f->read.sent_ms;
	marked = is_old || is_back ? 0 : mark_gap(f, &next, ms, now, err);
	rc = take(f, &next, ms, is_old || is_back, err);
	f->is_started = true;
	f->status.snapshots++;
	f->read.at = next.snapshot->at;
	f->read.is_ended = false;
	count_loss(f, &next, before);
	if (is_old || is_back)
		f->status.dropped[is_old ? REMOTE_DROPPED_AGE : REMOTE_DROPPED_OUT_OF_ORDER] +=
			f->last_samples;
	else
		f->read.sent_ms = ms;
	return rc ? rc : marked ? marked : 1;
}

/* 1: the next snapshot was taken, or was known; 0: none is there, or the batch goes first. */
static int take_next(struct remote_feed *f, struct mh_instant now, struct mh_err *err)
{
	int rc = 1;

	if (!f->held.snapshot)
		rc = remote_queue_next(f->queue, now, &f->held, err);
	f->is_at_end = !rc;
	if (rc <= 0) {
		f->held.snapshot = NULL;
		return rc;
	}
	if (f->held.is_known) {
		const struct remote_queued known = f->held;

		f->held.snapshot = NULL;
		rc = take_known(f, &known, err);
		return rc ? rc : 1;
	}
	return take_held(f, now, err);
}

int remote_feed_next(struct remote_feed *f, struct mh_instant now, struct mh_err *err)
{
	int rc = 1;

	while (rc > 0) {
		uint32_t n;

		if (!move_items(f))
			return 1;
		n = f->batch->n_samples;
		if (n && (n == f->max_samples || n + f->last_samples > f->max_samples))
			return 1;
		rc = take_next(f, now, err);
	}
	if (!f->batch->n_samples) /* what was read since was not to be sent */
		f->accepted = f->filled;
	return rc < 0 ? rc : f->held.snapshot && !is_not_yet(f, now);
}

int remote_feed_accept(struct remote_feed *f, struct mh_instant now, struct mh_err *err)
{
	int rc;

	f->accepted = f->filled;
	if (f->batch->n_samples && f->batch->last_ms > f->status.accepted_ms)
		f->status.accepted_ms = f->batch->last_ms;
	remote_batch_clear(f->batch);
	if (!f->cursor)
		return 0;
	rc = remote_cursor_write(f->cursor, &f->accepted, now, err);
	f->status.cursor_errors += rc != 0;
	return rc;
}

int remote_feed_end(struct remote_feed *f, struct mh_instant now, struct mh_err *err)
{
	mh_ms_t ms = now.wall_ms > f->read.sent_ms ? now.wall_ms : f->read.sent_ms + 1;
	int rc = 0;

	if (!f->is_ending) {
		if (!f->is_at_end || f->batch->n_samples || !move_items(f))
			return 0;
		f->is_ending = true;
		rc = remote_maker_end(f->maker, ms);
		f->read.sent_ms = ms;
		f->read.is_ended = true;
		if (rc)
			mh_err_sys(err, rc, "stale markers are missing in remote write");
	}
	move_items(f);
	return f->batch->n_samples ? 1 : rc;
}

void remote_feed_status(const struct remote_feed *f, struct mh_instant now,
			struct remote_feed_status *ret)
{
	mh_ms_t behind_ms = now.wall_ms - f->read.at.wall_ms;
	size_t items;

	*ret = f->status;
	remote_maker_items(f->maker, &items);
	ret->series = remote_maker_live(f->maker);
	ret->dropped[REMOTE_DROPPED_LIMIT] = remote_maker_left_out(f->maker);
	ret->pending = f->batch->n_samples + items;
	if (!f->is_at_end && f->is_started && behind_ms > 0)
		ret->pending += (uint64_t)behind_ms / (f->interval_ms ? f->interval_ms : 1000) *
				f->last_samples;
	ret->lag_ms = now.wall_ms -
		      (f->accepted.at.wall_ms ? f->accepted.at.wall_ms : f->batch->first_ms);
	if (!ret->pending || !f->is_started || ret->lag_ms < 0)
		ret->lag_ms = 0;
}
