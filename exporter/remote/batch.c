/*
 * Series and batches. Invariants: each string of a series and of a family is a reference to one of
 * the pool; a series that is in a batch is referenced by it once, and knows its place there while
 * `batch` is that batch's number. A batch gets another number each time it is cleared.
 */
#include "exporter/remote/batch.h"

#include "exporter/remote/encode.h"
#include "exporter/remote/wire.h"
#include "libmemhist/base/escape.h"
#include "libmemhist/base/strset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STALE_BITS  UINT64_C(0x7ff0000000000002)
#define NAN_BITS    UINT64_C(0x7ff8000000000001)
#define METRIC_NAME "__name__"

void remote_pool_done(struct remote_pool *pool)
{
	mh_strpool_done(&pool->strings);
	mh_index_done(&pool->index);
	free(pool->series);
	*pool = (struct remote_pool){.batches = pool->batches};
}

static const struct mh_pooled *get_text(struct remote_pool *pool, const char *text)
{
	return mh_strpool_get(&pool->strings, text, strlen(text));
}

struct remote_family *remote_family_new(struct remote_pool *pool, const char *name,
					enum metric_type type, const char *help)
{
	struct remote_family *family = calloc(1, sizeof(*family));
	const char *unit = families_unit(name, type);

	if (!family)
		return NULL;
	family->references = 1;
	family->type = type;
	family->name = get_text(pool, name);
	family->help = get_text(pool, help);
	family->unit = get_text(pool, unit ? unit : "");
	if (family->name && family->help && family->unit)
		return family;
	remote_family_put(pool, family);
	return NULL;
}

void remote_family_put(struct remote_pool *pool, struct remote_family *family)
{
	if (!family || --family->references)
		return;
	mh_strpool_put(&pool->strings, family->name);
	mh_strpool_put(&pool->strings, family->help);
	mh_strpool_put(&pool->strings, family->unit);
	free(family);
}

static bool is_label_name(const char *name)
{
	const char *p = name;

	for (; *p; p++)
		if (!(*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (p > name && *p >= '0' && *p <= '9')))
			return false;
	return p > name;
}

/* The labels that count, as pairs of pooled strings; returns how many, or -errno. */
static int take_labels(struct remote_pool *pool, const struct label *label, size_t n,
		       const struct mh_pooled **ret)
{
	struct mh_buf value = MH_BUF_INIT(REMOTE_VALUE_MAX * 3);
	int taken = 0, rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		const struct mh_pooled *name, **pair = ret + 2 * taken;
		bool is_known = false;

		if (!is_label_name(label[i].name))
			rc = -EINVAL;
		name = rc ? NULL : get_text(pool, label[i].name);
		for (int k = 0; name && k < taken; k++)
			is_known |= ret[2 * k] == name;
		mh_buf_clear(&value);
		mh_escape_utf8(&value, label[i].value, strnlen(label[i].value, REMOTE_VALUE_MAX));
		if (rc || is_known || !value.len) {
			mh_strpool_put(&pool->strings, name);
			rc = value.error ? value.error : rc;
			continue;
		}
		pair[0] = name;
		pair[1] = mh_strpool_get(&pool->strings, value.data, value.len);
		if (pair[0] && pair[1] && taken < REMOTE_LABELS_MAX) {
			taken++;
			continue;
		}
		rc = pair[0] && pair[1] ? -EINVAL : -ENOMEM;
		mh_strpool_put(&pool->strings, pair[0]);
		mh_strpool_put(&pool->strings, pair[1]);
	}
	mh_buf_done(&value);
	if (!rc)
		return taken;
	while (taken--) {
		mh_strpool_put(&pool->strings, ret[2 * taken]);
		mh_strpool_put(&pool->strings, ret[2 * taken + 1]);
	}
	return rc;
}

static int by_name(const void *a, const void *b)
{
	const struct mh_pooled *const *x = a, *const *y = b;

	return strcmp((*x)->bytes, (*y)->bytes);
}

