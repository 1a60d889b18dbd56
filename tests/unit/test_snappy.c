/* Snappy's blocks: there and back, limits, and what is none. */
#include "libmemhist/net/snappy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void there_and_back(void **state)
{
	static const size_t sizes[] = {0, 1, 64, 1000, 70000, 1 << 20};
	char *bytes = malloc(1 << 20);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct mh_buf packed = MH_BUF_INIT(2 << 20), whole = MH_BUF_INIT(1 << 20);

		for (size_t at = 0; at < sizes[i]; at++)
			bytes[at] = (char)(at * at % 251);
		assert_int_equal(mh_snappy_compress(bytes, sizes[i], &packed), 0);
		assert_int_equal(mh_snappy_uncompress(packed.data, packed.len, &whole), 0);
		assert_int_equal(whole.len, sizes[i]);
		if (sizes[i])
			assert_memory_equal(whole.data, bytes, sizes[i]);
		mh_buf_done(&packed);
		mh_buf_done(&whole);
	}
	free(bytes);
}

/* A literal of five bytes: the format as its description has it, not as the library makes it. */
static void a_block_made_by_hand(void **state)
{
	static const char block[] = {5, 4 << 2, 'h', 'e', 'l', 'l', 'o'};
	struct mh_buf whole = MH_BUF_INIT(64);

	(void)state;
	mh_buf_adds(&whole, "> ");
	assert_int_equal(mh_snappy_uncompress(block, sizeof(block), &whole), 0);
	assert_string_equal(mh_buf_str(&whole), "> hello");
	mh_buf_done(&whole);
}

static void limits_hold(void **state)
{
	static const char zeros[4096];
	struct mh_buf packed = MH_BUF_INIT(8192), whole = MH_BUF_INIT(4095);
	struct mh_buf small = MH_BUF_INIT(16);

	(void)state;
	assert_int_equal(mh_snappy_compress(zeros, sizeof(zeros), &packed), 0);
	assert_true(packed.len < 256);
	assert_int_equal(mh_snappy_uncompress(packed.data, packed.len, &whole), -EOVERFLOW);
	assert_int_equal(whole.len, 0);
	assert_int_equal(whole.error, 0);
	assert_int_equal(mh_snappy_compress(zeros, sizeof(zeros), &small), -EOVERFLOW);
	assert_int_equal(small.error, 0);
	mh_buf_done(&packed);
	mh_buf_done(&whole);
	mh_buf_done(&small);
}

static void what_is_no_block(void **state)
{
	/* says that it is 4 GiB, and has nothing; a copy from before the beginning; cut; framed */
	static const char huge[] = "\xff\xff\xff\xff\x0f", before[] = "\x05\x0d\x01";
	static const char framed[] = "\xff\x06\x00\x00sNaPpY", cut[] = "\x05\x10he";
	static const char endless[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
	static const char more[] = "\x04\x10hello";
	const struct {
		const char *bytes;
		size_t len;
	} none[] = {
		{"", 0},
		{huge, sizeof(huge) - 1},
		{before, sizeof(before) - 1},
		{framed, sizeof(framed) - 1},
		{cut, sizeof(cut) - 1},
		{endless, sizeof(endless) - 1},
		{more, sizeof(more) - 1},
	};
	struct mh_buf whole = MH_BUF_INIT(SIZE_MAX / 4);

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(mh_snappy_uncompress(none[i].bytes, none[i].len, &whole),
				 -EBADMSG);
	assert_true(whole.cap < 4096);
	mh_buf_done(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(a_block_made_by_hand),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(what_is_no_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
