/* Columns of values and of candles, chunk by chunk. */
#include "libmemhist/history/columns/part_decoder.h"

#include <errno.h>
#include <stdlib.h>

void mh_part_chunk(const struct mh_part_decoder *d, uint32_t *ret_from)
{
	*ret_from = d->base;
}

uint32_t mh_part_chunks_begun(const struct mh_part_decoder *d)
{
	return d->chunk;
}

void mh_part_chunk_feeds(const struct mh_part_decoder *d, const struct mh_part *p,
			 struct mh_part_feeds *ret)
{
	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		bool is_there = mh_fields_have(d->values, f);

		ret->at[f] = p->events.item + (is_there ? d->from_event[f] : 0);
		ret->end[f] = p->events.item + (is_there ? d->to_event[f] : 0);
	}
}

struct mh_part_candles *mh_part_decoder_candles(struct mh_part_decoder *d)
{
	return &d->candles;
}

const struct mh_part_windows *mh_part_stored_windows(const struct mh_part_decoder *d)
{
	return &d->windows;
}

/* --- values ----------------------------------------------------------------------------------- */

/* Z9 */
int mh_part_take_starts(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	const Memhist__V1__StartChunk *m;
	uint32_t n = p->series.n - d->base;
	ProtobufCMessage *message;
	struct mh_varints value;
	int field, base, rc;

	rc = mh_unpack(&d->unpacker, frame, &memhist__v1__start_chunk__descriptor, &message);
	if (rc)
		return rc;
	m = (const Memhist__V1__StartChunk *)message;
	field = mh_field_by_column(m->field);
	if (field < 0)
		return 0; /* P2: a column from the future */
	if (m->chunk + 1 != d->chunk || !mh_fields_have(d->stored, field))
		return -EBADMSG;
	if (!mh_fields_have(d->starts, field))
		return 0;
	if (!mh_fields_have(d->left_starts, field))
		return -EBADMSG;
	if (!d->start[field])
		d->start[field] = calloc(MH_PART_CHUNK_SERIES, sizeof(*d->start[field]));
	if (!d->start[field])
		return -ENOMEM;
	value = mh_bytes_of(m->value);
	base = mh_part_start_base(&p->head, field);
	if (base != MH_FIELD_NONE && mh_fields_have(d->left_starts, base))
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++)
		d->start[field][i] = base == MH_FIELD_NONE
					     ? mh_varint_next_mixed(&value)
					     : d->start[base][i] +
						       (uint64_t)mh_zigzag_next_mixed(&value);
	d->left_starts &= ~((mh_fields_t)1 << field);
	return mh_varints_done(&value) ? 0 : -EBADMSG;
}

struct value_columns {
	struct mh_varints n, gap, start, delta;
};

static bool add_event(struct mh_part *p, uint32_t series, uint32_t at, int field, uint64_t delta)
{
	if (!mh_part_reserve(p, p->events, MH_PART_EVENTS_MAX))
		return false;
	p->events.item[p->events.n++] = (struct mh_part_event){
		.series = series,
		.at = at & 0xffffff,
		.field = (uint8_t)field,
		.delta = (int64_t)delta,
	};
	return true;
}

/* Z6 */
static int take_changes(struct mh_part *p, uint32_t series, int field, const uint64_t *start,
			struct value_columns *c)
{
	const struct mh_part_series *s = &p->series.item[series];
	uint32_t at = s->first, end = s->first + s->count + 1; /* the last marks too */

	if (start && *start && !add_event(p, series, at, field, *start))
		return p->error;
	at += start != NULL;
	for (uint64_t left = mh_varint_next(&c->n); left; left--, at++) {
		if (!mh_next_position(&c->gap, end, &at) || at >= p->snapshots.n)
			return -EBADMSG;
		if (!add_event(p, series, at, field,
			       at == s->first ? mh_varint_next(&c->start)
					      : (uint64_t)mh_zigzag_next(&c->delta)))
			return p->error;
	}
	return 0;
}

