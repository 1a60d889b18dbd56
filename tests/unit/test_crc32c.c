/* CRC-32C: published vectors, and both ways of computing it against one another and a slow third.
 */
#include "libmemhist/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The definition, bit by bit: reflected 0x1EDC6F41. */
static uint32_t by_bits(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	for (; len; len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void check(const void *bytes, size_t len, uint32_t expected)
{
	assert_int_equal(mh_crc32c(0, bytes, len), expected);
	assert_int_equal(mh_crc32c_portable(0, bytes, len), expected);
	assert_int_equal(by_bits(0, bytes, len), expected);
}

static void published_vectors(void **state)
{
	/* RFC 3720 appendix B.4 */
	static const uint8_t scsi_read[48] = {
		0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0x14, 0, 0, 0,    0,
		0,    0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0,    0, 0, 0x02,
	};
	uint8_t bytes[32];

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	check(bytes, sizeof(bytes), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	check(bytes, sizeof(bytes), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = i;
	check(bytes, sizeof(bytes), 0x46dd794e);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = 31 - i;
	check(bytes, sizeof(bytes), 0x113fdb5c);
	check(scsi_read, sizeof(scsi_read), 0xd9963a56);
	check("123456789", 9, 0xe3069283);
	check("", 0, 0);
}

/* Every length and every alignment that the word-wise path could get wrong. */
static void both_paths_agree_on_all_lengths_and_alignments(void **state)
{
	uint8_t bytes[100];

	(void)state;
	srandom(3720);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	for (size_t at = 0; at < 16; at++)
		for (size_t len = 0; at + len <= sizeof(bytes); len++)
			check(bytes + at, len, by_bits(0, bytes + at, len));
}

static void parts_can_be_chained(void **state)
{
	uint8_t bytes[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random();
	for (size_t cut = 0; cut <= sizeof(bytes); cut += 7) {
		uint32_t head = mh_crc32c(0, bytes, cut);

		assert_int_equal(mh_crc32c(head, bytes + cut, sizeof(bytes) - cut),
				 by_bits(0, bytes, sizeof(bytes)));
		assert_int_equal(mh_crc32c_portable(head, bytes + cut, sizeof(bytes) - cut),
				 by_bits(0, bytes, sizeof(bytes)));
	}
}

static void every_single_bit_counts(void **state)
{
	uint8_t bytes[64] = {0};
	uint32_t whole = mh_crc32c(0, bytes, sizeof(bytes));

	(void)state;
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(mh_crc32c(0, bytes, sizeof(bytes)) != whole);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(both_paths_agree_on_all_lengths_and_alignments),
		cmocka_unit_test(parts_can_be_chained),
		cmocka_unit_test(every_single_bit_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
