/*
 * Columns back to a part. What a column does not have is as bad as what it has too much (Z2 of
 * docs/FORMAT.md).
 */
#include "libmemhist/history/part_decode.h"

#include "libmemhist/history/part_encode.h"
#include "libmemhist/history/unpack.h"
#include "libmemhist/history/varints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STRING_BYTES_MAX = MH_CMDLINE_MAX };

struct tuple {
	uint32_t uid, comm, cmdline, exe, cgroup;
};

struct mh_part_decoder {
	struct mh_unpacker unpacker;
	struct tuple *tuple;
	uint32_t n_tuples, tuple_cap;
	uint32_t n_series; /* that the head promised */
	uint32_t n_chunks;
	uint32_t chunk;           /* series of chunks below were taken in */
	mh_fields_t chunk_fields; /* values of the last of them too */
	mh_fields_t stored;
};

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
	free(d->tuple);
	free(d);
}

static struct mh_varints column(ProtobufCBinaryData bytes)
{
	/* one that is missing has no address to count from */
	const uint8_t *at = bytes.len ? bytes.data : (const uint8_t *)"";

	return (struct mh_varints){at, at + bytes.len, false};
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

static int take_tuples(struct mh_part_decoder *d, const Memhist__V1__PartHead *m,
		       const struct mh_part *p)
{
	struct mh_varints uid = column(m->name_uid), comm = column(m->name_comm);
	struct mh_varints cmdline = column(m->name_cmdline), exe = column(m->name_exe);
	struct mh_varints cgroup = column(m->name_cgroup);
	uint32_t n_strings = p->strings.n_items;

	/* each takes a byte at least */
	if (m->names > m->name_uid.len)
		return -EBADMSG;
	if (m->names > d->tuple_cap) {
		struct tuple *bigger = reallocarray(d->tuple, m->names, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		d->tuple = bigger;
		d->tuple_cap = m->names;
	}
	d->n_tuples = m->names;
	for (uint32_t i = 0; i < m->names; i++) {
		uint64_t n[] = {mh_varint_next(&uid), mh_varint_next(&comm),
				mh_varint_next(&cmdline), mh_varint_next(&exe),
				mh_varint_next(&cgroup)};

		if (n[0] > UINT32_MAX || n[1] >= n_strings || n[2] >= n_strings ||
		    n[3] >= n_strings || n[4] >= n_strings)
			return -EBADMSG;
		d->tuple[i] = (struct tuple){(uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2],
					     (uint32_t)n[3], (uint32_t)n[4]};
	}
	return mh_varints_done(&uid) && mh_varints_done(&comm) && mh_varints_done(&cmdline) &&
			       mh_varints_done(&exe) && mh_varints_done(&cgroup)
		       ? 0
		       : -EBADMSG;
}

/* The next of ascending positions below `end`, by its distance; *ret is the one before plus 1. */
static bool next_position(struct mh_varints *v, uint32_t end, uint32_t *ret)
{
	uint64_t gap = mh_varint_next(v);

	if (v->bad || gap >= end - *ret || *ret >= end)
		return false;
	*ret += (uint32_t)gap;
	return true;
}

/* Z3 */
static int take_times(const Memhist__V1__PartHead *m, struct mh_part *p)
{
	struct mh_varints wall = column(m->wall_ms), boot = column(m->boot_ns);
	struct mh_varints collect = column(m->collect_us);
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
	struct mh_varints partial = column(m->partial), at = column(m->gap_at);
	struct mh_varints kind = column(m->gap_kind), since = column(m->gap_since_ms);
	uint32_t i = 0;

	while (partial.p < partial.end) {
		if (!next_position(&partial, p->snapshots.n, &i))
			return -EBADMSG;
		p->snapshots.item[i++].partial = true;
	}
	for (i = 0; at.p < at.end; i++) {
		if (!next_position(&at, p->snapshots.n, &i))
			return -EBADMSG;
		p->snapshots.item[i].gap = (struct mh_gap){
			.kind = (enum mh_gap_kind)(mh_varint_next(&kind) & 0xff),
			.since_wall_ms = mh_zigzag_next(&since),
		};
	}
	return mh_varints_done(&kind) && mh_varints_done(&since) ? 0 : -EBADMSG;
}

static int take_meminfo(const Memhist__V1__PartHead *m, struct mh_part *p)
{
	struct mh_varints n = column(m->meminfo_n), gap = column(m->meminfo_gap);
	struct mh_varints delta = column(m->meminfo_delta);

	for (uint32_t key = 0; key < p->head.meminfo.n; key++) {
		uint32_t at = 0;

		for (uint64_t left = mh_varint_next(&n); left; left--, at++) {
			if (!next_position(&gap, p->snapshots.n, &at))
				return -EBADMSG;
			if (!mh_part_reserve(p, p->meminfo_events, MH_PART_EVENTS_MAX))
				return p->error;
			p->meminfo_events.item[p->meminfo_events.n++] = (struct mh_part_event){
				.series = key,
				.at = at & 0xffffff,
				.delta = mh_zigzag_next(&delta),
			};
		}
	}
	return mh_varints_done(&n) && mh_varints_done(&gap) && mh_varints_done(&delta) ? 0
										       : -EBADMSG;
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

static bool take_name(const struct mh_part_decoder *d, uint64_t name, uint64_t ppid,
		      struct mh_part_version *ret)
{
	const struct tuple *tuple;

	if (name >= d->n_tuples || ppid > UINT32_MAX)
		return false;
	tuple = &d->tuple[name];
	ret->ppid = (uint32_t)ppid;
	ret->uid = tuple->uid;
	ret->comm = tuple->comm;
	ret->cmdline = tuple->cmdline;
	ret->exe = tuple->exe;
	ret->cgroup = tuple->cgroup;
	return true;
}

static int take_marks(const Memhist__V1__Ended *m, struct mh_part_end *end)
{
	for (size_t k = 0; k < m->n_field; k++) {
		int field = mh_field_by_column(m->field[k]);
		struct mh_varints v = column(m->value[k]);

		for (uint32_t i = 0; field >= 0 && i < m->n; i++)
			end[i].value[field] = mh_varint_next(&v);
		if (field >= 0 && !mh_varints_done(&v))
			return -EBADMSG;
	}
	return 0;
}

/* Z7: a list of ends, behind those that *list has; `d` is given where they have names. */
static int take_ended(const struct mh_part_decoder *d, const Memhist__V1__Ended *m,
		      struct mh_part *p, struct mh_part_ends *list)
{
	struct mh_varints at = column(m->at), pid = column(m->pid), twin = column(m->twin);
	struct mh_varints start = column(m->start_ticks), name = column(m->name);
	struct mh_varints ppid = column(m->ppid);
	struct mh_identity id = {0};
	uint64_t when = 0;

	if (m->n > m->at.len || m->n_field != m->n_value)
		return -EBADMSG;
	for (uint32_t i = 0; i < m->n; i++) {
		struct mh_part_end end = {0};

		when += mh_varint_next(&at);
		if (!take_identity(&id, mh_zigzag_next(&pid), mh_zigzag_next(&start),
				   m->twin.len ? mh_varint_next(&twin) : 0) ||
		    when >= p->snapshots.n ||
		    (d && !take_name(d, mh_varint_next(&name), mh_varint_next(&ppid), &end.names)))
			return -EBADMSG;
		end.id = id;
		end.at = (uint32_t)when;
		if (!mh_part_reserve(p, *list, MH_PART_SERIES_MAX))
			return p->error;
		list->item[list->n++] = end;
	}
	if (!mh_varints_done(&at) || !mh_varints_done(&pid) || !mh_varints_done(&start) ||
	    !mh_varints_done(&twin) || !mh_varints_done(&name) || !mh_varints_done(&ppid))
		return -EBADMSG;
	return take_marks(m, list->item);
}

int mh_part_decode_head(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p,
			struct mh_err *err)
{
	const Memhist__V1__PartHead *m;
	ProtobufCMessage *message;
	int rc;

	mh_part_clear(p);
	d->n_series = d->n_chunks = d->chunk = 0;
	rc = mh_unpack(&d->unpacker, frame, &memhist__v1__part_head__descriptor, &message);
	if (rc)
		return rc;
	m = (const Memhist__V1__PartHead *)message;
	if (!m->segment)
		return -EBADMSG;
	rc = mh_segment_take(m->segment, &p->head, err);
	if (!rc)
		rc = take_strings(m, p);
	if (!rc)
		rc = take_tuples(d, m, p);
	if (!rc)
		rc = take_times(m, p);
	if (!rc)
		rc = take_gaps(m, p);
	if (!rc)
		rc = take_meminfo(m, p);
	if (!rc && m->brief)
		rc = take_ended(d, m->brief, p, &p->brief);
	if (!rc && m->ended)
		rc = take_ended(NULL, m->ended, p, &p->ended);
	if (rc)
		return rc;
	if (m->series > MH_PART_SERIES_MAX)
		return -EBADMSG;
	d->n_series = m->series;
	d->n_chunks = (m->series + MH_PART_CHUNK_SERIES - 1) / MH_PART_CHUNK_SERIES;
	d->stored = 0;
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields[f].column)
			d->stored |= p->head.fields & (mh_fields_t)1 << f;
	d->chunk_fields = d->stored;
	return 0;
}

/* --- chunks ----------------------------------------------------------------------------------- */

struct series_columns {
	struct mh_varints pid, start, twin, first, rest, versions, gap, name, ppid;
};

/* Z5 */
static int take_versions(const struct mh_part_decoder *d, struct mh_part *p, uint32_t series,
			 struct series_columns *c)
{
	const struct mh_part_series *s = &p->series.item[series];
	uint32_t at = s->first;

	for (uint64_t left = mh_varint_next(&c->versions) + 1, i = 0; i < left; i++) {
		struct mh_part_version version = {.series = series};
		uint64_t gap = i ? mh_varint_next(&c->gap) : 0;

		if ((i && !gap) || gap >= s->first + s->count - at ||
		    !take_name(d, mh_varint_next(&c->name), mh_varint_next(&c->ppid), &version))
			return -EBADMSG;
		at += (uint32_t)gap;
		version.at = at;
		if (!mh_part_reserve(p, p->versions, MH_PART_EVENTS_MAX))
			return p->error;
		p->versions.item[p->versions.n++] = version;
	}
	return 0;
}

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
	rest = mh_varint_next(&c->rest);
	if (*first < 0 || *first >= p->snapshots.n || rest >= p->snapshots.n - (uint64_t)*first)
		return -EBADMSG;
	s.id = *id;
	s.first = (uint32_t)*first;
	s.count = p->snapshots.n - s.first - (uint32_t)rest;
	if (!mh_part_reserve(p, p->series, MH_PART_SERIES_MAX))
		return p->error;
	p->series.item[p->series.n++] = s;
	return take_versions(d, p, p->series.n - 1, c);
}

/* Z1, Z4 */
static int take_series(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	const Memhist__V1__SeriesChunk *m;
	struct mh_identity id = {0};
	ProtobufCMessage *message;
	struct series_columns c;
	int64_t first = 0;
	int rc = mh_unpack(&d->unpacker, frame, &memhist__v1__series_chunk__descriptor, &message);

	if (rc)
		return rc;
	m = (const Memhist__V1__SeriesChunk *)message;
	if (d->chunk_fields != d->stored || m->chunk != d->chunk || d->chunk >= d->n_chunks ||
	    m->n > MH_PART_CHUNK_SERIES || m->n > d->n_series - p->series.n)
		return -EBADMSG;
	c = (struct series_columns){
		.pid = column(m->pid),
		.start = column(m->start_ticks),
		.twin = column(m->twin),
		.first = column(m->first),
		.rest = column(m->rest),
		.versions = column(m->versions),
		.gap = column(m->version_gap),
		.name = column(m->name),
		.ppid = column(m->ppid),
	};
	for (uint32_t i = 0; i < m->n && !rc; i++)
		rc = take_one_series(d, p, &id, &first, m->twin.len, &c);
	if (rc)
		return rc;
	if (!mh_varints_done(&c.pid) || !mh_varints_done(&c.start) || !mh_varints_done(&c.twin) ||
	    !mh_varints_done(&c.first) || !mh_varints_done(&c.rest) ||
	    !mh_varints_done(&c.versions) || !mh_varints_done(&c.gap) ||
	    !mh_varints_done(&c.name) || !mh_varints_done(&c.ppid))
		return -EBADMSG;
	d->chunk++;
	d->chunk_fields = 0;
	return 0;
}

/* Z1, Z6 */
static int take_values(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p,
		       mh_fields_t wanted)
{
	const Memhist__V1__ValueChunk *m;
	struct mh_varints n, gap, start, delta;
	ProtobufCMessage *message;
	uint32_t series;
	int field, rc;

	rc = mh_unpack(&d->unpacker, frame, &memhist__v1__value_chunk__descriptor, &message);
	if (rc)
		return rc;
	m = (const Memhist__V1__ValueChunk *)message;
	field = mh_field_by_column(m->field);
	if (field < 0)
		return 0; /* P2: a column from the future */
	if (m->chunk + 1 != d->chunk || !mh_fields_have(d->stored, field) ||
	    mh_fields_have(d->chunk_fields, field))
		return -EBADMSG;
	d->chunk_fields |= (mh_fields_t)1 << field;
	if (!mh_fields_have(wanted, field))
		return 0;
	n = column(m->n);
	gap = column(m->gap);
	start = column(m->start);
	delta = column(m->delta);
	for (series = m->chunk * MH_PART_CHUNK_SERIES; series < p->series.n; series++) {
		const struct mh_part_series *s = &p->series.item[series];
		uint32_t at = s->first, end = s->first + s->count + 1; /* the last marks too */

		for (uint64_t left = mh_varint_next(&n); left; left--, at++) {
			if (!next_position(&gap, end, &at) || at >= p->snapshots.n)
				return -EBADMSG;
			if (!mh_part_reserve(p, p->events, MH_PART_EVENTS_MAX))
				return p->error;
			p->events.item[p->events.n++] = (struct mh_part_event){
				.series = series,
				.at = at & 0xffffff,
				.field = (uint8_t)field,
				.delta = at == s->first ? (int64_t)mh_varint_next(&start)
							: mh_zigzag_next(&delta),
			};
		}
	}
	return mh_varints_done(&n) && mh_varints_done(&gap) && mh_varints_done(&start) &&
			       mh_varints_done(&delta)
		       ? 0
		       : -EBADMSG;
}

int mh_part_decode_chunk(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p,
			 mh_fields_t wanted)
{
	switch (frame->type) {
	case MH_FRAME_SERIES:
		return take_series(d, frame, p);
	case MH_FRAME_VALUES:
		return take_values(d, frame, p, wanted);
	default:
		return 0; /* F5 */
	}
}

bool mh_part_is_whole(const struct mh_part_decoder *d, const struct mh_part *p)
{
	return d->chunk == d->n_chunks && p->series.n == d->n_series &&
	       d->chunk_fields == d->stored;
}
