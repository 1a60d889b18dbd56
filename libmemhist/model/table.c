/*
 * The process table.
 *
 * Slots hold processes; an open-addressing index finds a slot by pid; a bitmap finds the lowest
 * free slot, so that the table stays as short as its peak. What happened in a round is kept as
 * marks per slot (the number of the round in which it happened), so a new round clears nothing.
 * "Kept" counts listings instead: a round that was begun again (its source failed half-way) starts
 * its listing anew, but still owes its births and exits to the next snapshot.
 *
 * Invariants, between calls:
 *   T1  process[s].id.pid == 0 exactly when bit s of free_map is set (s < n_slots).
 *   T2  Each live pid has exactly one entry in the index, at or after its home by linear probing
 *       with no hole between.
 *   T3  The lists hold each slot at most once; `changed` and `renamed` hold no slot of `born`;
 *       marks say where. Their capacity is that of the slots, so noting a change cannot fail.
 *   T4  ended.gone holds processes that the last snapshot showed, so each pid at most once, and at
 *       most as many as there are slots: ending a process cannot fail either. Of those that ended
 *       in this round, it finds the twins in the current boot.
 */
#include "libmemhist/model/table.h"

#include "libmemhist/model/ended.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 64 };

struct marks {
	uint32_t kept;
	/* rounds in which it happened, and where the lists of that round have the slot */
	uint32_t born, born_at;
	uint32_t renamed, renamed_at;
	uint32_t changed, changed_at;
};

struct mh_table {
	uint32_t max_slots;
	uint32_t n_slots; /* slots ever used: all at or above are free */
	uint32_t cap;     /* a power of two, a multiple of 64 */
	uint32_t n_live;
	struct mh_process *process;
	struct marks *marks;
	uint64_t *free_map;
	uint32_t free_hint; /* no free slot in the words of free_map before this one */

	uint32_t *index; /* pid -> slot + 1, 0 = free; 2 * cap entries */

	uint32_t *born, *renamed, *changed; /* cap entries each */
	struct mh_ended ended;
	struct mh_strpool pool; /* of exe and cgroup */

	uint32_t round;   /* number of the current round; 0 = none yet */
	uint32_t listing; /* number of the current listing, for marks.kept */
	bool open;        /* begun, not ended */
	struct mh_snapshot snapshot;
};

int mh_table_new(struct mh_table **ret, uint32_t max_processes)
{
	struct mh_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->max_slots = max_processes && max_processes < MH_PROCESSES_MAX ? max_processes
									 : MH_PROCESSES_MAX;
	*ret = t;
	return 0;
}

void mh_table_free(struct mh_table *t)
{
	if (!t)
		return;
	mh_ended_done(&t->ended, &t->pool);
	for (uint32_t s = 0; s < t->n_slots; s++)
		mh_process_done(&t->process[s], &t->pool);
	mh_strpool_done(&t->pool);
	free(t->process);
	free(t->marks);
	free(t->free_map);
	free(t->index);
	free(t->born);
	free(t->renamed);
	free(t->changed);
	free(t);
}

void mh_table_begin(struct mh_table *t, struct mh_instant at)
{
	t->listing++;
	t->snapshot.at = at;
	if (t->open)
		return;
	t->open = true;
	t->round++;
	mh_ended_clear(&t->ended, &t->pool);
	t->snapshot.n_born = t->snapshot.n_renamed = t->snapshot.n_changed = 0;
}

static uint32_t home_of(const struct mh_table *t, uint32_t pid)
{
	return mh_index_hash(pid) & (2 * t->cap - 1);
}

/* Position in the index of the entry for `pid`, or of the free entry where it belongs. */
static uint32_t index_position(const struct mh_table *t, uint32_t pid)
{
	uint32_t i = home_of(t, pid);

	while (t->index[i] && t->process[t->index[i] - 1].id.pid != pid)
		i = (i + 1) & (2 * t->cap - 1);
	return i;
}

/* Remove one entry and close the hole, so that T2 holds for those behind it. */
static void index_remove(struct mh_table *t, uint32_t pid)
{
	uint32_t mask = 2 * t->cap - 1, hole = index_position(t, pid), i = hole;

	t->index[hole] = 0;
	for (;;) {
		uint32_t home;

		i = (i + 1) & mask;
		if (!t->index[i])
			return;
		home = home_of(t, t->process[t->index[i] - 1].id.pid);
		/* an entry may fill the hole unless its home lies cyclically in (hole, i] */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		t->index[hole] = t->index[i];
		t->index[i] = 0;
		hole = i;
	}
}

static bool resize(void **array, size_t n, size_t size)
{
	void *bigger = reallocarray(*array, n, size);

	if (!bigger)
		return false;
	*array = bigger;
	return true;
}

