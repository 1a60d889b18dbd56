/* The chapter, written. Lists of slots come in the order of events; a bitmap sorts them. */
#include "libmemhist/history/encode_chapter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mh_written {
	uint64_t value[MH_FIELD_COUNT];
};

void mh_chapter_out_done(struct mh_chapter_out *c)
{
	mh_strset_done(&c->strings);
	free(c->written);
	free(c->marked);
}

/* --- slots ------------------------------------------------------------------------------------ */

static int reserve_slots(struct mh_chapter_out *c, uint32_t n_slots)
{
	uint32_t cap = c->slots_cap ? c->slots_cap : 64;
	struct mh_written *written;
	uint64_t *marked;

	if (n_slots <= c->slots_cap)
		return 0;
	while (cap < n_slots)
		cap *= 2;
	written = reallocarray(c->written, cap, sizeof(*written));
	if (!written)
		return -ENOMEM;
	c->written = written;
	marked = calloc(cap / 64, sizeof(*marked));
	if (!marked)
		return -ENOMEM;
	free(c->marked);
	c->marked = marked;
	memset(written + c->slots_cap, 0, (cap - c->slots_cap) * sizeof(*written));
	c->slots_cap = cap;
	return 0;
}

static void mark(struct mh_chapter_out *c, uint32_t slot)
{
	c->marked[slot / 64] |= UINT64_C(1) << slot % 64;
}

static void mark_all(struct mh_chapter_out *c, const uint32_t *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		mark(c, slots[i]);
}

/* The marked slots, ascending, as an array of at most `max`; clears the marks. NULL: no memory. */
static uint32_t *take_marked(struct mh_chapter_out *c, size_t max, size_t *ret_n)
{
	uint32_t *slots = mh_arena_array(c->scratch, max + 1, sizeof(*slots));
	size_t n = 0;

	for (uint32_t word = 0; word < c->slots_cap / 64; word++) {
		uint64_t bits = c->marked[word];

		c->marked[word] = 0;
		for (; bits && slots && n < max; bits &= bits - 1)
			slots[n++] = word * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	*ret_n = n;
	return slots;
}

/* Ascending slots as gaps: section 4.2 of docs/FORMAT.md. */
static uint32_t *gaps_of(struct mh_chapter_out *c, const uint32_t *slots, size_t n)
{
	uint32_t *gaps = mh_arena_array(c->scratch, n + 1, sizeof(*gaps));
	uint32_t next = 0;

	for (size_t i = 0; gaps && i < n; i++) {
		gaps[i] = slots[i] - next;
		next = slots[i] + 1;
	}
	return gaps;
}

/* --- names and identities --------------------------------------------------------------------- */

static int string_index(struct mh_chapter_out *c, const char *bytes, size_t len, uint32_t *ret)
{
	int rc = mh_strset_add(&c->strings, bytes, len, ret);

	return rc < 0 ? rc : 0;
}

static int pooled_index(struct mh_chapter_out *c, const struct mh_pooled *string, uint32_t *ret)
{
	return string ? string_index(c, string->bytes, string->len, ret)
		      : string_index(c, "", 0, ret);
}

static int fill_names(struct mh_chapter_out *c, const struct mh_process *const *who, size_t n,
		      Memhist__V1__Processes *ret)
{
	bool any_exe = false, any_cgroup = false;

	ret->ppid = mh_arena_array(c->scratch, n, sizeof(*ret->ppid));
	ret->uid = mh_arena_array(c->scratch, n, sizeof(*ret->uid));
	ret->comm = mh_arena_array(c->scratch, n, sizeof(*ret->comm));
	ret->cmdline = mh_arena_array(c->scratch, n, sizeof(*ret->cmdline));
	ret->exe = mh_arena_array(c->scratch, n, sizeof(*ret->exe));
	ret->cgroup = mh_arena_array(c->scratch, n, sizeof(*ret->cgroup));
	if (!ret->ppid || !ret->uid || !ret->comm || !ret->cmdline || !ret->exe || !ret->cgroup)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct mh_process *p = who[i];

		ret->ppid[i] = p->ppid;
		ret->uid[i] = p->uid;
		if (string_index(c, p->comm, p->comm_len, &ret->comm[i]) ||
		    string_index(c, p->cmdline, p->cmdline_len, &ret->cmdline[i]) ||
		    pooled_index(c, p->exe, &ret->exe[i]) ||
		    pooled_index(c, p->cgroup, &ret->cgroup[i]))
			return -ENOMEM;
		any_exe |= p->exe != NULL;
		any_cgroup |= p->cgroup != NULL;
	}
	ret->n_ppid = ret->n_uid = ret->n_comm = ret->n_cmdline = n;
	ret->n_exe = any_exe ? n : 0;
	ret->n_cgroup = any_cgroup ? n : 0;
	return 0;
}

