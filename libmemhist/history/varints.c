/* Varints: seven bits a byte, the lowest first; the top bit says that more follow. */
#include "libmemhist/history/varints.h"

uint8_t *mh_varint_put_long(uint8_t *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

void mh_varint_add(struct mh_buf *out, uint64_t value)
{
	char *to = mh_buf_reserve(out, MH_VARINT_MAX);

	if (to)
		out->len += (size_t)(mh_varint_put((uint8_t *)to, value) - (uint8_t *)to);
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
