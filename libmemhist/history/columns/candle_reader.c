/*
 * The reader of candles. Parts come from sealed segments, or are built of the snapshots of open
 * ones; either way their candles are runs (part_candles.h) by the time the part is whole. Then the
 * seam to the part before is looked at, and the runs, which are in order of series, are told window
 * by window.
 *
 * The last window of a part stays open until a snapshot of another window comes: what the next part
 * has of it are pieces of the same candles.
 */
#include "libmemhist/history/columns/candle_reader.h"

#include "libmemhist/history/columns/candle_compose.h"
#include "libmemhist/history/columns/candle_seam.h"
#include "libmemhist/history/columns/part_build.h"
#include "libmemhist/history/reader_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mh_candle_reader {
	struct mh_candle_reader_config config;
	struct mh_reader_parts parts;
	struct mh_reader *reader;
	int rc; /* of a callback, or of our own; not the reader's */
	bool is_ended;

	/* of a sealed part that comes */
	struct mh_part_candles *made; /* where its candles are */
	bool from_columns;
	struct mh_compose compose;
	struct mh_part_candles candles;

	/* of an open segment */
	struct mh_part_builder *builder;
	bool is_building;
	bool is_table_current; /* the reader's last snapshot is the one before the next */
	struct mh_gap built_gap;
	struct mh_part_windows built_windows;

	struct mh_seam seam;
	bool is_open; /* a window has begun */
	mh_ms_t start_ms, end_ms;
	/* of the part that is told: runs by window */
	uint32_t *place, *order, *active, *kept;
	uint32_t place_cap, order_cap;
	struct mh_segment_info segment;
	struct mh_candle_reader_stats stats;
};

/* --- telling ---------------------------------------------------------------------------------- */

static int close_window(struct mh_candle_reader *c)
{
	c->is_open = false;
	return c->config.window ? c->config.window(c->config.arg, c->start_ms, c->end_ms) : 0;
}

static int reserve(struct mh_candle_reader *c, uint32_t n_windows, uint32_t n_runs)
{
	if (n_windows > c->place_cap) {
		uint32_t *place = reallocarray(c->place, n_windows, sizeof(*place));

		if (!place)
			return -ENOMEM;
		c->place = place;
		c->place_cap = n_windows;
	}
	if (n_runs > c->order_cap) {
		uint32_t *order = reallocarray(c->order, n_runs, sizeof(*order)), *active, *kept;

		if (order)
			c->order = order;
		active = reallocarray(c->active, n_runs, sizeof(*active));
		if (active)
			c->active = active;
		kept = reallocarray(c->kept, n_runs, sizeof(*kept));
		if (kept)
			c->kept = kept;
		if (!order || !active || !kept)
			return -ENOMEM;
		c->order_cap = n_runs;
	}
	return 0;
}

/* Runs by the window they begin in: those of window w are order[place[w]] … order[place[w + 1] -
 * 1].
 */
static void sort_runs(struct mh_candle_reader *c, const struct mh_part_candles *made,
		      uint32_t n_windows)
{
	memset(c->place, 0, ((size_t)n_windows + 2) * sizeof(*c->place));
	for (uint32_t i = 0; i < made->n_runs; i++)
		if (made->run[i].n)
			c->place[made->run[i].window + 2]++;
	for (uint32_t w = 2; w < n_windows + 2; w++)
		c->place[w] += c->place[w - 1];
	for (uint32_t i = 0; i < made->n_runs; i++)
		if (made->run[i].n)
			c->order[c->place[made->run[i].window + 1]++] = i;
}

static int tell_run(struct mh_candle_reader *c, const struct mh_part *p,
		    const struct mh_part_windows *w, uint32_t window, const struct mh_part_run *r)
{
	const struct mh_part_window *in = &w->item[window];
	struct mh_candle candle = {
		.start_ms = c->start_ms,
		.end_ms = c->end_ms,
		.open = r->open,
		.high = r->high,
		.low = r->low,
		.close = r->close,
	};
	const struct mh_part_series *s = &p->series.item[r->series];
	uint32_t from = s->first, to = from + s->count;

	if (!w->is_whole)
		mh_part_life(w, s, &from, &to);
	candle.samples = (to < in->to ? to : in->to) - (from > in->from ? from : in->from);
	c->stats.candles++;
	return c->config.candle(c->config.arg, r->series, &candle);
}

/* Rule 7 of view/candle.h: lives that no sample saw, in the window of the snapshot that tells of
 * them.
 */
