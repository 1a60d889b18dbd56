/* Parts in memory: lists that grow, and the two orders of events. */
#include "libmemhist/history/columns/part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 256 };

void mh_part_done(struct mh_part *p)
{
	mh_strset_done(&p->strings);
	free(p->snapshots.item);
	free(p->series.item);
	free(p->versions.item);
	free(p->events.item);
	free(p->sorted);
	free(p->meminfo_events.item);
	free(p->brief.item);
	free(p->ended.item);
	*p = (struct mh_part){0};
}

void mh_part_clear(struct mh_part *p)
{
	mh_strset_clear(&p->strings);
	p->snapshots.n = p->series.n = p->versions.n = p->events.n = p->meminfo_events.n = 0;
	p->brief.n = p->ended.n = 0;
	p->error = 0;
}

bool mh_part_grow(struct mh_part *p, void **item, uint32_t n, uint32_t *cap, size_t size,
		  uint32_t max)
{
	uint32_t bigger = *cap ? *cap * 2 : FIRST_CAP;
	void *items;

	if (p->error)
		return false;
	if (n < *cap)
		return true;
	if (n >= max) {
		p->error = -EOVERFLOW;
		return false;
	}
	items = reallocarray(*item, bigger, size);
	if (!items) {
		p->error = -ENOMEM;
		return false;
	}
	*item = items;
	*cap = bigger;
	return true;
}

bool mh_part_room_for_series(struct mh_part *p, uint32_t n)
{
	uint32_t cap = p->series.n + n;

	if (cap <= p->series.cap)
		return !p->error;
	/* the doubling of mh_part_grow(), up to where there is room for all */
	while (p->series.cap < cap &&
	       mh_part_grow(p, (void **)&p->series.item, p->series.cap, &p->series.cap,
			    sizeof(*p->series.item), MH_PART_SERIES_MAX))
		;
	return !p->error;
}

/* Room for the events in another order. */
static int reserve_sorted(struct mh_part *p)
{
	struct mh_part_event *bigger;

	if (p->sorted_cap >= p->events.cap)
		return 0;
	bigger = reallocarray(p->sorted, p->events.cap, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	p->sorted = bigger;
	p->sorted_cap = p->events.cap;
	return 0;
}

/*
 * Counting sort, stable, by a key below n_keys. `place` has n_keys + 1 entries.
 */
#define COUNTING_SORT(p, place, n_keys, KEY)                            \
	do {                                                            \
		const struct mh_part_event *from = (p)->events.item;    \
		uint32_t n = (p)->events.n;                             \
                                                                        \
		for (uint32_t i = 0; i < n; i++)                        \
			(place)[KEY(from[i]) + 1]++;                    \
		for (size_t k = 0; k < (n_keys); k++)                   \
			(place)[k + 1] += (place)[k];                   \
		for (uint32_t i = 0; i < n; i++)                        \
			(p)->sorted[(place)[KEY(from[i])]++] = from[i]; \
	} while (0)

static void swap_sorted(struct mh_part *p)
{
	struct mh_part_event *item = p->events.item;
	uint32_t cap = p->events.cap;

	p->events.item = p->sorted;
	p->events.cap = p->sorted_cap;
	p->sorted = item;
	p->sorted_cap = cap;
}

static int sort_events_by_series(struct mh_part *p)
{
	size_t n_keys = (size_t)MH_FIELD_COUNT * p->series.n;
	uint32_t *place = calloc(n_keys + 1, sizeof(*place));

	if (!place || reserve_sorted(p)) {
		free(place);
		return -ENOMEM;
	}
#define BY_SERIES(e) ((size_t)(e).field * p->series.n + (e).series)
	COUNTING_SORT(p, place, n_keys, BY_SERIES);
	free(place);
	swap_sorted(p);
	return 0;
}

static int by_identity(const void *a, const void *b, void *series)
{
	const struct mh_part_series *x = (struct mh_part_series *)series + *(const uint32_t *)a;
	const struct mh_part_series *y = (struct mh_part_series *)series + *(const uint32_t *)b;

	if (x->id.pid != y->id.pid)
		return x->id.pid < y->id.pid ? -1 : 1;
	if (x->id.start_ticks != y->id.start_ticks)
		return x->id.start_ticks < y->id.start_ticks ? -1 : 1;
	if (x->id.twin != y->id.twin)
		return x->id.twin < y->id.twin ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Give the series the numbers of the order of identities, and put them in it. */
static int renumber(struct mh_part *p)
{
	uint32_t n = p->series.n;
	uint32_t *order = calloc((size_t)n * 2 + 1, sizeof(*order)), *number = order + n;
	struct mh_part_series *sorted = calloc((size_t)n + 1, sizeof(*sorted));

	if (!order || !sorted) {
		free(order);
		free(sorted);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), by_identity, p->series.item);
	for (uint32_t i = 0; i < n; i++) {
		sorted[i] = p->series.item[order[i]];
		number[order[i]] = i;
	}
	memcpy(p->series.item, sorted, n * sizeof(*sorted));
	for (uint32_t i = 0; i < p->versions.n; i++)
		p->versions.item[i].series = number[p->versions.item[i].series];
	for (uint32_t i = 0; i < p->events.n; i++)
		p->events.item[i].series = number[p->events.item[i].series];
	free(order);
	free(sorted);
	return 0;
}

static int version_by_series(const void *a, const void *b)
{
	const struct mh_part_version *x = a, *y = b;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int version_by_time(const void *a, const void *b)
{
	const struct mh_part_version *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->series < y->series ? -1 : x->series > y->series;
}

int mh_part_sort_by_series(struct mh_part *p)
{
	if (!p->series.n)
		return 0;
	if (renumber(p))
		return -ENOMEM;
	if (p->versions.n)
		qsort(p->versions.item, p->versions.n, sizeof(*p->versions.item),
		      version_by_series);
	return sort_events_by_series(p);
}

static int meminfo_by_time(const void *a, const void *b)
{
	const struct mh_part_event *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->series < y->series ? -1 : x->series > y->series;
}

int mh_part_sort_by_time(struct mh_part *p)
{
	size_t n_keys = (size_t)p->snapshots.n + 1;
	uint32_t *place = calloc(n_keys + 1, sizeof(*place));

	if (!place || reserve_sorted(p)) {
		free(place);
		return -ENOMEM;
	}
	if (p->meminfo_events.n)
		qsort(p->meminfo_events.item, p->meminfo_events.n, sizeof(*p->meminfo_events.item),
		      meminfo_by_time);
	if (p->versions.n)
		qsort(p->versions.item, p->versions.n, sizeof(*p->versions.item), version_by_time);
#define BY_TIME(e) ((size_t)(e).at)
	COUNTING_SORT(p, place, n_keys, BY_TIME);
	free(place);
	swap_sorted(p);
	return 0;
}
