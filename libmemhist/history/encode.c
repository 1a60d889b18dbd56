/*
 * The encoder. Per frame it fills arrays in an arena, lets protobuf-c pack them, and compresses
 * keyframes. What it remembers between frames is exactly what a reader knows: the chapter's
 * strings, and the last written values by slot and by meminfo position.
 */
#include "libmemhist/history/encode.h"

#include "libmemhist/base/arena.h"
#include "libmemhist/base/buf.h"
#include "libmemhist/base/strset.h"
#include "libmemhist/history/frame.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { ZSTD_LEVEL = 3, SCRATCH_MAX = 512 << 20 };

struct written {
	uint64_t value[MH_FIELD_COUNT];
};

struct mh_encoder {
	struct mh_strset strings; /* of the chapter */
	uint32_t strings_sent;    /* those already in an earlier frame of the chapter */
	struct written *written;  /* by slot */
	uint64_t *marked;         /* bitmap by slot, all clear between uses */
	uint32_t slots_cap;
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
	mh_strset_done(&e->strings);
	free(e->written);
	free(e->marked);
	mh_arena_done(&e->scratch);
	mh_buf_done(&e->packed);
	mh_buf_done(&e->compressed);
	ZSTD_freeCCtx(e->zstd);
	free(e);
}

static int reserve_slots(struct mh_encoder *e, uint32_t n_slots)
{
	uint32_t cap = e->slots_cap ? e->slots_cap : 64;
	struct written *written;
	uint64_t *marked;

	if (n_slots <= e->slots_cap)
		return 0;
	while (cap < n_slots)
		cap *= 2;
	written = reallocarray(e->written, cap, sizeof(*written));
	if (!written)
		return -ENOMEM;
	e->written = written;
	marked = calloc(cap / 64, sizeof(*marked));
	if (!marked)
		return -ENOMEM;
	free(e->marked);
	e->marked = marked;
	memset(written + e->slots_cap, 0, (cap - e->slots_cap) * sizeof(*written));
	e->slots_cap = cap;
	return 0;
}

static void mark(struct mh_encoder *e, uint32_t slot)
{
	e->marked[slot / 64] |= UINT64_C(1) << slot % 64;
}

/*
 * The marked slots below `n_slots`, ascending, as an array of at most `max`; clears the marks. A
 * bitmap sorts for nothing: lists of slots come in the order of events.
 */
static uint32_t *take_marked(struct mh_encoder *e, uint32_t n_slots, size_t max, size_t *ret_n)
{
	uint32_t *slots = mh_arena_array(&e->scratch, max + 1, sizeof(*slots));
	size_t n = 0;

	for (uint32_t word = 0; word <= n_slots / 64 && word < e->slots_cap / 64; word++) {
		uint64_t bits = e->marked[word];

		e->marked[word] = 0;
		for (; bits && slots && n < max; bits &= bits - 1)
			slots[n++] = word * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	*ret_n = n;
	return slots;
}

/* Ascending slots as gaps: section 4.2 of docs/FORMAT.md. */
static uint32_t *gaps_of(struct mh_encoder *e, const uint32_t *slots, size_t n)
{
	uint32_t *gaps = mh_arena_array(&e->scratch, n + 1, sizeof(*gaps));
	uint32_t next = 0;

	for (size_t i = 0; gaps && i < n; i++) {
		gaps[i] = slots[i] - next;
		next = slots[i] + 1;
	}
	return gaps;
}

static int string_index(struct mh_encoder *e, const char *bytes, size_t len, uint32_t *ret)
{
	int rc = mh_strset_add(&e->strings, bytes, len, ret);

	return rc < 0 ? rc : 0;
}

/* What a Processes message says of each: identities only for the born. */
static int fill_processes(struct mh_encoder *e, const struct mh_snapshot *s, const uint32_t *slots,
			  size_t n, bool with_identity, Memhist__V1__Processes *ret)
{
	struct mh_arena *a = &e->scratch;
	int64_t last_pid = 0, last_start = 0;
	bool any_twin = false;

	ret->slot_gap = gaps_of(e, slots, n);
	ret->ppid = mh_arena_array(a, n, sizeof(*ret->ppid));
	ret->uid = mh_arena_array(a, n, sizeof(*ret->uid));
	ret->comm = mh_arena_array(a, n, sizeof(*ret->comm));
	ret->cmdline = mh_arena_array(a, n, sizeof(*ret->cmdline));
	ret->pid = mh_arena_array(a, n, sizeof(*ret->pid));
	ret->start_ticks = mh_arena_array(a, n, sizeof(*ret->start_ticks));
	ret->twin = mh_arena_array(a, n, sizeof(*ret->twin));
	if (!ret->slot_gap || !ret->ppid || !ret->uid || !ret->comm || !ret->cmdline || !ret->pid ||
	    !ret->start_ticks || !ret->twin)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct mh_process *p = &s->process[slots[i]];

		ret->ppid[i] = p->ppid;
		ret->uid[i] = p->uid;
		if (string_index(e, p->comm, p->comm_len, &ret->comm[i]) ||
		    string_index(e, p->cmdline, p->cmdline_len, &ret->cmdline[i]))
			return -ENOMEM;
		ret->pid[i] = (int32_t)(p->id.pid - last_pid);
		ret->start_ticks[i] = (int64_t)(p->id.start_ticks - (uint64_t)last_start);
		ret->twin[i] = p->id.twin;
		any_twin = any_twin || p->id.twin;
		last_pid = p->id.pid;
		last_start = (int64_t)p->id.start_ticks;
	}
	ret->n_slot_gap = ret->n_ppid = ret->n_uid = ret->n_comm = ret->n_cmdline = n;
	if (with_identity) {
		ret->n_pid = ret->n_start_ticks = n;
		ret->n_twin = any_twin ? n : 0; /* S2 */
	}
	return 0;
}

