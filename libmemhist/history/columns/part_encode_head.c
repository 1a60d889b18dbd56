/* The head of a part: times, what its frames are, and who ended without a life in it. */
#include "libmemhist/history/frame.h"
#include "libmemhist/history/columns/part_encoder.h"
#include "libmemhist/history/varints.h"

#include <errno.h>
#include <string.h>

/* Times are nearly regular: what is left is the difference of differences. */
static void fill_times(struct mh_part_encoder *e, const struct mh_part *p,
		       Memhist__V1__PartHead *head)
{
	struct mh_buf *wall = &e->column[0], *boot = &e->column[1], *collect = &e->column[2];
	struct mh_buf *partial = &e->column[3], *gap_at = &e->column[4], *gap_kind = &e->column[5];
	struct mh_buf *since = &e->column[6];
	uint64_t last_wall = 0, last_boot = 0, wall_step = 0, boot_step = 0;
	uint32_t next_partial = 0, next_gap = 0;

	for (uint32_t i = 0; i < p->snapshots.n; i++) {
		const struct mh_part_snapshot *s = &p->snapshots.item[i];
		uint64_t w = (uint64_t)s->at.wall_ms - last_wall, b = s->at.boot_ns - last_boot;

		mh_zigzag_add(wall, (int64_t)(w - wall_step));
		mh_zigzag_add(boot, (int64_t)(b - boot_step));
		mh_varint_add(collect, s->collect_us);
		last_wall = (uint64_t)s->at.wall_ms;
		last_boot = s->at.boot_ns;
		wall_step = i ? w : 0;
		boot_step = i ? b : 0;
		if (s->partial) {
			mh_varint_add(partial, i - next_partial);
			next_partial = i + 1;
		}
		if (s->gap.kind != MH_GAP_NONE) {
			mh_varint_add(gap_at, i - next_gap);
			mh_varint_add(gap_kind, (uint64_t)s->gap.kind);
			mh_zigzag_add(since, s->gap.since_wall_ms);
			next_gap = i + 1;
		}
	}
	head->snapshots = p->snapshots.n;
	head->wall_ms = mh_part_column(e, 0);
	head->boot_ns = mh_part_column(e, 1);
	head->collect_us = mh_part_column(e, 2);
	head->partial = mh_part_column(e, 3);
	head->gap_at = mh_part_column(e, 4);
	head->gap_kind = mh_part_column(e, 5);
	head->gap_since_ms = mh_part_column(e, 6);
}

/* Z15: what is where behind the head. */
static int fill_chunks(struct mh_part_encoder *e, const struct mh_part *p,
		       Memhist__V1__PartHead *head)
{
	size_t n = (size_t)e->n_chunks, n_strings = e->n_string_chunks;

	head->chunk_pid = mh_arena_array(&e->scratch, n + 1, sizeof(*head->chunk_pid));
	head->chunk_series = mh_arena_array(&e->scratch, n + 1, sizeof(*head->chunk_series));
	head->chunk_strings = mh_arena_array(&e->scratch, n_strings + 1,
					     sizeof(*head->chunk_strings));
	if (!head->chunk_pid || !head->chunk_series || !head->chunk_strings)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		head->chunk_pid[i] = p->series.item[e->chunk[i]].id.pid;
		head->chunk_series[i] = e->chunk[i + 1] - e->chunk[i];
	}
	for (size_t i = 0; i < n_strings; i++)
		head->chunk_strings[i] = e->strings[i + 1] - e->strings[i];
	head->n_chunk_pid = head->n_chunk_series = n;
	head->n_chunk_strings = n_strings;
	head->series = p->series.n;
	head->names = e->tuples.n_items;
	head->frame_bytes = (ProtobufCBinaryData){e->frame_bytes.len,
						  (uint8_t *)e->frame_bytes.data};
	return e->frame_bytes.error;
}

