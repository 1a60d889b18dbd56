/*
 * The sealer: walks an open segment through a decoder of its own, collects parts, and writes them
 * as frames into a temporary file, which is put on the disk before it gets its name.
 */
#include "libmemhist/history/seal.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/history/decode.h"
#include "libmemhist/history/part_build.h"
#include "libmemhist/history/part_encode.h"
#include "libmemhist/history/walk.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILE_MODE = 0640, LEVEL = 5 };

#define TEMPORARY ".sealing"

struct sealer {
	int dir_fd;
	const struct mh_segment_file *file;
	char to[MH_SEGMENT_NAME_MAX];
	char temporary[MH_SEGMENT_NAME_MAX + 1 + sizeof(TEMPORARY)];
	int fd;
	struct mh_walk *walk;
	struct mh_decoder *decoder;
	struct mh_part_builder *builder;
	struct mh_part_encoder *encoder;
	uint32_t segment, seq;
	mh_ms_t last_wall_ms;
	bool has_snapshots; /* not written yet */
	Memhist__V1__PartIndex index;
	size_t index_cap;
	struct mh_instant last; /* snapshot */
	struct mh_seal_result result;
	struct mh_err *err;
};

static int write_all(struct sealer *s, const struct iovec *iov)
{
	struct iovec left[] = {iov[0], iov[1]};
	int at = 0;

	while (at < 2) {
		ssize_t n = writev(s->fd, left + at, 2 - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		while (at < 2 && (size_t)n >= left[at].iov_len)
			n -= (ssize_t)left[at++].iov_len;
		if (at < 2) {
			left[at].iov_base = (char *)left[at].iov_base + n;
			left[at].iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int write_frame(struct sealer *s, struct mh_instant at, uint8_t type,
		       const struct mh_payload *payload)
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
	uint8_t head[MH_FRAME_HEAD];
	const struct iovec iov[] = {{head, sizeof(head)}, {(void *)payload->bytes, payload->len}};

	mh_frame_seal(&frame, head);
	s->result.bytes_after += sizeof(head) + payload->len;
	return write_all(s, iov);
}

/* Room for one more part in the index. */
static int reserve_index(struct sealer *s)
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
static int add_to_index(struct sealer *s, const struct mh_part *part)
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
	m->offset[i] = s->result.bytes_after;
	m->least_wall_ms[i] = least;
	m->greatest_wall_ms[i] = greatest;
	m->snapshots[i] = part->snapshots.n;
	m->n_offset = m->n_least_wall_ms = m->n_greatest_wall_ms = m->n_snapshots = i + 1;
	s->last = part->snapshots.item[part->snapshots.n - 1].at;
	return 0;
}

static int write_index(struct sealer *s)
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

static int write_chunk(struct sealer *s, const struct mh_part *part, uint32_t chunk)
{
	const struct mh_instant at = part->snapshots.item[0].at;
	struct mh_payload payload;
	int rc = mh_part_encode_series(s->encoder, part, chunk, &payload);

	if (!rc)
		rc = write_frame(s, at, MH_FRAME_SERIES, &payload);
	for (int f = 0; f < MH_FIELD_COUNT && !rc; f++) {
		if (!mh_fields[f].column || !mh_fields_have(part->head.fields, f))
			continue;
		rc = mh_part_encode_values(s->encoder, part, chunk, f, &payload);
		if (!rc)
			rc = write_frame(s, at, MH_FRAME_VALUES, &payload);
	}
	return rc;
}

static int write_part(struct sealer *s)
{
	const struct mh_part *part = mh_part_builder_end(s->builder);
	struct mh_payload payload;
	int rc = part ? mh_part_encode_head(s->encoder, part, &payload) : -ENOMEM;

	if (!rc)
		rc = add_to_index(s, part);
	if (!rc)
		rc = write_frame(s, part->snapshots.item[0].at, MH_FRAME_PART, &payload);
	for (uint32_t chunk = 0; !rc && chunk < mh_part_chunks(part); chunk++)
		rc = write_chunk(s, part, chunk);
	s->has_snapshots = false;
	return rc;
}

/* Add the snapshot that the decoder is at. */
static int add(struct sealer *s)
{
	const struct mh_snapshot *snapshot = mh_decoder_end(s->decoder);
	const struct mh_segment_info *info = mh_decoder_segment(s->decoder);
	const struct mh_last_marks *marks;
	uint32_t n_marks;
	int rc = mh_part_builder_add(s->builder, snapshot, info);

	if (rc == -EOVERFLOW) {
		rc = write_part(s);
		if (!rc)
			rc = mh_part_builder_add(s->builder, snapshot, info);
	}
	marks = mh_decoder_last_marks(s->decoder, &n_marks);
	for (uint32_t i = 0; i < n_marks && !rc && !s->has_snapshots; i++)
		rc = mh_part_builder_ended(s->builder, &marks[i].id, marks[i].value);
	s->has_snapshots = true;
	s->last_wall_ms = snapshot->at.wall_ms;
	s->result.snapshots++;
	s->result.process_samples += snapshot->n_live;
	return rc;
}

static int take_frame(struct sealer *s, const struct mh_step *step)
{
	int rc;

	if (step->skipped) {
		s->result.damages++;
		mh_decoder_lost(s->decoder, s->last_wall_ms);
	}
	rc = mh_decoder_frame(s->decoder, &step->frame, s->err);
	if (rc == -EBADMSG) {
		s->result.damages++;
		mh_decoder_lost(s->decoder, s->last_wall_ms);
		return 0;
	}
	return rc == MH_DECODED_SNAPSHOT ? add(s) : rc < 0 ? rc : 0;
}

static int convert(struct sealer *s)
{
	struct mh_step step;
	int rc;

	while ((rc = mh_walk_next(s->walk, &step)) > 0) {
		rc = take_frame(s, &step);
		if (rc)
			return rc;
	}
	if (!rc && s->has_snapshots)
		rc = write_part(s);
	if (!rc && !s->result.snapshots)
		rc = -ENODATA;
	return rc ? rc : write_index(s);
}

static int open_all(struct sealer *s)
{
	int rc = mh_walk_open(&s->walk, s->dir_fd, s->file->name);

	if (!rc)
		rc = mh_decoder_new(&s->decoder);
	if (!rc)
		rc = mh_part_builder_new(&s->builder);
	if (!rc)
		rc = mh_part_encoder_new(&s->encoder, LEVEL);
	if (!rc && getrandom(&s->segment, sizeof(s->segment), 0) != sizeof(s->segment))
		rc = -EIO;
	if (rc)
		return rc;
	/* what a crash left of an earlier try */
	unlinkat(s->dir_fd, s->temporary, 0);
	s->fd = mh_beneath_file(s->dir_fd, s->temporary, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);
	return s->fd < 0 ? s->fd : 0;
}

/* On the disk first, then the name, then that on the disk, then the old one goes. */
static int put_in_place(struct sealer *s)
{
	if (fdatasync(s->fd) || renameat(s->dir_fd, s->temporary, s->dir_fd, s->to) ||
	    fsync(s->dir_fd))
		return -errno;
	unlinkat(s->dir_fd, s->file->name, 0);
	return 0;
}

int mh_seal_segment(int dir_fd, const struct mh_segment_file *file, struct mh_seal_result *ret,
		    struct mh_err *err)
{
	size_t stem = strlen(file->name) - strlen(MH_OPEN_SUFFIX);
	struct sealer s = {
		.dir_fd = dir_fd,
		.file = file,
		.fd = -1,
		.err = err,
		.index = MEMHIST__V1__PART_INDEX__INIT,
	};
	int rc;

	s.result.bytes_before = file->bytes;
	snprintf(s.to, sizeof(s.to), "%.*s" MH_SEALED_SUFFIX, (int)stem, file->name);
	snprintf(s.temporary, sizeof(s.temporary), ".%.*s" TEMPORARY, (int)stem, file->name);
	err->text[0] = '\0';
	rc = open_all(&s);
	if (!rc)
		rc = convert(&s);
	if (!rc)
		rc = put_in_place(&s);
	if (rc && s.fd >= 0)
		unlinkat(dir_fd, s.temporary, 0);
	if (s.fd >= 0)
		close(s.fd);
	mh_walk_close(s.walk);
	mh_decoder_free(s.decoder);
	mh_part_builder_free(s.builder);
	mh_part_encoder_free(s.encoder);
	free(s.index.offset);
	free(s.index.least_wall_ms);
	free(s.index.greatest_wall_ms);
	free(s.index.snapshots);
	if (!rc)
		*ret = s.result;
	else if (rc == -ENODATA)
		mh_errf(err, rc, "%s holds no snapshot", file->name);
	else if (!err->text[0])
		mh_err_sys(err, rc, "cannot seal %s", file->name);
	return rc;
}