/* The column of one field over `slots`; n_delta stays 0 when nothing differs. */
static int fill_column(struct mh_encoder *e, const struct mh_snapshot *s, const uint32_t *slots,
		       size_t n, int field, Memhist__V1__Column *ret)
{
	uint32_t next = 0;
	size_t k = 0;

	ret->field = mh_fields[field].column;
	ret->slot_gap = mh_arena_array(&e->scratch, n, sizeof(*ret->slot_gap));
	ret->delta = mh_arena_array(&e->scratch, n, sizeof(*ret->delta));
	if (!ret->slot_gap || !ret->delta)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t slot = slots[i];
		uint64_t value = s->process[slot].value[field];
		uint64_t *was = &e->written[slot].value[field];

		if (value == *was)
			continue;
		ret->slot_gap[k] = slot - next;
		ret->delta[k++] = (int64_t)(value - *was);
		*was = value;
		next = slot + 1;
	}
	ret->n_slot_gap = ret->n_delta = k;
	return 0;
}

static int fill_columns(struct mh_encoder *e, const struct mh_snapshot *s, const uint32_t *slots,
			size_t n, Memhist__V1__Snapshot *ret)
{
	Memhist__V1__Column *column = mh_arena_array(&e->scratch, MH_FIELD_COUNT, sizeof(*column));

	ret->column = mh_arena_array(&e->scratch, MH_FIELD_COUNT, sizeof(*ret->column));
	if (!column || !ret->column)
		return -ENOMEM;
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		if (!(s->fields & (mh_fields_t)1 << field))
			continue;
		memhist__v1__column__init(column);
		if (fill_column(e, s, slots, n, field, column))
			return -ENOMEM;
		if (column->n_delta)
			ret->column[ret->n_column++] = column++;
	}
	return 0;
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

/* Strings that came in with this frame (C3). They lie in the set and are not copied. */
static int fill_strings(struct mh_encoder *e, Memhist__V1__Snapshot *ret)
{
	uint32_t n = e->strings.n_items - e->strings_sent;

	ret->string = mh_arena_array(&e->scratch, n, sizeof(*ret->string));
	if (!ret->string)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct mh_str *str = mh_strset_get(&e->strings, e->strings_sent + i);

		ret->string[i] = (ProtobufCBinaryData){str->len, (uint8_t *)str->bytes};
	}
	ret->n_string = n;
	e->strings_sent += n;
	return 0;
}

/* Keys as the format has them (M4): " kB" behind those that count KiB, as in /proc/meminfo. */
static int fill_meminfo_keys(struct mh_encoder *e, const struct mh_meminfo *m,
			     Memhist__V1__Segment *ret)
{
	ret->meminfo_key = mh_arena_array(&e->scratch, m->n, sizeof(*ret->meminfo_key));
	if (!ret->meminfo_key)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n; i++) {
		char *key = mh_arena_alloc(&e->scratch, MH_MEMINFO_KEY_MAX + sizeof(" kB"));

		if (!key)
			return -ENOMEM;
		snprintf(key, MH_MEMINFO_KEY_MAX + sizeof(" kB"), "%s%s", m->line[i].key,
			 m->line[i].is_kib ? " kB" : "");
		ret->meminfo_key[ret->n_meminfo_key++] = key;
	}
	return 0;
}

