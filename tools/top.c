/*
 * The biggest processes: a survey finds out which they are, and a second pass draws them. Both
 * forget processes that are gone; of these, a survey keeps the `max` highest, with their commands.
 *
 * A process that is missed for a while and seen again comes twice. Its row has the higher of both
 * highs; and if it had none by then, its first high was below those of `max` others, and still is.
 * Rows are in order of labels until all is known.
 */
#include "tools/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Series are forgotten when their window is complete. Whole windows of this length are taken from
 * candle columns. */
static const mh_ms_t WINDOW_MS = 3600000;

struct collector {
	struct top *top;
	struct pass *pass;
	uint64_t *high; /* by series: survey */
	uint32_t high_cap;
	struct top_row *lowest; /* of the rows so far */
};

static int compare_labels(const struct mh_label *x, const struct mh_label *y)
{
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->nth < y->nth ? -1 : x->nth > y->nth;
}

static int by_high(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;

	if (x->whole.high != y->whole.high)
		return x->whole.high > y->whole.high ? -1 : 1;
	return compare_labels(&x->label, &y->label);
}

/* --- the survey -------------------------------------------------------------------------- */

static int on_high(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct collector *c = arg;
	uint32_t cap = c->high_cap ? c->high_cap : 1024;

	if (!c->top->max)
		return 0;
	if (series >= c->high_cap) {
		uint64_t *high;

		while (cap <= series)
			cap *= 2;
		high = reallocarray(c->high, cap, sizeof(*high));
		if (!high)
			return -ENOMEM;
		memset(high + c->high_cap, 0, (cap - c->high_cap) * sizeof(*high));
		c->high = high;
		c->high_cap = cap;
	}
	if (candle->high > c->high[series])
		c->high[series] = candle->high;
	return 0;
}

/* The higher comes first; of equal ones, as labels do. */
static bool is_lower(const struct top_row *row, uint64_t high, const struct mh_label *label)
{
	return row->highest != high ? row->highest < high : compare_labels(&row->label, label) > 0;
}

static void find_lowest(struct collector *c)
{
	c->lowest = c->top->row;
	for (uint32_t i = 1; i < c->top->n_rows; i++) {
		struct top_row *row = &c->top->row[i];

		if (is_lower(row, c->lowest->highest, &c->lowest->label))
			c->lowest = row;
	}
}

