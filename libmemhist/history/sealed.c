/*
 * Collects a part, writes it as frames when it is full, and notes in the index where it is.
 *
 * The file is on the disk before it gets its name (D6), and the name before the caller learns of
 * it: a sealed segment that can be seen is whole.
 */
#include "libmemhist/history/sealed.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/base/writeall.h"
#include "libmemhist/history/columns/part_build.h"
#include "libmemhist/history/columns/part_candles.h"
#include "libmemhist/history/columns/part_encode.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { FILE_MODE = 0640, LEVEL = 5, CHUNKS_MAX = 1 << 30 };

struct mh_sealed {
	int dir_fd;
	char name[MH_SEGMENT_NAME_MAX];
	char temporary[MH_SEGMENT_NAME_MAX + sizeof("." MH_TEMPORARY_SUFFIX)];
	int fd; /* of the temporary file; -1 when there is none (any more) */
	struct mh_part_builder *builder;
	struct mh_part_encoder *encoder;
	struct mh_buf chunks; /* frames of a part that follow its head */
	uint32_t segment, seq;
	bool has_snapshots; /* not written yet */
	bool is_lost;       /* something behind the last snapshot */
	Memhist__V1__PartIndex index;
	size_t index_cap;
	struct mh_instant last; /* snapshot */
	struct mh_sealed_stats stats;
};

static void make_head(struct mh_sealed *s, struct mh_instant at, uint8_t type,
		      const struct mh_payload *payload, uint8_t head[MH_FRAME_HEAD])
{
	const struct mh_frame frame = {
		.segment = s->segment,
		.seq = s->seq++,
		.at = at,
		.type = type,
		.flags = payload->flags | (type == MH_FRAME_PART ? MH_FRAME_KEY : 0),
		.version = MH_FRAME_VERSION,
		.len = (uint32_t)payload->len,
		.payload = payload->bytes,
	};

	mh_frame_seal(&frame, head);
}

static int write_frame(struct mh_sealed *s, struct mh_instant at, uint8_t type,
		       const struct mh_payload *payload)
{
	uint8_t head[MH_FRAME_HEAD];
	struct iovec iov[] = {{head, sizeof(head)}, {(void *)payload->bytes, payload->len}};

	make_head(s, at, type, payload, head);
	s->stats.bytes += sizeof(head) + payload->len;
	return mh_write_all(s->fd, iov, 2);
}

static void keep_frame(struct mh_sealed *s, struct mh_instant at, uint8_t type,
		       const struct mh_payload *payload)
{
	char *to = mh_buf_reserve(&s->chunks, MH_FRAME_HEAD + payload->len);

	if (!to)
		return;
	make_head(s, at, type, payload, (uint8_t *)to);
	memcpy(to + MH_FRAME_HEAD, payload->bytes, payload->len);
	s->chunks.len += MH_FRAME_HEAD + payload->len;
}

static int write_bytes(struct mh_sealed *s, const char *bytes, size_t len)
{
	struct iovec iov = {(void *)bytes, len};

	s->stats.bytes += len;
	return mh_write_all(s->fd, &iov, 1);
}

/* Room for one more part in the index. */
static int reserve_index(struct mh_sealed *s)
{
	Memhist__V1__PartIndex *m = &s->index;
	size_t cap = s->index_cap ? s->index_cap * 2 : 8;
	uint64_t *offset;
	int64_t *least, *greatest;
	uint32_t *snapshots;

	if (m->n_offset < s->index_cap)
		return 0;
	offset = reallocarray(m->offset, cap, sizeof(*offset));
	if (offset)
		m->offset = offset;
	least = reallocarray(m->least_wall_ms, cap, sizeof(*least));
	if (least)
		m->least_wall_ms = least;
	greatest = reallocarray(m->greatest_wall_ms, cap, sizeof(*greatest));
	if (greatest)
		m->greatest_wall_ms = greatest;
	snapshots = reallocarray(m->snapshots, cap, sizeof(*snapshots));
	if (snapshots)
		m->snapshots = snapshots;
	if (!offset || !least || !greatest || !snapshots)
		return -ENOMEM;
	s->index_cap = cap;
	return 0;
}

