/*
 * Two queues: the symbols, rarest first, and the pairs made of what was rarest before, which come
 * in the order of their counts by themselves. Where a code would be too long, those at the limit
 * are paid for by making shorter ones longer; that costs a little, and very rarely.
 */
#include "exporter/huffman.h"

#include <stdbool.h>

enum { NODES_MAX = 2 * HUFFMAN_SYMBOLS_MAX };

struct leaves {
	uint16_t symbol[HUFFMAN_SYMBOLS_MAX]; /* rarest first */
	unsigned int n;
};

static void add_leaf(struct leaves *leaves, const uint32_t *count, unsigned int symbol)
{
	unsigned int i = leaves->n++;

	for (; i && count[leaves->symbol[i - 1]] > count[symbol]; i--)
		leaves->symbol[i] = leaves->symbol[i - 1];
	leaves->symbol[i] = (uint16_t)symbol;
}

/* Those that came, and two at least: those are of the first ones. */
static void sort_leaves(struct leaves *leaves, const uint32_t *count, unsigned int n)
{
	leaves->n = 0;
	for (unsigned int i = 0; i < n; i++)
		if (count[i])
			add_leaf(leaves, count, i);
	for (unsigned int i = 0; i < n && leaves->n < 2; i++)
		if (!count[i])
			add_leaf(leaves, count, i);
}

/* How many leaves are so deep, by depth; what is deeper than max_bits counts as that. */
static void count_depths(const struct leaves *leaves, const uint32_t *count, unsigned int max_bits,
			 unsigned int ret[HUFFMAN_BITS_MAX + 1])
{
	const unsigned int n = leaves->n, root = 2 * n - 2;
	uint64_t weight[NODES_MAX];
	uint16_t parent[NODES_MAX];
	uint16_t depth[NODES_MAX];
	unsigned int leaf = 0, pair = n;

	for (unsigned int i = 0; i < n; i++)
		weight[i] = count[leaves->symbol[i]];
	for (unsigned int made = n; made <= root; made++) {
		weight[made] = 0;
		for (int side = 0; side < 2; side++) {
			bool take_leaf = leaf < n && (pair == made || weight[leaf] <= weight[pair]);
			unsigned int rarest = take_leaf ? leaf++ : pair++;

			weight[made] += weight[rarest];
			parent[rarest] = (uint16_t)made;
		}
	}
	for (unsigned int bits = 0; bits <= max_bits; bits++)
		ret[bits] = 0;
	depth[root] = 0;
	for (unsigned int i = root; i--;) {
		depth[i] = (uint16_t)(depth[parent[i]] + 1);
		if (i < n)
			ret[depth[i] < max_bits ? depth[i] : max_bits]++;
	}
}

/* Make room for those that were cut to max_bits. */
static void limit_depths(unsigned int depths[HUFFMAN_BITS_MAX + 1], unsigned int max_bits)
{
	uint32_t used = 0; /* of the strings of max_bits bits */

	for (unsigned int bits = 1; bits <= max_bits; bits++)
		used += (uint32_t)depths[bits] << (max_bits - bits);
	for (; used > 1u << max_bits; used--) {
		unsigned int bits = max_bits - 1;

		/* one of a shorter code gets a bit more, and shares its string with a long one */
		while (!depths[bits])
			bits--;
		depths[max_bits]--;
		depths[bits]--;
		depths[bits + 1] += 2;
	}
}

static uint16_t reverse(unsigned int bits, unsigned int len)
{
	unsigned int reversed = 0;

	for (; len; len--, bits >>= 1)
		reversed = reversed << 1 | (bits & 1);
	return (uint16_t)reversed;
}

/* Codes of one length follow each other in the order of their symbols. */
static void assign(struct huffman_code *code, unsigned int n,
		   const unsigned int depths[HUFFMAN_BITS_MAX + 1], unsigned int max_bits)
{
	unsigned int next[HUFFMAN_BITS_MAX + 1], bits = 0;

	for (unsigned int len = 1; len <= max_bits; len++) {
		next[len] = bits;
		bits = (bits + depths[len]) << 1;
	}
	for (unsigned int i = 0; i < n; i++)
		if (code[i].len)
			code[i].bits = reverse(next[code[i].len]++, code[i].len);
}

void huffman_make(struct huffman_code *ret, const uint32_t *count, unsigned int n,
		  unsigned int max_bits)
{
	unsigned int depths[HUFFMAN_BITS_MAX + 1], leaf = 0;
	struct leaves leaves;

	sort_leaves(&leaves, count, n);
	count_depths(&leaves, count, max_bits, depths);
	limit_depths(depths, max_bits);
	for (unsigned int i = 0; i < n; i++)
		ret[i] = (struct huffman_code){0, 0};
	for (unsigned int len = max_bits; len; len--)
		for (unsigned int i = 0; i < depths[len]; i++)
			ret[leaves.symbol[leaf++]].len = (uint8_t)len;
	assign(ret, n, depths, max_bits);
}