/* Where the process' row is or would be: rows are in order of labels. */
static uint32_t place_of(const struct top *top, const struct mh_label *label)
{
	uint32_t from = 0, to = top->n_rows;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (compare_labels(&top->row[middle].label, label) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static struct top_row *insert_row(struct collector *c, const struct mh_label *label)
{
	struct top *top = c->top;
	uint32_t at;

	if (top->n_rows == top->max) {
		free(c->lowest->command);
		top->n_rows--;
		memmove(c->lowest, c->lowest + 1,
			(size_t)(top->row + top->n_rows - c->lowest) * sizeof(*top->row));
	}
	at = place_of(top, label);
	memmove(&top->row[at + 1], &top->row[at], (top->n_rows - at) * sizeof(*top->row));
	top->n_rows++;
	top->row[at] = (struct top_row){.label = *label};
	return &top->row[at];
}

static int set_command(struct top_row *row, const char *command, size_t len, bool has_cmdline)
{
	char *copy;

	/* one that lost its command line keeps the one it had */
	if (row->command && row->has_cmdline && !has_cmdline)
		return 0;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, command, len);
	free(row->command);
	row->command = copy;
	row->command_len = len;
	row->has_cmdline = has_cmdline;
	return 0;
}

static int offer(struct collector *c, uint32_t series, const struct mh_label *label,
		 const char *command, size_t len, bool has_cmdline)
{
	uint64_t high = series < c->high_cap ? c->high[series] : 0;
	struct top *top = c->top;
	struct top_row *row;
	uint32_t at;

	if (!top->max)
		return 0;
	at = place_of(top, label);
	if (at < top->n_rows && !compare_labels(&top->row[at].label, label))
		row = &top->row[at];
	else if (top->n_rows == top->max && !is_lower(c->lowest, high, label))
		return 0;
	else
		row = insert_row(c, label);
	if (row->highest < high)
		row->highest = high;
	find_lowest(c);
	return set_command(row, command, len, has_cmdline);
}

static int on_forgotten(void *arg, const struct mh_forgotten *f)
{
	struct collector *c = arg;
	const struct mh_label label = {f->pid, f->nth};
	int rc = offer(c, f->series, &label, f->command->bytes, f->command->len, f->has_cmdline);

	if (f->series < c->high_cap)
		c->high[f->series] = 0;
	mh_labels_put(c->pass->labels, f->command);
	return rc;
}

/* All that there were, where none was forgotten. */
static int offer_all(struct collector *c)
{
	const struct mh_labels *labels = c->pass->labels;
	uint32_t n = mh_labels_count(labels);
	int rc = 0;

	for (uint32_t i = 0; i < n && !rc; i++) {
		struct mh_series s;

		mh_labels_series(labels, i, &s);
		rc = offer(c, i, &(struct mh_label){s.pid, s.nth}, s.command, s.command_len, true);
	}
	return rc;
}

static void clear_rows(struct top *top)
{
	for (uint32_t i = 0; i < top->n_rows; i++)
		free(top->row[i].command);
	if (top->n_rows)
		memset(top->row, 0, top->n_rows * sizeof(*top->row));
	top->n_rows = 0;
}

int top_survey(struct top *top, struct pass *survey, struct mh_err *err)
{
	struct pass blank = *survey;
	struct collector c = {.top = top, .pass = survey};
	int rc;

	blank.interval_ms = WINDOW_MS;
	blank.candle = on_high;
	blank.arg = &c;
	top->row = calloc((size_t)top->max + 1, sizeof(*top->row));
	if (!top->row)
		return mh_err_sys(err, -ENOMEM, "cannot list the biggest processes");
	*survey = blank;
	survey->forgotten = on_forgotten;
	rc = pass_run(survey, err);
	if (rc == -EAGAIN) {
		/* pids go back in time: nothing can be forgotten (mh_labels_forget()) */
		pass_done(survey);
		clear_rows(top);
		if (c.high_cap)
			memset(c.high, 0, c.high_cap * sizeof(*c.high));
		*survey = blank;
		rc = pass_run(survey, err);
		if (!rc)
			rc = offer_all(&c);
	}
	if (rc == -ENOMEM)
		mh_err_sys(err, rc, "cannot read %s", survey->dir);
	free(c.high);
	return rc;
}

/* --- the second pass --------------------------------------------------------------------- */

static int bar_of(const struct top *top, mh_ms_t start_ms)
{
	mh_ms_t after_ms, bar;

	/* a history that grows leaves the span of its survey; a crafted one all bounds */
	if (__builtin_sub_overflow(start_ms, top->base_ms, &after_ms))
		return TOP_BARS - 1;
	bar = after_ms / top->bar_ms;
	return bar < 0 ? 0 : bar >= TOP_BARS ? TOP_BARS - 1 : (int)bar;
}

static int on_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct collector *c = arg;
	const struct mh_label label = mh_labels_label(c->pass->labels, series);
	uint32_t at = place_of(c->top, &label);
	struct top_row *row = &c->top->row[at];
	int bar;

	if (at == c->top->n_rows || compare_labels(&row->label, &label))
		return 0;
	bar = bar_of(c->top, candle->start_ms);
	candle_merge(&row->whole, candle);
	row->is_there[bar] = true;
	if (candle->high > row->high[bar])
		row->high[bar] = candle->high;
	return 0;
}

static int on_gone(void *arg, const struct mh_forgotten *f)
{
	struct collector *c = arg;

	mh_labels_put(c->pass->labels, f->command);
	return 0;
}

/* Where bars begin and how wide they are. One bar less than there is room for covers the span,
 * since the first window may begin before it. Returns the length of windows: a wide bar has
 * several, of whole seconds. */
static mh_ms_t lay_out_bars(struct top *top, const struct pass *survey, bool utc)
{
	mh_ms_t least_ms = span_length(&survey->span) / (TOP_BARS - 1), end_ms;
	mh_ms_t n_windows = least_ms / WINDOW_MS + 1, unit_ms = n_windows * 1000;

	top->bar_ms = (least_ms / unit_ms + 1) * unit_ms;
	mh_window(survey->span.earliest_ms, top->bar_ms, utc, &top->base_ms, &end_ms);
	return top->bar_ms / n_windows;
}

static void clear_bars(struct top *top)
{
	for (uint32_t i = 0; i < top->n_rows; i++) {
		struct top_row *row = &top->row[i];

		row->whole = (struct mh_candle){0};
		memset(row->high, 0, sizeof(row->high));
		memset(row->is_there, 0, sizeof(row->is_there));
	}
}

int top_draw(struct top *top, struct pass *pass, const struct pass *survey, struct mh_err *err)
{
	struct pass blank = *pass;
	struct collector c = {.top = top, .pass = pass};
	int rc;

	blank.interval_ms = lay_out_bars(top, survey, pass->utc);
	blank.max_snapshots = survey->n_snapshots;
	blank.candle = on_candle;
	blank.arg = &c;
	*pass = blank;
	pass->forgotten = on_gone;
	rc = pass_run(pass, err);
	if (rc == -EAGAIN) {
		pass_done(pass);
		clear_bars(top);
		*pass = blank;
		rc = pass_run(pass, err);
	}
	if (!rc && top->n_rows)
		qsort(top->row, top->n_rows, sizeof(*top->row), by_high);
	return rc;
}

void top_done(struct top *top)
{
	clear_rows(top);
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
