/*
 * The decoder. What it remembers within a chapter mirrors the encoder: the strings, where in the
 * table each slot of the file is, and the meminfo values. The file's slots and the table's differ,
 * since a process keeps its place in the table over segments and restarts of the writer.
 *
 * A frame that breaks a rule half-way leaves the round open and the chapter closed; the next
 * keyframe lists everybody and puts all right. F1, C2 … are the rules of docs/FORMAT.md.
 */
#include "libmemhist/history/decode.h"

#include "libmemhist/history/strings.h"
#include "libmemhist/history/unpack.h"
#include "libmemhist/model/table.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mh_decoder {
	struct mh_table *table;
	struct mh_segment_info segment;
	mh_fields_t fields;

	bool in_chapter;    /* a keyframe was read, and every frame since */
	uint32_t next_seq;  /* a delta must have this one */
	uint32_t *place;    /* slot of the file -> slot of the table + 1, 0 = free */
	uint32_t place_cap; /* slots */
	struct mh_strings strings;
	struct mh_meminfo meminfo;
	struct mh_unpacker unpacker;

	struct mh_round round; /* facts of the open round */
	uint64_t gaps;
};

int mh_decoder_new(struct mh_decoder **ret)
{
	struct mh_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	if (mh_unpacker_init(&d->unpacker) || mh_table_new(&d->table, 0)) {
		mh_decoder_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

void mh_decoder_free(struct mh_decoder *d)
{
	if (!d)
		return;
	mh_table_free(d->table);
	free(d->place);
	mh_strings_done(&d->strings);
	mh_unpacker_done(&d->unpacker);
	free(d);
}

void mh_decoder_new_segment(struct mh_decoder *d)
{
	d->in_chapter = false;
}

static void note_gap(struct mh_decoder *d, enum mh_gap_kind kind, mh_ms_t since_wall_ms)
{
	/* the first is the oldest; damage says more than anything written */
	if (d->round.gap.kind == MH_GAP_NONE)
		d->round.gap.since_wall_ms = since_wall_ms;
	if (d->round.gap.kind == MH_GAP_NONE || kind == MH_GAP_DAMAGE)
		d->round.gap.kind = kind;
}

void mh_decoder_lost(struct mh_decoder *d, mh_ms_t last_wall_ms)
{
	d->in_chapter = false;
	note_gap(d, MH_GAP_DAMAGE, last_wall_ms);
}

/* Ascending slots from gaps: *slot becomes the next one; false past the largest. */
static bool next_slot(uint32_t *slot, size_t i, uint32_t gap)
{
	uint64_t next = (i ? (uint64_t)*slot + 1 : 0) + gap;

	if (next >= MH_PROCESSES_MAX)
		return false;
	*slot = (uint32_t)next;
	return true;
}

/* The process in a slot of the file; NULL when the file says nothing of it. */
static struct mh_process *at_slot(const struct mh_decoder *d, uint32_t slot)
{
	if (slot >= d->place_cap || !d->place[slot])
		return NULL;
	return mh_table_at(d->table, d->place[slot] - 1);
}

static int reserve_place(struct mh_decoder *d, uint32_t slot)
{
	uint32_t cap = d->place_cap ? d->place_cap : 64;
	uint32_t *place;

	if (slot < d->place_cap)
		return 0;
	while (cap <= slot)
		cap *= 2;
	place = reallocarray(d->place, cap, sizeof(*place));
	if (!place)
		return -ENOMEM;
	memset(place + d->place_cap, 0, (cap - d->place_cap) * sizeof(*place));
	d->place = place;
	d->place_cap = cap;
	return 0;
}

void mh_decoder_continues(struct mh_decoder *d, mh_ms_t last_wall_ms, mh_ms_t wall_ms)
{
	struct mh_gap *gap = &d->round.gap;
	mh_ms_t known_ms = gap->kind == MH_GAP_NONE ? wall_ms : gap->since_wall_ms;

	if (gap->kind != MH_GAP_DAMAGE && gap->kind != MH_GAP_CLOCK_STEP &&
	    known_ms > last_wall_ms &&
	    (uint64_t)known_ms - (uint64_t)last_wall_ms > (uint64_t)d->segment.interval_ms * 5 / 2)
		*gap = (struct mh_gap){MH_GAP_MISSING, last_wall_ms};
}

static int take_strings(struct mh_decoder *d, const Memhist__V1__Snapshot *m)
{
	int rc = 0;

	for (size_t i = 0; i < m->n_string && !rc; i++)
		rc = mh_strings_add(&d->strings, m->string[i].data, m->string[i].len);
	return rc == -EOVERFLOW ? -EBADMSG : rc; /* C3 */
}

static int rename_process(struct mh_decoder *d, struct mh_process *p,
			  const Memhist__V1__Processes *m, size_t i)
{
	const struct mh_string *comm = mh_strings_get(&d->strings, m->comm[i]);
	const struct mh_string *cmdline = mh_strings_get(&d->strings, m->cmdline[i]);
	struct mh_names names;
	int rc;

	if (!comm || !cmdline)
		return -EBADMSG; /* C3 */
	names = (struct mh_names){
		.ppid = m->ppid[i],
		.uid = m->uid[i],
		.comm = comm->bytes,
		.comm_len = comm->len,
		.cmdline = cmdline->bytes,
		.cmdline_len = cmdline->len,
	};
	rc = mh_table_rename(d->table, p, &names); /* M3 */
	return rc < 0 ? rc : 0;
}

static bool names_are_whole(const Memhist__V1__Processes *m)
{
	size_t n = m->n_slot_gap;

	return m->n_ppid == n && m->n_uid == n && m->n_comm == n && m->n_cmdline == n;
}

static int take_gone(struct mh_decoder *d, const Memhist__V1__Snapshot *m)
{
	uint32_t slot = 0;

	for (size_t i = 0; i < m->n_gone_gap; i++) {
		struct mh_process *p;

		if (!next_slot(&slot, i, m->gone_gap[i]) || !(p = at_slot(d, slot)))
			return -EBADMSG; /* S1 */
		mh_table_remove(d->table, p);
		d->place[slot] = 0;
	}
	return 0;
}

/*
 * One process that the frame lists as born. In a keyframe it may well be known already (M1);
 * whoever else holds its pid has ended.
 */
static int take_one_born(struct mh_decoder *d, bool key, uint32_t slot,
			 const struct mh_identity *id, struct mh_process **ret)
{
	struct mh_process *p = mh_table_find(d->table, id->pid);
	int rc = reserve_place(d, slot);

	if (rc)
		return rc;
	if (d->place[slot])
		return -EBADMSG; /* S2 */
	if (p && (!key || mh_table_is_kept(d->table, p)))
		return -EBADMSG; /* S2 */
	if (p && !mh_identity_same(&p->id, id)) {
		mh_table_remove(d->table, p);
		p = NULL;
	}
	if (!p) {
		rc = mh_table_add(d->table, id, &p);
		if (rc)
			return rc == -ENOMEM ? rc : -EBADMSG; /* S2 */
	}
	d->place[slot] = mh_table_slot(d->table, p) + 1;
	*ret = p;
	return 0;
}

static int take_born(struct mh_decoder *d, const Memhist__V1__Processes *m, bool key)
{
	struct mh_identity id = {0};
	uint32_t slot = 0;

	if (!names_are_whole(m) || m->n_pid != m->n_slot_gap || m->n_start_ticks != m->n_slot_gap ||
	    (m->n_twin && m->n_twin != m->n_slot_gap))
		return -EBADMSG; /* S2 */
	for (size_t i = 0; i < m->n_slot_gap; i++) {
		struct mh_process *p;
		int rc;

		if (!next_slot(&slot, i, m->slot_gap[i]))
			return -EBADMSG;
		id.pid += (uint32_t)m->pid[i];
		id.start_ticks += (uint64_t)m->start_ticks[i];
		id.twin = m->n_twin ? m->twin[i] : 0;
		rc = take_one_born(d, key, slot, &id, &p);
		if (!rc)
			rc = rename_process(d, p, m, i);
		if (rc)
			return rc;
		mh_table_keep(d->table, p);
	}
	return 0;
}

static int take_renamed(struct mh_decoder *d, const Memhist__V1__Processes *m)
{
	uint32_t slot = 0;

	if (!names_are_whole(m) || m->n_pid || m->n_start_ticks || m->n_twin)
		return -EBADMSG; /* S3 */
	for (size_t i = 0; i < m->n_slot_gap; i++) {
		struct mh_process *p;
		int rc;

		if (!next_slot(&slot, i, m->slot_gap[i]) || !(p = at_slot(d, slot)))
			return -EBADMSG; /* S3 */
		rc = rename_process(d, p, m, i);
		if (rc)
			return rc;
	}
	return 0;
}

static int take_column(struct mh_decoder *d, const Memhist__V1__Column *m)
{
	int field = mh_field_by_column(m->field);
	uint32_t slot = 0;

	if (m->n_slot_gap != m->n_delta)
		return -EBADMSG; /* S4 */
	if (field < 0)
		return 0; /* P2: a column from the future */
	for (size_t i = 0; i < m->n_delta; i++) {
		struct mh_process *p;

		if (!next_slot(&slot, i, m->slot_gap[i]) || !(p = at_slot(d, slot)))
			return -EBADMSG; /* S4 */
		mh_table_set_one(d->table, p, field, p->value[field] + (uint64_t)m->delta[i]);
	}
	return 0;
}

/* S4: in a keyframe a value that is not listed is 0, and a listed one counts from 0. */
static int take_key_column(struct mh_decoder *d, const Memhist__V1__Column *m, int field)
{
	uint32_t slot = 0;
	size_t i = 0;

	if (m &&
	    (m->n_slot_gap != m->n_delta || (m->n_delta && !next_slot(&slot, 0, m->slot_gap[0]))))
		return -EBADMSG;
	for (uint32_t s = 0; s < d->place_cap; s++) {
		struct mh_process *p = at_slot(d, s);
		uint64_t value = 0;

		if (m && i < m->n_delta && slot == s) {
			value = (uint64_t)m->delta[i++]; /* M2 */
			if (!p || (i < m->n_delta && !next_slot(&slot, i, m->slot_gap[i])))
				return -EBADMSG;
		}
		if (p)
			mh_table_set_one(d->table, p, field, value);
	}
	return !m || i == m->n_delta ? 0 : -EBADMSG;
}

static int take_columns(struct mh_decoder *d, const Memhist__V1__Snapshot *m, bool key)
{
	const Memhist__V1__Column *by_field[MH_FIELD_COUNT] = {0};
	int rc = 0;

	for (size_t i = 0; i < m->n_column && !rc; i++) {
		int field = mh_field_by_column(m->column[i]->field);

		if (!key)
			rc = take_column(d, m->column[i]);
		else if (field >= 0)
			by_field[field] = m->column[i];
	}
	for (int field = 0; key && !rc && field < MH_FIELD_COUNT; field++)
		rc = take_key_column(d, by_field[field], field);
	return rc;
}

static int take_meminfo(struct mh_decoder *d, const Memhist__V1__Snapshot *m)
{
	uint32_t at = 0;

	if (m->n_meminfo_gap != m->n_meminfo_delta)
		return -EBADMSG;
	for (size_t i = 0; i < m->n_meminfo_gap; i++) {
		if (!next_slot(&at, i, m->meminfo_gap[i]) || at >= d->meminfo.n)
			return -EBADMSG;
		d->meminfo.line[at].value += (uint64_t)m->meminfo_delta[i]; /* M2, M4 */
	}
	return 0;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

static int take_meminfo_keys(struct mh_decoder *d, const Memhist__V1__Segment *m)
{
	static const char unit[] = " kB";

	d->meminfo.n = 0;
	for (size_t i = 0; i < m->n_meminfo_key; i++) {
		const char *key = m->meminfo_key[i];
		size_t len = strlen(key), unit_len = sizeof(unit) - 1;
		bool is_kib = len > unit_len && !strcmp(key + len - unit_len, unit);

		if (mh_meminfo_add(&d->meminfo, key, is_kib ? len - unit_len : len, is_kib, 0))
			return -EBADMSG;
	}
	return 0;
}

static int take_segment(struct mh_decoder *d, const Memhist__V1__Segment *m, struct mh_err *err)
{
	struct mh_boot_id boot_id;

	if (m->required_features)
		return mh_errf(err, -EPROTO, /* P2 */
			       "written by %s with features (0x%llx) that this memhist does not "
			       "know: use a newer one",
			       m->writer, (unsigned long long)m->required_features);
	if (m->boot_id.len != sizeof(boot_id.bytes) || !m->page_bytes || !m->clk_tck)
		return -EBADMSG; /* C2 */
	memcpy(boot_id.bytes, m->boot_id.data, sizeof(boot_id.bytes));
	mh_table_set_boot(d->table, &boot_id);
	d->segment.page_bytes = m->page_bytes;
	d->segment.clk_tck = m->clk_tck;
	d->segment.interval_ms = m->interval_ms;
	copy_text(d->segment.host, sizeof(d->segment.host), m->host);
	copy_text(d->segment.writer, sizeof(d->segment.writer), m->writer);
	d->fields = 0; /* S6 */
	for (size_t i = 0; i < m->n_field; i++) {
		int field = mh_field_by_column(m->field[i]);

		if (field >= 0)
			d->fields |= (mh_fields_t)1 << field;
	}
	return take_meminfo_keys(d, m);
}

static void begin_chapter(struct mh_decoder *d)
{
	mh_strings_clear(&d->strings);
	if (d->place)
		memset(d->place, 0, d->place_cap * sizeof(*d->place));
}

static int apply(struct mh_decoder *d, const Memhist__V1__Snapshot *m, bool key, struct mh_err *err)
{
	int rc = 0;

	if (key) {
		if (!m->segment || m->n_gone_gap || m->renamed)
			return -EBADMSG; /* C2 */
		begin_chapter(d);
		rc = take_segment(d, m->segment, err);
	}
	if (!rc)
		rc = take_strings(d, m);
	if (!rc)
		rc = take_gone(d, m);
	if (!rc && m->born)
		rc = take_born(d, m->born, key);
	if (!rc && key)
		mh_table_drop_unkept(d->table);
	if (!rc && m->renamed)
		rc = take_renamed(d, m->renamed);
	if (!rc)
		rc = take_columns(d, m, key);
	if (!rc)
		rc = take_meminfo(d, m);
	return rc;
}

static int take_snapshot(struct mh_decoder *d, const struct mh_frame *frame, struct mh_err *err)
{
	bool key = frame->flags & MH_FRAME_KEY;
	ProtobufCMessage *message;
	const Memhist__V1__Snapshot *m;
	int rc;

	if (!key && (!d->in_chapter || frame->seq != d->next_seq))
		return MH_DECODED_ORPHAN; /* C1, F7 */
	d->in_chapter = false;
	rc = mh_unpack(&d->unpacker, frame, &memhist__v1__snapshot__descriptor, &message);
	if (rc)
		return rc;
	m = (const Memhist__V1__Snapshot *)message;
	mh_table_begin(d->table, frame->at);
	rc = apply(d, m, key, err);
	if (rc)
		return rc;
	if (m->live_plus_1 != mh_table_live(d->table) + 1)
		return -EBADMSG; /* S5 */
	d->in_chapter = true;
	d->next_seq = frame->seq + 1;
	d->round.collect_us = m->collect_us;
	d->round.partial = m->partial;
	d->round.fields = d->fields;
	d->round.meminfo = d->meminfo.n ? &d->meminfo : NULL;
	return MH_DECODED_SNAPSHOT;
}

static int take_gap(struct mh_decoder *d, const struct mh_frame *frame)
{
	ProtobufCMessage *message;
	const Memhist__V1__Gap *m;
	int rc = mh_unpack(&d->unpacker, frame, &memhist__v1__gap__descriptor, &message);

	if (rc)
		return rc;
	m = (const Memhist__V1__Gap *)message;
	note_gap(d, (enum mh_gap_kind)m->kind, m->since_wall_ms); /* M5 */
	d->gaps++;
	if (d->in_chapter && frame->seq == d->next_seq)
		d->next_seq++;
	return MH_DECODED_NOTHING;
}

int mh_decoder_frame(struct mh_decoder *d, const struct mh_frame *frame, struct mh_err *err)
{
	if (frame->version > MH_FRAME_VERSION)
		return mh_errf(err, -EPROTO, /* F6 */
			       "written in format version %u, this memhist reads up to %d: use a "
			       "newer one",
			       frame->version, MH_FRAME_VERSION);
	switch (frame->type) {
	case MH_FRAME_SNAPSHOT:
		return take_snapshot(d, frame, err);
	case MH_FRAME_GAP:
		return take_gap(d, frame);
	default: /* F5 */
		if (d->in_chapter && frame->seq == d->next_seq)
			d->next_seq++;
		return MH_DECODED_NOTHING;
	}
}

const struct mh_snapshot *mh_decoder_end(struct mh_decoder *d)
{
	const struct mh_snapshot *s = mh_table_end(d->table, &d->round);

	d->round.gap = (struct mh_gap){0};
	return s;
}

uint64_t mh_decoder_gaps(const struct mh_decoder *d)
{
	return d->gaps;
}

const struct mh_segment_info *mh_decoder_segment(const struct mh_decoder *d)
{
	return &d->segment;
}