static int fill_identities(struct mh_chapter_out *c, const struct mh_process *const *who, size_t n,
			   Memhist__V1__Processes *ret)
{
	uint64_t last_start = 0;
	uint32_t last_pid = 0;
	bool any_twin = false;

	ret->pid = mh_arena_array(c->scratch, n, sizeof(*ret->pid));
	ret->start_ticks = mh_arena_array(c->scratch, n, sizeof(*ret->start_ticks));
	ret->twin = mh_arena_array(c->scratch, n, sizeof(*ret->twin));
	if (!ret->pid || !ret->start_ticks || !ret->twin)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct mh_identity *id = &who[i]->id;

		ret->pid[i] = (int32_t)(id->pid - last_pid);
		ret->start_ticks[i] = (int64_t)(id->start_ticks - last_start);
		ret->twin[i] = id->twin;
		any_twin |= id->twin != 0;
		last_pid = id->pid;
		last_start = id->start_ticks;
	}
	ret->n_pid = ret->n_start_ticks = n;
	ret->n_twin = any_twin ? n : 0; /* S2 */
	return 0;
}

/* Processes alive, by slot; nothing when there are none. */
static int fill_processes(struct mh_chapter_out *c, const struct mh_snapshot *s,
			  const uint32_t *slots, size_t n, bool with_identity,
			  Memhist__V1__Processes **ret)
{
	const struct mh_process **who = mh_arena_array(c->scratch, n, sizeof(*who));
	Memhist__V1__Processes *to;

	if (!n)
		return 0;
	to = *ret = mh_arena_alloc(c->scratch, sizeof(*to));
	if (!who || !to)
		return -ENOMEM;
	memhist__v1__processes__init(to);
	for (size_t i = 0; i < n; i++)
		who[i] = &s->process[slots[i]];
	to->slot_gap = gaps_of(c, slots, n);
	to->n_slot_gap = n;
	if (!to->slot_gap || fill_names(c, who, n, to))
		return -ENOMEM;
	return with_identity ? fill_identities(c, who, n, to) : 0;
}

/* --- values ----------------------------------------------------------------------------------- */

/* The column of one field over `slots`; n_delta stays 0 when nothing differs. */
static int fill_column(struct mh_chapter_out *c, const struct mh_snapshot *s, const uint32_t *slots,
		       size_t n, int field, Memhist__V1__Column *ret)
{
	uint32_t next = 0;
	size_t k = 0;

	ret->field = mh_fields[field].column;
	ret->slot_gap = mh_arena_array(c->scratch, n, sizeof(*ret->slot_gap));
	ret->delta = mh_arena_array(c->scratch, n, sizeof(*ret->delta));
	if (!ret->slot_gap || !ret->delta)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint32_t slot = slots[i];
		uint64_t value = s->process[slot].value[field];
		uint64_t *was = &c->written[slot].value[field];

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

static int fill_columns(struct mh_chapter_out *c, const struct mh_snapshot *s,
			const uint32_t *slots, size_t n, Memhist__V1__Snapshot *ret)
{
	Memhist__V1__Column *column = mh_arena_array(c->scratch, MH_FIELD_COUNT, sizeof(*column));

	ret->column = mh_arena_array(c->scratch, MH_FIELD_COUNT, sizeof(*ret->column));
	if (!column || !ret->column)
		return -ENOMEM;
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		if (!mh_fields_have(s->fields, field) || !mh_fields[field].column)
			continue;
		memhist__v1__column__init(column);
		if (fill_column(c, s, slots, n, field, column))
			return -ENOMEM;
		if (column->n_delta)
			ret->column[ret->n_column++] = column++;
	}
	return 0;
}

