/* What is packed is unpacked by zlib to the byte, whatever it was. */
#include "exporter/gzip.h"
#include "exporter/huffman.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

enum { MOST = 300 * 1024 };

struct rig {
	struct gzip *gzip;
	struct mh_buf packed;
	unsigned char *plain, *back;
	uint64_t seed;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->packed = (struct mh_buf)MH_BUF_INIT(4 * MOST);
	r->plain = malloc(MOST);
	r->back = malloc(MOST + 1);
	r->seed = 1;
	assert_true(r->plain && r->back);
	assert_int_equal(gzip_new(&r->gzip), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	gzip_free(r->gzip);
	mh_buf_done(&r->packed);
	free(r->plain);
	free(r->back);
	free(r);
	return 0;
}

static uint32_t pick(struct rig *r, uint32_t n)
{
	r->seed = r->seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(r->seed >> 33) % n;
}

/* Pack the first `len` bytes of r->plain in pieces of up to `piece` bytes, and compare. Returns the
 * length of what came out. */
static size_t round_trip(struct rig *r, size_t len, size_t piece)
{
	z_stream z = {.next_out = r->back, .avail_out = MOST + 1};

	mh_buf_clear(&r->packed);
	gzip_begin(r->gzip, &r->packed);
	for (size_t at = 0, n; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		assert_int_equal(gzip_add(r->gzip, (const char *)r->plain + at, n), 0);
	}
	assert_int_equal(gzip_end(r->gzip), 0);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (Bytef *)r->packed.data;
	z.avail_in = (uInt)r->packed.len;
	if (inflate(&z, Z_FINISH) != Z_STREAM_END)
		fail_msg("%zu bytes in pieces of %zu: %s", len, piece, z.msg ? z.msg : "no end");
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(z.total_out, len);
	assert_memory_equal(r->back, r->plain, len);
	inflateEnd(&z);
	return r->packed.len;
}

static void short_ones_come_back(void **state)
{
	struct rig *r = *state;

	for (size_t len = 0; len < 600; len++) {
		for (size_t i = 0; i < len; i++)
			r->plain[i] = (unsigned char)pick(r, 1 + (uint32_t)len % 256);
		round_trip(r, len, MOST);
		round_trip(r, len, 1 + len / 3);
		memset(r->plain, 'a', len);
		round_trip(r, len, MOST);
	}
}

/* Repetitions of each length, at distances around the greatest that there is. */
static void repetitions_of_any_length_come_back(void **state)
{
	static const size_t distances[] = {1, 2, 3, 4, 5, 8, 300, 4097, 32767, 32768, 32769, 40000};
	struct rig *r = *state;

	for (size_t d = 0; d < sizeof(distances) / sizeof(distances[0]); d++)
		for (size_t len = 3; len < 800;
		     len += len < 20 || (len > 250 && len < 530) ? 1 : 37) {
			size_t end = distances[d] + len;

			for (size_t i = 0; i < end; i++)
				r->plain[i] = i < distances[d] ? (unsigned char)pick(r, 256)
							       : r->plain[i - distances[d]];
			r->plain[end] = (unsigned char)~r->plain[len - 1];
			round_trip(r, end + 1, MOST);
		}
}

static void long_ones_come_back(void **state)
{
	static const size_t lengths[] = {65534, 65535, 65536, 131069, 131070, 131071, MOST};
	struct rig *r = *state;

	for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
		memset(r->plain, 0, MOST);
		assert_true(round_trip(r, lengths[l], MOST) < 4096);
		for (size_t i = 0; i < MOST; i++)
			r->plain[i] = (unsigned char)pick(r, 256);
		/* what cannot be packed takes little more than it has */
		assert_true(round_trip(r, lengths[l], MOST) < lengths[l] + lengths[l] / 100);
	}
}

/* Mixtures: of an alphabet, of what was before, of one byte. */
static void mixtures_come_back(void **state)
{
	struct rig *r = *state;

	for (int round = 0; round < 300; round++) {
		size_t len = pick(r, round % 10 ? 4096 : 100000), at = 0;
		uint32_t alphabet = 1 + pick(r, 256);

		while (at < len) {
			uint32_t n = 1 + pick(r, 300), way = pick(r, 3), back;

			back = at ? 1 + pick(r, (uint32_t)(at < 50000 ? at : 50000)) : 0;
			for (; n && at < len; n--, at++)
				r->plain[at] = way == 0 || !back ? (unsigned char)pick(r, alphabet)
					       : way == 1        ? r->plain[at - back]
								 : 'x';
		}
		round_trip(r, len, 1 + pick(r, (uint32_t)len + 1));
	}
}

static void lines_become_short(void **state)
{
	struct rig *r = *state;
	size_t len = 0;

	for (int i = 0; len < MOST - 100; i++)
		len += (size_t)snprintf((char *)r->plain + len, 100,
					"memhist_group_resident_memory_bytes{group=\"program-%d\"} "
					"%u\n",
					i, 4096 * pick(r, 100000));
	assert_true(round_trip(r, len, 32768) < len / 7);
}

/* Counts that grow like Fibonacci's numbers make the deepest tree. */
static void codes_have_a_longest_one_and_are_complete(void **state)
{
	enum { N = HUFFMAN_SYMBOLS_MAX };
	struct huffman_code code[N];
	struct rig *r = *state;

	for (unsigned int max_bits = 7; max_bits <= HUFFMAN_BITS_MAX; max_bits += 8)
		for (unsigned int n = 2; n <= (max_bits == 7 ? 19 : N); n++) {
			uint32_t count[N] = {0}, used = 0;

			for (unsigned int i = 0; i < n && n % 3; i++)
				count[i] = i < 2 || i > 40 ? 1 + (n % 3 == 1 ? 0 : pick(r, 1000))
							   : count[i - 1] + count[i - 2];
			huffman_make(code, count, n, max_bits);
			for (unsigned int i = 0; i < n; i++) {
				assert_true(code[i].len <= max_bits);
				assert_true(code[i].len || !count[i]);
				for (unsigned int k = 0; k < i; k++) {
					uint8_t len = code[i].len < code[k].len ? code[i].len
										: code[k].len;
					/* none begins with another */
					assert_true(!len || ((code[i].bits ^ code[k].bits) &
							     ((1u << len) - 1)));
				}
				if (code[i].len)
					used += 1u << (max_bits - code[i].len);
			}
			assert_int_equal(used, 1u << max_bits);
		}
}

static void no_room_is_said(void **state)
{
	struct rig *r = *state;
	struct mh_buf little = MH_BUF_INIT(64);

	for (size_t i = 0; i < 5000; i++)
		r->plain[i] = (unsigned char)pick(r, 256);
	gzip_begin(r->gzip, &little);
	assert_int_equal(gzip_add(r->gzip, (const char *)r->plain, 5000), -EOVERFLOW);
	assert_int_equal(gzip_end(r->gzip), -EOVERFLOW);
	mh_buf_done(&little);
	round_trip(r, 5000, MOST); /* the next one is as if nothing had been */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_ones_come_back),
		cmocka_unit_test(repetitions_of_any_length_come_back),
		cmocka_unit_test(long_ones_come_back),
		cmocka_unit_test(mixtures_come_back),
		cmocka_unit_test(lines_become_short),
		cmocka_unit_test(codes_have_a_longest_one_and_are_complete),
		cmocka_unit_test(no_room_is_said),
	};

	return cmocka_run_group_tests_name("gzip", tests, setup, teardown);
}
