/*
 * Columns back to a part. What a column does not have is as bad as what it has too much (Z2 of
 * docs/FORMAT.md).
 */
#include "libmemhist/history/columns/part_decoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STRING_BYTES_MAX = MH_CMDLINE_MAX };

int mh_part_decoder_new(struct mh_part_decoder **ret)
{
	struct mh_part_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	if (mh_unpacker_init(&d->unpacker)) {
		mh_part_decoder_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

void mh_part_decoder_free(struct mh_part_decoder *d)
{
	if (!d)
		return;
	mh_unpacker_done(&d->unpacker);
	mh_part_windows_done(&d->windows);
	mh_part_candles_done(&d->candles);
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		free(d->start[f]);
	free(d->tuple);
	free(d->chunk_pid);
	free(d->chunk_series);
	free(d->string_base);
	free(d->wanted);
	free(d->frame_bytes);
	free(d);
}

void mh_part_decoder_be_strict(struct mh_part_decoder *d)
{
	d->unpacker.is_strict = true;
}

/* --- the head --------------------------------------------------------------------------------- */

static int take_strings(const Memhist__V1__PartHead *m, struct mh_part *p)
{
	for (size_t i = 0; i < m->n_string; i++) {
		uint32_t number;
		int rc;

		if (m->string[i].len > STRING_BYTES_MAX)
			return -EBADMSG; /* C3 */
		rc = mh_strset_add(&p->strings, (const char *)m->string[i].data, m->string[i].len,
				   &number);
		if (rc < 0)
			return rc;
		if (number != i)
			return -EBADMSG; /* Z3: twice */
	}
	return 0;
}

/* Z3 */
static int take_times(const Memhist__V1__PartHead *m, struct mh_part *p)
{
	struct mh_varints wall = mh_bytes_of(m->wall_ms), boot = mh_bytes_of(m->boot_ns);
	struct mh_varints collect = mh_bytes_of(m->collect_us);
	uint64_t w = 0, b = 0, wall_step = 0, boot_step = 0;

	if (!m->snapshots || m->snapshots > MH_PART_SNAPSHOTS_MAX || m->snapshots > m->wall_ms.len)
		return -EBADMSG;
	for (uint32_t i = 0; i < m->snapshots; i++) {
		uint64_t collect_us;

		if (!mh_part_reserve(p, p->snapshots, MH_PART_SNAPSHOTS_MAX))
			return p->error;
		wall_step += (uint64_t)mh_zigzag_next(&wall);
		boot_step += (uint64_t)mh_zigzag_next(&boot);
		collect_us = mh_varint_next(&collect);
		w += wall_step;
		b += boot_step;
		if (collect_us > UINT32_MAX)
			return -EBADMSG;
		p->snapshots.item[p->snapshots.n++] = (struct mh_part_snapshot){
			.at = {(mh_ms_t)w, b}, .collect_us = (uint32_t)collect_us};
		if (!i)
			wall_step = boot_step = 0;
	}
	return mh_varints_done(&wall) && mh_varints_done(&boot) && mh_varints_done(&collect)
		       ? 0
		       : -EBADMSG;
}

static int take_gaps(const Memhist__V1__PartHead *m, struct mh_part *p)
{
	struct mh_varints partial = mh_bytes_of(m->partial), at = mh_bytes_of(m->gap_at);
	struct mh_varints kind = mh_bytes_of(m->gap_kind), since = mh_bytes_of(m->gap_since_ms);
	uint32_t i = 0;

	while (partial.p < partial.end) {
		if (!mh_next_position(&partial, p->snapshots.n, &i))
			return -EBADMSG;
		p->snapshots.item[i++].partial = true;
	}
	for (i = 0; at.p < at.end; i++) {
		if (!mh_next_position(&at, p->snapshots.n, &i))
			return -EBADMSG;
		p->snapshots.item[i].gap = (struct mh_gap){
			.kind = (enum mh_gap_kind)(mh_varint_next(&kind) & 0xff),
			.since_wall_ms = mh_zigzag_next(&since),
		};
	}
	return mh_varints_done(&kind) && mh_varints_done(&since) ? 0 : -EBADMSG;
}

static bool take_identity(struct mh_identity *id, int64_t pid, int64_t start, uint64_t twin)
{
	int64_t sum = (int64_t)id->pid + pid;

	if (pid < -MH_PID_MAX || pid > MH_PID_MAX || sum < 1 || sum > MH_PID_MAX ||
	    twin > UINT32_MAX)
		return false;
	id->pid = (uint32_t)sum;
	id->start_ticks += (uint64_t)start;
	id->twin = (uint32_t)twin;
	return true;
}

static int take_marks(const Memhist__V1__Ended *m, struct mh_part_end *end)
{
	for (size_t k = 0; k < m->n_field; k++) {
		int field = mh_field_by_column(m->field[k]);
		struct mh_varints v = mh_bytes_of(m->value[k]);

		for (uint32_t i = 0; field >= 0 && i < m->n; i++)
			end[i].value[field] = mh_varint_next(&v);
		if (field >= 0 && !mh_varints_done(&v))
			return -EBADMSG;
	}
	return 0;
}

static void keep_pid(struct mh_part_ends *list, uint32_t pid)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < list->n; i++)
		if (list->item[i].id.pid == pid)
			list->item[n++] = list->item[i];
	list->n = n;
}