static int tell_brief(struct mh_candle_reader *c, const struct mh_part *p,
		      const struct mh_part_windows *w, uint32_t window, uint32_t *at)
{
	int mark = mh_part_mark(&p->head, c->config.field), rc = 0;

	for (; *at < p->brief.n && !rc; ++*at) {
		const struct mh_part_end *end = &p->brief.item[*at];
		uint32_t snapshot = w->place[end->at];
		uint64_t high = mark == MH_FIELD_NONE ? 0 : end->value[mark];

		if (snapshot == w->place[end->at + 1])
			continue; /* not wanted */
		if (w->of[snapshot] != window)
			break;
		if (!high || (c->config.pid && end->id.pid != c->config.pid))
			continue;
		c->stats.candles++;
		rc = c->config.candle(
			c->config.arg, p->series.n + *at,
			&(struct mh_candle){c->start_ms, c->end_ms, high, high, high, high, 0});
	}
	return rc;
}

static int tell_windows(struct mh_candle_reader *c, const struct mh_part *p,
			const struct mh_part_windows *w, const struct mh_part_candles *made)
{
	uint32_t n_active = 0, brief = 0;
	int rc = reserve(c, w->n + 2, made->n_runs);

	if (rc)
		return rc;
	sort_runs(c, made, w->n);
	for (uint32_t window = 0; window < w->n && !rc; window++) {
		uint32_t kept = 0, i = 0, k = c->place[window], end = c->place[window + 1];
		uint32_t *swap = c->active;

		if (c->is_open && window)
			rc = close_window(c);
		c->is_open = true;
		c->start_ms = w->item[window].start_ms;
		c->end_ms = w->item[window].end_ms;
		if (!rc && c->config.names)
			rc = c->config.names(c->config.arg, w->item[window].to);
		if (!rc)
			rc = tell_brief(c, p, w, window, &brief);
		/* runs from before and those that begin here, in order of series */
		while ((i < n_active || k < end) && !rc) {
			bool is_old = k == end ||
				      (i < n_active && made->run[c->active[i]].series <
							       made->run[c->order[k]].series);
			uint32_t number = is_old ? c->active[i++] : c->order[k++];
			const struct mh_part_run *r = &made->run[number];

			rc = tell_run(c, p, w, window, r);
			if (r->window + r->n > window + 1)
				c->kept[kept++] = number;
		}
		n_active = kept;
		c->active = c->kept;
		c->kept = swap;
	}
	return rc;
}

/* --- one part --------------------------------------------------------------------------------- */

/* Last marks of processes that ended with the first snapshot, in the window that is open. */
static int tell_ended(struct mh_candle_reader *c, const struct mh_part *p, int mark,
		      const struct mh_seam_join *join)
{
	int rc = 0;

	for (uint32_t i = 0; i < p->ended.n && !rc && c->is_open; i++) {
		const struct mh_part_end *end = &p->ended.item[i];
		uint64_t high = end->value[mark];
		const struct mh_seam_process *was = mh_seam_end(&c->seam, join, &end->id, high);

		if (was && high > was->close && (!c->config.pid || end->id.pid == c->config.pid))
			rc = c->config.candle(c->config.arg, was->series,
					      &(struct mh_candle){c->start_ms, c->end_ms,
								  was->close, high, was->close,
								  was->close, 0});
	}
	return rc;
}

static bool has_field(const struct mh_candle_reader *c, const struct mh_part *p)
{
	return mh_fields_have(p->head.fields, c->config.field);
}

/* A part whose first snapshot a gap precedes; what its candles are made of is in `made`. */
static int tell(struct mh_candle_reader *c, const struct mh_part *p,
		const struct mh_part_windows *w, const struct mh_gap *gap,
		struct mh_part_candles *made)
{
	int mark = mh_part_mark(&p->head, c->config.field), rc = 0;
	struct mh_seam_join join = {0};
	bool is_measured = has_field(c, p);

