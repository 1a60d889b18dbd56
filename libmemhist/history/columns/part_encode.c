/*
 * The columns of a part. Each is composed in a buffer of its own, then all are packed at once.
 *
 * The order of frames (Z1, Z15) is here and nowhere else.
 */
#include "libmemhist/history/columns/part_encoder.h"

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
	for (int i = 0; i < MH_PART_COLUMNS; i++)
		e->column[i] = (struct mh_buf)MH_BUF_INIT(MH_FRAME_RAW_MAX);
	e->scratch = (struct mh_arena)MH_ARENA_INIT(256 << 20);
	e->packed = (struct mh_buf)MH_BUF_INIT(MH_FRAME_RAW_MAX);
	e->compressed = (struct mh_buf)MH_BUF_INIT(MH_FRAME_PAYLOAD_MAX);
	e->frame_bytes = (struct mh_buf)MH_BUF_INIT(MH_FRAME_RAW_MAX);
	e->zstd = ZSTD_createCCtx();
	if (!e->zstd ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, level))) {
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
	mh_buf_done(&e->frame_bytes);
	mh_strset_done(&e->tuples);
	mh_part_windows_done(&e->windows);
	mh_part_candles_done(&e->candles);
	ZSTD_freeCCtx(e->zstd);
	free(e->name_of);
	free(e->first_version);
	free(e->first_event);
	free(e->chunk);
	free(e->strings);
	free(e);
}

void mh_part_begin(struct mh_part_encoder *e)
{
	mh_arena_reset(&e->scratch);
	e->min_match = 0;
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
	ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_minMatch, e->min_match);
	size = ZSTD_compress2(e->zstd, to, e->compressed.cap, ret->bytes, len);
	if (!ZSTD_isError(size) && size < len - len / MH_PART_SAVING)
		*ret = (struct mh_payload){(const uint8_t *)to, size, MH_FRAME_ZSTD};
	return ret->len > MH_FRAME_PAYLOAD_MAX ? -EOVERFLOW : 0;
}

int mh_part_room(uint32_t **array, size_t *cap, size_t n)
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

/* --- where things are ------------------------------------------------------------------------- */