/* Note the part that begins at the present end of the file. */
static int add_to_index(struct mh_sealed *s, const struct mh_part *part)
{
	Memhist__V1__PartIndex *m = &s->index;
	int64_t least = INT64_MAX, greatest = INT64_MIN;
	size_t i = m->n_offset;

	if (reserve_index(s))
		return -ENOMEM;
	for (uint32_t k = 0; k < part->snapshots.n; k++) {
		mh_ms_t wall_ms = part->snapshots.item[k].at.wall_ms;

		least = wall_ms < least ? wall_ms : least;
		greatest = wall_ms > greatest ? wall_ms : greatest;
	}
	m->offset[i] = s->stats.bytes;
	m->least_wall_ms[i] = least;
	m->greatest_wall_ms[i] = greatest;
	m->snapshots[i] = part->snapshots.n;
	m->n_offset = m->n_least_wall_ms = m->n_greatest_wall_ms = m->n_snapshots = i + 1;
	s->last = part->snapshots.item[part->snapshots.n - 1].at;
	return 0;
}

static int write_index(struct mh_sealed *s)
{
	size_t len = memhist__v1__part_index__get_packed_size(&s->index);
	uint8_t *bytes = malloc(len);
	struct mh_payload payload = {bytes, len, 0};
	int rc = -ENOMEM;

	if (bytes) {
		memhist__v1__part_index__pack(&s->index, bytes);
		rc = write_frame(s, s->last, MH_FRAME_END, &payload);
	}
	free(bytes);
	return rc;
}

/* Z1: a gap in front of the index. */
static int write_gap(struct mh_sealed *s)
{
	Memhist__V1__Gap gap = MEMHIST__V1__GAP__INIT;
	uint8_t bytes[64]; /* two numbers */
	struct mh_payload payload = {bytes, 0, 0};

	gap.kind = MH_GAP_DAMAGE;
	gap.since_wall_ms = s->last.wall_ms;
	payload.len = memhist__v1__gap__pack(&gap, bytes);
	return write_frame(s, s->last, MH_FRAME_GAP, &payload);
}

/* The head of a part says how long all its other frames are, so these are kept until it is there.
 */
static int write_part(struct mh_sealed *s)
{
	const struct mh_part *part = mh_part_builder_end(s->builder);
	uint32_t seq = s->seq++, end_seq;
	struct mh_payload payload;
	struct mh_instant at;
	uint8_t type;
	int rc = part ? mh_part_encode_begin(s->encoder, part) : -ENOMEM;

	if (rc)
		return rc;
	at = part->snapshots.item[0].at;
	mh_buf_clear(&s->chunks);
	while ((rc = mh_part_encode_next(s->encoder, part, &type, &payload)) > 0)
		keep_frame(s, at, type, &payload);
	if (!rc)
		rc = s->chunks.error;
	if (!rc)
		rc = mh_part_encode_head(s->encoder, part, &payload);
	if (!rc)
		rc = add_to_index(s, part);
	if (rc)
		return rc;
	end_seq = s->seq;
	s->seq = seq;
	rc = write_frame(s, at, MH_FRAME_PART, &payload);
	s->seq = end_seq;
	if (!rc)
		rc = write_bytes(s, s->chunks.data, s->chunks.len);
	s->has_snapshots = false;
	return rc;
}

/*
 * The first snapshot of a part tells everything, but not of those who ended with it: whom it does
 * not show has no series there. Their last marks are said apart (Z7). At the beginning of all they
 * are what the frame said; later, those whom the decoder knew.
 */