int mh_part_take_values(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	const Memhist__V1__ValueChunk *m;
	ProtobufCMessage *message;
	struct value_columns c;
	const uint64_t *start;
	int field, rc;

	rc = mh_unpack(&d->unpacker, frame, &memhist__v1__value_chunk__descriptor, &message);
	if (rc)
		return rc;
	m = (const Memhist__V1__ValueChunk *)message;
	field = mh_field_by_column(m->field);
	if (field < 0)
		return 0; /* P2: a column from the future */
	if (m->chunk + 1 != d->chunk || !mh_fields_have(d->stored, field) ||
	    (mh_fields_have(d->values, field) && !mh_fields_have(d->left_values, field)) ||
	    mh_fields_have(d->left_starts, field))
		return -EBADMSG;
	if (!mh_fields_have(d->values, field))
		return 0;
	c = (struct value_columns){mh_bytes_of(m->n), mh_bytes_of(m->gap), mh_bytes_of(m->start),
				   mh_bytes_of(m->delta)};
	start = p->head.features & MH_FEATURE_STARTS ? d->start[field] : NULL;
	d->from_event[field] = p->events.n;
	for (uint32_t i = d->base; i < p->series.n && !rc; i++)
		rc = take_changes(p, i, field, start ? &start[i - d->base] : NULL, &c);
	d->to_event[field] = p->events.n;
	d->left_values &= ~((mh_fields_t)1 << field);
	if (rc)
		return rc;
	return mh_varints_done(&c.n) && mh_varints_done(&c.gap) && mh_varints_done(&c.start) &&
			       mh_varints_done(&c.delta)
		       ? 0
		       : -EBADMSG;
}

/* --- candles ---------------------------------------------------------------------------------- */

struct candle_columns {
	struct mh_varints shape, open, close, high, low;
	struct mh_varints entry, exit, late, age;
	const uint8_t *print[2]; /* at entries and at exits; NULL: none */
	size_t print_bytes[2];   /* left of them */
	bool has_mark, lags;
};

static bool is_bad(const struct candle_columns *c)
{
	return c->open.bad || c->close.bad || c->high.bad || c->low.bad;
}

/* Z12: a window whose candle is said, behind this close. */
static inline bool take_candle(struct candle_columns *c, uint64_t open, struct mh_part_run *ret)
{
	uint64_t close = open + (uint64_t)mh_zigzag_next_mixed(&c->close);
	uint64_t above = mh_varint_next_mixed(&c->high), below = mh_varint_next_mixed(&c->low);
	uint64_t top = open > close ? open : close, bottom = open < close ? open : close;

	if (above > UINT64_MAX - top || below > bottom)
		return false;
	ret->open = open;
	ret->high = top + above;
	ret->low = bottom - below;
	ret->close = close;
	return true;
}

/*
 * Z11: the windows of a series, from *at on, `left` of them; *at begins with the close before, and
 * there is room for as many runs. Returns the last one, or NULL.
 */
static inline struct mh_part_run *take_windows(struct candle_columns *c, struct mh_part_run *at,
					       uint32_t left)
{
	uint32_t series = at->series, window = at->window;
	uint64_t close = at->close, n = mh_varint_next(&c->shape);
	bool is_first = true;

	for (;;) {
		if (n > left)
			return NULL;
		if (n) {
			*at++ = (struct mh_part_run){series, window, (uint32_t)n, close,
						     close,  close,  close};
			window += (uint32_t)n;
			left -= (uint32_t)n;
			is_first = false;
		}
		if (!left)
			return at - 1;
		n = mh_varint_next(&c->shape);
		if (!n || n > left)
			return NULL;
		for (left -= (uint32_t)n; n; n--, is_first = false) {
			uint64_t open = close;

			if (!is_first)
				open += (uint64_t)mh_zigzag_next(&c->open);
			if (!take_candle(c, open, at))
				return NULL;
			at->series = series;
			at->window = window++;
			at->n = 1;
			close = at++->close;
		}
		if (!left)
			return at - 1;
		n = mh_varint_next(&c->shape);
		if (!n)
			return NULL;
	}
}

static bool take_print(struct candle_columns *c, int which, uint32_t *ret)
{
	const uint8_t *p = c->print[which];

	if (c->print_bytes[which] < 4)
		return false;
	*ret = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
	c->print[which] += 4;
	c->print_bytes[which] -= 4;
	return true;
}

/* Z13, Z14: what is said of a series at the edges of the part. */
static bool take_edge(struct candle_columns *c, const struct mh_part *p, uint32_t series,
		      uint64_t open, uint64_t close, struct mh_part_edge *edge)
{
	const struct mh_part_series *s = &p->series.item[series];

	if (!s->first) {
		edge->entry = open + (uint64_t)mh_zigzag_next(&c->entry);
		if (c->lags) {
			uint64_t late = (uint64_t)mh_zigzag_next(&c->late);

			edge->late = late ? edge->entry + late : 0;
			if (!take_print(c, 0, &edge->entry_print))
				return false;
		}
	}
	if (s->first + s->count == p->snapshots.n) {
		edge->close = close;
		edge->exit = close + (uint64_t)mh_zigzag_next(&c->exit);
		if (c->lags) {
			uint64_t age = mh_varint_next(&c->age);

			if (age >= p->snapshots.n || !take_print(c, 1, &edge->exit_print))
				return false;
			edge->changed = p->snapshots.n - 1 - (uint32_t)age;
		}
	}
	return true;
}

