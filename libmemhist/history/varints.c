/* Varints: seven bits a byte, the lowest first; the top bit says that more follow. */
#include "libmemhist/history/varints.h"

enum { VARINT_MAX = 10 };

void mh_varint_add(struct mh_buf *out, uint64_t value)
{
	char *to = mh_buf_reserve(out, VARINT_MAX);
	size_t n = 0;

	if (!to)
		return;
	for (; value >= 0x80; value >>= 7)
		to[n++] = (char)(value | 0x80);
	to[n++] = (char)value;
	out->len += n;
}

uint64_t mh_varint_next_long(struct mh_varints *v)
{
	const uint8_t *p = v->p;
	uint64_t value = 0;

	for (unsigned shift = 0; p < v->end && shift < 64; shift += 7) {
		uint64_t bits = *p & 0x7f;

		if (shift == 63 && bits > 1)
			break;
		value |= bits << shift;
		if (*p++ < 0x80) {
			v->p = p;
			return value;
		}
	}
	v->bad = true;
	v->p = v->end;
	return 0;
}
