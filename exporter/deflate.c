/*
 * A block is read twice: for what repeats (into `repeat`) and how often each symbol comes; then its
 * codes are written, and itself by them.
 *
 * Invariants:
 *   - `seen` has positions in all that was packed since deflate_begin(), counted from 1; those of
 *     blocks before are below `block_at`, and of no use.
 *   - Between blocks fewer than 8 bits wait in `bits`.
 */
#include "exporter/deflate.h"

#include "exporter/huffman.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_BYTES = UINT16_MAX,
	DISTANCE_MAX = 32768,
	REPEAT_MIN = 5, /* bytes; DEFLATE has 3 and 4 as well, which gain little */
	PART_MAX = 258, /* of a repetition that is longer, each part has a symbol of its own */
	PART_MIN = 3,
	HASH_BITS = 12,
	READ_AHEAD = 8, /* bytes that are read at a position, to look at REPEAT_MIN of them */
	END_OF_BLOCK = 256,
	FIRST_LENGTH = 257,
	LITERALS = 286, /* symbols: bytes, the end, lengths */
	DISTANCES = 30,
	LENGTHS = 19, /* symbols of lengths of codes */
	LENGTHS_BITS = 7,
	HEAD_BYTES = 1024, /* at most, with the codes */
};

struct repeat {
	uint16_t literals; /* bytes in front of it */
	uint16_t len;
	uint16_t distance; /* - 1 */
};

struct deflate {
	uint32_t seen[1 << HASH_BITS];
	uint32_t block_at;
	struct repeat repeat[BLOCK_BYTES / REPEAT_MIN];
	uint32_t n_repeats;
	uint32_t literal_count[LITERALS], distance_count[DISTANCES];
	struct huffman_code literal[LITERALS], distance[DISTANCES];
	uint8_t length_symbol[PART_MAX + 1]; /* - FIRST_LENGTH */
	uint64_t bits;
	unsigned int n_bits;
	unsigned char *to;
	unsigned char
		packed[2 * BLOCK_BYTES + HEAD_BYTES]; /* no symbol is longer than its bytes twice */
};

/* The first length of each symbol; the bits behind it say how much more it is. */
static const struct {
	uint16_t first;
	uint8_t extra_bits;
} lengths[] = {{3, 0},   {4, 0},   {5, 0},   {6, 0},   {7, 0},  {8, 0},  {9, 0},  {10, 0},
	       {11, 1},  {13, 1},  {15, 1},  {17, 1},  {19, 2}, {23, 2}, {27, 2}, {31, 2},
	       {35, 3},  {43, 3},  {51, 3},  {59, 3},  {67, 4}, {83, 4}, {99, 4}, {115, 4},
	       {131, 5}, {163, 5}, {195, 5}, {227, 5}, {258, 0}};

int deflate_new(struct deflate **ret)
{
	struct deflate *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	for (unsigned int symbol = 0; symbol < sizeof(lengths) / sizeof(lengths[0]); symbol++)
		memset(d->length_symbol + lengths[symbol].first, (int)symbol,
		       PART_MAX + 1u - lengths[symbol].first);
	*ret = d;
	return 0;
}

void deflate_free(struct deflate *d)
{
	free(d);
}

void deflate_begin(struct deflate *d)
{
	memset(d->seen, 0, sizeof(d->seen));
	d->block_at = 1;
	d->bits = 0;
	d->n_bits = 0;
}

/* --- what repeats ----------------------------------------------------------------------------- */

static uint64_t read_8(const unsigned char *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return le64toh(value);
}

/* The first REPEAT_MIN bytes. */
static uint64_t first_of(uint64_t bytes)
{
	return bytes << 8 * (8 - REPEAT_MIN);
}

/* Where these bytes were last is in here. */
static uint32_t *seen_of(struct deflate *d, uint64_t first)
{
	return &d->seen[first * UINT64_C(0x9e3779b97f4a7c15) >> (64 - HASH_BITS)];
}

/* How many bytes from a and b on are alike; b is behind, and `end` is that of its block. */
static size_t common(const unsigned char *a, const unsigned char *b, const unsigned char *end)
{
	const unsigned char *begin = b;

	for (; end - b >= 8; a += 8, b += 8) {
		uint64_t differ = read_8(a) ^ read_8(b);

		if (differ)
			return (size_t)(b - begin) + (unsigned int)__builtin_ctzll(differ) / 8;
	}
	while (b < end && *a == *b) {
		a++;
		b++;
	}
	return (size_t)(b - begin);
}

static unsigned int distance_symbol(unsigned int distance_less_1)
{
	unsigned int high;

	if (distance_less_1 < 2)
		return distance_less_1;
	high = 31u - (unsigned int)__builtin_clz(distance_less_1);
	return 2 * high + (distance_less_1 >> (high - 1) & 1);
}

/* The part that comes next of what is left of a repetition; nothing shorter than a part may be is
 * left over. */
