/*
 * The long table: a row per candle, every column one variable, in order of time, pid, appearance.
 * Cells are collected per window, since by command a series may have several candles in one.
 *
 * Invariant: cell_of[s] is 0, or cell[cell_of[s] - 1] is the cell of series s; between windows
 * all are 0.
 */
#include "tools/candles.h"

#include "libmemhist/base/escape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct long_cell {
	struct shown owner;
	struct mh_candle candle;
};

/* The place of a cell in the order of rows: pid, then appearance. */
struct long_order {
	uint32_t pid, nth;
	uint32_t cell;
};

static int reserve_series(struct long_table *l, uint32_t series)
{
	uint32_t cap = l->series_cap ? l->series_cap : 1024;
	uint32_t *cell_of;

	if (series < l->series_cap)
		return 0;
	while (cap <= series)
		cap *= 2;
	cell_of = reallocarray(l->cell_of, cap, sizeof(*cell_of));
	if (!cell_of)
		return -ENOMEM;
	memset(cell_of + l->series_cap, 0, (cap - l->series_cap) * sizeof(*cell_of));
	l->cell_of = cell_of;
	l->series_cap = cap;
	return 0;
}

static int reserve_cell(struct long_table *l)
{
	uint32_t cap = l->cells_cap ? l->cells_cap * 2 : 256;
	struct long_cell *cell;
	struct long_order *order;

	if (l->n_cells < l->cells_cap)
		return 0;
	cell = reallocarray(l->cell, cap, sizeof(*cell));
	if (cell)
		l->cell = cell;
	order = reallocarray(l->order, (size_t)2 * cap, sizeof(*order));
	if (order)
		l->order = order;
	if (!cell || !order)
		return -ENOMEM;
	l->cells_cap = cap;
	return 0;
}

static bool is_shown(const struct selection *s, uint32_t series)
{
	return !s || (series < s->n_series && s->place[series] != NOT_SHOWN);
}

int long_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct long_table *l = arg;
	struct mh_series s;

	if (!is_shown(l->table->selection, series))
		return 0;
	if (reserve_series(l, series) || reserve_cell(l))
		return mh_err_sys(l->table->err, -ENOMEM, "cannot write %s", l->table->out->name);
	if (l->cell_of[series]) {
		candle_merge(&l->cell[l->cell_of[series] - 1].candle, candle);
		return 0;
	}
	mh_labels_series(*l->table->labels, series, &s);
	l->cell[l->n_cells++] = (struct long_cell){
		.owner = {.series = series, .pid = s.pid, .nth = s.nth},
		.candle = *candle,
	};
	l->cell_of[series] = l->n_cells;
	return 0;
}

static void write_header(struct table *t)
{
	const struct words *w = t->words;

	mh_buf_printf(&t->out->buf, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", w->time, w->label,
		      w->pid, w->program, w->open, w->high, w->low, w->close, w->samples);
	t->has_header = true;
}

static void write_row(const struct table *t, const char *time, size_t time_len,
		      const struct long_cell *cell)
{
	struct mh_buf *out = &t->out->buf;
	const struct mh_candle *c = &cell->candle;
	const uint64_t ends[] = {c->open, c->high, c->low, c->close};
	char *to = mh_buf_reserve(out, time_len + 7 * (TEXT_NUMBER_MAX + 2)), *from = to;
	struct mh_series s;

	if (!to)
		return;
	mh_labels_series(*t->labels, cell->owner.series, &s);
	memcpy(to, time, time_len);
	to += time_len;
	*to++ = '\t';
	to = text_number(to, s.pid);
	if (s.nth > 1) {
		*to++ = '(';
		to = text_number(to, s.nth);
		*to++ = ')';
	}
	*to++ = '\t';
	to = text_number(to, s.pid);
	*to++ = '\t';
	out->len += (size_t)(to - from);
	mh_escape_tsv(out, s.comm, s.comm_len);
	to = from = mh_buf_reserve(out, 5 * (TEXT_NUMBER_MAX + 2));
	if (!to)
		return;
	for (size_t end = 0; end < 4; end++) {
		*to++ = '\t';
		to = text_value(to, ends[end], t->unit);
	}
	*to++ = '\t';
	to = text_number(to, c->samples);
	*to++ = '\n';
	out->len += (size_t)(to - from);
}

static bool is_before(const struct long_order *a, const struct long_order *b)
{
	return a->pid != b->pid ? a->pid < b->pid : a->nth < b->nth;
}

/* The end of the stretch that is in order, from `at` on. */
static uint32_t stretch(const struct long_order *o, uint32_t at, uint32_t n)
{
	do
		at++;
	while (at < n && is_before(&o[at - 1], &o[at]));
	return at;
}

/*
 * The order of rows. Cells come in a few stretches that are in order already, so these are merged;
 * returns where the result is.
 */
static const struct long_order *sort_cells(struct long_table *l)
{
	struct long_order *o = l->order, *to = l->order + l->cells_cap;
	uint32_t n = l->n_cells;

	for (uint32_t i = 0; i < n; i++)
		o[i] = (struct long_order){l->cell[i].owner.pid, l->cell[i].owner.nth, i};
	while (n && stretch(o, 0, n) < n) {
		struct long_order *swap = o;

		for (uint32_t at = 0, k = 0; at < n;) {
			uint32_t middle = stretch(o, at, n), b = middle;
			uint32_t end = middle < n ? stretch(o, middle, n) : n;

			while (at < middle || b < end)
				to[k++] = b == end || (at < middle && is_before(&o[at], &o[b]))
						  ? o[at++]
						  : o[b++];
			at = end;
		}
		o = to;
		to = swap;
	}
	return o;
}

int long_window(void *arg, mh_ms_t start_ms)
{
	struct long_table *l = arg;
	struct table *t = l->table;
	struct mh_buf time = MH_BUF_INIT(64);
	const struct long_order *order = sort_cells(l);
	int rc = 0;

	if (!t->has_header)
		write_header(t);
	mh_time_format(&time, start_ms, t->utc);
	for (uint32_t i = 0; i < l->n_cells && !rc; i++) {
		write_row(t, time.data, time.len, &l->cell[order[i].cell]);
		rc = outfile_pump(t->out, t->err);
	}
	for (uint32_t i = 0; i < l->n_cells; i++)
		l->cell_of[l->cell[i].owner.series] = 0;
	t->n_rows += l->n_cells;
	l->n_cells = 0;
	mh_buf_done(&time);
	return rc;
}

void long_done(struct long_table *l)
{
	free(l->cell);
	free(l->order);
	free(l->cell_of);
	*l = (struct long_table){.table = l->table};
}
