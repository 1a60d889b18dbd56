/* Protobuf's encoding: each field is a key, which is its number and a type, and what it holds. */
#include "libmemhist/history/wire.h"

enum { TYPE_BITS = 3, TYPE_VARINT = 0, TYPE_BYTES = 2 };

static size_t varint_size(uint64_t value)
{
	size_t n = 1;

	for (; value >= 0x80; value >>= 7)
		n++;
	return n;
}

static void add_key(struct mh_buf *out, uint32_t field, uint32_t type)
{
	mh_varint_add(out, field << TYPE_BITS | type);
}

void mh_wire_uint(struct mh_buf *out, uint32_t field, uint64_t value)
{
	if (!value)
		return;
	add_key(out, field, TYPE_VARINT);
	mh_varint_add(out, value);
}

size_t mh_wire_uint_size(uint32_t field, uint64_t value)
{
	return value ? varint_size(field << TYPE_BITS) + varint_size(value) : 0;
}

void mh_wire_begin(struct mh_buf *out, uint32_t field, size_t len)
{
	add_key(out, field, TYPE_BYTES);
	mh_varint_add(out, len);
}

void mh_wire_bytes(struct mh_buf *out, uint32_t field, const void *bytes, size_t len)
{
	mh_wire_begin(out, field, len);
	mh_buf_add(out, bytes, len);
}

static size_t column_len(const struct mh_column *c)
{
	return (size_t)(c->end - c->bytes);
}

void mh_wire_columns(struct mh_buf *out, uint32_t first, const struct mh_column *column, int n)
{
	for (int i = 0; i < n; i++)
		if (column_len(&column[i]))
			mh_wire_bytes(out, first + (uint32_t)i, column[i].bytes,
				      column_len(&column[i]));
}

size_t mh_wire_columns_size(uint32_t first, const struct mh_column *column, int n)
{
	size_t size = 0;

	for (int i = 0; i < n; i++) {
		size_t len = column_len(&column[i]);

		if (len)
			size += varint_size((first + (uint32_t)i) << TYPE_BITS) + varint_size(len) +
				len;
	}
	return size;
}
