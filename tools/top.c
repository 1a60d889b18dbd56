/* The biggest processes: a pass with candles as wide as a bar of the sparkline. */
#include "tools/top.h"

#include <errno.h>
#include <stdlib.h>

struct collector {
	struct top top;
	const struct selection *selection;
};

static int bar_of(const struct collector *c, mh_ms_t start_ms)
{
	mh_ms_t after_ms, bar;

	/* a history that grows leaves the span of its survey; a crafted one all bounds */
	if (__builtin_sub_overflow(start_ms, c->top.base_ms, &after_ms))
		return TOP_BARS - 1;
	bar = after_ms / c->top.bar_ms;
	return bar < 0 ? 0 : bar >= TOP_BARS ? TOP_BARS - 1 : (int)bar;
}

static int on_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct collector *c = arg;
	struct top_row *row;
	int bar;

	if (series >= c->selection->n_series || c->selection->place[series] == NOT_SHOWN)
		return 0;
	row = &c->top.row[c->selection->place[series]];
	bar = bar_of(c, candle->start_ms);
	candle_merge(&row->whole, candle);
	row->is_there[bar] = true;
	if (candle->high > row->high[bar])
		row->high[bar] = candle->high;
	return 0;
}

static int by_high(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	if (x->whole.high != y->whole.high)
		return x->whole.high > y->whole.high ? -1 : 1;
	return x->series < y->series ? -1 : x->series > y->series;
}

/* Where bars begin and how wide they are. One less than there is room for covers the span, since
 * the first window may begin before it. */
static void lay_out_bars(struct top *top, const struct pass *survey, bool utc)
{
	mh_ms_t end_ms;

	top->bar_ms = (span_length(&survey->span) / (TOP_BARS - 1) / 1000 + 1) * 1000;
	mh_window(survey->span.earliest_ms, top->bar_ms, utc, &top->base_ms, &end_ms);
}

int top_collect(struct top *ret, const struct selection *selection, struct pass *pass,
		const struct pass *survey, struct mh_err *err)
{
	struct collector c = {.selection = selection};
	int rc;

	lay_out_bars(&c.top, survey, pass->utc);
	c.top.n_rows = selection->n_shown;
	c.top.row = calloc((size_t)c.top.n_rows + 1, sizeof(*c.top.row));
	if (!c.top.row)
		return mh_err_sys(err, -ENOMEM, "cannot list the biggest processes");
	for (uint32_t i = 0; i < c.top.n_rows; i++)
		c.top.row[i].series = selection->shown[i].series;
	pass->interval_ms = c.top.bar_ms;
	pass->max_snapshots = survey->n_snapshots;
	pass->candle = on_candle;
	pass->arg = &c;
	rc = pass_run(pass, err);
	if (rc) {
		top_done(&c.top);
		return rc;
	}
	qsort(c.top.row, c.top.n_rows, sizeof(*c.top.row), by_high);
	*ret = c.top;
	return 0;
}

void top_done(struct top *top)
{
	free(top->row);
	*top = (struct top){0};
}

void top_sparkline(struct mh_buf *out, const struct top_row *row)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

	for (int i = 0; i < TOP_BARS; i++) {
		double part = row->whole.high ? (double)row->high[i] / (double)row->whole.high : 0;

		mh_buf_adds(out, row->is_there[i] ? blocks[(int)(part * 7.999)] : " ");
	}
}
