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
	struct shown owner; /* first, so that select_by_label() sorts cells */
	struct mh_candle candle;
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

	if (l->n_cells < l->cells_cap)
		return 0;
	cell = reallocarray(l->cell, cap, sizeof(*cell));
	if (!cell)
		return -ENOMEM;
	l->cell = cell;
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
	struct mh_series s;

	mh_labels_series(*t->labels, cell->owner.series, &s);
	mh_buf_add(out, time, time_len);
	mh_buf_addc(out, '\t');
	mh_label_write(out, &s);
	mh_buf_addc(out, '\t');
	mh_buf_addu(out, s.pid);
	mh_buf_addc(out, '\t');
	mh_escape_tsv(out, s.comm, s.comm_len);
	for (size_t end = 0; end < 4; end++) {
		mh_buf_addc(out, '\t');
		text_value(out, ends[end], t->unit);
	}
	mh_buf_addc(out, '\t');
	mh_buf_addu(out, c->samples);
	mh_buf_addc(out, '\n');
}

int long_window(void *arg, mh_ms_t start_ms)
{
	struct long_table *l = arg;
	struct table *t = l->table;
	struct mh_buf time = MH_BUF_INIT(64);
	int rc = 0;

	if (!t->has_header)
		write_header(t);
	mh_time_format(&time, start_ms, t->utc);
	qsort(l->cell, l->n_cells, sizeof(*l->cell), select_by_label);
	for (uint32_t i = 0; i < l->n_cells && !rc; i++) {
		write_row(t, time.data, time.len, &l->cell[i]);
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
	free(l->cell_of);
	*l = (struct long_table){.table = l->table};
}
