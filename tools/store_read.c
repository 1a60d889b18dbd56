/*
 * prometheus.ReadRequest and prometheus.ReadResponse, by hand: an answer is mostly samples, and an
 * object for each would take some times as much memory as the answer.
 *
 *     ReadRequest     1 queries {1 start_timestamp_ms, 2 end_timestamp_ms (inclusive),
 *                                3 matchers {1 type, 2 name, 3 value}}
 *     ReadResponse    1 results {1 timeseries {1 labels {1 name, 2 value},
 *                                              2 samples {1 value (double), 2 timestamp}}}
 */
#include "tools/store.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* --- writing ---------------------------------------------------------------------------------- */

static void put_varint(struct mh_buf *out, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		mh_buf_addc(out, (char)(value | 0x80));
	mh_buf_addc(out, (char)value);
}

static void put_number(struct mh_buf *out, unsigned field, uint64_t value)
{
	put_varint(out, field << 3 | VARINT);
	put_varint(out, value);
}

static void put_bytes(struct mh_buf *out, unsigned field, const char *bytes, size_t len)
{
	put_varint(out, field << 3 | BYTES);
	put_varint(out, len);
	mh_buf_add(out, bytes, len);
}

static void put_buf(struct mh_buf *out, unsigned field, struct mh_buf *from)
{
	if (from->error && !out->error)
		out->error = from->error;
	put_bytes(out, field, from->data, from->len);
	mh_buf_done(from);
}

int store_read_request(const struct selector *selector, mh_ms_t since_ms, mh_ms_t until_ms,
		       struct mh_buf *out)
{
	struct mh_buf query = MH_BUF_INIT(out->max);

	put_number(&query, 1, (uint64_t)since_ms);
	put_number(&query, 2, (uint64_t)until_ms - 1);
	for (size_t i = 0; i < selector->n; i++) {
		const struct matcher *m = &selector->matcher[i];
		struct mh_buf text = MH_BUF_INIT(out->max);

		put_number(&text, 1, m->type);
		put_bytes(&text, 2, m->name, strlen(m->name));
		put_bytes(&text, 3, m->value, strlen(m->value));
		put_buf(&query, 3, &text);
	}
	put_buf(out, 1, &query);
	return out->error;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct span_of_bytes {
	const char *at, *end;
};

/* A field of a message. */
struct field {
	uint64_t number;
	uint64_t value;           /* VARINT, FIXED64 */
	struct span_of_bytes sub; /* BYTES */
	int type;
};

static bool take_varint(struct span_of_bytes *in, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		const uint8_t byte = (uint8_t)*in->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		*ret = value;
		return true;
	}
	return false;
}

static bool take_fixed(struct span_of_bytes *in, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if ((size_t)(in->end - in->at) < len)
		return false;
	memcpy(&value, in->at, len);
	in->at += len;
	*ret = le64toh(value);
	return true;
}

/* 1: a field; 0: the end; -EBADMSG. */
static int next_field(struct span_of_bytes *in, struct field *ret)
{
	uint64_t tag, len;
	bool good;

	if (in->at == in->end)
		return 0;
	if (!take_varint(in, &tag))
		return -EBADMSG;
	ret->number = tag >> 3;
	ret->type = tag & 7;
	switch (ret->type) {
	case VARINT:
		good = take_varint(in, &ret->value);
		break;
	case FIXED64:
		good = take_fixed(in, 8, &ret->value);
		break;
	case FIXED32:
		good = take_fixed(in, 4, &ret->value);
		break;
	case BYTES:
		good = take_varint(in, &len) && len <= (size_t)(in->end - in->at);
		if (good) {
			ret->sub = (struct span_of_bytes){in->at, in->at + len};
			in->at += len;
		}
		break;
	default:
		good = false;
	}
	return good ? 1 : -EBADMSG;
}

static bool is_message(const struct field *f, uint64_t number)
{
	return f->number == number && f->type == BYTES;
}

static int take_label(struct span_of_bytes in, struct store_samples *to)
{
	struct span_of_bytes name = {"", ""}, value = {"", ""};
	struct field f;
	int rc;

	name.end = name.at;
	value.end = value.at;
	while ((rc = next_field(&in, &f)) > 0) {
		if (is_message(&f, 1))
			name = f.sub;
		else if (is_message(&f, 2))
			value = f.sub;
	}
	return rc ? rc
		  : store_series_label(to, name.at, (size_t)(name.end - name.at), value.at,
				       (size_t)(value.end - value.at));
}

static int take_sample(struct span_of_bytes in, struct store_samples *to)
{
	uint64_t bits = 0, at_ms = 0;
	struct field f;
	double value;
	int rc;

	while ((rc = next_field(&in, &f)) > 0) {
		if (f.number == 1 && f.type == FIXED64)
			bits = f.value;
		else if (f.number == 2 && f.type == VARINT)
			at_ms = f.value;
	}
	memcpy(&value, &bits, sizeof(value));
	return rc ? rc : store_sample_add(to, (mh_ms_t)at_ms, value);
}

/* Labels and samples may come in any order, so this goes twice. */
static int take_series(struct span_of_bytes in, struct store_samples *to)
{
	struct span_of_bytes again = in;
	struct field f;
	int rc;

	store_series_begin(to);
	while ((rc = next_field(&in, &f)) > 0) {
		if (is_message(&f, 1))
			rc = take_label(f.sub, to);
		if (rc < 0)
			break;
	}
	if (!rc)
		rc = store_series_end(to);
	if (rc <= 0)
		return rc;
	while ((rc = next_field(&again, &f)) > 0) {
		if (is_message(&f, 2))
			rc = take_sample(f.sub, to);
		if (rc < 0)
			break;
	}
	return rc;
}

static int take_result(struct span_of_bytes in, struct store_samples *to)
{
	struct field f;
	int rc;

	while ((rc = next_field(&in, &f)) > 0) {
		if (is_message(&f, 1))
			rc = take_series(f.sub, to);
		if (rc < 0)
			break;
	}
	return rc;
}

int store_read_answer(const char *bytes, size_t len, struct store_samples *to)
{
	struct span_of_bytes in = {bytes, bytes + len};
	struct field f;
	int rc;

	while ((rc = next_field(&in, &f)) > 0) {
		if (is_message(&f, 1))
			rc = take_result(f.sub, to);
		if (rc < 0)
			break;
	}
	return rc;
}
