/*
 * Messages of proto/metrics.proto, each behind its length. They are few and plain, so they are
 * written by hand: a library would build each sample as a tree of structs first. Tests read them
 * back with what protoc-c makes of the schema.
 *
 *     length                          varint
 *     MetricFamily  name, help        0a, 12: length and UTF-8
 *                   type              18: varint
 *                   metric            22: length and Metric, for each sample
 *                   unit              2a
 *     Metric        label             0a: length and LabelPair, for each
 *                   gauge or counter  12 or 1a, length 9: 09 and the double, little-endian
 *     LabelPair     name, value       0a, 12
 *
 * Names are the text format's. There is no type for an info: it is a gauge.
 */
#include "exporter/format.h"
#include "libmemhist/base/escape.h"

#include <endian.h>
#include <string.h>

enum {
	TAG_1_BYTES = 0x0a,
	TAG_2_BYTES = 0x12,
	TAG_3_BYTES = 0x1a,
	TAG_3_VARINT = 0x18,
	TAG_4_BYTES = 0x22,
	TAG_5_BYTES = 0x2a,
	TAG_1_DOUBLE = 0x09,
	VALUE_BYTES = 1 + 8,
	VARINT_MAX = 10,
};

static const unsigned char TYPE_COUNTER = 0, TYPE_GAUGE = 1;

static size_t varint_size(size_t value)
{
	size_t n = 1;

	while (value >>= 7)
		n++;
	return n;
}

static char *put_varint(char *p, size_t value)
{
	for (; value > 0x7f; value >>= 7)
		*p++ = (char)(value | 0x80);
	*p++ = (char)value;
	return p;
}

static void add_varint(struct mh_buf *out, size_t value)
{
	char bytes[VARINT_MAX];

	mh_buf_add(out, bytes, (size_t)(put_varint(bytes, value) - bytes));
}

static size_t field_size(size_t len)
{
	return 1 + varint_size(len) + len;
}

static void add_field(struct mh_buf *out, int tag, const char *bytes, size_t len)
{
	mh_buf_addc(out, (char)tag);
	add_varint(out, len);
	mh_buf_add(out, bytes, len);
}

/* Valid UTF-8 of any bytes at the end of `out`, with nothing in front; returns its length. */
static size_t add_utf8(struct mh_buf *out, const char *bytes, size_t len)
{
	size_t before = out->len;

	mh_escape_utf8(out, bytes, len);
	return out->len - before;
}

static void labels(struct mh_buf *out, const struct families *f, const struct label_set *set)
{
	for (uint32_t i = 0; i < set->n; i++) {
		const struct label_pair *pair = &f->pair[set->first + i];
		const char *value = f->text.data + pair->value;
		size_t name_len = strlen(pair->name), begin = out->len, len;

		/* how long it is shows when it is there: once to see, once in its place */
		len = add_utf8(out, value, pair->value_len);
		out->len = begin;
		mh_buf_addc(out, TAG_1_BYTES);
		add_varint(out, field_size(name_len) + field_size(len));
		add_field(out, TAG_1_BYTES, pair->name, name_len);
		mh_buf_addc(out, TAG_2_BYTES);
		add_varint(out, len);
		add_utf8(out, value, pair->value_len);
	}
}

/* Of a Metric with label set `set`. */
static size_t metric_size(const struct spelled *spelled, uint32_t set)
{
	uint32_t len;

	spelled_set(spelled, set, &len);
	return len + 2 + VALUE_BYTES;
}

static void begin(struct mh_buf *out, const struct families *f, const struct family *family,
		  const struct spelled *spelled)
{
	const char *help = f->text.data + family->help;
	size_t help_len = strlen(help), unit_len = family->unit ? strlen(family->unit) : 0;
	size_t size = field_size(family->name_len) + field_size(help_len) + 2;

	if (unit_len)
		size += field_size(unit_len);
	for (uint32_t i = family->first; i < family->first + family->n; i++)
		size += field_size(metric_size(spelled, f->sample[i].labels));
	add_varint(out, size);
	add_field(out, TAG_1_BYTES, f->text.data + family->name, family->name_len);
	add_field(out, TAG_2_BYTES, help, help_len);
	mh_buf_addc(out, TAG_3_VARINT);
	mh_buf_addc(out, (char)(family->type == METRIC_COUNTER ? TYPE_COUNTER : TYPE_GAUGE));
	/* before the samples: behind them would be another function, and the order is free */
	if (unit_len)
		add_field(out, TAG_5_BYTES, family->unit, unit_len);
}

static void samples(struct mh_buf *out, const struct families *f, const struct family *family,
		    const struct spelled *spelled, uint32_t first, uint32_t n)
{
	const char tag = family->type == METRIC_COUNTER ? TAG_3_BYTES : TAG_2_BYTES;

	for (uint32_t i = first; i < first + n; i++) {
		const struct family_sample *sample = &f->sample[i];
		uint32_t len;
		const char *bytes = spelled_set(spelled, sample->labels, &len);
		size_t size = len + 2 + VALUE_BYTES;
		char *to = mh_buf_reserve(out, 1 + VARINT_MAX + size), *p = to;
		uint64_t value;

		if (!to)
			return;
		*p++ = TAG_4_BYTES;
		p = put_varint(p, size);
		memcpy(p, bytes, len);
		p += len;
		*p++ = tag;
		*p++ = VALUE_BYTES;
		*p++ = TAG_1_DOUBLE;
		memcpy(&value, &sample->value, sizeof(value));
		value = htole64(value);
		memcpy(p, &value, sizeof(value));
		p += sizeof(value);
		out->len += (size_t)(p - to);
	}
}

static void end(struct mh_buf *out)
{
	(void)out;
}

const struct format format_protobuf = {
	.content_type = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
			"encoding=delimited",
	.labels = labels,
	.begin = begin,
	.samples = samples,
	.end = end,
};
