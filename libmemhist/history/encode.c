/*
 * The encoder. Per frame it fills arrays in an arena, lets protobuf-c pack them, and compresses
 * keyframes. What it remembers between frames is exactly what a reader knows: the chapter, and the
 * last written values by meminfo position.
 */
#include "libmemhist/history/encode.h"

#include "libmemhist/base/arena.h"
#include "libmemhist/base/buf.h"
#include "libmemhist/history/encode_chapter.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/segment.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { ZSTD_LEVEL = -1, SCRATCH_MAX = 512 << 20 };

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

static int fill_meminfo(struct mh_encoder *e, const struct mh_meminfo *m,
			Memhist__V1__Snapshot *ret)
{
	uint32_t next = 0;

	ret->meminfo_gap = mh_arena_array(&e->scratch, m->n, sizeof(*ret->meminfo_gap));
	ret->meminfo_delta = mh_arena_array(&e->scratch, m->n, sizeof(*ret->meminfo_delta));
	if (!ret->meminfo_gap || !ret->meminfo_delta)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n; i++) {
		if (m->line[i].value == e->meminfo[i])
			continue;
		ret->meminfo_gap[ret->n_meminfo_gap++] = i - next;
		ret->meminfo_delta[ret->n_meminfo_delta++] = (int64_t)(m->line[i].value -
								       e->meminfo[i]);
		e->meminfo[i] = m->line[i].value;
		next = i + 1;
	}
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

/* Pack any message into e->packed. */
static int pack(struct mh_encoder *e, const ProtobufCMessage *message, struct mh_payload *ret)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	char *to;

	mh_buf_clear(&e->packed);
	to = mh_buf_reserve(&e->packed, len);
	if (!to)
		return e->packed.error;
	protobuf_c_message_pack(message, (uint8_t *)to);
	*ret = (struct mh_payload){.bytes = (const uint8_t *)to, .len = len};
	return 0;
}

int mh_encode_snapshot(struct mh_encoder *e, const struct mh_snapshot *s,
		       const struct mh_segment_facts *facts, struct mh_payload *ret)
{
	Memhist__V1__Snapshot message = MEMHIST__V1__SNAPSHOT__INIT;
	int rc;

	mh_arena_reset(&e->scratch);
	if (facts) {
		memset(e->meminfo, 0, sizeof(e->meminfo));
		message.segment = mh_segment_make(&e->scratch, facts, &s->boot_id, s->fields,
						  s->lagging, s->meminfo);
	}
	rc = facts && !message.segment ? -ENOMEM : 0;
	if (!rc)
		rc = mh_chapter_out_fill(&e->chapter, &e->scratch, s, facts != NULL, &message);
	if (!rc && s->meminfo)
		rc = fill_meminfo(e, s->meminfo, &message);
	if (rc)
		return rc;
	message.collect_us = s->collect_us;
	message.partial = s->partial;
	message.live_plus_1 = s->n_live + 1; /* S5 */
	rc = pack(e, &message.base, ret);
	if (rc || !facts)
		goto out;
	ret->flags = MH_FRAME_KEY;
	rc = compress(e, ret);
out:
	if (!rc && ret->len > MH_FRAME_PAYLOAD_MAX)
		rc = -EOVERFLOW;
	return rc;
}

int mh_encode_gap(struct mh_encoder *e, const struct mh_gap *gap, struct mh_payload *ret)
{
	Memhist__V1__Gap message = MEMHIST__V1__GAP__INIT;

	message.kind = gap->kind;
	message.since_wall_ms = gap->since_wall_ms;
	return pack(e, &message.base, ret);
}