static int fill_segment(struct mh_encoder *e, const struct mh_snapshot *s,
			const struct mh_segment_facts *facts, Memhist__V1__Segment *ret)
{
	ret->boot_id = (ProtobufCBinaryData){MH_BOOT_ID_BYTES, (uint8_t *)s->boot_id.bytes};
	ret->page_bytes = facts->page_bytes;
	ret->clk_tck = facts->clk_tck;
	ret->interval_ms = facts->interval_ms;
	ret->host = (char *)facts->host;
	ret->writer = (char *)facts->writer;
	ret->field = mh_arena_array(&e->scratch, MH_FIELD_COUNT, sizeof(*ret->field));
	if (!ret->field)
		return -ENOMEM;
	for (int field = 0; field < MH_FIELD_COUNT; field++)
		if (s->fields & (mh_fields_t)1 << field)
			ret->field[ret->n_field++] = mh_fields[field].column;
	return s->meminfo ? fill_meminfo_keys(e, s->meminfo, ret) : 0;
}

static void begin_chapter(struct mh_encoder *e)
{
	mh_strset_clear(&e->strings);
	e->strings_sent = 0;
	memset(e->written, 0, e->slots_cap * sizeof(*e->written));
	memset(e->meminfo, 0, sizeof(e->meminfo));
}

/* The parts that only deltas have: exits, births and renames since the snapshot before. */
static int fill_changes(struct mh_encoder *e, const struct mh_snapshot *s,
			Memhist__V1__Snapshot *ret)
{
	uint32_t n_slots = s->n_slots;
	uint32_t *slots;
	size_t n;

	for (uint32_t i = 0; i < s->n_gone; i++) {
		mark(e, s->gone[i].slot);
		if (s->gone[i].slot >= n_slots)
			n_slots = s->gone[i].slot + 1;
		e->written[s->gone[i].slot] = (struct written){0};
	}
	slots = take_marked(e, n_slots, s->n_gone, &ret->n_gone_gap);
	ret->gone_gap = slots ? gaps_of(e, slots, ret->n_gone_gap) : NULL;
	if (!ret->gone_gap)
		return -ENOMEM;

	if (s->n_renamed) {
		for (uint32_t i = 0; i < s->n_renamed; i++)
			mark(e, s->renamed[i]);
		ret->renamed = mh_arena_alloc(&e->scratch, sizeof(*ret->renamed));
		slots = take_marked(e, s->n_slots, s->n_renamed, &n);
		if (!ret->renamed || !slots)
			return -ENOMEM;
		memhist__v1__processes__init(ret->renamed);
		if (fill_processes(e, s, slots, n, false, ret->renamed))
			return -ENOMEM;
	}
	return 0;
}

static int fill_born(struct mh_encoder *e, const struct mh_snapshot *s, const uint32_t *slots,
		     size_t n, Memhist__V1__Snapshot *ret)
{
	if (!n)
		return 0;
	ret->born = mh_arena_alloc(&e->scratch, sizeof(*ret->born));
	if (!ret->born)
		return -ENOMEM;
	memhist__v1__processes__init(ret->born);
	return fill_processes(e, s, slots, n, true, ret->born);
}

static int fill_key(struct mh_encoder *e, const struct mh_snapshot *s,
		    const struct mh_segment_facts *facts, Memhist__V1__Snapshot *ret)
{
	uint32_t *slots;
	size_t n;

	begin_chapter(e);
	ret->segment = mh_arena_alloc(&e->scratch, sizeof(*ret->segment));
	if (!ret->segment)
		return -ENOMEM;
	memhist__v1__segment__init(ret->segment);
	mh_snapshot_for_each (s, slot)
		mark(e, slot);
	slots = take_marked(e, s->n_slots, s->n_live, &n);
	if (!slots || fill_segment(e, s, facts, ret->segment) || fill_born(e, s, slots, n, ret) ||
	    fill_columns(e, s, slots, n, ret))
		return -ENOMEM;
	return 0;
}

static int fill_delta(struct mh_encoder *e, const struct mh_snapshot *s, Memhist__V1__Snapshot *ret)
{
	uint32_t *slots;
	size_t n;

	if (fill_changes(e, s, ret))
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_born; i++)
		mark(e, s->born[i]);
	slots = take_marked(e, s->n_slots, s->n_born, &n);
	if (!slots || fill_born(e, s, slots, n, ret))
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_born; i++)
		mark(e, s->born[i]);
	for (uint32_t i = 0; i < s->n_changed; i++)
		mark(e, s->changed[i]);
	slots = take_marked(e, s->n_slots, (size_t)s->n_born + s->n_changed, &n);
	return slots ? fill_columns(e, s, slots, n, ret) : -ENOMEM;
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
	uint32_t n_slots = s->n_slots;
	int rc;

	mh_arena_reset(&e->scratch);
	for (uint32_t i = 0; i < s->n_gone; i++)
		if (s->gone[i].slot >= n_slots)
			n_slots = s->gone[i].slot + 1;
	rc = reserve_slots(e, n_slots);
	if (!rc)
		rc = facts ? fill_key(e, s, facts, &message) : fill_delta(e, s, &message);
	if (!rc && s->meminfo)
		rc = fill_meminfo(e, s->meminfo, &message);
	if (!rc)
		rc = fill_strings(e, &message);
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
