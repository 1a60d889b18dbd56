/*
 * Huffman's codes as DEFLATE has them (RFC 1951, 3.2.2): canonical, given by their lengths alone.
 */
#ifndef MEMHIST_EXPORTER_HUFFMAN_H
#define MEMHIST_EXPORTER_HUFFMAN_H

#include <stdint.h>

enum { HUFFMAN_SYMBOLS_MAX = 288, HUFFMAN_BITS_MAX = 15 };

struct huffman_code {
	uint16_t bits; /* the first of them is the lowest */
	uint8_t len;   /* 0: the symbol has none */
};

/*
 * A code for n symbols that came so often, none longer than max_bits, which is enough for all of
 * them. Symbols that never came have none, but that there are always two, since some readers want
 * that. The code is complete: each string of bits means something.
 */
void huffman_make(struct huffman_code *ret, const uint32_t *count, unsigned int n,
		  unsigned int max_bits);

#endif