/* The columns from `first` on are for this list. */
static int fill_ended(struct mh_part_encoder *e, const struct mh_part_end *end, uint32_t n,
		      int first, bool with_names, Memhist__V1__Ended **ret)
{
	struct mh_buf *c = &e->column[first];
	Memhist__V1__Ended *to;
	uint32_t last_at = 0, last_pid = 0, number;
	uint64_t last_start = 0;
	bool any_twin = false;

	if (!n)
		return 0;
	to = *ret = mh_arena_alloc(&e->scratch, sizeof(*to));
	if (!to)
		return -ENOMEM;
	memhist__v1__ended__init(to);
	to->field = mh_arena_array(&e->scratch, MH_FIELD_COUNT, sizeof(*to->field));
	to->value = mh_arena_array(&e->scratch, MH_FIELD_COUNT, sizeof(*to->value));
	if (!to->field || !to->value)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		mh_varint_add(&c[0], end[i].at - last_at);
		mh_zigzag_add(&c[1], (int64_t)end[i].id.pid - last_pid);
		mh_zigzag_add(&c[2], (int64_t)(end[i].id.start_ticks - last_start));
		mh_varint_add(&c[3], end[i].id.twin);
		any_twin |= end[i].id.twin != 0;
		if (with_names) {
			if (mh_part_tuple(e, &end[i].names, &number))
				return -ENOMEM;
			mh_varint_add(&c[4], number);
			mh_varint_add(&c[5], end[i].names.ppid);
		}
		last_at = end[i].at;
		last_pid = end[i].id.pid;
		last_start = end[i].id.start_ticks;
	}
	if (!any_twin)
		mh_buf_clear(&c[3]);
	to->n = n;
	to->at = mh_part_column(e, first);
	to->pid = mh_part_column(e, first + 1);
	to->start_ticks = mh_part_column(e, first + 2);
	to->twin = mh_part_column(e, first + 3);
	to->name = mh_part_column(e, first + 4);
	to->ppid = mh_part_column(e, first + 5);
	return 0;
}

/* Marks of those who ended: a buffer that holds all columns one behind the other. */
static int fill_marks(struct mh_part_encoder *e, const struct mh_part *p,
		      const struct mh_part_end *end, uint32_t n, Memhist__V1__Ended *to)
{
	for (int f = 0; f < MH_FIELD_COUNT && n; f++) {
		int mark = mh_fields[f].mark;
		struct mh_buf b = MH_BUF_INIT(MH_FRAME_RAW_MAX);
		char *copy;

		if (mark == MH_FIELD_NONE || !mh_fields_have(p->head.fields, mark))
			continue;
		for (uint32_t i = 0; i < n; i++)
			mh_varint_add(&b, end[i].value[mark]);
		copy = b.error ? NULL : mh_arena_alloc(&e->scratch, b.len);
		if (copy)
			memcpy(copy, b.data, b.len);
		to->field[to->n_field++] = mh_fields[mark].column;
		to->value[to->n_value++] = (ProtobufCBinaryData){b.len, (uint8_t *)copy};
		mh_buf_done(&b);
		if (!copy)
			return -ENOMEM;
	}
	return 0;
}

static Memhist__V1__Segment *make_segment(struct mh_part_encoder *e,
					  const struct mh_segment_head *head)
{
	const struct mh_segment_facts facts = {
		.page_bytes = head->info.page_bytes,
		.clk_tck = head->info.clk_tck,
		.interval_ms = head->info.interval_ms,
		.host = head->info.host,
		.writer = head->info.writer,
	};

	Memhist__V1__Segment *m = mh_segment_make(&e->scratch, &facts, &head->boot_id, head->fields,
						  head->lagging, &head->meminfo);

	if (m)
		m->required_features = MH_FEATURE_STARTS | MH_FEATURE_APART;
	return m;
}

static int fill_candle_fields(struct mh_part_encoder *e, const struct mh_part *p,
			      Memhist__V1__PartHead *head)
{
	head->candle_field = mh_arena_array(&e->scratch, MH_STORED_CANDLES,
					    sizeof(*head->candle_field));
	if (!head->candle_field)
		return -ENOMEM;
	for (int i = 0; i < MH_STORED_CANDLES; i++)
		if (mh_fields_have(p->head.fields, mh_stored_candles[i]))
			head->candle_field[head->n_candle_field++] =
				mh_fields[mh_stored_candles[i]].column;
	return 0;
}

int mh_part_encode_head(struct mh_part_encoder *e, const struct mh_part *p, struct mh_payload *ret)
{
	Memhist__V1__PartHead head = MEMHIST__V1__PART_HEAD__INIT;
	int rc;

	mh_part_begin(e);
	rc = fill_ended(e, p->brief.item, p->brief.n, 7, true, &head.brief);
	if (!rc && head.brief)
		rc = fill_marks(e, p, p->brief.item, p->brief.n, head.brief);
	if (!rc)
		rc = fill_ended(e, p->ended.item, p->ended.n, 13, false, &head.ended);
	if (!rc && head.ended)
		rc = fill_marks(e, p, p->ended.item, p->ended.n, head.ended);
	if (rc)
		return rc;
	head.segment = make_segment(e, &p->head);
	if (!head.segment)
		return -ENOMEM;
	fill_times(e, p, &head);
	rc = fill_chunks(e, p, &head);
	if (!rc)
		rc = fill_candle_fields(e, p, &head);
	return rc ? rc : mh_part_finish(e, &head.base, ret);
}
