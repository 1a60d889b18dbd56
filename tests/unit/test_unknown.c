/*
 * Segments of a newer memhist (P3 of docs/FORMAT.md): with fields, columns and frames that this one
 * does not know they are read, but neither sealed, merged nor repaired, since that would lose them.
 */
#include "libmemhist/history/merge.h"
#include "libmemhist/history/repair.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/unknown.h"
#include "libmemhist/history/walk.h"
#include "proto/memhist.pb-c.h"
#include "tests/unit/merging.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

enum { FILE_MAX = 4 << 20, RAW_MAX = 1 << 20, UNKNOWN_COLUMN = 77, UNKNOWN_TYPE = 99 };

/* What a newer one has done to a segment. */
enum change {
	NOTHING,
	A_FIELD,            /* of the message of a frame */
	A_FIELD_OF_SEGMENT, /* these two of the first frame, a snapshot */
	A_COLUMN,
	A_FRAME, /* before the last one */
	CHANGES,
};

struct image {
	uint8_t *bytes;
	size_t len;
};

static struct image load(int dir_fd, const char *name)
{
	struct image image = {.bytes = malloc(FILE_MAX)};
	int fd = openat(dir_fd, name, O_RDONLY);
	ssize_t n;

	assert_non_null(image.bytes);
	assert_true(fd >= 0);
	n = read(fd, image.bytes, FILE_MAX);
	assert_in_range(n, 1, FILE_MAX - 1);
	image.len = (size_t)n;
	close(fd);
	return image;
}

static void store(int dir_fd, const char *name, const struct image *image)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, image->bytes, image->len), image->len);
	close(fd);
}

static void put(struct image *to, struct mh_frame *frame, const void *payload, size_t len)
{
	frame->payload = payload;
	frame->len = (uint32_t)len;
	assert_true(to->len + MH_FRAME_HEAD + len <= FILE_MAX);
	mh_frame_seal(frame, to->bytes + to->len);
	memcpy(to->bytes + to->len + MH_FRAME_HEAD, payload, len);
	to->len += MH_FRAME_HEAD + len;
	frame->seq++;
}

/* The payload as it is without compression, with room behind it. */
static size_t plain(const struct mh_frame *frame, uint8_t *raw)
{
	size_t len = frame->len;

	if (frame->flags & MH_FRAME_ZSTD)
		len = ZSTD_decompress(raw, RAW_MAX, frame->payload, frame->len);
	else
		memcpy(raw, frame->payload, len);
	assert_in_range(len, 1, RAW_MAX - 64);
	return len;
}

/* Field 1000, of value 1. */
static const uint8_t unknown[] = {0xc0, 0x3e, 0x01};

static size_t change_segment(uint8_t *raw, size_t len, enum change change)
{
	ProtobufCMessageUnknownField field = {
		.tag = 1000, .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT, .len = 1};
	Memhist__V1__Snapshot *m = memhist__v1__snapshot__unpack(NULL, len, raw);
	Memhist__V1__Segment *s;
	uint8_t one = 1;

	assert_non_null(m);
	s = m->segment;
	assert_non_null(s);
	if (change == A_COLUMN) {
		s->field = realloc(s->field, (s->n_field + 1) * sizeof(*s->field));
		assert_non_null(s->field);
		s->field[s->n_field++] = UNKNOWN_COLUMN;
	} else {
		field.data = &one;
		s->base.unknown_fields = &field;
		s->base.n_unknown_fields = 1;
	}
	assert_true(mh_message_has_unknown(&m->base));
	len = memhist__v1__snapshot__pack(m, raw);
	s->base.unknown_fields = NULL;
	s->base.n_unknown_fields = 0;
	memhist__v1__snapshot__free_unpacked(m, NULL);
	return len;
}

/* As it would be with this change, of its n-th frame where it is one of a frame. */
static struct image changed(const struct image *from, enum change change, size_t n)
{
	struct image to = {.bytes = malloc(FILE_MAX)};
	uint8_t *raw = malloc(RAW_MAX);
	struct mh_frame frame;
	uint32_t seq = 0;
	size_t need;