/* Z7: a list of ends, behind those that *list has; `d` is given where they have names. */
static int take_ended(const struct mh_part_decoder *d, const Memhist__V1__Ended *m,
		      struct mh_part *p, struct mh_part_ends *list)
{
	struct mh_varints at = mh_bytes_of(m->at), pid = mh_bytes_of(m->pid),
			  twin = mh_bytes_of(m->twin);
	struct mh_varints start = mh_bytes_of(m->start_ticks), name = mh_bytes_of(m->name);
	struct mh_varints ppid = mh_bytes_of(m->ppid);
	struct mh_identity id = {0};
	bool has_names = d && !d->choice.without_names;
	uint64_t when = 0;
	int rc;

	if (m->n > m->at.len || m->n_field != m->n_value)
		return -EBADMSG;
	for (uint32_t i = 0; i < m->n; i++) {
		struct mh_part_end end = {0};

		when += mh_varint_next(&at);
		if (!take_identity(&id, mh_zigzag_next(&pid), mh_zigzag_next(&start),
				   m->twin.len ? mh_varint_next(&twin) : 0) ||
		    when >= p->snapshots.n ||
		    (has_names && !mh_part_take_name(d, mh_varint_next(&name),
						     mh_varint_next(&ppid), &end.names)))
			return -EBADMSG;
		end.id = id;
		end.at = (uint32_t)when;
		if (!mh_part_reserve(p, *list, MH_PART_SERIES_MAX))
			return p->error;
		list->item[list->n++] = end;
	}
	if (!mh_varints_done(&at) || !mh_varints_done(&pid) || !mh_varints_done(&start) ||
	    !mh_varints_done(&twin) || (has_names && !mh_varints_done(&name)) ||
	    (has_names && !mh_varints_done(&ppid)))
		return -EBADMSG;
	rc = take_marks(m, list->item);
	if (!rc && has_names && d->choice.pid)
		keep_pid(list, d->choice.pid);
	return rc;
}

/* The fields of frames by their place in a chunk (Z10); those from the future are nobody's. */
static void take_order(const uint32_t *column, size_t n, struct mh_frame_order *ret)
{
	*ret = (struct mh_frame_order){.is_known = n <= MH_FRAME_ORDER_MAX};
	for (size_t i = 0; ret->is_known && i < n; i++)
		ret->field[ret->n++] = column[i] ? mh_field_by_column(column[i]) : MH_FIELD_ANON;
}

/* Z11: candles are told from the first values of series, which Z9 says. */
static bool has_candles_starts(const struct mh_part_decoder *d, const struct mh_part *p)
{
	const mh_fields_t starts = p->head.features & MH_FEATURE_STARTS ? d->stored : 0;

	for (uint32_t i = 0; i < d->candle_order.n; i++) {
		const int field = d->candle_order.field[i];

		if (field == MH_FIELD_ANON && MH_FIELDS_OF_RSS & ~starts)
			return false;
		if (field >= 0 && field != MH_FIELD_ANON && !mh_fields_have(starts, field))
			return false;
	}
	return true;
}

