/*
 * The builder. by_slot says which series lives in a slot of the snapshots, and its last values.
 * Series are numbered in order of appearance until the end.
 */
#include "libmemhist/history/columns/part_build.h"

#include "libmemhist/history/columns/part_candles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct living {
	uint32_t series; /* + 1; 0: nobody */
	uint64_t value[MH_FIELD_COUNT];
};

struct mh_part_builder {
	struct mh_part part;
	bool is_ended; /* the part was handed out */
	struct living *by_slot;
	uint32_t slots_cap;
	uint64_t meminfo[MH_MEMINFO_MAX];
	int candles_of; /* MH_FIELD_NONE: everything is wanted */
	bool without_names;
	int field[MH_FIELD_COUNT]; /* whose changes are wanted, of the part's … */
	int n_fields;              /* … so many */
};

int mh_part_builder_new(struct mh_part_builder **ret)
{
	struct mh_part_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->candles_of = MH_FIELD_NONE;
	*ret = b;
	return 0;
}

int mh_part_builder_new_for_candles(struct mh_part_builder **ret, int field, bool with_names)
{
	int rc = mh_part_builder_new(ret);

	if (rc)
		return rc;
	(*ret)->candles_of = field;
	(*ret)->without_names = !with_names;
	return 0;
}

void mh_part_builder_free(struct mh_part_builder *b)
{
	if (!b)
		return;
	mh_part_done(&b->part);
	free(b->by_slot);
	free(b);
}

static int reserve_slots(struct mh_part_builder *b, const struct mh_snapshot *s)
{
	uint32_t n = s->n_slots, cap = b->slots_cap ? b->slots_cap : 64;
	struct living *by_slot;

	for (uint32_t i = 0; i < s->n_gone; i++)
		if (s->gone[i].slot >= n)
			n = s->gone[i].slot + 1;
	if (n <= b->slots_cap)
		return 0;
	while (cap < n)
		cap *= 2;
	by_slot = reallocarray(b->by_slot, cap, sizeof(*by_slot));
	if (!by_slot)
		return -ENOMEM;
	memset(by_slot + b->slots_cap, 0, (cap - b->slots_cap) * sizeof(*by_slot));
	b->by_slot = by_slot;
	b->slots_cap = cap;
	return 0;
}

static uint32_t string_number(struct mh_part *p, const char *bytes, size_t len)
{
	uint32_t number = 0;

	if (!p->error && mh_strset_add(&p->strings, bytes, len, &number) < 0)
		p->error = -ENOMEM;
	return number;
}

static uint32_t pooled_number(struct mh_part *p, const struct mh_pooled *string)
{
	return string ? string_number(p, string->bytes, string->len) : string_number(p, "", 0);
}

static struct mh_part_version names_of(struct mh_part *p, const struct mh_process *process)
{
	return (struct mh_part_version){
		.ppid = process->ppid,
		.uid = process->uid,
		.comm = string_number(p, process->comm, process->comm_len),
		.cmdline = string_number(p, process->cmdline, process->cmdline_len),
		.exe = pooled_number(p, process->exe),
		.cgroup = pooled_number(p, process->cgroup),
	};
}

static void add_version(struct mh_part_builder *b, uint32_t series, uint32_t at,
			const struct mh_process *process)
{
	struct mh_part *p = &b->part;
	struct mh_part_version version;

	if (b->without_names)
		return;
	version = names_of(p, process);
	version.series = series;
	version.at = at;
	if (mh_part_reserve(p, p->versions, MH_PART_EVENTS_MAX))
		p->versions.item[p->versions.n++] = version;
}

static void add_event(struct mh_part *p, uint32_t series, uint32_t at, int field, uint64_t delta)
{
	if (mh_part_reserve(p, p->events, MH_PART_EVENTS_MAX))
		p->events.item[p->events.n++] = (struct mh_part_event){
			.series = series,
			.at = at & 0xffffff,
			.field = (uint8_t)field,
			.delta = (int64_t)delta,
		};
}

