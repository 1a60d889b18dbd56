/*
 * Series by series: the changes of the fields that matter are merged in order of time, each opens
 * or widens a candle, and the windows between two changes are one run.
 *
 * All snapshots are numbered as wanted ones (part_windows.h). A change at a snapshot that is not
 * wanted shows at the next that is.
 */
#include "libmemhist/history/columns/part_candles.h"

#include "libmemhist/base/crc32c.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 1024 };

const int mh_stored_candles[MH_STORED_CANDLES] = {MH_FIELD_RSS,  MH_FIELD_VSZ,  MH_FIELD_SWAP,
						  MH_FIELD_ANON, MH_FIELD_FILE, MH_FIELD_SHMEM};

void mh_part_candles_done(struct mh_part_candles *c)
{
	free(c->run);
	free(c->edge);
	*c = (struct mh_part_candles){0};
}

void mh_part_candles_clear(struct mh_part_candles *c)
{
	c->n_runs = c->n_edges = 0;
	c->error = 0;
}

static bool grow(struct mh_part_candles *c, void **array, uint32_t *cap, size_t size)
{
	uint32_t bigger = *cap ? *cap * 2 : FIRST_CAP;
	void *items;

	if (bigger > MH_PART_RUNS_MAX) {
		c->error = -EOVERFLOW;
		return false;
	}
	items = reallocarray(*array, bigger, size);
	if (!items) {
		c->error = -ENOMEM;
		return false;
	}
	*array = items;
	*cap = bigger;
	return true;
}

bool mh_part_candles_room(struct mh_part_candles *c, uint32_t n)
{
	while (!c->error && c->runs_cap - c->n_runs < n)
		grow(c, (void **)&c->run, &c->runs_cap, sizeof(*c->run));
	return !c->error;
}

void mh_part_candles_keep(struct mh_part_candles *c, const struct mh_part *p, uint32_t pid)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_runs; i++)
		if (p->series.item[c->run[i].series].id.pid == pid)
			c->run[n++] = c->run[i];
	c->n_runs = n;
}

void mh_part_candles_add_edge(struct mh_part_candles *c, const struct mh_part_edge *edge)
{
	if (c->error || (c->n_edges == c->edges_cap &&
			 !grow(c, (void **)&c->edge, &c->edges_cap, sizeof(*edge))))
		return;
	c->edge[c->n_edges++] = *edge;
}

int mh_part_start_base(const struct mh_segment_head *head, int field)
{
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if ((int)mh_fields[f].mark == field && mh_fields_have(head->fields, f))
			return f;
	return MH_FIELD_NONE;
}

int mh_part_mark(const struct mh_segment_head *head, int field)
{
	int mark = mh_fields[field].mark;

	if (mh_field_is_mark(field))
		mark = field;
	return mark != MH_FIELD_NONE && mh_fields_have(head->fields, mark) ? mark : MH_FIELD_NONE;
}

mh_fields_t mh_part_candle_fields(const struct mh_segment_head *head, int field)
{
	int mark = mh_part_mark(head, field);
	mh_fields_t stored = 0, needed;

	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields[f].column)
			stored |= head->fields & (mh_fields_t)1 << f;
	needed = field == MH_FIELD_ANON ? MH_FIELDS_OF_RSS : (mh_fields_t)1 << field;
	if (mark != MH_FIELD_NONE)
		needed |= mh_fields_have(head->lagging, mark) ? stored : (mh_fields_t)1 << mark;
	return needed & stored;
}

void mh_part_feeds_of(struct mh_part_feeds *ret, const struct mh_part *p)
{
	const struct mh_part_event *e = p->events.item, *end = e + p->events.n;

	*ret = (struct mh_part_feeds){0};
	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		ret->at[f] = e;
		while (e < end && e->field == f)
			e++;
		ret->end[f] = e;
	}
}

uint32_t mh_part_print(const uint64_t value[MH_FIELD_COUNT])
{
	uint32_t crc = 0;

	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		uint32_t column = htole32(mh_fields[f].column);
		uint64_t bytes = htole64(value[f]);

		if (!column || !bytes)
			continue;
		crc = mh_crc32c(crc, &column, sizeof(column));
		crc = mh_crc32c(crc, &bytes, sizeof(bytes));
	}
	return crc;
}

struct maker {
	struct mh_part_candles *out;
	const struct mh_part_windows *w;
	int field, mark;
	bool lags;
	/* feeds in use: events not taken yet */
	int n_feeds;
	int of[MH_FIELD_COUNT];
	const struct mh_part_event *at[MH_FIELD_COUNT], *end[MH_FIELD_COUNT];
	/* of the series that is made */
	uint32_t series, raw_end; /* the snapshot of the part that does not show it any more */
	uint32_t from, to;        /* its life */
	uint64_t value[MH_FIELD_COUNT];
	struct mh_part_run candle;
	struct mh_part_edge edge;
	uint64_t mark_before;
	uint32_t changed;
};

enum { NEVER = UINT32_MAX };

/* When the next change of this feed shows; NEVER: not in this life. */
static inline uint32_t peek(const struct maker *m, int k)
{
	const struct mh_part_event *e = m->at[k];

	if (e == m->end[k] || e->series != m->series || e->at >= m->raw_end)
		return NEVER;
	return m->w->place[e->at];
}

static inline uint32_t next_change(const struct maker *m)
{
	uint32_t least = peek(m, 0);

	for (int k = 1; k < m->n_feeds; k++) {
		uint32_t at = peek(m, k);

		least = at < least ? at : least;
	}
	return least;
}

/* Take all changes that show at this snapshot. */
static inline void apply(struct maker *m, uint32_t at)
{
	for (int k = 0; k < m->n_feeds; k++)
		while (peek(m, k) <= at)
			m->value[m->of[k]] += (uint64_t)m->at[k]++->delta;
}

