/*
 * Names back to a part: versions, the tuples they are numbers of, and strings. Where they are apart
 * (Z15), tuples and strings come behind all that has their numbers: until then a version has the
 * number of its tuple in `comm`.
 *
 * Who wants one pid gets the names of its processes alone, and of the strings only the chunks that
 * have theirs.
 */
#include "libmemhist/history/columns/part_decoder.h"

#include <errno.h>
#include <stdlib.h>

/* --- columns ---------------------------------------------------------------------------------- */

int mh_part_take_tuple_columns(struct mh_part_decoder *d, struct mh_tuple_columns *c, uint32_t n,
			       uint32_t n_strings)
{
	/* each takes a byte at least */
	if (n > (size_t)(c->uid.end - c->uid.p))
		return -EBADMSG;
	if (n > d->tuple_cap) {
		struct mh_tuple_in *bigger = reallocarray(d->tuple, n, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		d->tuple = bigger;
		d->tuple_cap = n;
	}
	d->n_tuples = n;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t t[] = {mh_varint_next(&c->uid), mh_varint_next(&c->comm),
				mh_varint_next(&c->cmdline), mh_varint_next(&c->exe),
				mh_varint_next(&c->cgroup)};

		if (t[0] > UINT32_MAX || t[1] >= n_strings || t[2] >= n_strings ||
		    t[3] >= n_strings || t[4] >= n_strings)
			return -EBADMSG;
		d->tuple[i] = (struct mh_tuple_in){(uint32_t)t[0], (uint32_t)t[1], (uint32_t)t[2],
						   (uint32_t)t[3], (uint32_t)t[4]};
	}
	return mh_varints_done(&c->uid) && mh_varints_done(&c->comm) &&
			       mh_varints_done(&c->cmdline) && mh_varints_done(&c->exe) &&
			       mh_varints_done(&c->cgroup)
		       ? 0
		       : -EBADMSG;
}

