/* The columns of a part. Each is composed in a buffer of its own, then all are packed at once. */
#include "libmemhist/history/part_encoder.h"

#include "libmemhist/history/frame.h"
#include "libmemhist/history/varints.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

int mh_part_encoder_new(struct mh_part_encoder **ret, int level)
{
	struct mh_part_encoder *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->level = level;
	for (int i = 0; i < MH_PART_COLUMNS; i++)
		e->column[i] = (struct mh_buf)MH_BUF_INIT(MH_FRAME_RAW_MAX);
	e->scratch = (struct mh_arena)MH_ARENA_INIT(256 << 20);
	e->packed = (struct mh_buf)MH_BUF_INIT(MH_FRAME_RAW_MAX);
	e->compressed = (struct mh_buf)MH_BUF_INIT(MH_FRAME_PAYLOAD_MAX);
	e->zstd = ZSTD_createCCtx();
	if (!e->zstd) {
		mh_part_encoder_free(e);
		return -ENOMEM;
	}
	*ret = e;
	return 0;
}

void mh_part_encoder_free(struct mh_part_encoder *e)
{
	if (!e)
		return;
	for (int i = 0; i < MH_PART_COLUMNS; i++)
		mh_buf_done(&e->column[i]);
	mh_arena_done(&e->scratch);
	mh_buf_done(&e->packed);
	mh_buf_done(&e->compressed);
	mh_strset_done(&e->tuples);
	mh_part_windows_done(&e->windows);
	mh_part_candles_done(&e->candles);
	ZSTD_freeCCtx(e->zstd);
	free(e->name_of);
	free(e->first_version);
	free(e->first_event);
	free(e);
}

void mh_part_begin(struct mh_part_encoder *e)
{
	mh_arena_reset(&e->scratch);
	for (int i = 0; i < MH_PART_COLUMNS; i++)
		mh_buf_clear(&e->column[i]);
}

ProtobufCBinaryData mh_part_column(const struct mh_part_encoder *e, int i)
{
	return (ProtobufCBinaryData){e->column[i].len, (uint8_t *)e->column[i].data};
}

int mh_part_finish(struct mh_part_encoder *e, const ProtobufCMessage *message,
		   struct mh_payload *ret)
{
	size_t len, bound, size;
	char *to;

	for (int i = 0; i < MH_PART_COLUMNS; i++)
		if (e->column[i].error)
			return e->column[i].error;
	len = protobuf_c_message_get_packed_size(message);
	mh_buf_clear(&e->packed);
	to = mh_buf_reserve(&e->packed, len + 1);
	if (!to)
		return e->packed.error;
	protobuf_c_message_pack(message, (uint8_t *)to);
	*ret = (struct mh_payload){.bytes = (const uint8_t *)to, .len = len};
	bound = ZSTD_compressBound(len);
	mh_buf_clear(&e->compressed);
	to = mh_buf_reserve(&e->compressed,
			    bound < MH_FRAME_PAYLOAD_MAX ? bound : MH_FRAME_PAYLOAD_MAX);
	if (!to)
		return e->compressed.error;
	size = ZSTD_compressCCtx(e->zstd, to, e->compressed.cap, ret->bytes, len, e->level);
	if (!ZSTD_isError(size) && size < len)
		*ret = (struct mh_payload){(const uint8_t *)to, size, MH_FRAME_ZSTD};
	return ret->len > MH_FRAME_PAYLOAD_MAX ? -EOVERFLOW : 0;
}

/* --- names ------------------------------------------------------------------------------------ */

int mh_part_tuple(struct mh_part_encoder *e, const struct mh_part_version *v, uint32_t *ret)
{
	const struct mh_part_tuple tuple = {v->uid, v->comm, v->cmdline, v->exe, v->cgroup};
	int rc = mh_strset_add(&e->tuples, (const char *)&tuple, sizeof(tuple), ret);

	return rc < 0 ? rc : 0;
}