static uint64_t shown(const struct maker *m)
{
	return m->field == MH_FIELD_ANON ? mh_field_anon(m->value) : m->value[m->field];
}

static void flush(struct maker *m)
{
	mh_part_candles_add(m->out, &m->candle);
}

/* Go to the window of snapshot `at`. All windows on the way are as the last value was. */
static void advance(struct maker *m, uint32_t at)
{
	uint32_t window = m->w->of[at], last = m->candle.window;
	uint64_t close = m->candle.close;

	if (window == last)
		return;
	flush(m);
	m->candle.open = m->candle.high = m->candle.low = close;
	if (window - last > 1) {
		m->candle.window = last + 1;
		m->candle.n = window - last - 1;
		flush(m);
	}
	m->candle.window = window;
	m->candle.n = 1;
}

/*
 * Rule 6: whether a mark that moved since the snapshot before `at` tells something of the window
 * that holds `in`. What depends on what was before the part is left open, as edge.late.
 */
static bool mark_counts(struct maker *m, uint32_t at, uint32_t in)
{
	uint32_t since = m->w->last_gap[in], begin = m->w->item[m->w->of[in]].from;

	if (m->w->last_gap[at] == at)
		return false;
	if (!m->lags)
		return true;
	if (begin && begin - 1 > since)
		since = begin - 1;
	if (!m->from && !m->changed) {
		if (!since)
			m->edge.late = m->value[m->mark];
		return false;
	}
	return m->changed >= since;
}

static void take_mark(struct maker *m, uint32_t at, uint32_t in)
{
	uint64_t mark = m->value[m->mark];

	if (mark != m->mark_before && mark_counts(m, at, in) && mark > m->candle.high)
		m->candle.high = mark;
	m->mark_before = mark;
}

/* The first snapshot of the life. */
static void begin(struct maker *m)
{
	uint64_t value;

	apply(m, m->from);
	value = shown(m);
	m->candle = (struct mh_part_run){m->series, m->w->of[m->from], 1, value, value, value,
					 value};
	if (m->mark == MH_FIELD_NONE)
		return;
	m->edge = (struct mh_part_edge){.series = m->series, .run = m->out->n_runs};
	m->mark_before = 0;
	m->changed = m->from;
	if (m->from) {
		take_mark(m, m->from, m->from);
		return;
	}
	m->mark_before = m->edge.entry = m->value[m->mark];
	if (m->lags)
		m->edge.entry_print = mh_part_print(m->value);
}

static void change(struct maker *m, uint32_t at)
{
	uint64_t value;

	advance(m, at);
	apply(m, at);
	value = shown(m);
	if (m->w->item[m->candle.window].from == at)
		m->candle.open = m->candle.high = m->candle.low = value;
	m->candle.close = value;
	if (value > m->candle.high)
		m->candle.high = value;
	if (value < m->candle.low)
		m->candle.low = value;
	if (m->mark == MH_FIELD_NONE)
		return;
	take_mark(m, at, at);
	m->changed = at;
}

/* What is said of the series behind its last snapshot: its last mark. */
static void end(struct maker *m)
{
	bool is_ended = false;

	for (int k = 0; k < m->n_feeds; k++)
		for (; m->at[k] < m->end[k] && m->at[k]->series == m->series; m->at[k]++) {
			if (m->at[k]->at != m->raw_end || m->of[k] != m->mark)
				continue;
			m->value[m->mark] += (uint64_t)m->at[k]->delta;
			is_ended = true;
		}
	advance(m, m->to - 1);
	if (is_ended && m->to < m->w->n_snapshots)
		take_mark(m, m->to, m->to - 1);
	flush(m);
	if (m->mark == MH_FIELD_NONE || (m->from && m->to < m->w->n_snapshots))
		return;
	m->edge.exit = m->value[m->mark];
	m->edge.close = m->candle.close;
	m->edge.changed = m->changed;
	if (m->lags && m->to == m->w->n_snapshots)
		m->edge.exit_print = mh_part_print(m->value);
	mh_part_candles_add_edge(m->out, &m->edge);
}

static void skip(struct maker *m)
{
	for (int k = 0; k < m->n_feeds; k++)
		while (m->at[k] < m->end[k] && m->at[k]->series == m->series)
			m->at[k]++;
}

int mh_part_candles_make(struct mh_part_candles *ret, const struct mh_part *p, uint32_t from,
			 uint32_t to, struct mh_part_feeds *feeds, const struct mh_part_windows *w,
			 int field)
{
	mh_fields_t needed = mh_part_candle_fields(&p->head, field);
	struct maker m = {
		.out = ret, .w = w, .field = field, .mark = mh_part_mark(&p->head, field)};

	m.lags = m.mark != MH_FIELD_NONE && mh_fields_have(p->head.lagging, m.mark);
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields_have(needed, f)) {
			m.of[m.n_feeds] = f;
			m.at[m.n_feeds] = feeds->at[f];
			m.end[m.n_feeds++] = feeds->end[f];
		}
	for (uint32_t i = from; i < to && !ret->error; i++) {
		const struct mh_part_series *s = &p->series.item[i];
		uint32_t at;

		m.series = i;
		m.raw_end = s->first + s->count;
		mh_part_life(w, s, &m.from, &m.to);
		if (m.from == m.to) {
			skip(&m);
			continue;
		}
		for (int k = 0; k < m.n_feeds; k++)
			m.value[m.of[k]] = 0;
		begin(&m);
		while ((at = next_change(&m)) < m.to)
			change(&m, at);
		end(&m);
	}
	for (int k = 0; k < m.n_feeds; k++)
		feeds->at[m.of[k]] = m.at[k];
	return ret->error;
}
