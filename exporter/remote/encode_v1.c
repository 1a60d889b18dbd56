/*
 * Remote write 1.0, message prometheus.WriteRequest of proto/remote.proto, by hand: nearly all of
 * it is the series' own bytes, copied.
 *
 *     timeseries      0a, length
 *       labels        as the series has them
 *       samples       12, length: 09 and the value, 10 and the time
 */
#include "exporter/remote/encode.h"

#include "exporter/remote/wire.h"

#include <errno.h>

static size_t sample_size(const struct remote_sample *s)
{
	return 1 + 8 + 1 + wire_varint_size((uint64_t)s->ms);
}

static char *put_sample(char *p, const struct remote_sample *s)
{
	*p++ = WIRE_TAG(2, WIRE_BYTES);
	*p++ = (char)sample_size(s);
	*p++ = WIRE_TAG(1, WIRE_DOUBLE);
	p = wire_put_double(p, s->value);
	*p++ = WIRE_TAG(2, WIRE_VARINT);
	return wire_put_varint(p, (uint64_t)s->ms);
}

static void add_series(struct mh_buf *out, const struct remote_batch *b,
		       const struct remote_batch_series *place)
{
	const struct remote_series *series = place->series;
	size_t size = series->v1_len, all;
	char *p;

	for (uint32_t i = place->first; i != REMOTE_END; i = b->sample[i].next)
		size += wire_field_size(sample_size(&b->sample[i]));
	all = wire_field_size(size);
	p = mh_buf_reserve(out, all);
	if (!p)
		return;
	*p++ = WIRE_TAG(1, WIRE_BYTES);
	p = wire_put_varint(p, size);
	p = wire_put_bytes(p, series->v1, series->v1_len);
	for (uint32_t i = place->first; i != REMOTE_END; i = b->sample[i].next)
		p = put_sample(p, &b->sample[i]);
	out->len += all;
}

int remote_encode_v1(const struct remote_batch *b, uint32_t first, uint32_t n, struct mh_buf *out)
{
	size_t before = out->len;

	for (uint32_t i = first; i < first + n; i++)
		add_series(out, b, &b->series[i]);
	if (out->error)
		out->len = before;
	return out->error;
}
