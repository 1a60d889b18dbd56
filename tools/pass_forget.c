/* Series that are gone. One that waits may come again, and is not forgotten then. */
#include "tools/pass_forget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void forgetting_done(struct forgetting *f)
{
	free(f->seen);
	free(f->shown.item);
	free(f->waiting.item);
	*f = (struct forgetting){0};
}

static int add_series(struct series_list *list, uint32_t series)
{
	if (list->n == list->cap) {
		uint32_t cap = list->cap ? list->cap * 2 : 1024;
		uint32_t *item = reallocarray(list->item, cap, sizeof(*item));

		if (!item)
			return -ENOMEM;
		list->item = item;
		list->cap = cap;
	}
	list->item[list->n++] = series;
	return 0;
}

static int reserve_seen(struct forgetting *f, uint32_t series)
{
	uint32_t cap = f->seen_cap ? f->seen_cap : 1024, *seen;

	if (series < f->seen_cap)
		return 0;
	while (cap <= series)
		cap *= 2;
	seen = reallocarray(f->seen, cap, sizeof(*seen));
	if (!seen)
		return -ENOMEM;
	memset(seen + f->seen_cap, 0, (cap - f->seen_cap) * sizeof(*seen));
	f->seen = seen;
	f->seen_cap = cap;
	return 0;
}

void forgetting_begin_part(struct forgetting *f)
{
	f->n_parts++;
	f->n_before = f->shown.n;
}

int forgetting_show(struct forgetting *f, const struct pass *p, uint32_t series)
{
	if (!p->forgotten)
		return 0;
	if (reserve_seen(f, series))
		return -ENOMEM;
	if (f->seen[series] == f->n_parts)
		return 0;
	f->seen[series] = f->n_parts;
	return add_series(&f->shown, series);
}

int forgetting_end_part(struct forgetting *f)
{
	struct series_list *shown = &f->shown;
	int rc = 0;

	for (uint32_t i = 0; i < f->n_before && !rc; i++)
		if (f->seen[shown->item[i]] != f->n_parts)
			rc = add_series(&f->waiting, shown->item[i]);
	shown->n -= f->n_before;
	if (f->n_before && shown->n)
		memmove(shown->item, shown->item + f->n_before, shown->n * sizeof(*shown->item));
	return rc;
}

static int forget(struct forgetting *f, struct pass *p, uint32_t series)
{
	struct mh_forgotten label;

	f->seen[series] = 0;
	mh_labels_forget(p->labels, series, &label);
	return p->forgotten(p->arg, &label);
}

int forgetting_waiting(struct forgetting *f, struct pass *p)
{
	int rc = 0;

	for (uint32_t i = 0; i < f->waiting.n && !rc; i++) {
		uint32_t series = f->waiting.item[i];

		if (f->seen[series] && f->seen[series] != f->n_parts)
			rc = forget(f, p, series);
	}
	f->waiting.n = 0;
	return rc;
}

int forgetting_all(struct forgetting *f, struct pass *p)
{
	int rc = forgetting_waiting(f, p);

	for (uint32_t i = 0; i < f->shown.n && !rc; i++)
		rc = forget(f, p, f->shown.item[i]);
	f->shown.n = 0;
	return rc;
}