/* --- ends ------------------------------------------------------------------------------------- */

/* The column of one mark over those who ended, by position (S7). */
static int fill_end_column(struct mh_chapter_out *c, const struct mh_process *const *who, size_t n,
			   int field, Memhist__V1__Ends *ret)
{
	Memhist__V1__Column *column = mh_arena_alloc(c->scratch, sizeof(*column));
	uint32_t next = 0;
	size_t k = 0;

	if (!column)
		return -ENOMEM;
	memhist__v1__column__init(column);
	column->field = mh_fields[field].column;
	column->slot_gap = mh_arena_array(c->scratch, n, sizeof(*column->slot_gap));
	column->delta = mh_arena_array(c->scratch, n, sizeof(*column->delta));
	if (!column->slot_gap || !column->delta)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if (!who[i]->value[field])
			continue;
		column->slot_gap[k] = i - next;
		column->delta[k++] = (int64_t)who[i]->value[field];
		next = i + 1;
	}
	column->n_slot_gap = column->n_delta = k;
	if (k)
		ret->column[ret->n_column++] = column;
	return 0;
}

static int fill_ends(struct mh_chapter_out *c, const struct mh_snapshot *s,
		     const struct mh_process *const *who, size_t n, bool with_names,
		     Memhist__V1__Ends **ret)
{
	Memhist__V1__Ends *to;

	if (!n)
		return 0;
	to = *ret = mh_arena_alloc(c->scratch, sizeof(*to));
	if (!to)
		return -ENOMEM;
	memhist__v1__ends__init(to);
	to->process = mh_arena_alloc(c->scratch, sizeof(*to->process));
	to->column = mh_arena_array(c->scratch, MH_FIELD_COUNT, sizeof(*to->column));
	if (!to->process || !to->column)
		return -ENOMEM;
	memhist__v1__processes__init(to->process);
	if (fill_identities(c, who, n, to->process) ||
	    (with_names && fill_names(c, who, n, to->process)))
		return -ENOMEM;
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		int mark = mh_fields[field].mark;

		if (mark != MH_FIELD_NONE && mh_fields_have(s->fields, mark) &&
		    fill_end_column(c, who, n, mark, to))
			return -ENOMEM;
	}
	return 0;
}

/* Whether a mark moved after it was last written. */
static bool moved(const struct mh_chapter_out *c, const struct mh_gone *gone)
{
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		int mark = mh_fields[field].mark;

		if (mark != MH_FIELD_NONE &&
		    gone->process.value[mark] != c->written[gone->slot].value[mark])
			return true;
	}
	return false;
}