/* The values that differ from those known; of those who ended only the marks. */
static void add_values(struct mh_part_builder *b, uint32_t slot, uint32_t at,
		       const uint64_t value[MH_FIELD_COUNT], mh_fields_t fields)
{
	struct living *living = &b->by_slot[slot];

	for (int i = 0; i < b->n_fields; i++) {
		const int f = b->field[i];

		if (value[f] == living->value[f] || !mh_fields_have(fields, f))
			continue;
		add_event(&b->part, living->series - 1, at, f, value[f] - living->value[f]);
		living->value[f] = value[f];
	}
}

static void begin_series(struct mh_part_builder *b, const struct mh_snapshot *s, uint32_t slot,
			 uint32_t at)
{
	const struct mh_process *process = &s->process[slot];
	struct mh_part *p = &b->part;

	if (!mh_part_reserve(p, p->series, MH_PART_SERIES_MAX))
		return;
	b->by_slot[slot] = (struct living){.series = p->series.n + 1};
	p->series.item[p->series.n++] = (struct mh_part_series){.id = process->id, .first = at};
	add_version(b, p->series.n - 1, at, process);
	add_values(b, slot, at, process->value, p->head.fields);
}

static mh_fields_t marks(void)
{
	mh_fields_t fields = 0;

	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields[f].mark != MH_FIELD_NONE)
			fields |= (mh_fields_t)1 << mh_fields[f].mark;
	return fields;
}

static void end_series(struct mh_part_builder *b, const struct mh_gone *gone, uint32_t at)
{
	struct living *living = &b->by_slot[gone->slot];
	struct mh_part_series *series;

	if (!living->series)
		return;
	series = &b->part.series.item[living->series - 1];
	series->count = at - series->first;
	add_values(b, gone->slot, at, gone->process.value, b->part.head.fields & marks());
	living->series = 0;
}

static void add_brief(struct mh_part_builder *b, const struct mh_process *process, uint32_t at)
{
	struct mh_part_end end = {.id = process->id, .at = at};
	struct mh_part *p = &b->part;

	if (!b->without_names)
		end.names = names_of(p, process);
	memcpy(end.value, process->value, sizeof(end.value));
	if (mh_part_reserve(p, p->brief, MH_PART_SERIES_MAX))
		p->brief.item[p->brief.n++] = end;
}

static void add_meminfo(struct mh_part_builder *b, const struct mh_meminfo *m, uint32_t at)
{
	struct mh_part *p = &b->part;

	for (uint32_t i = 0; m && b->candles_of == MH_FIELD_NONE && i < m->n; i++) {
		if (m->line[i].value == b->meminfo[i] ||
		    !mh_part_reserve(p, p->meminfo_events, MH_PART_EVENTS_MAX))
			continue;
		p->meminfo_events.item[p->meminfo_events.n++] = (struct mh_part_event){
			.series = i,
			.at = at & 0xffffff,
			.delta = (int64_t)(m->line[i].value - b->meminfo[i]),
		};
		b->meminfo[i] = m->line[i].value;
	}
}

static void begin_part(struct mh_part_builder *b, const struct mh_snapshot *s,
		       const struct mh_segment_info *segment)
{
	struct mh_part *p = &b->part;
	mh_fields_t fields;

	mh_part_clear(p);
	b->is_ended = false;
	p->head = (struct mh_segment_head){
		.boot_id = s->boot_id,
		.info = *segment,
		.fields = s->fields,
		.lagging = s->lagging,
	};
	if (s->meminfo)
		p->head.meminfo = *s->meminfo;
	for (uint32_t i = 0; i < p->head.meminfo.n; i++)
		p->head.meminfo.line[i].value = 0;
	fields = b->candles_of == MH_FIELD_NONE ? s->fields
						: mh_part_candle_fields(&p->head, b->candles_of);
	b->n_fields = 0;
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields_have(fields, f) && mh_fields[f].column)
			b->field[b->n_fields++] = f;
	memset(b->meminfo, 0, sizeof(b->meminfo));
	if (b->by_slot)
		memset(b->by_slot, 0, b->slots_cap * sizeof(*b->by_slot));
}