static bool spell_v1(struct remote_series *s)
{
	size_t size = 0;
	char *p;

	for (uint32_t i = 0; i < s->n_labels; i++)
		size += wire_field_size(wire_field_size(s->label[2 * i]->len) +
					wire_field_size(s->label[2 * i + 1]->len));
	p = s->v1 = malloc(size);
	if (!p)
		return false;
	s->v1_len = (uint32_t)size;
	for (uint32_t i = 0; i < s->n_labels; i++) {
		const struct mh_pooled *name = s->label[2 * i], *value = s->label[2 * i + 1];

		*p++ = WIRE_TAG(1, WIRE_BYTES);
		p = wire_put_varint(p, wire_field_size(name->len) + wire_field_size(value->len));
		*p++ = WIRE_TAG(1, WIRE_BYTES);
		p = wire_put_varint(p, name->len);
		p = wire_put_bytes(p, name->bytes, name->len);
		*p++ = WIRE_TAG(2, WIRE_BYTES);
		p = wire_put_varint(p, value->len);
		p = wire_put_bytes(p, value->bytes, value->len);
	}
	return true;
}

/* Fill in the labels. Returns 0 or -errno. */
static int name_series(struct remote_pool *pool, struct remote_series *s, const struct label *label,
		       size_t n)
{
	const struct mh_pooled *pair[2 * (REMOTE_LABELS_MAX + 1)];
	struct label all[REMOTE_LABELS_MAX];
	int taken;

	if (n >= REMOTE_LABELS_MAX)
		return -EINVAL;
	all[0] = (struct label){METRIC_NAME, s->family->name->bytes};
	if (n)
		memcpy(all + 1, label, n * sizeof(*label));
	taken = take_labels(pool, all, n + 1, pair);
	if (taken < 0)
		return taken;
	qsort(pair, (size_t)taken, 2 * sizeof(pair[0]), by_name);
	s->n_labels = (uint32_t)taken;
	s->label = malloc(2 * (size_t)taken * sizeof(pair[0]));
	if (s->label) {
		memcpy(s->label, pair, 2 * (size_t)taken * sizeof(pair[0]));
		return spell_v1(s) ? 0 : -ENOMEM;
	}
	for (int i = 0; i < 2 * taken; i++)
		mh_strpool_put(&pool->strings, pair[i]);
	s->n_labels = 0;
	return -ENOMEM;
}

static void free_series(struct remote_pool *pool, struct remote_series *series)
{
	for (uint32_t i = 0; i < 2 * series->n_labels; i++)
		mh_strpool_put(&pool->strings, series->label[i]);
	remote_family_put(pool, series->family);
	free(series->label);
	free(series->v1);
	free(series);
}

/* Somebody's with the same labels. */
static struct remote_series *find(const struct remote_pool *pool, const struct remote_series *like)
{
	uint32_t at = 0, number;

	while ((number = mh_index_next(&pool->index, like->hash, &at)) != MH_INDEX_END) {
		struct remote_series *s = pool->series[number];

		if (s->v1_len == like->v1_len && !memcmp(s->v1, like->v1, s->v1_len))
			return s;
	}
	return NULL;
}

/* Give it a number: the index knows how many there are, so a free one is below that or the next. */
static int book(struct remote_pool *pool, struct remote_series *s)
{
	uint32_t cap = pool->series_cap ? 2 * pool->series_cap : 64;
	struct remote_series **bigger;
	int rc;

	if (pool->n_series == pool->series_cap) {
		bigger = reallocarray(pool->series, cap, sizeof(struct remote_series *));
		if (!bigger)
			return -ENOMEM;
		pool->series = bigger;
		pool->series_cap = cap;
	}
	rc = mh_index_add(&pool->index, s->hash, pool->n_series);
	if (rc)
		return -ENOMEM;
	s->number = pool->n_series++;
	pool->series[s->number] = s;
	return 0;
}

/* The last one gets its number. That needs no memory, since as many are in the index after. */
static void unbook(struct remote_pool *pool, struct remote_series *s)
{
	struct remote_series *last = pool->series[--pool->n_series];

	mh_index_remove(&pool->index, s->hash, s->number);
	if (last == s)
		return;
	mh_index_remove(&pool->index, last->hash, last->number);
	mh_index_add(&pool->index, last->hash, s->number);
	last->number = s->number;
	pool->series[last->number] = last;
}

