/*
 * The encoder. Per frame it puts a message together (wire.h), and compresses keyframes. What it
 * remembers between frames is exactly what a reader knows: the chapter, and the last written values
 * by meminfo position.
 */
#include "libmemhist/history/rows/encode.h"

#include "libmemhist/base/arena.h"
#include "libmemhist/base/buf.h"
#include "libmemhist/history/rows/encode_chapter.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/segment.h"
#include "libmemhist/history/wire.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { ZSTD_LEVEL = -1, SCRATCH_MAX = 512 << 20 };

/* Numbers of fields of Snapshot in proto/memhist.proto; encode_chapter.c has the others. */
enum { SEGMENT = 1, MEMINFO_GAP = 7, COLLECT_US = 9, PARTIAL = 10, LIVE_PLUS_1 = 11 };

struct mh_encoder {
	struct mh_chapter_out chapter;
	uint64_t meminfo[MH_MEMINFO_MAX]; /* last written values */
	struct mh_arena scratch;          /* of the frame */
	struct mh_buf packed;
	struct mh_buf compressed;
	ZSTD_CCtx *zstd;
};

int mh_encoder_new(struct mh_encoder **ret)
{
	struct mh_encoder *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->scratch = (struct mh_arena)MH_ARENA_INIT(SCRATCH_MAX);
	e->packed = (struct mh_buf)MH_BUF_INIT(MH_FRAME_RAW_MAX);
	e->compressed = (struct mh_buf)MH_BUF_INIT(MH_FRAME_RAW_MAX);
	e->zstd = ZSTD_createCCtx();
	if (!e->zstd) {
		mh_encoder_free(e);
		return -ENOMEM;
	}
	*ret = e;
	return 0;
}

void mh_encoder_free(struct mh_encoder *e)
{
	if (!e)
		return;
	mh_chapter_out_done(&e->chapter);
	mh_arena_done(&e->scratch);
	mh_buf_done(&e->packed);
	mh_buf_done(&e->compressed);
	ZSTD_freeCCtx(e->zstd);
	free(e);
}

static int add_segment(struct mh_encoder *e, const struct mh_snapshot *s,
		       const struct mh_segment_facts *facts)
{
	Memhist__V1__Segment *m = mh_segment_make(&e->scratch, facts, &s->boot_id, s->fields,
						  s->lagging, s->meminfo);
	size_t len;
	char *to;

	if (!m)
		return -ENOMEM;
	len = protobuf_c_message_get_packed_size(&m->base);
	mh_wire_begin(&e->packed, SEGMENT, len);
	to = mh_buf_reserve(&e->packed, len);
	if (to)
		e->packed.len += protobuf_c_message_pack(&m->base, (uint8_t *)to);
	return e->packed.error;
}

static int add_meminfo(struct mh_encoder *e, const struct mh_meminfo *m)
{
	struct mh_column column[2]; /* gaps and deltas */
	uint32_t next = 0;

	if (!mh_column_init(&column[0], &e->scratch, m->n, MH_COLUMN_32) ||
	    !mh_column_init(&column[1], &e->scratch, m->n, MH_COLUMN_64))
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n; i++) {
		if (m->line[i].value == e->meminfo[i])
			continue;
		mh_column_add(&column[0], i - next);
		mh_column_add_signed(&column[1], (int64_t)(m->line[i].value - e->meminfo[i]));
		e->meminfo[i] = m->line[i].value;
		next = i + 1;
	}
	mh_wire_columns(&e->packed, MEMINFO_GAP, column, 2);
	return 0;
}

static int compress(struct mh_encoder *e, struct mh_payload *payload)
{
	size_t bound = ZSTD_compressBound(payload->len), size;
	char *to;

	mh_buf_clear(&e->compressed);
	to = mh_buf_reserve(&e->compressed, bound < MH_FRAME_RAW_MAX ? bound : MH_FRAME_RAW_MAX);
	if (!to)
		return e->compressed.error;
	size = ZSTD_compressCCtx(e->zstd, to, e->compressed.cap, payload->bytes, payload->len,
				 ZSTD_LEVEL);
	if (ZSTD_isError(size) || size >= payload->len)
		return 0; /* stays as it is */
	payload->bytes = (const uint8_t *)to;
	payload->len = size;
	payload->flags |= MH_FRAME_ZSTD;
	return 0;
}

int mh_encode_snapshot(struct mh_encoder *e, const struct mh_snapshot *s,
		       const struct mh_segment_facts *facts, struct mh_payload *ret)
{
	int rc = 0;

	mh_arena_reset(&e->scratch);
	mh_buf_clear(&e->packed);
	if (facts) {
		memset(e->meminfo, 0, sizeof(e->meminfo));
		rc = add_segment(e, s, facts);
	}
	if (!rc)
		rc = mh_chapter_out_add(&e->chapter, &e->scratch, s, facts != NULL, &e->packed);
	if (!rc && s->meminfo)
		rc = add_meminfo(e, s->meminfo);
	mh_wire_uint(&e->packed, COLLECT_US, s->collect_us);
	mh_wire_uint(&e->packed, PARTIAL, s->partial);
	mh_wire_uint(&e->packed, LIVE_PLUS_1, (uint64_t)s->n_live + 1); /* S5 */
	if (!rc)
		rc = e->packed.error;
	if (rc)
		return rc;
	*ret = (struct mh_payload){.bytes = (const uint8_t *)e->packed.data, .len = e->packed.len};
	if (facts) {
		ret->flags = MH_FRAME_KEY;
		rc = compress(e, ret);
	}
	if (!rc && ret->len > MH_FRAME_PAYLOAD_MAX)
		rc = -EOVERFLOW;
	return rc;
}

int mh_encode_gap(struct mh_encoder *e, const struct mh_gap *gap, struct mh_payload *ret)
{
	Memhist__V1__Gap message = MEMHIST__V1__GAP__INIT;
	size_t len;
	char *to;

	message.kind = gap->kind;
	message.since_wall_ms = gap->since_wall_ms;
	len = protobuf_c_message_get_packed_size(&message.base);
	mh_buf_clear(&e->packed);
	to = mh_buf_reserve(&e->packed, len);
	if (!to)
		return e->packed.error;
	protobuf_c_message_pack(&message.base, (uint8_t *)to);
	*ret = (struct mh_payload){.bytes = (const uint8_t *)to, .len = len};
	return 0;
}