static int add_ended(struct mh_sealed *s, const struct mh_decoder *d,
		     const struct mh_snapshot *snapshot)
{
	const struct mh_last_marks *marks;
	uint32_t n_marks;
	int rc = 0;

	marks = mh_decoder_last_marks(d, &n_marks);
	for (uint32_t i = 0; i < n_marks && !rc && !s->stats.snapshots; i++)
		rc = mh_part_builder_ended(s->builder, &marks[i].id, marks[i].value);
	for (uint32_t i = 0; i < snapshot->n_gone && !rc && s->stats.snapshots; i++) {
		const struct mh_process *gone = &snapshot->gone[i].process;
		uint64_t value[MH_FIELD_COUNT] = {0};

		for (int f = 0; f < MH_FIELD_COUNT; f++) {
			int mark = mh_fields[f].mark;

			if (mark != MH_FIELD_NONE && mh_fields_have(snapshot->fields, mark))
				value[mark] = gone->value[mark];
		}
		rc = mh_part_builder_ended(s->builder, &gone->id, value);
	}
	return rc;
}

int mh_sealed_add(struct mh_sealed *s, struct mh_decoder *d)
{
	const struct mh_snapshot *snapshot = mh_decoder_end(d);
	const struct mh_segment_info *info = mh_decoder_segment(d);
	int rc = mh_part_builder_add(s->builder, snapshot, info);

	if (rc == -EOVERFLOW) {
		rc = write_part(s);
		if (!rc)
			rc = mh_part_builder_add(s->builder, snapshot, info);
	}
	if (!rc && !s->has_snapshots)
		rc = add_ended(s, d, snapshot);
	s->has_snapshots = true;
	s->stats.snapshots++;
	s->stats.process_samples += snapshot->n_live;
	return rc;
}

void mh_sealed_lost(struct mh_sealed *s)
{
	s->is_lost = true;
}

int mh_sealed_finish(struct mh_sealed *s)
{
	int rc = s->stats.snapshots ? 0 : -ENODATA;

	if (!rc && s->has_snapshots)
		rc = write_part(s);
	if (!rc && s->is_lost)
		rc = write_gap(s);
	if (!rc)
		rc = write_index(s);
	if (!rc && fdatasync(s->fd))
		rc = -errno;
	return rc;
}

int mh_sealed_put(struct mh_sealed *s)
{
	if (renameat(s->dir_fd, s->temporary, s->dir_fd, s->name))
		return -errno;
	close(s->fd);
	s->fd = -1;
	return fsync(s->dir_fd) ? -errno : 0;
}

int mh_sealed_new(struct mh_sealed **ret, int dir_fd, const char *name)
{
	struct mh_sealed *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->dir_fd = dir_fd;
	s->fd = -1;
	memhist__v1__part_index__init(&s->index);
	s->chunks = (struct mh_buf)MH_BUF_INIT(CHUNKS_MAX);
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->temporary, sizeof(s->temporary), ".%s" MH_TEMPORARY_SUFFIX, s->name);
	rc = mh_part_builder_new(&s->builder);
	if (!rc)
		rc = mh_part_encoder_new(&s->encoder, LEVEL);
	if (!rc && getrandom(&s->segment, sizeof(s->segment), 0) != sizeof(s->segment))
		rc = -EIO;
	if (!rc) {
		unlinkat(dir_fd, s->temporary, 0);
		s->fd = mh_beneath_file(dir_fd, s->temporary, O_WRONLY | O_CREAT | O_EXCL,
					FILE_MODE);
		rc = s->fd < 0 ? s->fd : 0;
	}
	if (rc)
		mh_sealed_free(s);
	else
		*ret = s;
	return rc;
}

void mh_sealed_free(struct mh_sealed *s)
{
	if (!s)
		return;
	if (s->fd >= 0) {
		unlinkat(s->dir_fd, s->temporary, 0);
		close(s->fd);
	}
	mh_part_builder_free(s->builder);
	mh_part_encoder_free(s->encoder);
	mh_buf_done(&s->chunks);
	free(s->index.offset);
	free(s->index.least_wall_ms);
	free(s->index.greatest_wall_ms);
	free(s->index.snapshots);
	free(s);
}

void mh_sealed_stats(const struct mh_sealed *s, struct mh_sealed_stats *ret)
{
	*ret = s->stats;
}
