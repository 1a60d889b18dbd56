/* Present parts to older ones. Any failure ends the program. */
#include "tests/unit/older.h"

#include "libmemhist/base/buf.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/segment.h"
#include "proto/memhist.pb-c.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include <cmocka.h>

enum { FRAMES_MAX = 4096 };

static void decompress(struct mh_frame *f)
{
	size_t size;
	uint8_t *raw;

	if (!(f->flags & MH_FRAME_ZSTD))
		return;
	size = (size_t)ZSTD_getFrameContentSize(f->payload, f->len);
	raw = malloc(size + 1);
	assert_non_null(raw);
	assert_int_equal(ZSTD_decompress(raw, size, f->payload, f->len), size);
	free((void *)f->payload);
	f->payload = raw;
	f->len = (uint32_t)size;
	f->flags &= (uint8_t)~MH_FRAME_ZSTD;
}

static void *unpack(const struct mh_frame *f, const ProtobufCMessageDescriptor *type)
{
	void *m = protobuf_c_message_unpack(type, NULL, f->len, f->payload);

	assert_non_null(m);
	return m;
}

static void replace(struct mh_frame *f, const ProtobufCMessage *m)
{
	uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(m) + 1);

	assert_non_null(bytes);
	f->len = (uint32_t)protobuf_c_message_pack(m, bytes);
	free((void *)f->payload);
	f->payload = bytes;
}

/* Columns move: the message that gives them has none afterwards. */
static void move(ProtobufCBinaryData *to, ProtobufCBinaryData *from)
{
	*to = *from;
	*from = (ProtobufCBinaryData){0, NULL};
}

static void take_strings(Memhist__V1__PartHead *head, const struct mh_frame *f)
{
	Memhist__V1__StringChunk *m = unpack(f, &memhist__v1__string_chunk__descriptor);

	head->string = reallocarray(head->string, head->n_string + m->n_string,
				    sizeof(*head->string));
	assert_non_null(head->string);
	for (size_t i = 0; i < m->n_string; i++)
		move(&head->string[head->n_string++], &m->string[i]);
	protobuf_c_message_free_unpacked(&m->base, NULL);
}

static void take_tuples(Memhist__V1__PartHead *head, const struct mh_frame *f)
{
	Memhist__V1__TupleChunk *m = unpack(f, &memhist__v1__tuple_chunk__descriptor);

	move(&head->name_uid, &m->uid);
	move(&head->name_comm, &m->comm);
	move(&head->name_cmdline, &m->cmdline);
	move(&head->name_exe, &m->exe);
	move(&head->name_cgroup, &m->cgroup);
	protobuf_c_message_free_unpacked(&m->base, NULL);
}

static void take_meminfo(Memhist__V1__PartHead *head, const struct mh_frame *f)
{
	Memhist__V1__MeminfoChunk *m = unpack(f, &memhist__v1__meminfo_chunk__descriptor);

	move(&head->meminfo_n, &m->n);
	move(&head->meminfo_gap, &m->gap);
	move(&head->meminfo_delta, &m->delta);
	protobuf_c_message_free_unpacked(&m->base, NULL);
}

static void add_names(struct mh_frame *series, const struct mh_frame *names)
{
	Memhist__V1__SeriesChunk *to = unpack(series, &memhist__v1__series_chunk__descriptor);
	Memhist__V1__NameChunk *from = unpack(names, &memhist__v1__name_chunk__descriptor);

	move(&to->versions, &from->versions);
	move(&to->version_gap, &from->version_gap);
	move(&to->name, &from->name);
	move(&to->ppid, &from->ppid);
	replace(series, &to->base);
	protobuf_c_message_free_unpacked(&to->base, NULL);
	protobuf_c_message_free_unpacked(&from->base, NULL);
}

