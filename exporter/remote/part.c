/* Samples of a batch sorted by time, and some of them as a batch of their own. */
#include "exporter/remote/part.h"

#include <errno.h>
#include <stdlib.h>

struct unit {
	mh_ms_t ms;
	uint32_t series, sample; /* of the batch */
};

struct remote_part {
	uint32_t max_samples;
	const struct remote_batch *batch;
	struct unit *unit;         /* batch->n_samples of them once they are sorted */
	bool is_sorted;            /* those of this batch */
	struct remote_batch *some; /* a part */
};

int remote_part_new(struct remote_part **ret, uint32_t max_samples)
{
	struct remote_part *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->max_samples = max_samples;
	*ret = p;
	return 0;
}

void remote_part_free(struct remote_part *p)
{
	if (!p)
		return;
	remote_batch_free(p->some);
	free(p->unit);
	free(p);
}

void remote_part_begin(struct remote_part *p, const struct remote_batch *batch)
{
	if (p->some)
		remote_batch_clear(p->some);
	p->batch = batch;
	p->is_sorted = false;
}

static int compare(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	if (x->ms != y->ms)
		return x->ms < y->ms ? -1 : 1;
	return x->series < y->series ? -1 : x->series > y->series;
}

static int sort(struct remote_part *p)
{
	const struct remote_batch *b = p->batch;
	size_t n = 0;

	if (!p->unit)
		p->unit = calloc(p->max_samples, sizeof(*p->unit));
	if (!p->unit)
		return -ENOMEM;
	for (uint32_t s = 0; s < b->n_series; s++)
		for (uint32_t i = b->series[s].first; i != REMOTE_END; i = b->sample[i].next)
			p->unit[n++] = (struct unit){b->sample[i].ms, s, i};
	qsort(p->unit, n, sizeof(*p->unit), compare);
	p->is_sorted = true;
	return 0;
}

int remote_part_take(struct remote_part *p, size_t from, size_t to, const struct remote_batch **ret)
{
	const struct remote_batch *b = p->batch;
	int rc = 0;

	if (from == 0 && to == b->n_samples) {
		*ret = b;
		return 0;
	}
	if (!p->is_sorted)
		rc = sort(p);
	if (!rc && !p->some)
		rc = remote_batch_new(&p->some, b->pool, p->max_samples);
	if (rc)
		return rc;
	remote_batch_clear(p->some);
	for (size_t i = from; i < to && !rc; i++)
		rc = remote_batch_add(p->some, b->series[p->unit[i].series].series,
				      b->sample[p->unit[i].sample].value, p->unit[i].ms);
	if (!rc)
		*ret = p->some;
	return rc;
}