static int reserve(uint32_t **array, size_t *cap, size_t n)
{
	uint32_t *bigger;

	if (n <= *cap)
		return 0;
	bigger = reallocarray(*array, n, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*cap = n;
	return 0;
}

/* Number the name tuples of all versions, and find where each series begins in the logs. */
int mh_part_index(struct mh_part_encoder *e, const struct mh_part *p)
{
	size_t n_keys = (size_t)p->series.n * MH_FIELD_COUNT, name_cap = e->name_cap;
	uint32_t next = 0;

	mh_strset_clear(&e->tuples);
	if (reserve(&e->name_of, &name_cap, (size_t)p->versions.n + 1) ||
	    reserve(&e->first_version, &e->series_cap, (size_t)p->series.n + 1) ||
	    reserve(&e->first_event, &e->event_cap, n_keys + 1))
		return -ENOMEM;
	e->name_cap = (uint32_t)name_cap;
	for (uint32_t i = 0; i < p->versions.n; i++) {
		if (mh_part_tuple(e, &p->versions.item[i], &e->name_of[i]))
			return -ENOMEM;
		while (next <= p->versions.item[i].series)
			e->first_version[next++] = i;
	}
	while (next <= p->series.n)
		e->first_version[next++] = p->versions.n;
	next = 0;
	for (uint32_t i = 0; i < p->events.n; i++) {
		size_t key = (size_t)p->events.item[i].field * p->series.n +
			     p->events.item[i].series;

		while (next <= key)
			e->first_event[next++] = i;
	}
	while (next <= n_keys)
		e->first_event[next++] = p->events.n;
	return 0;
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* Names of one series: the first version is at its first snapshot. */
static void fill_versions(struct mh_part_encoder *e, const struct mh_part *p, uint32_t series,
			  struct mh_buf c[4])
{
	uint32_t first = e->first_version[series], end = e->first_version[series + 1];
	uint32_t at = p->series.item[series].first;

	mh_varint_add(&c[0], end - first - 1);
	for (uint32_t i = first; i < end; i++) {
		const struct mh_part_version *v = &p->versions.item[i];

		if (i > first)
			mh_varint_add(&c[1], v->at - at);
		mh_varint_add(&c[2], e->name_of[i]);
		mh_varint_add(&c[3], v->ppid);
		at = v->at;
	}
}

int mh_part_encode_series(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			  struct mh_payload *ret)
{
	Memhist__V1__SeriesChunk m = MEMHIST__V1__SERIES_CHUNK__INIT;
	uint32_t last_pid = 0, begin_at = chunk * MH_PART_CHUNK_SERIES,
		 end = mh_part_chunk_end(p, chunk);
	uint64_t last_start = 0, last_first = 0;
	struct mh_buf *c = e->column;
	bool any_twin = false;

	mh_part_begin(e);
	for (uint32_t i = begin_at; i < end; i++) {
		const struct mh_part_series *s = &p->series.item[i];

		mh_varint_add(&c[0], s->id.pid - last_pid);
		mh_zigzag_add(&c[1], (int64_t)(s->id.start_ticks - last_start));
		mh_varint_add(&c[2], s->id.twin);
		mh_zigzag_add(&c[3], (int64_t)(s->first - last_first));
		mh_varint_add(&c[4], p->snapshots.n - s->first - s->count);
		fill_versions(e, p, i, &c[5]);
		any_twin |= s->id.twin != 0;
		last_pid = s->id.pid;
		last_start = s->id.start_ticks;
		last_first = s->first;
	}
	if (!any_twin)
		mh_buf_clear(&c[2]);
	m.chunk = chunk;
	m.n = end - begin_at;
	m.pid = mh_part_column(e, 0);
	m.start_ticks = mh_part_column(e, 1);
	m.twin = mh_part_column(e, 2);
	m.first = mh_part_column(e, 3);
	m.rest = mh_part_column(e, 4);
	m.versions = mh_part_column(e, 5);
	m.version_gap = mh_part_column(e, 6);
	m.name = mh_part_column(e, 7);
	m.ppid = mh_part_column(e, 8);
	return mh_part_finish(e, &m.base, ret);
}

/* Whether the first of a series' events is its value in its first snapshot. */
static bool is_start(const struct mh_part *p, uint32_t from, uint32_t to, uint32_t series)
{
	return from < to && p->events.item[from].at == p->series.item[series].first;
}

static uint64_t start_of(const struct mh_part_encoder *e, const struct mh_part *p, uint32_t series,
			 int field)
{
	size_t key = (size_t)field * p->series.n + series;
	uint32_t from = e->first_event[key];

	return is_start(p, from, e->first_event[key + 1], series)
		       ? (uint64_t)p->events.item[from].delta
		       : 0;
}

int mh_part_encode_starts(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			  int field, struct mh_payload *ret)
{
	Memhist__V1__StartChunk m = MEMHIST__V1__START_CHUNK__INIT;
	uint32_t end = mh_part_chunk_end(p, chunk);
	int base = mh_part_start_base(&p->head, field);

	mh_part_begin(e);
	for (uint32_t i = chunk * MH_PART_CHUNK_SERIES; i < end; i++) {
		uint64_t value = start_of(e, p, i, field);

		if (base == MH_FIELD_NONE)
			mh_varint_add(&e->column[0], value);
		else
			mh_zigzag_add(&e->column[0], (int64_t)(value - start_of(e, p, i, base)));
	}
	m.chunk = chunk;
	m.field = mh_fields[field].column;
	m.value = mh_part_column(e, 0);
	return mh_part_finish(e, &m.base, ret);
}

int mh_part_encode_values(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			  int field, struct mh_payload *ret)
{
	Memhist__V1__ValueChunk m = MEMHIST__V1__VALUE_CHUNK__INIT;
	uint32_t end = mh_part_chunk_end(p, chunk);
	struct mh_buf *c = e->column;

	mh_part_begin(e);
	for (uint32_t i = chunk * MH_PART_CHUNK_SERIES; i < end; i++) {
		size_t key = (size_t)field * p->series.n + i;
		uint32_t from = e->first_event[key], to = e->first_event[key + 1];
		uint32_t next = p->series.item[i].first + 1;

		if (is_start(p, from, to, i))
			from++;
		mh_varint_add(&c[0], to - from);
		for (uint32_t k = from; k < to; k++) {
			const struct mh_part_event *event = &p->events.item[k];

			mh_varint_add(&c[1], event->at - next);
			mh_zigzag_add(&c[2], event->delta);
			next = event->at + 1;
		}
	}
	m.chunk = chunk;
	m.field = mh_fields[field].column;
	m.n = mh_part_column(e, 0);
	m.gap = mh_part_column(e, 1);
	m.delta = mh_part_column(e, 2);
	return mh_part_finish(e, &m.base, ret);
}
