/*
 * The long table: a row per candle, every column one variable, in order of time, pid, appearance.
 * Cells are collected per window, since by command a series may have several candles in one.
 *
 * Invariant: cell_of[s] is 0, or cell[cell_of[s] - 1] is the cell of series s; between windows
 * all are 0.
 */
#include "tools/candles.h"

#include "libmemhist/base/decimal.h"
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
	struct mh_label label;

	if (!is_shown(l->table->selection, series))
		return 0;
	if (reserve_series(l, series) || reserve_cell(l))
		return mh_err_sys(l->table->err, -ENOMEM, "cannot write %s", l->table->out->name);
	if (l->cell_of[series]) {
		candle_merge(&l->cell[l->cell_of[series] - 1].candle, candle);
		return 0;
	}
	label = mh_labels_label(*l->table->labels, series);
	l->cell[l->n_cells++] = (struct long_cell){
		.owner = {.series = series, .pid = label.pid, .nth = label.nth},
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

enum {
	TIME_MAX = 64,
	COMM_MAX = 4 * MH_COMM_MAX, /* escaped */
	ROW_MAX = TIME_MAX + 8 * (TEXT_NUMBER_MAX + 2) + COMM_MAX,
	ROWS_AT_ONCE = 64,
};

/* The beginning of all rows of a window: its time and a tab, in room for TIME_MAX bytes. */
struct row_time {
	char text[TIME_MAX];
	size_t len;
};

/* As mh_escape_tsv(); most names need no escape. */
static char *put_comm(char *to, const char *comm, size_t len)
{
	struct mh_buf escaped = MH_BUF_INIT(COMM_MAX);
	size_t n = 0;

	for (; n < len && comm[n] >= 0x20 && comm[n] < 0x7f && comm[n] != '\\'; n++)
		to[n] = comm[n];
	if (n == len)
		return to + n;
	mh_escape_tsv(&escaped, comm, len);
	if (escaped.len)
		memcpy(to, escaped.data, escaped.len);
	to += escaped.len;
	mh_buf_done(&escaped);
	return to;
}

/* The same once more: a number, perhaps with a tab. There is room, and that much can be read. */
static char *put_again(char *to, const char *from, size_t len)
{
	char block[TEXT_NUMBER_MAX];

	memcpy(block, from, sizeof(block));
	memcpy(to, block, sizeof(block));
	return to + len;
}

/* A tab and each of the four values; what is the same as the one before is copied. */
static char *put_values(char *to, const struct mh_candle *c, enum unit unit)
{
	const uint64_t ends[] = {c->open, c->high, c->low, c->close};
	char *before = to;

	*to++ = '\t';
	to = text_value(to, ends[0], unit);
	for (size_t end = 1; end < 4; end++) {
		size_t len = (size_t)(to - before);

		if (ends[end] == ends[end - 1]) {
			char *same = to;

			to = put_again(to, before, len);
			before = same;
			continue;
		}
		before = to;
		*to++ = '\t';
		to = text_value(to, ends[end], unit);
	}
	return to;
}

/* A row in room for ROW_MAX bytes; returns its end. */
static char *put_row(char *to, const struct table *t, const struct row_time *time,
		     const struct long_cell *cell)
{
	const struct mh_pooled *comm = mh_labels_comm(*t->labels, cell->owner.series);
	char *pid;
	size_t len;

	memcpy(to, time->text, TIME_MAX);
	pid = to += time->len;
	to = mh_decimal(to, cell->owner.pid);
	len = (size_t)(to - pid);
	if (cell->owner.nth > 1) {
		*to++ = '(';
		to = mh_decimal(to, cell->owner.nth);
		*to++ = ')';
	}
	*to++ = '\t';
	to = put_again(to, pid, len);
	*to++ = '\t';
	to = put_comm(to, comm->bytes, comm->len);
	to = put_values(to, &cell->candle, t->unit);
	*to++ = '\t';
	to = mh_decimal(to, cell->candle.samples);
	*to++ = '\n';
	return to;
}

static int write_rows(struct long_table *l, const struct long_order *order,
		      const struct row_time *time)
{
	struct table *t = l->table;
	struct mh_buf *out = &t->out->buf;
	int rc = 0;

	for (uint32_t i = 0; i < l->n_cells && !rc;) {
		uint32_t end = l->n_cells - i < ROWS_AT_ONCE ? l->n_cells : i + ROWS_AT_ONCE;
		char *from = mh_buf_reserve(out, (size_t)ROW_MAX * ROWS_AT_ONCE), *to = from;

		if (from) {
			for (; i < end; i++)
				to = put_row(to, t, time, &l->cell[order[i].cell]);
			out->len += (size_t)(to - from);
		}
		rc = outfile_pump(t->out, t->err);
	}
	return rc;
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

static struct row_time row_time(mh_ms_t start_ms, bool utc)
{
	struct mh_buf text = MH_BUF_INIT(TIME_MAX);
	struct row_time time = {{0}, 0};

	mh_time_format(&text, start_ms, utc);
	mh_buf_addc(&text, '\t');
	if (text.len)
		memcpy(time.text, text.data, text.len);
	time.len = text.len;
	mh_buf_done(&text);
	return time;
}

int long_window(void *arg, mh_ms_t start_ms)
{
	struct long_table *l = arg;
	const struct row_time time = row_time(start_ms, l->table->utc);
	int rc;

	if (!l->table->has_header)
		write_header(l->table);
	rc = write_rows(l, sort_cells(l), &time);
	for (uint32_t i = 0; i < l->n_cells; i++)
		l->cell_of[l->cell[i].owner.series] = 0;
	l->table->n_rows += l->n_cells;
	l->n_cells = 0;
	return rc;
}

void long_done(struct long_table *l)
{
	free(l->cell);
	free(l->order);
	free(l->cell_of);
	*l = (struct long_table){.table = l->table};
}