static int grow(struct mh_table *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : FIRST_SLOTS;
	uint32_t *index;

	if (t->n_slots >= t->max_slots)
		return -EOVERFLOW;
	if (!resize((void **)&t->process, cap, sizeof(*t->process)) ||
	    !resize((void **)&t->marks, cap, sizeof(*t->marks)) ||
	    !resize((void **)&t->free_map, cap / 64, sizeof(*t->free_map)) ||
	    !resize((void **)&t->born, cap, sizeof(*t->born)) ||
	    !resize((void **)&t->renamed, cap, sizeof(*t->renamed)) ||
	    !resize((void **)&t->changed, cap, sizeof(*t->changed)) ||
	    mh_ended_reserve(&t->ended, cap))
		return -ENOMEM;
	index = calloc((size_t)2 * cap, sizeof(*index));
	if (!index)
		return -ENOMEM;
	memset(t->process + t->cap, 0, (cap - t->cap) * sizeof(*t->process));
	memset(t->marks + t->cap, 0, (cap - t->cap) * sizeof(*t->marks));
	memset(t->free_map + t->cap / 64, 0xff, (cap - t->cap) / 64 * sizeof(*t->free_map));
	free(t->index);
	t->index = index;
	t->cap = cap;
	for (uint32_t s = 0; s < t->n_slots; s++)
		if (t->process[s].id.pid)
			t->index[index_position(t, t->process[s].id.pid)] = s + 1;
	return 0;
}

static uint32_t lowest_free_slot(struct mh_table *t)
{
	while (t->free_hint < t->cap / 64 && !t->free_map[t->free_hint])
		t->free_hint++;
	if (t->free_hint == t->cap / 64)
		return t->cap;
	return t->free_hint * 64 + (uint32_t)__builtin_ctzll(t->free_map[t->free_hint]);
}

struct mh_process *mh_table_find(const struct mh_table *t, uint32_t pid)
{
	uint32_t slot;

	if (!t->cap || !pid)
		return NULL;
	slot = t->index[index_position(t, pid)];
	return slot ? &t->process[slot - 1] : NULL;
}

struct mh_process *mh_table_at(const struct mh_table *t, uint32_t slot)
{
	return slot < t->n_slots && t->process[slot].id.pid ? &t->process[slot] : NULL;
}

uint32_t mh_table_live(const struct mh_table *t)
{
	return t->n_live;
}

uint32_t mh_table_slot(const struct mh_table *t, const struct mh_process *p)
{
	return (uint32_t)(p - t->process);
}

int mh_table_add(struct mh_table *t, const struct mh_identity *id, struct mh_process **ret)
{
	struct mh_process *p;
	uint32_t slot;

	if (!id->pid || id->pid > MH_PID_MAX)
		return -EINVAL;
	if (mh_table_find(t, id->pid))
		return -EEXIST;
	slot = lowest_free_slot(t);
	if (slot == t->cap) {
		int rc = grow(t);

		if (rc)
			return rc;
	}
	if (slot >= t->max_slots)
		return -EOVERFLOW;
	p = &t->process[slot];
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): slots below cap have a place */
	*p = (struct mh_process){.id = *id};
	if (!id->twin)
		p->id.twin = mh_ended_next_twin(&t->ended, id);
	t->free_map[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	/* the pid is in place, so the probe ends at its own free entry */
	t->index[index_position(t, id->pid)] = slot + 1;
	if (slot >= t->n_slots)
		t->n_slots = slot + 1;
	t->n_live++;
	t->marks[slot] = (struct marks){
		.kept = t->listing,
		.born = t->round,
		.born_at = t->snapshot.n_born,
	};
	t->born[t->snapshot.n_born++] = slot;
	*ret = p;
	return 0;
}

/* Take the slot at `at` out of a list: the last one moves there. Returns which slot that is. */
static uint32_t unlist(uint32_t *list, uint32_t *n, uint32_t at)
{
	return list[at] = list[--*n];
}

static void unlist_all(struct mh_table *t, const struct marks *marks)
{
	struct mh_snapshot *s = &t->snapshot;

	if (marks->born == t->round)
		t->marks[unlist(t->born, &s->n_born, marks->born_at)].born_at = marks->born_at;
	if (marks->renamed == t->round)
		t->marks[unlist(t->renamed, &s->n_renamed, marks->renamed_at)].renamed_at =
			marks->renamed_at;
	if (marks->changed == t->round)
		t->marks[unlist(t->changed, &s->n_changed, marks->changed_at)].changed_at =
			marks->changed_at;
}

void mh_table_remove(struct mh_table *t, struct mh_process *p)
{
	uint32_t slot = mh_table_slot(t, p);
	const struct marks marks = t->marks[slot];

	index_remove(t, p->id.pid);
	unlist_all(t, &marks);
	/* who came and went within the round was in no snapshot */
	if (marks.born == t->round)
		mh_process_done(p, &t->pool);
	else
		mh_ended_add_gone(&t->ended, p, slot);
	*p = (struct mh_process){0};
	t->free_map[slot / 64] |= UINT64_C(1) << slot % 64;
	if (slot / 64 < t->free_hint)
		t->free_hint = slot / 64;
	while (t->n_slots && !t->process[t->n_slots - 1].id.pid)
		t->n_slots--;
	t->n_live--;
}