/* S7, S8. Before what is known of the slots of the gone is forgotten. */
static int fill_all_ends(struct mh_chapter_out *c, const struct mh_snapshot *s,
			 Memhist__V1__Snapshot *ret)
{
	uint32_t max = s->n_gone > s->n_brief ? s->n_gone : s->n_brief;
	const struct mh_process **who = mh_arena_array(c->scratch, max, sizeof(*who));
	size_t n = 0;

	if (!max)
		return 0;
	if (!who)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_gone; i++)
		if (moved(c, &s->gone[i]))
			who[n++] = &s->gone[i].process;
	if (fill_ends(c, s, who, n, false, &ret->ended))
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_brief; i++)
		who[i] = &s->brief[i];
	return fill_ends(c, s, who, s->n_brief, true, &ret->brief);
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Strings that came in with this frame (C3). They lie in the set and are not copied. */
static int fill_strings(struct mh_chapter_out *c, Memhist__V1__Snapshot *ret)
{
	uint32_t n = c->strings.n_items - c->strings_sent;

	ret->string = mh_arena_array(c->scratch, n, sizeof(*ret->string));
	if (!ret->string)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct mh_str *str = mh_strset_get(&c->strings, c->strings_sent + i);

		ret->string[i] = (ProtobufCBinaryData){str->len, (uint8_t *)str->bytes};
	}
	ret->n_string = n;
	c->strings_sent += n;
	return 0;
}

static int fill_gone(struct mh_chapter_out *c, const struct mh_snapshot *s,
		     Memhist__V1__Snapshot *ret)
{
	uint32_t *slots;

	for (uint32_t i = 0; i < s->n_gone; i++) {
		mark(c, s->gone[i].slot);
		c->written[s->gone[i].slot] = (struct mh_written){0};
	}
	slots = take_marked(c, s->n_gone, &ret->n_gone_gap);
	ret->gone_gap = slots ? gaps_of(c, slots, ret->n_gone_gap) : NULL;
	return ret->gone_gap ? 0 : -ENOMEM;
}

static int fill_key(struct mh_chapter_out *c, const struct mh_snapshot *s,
		    Memhist__V1__Snapshot *ret)
{
	uint32_t *slots;
	size_t n;

	if (c->slots_cap)
		memset(c->written, 0, c->slots_cap * sizeof(*c->written));
	mh_snapshot_for_each (s, slot)
		mark(c, slot);
	slots = take_marked(c, s->n_live, &n);
	if (!slots || fill_processes(c, s, slots, n, true, &ret->born))
		return -ENOMEM;
	return fill_columns(c, s, slots, n, ret);
}

static int fill_delta(struct mh_chapter_out *c, const struct mh_snapshot *s,
		      Memhist__V1__Snapshot *ret)
{
	uint32_t *slots;
	size_t n;

	if (fill_gone(c, s, ret))
		return -ENOMEM;
	mark_all(c, s->renamed, s->n_renamed);
	slots = take_marked(c, s->n_renamed, &n);
	if (!slots || fill_processes(c, s, slots, n, false, &ret->renamed))
		return -ENOMEM;
	mark_all(c, s->born, s->n_born);
	slots = take_marked(c, s->n_born, &n);
	if (!slots || fill_processes(c, s, slots, n, true, &ret->born))
		return -ENOMEM;
	mark_all(c, s->born, s->n_born);
	mark_all(c, s->changed, s->n_changed);
	slots = take_marked(c, (size_t)s->n_born + s->n_changed, &n);
	return slots ? fill_columns(c, s, slots, n, ret) : -ENOMEM;
}

int mh_chapter_out_fill(struct mh_chapter_out *c, struct mh_arena *scratch,
			const struct mh_snapshot *s, bool key, Memhist__V1__Snapshot *ret)
{
	uint32_t n_slots = s->n_slots;
	int rc;

	c->scratch = scratch;
	for (uint32_t i = 0; i < s->n_gone; i++)
		if (s->gone[i].slot >= n_slots)
			n_slots = s->gone[i].slot + 1;
	rc = reserve_slots(c, n_slots);
	if (!rc && key) {
		mh_strset_clear(&c->strings);
		c->strings_sent = 0;
	}
	if (!rc)
		rc = fill_all_ends(c, s, ret);
	if (!rc)
		rc = key ? fill_key(c, s, ret) : fill_delta(c, s, ret);
	return rc ? rc : fill_strings(c, ret);
}
