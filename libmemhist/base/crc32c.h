/*
 * CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: polynomial 0x1EDC6F41 reflected, initial
 * value and final XOR 0xFFFFFFFF. crc32c("123456789") is 0xE3069283.
 */
#ifndef MEMHIST_BASE_CRC32C_H
#define MEMHIST_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of `len` bytes, continuing from `crc` (0 to begin), so that parts can be chained:
 * mh_crc32c(mh_crc32c(0, a, n), b, m) is the CRC of a followed by b. */
uint32_t mh_crc32c(uint32_t crc, const void *bytes, size_t len);

/* The same without the processor's instruction, so that a test can compare them. */
uint32_t mh_crc32c_portable(uint32_t crc, const void *bytes, size_t len);

#endif
