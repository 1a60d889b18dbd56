/*
 * Small files that speak of much: lengths, counts and sizes that are not there, zeros packed a
 * thousandfold, holes without an end. None of it is believed before memory is made for it, or time
 * spent on it.
 */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/columns/part_decode.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/unpack.h"
#include "libmemhist/history/walk.h"
#include "proto/memhist.pb-c.h"
#include "tests/unit/nomem.h"
#include "tests/unit/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

enum { LITTLE = 1 << 20, MIB = 1 << 20 };

static const char name[] = "0000000001-20261120T202848Z-00000000.open";

/* A header with a right form that promises so much behind it. */
static void put_header(int fd, uint32_t len)
{
	uint8_t payload = 0, head[MH_FRAME_HEAD];
	struct mh_frame frame = {.segment = 7,
				 .type = MH_FRAME_SNAPSHOT,
				 .version = 1,
				 .len = 1,
				 .payload = &payload};

	mh_frame_seal(&frame, head);
	for (int i = 0; i < 4; i++)
		head[4 + i] = (uint8_t)(len >> 8 * i);
	assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
}

static void a_length_is_no_reason_to_make_room(void **state)
{
	const char *dir = temp_dir();
	struct mh_err err;
	int dir_fd = mh_dir_open(dir, &err), fd = openat(dir_fd, name, O_RDWR | O_CREAT, 0640);

	(void)state;
	for (uint32_t len = 1; len; len <<= 1) {
		struct mh_walk *walk;
		struct mh_step step;
		bool torn;

		assert_int_equal(ftruncate(fd, 0), 0);
		lseek(fd, 0, SEEK_SET);
		put_header(fd, len);
		nomem_watch();
		assert_int_equal(mh_walk_open(&walk, dir_fd, name), 0);
		assert_int_equal(mh_walk_next(walk, &step), 0);
		assert_int_equal(mh_walk_tail(walk, &torn), MH_FRAME_HEAD);
		mh_walk_close(walk);
		assert_in_range(nomem_largest(), 0, LITTLE);
	}
	close(fd);
	close(dir_fd);
	remove_dir(dir);
}

/* Zeros behind a header that vouches for them: a frame may have so many, and not one more. */
static void a_payload_has_an_upper_limit(void **state)
{
	const uint32_t most = MH_FRAME_PAYLOAD_MAX;
	const char *dir = temp_dir();
	struct mh_err err;
	int dir_fd = mh_dir_open(dir, &err), fd = openat(dir_fd, name, O_RDWR | O_CREAT, 0640);
	uint8_t *zeros = calloc(1, (size_t)most + 1);

	(void)state;
	assert_non_null(zeros);
	for (uint32_t len = most; len <= most + 1; len++) {
		struct mh_frame frame = {.type = 255, .version = 1, .len = len, .payload = zeros};
		bool is_frame = len == most, torn;
		uint8_t head[MH_FRAME_HEAD];
		struct mh_walk *walk;
		struct mh_step step;

		mh_frame_seal(&frame, head);
		assert_int_equal(mh_frame_peek(head, &frame), is_frame ? 0 : -EBADMSG);
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
		assert_int_equal(ftruncate(fd, (off_t)sizeof(head) + len), 0);
		nomem_watch();
		assert_int_equal(mh_walk_open(&walk, dir_fd, name), 0);
		assert_int_equal(mh_walk_next(walk, &step), is_frame);
		assert_int_equal(mh_walk_tail(walk, &torn), is_frame ? 0 : sizeof(head) + len);
		assert_false(torn);
		mh_walk_close(walk);
		if (is_frame)
			assert_int_equal(step.frame.len, most);
		else
			assert_in_range(nomem_largest(), 0, LITTLE);
	}
	free(zeros);
	close(fd);
	close(dir_fd);
	remove_dir(dir);
}

static int unpack(const void *bytes, size_t len, size_t *ret_largest)
{
	struct mh_frame frame = {
		.flags = MH_FRAME_ZSTD, .len = (uint32_t)len, .payload = bytes, .version = 1};
	ProtobufCMessage *message;
	struct mh_unpacker u;
	int rc;

	assert_int_equal(mh_unpacker_init(&u), 0);
	nomem_watch();
	rc = mh_unpack(&u, &frame, &memhist__v1__snapshot__descriptor, &message);
	*ret_largest = nomem_largest();
	mh_unpacker_done(&u);
	return rc;
}

static void zeros_packed_a_thousandfold(void **state)
{
	const size_t size = (size_t)MH_FRAME_RAW_MAX + 1, room = ZSTD_compressBound(size);
	char *zeros = calloc(1, size), *packed = malloc(room);
	size_t len, largest;

	(void)state;
	assert_non_null(zeros);
	assert_non_null(packed);
	/* a byte more than may be */
	len = ZSTD_compress(packed, room, zeros, size, 3);
	assert_in_range(len, 1, 100000);
	assert_int_equal(unpack(packed, len, &largest), -EBADMSG);
	assert_in_range(largest, 0, LITTLE);
	/* as much as may be: no more than that is made room for */
	len = ZSTD_compress(packed, room, zeros, size - 1, 3);
	assert_int_equal(unpack(packed, len, &largest), -EBADMSG);
	assert_in_range(largest, MH_FRAME_RAW_MAX, 2 * MH_FRAME_RAW_MAX + 1);
	free(zeros);
	free(packed);
}