struct remote_series *remote_series_get(struct remote_pool *pool, struct remote_family *family,
					const struct label *label, size_t n)
{
	struct remote_series *s = calloc(1, sizeof(*s)), *known;
	int rc;

	if (!s) {
		errno = ENOMEM;
		return NULL;
	}
	s->references = 1;
	s->family = family;
	family->references++;
	rc = name_series(pool, s, label, n);
	if (!rc) {
		s->hash = mh_hash_bytes(s->v1, s->v1_len);
		known = find(pool, s);
		if (known) {
			free_series(pool, s);
			remote_series_hold(known);
			return known;
		}
		rc = book(pool, s);
	}
	if (!rc)
		return s;
	free_series(pool, s);
	errno = -rc;
	return NULL;
}

void remote_series_hold(struct remote_series *series)
{
	series->references++;
}

void remote_series_put(struct remote_pool *pool, struct remote_series *series)
{
	if (!series || --series->references)
		return;
	unbook(pool, series);
	free_series(pool, series);
}

static double from_bits(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

double remote_stale(void)
{
	return from_bits(STALE_BITS);
}

bool remote_is_stale(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits == STALE_BITS;
}

int remote_batch_new(struct remote_batch **ret, struct remote_pool *pool, uint32_t max_samples)
{
	struct remote_batch *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->pool = pool;
	b->max_samples = max_samples;
	b->series = calloc(max_samples, sizeof(*b->series));
	b->sample = calloc(max_samples, sizeof(*b->sample));
	b->scratch = calloc(1, sizeof(*b->scratch));
	if (!b->series || !b->sample || !b->scratch) {
		remote_batch_free(b);
		return -ENOMEM;
	}
	remote_batch_clear(b);
	*ret = b;
	return 0;
}

void remote_batch_free(struct remote_batch *b)
{
	if (!b)
		return;
	if (b->scratch) {
		remote_batch_clear(b);
		free(b->scratch->symbol);
		free(b->scratch->used);
	}
	free(b->scratch);
	free(b->series);
	free(b->sample);
	free(b);
}

void remote_batch_clear(struct remote_batch *b)
{
	for (uint32_t i = 0; i < b->n_series; i++) {
		/* another batch may hold it too, and have it counted there */
		if (b->series[i].series->batch == b->number)
			b->series[i].series->batch = 0;
		remote_series_put(b->pool, b->series[i].series);
	}
	b->n_series = b->n_samples = 0;
	b->first_ms = b->last_ms = 0;
	b->number = ++b->pool->batches;
}

static struct remote_batch_series *place_of(struct remote_batch *b, struct remote_series *series)
{
	struct remote_batch_series *place;

	if (series->batch == b->number)
		return &b->series[series->place];
	series->batch = b->number;
	series->place = b->n_series;
	remote_series_hold(series);
	place = &b->series[b->n_series++];
	*place = (struct remote_batch_series){series, REMOTE_END, REMOTE_END, 0};
	return place;
}

int remote_batch_add(struct remote_batch *b, struct remote_series *series, double value, mh_ms_t ms)
{
	struct remote_batch_series *place;
	uint32_t at = b->n_samples;

	if (at == b->max_samples)
		return -EOVERFLOW;
	place = place_of(b, series);
	if (place->n && b->sample[place->last].ms >= ms)
		return -EINVAL;
	if (value != value && !remote_is_stale(value))
		value = from_bits(NAN_BITS);
	b->sample[at] = (struct remote_sample){
		value, ms, series->start_ms < ms ? series->start_ms : 0, REMOTE_END};
	if (place->n++)
		b->sample[place->last].next = at;
	else
		place->first = at;
	place->last = at;
	if (!at || ms < b->first_ms)
		b->first_ms = ms;
	if (!at || ms > b->last_ms)
		b->last_ms = ms;
	b->n_samples++;
	return 0;
}

uint32_t remote_batch_samples(const struct remote_batch *b, uint32_t first, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = first; i < first + n; i++)
		sum += b->series[i].n;
	return sum;
}