static bool same_segment(const struct mh_segment_info *a, const struct mh_segment_info *b)
{
	return a->page_bytes == b->page_bytes && a->clk_tck == b->clk_tck &&
	       a->interval_ms == b->interval_ms && !strcmp(a->host, b->host) &&
	       !strcmp(a->writer, b->writer);
}

/* Whether a snapshot can stand in the part that was begun. */
static bool fits(const struct mh_part *p, const struct mh_snapshot *s,
		 const struct mh_segment_info *segment)
{
	return p->snapshots.n < MH_PART_SNAPSHOTS_MAX && p->series.n < MH_PART_SERIES_FULL &&
	       p->events.n < MH_PART_EVENTS_FULL && same_segment(&p->head.info, segment) &&
	       !memcmp(&p->head.boot_id, &s->boot_id, sizeof(s->boot_id)) &&
	       p->head.fields == s->fields && p->head.lagging == s->lagging &&
	       (s->meminfo ? mh_meminfo_same_keys(&p->head.meminfo, s->meminfo)
			   : !p->head.meminfo.n);
}

int mh_part_builder_add(struct mh_part_builder *b, const struct mh_snapshot *s,
			const struct mh_segment_info *segment)
{
	struct mh_part *p = &b->part;
	uint32_t at;

	if (!p->snapshots.n || b->is_ended)
		begin_part(b, s, segment);
	else if (!fits(p, s, segment))
		return -EOVERFLOW;
	if (reserve_slots(b, s) || !mh_part_reserve(p, p->snapshots, MH_PART_SNAPSHOTS_MAX))
		return -ENOMEM;
	at = p->snapshots.n++;
	p->snapshots.item[at] = (struct mh_part_snapshot){
		.at = s->at,
		.collect_us = s->collect_us,
		.partial = s->partial,
		.gap = s->gap,
	};
	for (uint32_t i = 0; at && i < s->n_gone; i++)
		end_series(b, &s->gone[i], at);
	for (uint32_t i = 0; i < s->n_brief; i++)
		add_brief(b, &s->brief[i], at);
	if (at) {
		for (uint32_t i = 0; i < s->n_born; i++)
			begin_series(b, s, s->born[i], at);
		for (uint32_t i = 0; i < s->n_renamed; i++)
			add_version(b, b->by_slot[s->renamed[i]].series - 1, at,
				    &s->process[s->renamed[i]]);
		for (uint32_t i = 0; i < s->n_changed; i++)
			add_values(b, s->changed[i], at, s->process[s->changed[i]].value,
				   p->head.fields);
	} else {
		mh_snapshot_for_each (s, slot)
			begin_series(b, s, slot, at);
	}
	add_meminfo(b, s->meminfo, at);
	return p->error;
}

int mh_part_builder_ended(struct mh_part_builder *b, const struct mh_identity *id,
			  const uint64_t value[MH_FIELD_COUNT])
{
	struct mh_part *p = &b->part;
	struct mh_part_end end = {.id = *id};

	memcpy(end.value, value, sizeof(end.value));
	if (mh_part_reserve(p, p->ended, MH_PART_SERIES_MAX))
		p->ended.item[p->ended.n++] = end;
	return p->error;
}

struct mh_part *mh_part_builder_end(struct mh_part_builder *b)
{
	struct mh_part *p = &b->part;

	if (p->error)
		return NULL;
	for (uint32_t slot = 0; slot < b->slots_cap; slot++) {
		struct mh_part_series *series;

		if (!b->by_slot[slot].series)
			continue;
		series = &p->series.item[b->by_slot[slot].series - 1];
		series->count = p->snapshots.n - series->first;
	}
	b->is_ended = true;
	return mh_part_sort_by_series(p) ? NULL : p;
}