int mh_part_take_meminfo_columns(struct mh_part *p, struct mh_varints n, struct mh_varints gap,
				 struct mh_varints delta)
{
	for (uint32_t key = 0; key < p->head.meminfo.n; key++) {
		uint32_t at = 0;

		for (uint64_t left = mh_varint_next(&n); left; left--, at++) {
			if (!mh_next_position(&gap, p->snapshots.n, &at))
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

static void resolve(const struct mh_part_decoder *d, struct mh_part_version *v, uint32_t tuple)
{
	const struct mh_tuple_in *t = &d->tuple[tuple];

	v->uid = t->uid;
	v->comm = t->comm;
	v->cmdline = t->cmdline;
	v->exe = t->exe;
	v->cgroup = t->cgroup;
}

bool mh_part_take_name(const struct mh_part_decoder *d, uint64_t name, uint64_t ppid,
		       struct mh_part_version *ret)
{
	if (name >= d->n_tuples || ppid > UINT32_MAX)
		return false;
	ret->ppid = (uint32_t)ppid;
	if (d->is_apart)
		ret->comm = (uint32_t)name;
	else
		resolve(d, ret, (uint32_t)name);
	return true;
}

int mh_part_take_versions(const struct mh_part_decoder *d, struct mh_part *p, uint32_t series,
			  struct mh_name_columns *c)
{
	const struct mh_part_series *s = &p->series.item[series];
	bool is_wanted = !d->choice.pid || s->id.pid == d->choice.pid;
	uint32_t at = s->first;

	for (uint64_t left = mh_varint_next(&c->versions) + 1, i = 0; i < left; i++) {
		struct mh_part_version version = {.series = series};
		uint64_t gap = i ? mh_varint_next(&c->gap) : 0;

		if ((i && !gap) || gap >= s->first + s->count - at ||
		    !mh_part_take_name(d, mh_varint_next(&c->name), mh_varint_next(&c->ppid),
				       &version))
			return -EBADMSG;
		at += (uint32_t)gap;
		version.at = at;
		if (!is_wanted)
			continue;
		if (!mh_part_reserve(p, p->versions, MH_PART_EVENTS_MAX))
			return p->error;
		p->versions.item[p->versions.n++] = version;
	}
	return 0;
}

/* --- frames ----------------------------------------------------------------------------------- */

int mh_part_take_names(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	const Memhist__V1__NameChunk *m;
	ProtobufCMessage *message;
	struct mh_name_columns c;
	int rc = mh_unpack(&d->unpacker, frame, &memhist__v1__name_chunk__descriptor, &message);

	if (rc)
		return rc;
	m = (const Memhist__V1__NameChunk *)message;
	if (m->chunk + 1 != d->chunk || !d->left_names)
		return -EBADMSG;
	c = (struct mh_name_columns){mh_bytes_of(m->versions), mh_bytes_of(m->version_gap),
				     mh_bytes_of(m->name), mh_bytes_of(m->ppid)};
	d->n_named -= p->versions.n;
	for (uint32_t i = d->base; i < p->series.n && !rc; i++)
		rc = mh_part_take_versions(d, p, i, &c);
	d->n_named += p->versions.n;
	d->left_names = false;
	if (rc)
		return rc;
	return mh_varints_done(&c.versions) && mh_varints_done(&c.gap) &&
			       mh_varints_done(&c.name) && mh_varints_done(&c.ppid)
		       ? 0
		       : -EBADMSG;
}

static bool is_behind_chunks(const struct mh_part_decoder *d)
{
	return d->is_apart && d->chunk == d->n_chunks && mh_part_chunk_is_whole(d);
}

int mh_part_take_meminfo(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	const Memhist__V1__MeminfoChunk *m;
	ProtobufCMessage *message;
	int rc = mh_unpack(&d->unpacker, frame, &memhist__v1__meminfo_chunk__descriptor, &message);

	if (rc)
		return rc;
	m = (const Memhist__V1__MeminfoChunk *)message;
	if (!is_behind_chunks(d) || !d->left_meminfo)
		return -EBADMSG;
	d->left_meminfo = false;
	return mh_part_take_meminfo_columns(p, mh_bytes_of(m->n), mh_bytes_of(m->gap),
					    mh_bytes_of(m->delta));
}

static int by_number(const void *a, const void *b)
{
	const struct mh_wanted_string *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* Do something to each number of a string that a version has. */
#define FOR_EACH_STRING(v, DO)    \
	do {                      \
		DO((v)->comm);    \
		DO((v)->cmdline); \
		DO((v)->exe);     \
		DO((v)->cgroup);  \
	} while (0)

/* Which strings the names of a pid have. */
static int list_wanted(struct mh_part_decoder *d, const struct mh_part *p)
{
	size_t n = 4 * ((size_t)p->versions.n + p->brief.n);
	struct mh_wanted_string *w;

	if (n > d->wanted_cap) {
		if (n > UINT32_MAX || !(w = reallocarray(d->wanted, n, sizeof(*w))))
			return -ENOMEM;
		d->wanted = w;
		d->wanted_cap = (uint32_t)n;
	}
	w = d->wanted;
#define LIST(string)                     \
	*w++ = (struct mh_wanted_string) \
	{                                \
		.number = (string)       \
	}
	for (uint32_t i = 0; i < p->versions.n; i++)
		FOR_EACH_STRING(&p->versions.item[i], LIST);
	for (uint32_t i = 0; i < p->brief.n; i++)
		FOR_EACH_STRING(&p->brief.item[i].names, LIST);
	if (!n)
		return 0;
	qsort(d->wanted, n, sizeof(*d->wanted), by_number);
	d->n_wanted = 1;
	for (size_t i = 1; i < n; i++)
		if (d->wanted[i].number != d->wanted[d->n_wanted - 1].number)
			d->wanted[d->n_wanted++] = d->wanted[i];
	return 0;
}

int mh_part_take_tuples(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	const Memhist__V1__TupleChunk *m;
	struct mh_tuple_columns c;
	ProtobufCMessage *message;
	int rc = mh_unpack(&d->unpacker, frame, &memhist__v1__tuple_chunk__descriptor, &message);

	if (rc)
		return rc;
	m = (const Memhist__V1__TupleChunk *)message;
	if (!is_behind_chunks(d) || !d->left_tuples || m->n != d->n_tuples)
		return -EBADMSG;
	c = (struct mh_tuple_columns){mh_bytes_of(m->uid), mh_bytes_of(m->comm),
				      mh_bytes_of(m->cmdline), mh_bytes_of(m->exe),
				      mh_bytes_of(m->cgroup)};
	rc = mh_part_take_tuple_columns(d, &c, m->n, d->string_base[d->n_string_chunks]);
	if (rc)
		return rc;
	d->left_tuples = false;
	for (uint32_t i = 0; i < p->versions.n; i++)
		resolve(d, &p->versions.item[i], p->versions.item[i].comm);
	for (uint32_t i = 0; i < p->brief.n; i++)
		resolve(d, &p->brief.item[i].names, p->brief.item[i].names.comm);
	return d->choice.pid ? list_wanted(d, p) : 0;
}

bool mh_part_wants_strings(const struct mh_part_decoder *d, uint32_t chunk)
{
	uint32_t from = d->string_base[chunk], to = d->string_base[chunk + 1];

	if (!d->choice.pid || !d->is_apart)
		return true;
	for (uint32_t i = d->n_got; i < d->n_wanted && d->wanted[i].number < to; i++)
		if (d->wanted[i].number >= from)
			return true;
	return false;
}

static uint32_t mine(const struct mh_part_decoder *d, uint32_t string)
{
	const struct mh_wanted_string key = {.number = string}, *found;

	found = bsearch(&key, d->wanted, d->n_wanted, sizeof(key), by_number);
	return found ? found->mine : 0;
}

/* The numbers that strings have in the part. */
static void rename_strings(const struct mh_part_decoder *d, struct mh_part_version *v)
{
#define RENAME(string) ((string) = mine(d, (string)))
	FOR_EACH_STRING(v, RENAME);
}

/* Those of a chunk that are wanted. */
static int take_wanted(struct mh_part_decoder *d, struct mh_part *p,
		       const Memhist__V1__StringChunk *m)
{
	uint32_t from = d->string_base[m->chunk], to = d->string_base[m->chunk + 1];

	for (; d->n_got < d->n_wanted && d->wanted[d->n_got].number < to; d->n_got++) {
		struct mh_wanted_string *w = &d->wanted[d->n_got];
		const ProtobufCBinaryData *string = &m->string[w->number - from];
		int rc = mh_strset_add(&p->strings, (const char *)string->data, string->len,
				       &w->mine);

		if (rc < 0)
			return rc;
	}
	if (d->n_got < d->n_wanted)
		return 0;
	for (uint32_t i = 0; i < p->versions.n; i++)
		rename_strings(d, &p->versions.item[i]);
	for (uint32_t i = 0; i < p->brief.n; i++)
		rename_strings(d, &p->brief.item[i].names);
	return 0;
}

int mh_part_take_strings(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	const Memhist__V1__StringChunk *m;
	ProtobufCMessage *message;
	int rc = mh_unpack(&d->unpacker, frame, &memhist__v1__string_chunk__descriptor, &message);

	if (rc)
		return rc;
	m = (const Memhist__V1__StringChunk *)message;
	if (!is_behind_chunks(d) || d->left_tuples || d->next_strings >= d->n_string_chunks ||
	    m->chunk != d->next_strings ||
	    m->n_string != d->string_base[m->chunk + 1] - d->string_base[m->chunk])
		return -EBADMSG;
	d->next_strings++;
	for (size_t i = 0; i < m->n_string; i++)
		if (m->string[i].len > MH_CMDLINE_MAX)
			return -EBADMSG; /* C3 */
	if (d->choice.pid)
		return take_wanted(d, p, m);
	for (size_t i = 0; i < m->n_string; i++) {
		uint32_t number;

		rc = mh_strset_add(&p->strings, (const char *)m->string[i].data, m->string[i].len,
				   &number);
		if (rc < 0)
			return rc;
		if (number != d->string_base[m->chunk] + i)
			return -EBADMSG; /* Z3: twice */
	}
	return 0;
}
