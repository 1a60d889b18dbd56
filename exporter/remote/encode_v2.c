/*
 * Remote write 2.0, message io.prometheus.write.v2.Request of proto/remote.proto, by hand.
 *
 *     symbols         22: the first is "", then each string of the range once, as it is met
 *     timeseries      2a, length
 *       labels_refs   0a, packed
 *       samples       12, length: 09 and the value, 10 the time, 18 since when
 *       metadata      2a, length: 08 type, 18 help, 20 unit
 *
 * Which symbol a string of the pool is stands in an array by the string's number; 0: in none yet.
 */
#include "exporter/remote/encode.h"

#include "exporter/remote/wire.h"

#include <errno.h>
#include <stdlib.h>

enum { SERIES_MAX_STRINGS = 2 * REMOTE_LABELS_MAX + 2 };

static const unsigned char type_numbers[] = {
	[METRIC_GAUGE] = 2, [METRIC_COUNTER] = 1, [METRIC_INFO] = 6};

/* Room for the symbols of a range: all strings of the pool, at most. */
static bool reserve(struct remote_scratch *s, uint32_t n)
{
	uint32_t cap = n + n / 2 + 64;

	if (s->cap >= n)
		return true;
	free(s->symbol);
	free(s->used);
	s->symbol = calloc(cap, sizeof(*s->symbol));
	s->used = calloc(cap, sizeof(*s->used));
	s->cap = s->symbol && s->used ? cap : 0;
	return s->cap;
}

static void add_symbol(struct mh_buf *out, struct remote_scratch *s, const struct mh_pooled *string)
{
	size_t size = wire_field_size(string->len);
	char *p;

	if (!string->len || s->symbol[string->number])
		return;
	s->symbol[string->number] = ++s->n;
	s->used[s->n - 1] = string->number;
	p = mh_buf_reserve(out, size);
	if (!p)
		return;
	*p++ = WIRE_TAG(4, WIRE_BYTES);
	p = wire_put_varint(p, string->len);
	wire_put_bytes(p, string->bytes, string->len);
	out->len += size;
}

static void add_symbols(struct mh_buf *out, const struct remote_batch *b, uint32_t first,
			uint32_t n)
{
	mh_buf_addc(out, WIRE_TAG(4, WIRE_BYTES));
	mh_buf_addc(out, 0);
	for (uint32_t i = first; i < first + n; i++) {
		const struct remote_series *series = b->series[i].series;

		for (uint32_t k = 0; k < 2 * series->n_labels; k++)
			add_symbol(out, b->scratch, series->label[k]);
		add_symbol(out, b->scratch, series->family->help);
		add_symbol(out, b->scratch, series->family->unit);
	}
}

static size_t sample_size(const struct remote_sample *s)
{
	size_t size = 1 + 8 + 1 + wire_varint_size((uint64_t)s->ms);

	return s->start_ms ? size + 1 + wire_varint_size((uint64_t)s->start_ms) : size;
}

static char *put_sample(char *p, const struct remote_sample *s)
{
	*p++ = WIRE_TAG(2, WIRE_BYTES);
	*p++ = (char)sample_size(s);
	*p++ = WIRE_TAG(1, WIRE_DOUBLE);
	p = wire_put_double(p, s->value);
	*p++ = WIRE_TAG(2, WIRE_VARINT);
	p = wire_put_varint(p, (uint64_t)s->ms);
	if (!s->start_ms)
		return p;
	*p++ = WIRE_TAG(3, WIRE_VARINT);
	return wire_put_varint(p, (uint64_t)s->start_ms);
}

/* What of a series does not change with its samples: the sizes of its parts, and the symbols. */
struct spelled {
	uint32_t ref[SERIES_MAX_STRINGS];
	uint32_t n_refs; /* of labels; help and unit are behind them */
	size_t refs_size, metadata_size;
};

static struct spelled spell(const struct remote_scratch *s, const struct remote_series *series)
{
	struct spelled ret = {.n_refs = 2 * series->n_labels};
	const struct remote_family *family = series->family;
	uint32_t *behind = ret.ref + ret.n_refs;

	for (uint32_t i = 0; i < ret.n_refs; i++) {
		ret.ref[i] = s->symbol[series->label[i]->number];
		ret.refs_size += wire_varint_size(ret.ref[i]);
	}
	behind[0] = family->help->len ? s->symbol[family->help->number] : 0;
	behind[1] = family->unit->len ? s->symbol[family->unit->number] : 0;
	ret.metadata_size = 2 + 1 + wire_varint_size(behind[0]) + 1 + wire_varint_size(behind[1]);
	return ret;
}

static char *put_metadata(char *p, const struct spelled *s, enum metric_type type)
{
	*p++ = WIRE_TAG(5, WIRE_BYTES);
	*p++ = (char)s->metadata_size;
	*p++ = WIRE_TAG(1, WIRE_VARINT);
	*p++ = (char)type_numbers[type];
	*p++ = WIRE_TAG(3, WIRE_VARINT);
	p = wire_put_varint(p, s->ref[s->n_refs]);
	*p++ = WIRE_TAG(4, WIRE_VARINT);
	return wire_put_varint(p, s->ref[s->n_refs + 1]);
}

static void add_series(struct mh_buf *out, const struct remote_batch *b,
		       const struct remote_batch_series *place)
{
	const struct remote_series *series = place->series;
	struct spelled s = spell(b->scratch, series);
	size_t size = wire_field_size(s.refs_size) + wire_field_size(s.metadata_size), all;
	char *p;

	for (uint32_t i = place->first; i != REMOTE_END; i = b->sample[i].next)
		size += wire_field_size(sample_size(&b->sample[i]));
	all = wire_field_size(size);
	p = mh_buf_reserve(out, all);
	if (!p)
		return;
	*p++ = WIRE_TAG(5, WIRE_BYTES);
	p = wire_put_varint(p, size);
	*p++ = WIRE_TAG(1, WIRE_BYTES);
	p = wire_put_varint(p, s.refs_size);
	for (uint32_t i = 0; i < s.n_refs; i++)
		p = wire_put_varint(p, s.ref[i]);
	for (uint32_t i = place->first; i != REMOTE_END; i = b->sample[i].next)
		p = put_sample(p, &b->sample[i]);
	put_metadata(p, &s, series->family->type);
	out->len += all;
}

int remote_encode_v2(const struct remote_batch *b, uint32_t first, uint32_t n, struct mh_buf *out)
{
	struct remote_scratch *s = b->scratch;
	size_t before = out->len;

	if (!reserve(s, b->pool->strings.n_items))
		return -ENOMEM;
	add_symbols(out, b, first, n);
	for (uint32_t i = first; i < first + n; i++)
		add_series(out, b, &b->series[i]);
	while (s->n)
		s->symbol[s->used[--s->n]] = 0;
	if (out->error)
		out->len = before;
	return out->error;
}