/* Two bytes say a column that is empty, and the message has a struct for each. */
static void empty_columns_by_the_million(void **state)
{
	const size_t size = MH_FRAME_RAW_MAX, room = ZSTD_compressBound(size);
	char *columns = malloc(size), *packed = malloc(room);
	size_t len, largest;

	(void)state;
	assert_non_null(columns);
	assert_non_null(packed);
	for (size_t i = 0; i < size; i += 2) {
		columns[i] = 6 << 3 | 2; /* Snapshot.column, of as many bytes … */
		columns[i + 1] = 0;      /* … as this */
	}
	/* half a million of them are a message like any */
	len = ZSTD_compress(packed, room, columns, MIB, 1);
	assert_in_range(len, 1, LITTLE);
	assert_int_equal(unpack(packed, len, &largest), 0);
	assert_in_range(largest, 0, 64 * MIB + LITTLE);
	/* as many as may be said would be more than a gibibyte */
	len = ZSTD_compress(packed, room, columns, size, 1);
	assert_in_range(len, 1, LITTLE);
	assert_int_equal(unpack(packed, len, &largest), -EBADMSG);
	assert_in_range(largest, 0, 256 * MIB + LITTLE);
	free(columns);
	free(packed);
}

static void a_size_that_is_not_there(void **state)
{
	/* RFC 8878: a frame of a single segment whose size takes eight bytes, and no block */
	uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0};
	size_t largest;

	(void)state;
	for (int shift = 26; shift < 64; shift++) {
		uint64_t size = UINT64_C(1) << shift;

		for (int i = 0; i < 8; i++)
			frame[5 + i] = (uint8_t)(size >> 8 * i);
		assert_int_equal(unpack(frame, sizeof(frame), &largest), -EBADMSG);
		assert_in_range(largest, 0, LITTLE);
	}
}

static int decode_head(const Memhist__V1__PartHead *m, size_t *ret_largest)
{
	size_t len = memhist__v1__part_head__get_packed_size(m);
	uint8_t *bytes = malloc(len);
	struct mh_frame frame = {
		.type = MH_FRAME_PART,
		.flags = MH_FRAME_KEY,
		.version = 1,
		.len = (uint32_t)len,
		.payload = bytes,
	};
	struct mh_part_decoder *d;
	struct mh_part part = {0};
	struct mh_err err;
	int rc;

	assert_non_null(bytes);
	memhist__v1__part_head__pack(m, bytes);
	assert_int_equal(mh_part_decoder_new(&d), 0);
	nomem_watch();
	rc = mh_part_decode_head(d, &frame, &part, &err);
	*ret_largest = nomem_largest();
	mh_part_decoder_free(d);
	mh_part_done(&part);
	free(bytes);
	return rc;
}

/* Counts in the head of a part, of which nothing follows. */
static void counts_of_what_is_not_there(void **state)
{
	const ProtobufCMessageDescriptor *type = &memhist__v1__part_head__descriptor;
	uint8_t boot_id[16] = {1};

	(void)state;
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &type->fields[i];
		Memhist__V1__Segment segment = MEMHIST__V1__SEGMENT__INIT;
		Memhist__V1__PartHead m = MEMHIST__V1__PART_HEAD__INIT;
		size_t largest;

		if (f->type != PROTOBUF_C_TYPE_UINT32 || f->label == PROTOBUF_C_LABEL_REPEATED)
			continue;
		segment.boot_id = (ProtobufCBinaryData){sizeof(boot_id), boot_id};
		segment.page_bytes = 4096;
		segment.clk_tck = 100;
		m.segment = &segment;
		*(uint32_t *)((char *)&m + f->offset) = UINT32_MAX;
		assert_true(decode_head(&m, &largest) < 0);
		assert_in_range(largest, 0, LITTLE);
	}
}

/* A tebibyte of nothing, behind a header or alone: no damage is found in it, nor looked for. */
static void a_hole_without_an_end(void **state)
{
	const struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	const off_t end = (off_t)1 << 40;

	(void)state;
	for (int has_header = 0; has_header < 2; has_header++) {
		const char *dir = temp_dir();
		struct mh_err err = {""};
		int dir_fd = mh_dir_open(dir, &err);
		int fd = openat(dir_fd, name, O_RDWR | O_CREAT, 0640);
		const struct mh_snapshot *s;
		struct mh_reader_stats stats;
		struct mh_reader *r;

		if (has_header)
			put_header(fd, MIB);
		if (ftruncate(fd, end)) {
			close(fd);
			close(dir_fd);
			remove_dir(dir);
			skip(); /* a file system of smaller files */
		}
		nomem_watch();
		assert_int_equal(mh_reader_open(&r, dir, &options, &err), 0);
		assert_int_equal(mh_reader_next(r, &s, &err), 0);
		mh_reader_stats(r, &stats);
		mh_reader_close(r);
		assert_int_equal(stats.damages, has_header);
		assert_int_equal(stats.torn_tails, !has_header);
		assert_in_range(nomem_largest(), 0, 4 * MIB);
		close(fd);
		close(dir_fd);
		remove_dir(dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_length_is_no_reason_to_make_room),
		cmocka_unit_test(a_payload_has_an_upper_limit),
		cmocka_unit_test(zeros_packed_a_thousandfold),
		cmocka_unit_test(empty_columns_by_the_million),
		cmocka_unit_test(a_size_that_is_not_there),
		cmocka_unit_test(counts_of_what_is_not_there),
		cmocka_unit_test(a_hole_without_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