int mh_part_numbers(uint32_t **array, uint32_t *cap, size_t n)
{
	uint32_t *bigger;

	if (n <= *cap)
		return 0;
	if (n > UINT32_MAX)
		return -ENOMEM;
	bigger = reallocarray(*array, n, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*cap = (uint32_t)n;
	return 0;
}

/* How many series each chunk has: where that is not said, as many as it can (Z1, Z15). */
static int take_chunk_series(struct mh_part_decoder *d, const Memhist__V1__PartHead *m)
{
	uint32_t left = m->series;
	size_t n = d->is_apart ? m->n_chunk_series
			       : (m->series + MH_PART_CHUNK_SERIES - 1) / MH_PART_CHUNK_SERIES;

	if (m->series > MH_PART_SERIES_MAX || n > m->series)
		return -EBADMSG;
	if (mh_part_numbers(&d->chunk_series, &d->chunk_series_cap, n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t most = left < MH_PART_CHUNK_SERIES ? left : MH_PART_CHUNK_SERIES;
		uint32_t of_chunk = d->is_apart ? m->chunk_series[i] : most;

		if (!of_chunk || of_chunk > most)
			return -EBADMSG;
		d->chunk_series[i] = of_chunk;
		left -= of_chunk;
	}
	d->n_series = m->series;
	d->n_chunks = (uint32_t)n;
	return left ? -EBADMSG : 0;
}

/* The first pid of each chunk, where that matters. */
static int take_chunk_pids(struct mh_part_decoder *d, const Memhist__V1__PartHead *m)
{
	if (!d->choice.pid)
		return 0;
	if (m->n_chunk_pid != d->n_chunks)
		return -EBADMSG;
	if (mh_part_numbers(&d->chunk_pid, &d->chunk_pids_cap, d->n_chunks))
		return -ENOMEM;
	for (uint32_t i = 0; i < d->n_chunks; i++)
		d->chunk_pid[i] = m->chunk_pid[i];
	return 0;
}

/* Names and meminfo that stand in the head. */
static int take_inner(struct mh_part_decoder *d, const Memhist__V1__PartHead *m, struct mh_part *p)
{
	struct mh_tuple_columns c = {mh_bytes_of(m->name_uid), mh_bytes_of(m->name_comm),
				     mh_bytes_of(m->name_cmdline), mh_bytes_of(m->name_exe),
				     mh_bytes_of(m->name_cgroup)};
	int rc = 0;

	if (!d->choice.without_names)
		rc = take_strings(m, p);
	if (!rc && !d->choice.without_names)
		rc = mh_part_take_tuple_columns(d, &c, m->names, p->strings.n_items);
	if (!rc && !d->choice.without_meminfo)
		rc = mh_part_take_meminfo_columns(p, mh_bytes_of(m->meminfo_n),
						  mh_bytes_of(m->meminfo_gap),
						  mh_bytes_of(m->meminfo_delta));
	return rc;
}

int mh_part_decode_head(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p,
			struct mh_err *err)
{
	const Memhist__V1__PartHead *m;
	ProtobufCMessage *message;
	int rc;

	mh_part_clear(p);
	mh_part_candles_clear(&d->candles);
	d->n_series = d->n_chunks = d->chunk = d->n_passed_over = 0;
	d->n_named = d->n_wanted = d->n_got = d->next_strings = d->n_string_chunks = 0;
	d->n_frames = d->n_frame_bytes = d->at_frame = 0;
	d->passes_over = d->wants_nothing = d->left_meminfo = d->left_tuples = false;
	rc = mh_unpack(&d->unpacker, frame, &memhist__v1__part_head__descriptor, &message);
	if (rc)
		return rc;
	m = (const Memhist__V1__PartHead *)message;
	if (!m->segment)
		return -EBADMSG;
	rc = mh_segment_take(m->segment, MH_FEATURE_STARTS | MH_FEATURE_APART, &p->head, err);
	d->is_apart = !rc && p->head.features & MH_FEATURE_APART;
	d->n_tuples = m->names;
	if (!rc)
		rc = take_times(m, p);
	if (!rc && !d->is_apart)
		rc = take_inner(d, m, p);
	if (!rc)
		rc = take_gaps(m, p);
	if (!rc && m->brief)
		rc = take_ended(d, m->brief, p, &p->brief);
	if (!rc && m->ended)
		rc = take_ended(NULL, m->ended, p, &p->ended);
	if (!rc)
		rc = take_chunk_series(d, m);
	if (rc)
		return rc;
	d->stored = 0;
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields[f].column)
			d->stored |= p->head.fields & (mh_fields_t)1 << f;
	take_order(m->segment->field, m->segment->n_field, &d->value_order);
	take_order(m->candle_field, m->n_candle_field, &d->candle_order);
	if (!has_candles_starts(d, p))
		return -EBADMSG;
	rc = take_chunk_pids(d, m);
	if (!rc && d->is_apart)
		rc = mh_part_begin_frames(d, m, p);
	if (rc)
		return rc;
	return mh_part_decoder_want(d, p, d->stored, MH_FIELD_NONE);
}

bool mh_part_has_candles(const struct mh_part_decoder *d, int field)
{
	for (uint32_t i = 0; i < d->candle_order.n; i++)
		if (d->candle_order.field[i] == field)
			return true;
	return false;
}

int mh_part_decoder_want(struct mh_part_decoder *d, const struct mh_part *p, mh_fields_t values,
			 int candles)
{
	bool has_starts = p->head.features & MH_FEATURE_STARTS;

	d->values = values & d->stored;
	d->wants_candles = candles;
	d->starts = has_starts ? d->values : 0;
	if (has_starts && candles == MH_FIELD_ANON)
		d->starts |= MH_FIELDS_OF_RSS & d->stored;
	else if (has_starts && candles != MH_FIELD_NONE)
		d->starts |= (mh_fields_t)1 << candles & d->stored;
	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		int base = mh_part_start_base(&p->head, f);

		if (mh_fields_have(d->starts, f) && base != MH_FIELD_NONE)
			d->starts |= (mh_fields_t)1 << base;
	}
	/* as after the last frame of a chunk: one may begin */
	d->left_starts = d->left_values = 0;
	d->left_candles = d->left_names = false;
	return candles == MH_FIELD_NONE
		       ? 0
		       : mh_part_windows_fill(&d->windows, p, &MH_PART_WISH_STORED);
}