static void note_changed(struct mh_table *t, uint32_t slot)
{
	struct marks *marks = &t->marks[slot];

	if (marks->changed == t->round || marks->born == t->round)
		return;
	marks->changed = t->round;
	marks->changed_at = t->snapshot.n_changed;
	t->changed[t->snapshot.n_changed++] = slot;
}

static void note_renamed(struct mh_table *t, uint32_t slot)
{
	struct marks *marks = &t->marks[slot];

	if (marks->renamed == t->round || marks->born == t->round)
		return;
	marks->renamed = t->round;
	marks->renamed_at = t->snapshot.n_renamed;
	t->renamed[t->snapshot.n_renamed++] = slot;
}

void mh_table_set(struct mh_table *t, struct mh_process *p, const uint64_t value[MH_FIELD_COUNT])
{
	if (!memcmp(p->value, value, sizeof(p->value)))
		return;
	memcpy(p->value, value, sizeof(p->value));
	note_changed(t, mh_table_slot(t, p));
}

void mh_table_set_one(struct mh_table *t, struct mh_process *p, int field, uint64_t value)
{
	if (p->value[field] == value)
		return;
	p->value[field] = value;
	p->value[MH_FIELD_ANON] = mh_field_anon(p->value);
	note_changed(t, mh_table_slot(t, p));
}

int mh_table_rename(struct mh_table *t, struct mh_process *p, const struct mh_names *names)
{
	int rc = mh_names_give(names, p, &t->pool);

	if (rc > 0)
		note_renamed(t, mh_table_slot(t, p));
	return rc;
}

int mh_table_add_brief(struct mh_table *t, const struct mh_identity *id,
		       const struct mh_names *names, const uint64_t value[MH_FIELD_COUNT])
{
	const struct mh_process *alive = mh_table_find(t, id->pid);
	struct mh_process p = {.id = *id};
	int rc;

	if (!id->pid || id->pid > MH_PID_MAX)
		return -EINVAL;
	if (!id->twin) {
		p.id.twin = mh_ended_next_twin(&t->ended, id);
		if (alive && alive->id.start_ticks == id->start_ticks &&
		    alive->id.twin >= p.id.twin)
			p.id.twin = alive->id.twin + 1;
	}
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields[f].mark != MH_FIELD_NONE)
			p.value[mh_fields[f].mark] = value[mh_fields[f].mark];
	rc = mh_names_give(names, &p, &t->pool);
	if (rc >= 0)
		rc = mh_ended_add_brief(&t->ended, &p);
	if (rc)
		mh_process_done(&p, &t->pool);
	return rc;
}

void mh_table_drop_brief(struct mh_table *t)
{
	mh_ended_clear_brief(&t->ended, &t->pool);
}

void mh_table_keep(struct mh_table *t, struct mh_process *p)
{
	t->marks[mh_table_slot(t, p)].kept = t->listing;
}

bool mh_table_is_kept(const struct mh_table *t, const struct mh_process *p)
{
	return t->marks[mh_table_slot(t, p)].kept == t->listing;
}

void mh_table_drop_unkept(struct mh_table *t)
{
	/* from the top, since removing the last slots shortens the table */
	for (uint32_t s = t->n_slots; s-- > 0;)
		if (t->process[s].id.pid && t->marks[s].kept != t->listing)
			mh_table_remove(t, &t->process[s]);
}

void mh_table_set_boot(struct mh_table *t, const struct mh_boot_id *boot_id)
{
	if (!memcmp(&t->snapshot.boot_id, boot_id, sizeof(*boot_id)))
		return;
	mh_table_drop_unkept(t);
	/* the same pid and start time in another boot is no coincidence: init has them each time */
	mh_ended_forget_twins(&t->ended);
	t->snapshot.boot_id = *boot_id;
}

const struct mh_snapshot *mh_table_end(struct mh_table *t, const struct mh_round *round)
{
	struct mh_snapshot *s = &t->snapshot;

	t->open = false;
	s->fields = round->fields;
	s->lagging = round->lagging;
	s->first = t->round == 1;
	s->partial = round->partial;
	s->collect_us = round->collect_us;
	s->process = t->process;
	s->n_slots = t->n_slots;
	s->n_live = t->n_live;
	s->gone = t->ended.gone;
	s->n_gone = t->ended.n_gone;
	s->brief = t->ended.brief;
	s->n_brief = t->ended.n_brief;
	s->born = t->born;
	s->renamed = t->renamed;
	s->changed = t->changed;
	s->meminfo = round->meminfo;
	s->gap = round->gap;
	return s;
}
