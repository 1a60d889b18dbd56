/*
 * Candle columns (Z10 … Z14 of docs/FORMAT.md): made from the changes by part_candles.c, written as
 * differences to what a reader knows by then, so that most numbers are small.
 */
#include "libmemhist/history/columns/part_encoder.h"
#include "libmemhist/history/varints.h"

enum { SHAPE, OPEN, CLOSE, HIGH, LOW, ENTRY, EXIT, LATE, AGE, ENTRY_PRINT, EXIT_PRINT };

int mh_part_begin_candles(struct mh_part_encoder *e, const struct mh_part *p)
{
	struct mh_part_feeds feeds;

	mh_part_feeds_of(&feeds, p);
	for (int i = 0; i < MH_STORED_CANDLES; i++)
		e->feeds[mh_stored_candles[i]] = feeds;
	return mh_part_windows_fill(&e->windows, p, &MH_PART_WISH_STORED);
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_flat(const struct mh_part_run *r, uint64_t close)
{
	return r->open == close && r->close == close && r->high == close && r->low == close;
}

/* The windows of one series; returns where those of the next begin. Z11, Z12 */
static const struct mh_part_run *fill_runs(struct mh_buf *c, const struct mh_part_run *r,
					   const struct mh_part_run *end)
{
	const uint32_t series = r->series;
	uint64_t close = r->open;
	bool is_first = true, has_shape = false;

	while (r < end && r->series == series) {
		uint32_t n = 0;

		for (; r < end && r->series == series && is_flat(r, close); r++)
			n += r->n;
		if (n || !has_shape)
			mh_varint_add(&c[SHAPE], n);
		has_shape = true;
		is_first &= !n;
		for (n = 0; r < end && r->series == series && !is_flat(r, close); r++, n++) {
			if (!is_first)
				mh_zigzag_add(&c[OPEN], (int64_t)(r->open - close));
			is_first = false;
			mh_zigzag_add(&c[CLOSE], (int64_t)(r->close - r->open));
			mh_varint_add(&c[HIGH], r->high - higher(r->open, r->close));
			mh_varint_add(&c[LOW], lower(r->open, r->close) - r->low);
			close = r->close;
		}
		if (n)
			mh_varint_add(&c[SHAPE], n);
	}
	return r;
}

static void add_print(struct mh_buf *out, uint32_t print)
{
	char *to = mh_buf_reserve(out, sizeof(print));

	for (size_t i = 0; to && i < sizeof(print); i++)
		to[i] = (char)(print >> 8 * i);
	if (to)
		out->len += sizeof(print);
}

/* Z13, Z14 */
static void fill_edge(struct mh_buf *c, const struct mh_part *p, const struct mh_part_edge *edge,
		      uint64_t open, bool lags)
{
	const struct mh_part_series *s = &p->series.item[edge->series];
	bool has_exit = s->first + s->count == p->snapshots.n;

	if (!s->first) {
		mh_zigzag_add(&c[ENTRY], (int64_t)(edge->entry - open));
		if (lags) {
			mh_zigzag_add(&c[LATE],
				      edge->late ? (int64_t)(edge->late - edge->entry) : 0);
			add_print(&c[ENTRY_PRINT], edge->entry_print);
		}
	}
	if (has_exit) {
		mh_zigzag_add(&c[EXIT], (int64_t)(edge->exit - edge->close));
		if (lags) {
			mh_varint_add(&c[AGE], p->snapshots.n - 1 - edge->changed);
			add_print(&c[EXIT_PRINT], edge->exit_print);
		}
	}
}

int mh_part_encode_candles(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			   int field, struct mh_payload *ret)
{
	Memhist__V1__CandleChunk m = MEMHIST__V1__CANDLE_CHUNK__INIT;
	int mark = mh_part_mark(&p->head, field);
	bool lags = mark != MH_FIELD_NONE && mh_fields_have(p->head.lagging, mark);
	struct mh_part_candles *made = &e->candles;
	const struct mh_part_run *r, *end;
	struct mh_buf *c = e->column;
	int rc;

	mh_part_candles_clear(made);
	rc = mh_part_candles_make(made, p, e->chunk[chunk], e->chunk[chunk + 1], &e->feeds[field],
				  &e->windows, field);
	if (rc)
		return rc;
	mh_part_begin(e);
	end = made->run + made->n_runs;
	for (r = made->run; r < end;)
		r = fill_runs(c, r, end);
	for (uint32_t i = 0; i < made->n_edges; i++)
		fill_edge(c, p, &made->edge[i], made->run[made->edge[i].run].open, lags);
	e->min_match = MH_PART_NUMBERS_MATCH;
	m.chunk = chunk;
	m.field = mh_fields[field].column;
	m.shape = mh_part_column(e, SHAPE);
	m.open = mh_part_column(e, OPEN);
	m.close = mh_part_column(e, CLOSE);
	m.high = mh_part_column(e, HIGH);
	m.low = mh_part_column(e, LOW);
	m.entry = mh_part_column(e, ENTRY);
	m.exit = mh_part_column(e, EXIT);
	m.late = mh_part_column(e, LATE);
	m.age = mh_part_column(e, AGE);
	m.entry_print = mh_part_column(e, ENTRY_PRINT);
	m.exit_print = mh_part_column(e, EXIT_PRINT);
	return mh_part_finish(e, &m.base, ret);
}