	if (!is_measured || mark == MH_FIELD_NONE)
		mh_seam_cut(&c->seam);
	if (memcmp(&c->seam.boot_id, &p->head.boot_id, sizeof(p->head.boot_id)) != 0)
		c->seam.n = 0;
	join.goes_on = c->seam.is_there && mh_gap_goes_on(gap->kind);
	join.continues = c->is_open && is_measured && w->item[0].start_ms == c->start_ms &&
			 w->item[0].end_ms == c->end_ms;
	if (is_measured && mark != MH_FIELD_NONE) {
		join.lags = mh_fields_have(p->head.lagging, mark);
		rc = tell_ended(c, p, mark, &join);
	}
	if (!rc && c->is_open && !join.continues)
		rc = close_window(c);
	c->segment = p->head.info;
	c->stats.n_snapshots += w->n_snapshots;
	if (!rc && c->config.part)
		rc = c->config.part(c->config.arg, p, w, gap);
	if (rc)
		return rc;
	if (!is_measured) {
		c->seam.n_snapshots += w->n_snapshots;
		return c->config.names ? c->config.names(c->config.arg, w->n_snapshots) : 0;
	}
	c->stats.n_measured += w->n_snapshots;
	if (mark != MH_FIELD_NONE)
		rc = mh_seam_join(&c->seam, &join, p, w, made);
	else
		c->seam.n_snapshots += w->n_snapshots;
	if (c->config.pid)
		mh_part_candles_keep(made, p, c->config.pid);
	return rc ? rc : tell_windows(c, p, w, made);
}

/* --- open segments ---------------------------------------------------------------------------- */

/* Tell what was built of snapshots so far. */
static int flush(struct mh_candle_reader *c)
{
	const struct mh_part_wish wish = {
		c->config.interval_ms, c->config.utc, MH_MS_MIN, MH_MS_MAX, 0, 0};
	struct mh_part_feeds feeds;
	struct mh_part *p;
	int rc;

	if (!c->is_building)
		return 0;
	c->is_building = false;
	p = mh_part_builder_end(c->builder);
	rc = p ? mh_part_windows_fill(&c->built_windows, p, &wish) : -ENOMEM;
	if (rc)
		return rc;
	mh_part_candles_clear(&c->candles);
	mh_part_feeds_of(&feeds, p);
	if (has_field(c, p))
		rc = mh_part_candles_make(&c->candles, p, 0, p->series.n, &feeds, &c->built_windows,
					  c->config.field);
	c->stats.parts_from_samples++;
	return rc ? rc : tell(c, p, &c->built_windows, &c->built_gap, &c->candles);
}

/* Last marks of those who ended with the first snapshot of a part, as far as they are told (Z7). */
static int add_ended(struct mh_candle_reader *c, const struct mh_snapshot *s)
{
	const struct mh_last_marks *marks;
	uint32_t n;
	int rc = 0;

	marks = mh_reader_last_marks(c->reader, &n);
	for (uint32_t i = 0; i < n && !rc && !c->is_table_current; i++)
		rc = mh_part_builder_ended(c->builder, &marks[i].id, marks[i].value);
	for (uint32_t i = 0; i < s->n_gone && !rc && c->is_table_current; i++)
		rc = mh_part_builder_ended(c->builder, &s->gone[i].process.id,
					   s->gone[i].process.value);
	return rc;
}

static int take_snapshot(struct mh_candle_reader *c, const struct mh_snapshot *s)
{
	const struct mh_segment_info *segment = mh_reader_segment(c->reader);
	int rc = c->is_building ? mh_part_builder_add(c->builder, s, segment) : -EOVERFLOW;

	if (rc == -EOVERFLOW) {
		rc = flush(c);
		if (!rc)
			rc = mh_part_builder_add(c->builder, s, segment);
		if (!rc)
			rc = add_ended(c, s);
		c->built_gap = s->gap;
		c->is_building = true;
	}
	c->is_table_current = true;
	return rc;
}

/* --- sealed segments -------------------------------------------------------------------------- */

static int on_head(void *arg, struct mh_part *p, struct mh_part_decoder *d,
		   const struct mh_part_windows *w)
{
	struct mh_candle_reader *c = arg;
	int field = c->config.field;

	c->rc = flush(c);
	c->is_table_current = false;
	if (c->rc)
		return c->rc;
	c->from_columns = false;
	c->made = &c->candles;
	mh_part_candles_clear(&c->candles);
	if (!has_field(c, p))
		return mh_part_decoder_want(d, p, 0, MH_FIELD_NONE);
	if (!c->config.from_samples && w->is_whole && mh_part_has_candles(d, field)) {
		const struct mh_part_windows *stored = mh_part_stored_windows(d);
		int mark = mh_part_mark(&p->head, field), rc;
		bool lags = mark != MH_FIELD_NONE && mh_fields_have(p->head.lagging, mark);

		rc = mh_part_decoder_want(d, p, 0, field);
		if (!rc)
			rc = mh_compose_plan(&c->compose, stored, w, lags);
		if (rc < 0)
			return rc;
		c->from_columns = rc;
		if (c->from_columns && stored->n == w->n)
			c->made = mh_part_decoder_candles(d);
	}
	return c->from_columns ? 0
			       : mh_part_decoder_want(d, p, mh_part_candle_fields(&p->head, field),
						      MH_FIELD_NONE);
}