/* Find where each series begins in the log of events. */
static int index_events(struct mh_part_encoder *e, const struct mh_part *p)
{
	size_t n_keys = (size_t)p->series.n * MH_FIELD_COUNT, next = 0;

	if (mh_part_room(&e->first_event, &e->event_cap, n_keys + 1))
		return -ENOMEM;
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

static uint32_t count_events(const struct mh_part_encoder *e, const struct mh_part *p,
			     uint32_t series)
{
	uint32_t n = 0;

	for (size_t f = 0; f < MH_FIELD_COUNT; f++) {
		const uint32_t *first = &e->first_event[f * p->series.n + series];

		n += first[1] - first[0];
	}
	return n;
}

static int cut_chunks(struct mh_part_encoder *e, const struct mh_part *p)
{
	uint32_t n_events = 0, begin = 0;

	e->n_chunks = 0;
	for (uint32_t i = 0; i <= p->series.n; i++) {
		bool is_full = i > begin && (i == p->series.n || n_events >= MH_PART_CHUNK_EVENTS ||
					     i - begin == MH_PART_CHUNK_SERIES);

		if (is_full || !i) {
			if (mh_part_room(&e->chunk, &e->chunks_cap, (size_t)e->n_chunks * 2 + 2))
				return -ENOMEM;
			e->n_chunks += is_full;
			e->chunk[e->n_chunks] = begin = i;
			n_events = 0;
		}
		if (i < p->series.n)
			n_events += count_events(e, p, i);
	}
	return 0;
}

/* --- chunks ----------------------------------------------------------------------------------- */

static int encode_series(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			 struct mh_payload *ret)
{
	Memhist__V1__SeriesChunk m = MEMHIST__V1__SERIES_CHUNK__INIT;
	uint64_t last_start = 0, last_first = 0;
	struct mh_buf *c = e->column;
	uint32_t last_pid = 0;
	bool any_twin = false;

	mh_part_begin(e);
	for (uint32_t i = e->chunk[chunk]; i < e->chunk[chunk + 1]; i++) {
		const struct mh_part_series *s = &p->series.item[i];

		mh_varint_add(&c[0], s->id.pid - last_pid);
		mh_zigzag_add(&c[1], (int64_t)(s->id.start_ticks - last_start));
		mh_varint_add(&c[2], s->id.twin);
		mh_zigzag_add(&c[3], (int64_t)(s->first - last_first));
		mh_varint_add(&c[4], p->snapshots.n - s->first - s->count);
		any_twin |= s->id.twin != 0;
		last_pid = s->id.pid;
		last_start = s->id.start_ticks;
		last_first = s->first;
	}
	if (!any_twin)
		mh_buf_clear(&c[2]);
	m.chunk = chunk;
	m.n = e->chunk[chunk + 1] - e->chunk[chunk];
	m.pid = mh_part_column(e, 0);
	m.start_ticks = mh_part_column(e, 1);
	m.twin = mh_part_column(e, 2);
	m.first = mh_part_column(e, 3);
	m.rest = mh_part_column(e, 4);
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

static int encode_starts(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			 int field, struct mh_payload *ret)
{
	Memhist__V1__StartChunk m = MEMHIST__V1__START_CHUNK__INIT;
	int base = mh_part_start_base(&p->head, field);

	mh_part_begin(e);
	for (uint32_t i = e->chunk[chunk]; i < e->chunk[chunk + 1]; i++) {
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

static int encode_values(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			 int field, struct mh_payload *ret)
{
	Memhist__V1__ValueChunk m = MEMHIST__V1__VALUE_CHUNK__INIT;
	struct mh_buf *c = e->column;

	mh_part_begin(e);
	for (uint32_t i = e->chunk[chunk]; i < e->chunk[chunk + 1]; i++) {
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
	e->min_match = MH_PART_NUMBERS_MATCH;
	m.field = mh_fields[field].column;
	m.n = mh_part_column(e, 0);
	m.gap = mh_part_column(e, 1);
	m.delta = mh_part_column(e, 2);
	return mh_part_finish(e, &m.base, ret);
}

/* --- the order of frames ---------------------------------------------------------------------- */

int mh_part_encode_begin(struct mh_part_encoder *e, const struct mh_part *p)
{
	int rc = index_events(e, p);

	if (!rc)
		rc = cut_chunks(e, p);
	if (!rc)
		rc = mh_part_begin_names(e, p);
	if (!rc)
		rc = mh_part_begin_candles(e, p);
	mh_buf_clear(&e->frame_bytes);
	e->at = e->step = 0;
	return rc;
}

/* The steps of a chunk: who, names, and for each field a column of each kind, where there is one.
 */
enum { STEP_SERIES, STEP_NAMES, STEP_STARTS };
enum {
	STEP_CANDLES = STEP_STARTS + MH_FIELD_COUNT,
	STEP_VALUES = STEP_CANDLES + MH_STORED_CANDLES,
	STEP_END = STEP_VALUES + MH_FIELD_COUNT,
};

static bool is_stored(const struct mh_part *p, int field)
{
	return mh_fields[field].column && mh_fields_have(p->head.fields, field);
}

/* Returns 1, 0 when there is no such frame, or -errno. */
static int encode_step(struct mh_part_encoder *e, const struct mh_part *p, uint8_t *ret_type,
		       struct mh_payload *ret)
{
	int step = (int)e->step, field, rc;

	if (step == STEP_SERIES) {
		*ret_type = MH_FRAME_SERIES;
		rc = encode_series(e, p, e->at, ret);
	} else if (step == STEP_NAMES) {
		*ret_type = MH_FRAME_NAMES;
		rc = mh_part_encode_names(e, p, e->at, ret);
	} else if (step < STEP_CANDLES) {
		if (!is_stored(p, step - STEP_STARTS))
			return 0;
		*ret_type = MH_FRAME_STARTS;
		rc = encode_starts(e, p, e->at, step - STEP_STARTS, ret);
	} else if (step < STEP_VALUES) {
		field = mh_stored_candles[step - STEP_CANDLES];
		if (!mh_fields_have(p->head.fields, field))
			return 0;
		*ret_type = MH_FRAME_CANDLES;
		rc = mh_part_encode_candles(e, p, e->at, field, ret);
	} else {
		if (!is_stored(p, step - STEP_VALUES))
			return 0;
		*ret_type = MH_FRAME_VALUES;
		rc = encode_values(e, p, e->at, step - STEP_VALUES, ret);
	}
	return rc ? rc : 1;
}

/* Behind the chunks: what all of them have in common. */
static int encode_rest(struct mh_part_encoder *e, const struct mh_part *p, uint32_t step,
		       uint8_t *ret_type, struct mh_payload *ret)
{
	int rc;

	if (step == 0) {
		if (!p->head.meminfo.n)
			return 0;
		*ret_type = MH_FRAME_MEMINFO;
		rc = mh_part_encode_meminfo(e, p, ret);
	} else if (step == 1) {
		if (!e->tuples.n_items)
			return 0;
		*ret_type = MH_FRAME_TUPLES;
		rc = mh_part_encode_tuples(e, ret);
	} else {
		*ret_type = MH_FRAME_STRINGS;
		rc = mh_part_encode_strings(e, p, step - 2, ret);
	}
	return rc ? rc : 1;
}

int mh_part_encode_next(struct mh_part_encoder *e, const struct mh_part *p, uint8_t *ret_type,
			struct mh_payload *ret)
{
	int rc = 0;

	while (!rc && e->at < e->n_chunks) {
		rc = encode_step(e, p, ret_type, ret);
		if (++e->step == STEP_END) {
			e->step = 0;
			e->at++;
		}
	}
	while (!rc && e->step < 2 + e->n_string_chunks)
		rc = encode_rest(e, p, e->step++, ret_type, ret);
	if (rc > 0)
		mh_varint_add(&e->frame_bytes, ret->len);
	return rc;
}