static unsigned int next_part(unsigned int left)
{
	if (left <= PART_MAX)
		return left;
	return left - PART_MAX < PART_MIN ? left - PART_MIN : PART_MAX;
}

static void add_repeat(struct deflate *d, const unsigned char *literals, size_t n, size_t len,
		       size_t distance)
{
	unsigned int symbol = distance_symbol((unsigned int)distance - 1);

	d->repeat[d->n_repeats++] = (struct repeat){(uint16_t)n, (uint16_t)len,
						    (uint16_t)(distance - 1)};
	for (size_t i = 0; i < n; i++)
		d->literal_count[literals[i]]++;
	for (unsigned int left = (unsigned int)len, part; left; left -= part) {
		part = next_part(left);
		d->literal_count[FIRST_LENGTH + d->length_symbol[part]]++;
		d->distance_count[symbol]++;
	}
}

/* Where the bytes at `at` were before, in this block and not too far away; or NULL. They are noted.
 */
static const unsigned char *look_up(struct deflate *d, const unsigned char *block,
				    const unsigned char *at, size_t last_distance)
{
	uint64_t first = first_of(read_8(at));
	uint32_t *seen = seen_of(d, first), was = *seen;
	const unsigned char *before;

	*seen = d->block_at + (uint32_t)(at - block);
	if (last_distance && (size_t)(at - block) >= last_distance &&
	    first_of(read_8(at - last_distance)) == first)
		return at - last_distance;
	if (was < d->block_at)
		return NULL;
	before = block + (was - d->block_at);
	return at - before <= DISTANCE_MAX && first_of(read_8(before)) == first ? before : NULL;
}

/* Fill `repeat` and the counts. Returns where the literals behind the last repetition begin. */
static const unsigned char *find_repeats(struct deflate *d, const unsigned char *block, size_t len)
{
	const unsigned char *end = block + len, *done = block, *at = block;
	size_t distance = 0;
	unsigned int misses = 0;

	d->n_repeats = 0;
	memset(d->literal_count, 0, sizeof(d->literal_count));
	memset(d->distance_count, 0, sizeof(d->distance_count));
	d->literal_count[END_OF_BLOCK] = 1;
	while (end - at >= READ_AHEAD) {
		const unsigned char *before = look_up(d, block, at, distance);
		size_t n;

		if (!before) {
			/* where nothing repeats, steps grow; what began before them is found below
			 */
			at += 1 + misses++ / 2;
			continue;
		}
		misses = 0;
		n = REPEAT_MIN + common(before + REPEAT_MIN, at + REPEAT_MIN, end);
		for (; at > done && before > block && at[-1] == before[-1]; n++) {
			at--;
			before--;
		}
		distance = (size_t)(at - before);
		add_repeat(d, done, (size_t)(at - done), n, distance);
		done = at += n;
	}
	for (at = done; at < end; at++)
		d->literal_count[*at]++;
	return done;
}

/* --- bits ------------------------------------------------------------------------------------- */

/* At most 48 at a time, after fewer than 8 that wait. */
static void put(struct deflate *d, uint64_t bits, unsigned int n)
{
	d->bits |= bits << d->n_bits;
	d->n_bits += n;
}

/* Whole bytes go out. */
static void flush(struct deflate *d)
{
	uint64_t bits = htole64(d->bits);
	unsigned int n = d->n_bits / 8;

	memcpy(d->to, &bits, sizeof(bits));
	d->to += n;
	d->bits >>= 8 * n;
	d->n_bits %= 8;
}

static void put_code(struct deflate *d, const struct huffman_code *code)
{
	put(d, code->bits, code->len);
}

/* --- codes ------------------------------------------------------------------------------------ */

/* The lengths of codes, as symbols of a third code. */
struct head {
	uint8_t len[LITERALS + DISTANCES];
	unsigned int n_literals, n_distances;
	struct {
		uint8_t symbol, extra, extra_bits;
	} item[LITERALS + DISTANCES];
	unsigned int n_items;
	uint32_t count[LENGTHS];
};

static unsigned int used(const struct huffman_code *code, unsigned int n)
{
	while (!code[n - 1].len)
		n--;
	return n;
}

static void add_item(struct head *h, unsigned int symbol, unsigned int extra,
		     unsigned int extra_bits)
{
	h->item[h->n_items].symbol = (uint8_t)symbol;
	h->item[h->n_items].extra = (uint8_t)extra;
	h->item[h->n_items++].extra_bits = (uint8_t)extra_bits;
	h->count[symbol]++;
}

/* `n` times the same length, of which the first has been added where it is not 0. */
static void add_run(struct head *h, unsigned int len, unsigned int n)
{
	enum { SAME = 16, ZEROS = 17, MANY_ZEROS = 18 };

	while (n >= 3) {
		unsigned int part;

		if (len) {
			part = n < 6 ? n : 6;
			add_item(h, SAME, part - 3, 2);
		} else if (n < 11) {
			part = n;
			add_item(h, ZEROS, part - 3, 3);
		} else {
			part = n < 138 ? n : 138;
			add_item(h, MANY_ZEROS, part - 11, 7);
		}
		n -= part;
	}
	while (n--)
		add_item(h, len, 0, 0);
}