/* --- chunks ----------------------------------------------------------------------------------- */

struct series_columns {
	struct mh_varints pid, start, twin, first, rest;
	struct mh_name_columns names;
};

static int take_one_series(const struct mh_part_decoder *d, struct mh_part *p,
			   struct mh_identity *id, int64_t *first, bool twins,
			   struct series_columns *c)
{
	struct mh_part_series s = {0};
	uint64_t pid = mh_varint_next(&c->pid), rest;

	if (pid > MH_PID_MAX || !take_identity(id, (int64_t)pid, mh_zigzag_next(&c->start),
					       twins ? mh_varint_next(&c->twin) : 0))
		return -EBADMSG;
	*first = (int64_t)((uint64_t)*first + (uint64_t)mh_zigzag_next(&c->first));
	rest = mh_varint_next_mixed(&c->rest);
	if (*first < 0 || *first >= p->snapshots.n || rest >= p->snapshots.n - (uint64_t)*first)
		return -EBADMSG;
	s.id = *id;
	s.first = (uint32_t)*first;
	s.count = p->snapshots.n - s.first - (uint32_t)rest;
	p->series.item[p->series.n++] = s;
	return d->is_apart || d->choice.without_names
		       ? 0
		       : mh_part_take_versions(d, p, p->series.n - 1, &c->names);
}

static bool has_pid(const struct mh_part_decoder *d, const struct mh_part *p, uint32_t from)
{
	for (uint32_t i = from; i < p->series.n; i++)
		if (p->series.item[i].id.pid == d->choice.pid)
			return true;
	return !d->choice.pid;
}

/* Z1, Z4 */
int mh_part_take_series(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	const Memhist__V1__SeriesChunk *m;
	struct mh_identity id = {0};
	ProtobufCMessage *message;
	struct series_columns c;
	uint32_t base, n_versions;
	int64_t first = 0;
	int rc = mh_unpack(&d->unpacker, frame, &memhist__v1__series_chunk__descriptor, &message);

	if (rc)
		return rc;
	m = (const Memhist__V1__SeriesChunk *)message;
	if (!mh_part_chunk_is_whole(d) || m->chunk != d->chunk || d->chunk >= d->n_chunks ||
	    m->n != d->chunk_series[d->chunk])
		return -EBADMSG;
	base = p->series.n;
	n_versions = p->versions.n;
	c = (struct series_columns){
		.pid = mh_bytes_of(m->pid),
		.start = mh_bytes_of(m->start_ticks),
		.twin = mh_bytes_of(m->twin),
		.first = mh_bytes_of(m->first),
		.rest = mh_bytes_of(m->rest),
		.names = {mh_bytes_of(m->versions), mh_bytes_of(m->version_gap),
			  mh_bytes_of(m->name), mh_bytes_of(m->ppid)},
	};
	if (!mh_part_room_for_series(p, m->n))
		return p->error;
	for (uint32_t i = 0; i < m->n && !rc; i++)
		rc = take_one_series(d, p, &id, &first, m->twin.len, &c);
	if (rc)
		return rc;
	if (!mh_varints_done(&c.pid) || !mh_varints_done(&c.start) || !mh_varints_done(&c.twin) ||
	    !mh_varints_done(&c.first) || !mh_varints_done(&c.rest) ||
	    (!d->is_apart && !d->choice.without_names &&
	     (!mh_varints_done(&c.names.versions) || !mh_varints_done(&c.names.gap) ||
	      !mh_varints_done(&c.names.name) || !mh_varints_done(&c.names.ppid))))
		return -EBADMSG;
	if (has_pid(d, p, base)) {
		mh_part_begin_chunk(d, base, false);
		return 0;
	}
	d->n_passed_over += m->n;
	p->series.n = base;
	p->versions.n = n_versions;
	mh_part_begin_chunk(d, base, true);
	return 0;
}