/* First values of the field; those of RssAnon follow from others. */
static const uint64_t *first_values(struct mh_part_decoder *d, uint32_t n)
{
	uint64_t **anon = &d->start[MH_FIELD_ANON];

	if (d->wants_candles != MH_FIELD_ANON)
		return d->start[d->wants_candles];
	if (!*anon)
		*anon = calloc(MH_PART_CHUNK_SERIES, sizeof(**anon));
	for (uint32_t i = 0; i < n && *anon; i++)
		(*anon)[i] = d->start[MH_FIELD_RSS][i] - d->start[MH_FIELD_FILE][i] -
			     d->start[MH_FIELD_SHMEM][i];
	return *anon;
}

static int take_series_candles(struct mh_part_decoder *d, const struct mh_part *p, uint32_t series,
			       uint64_t open, struct candle_columns *c)
{
	const struct mh_part_series *s = &p->series.item[series];
	const struct mh_part_windows *w = &d->windows;
	struct mh_part_candles *out = &d->candles;
	struct mh_part_edge edge = {.series = series, .run = out->n_runs};
	uint32_t window = w->of[s->first], left = w->of[s->first + s->count - 1] - window + 1;
	struct mh_part_run *r;
	bool is_wanted;

	if (out->runs_cap - out->n_runs < left && !mh_part_candles_room(out, left))
		return out->error;
	r = &out->run[out->n_runs];
	r->series = series;
	r->window = window;
	r->close = open;
	r = take_windows(c, r, left);
	if (!r || is_bad(c))
		return -EBADMSG;
	/* what nobody wants is read over: the next one takes its place */
	is_wanted = !d->choice.pid || s->id.pid == d->choice.pid;
	if (is_wanted)
		out->n_runs = (uint32_t)(r - out->run) + 1;
	if (c->has_mark && (!s->first || s->first + s->count == p->snapshots.n)) {
		if (!take_edge(c, p, series, open, r->close, &edge))
			return -EBADMSG;
		if (is_wanted)
			mh_part_candles_add_edge(out, &edge);
	}
	return out->error;
}

/* Z10 */
int mh_part_take_candles(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	const Memhist__V1__CandleChunk *m;
	ProtobufCMessage *message;
	struct candle_columns c;
	const uint64_t *start;
	int mark, field, rc;

	rc = mh_unpack(&d->unpacker, frame, &memhist__v1__candle_chunk__descriptor, &message);
	if (rc)
		return rc;
	m = (const Memhist__V1__CandleChunk *)message;
	field = m->field ? mh_field_by_column(m->field) : MH_FIELD_ANON;
	if (field != d->wants_candles)
		return 0; /* the order is not known, and this is another one */
	if (m->chunk + 1 != d->chunk || !d->left_candles || d->left_starts)
		return -EBADMSG;
	mark = mh_part_mark(&p->head, field);
	c = (struct candle_columns){
		.shape = mh_bytes_of(m->shape),
		.open = mh_bytes_of(m->open),
		.close = mh_bytes_of(m->close),
		.high = mh_bytes_of(m->high),
		.low = mh_bytes_of(m->low),
		.entry = mh_bytes_of(m->entry),
		.exit = mh_bytes_of(m->exit),
		.late = mh_bytes_of(m->late),
		.age = mh_bytes_of(m->age),
		.print = {m->entry_print.data, m->exit_print.data},
		.print_bytes = {m->entry_print.len, m->exit_print.len},
		.has_mark = mark != MH_FIELD_NONE,
		.lags = mark != MH_FIELD_NONE && mh_fields_have(p->head.lagging, mark),
	};
	start = first_values(d, p->series.n - d->base);
	if (!start)
		return -ENOMEM;
	for (uint32_t i = d->base; i < p->series.n && !rc; i++)
		rc = take_series_candles(d, p, i, start[i - d->base], &c);
	if (rc)
		return rc;
	d->left_candles = false;
	return mh_varints_done(&c.shape) && mh_varints_done(&c.open) && mh_varints_done(&c.close) &&
			       mh_varints_done(&c.high) && mh_varints_done(&c.low) &&
			       mh_varints_done(&c.entry) && mh_varints_done(&c.exit) &&
			       mh_varints_done(&c.late) && mh_varints_done(&c.age) &&
			       !c.print_bytes[0] && !c.print_bytes[1]
		       ? 0
		       : -EBADMSG;
}
