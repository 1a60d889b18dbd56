/* Windows of a part: one pass over its times. */
#include "libmemhist/history/columns/part_windows.h"

#include <errno.h>
#include <stdlib.h>

void mh_part_windows_done(struct mh_part_windows *w)
{
	free(w->item);
	free(w->of);
	free(w->last_gap);
	free(w->place);
	*w = (struct mh_part_windows){0};
}

static bool resize(void **array, size_t n, size_t size)
{
	void *bigger = reallocarray(*array, n, size);

	if (!bigger)
		return false;
	*array = bigger;
	return true;
}

static int reserve(struct mh_part_windows *w, uint32_t n)
{
	if (n <= w->cap)
		return 0;
	if (!resize((void **)&w->item, n, sizeof(*w->item)) ||
	    !resize((void **)&w->of, n, sizeof(*w->of)) ||
	    !resize((void **)&w->last_gap, n, sizeof(*w->last_gap)) ||
	    !resize((void **)&w->place, n, sizeof(*w->place)))
		return -ENOMEM;
	w->cap = n;
	return 0;
}

/* Gaps before snapshots that are passed over add up as the decoder's do: the first kind stays. */
static void add_gap(struct mh_gap *sum, const struct mh_gap *gap)
{
	if (sum->kind == MH_GAP_NONE)
		sum->since_wall_ms = gap->since_wall_ms;
	if (gap->kind != MH_GAP_NONE && (sum->kind == MH_GAP_NONE || gap->kind == MH_GAP_DAMAGE))
		sum->kind = gap->kind;
}

static void take(struct mh_part_windows *w, mh_ms_t wall_ms, const struct mh_gap *gap,
		 const struct mh_part_wish *wish)
{
	struct mh_part_window *window = w->n ? &w->item[w->n - 1] : NULL;
	uint32_t i = w->n_snapshots++;

	if (!window || wall_ms < window->start_ms || wall_ms >= window->end_ms) {
		window = &w->item[w->n++];
		mh_window(wall_ms, wish->interval_ms, wish->utc, &window->start_ms,
			  &window->end_ms);
		window->from = i;
	}
	window->to = i + 1;
	w->of[i] = w->n - 1;
	if (!i) {
		w->gap = *gap;
		w->last_gap[0] = 0;
	} else {
		w->last_gap[i] = mh_gap_goes_on(gap->kind) ? w->last_gap[i - 1] : i;
	}
}

int mh_part_windows_fill(struct mh_part_windows *w, const struct mh_part *p,
			 const struct mh_part_wish *wish)
{
	struct mh_gap gap = {0};

	if (reserve(w, p->snapshots.n + 1))
		return -ENOMEM;
	w->n = w->n_snapshots = 0;
	for (uint32_t i = 0; i < p->snapshots.n; i++) {
		const struct mh_part_snapshot *s = &p->snapshots.item[i];

		w->place[i] = w->n_snapshots;
		if (i < wish->n_known)
			continue;
		add_gap(&gap, &s->gap);
		if (s->at.wall_ms < wish->since_ms || s->at.wall_ms >= wish->until_ms ||
		    (wish->max_snapshots && w->n_snapshots >= wish->max_snapshots))
			continue;
		take(w, s->at.wall_ms, &gap, wish);
		gap = (struct mh_gap){0};
	}
	w->place[p->snapshots.n] = w->n_snapshots;
	w->rest = gap;
	w->is_whole = w->n_snapshots == p->snapshots.n;
	return 0;
}
