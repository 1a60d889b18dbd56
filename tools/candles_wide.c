/*
 * The wide table: a row per window, four columns per label, empty where there is no value. Every
 * window with a snapshot has its row, also when nobody shown was alive in it.
 */
#include "tools/candles.h"

#include <errno.h>
#include <stdlib.h>

static void write_header(struct table *t)
{
	struct mh_buf *out = &t->out->buf;
	const struct words *w = t->words;
	const char *const ends[] = {w->open, w->high, w->low, w->close};

	mh_buf_adds(out, w->time);
	for (uint32_t i = 0; i < t->selection->n_shown; i++) {
		const struct shown *s = &t->selection->shown[i];
		const struct mh_series series = {.pid = s->pid, .nth = s->nth};

		for (size_t end = 0; end < 4; end++) {
			mh_buf_addc(out, '\t');
			mh_label_write(out, &series);
			mh_buf_addc(out, '_');
			mh_buf_adds(out, ends[end]);
		}
	}
	mh_buf_addc(out, '\n');
	t->has_header = true;
}

static void write_cell(const struct table *t, const struct mh_candle *c)
{
	const uint64_t ends[] = {c->open, c->high, c->low, c->close};

	for (size_t end = 0; end < 4; end++) {
		char *to = mh_buf_reserve(&t->out->buf, 1 + TEXT_NUMBER_MAX), *from = to;

		if (!to)
			return;
		*to++ = '\t';
		if (!candle_is_none(c))
			to = text_value(to, ends[end], t->unit);
		t->out->buf.len += (size_t)(to - from);
	}
}

/* The cells come with the first candle or window. */
static int have_cells(struct wide_table *w)
{
	if (w->cell)
		return 0;
	/* one more than needed, since calloc(0) may be NULL */
	w->cell = calloc((size_t)w->table->selection->n_shown + 1, sizeof(*w->cell));
	if (!w->cell)
		return mh_err_sys(w->table->err, -ENOMEM, "cannot write %s", w->table->out->name);
	return 0;
}

int wide_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct wide_table *w = arg;
	const struct selection *selection = w->table->selection;
	int rc = have_cells(w);

	/* a series that came after the survey has no column */
	if (!rc && series < selection->n_series && selection->place[series] != NOT_SHOWN)
		candle_merge(&w->cell[selection->place[series]], candle);
	return rc;
}

int wide_window(void *arg, mh_ms_t start_ms)
{
	struct wide_table *w = arg;
	struct table *t = w->table;
	int rc = have_cells(w);

	if (rc)
		return rc;
	if (!t->has_header)
		write_header(t);
	mh_time_format(&t->out->buf, start_ms, t->utc);
	for (uint32_t i = 0; i < t->selection->n_shown; i++) {
		write_cell(t, &w->cell[i]);
		w->cell[i] = (struct mh_candle){0};
	}
	mh_buf_addc(&t->out->buf, '\n');
	t->n_rows++;
	return outfile_pump(t->out, t->err);
}

void wide_done(struct wide_table *w)
{
	free(w->cell);
	w->cell = NULL;
}
