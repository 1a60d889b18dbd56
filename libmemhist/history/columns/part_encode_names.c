/*
 * Names of a part: versions series by series, the tuples they are numbers of, and the strings that
 * tuples are numbers of. And meminfo, which is no names but in nobody's way here.
 */
#include "libmemhist/history/columns/part_encoder.h"
#include "libmemhist/history/varints.h"

#include <errno.h>
#include <string.h>

int mh_part_tuple(struct mh_part_encoder *e, const struct mh_part_version *v, uint32_t *ret)
{
	const struct mh_part_tuple tuple = {v->uid, v->comm, v->cmdline, v->exe, v->cgroup};
	int rc = mh_strset_add(&e->tuples, (const char *)&tuple, sizeof(tuple), ret);

	return rc < 0 ? rc : 0;
}

static int cut_strings(struct mh_part_encoder *e, const struct mh_part *p)
{
	uint32_t n = p->strings.n_items;
	size_t bytes = 0;

	if (mh_part_room(&e->strings, &e->strings_cap, (size_t)n + 1))
		return -ENOMEM;
	e->n_string_chunks = 0;
	e->strings[0] = 0;
	for (uint32_t i = 0; i < n; i++) {
		bytes += mh_strset_get(&p->strings, i)->len + 2;
		if (bytes < MH_PART_STRINGS_BYTES && i + 1 < n)
			continue;
		e->strings[++e->n_string_chunks] = i + 1;
		bytes = 0;
	}
	return 0;
}

int mh_part_begin_names(struct mh_part_encoder *e, const struct mh_part *p)
{
	size_t name_cap = e->name_cap;
	uint32_t next = 0, number;

	mh_strset_clear(&e->tuples);
	if (mh_part_room(&e->name_of, &name_cap, (size_t)p->versions.n + 1) ||
	    mh_part_room(&e->first_version, &e->series_cap, (size_t)p->series.n + 1))
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
	for (uint32_t i = 0; i < p->brief.n; i++)
		if (mh_part_tuple(e, &p->brief.item[i].names, &number))
			return -ENOMEM;
	return cut_strings(e, p);
}

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

/* Z5 */
int mh_part_encode_names(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			 struct mh_payload *ret)
{
	Memhist__V1__NameChunk m = MEMHIST__V1__NAME_CHUNK__INIT;

	mh_part_begin(e);
	for (uint32_t i = e->chunk[chunk]; i < e->chunk[chunk + 1]; i++)
		fill_versions(e, p, i, e->column);
	m.chunk = chunk;
	m.versions = mh_part_column(e, 0);
	m.version_gap = mh_part_column(e, 1);
	m.name = mh_part_column(e, 2);
	m.ppid = mh_part_column(e, 3);
	return mh_part_finish(e, &m.base, ret);
}

int mh_part_encode_tuples(struct mh_part_encoder *e, struct mh_payload *ret)
{
	Memhist__V1__TupleChunk m = MEMHIST__V1__TUPLE_CHUNK__INIT;
	struct mh_buf *c = e->column;

	mh_part_begin(e);
	for (uint32_t i = 0; i < e->tuples.n_items; i++) {
		struct mh_part_tuple tuple;

		memcpy(&tuple, mh_strset_get(&e->tuples, i)->bytes, sizeof(tuple));
		mh_varint_add(&c[0], tuple.uid);
		mh_varint_add(&c[1], tuple.comm);
		mh_varint_add(&c[2], tuple.cmdline);
		mh_varint_add(&c[3], tuple.exe);
		mh_varint_add(&c[4], tuple.cgroup);
	}
	m.n = e->tuples.n_items;
	m.uid = mh_part_column(e, 0);
	m.comm = mh_part_column(e, 1);
	m.cmdline = mh_part_column(e, 2);
	m.exe = mh_part_column(e, 3);
	m.cgroup = mh_part_column(e, 4);
	return mh_part_finish(e, &m.base, ret);
}

int mh_part_encode_strings(struct mh_part_encoder *e, const struct mh_part *p, uint32_t chunk,
			   struct mh_payload *ret)
{
	Memhist__V1__StringChunk m = MEMHIST__V1__STRING_CHUNK__INIT;
	uint32_t from = e->strings[chunk], n = e->strings[chunk + 1] - from;

	mh_part_begin(e);
	m.chunk = chunk;
	m.string = mh_arena_array(&e->scratch, n, sizeof(*m.string));
	if (!m.string)
		return -ENOMEM;
	for (; m.n_string < n; m.n_string++) {
		const struct mh_str *str = mh_strset_get(&p->strings, from + (uint32_t)m.n_string);

		m.string[m.n_string] = (ProtobufCBinaryData){str->len, (uint8_t *)str->bytes};
	}
	return mh_part_finish(e, &m.base, ret);
}

/* Changes of each key: the log is in order of time, one pass per key. */
int mh_part_encode_meminfo(struct mh_part_encoder *e, const struct mh_part *p,
			   struct mh_payload *ret)
{
	Memhist__V1__MeminfoChunk m = MEMHIST__V1__MEMINFO_CHUNK__INIT;
	struct mh_buf *c = e->column;

	mh_part_begin(e);
	for (uint32_t key = 0; key < p->head.meminfo.n; key++) {
		uint32_t n = 0, next = 0;

		for (uint32_t i = 0; i < p->meminfo_events.n; i++) {
			const struct mh_part_event *event = &p->meminfo_events.item[i];

			if (event->series != key)
				continue;
			mh_varint_add(&c[1], event->at - next);
			mh_zigzag_add(&c[2], event->delta);
			next = event->at + 1;
			n++;
		}
		mh_varint_add(&c[0], n);
	}
	m.n = mh_part_column(e, 0);
	m.gap = mh_part_column(e, 1);
	m.delta = mh_part_column(e, 2);
	return mh_part_finish(e, &m.base, ret);
}