static int on_chunk(void *arg, struct mh_part *p, struct mh_part_decoder *d,
		    const struct mh_part_windows *w)
{
	struct mh_candle_reader *c = arg;
	struct mh_part_feeds feeds;
	uint32_t from;
	int rc;

	if (!has_field(c, p))
		return 0;
	if (c->from_columns)
		return c->made == &c->candles
			       ? mh_compose_runs(&c->compose, c->made, mh_part_decoder_candles(d))
			       : 0;
	mh_part_chunk(d, &from);
	mh_part_chunk_feeds(d, p, &feeds);
	rc = mh_part_candles_make(c->made, p, from, p->series.n, &feeds, w, c->config.field);
	p->events.n = 0;
	return rc;
}

static int take_part(struct mh_candle_reader *c)
{
	struct mh_read_part read;

	mh_reader_part(c->reader, &read);
	if (c->from_columns)
		c->stats.parts_from_columns++;
	else
		c->stats.parts_from_samples++;
	return tell(c, read.part, read.windows, &read.gap, c->made);
}

/* --- the reader ------------------------------------------------------------------------------- */

int mh_candle_reader_new(struct mh_candle_reader **ret, const char *dir,
			 const struct mh_candle_reader_config *config, struct mh_err *err)
{
	struct mh_candle_reader *c = calloc(1, sizeof(*c));
	struct mh_reader_options options = {.since_ms = config->since_ms,
					    .until_ms = config->until_ms};
	int rc;

	if (!c)
		return mh_err_sys(err, -ENOMEM, "cannot read the history %s", dir);
	c->config = *config;
	c->parts = (struct mh_reader_parts){
		.interval_ms = config->interval_ms,
		.utc = config->utc,
		.max_snapshots = config->max_snapshots,
		.choice = {.without_names = !config->names,
			   .without_meminfo = true,
			   .pid = config->pid,
			   .for_candles = true,
			   .field = config->field},
		.head = on_head,
		.chunk = on_chunk,
		.arg = c,
	};
	options.parts = &c->parts;
	rc = mh_part_builder_new_for_candles(&c->builder, config->field, config->names != NULL);
	if (rc)
		mh_err_sys(err, rc, "cannot read the history %s", dir);
	else
		rc = mh_reader_open(&c->reader, dir, &options, err);
	if (rc)
		mh_candle_reader_free(c);
	else
		*ret = c;
	return rc;
}

void mh_candle_reader_free(struct mh_candle_reader *c)
{
	if (!c)
		return;
	mh_reader_close(c->reader);
	mh_part_builder_free(c->builder);
	mh_part_candles_done(&c->candles);
	mh_part_windows_done(&c->built_windows);
	mh_seam_done(&c->seam);
	mh_compose_done(&c->compose);
	free(c->place);
	free(c->order);
	free(c->active);
	free(c->kept);
	free(c);
}

static bool has_enough(const struct mh_candle_reader *c)
{
	struct mh_reader_stats stats;

	mh_reader_stats(c->reader, &stats);
	return c->config.max_snapshots && stats.snapshots >= c->config.max_snapshots;
}

static int finish(struct mh_candle_reader *c)
{
	int rc = flush(c);

	c->is_ended = true;
	return !rc && c->is_open ? close_window(c) : rc;
}

int mh_candle_reader_next(struct mh_candle_reader *c, struct mh_err *err)
{
	const struct mh_snapshot *s;
	struct mh_err reason = {""};
	int rc;

	if (c->is_ended)
		return 0;
	if (has_enough(c))
		return finish(c);
	rc = mh_reader_next(c->reader, &s, &reason);
	if (c->rc)
		return c->rc;
	if (rc < 0) {
		*err = reason;
		return rc;
	}
	if (!rc)
		return finish(c);
	rc = rc == MH_READER_PART ? take_part(c) : take_snapshot(c, s);
	return rc ? rc : 1;
}

const struct mh_segment_info *mh_candle_reader_segment(const struct mh_candle_reader *c)
{
	return &c->segment;
}

void mh_candle_reader_stats(const struct mh_candle_reader *c, struct mh_candle_reader_stats *ret,
			    struct mh_reader_stats *ret_reader)
{
	*ret = c->stats;
	mh_reader_stats(c->reader, ret_reader);
}