	assert_non_null(to.bytes);
	assert_non_null(raw);
	for (size_t at = 0, i = 0; at < from->len; i++) {
		int size = mh_frame_read(from->bytes + at, from->len - at, &frame, &need);
		size_t len;

		assert_true(size > 0);
		at += (size_t)size;
		len = plain(&frame, raw);
		frame.seq = seq;
		if (change == A_FRAME && at == from->len) {
			struct mh_frame future = frame;

			future.type = UNKNOWN_TYPE;
			future.flags = 0;
			put(&to, &future, "?", 1);
			frame.seq = ++seq;
		}
		if (change == A_FIELD && i == n) {
			memcpy(raw + len, unknown, sizeof(unknown));
			len += sizeof(unknown);
		}
		if ((change == A_FIELD_OF_SEGMENT || change == A_COLUMN) && !i)
			len = change_segment(raw, len, change);
		frame.flags &= (uint8_t)~MH_FRAME_ZSTD;
		put(&to, &frame, raw, len);
		seq++;
	}
	free(raw);
	return to;
}

static size_t count_frames(const struct image *image)
{
	struct mh_frame frame;
	size_t n = 0, need;

	for (size_t at = 0; at < image->len; n++)
		at += (size_t)mh_frame_read(image->bytes + at, image->len - at, &frame, &need);
	return n;
}

/* Two segments, and the bytes of the first one. */
static struct image begin(struct rig *r, bool sealed)
{
	rig_begin(r, 17, 9000, 600000);
	rig_write(r, 18);
	if (sealed)
		seal_each(r->dir, 1);
	assert_int_equal(rig_list(r)->n, 2);
	return load(r->dir_fd, r->list.file[0].name);
}

static void is_left_alone(struct rig *r, int rc, const struct mh_err *err, const char *what)
{
	char sentence[256];

	assert_int_equal(rc, -EPROTO);
	snprintf(sentence, sizeof(sentence), "%s is not %s: a newer memhist wrote what",
		 r->list.file[0].name, what);
	assert_int_equal(strncmp(err->text, sentence, strlen(sentence)), 0);
	/* nothing new, nothing gone, nothing half-done; and a reader does not mind */
	assert_int_equal(rig_list(r)->n, 2);
	assert_int_equal(r->list.n_temporary + r->list.n_superseded, 0);
	read_all_back(r->dir, &r->log);
}

static void try_open(struct rig *r, const struct image *image, enum change change, size_t n)
{
	struct image other = changed(image, change, n);
	struct mh_seal_result sealed;
	struct mh_repair_result repaired;
	struct mh_err err = {""};

	store(r->dir_fd, r->list.file[0].name, &other);
	is_left_alone(r, mh_seal_segment(r->dir_fd, &r->list.file[0], &sealed, &err), &err,
		      "sealed");
	is_left_alone(r, mh_repair_segment(r->dir_fd, &r->list.file[0], r->dir_fd, &repaired, &err),
		      &err, "repaired");
	free(other.bytes);
}

static void open_ones_are_not_sealed(void **state)
{
	struct image image, same;
	struct mh_seal_result sealed;
	struct mh_err err;
	struct rig r;

	(void)state;
	image = begin(&r, false);
	for (size_t n = 0; n < count_frames(&image); n++)
		try_open(&r, &image, A_FIELD, n);
	for (enum change change = A_FIELD_OF_SEGMENT; change < CHANGES; change++)
		try_open(&r, &image, change, 0);
	/* it is not for being made anew */
	same = changed(&image, NOTHING, 0);
	store(r.dir_fd, r.list.file[0].name, &same);
	assert_int_equal(mh_seal_segment(r.dir_fd, &r.list.file[0], &sealed, &err), 0);
	read_all_back(r.dir, &r.log);
	free(same.bytes);
	free(image.bytes);
	rig_end(&r);
}

static void try_sealed(struct rig *r, const struct image *image, enum change change, size_t n)
{
	struct image other = changed(image, change, n);
	struct mh_merge_result merged;
	struct mh_err err = {""};

	store(r->dir_fd, r->list.file[0].name, &other);
	is_left_alone(r, mh_merge(r->dir_fd, r->list.file, 2, &merged, &err), &err, "merged");
	assert_int_equal(merged.bad, 0);
	free(other.bytes);
}

static void sealed_ones_are_not_merged(void **state)
{
	struct image image, same;
	struct rig r;

	(void)state;
	image = begin(&r, true);
	for (size_t n = 0; n < count_frames(&image); n++)
		try_sealed(&r, &image, A_FIELD, n);
	try_sealed(&r, &image, A_FRAME, 0);
	same = changed(&image, NOTHING, 0);
	store(r.dir_fd, r.list.file[0].name, &same);
	assert_int_equal(rig_merge(&r, true), 1);
	read_all_back(r.dir, &r.log);
	free(same.bytes);
	free(image.bytes);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_ones_are_not_sealed),
		cmocka_unit_test(sealed_ones_are_not_merged),
	};

	return cmocka_run_group_tests_name("unknown", tests, NULL, NULL);
}
