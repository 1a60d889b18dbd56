/*
 * CRC-32C: the SSE4.2 instruction where the processor has it, else a table of 16 entries. The
 * choice is made per call from the compiler's own CPU probe, which costs one load.
 */
#include "libmemhist/base/crc32c.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const uint8_t *p,
							    size_t len)
{
	uint64_t wide = crc;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; len; len--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return crc;
}

static bool have_sse42(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t crc_sse42(uint32_t crc, const uint8_t *p, size_t len)
{
	(void)p;
	(void)len;
	return crc;
}

static bool have_sse42(void)
{
	return false;
}
#endif

/* One step of the reflected polynomial, folded at compile time into a table of 16 entries: small
 * enough to be read by eye, quick enough for processors without the instruction. */
uint32_t mh_crc32c_portable(uint32_t crc, const void *bytes, size_t len)
{
	static const uint32_t step[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	const uint8_t *p = bytes;

	for (crc = ~crc; len; len--) {
		crc ^= *p++;
		crc = (crc >> 4) ^ step[crc & 15];
		crc = (crc >> 4) ^ step[crc & 15];
	}
	return ~crc;
}

uint32_t mh_crc32c(uint32_t crc, const void *bytes, size_t len)
{
	if (!have_sse42())
		return mh_crc32c_portable(crc, bytes, len);
	return ~crc_sse42(~crc, bytes, len);
}