size_t older_part(struct mh_frame *frame, size_t n)
{
	Memhist__V1__PartHead *head;
	size_t kept = 1;

	for (size_t i = 0; i < n; i++)
		decompress(&frame[i]);
	head = unpack(&frame[0], &memhist__v1__part_head__descriptor);
	assert_in_range(head->n_chunk_series, 0, 1);
	for (size_t i = 1; i < n; i++) {
		if (frame[i].type == MH_FRAME_STRINGS)
			take_strings(head, &frame[i]);
		else if (frame[i].type == MH_FRAME_TUPLES)
			take_tuples(head, &frame[i]);
		else if (frame[i].type == MH_FRAME_MEMINFO)
			take_meminfo(head, &frame[i]);
		else if (frame[i].type == MH_FRAME_NAMES)
			add_names(&frame[kept - 1], &frame[i]);
		else {
			frame[kept++] = frame[i];
			continue;
		}
		free((void *)frame[i].payload);
	}
	head->n_chunk_series = head->n_chunk_strings = 0;
	head->segment->required_features &= ~(uint64_t)MH_FEATURE_APART;
	free(head->frame_bytes.data);
	head->frame_bytes = (ProtobufCBinaryData){0, NULL};
	replace(&frame[0], &head->base);
	protobuf_c_message_free_unpacked(&head->base, NULL);
	return kept;
}

/* --- files ------------------------------------------------------------------------------------ */

struct older {
	struct mh_buf out;
	struct mh_frame frame[FRAMES_MAX]; /* of the part that is read */
	size_t n;
	uint32_t seq;
	uint64_t offset[FRAMES_MAX]; /* of parts */
	size_t n_parts;
};

static void add(struct older *o, struct mh_frame *f)
{
	uint8_t head[MH_FRAME_HEAD];

	f->seq = o->seq++;
	mh_frame_seal(f, head);
	mh_buf_add(&o->out, head, sizeof(head));
	mh_buf_add(&o->out, f->payload, f->len);
	assert_int_equal(o->out.error, 0);
	free((void *)f->payload);
}

static void flush(struct older *o)
{
	if (!o->n)
		return;
	o->n = older_part(o->frame, o->n);
	assert_in_range(o->n_parts, 0, FRAMES_MAX - 1);
	o->offset[o->n_parts++] = o->out.len;
	for (size_t i = 0; i < o->n; i++)
		add(o, &o->frame[i]);
	o->n = 0;
}

static void take(struct older *o, struct mh_frame f)
{
	uint8_t *copy = malloc(f.len);

	assert_non_null(copy);
	memcpy(copy, f.payload, f.len);
	f.payload = copy;
	if (f.type == MH_FRAME_PART || f.type == MH_FRAME_END || f.type == MH_FRAME_GAP)
		flush(o);
	if (f.type == MH_FRAME_GAP) {
		add(o, &f);
	} else if (f.type == MH_FRAME_END) {
		Memhist__V1__PartIndex *m = unpack(&f, &memhist__v1__part_index__descriptor);

		assert_int_equal(m->n_offset, o->n_parts);
		memcpy(m->offset, o->offset, o->n_parts * sizeof(*m->offset));
		replace(&f, &m->base);
		protobuf_c_message_free_unpacked(&m->base, NULL);
		add(o, &f);
	} else {
		assert_in_range(o->n, 0, FRAMES_MAX - 1);
		o->frame[o->n++] = f;
	}
}

static void older_file(int dir_fd, const char *name)
{
	struct older *o = calloc(1, sizeof(*o));
	int fd = openat(dir_fd, name, O_RDWR);
	struct mh_frame frame;
	uint8_t *bytes;
	size_t need;
	off_t size;

	assert_non_null(o);
	assert_true(fd >= 0);
	o->out = (struct mh_buf)MH_BUF_INIT(64 << 20);
	size = lseek(fd, 0, SEEK_END);
	bytes = malloc((size_t)size);
	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
	for (off_t at = 0; at < size;) {
		int n = mh_frame_read(bytes + at, (size_t)(size - at), &frame, &need);

		assert_true(n > 0);
		take(o, frame);
		at += n;
	}
	assert_int_equal(pwrite(fd, o->out.data, o->out.len, 0), o->out.len);
	assert_int_equal(ftruncate(fd, (off_t)o->out.len), 0);
	mh_buf_done(&o->out);
	free(o);
	free(bytes);
	close(fd);
}

void older_history(const char *dir)
{
	struct mh_segment_list list = {0};
	struct mh_err err = {""};
	int fd = mh_dir_open(dir, &err);

	assert_true(fd >= 0);
	assert_int_equal(mh_dir_list(fd, &list), 0);
	for (size_t i = 0; i < list.n; i++)
		if (list.file[i].is_sealed)
			older_file(fd, list.file[i].name);
	mh_dir_list_done(&list);
	close(fd);
}
