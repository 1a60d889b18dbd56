/* Runs of short windows to runs of long ones, in the order in which they come. */
#include "libmemhist/history/columns/candle_compose.h"

#include <errno.h>
#include <stdlib.h>

void mh_compose_done(struct mh_compose *c)
{
	free(c->to);
	*c = (struct mh_compose){0};
}

int mh_compose_plan(struct mh_compose *c, const struct mh_part_windows *stored,
		    const struct mh_part_windows *wanted, bool lags)
{
	if (lags && stored->n != wanted->n)
		return 0;
	if (stored->n > c->cap) {
		uint32_t *bigger = reallocarray(c->to, stored->n, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		c->to = bigger;
		c->cap = stored->n;
	}
	for (uint32_t i = 0; i < stored->n; i++) {
		c->to[i] = wanted->of[stored->item[i].from];
		if (c->to[i] != wanted->of[stored->item[i].to - 1])
			return 0; /* it lies in two of them */
	}
	return 1;
}

static void widen(struct mh_part_run *to, const struct mh_part_run *r)
{
	to->close = r->close;
	if (r->high > to->high)
		to->high = r->high;
	if (r->low < to->low)
		to->low = r->low;
}

/* The last run made, when it reaches into this window of the series; alone there, or NULL. */
static struct mh_part_run *last_in(struct mh_part_candles *made, uint32_t series, uint32_t window)
{
	struct mh_part_run *end = made->n_runs ? &made->run[made->n_runs - 1] : NULL, single;

	if (!end || end->series != series || end->window + end->n - 1 != window)
		return NULL;
	if (end->n == 1)
		return end;
	single = *end;
	single.window = window;
	single.n = 1;
	end->n--;
	mh_part_candles_add(made, &single);
	return made->error ? NULL : &made->run[made->n_runs - 1];
}

static void add_run(const struct mh_compose *c, struct mh_part_candles *made, struct mh_part_run r)
{
	uint32_t last = c->to[r.window + r.n - 1];
	struct mh_part_run *end = last_in(made, r.series, c->to[r.window]);

	r.window = c->to[r.window];
	if (end) {
		widen(end, &r);
		if (r.window++ == last)
			return;
	}
	r.n = last - r.window + 1;
	mh_part_candles_add(made, &r);
}

int mh_compose_runs(const struct mh_compose *c, struct mh_part_candles *made,
		    struct mh_part_candles *stored)
{
	uint32_t edge = 0;

	for (uint32_t i = 0; i < stored->n_runs; i++) {
		for (; edge < stored->n_edges && stored->edge[edge].run == i; edge++) {
			struct mh_part_edge composed = stored->edge[edge];

			composed.run = made->n_runs;
			mh_part_candles_add_edge(made, &composed);
		}
		add_run(c, made, stored->run[i]);
	}
	mh_part_candles_clear(stored);
	return made->error;
}
