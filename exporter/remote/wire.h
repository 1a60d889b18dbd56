/* Protobuf's encoding, as far as remote write needs it. */
#ifndef MEMHIST_EXPORTER_REMOTE_WIRE_H
#define MEMHIST_EXPORTER_REMOTE_WIRE_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_DOUBLE = 1, WIRE_BYTES = 2 };

/* Fields below 16: their tag is one byte. */
#define WIRE_TAG(field, type) ((char)((field) << 3 | (type)))

static inline size_t wire_varint_size(uint64_t value)
{
	return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

static inline char *wire_put_varint(char *p, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		*p++ = (char)(value | 0x80);
	*p++ = (char)value;
	return p;
}

static inline char *wire_put_double(char *p, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	bits = htole64(bits);
	memcpy(p, &bits, sizeof(bits));
	return p + sizeof(bits);
}

static inline char *wire_put_bytes(char *p, const void *bytes, size_t len)
{
	memcpy(p, bytes, len);
	return p + len;
}

/* A field of so many bytes, its tag included. */
static inline size_t wire_field_size(size_t len)
{
	return 1 + wire_varint_size(len) + len;
}

#endif