static void make_head(struct head *h, const struct deflate *d)
{
	unsigned int n, run;

	*h = (struct head){.n_literals = used(d->literal, LITERALS),
			   .n_distances = used(d->distance, DISTANCES)};
	for (unsigned int i = 0; i < h->n_literals; i++)
		h->len[i] = d->literal[i].len;
	for (unsigned int i = 0; i < h->n_distances; i++)
		h->len[h->n_literals + i] = d->distance[i].len;
	n = h->n_literals + h->n_distances;
	for (unsigned int i = 0; i < n; i += run) {
		run = 1;
		while (i + run < n && h->len[i + run] == h->len[i])
			run++;
		if (h->len[i])
			add_item(h, h->len[i], 0, 0);
		add_run(h, h->len[i], h->len[i] ? run - 1 : run);
	}
}

static void write_head(struct deflate *d)
{
	static const uint8_t order[LENGTHS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					       11, 4,  12, 3, 13, 2, 14, 1, 15};
	struct huffman_code code[LENGTHS];
	unsigned int n = LENGTHS;
	struct head h;

	huffman_make(d->literal, d->literal_count, LITERALS, HUFFMAN_BITS_MAX);
	huffman_make(d->distance, d->distance_count, DISTANCES, HUFFMAN_BITS_MAX);
	make_head(&h, d);
	huffman_make(code, h.count, LENGTHS, LENGTHS_BITS);
	while (n > 4 && !code[order[n - 1]].len)
		n--;
	put(d, 0, 1); /* not the last block */
	put(d, 2, 2); /* codes of its own */
	put(d, h.n_literals - 257, 5);
	put(d, h.n_distances - 1, 5);
	put(d, n - 4, 4);
	flush(d);
	for (unsigned int i = 0; i < n; i++) {
		put(d, code[order[i]].len, 3);
		flush(d);
	}
	for (unsigned int i = 0; i < h.n_items; i++) {
		put_code(d, &code[h.item[i].symbol]);
		put(d, h.item[i].extra, h.item[i].extra_bits);
		flush(d);
	}
}

/* --- blocks ----------------------------------------------------------------------------------- */

static void write_literals(struct deflate *d, const unsigned char *at, size_t n)
{
	for (; n >= 3; n -= 3, at += 3) {
		put_code(d, &d->literal[at[0]]);
		put_code(d, &d->literal[at[1]]);
		put_code(d, &d->literal[at[2]]);
		flush(d);
	}
	for (; n; n--, at++) {
		put_code(d, &d->literal[*at]);
		flush(d);
	}
}

static void write_repeat(struct deflate *d, const struct repeat *r)
{
	unsigned int symbol = distance_symbol(r->distance);
	unsigned int extra_bits = symbol < 4 ? 0 : symbol / 2 - 1;
	uint64_t extra = r->distance & ((1u << extra_bits) - 1);

	for (unsigned int left = r->len, part; left; left -= part) {
		unsigned int length;

		part = next_part(left);
		length = d->length_symbol[part];
		put_code(d, &d->literal[FIRST_LENGTH + length]);
		put(d, part - lengths[length].first, lengths[length].extra_bits);
		put_code(d, &d->distance[symbol]);
		put(d, extra, extra_bits);
		flush(d);
	}
}

static void write_block(struct deflate *d, const unsigned char *block, size_t len)
{
	const unsigned char *rest = find_repeats(d, block, len), *at = block;

	d->to = d->packed;
	write_head(d);
	for (uint32_t i = 0; i < d->n_repeats; i++) {
		write_literals(d, at, d->repeat[i].literals);
		write_repeat(d, &d->repeat[i]);
		at += d->repeat[i].literals + d->repeat[i].len;
	}
	write_literals(d, rest, (size_t)(block + len - rest));
	put_code(d, &d->literal[END_OF_BLOCK]);
	flush(d);
	d->block_at += (uint32_t)len;
}

void deflate_add(struct deflate *d, struct mh_buf *out, const char *bytes, size_t len)
{
	while (len && !out->error) {
		size_t n = len < BLOCK_BYTES ? len : BLOCK_BYTES;

		write_block(d, (const unsigned char *)bytes, n);
		mh_buf_add(out, d->packed, (size_t)(d->to - d->packed));
		bytes += n;
		len -= n;
	}
}

void deflate_end(struct deflate *d, struct mh_buf *out)
{
	d->to = d->packed;
	put(d, 1, 1); /* the last block, */
	put(d, 1, 2); /* of the codes that are always there, */
	put(d, 0, 7); /* with nothing but its end */
	flush(d);
	d->n_bits += 7; /* and the byte is filled up */
	flush(d);
	mh_buf_add(out, d->packed, (size_t)(d->to - d->packed));
}
