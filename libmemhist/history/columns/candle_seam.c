/*
 * The seam. Edges come in the order of the part's series, which is that of identities, so the
 * processes of both parts are matched side by side.
 */
#include "libmemhist/history/columns/candle_seam.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void mh_seam_done(struct mh_seam *s)
{
	free(s->process);
	free(s->next);
	*s = (struct mh_seam){0};
}

void mh_seam_cut(struct mh_seam *s)
{
	s->n = 0;
	s->is_there = false;
}

static int compare(const struct mh_identity *a, const struct mh_identity *b)
{
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	if (a->start_ticks != b->start_ticks)
		return a->start_ticks < b->start_ticks ? -1 : 1;
	return a->twin < b->twin ? -1 : a->twin > b->twin;
}

static int by_identity(const void *a, const void *b)
{
	const struct mh_seam_process *x = a, *y = b;

	return compare(&x->id, &y->id);
}

/* The first snapshot whose changes make a mark that lags count in a window that begins at `from`.
 */
static uint64_t counts_since(const struct mh_seam *s, uint64_t from)
{
	return from && from - 1 > s->last_gap ? from - 1 : s->last_gap;
}

const struct mh_seam_process *mh_seam_end(const struct mh_seam *s, const struct mh_seam_join *join,
					  const struct mh_identity *id, uint64_t mark)
{
	const struct mh_seam_process key = {.id = *id}, *found;

	if (!join->goes_on || !s->n || !mark)
		return NULL;
	found = bsearch(&key, s->process, s->n, sizeof(key), by_identity);
	if (!found || mark == found->mark ||
	    (join->lags && found->changed < counts_since(s, s->window_from)))
		return NULL;
	return found;
}

/* Raise the high of a series in one window, from its first run on. */
static void raise(struct mh_part_candles *c, uint32_t run, uint32_t window, uint64_t high)
{
	struct mh_part_run *r = &c->run[run], single;

	while (r->window + r->n <= window)
		r++;
	if (high <= r->high)
		return;
	if (r->n == 1) {
		r->high = high;
		return;
	}
	/* windows of the run before this one, and behind it, go apart */
	single = *r;
	single.window = window;
	single.n = 1;
	single.high = high;
	if (r->window < window) {
		struct mh_part_run before = *r;

		before.n = window - r->window;
		r->n -= before.n;
		r->window = window;
		mh_part_candles_add(c, &before);
		r = &c->run[run];
		while (r->window != window)
			r++;
	}
	r->window++;
	r->n--;
	mh_part_candles_add(c, &single);
}

static uint64_t window_from(const struct mh_seam *s, const struct mh_seam_join *join,
			    const struct mh_part_windows *w, uint32_t window)
{
	return !window && join->continues ? s->window_from : s->n_snapshots + w->item[window].from;
}

/*
 * A series that the first snapshot shows. `before`: as which the part before knew it, or NULL: it
 * is new. Returns when it changed last.
 */
static uint64_t begin(const struct mh_seam *s, const struct mh_seam_join *join,
		      const struct mh_part_windows *w, const struct mh_part_edge *edge, uint32_t to,
		      const struct mh_seam_process *before, struct mh_part_candles *c)
{
	uint64_t changed = before ? before->changed : s->n_snapshots, high = 0;
	uint64_t since = counts_since(s, window_from(s, join, w, 0));
	uint32_t late = mh_part_late_window(w, to);
	bool late_counts;

	if (join->goes_on && edge->entry != (before ? before->mark : 0) &&
	    (!join->lags || changed >= since))
		high = edge->entry;
	if (join->lags && before && edge->entry_print != before->print)
		changed = s->n_snapshots;
	late_counts = changed >= counts_since(s, window_from(s, join, w, late));
	if (!late && late_counts && edge->late > high)
		high = edge->late;
	if (high)
		raise(c, edge->run, 0, high);
	if (late && late_counts && edge->late)
		raise(c, edge->run, late, edge->late);
	return changed;
}

static int reserve(struct mh_seam *s, uint32_t n)
{
	struct mh_seam_process *bigger;

	if (n <= s->next_cap)
		return 0;
	bigger = reallocarray(s->next, n, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	s->next = bigger;
	s->next_cap = n;
	return 0;
}

static void swap(struct mh_seam *s, uint32_t n)
{
	struct mh_seam_process *process = s->process;
	uint32_t cap = s->cap;

	s->process = s->next;
	s->cap = s->next_cap;
	s->n = n;
	s->next = process;
	s->next_cap = cap;
}

int mh_seam_join(struct mh_seam *s, const struct mh_seam_join *join, const struct mh_part *p,
		 const struct mh_part_windows *w, struct mh_part_candles *candles)
{
	uint32_t at = 0, n = 0, last = w->n_snapshots - 1;

	if (reserve(s, candles->n_edges))
		return -ENOMEM;
	if (!join->goes_on)
		s->last_gap = s->n_snapshots;
	for (uint32_t i = 0; i < candles->n_edges; i++) {
		const struct mh_part_edge edge = candles->edge[i];
		const struct mh_part_series *series = &p->series.item[edge.series];
		uint64_t changed = s->n_snapshots + edge.changed;
		uint32_t from, to;

		mh_part_life(w, series, &from, &to);
		if (!from) {
			const struct mh_seam_process *before = NULL;
			uint64_t before_part;

			while (at < s->n && compare(&s->process[at].id, &series->id) < 0)
				at++;
			if (at < s->n && !compare(&s->process[at].id, &series->id))
				before = &s->process[at];
			before_part = begin(s, join, w, &edge, to, before, candles);
			if (!edge.changed)
				changed = before_part;
		}
		if (to > last)
			s->next[n++] = (struct mh_seam_process){
				.id = series->id,
				.series = edge.series,
				.print = edge.exit_print,
				.mark = edge.exit,
				.close = edge.close,
				.changed = changed,
			};
	}
	if (candles->error)
		return candles->error;
	swap(s, n);
	s->window_from = window_from(s, join, w, w->n - 1);
	if (w->last_gap[last])
		s->last_gap = s->n_snapshots + w->last_gap[last];
	s->n_snapshots += w->n_snapshots;
	s->is_there = true;
	s->boot_id = p->head.boot_id;
	return 0;
}
