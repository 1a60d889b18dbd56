/*
 * Series of single processes: who is known by slot, who is chosen, and what they are called.
 * Invariant: a slot's series are there exactly while its process is chosen.
 */
#include "exporter/remote/series_inner.h"

#include "libmemhist/base/index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its series end; it may be chosen again, under other names too. */
static void end_process(struct remote_maker *m, struct kept_process *kept)
{
	if (!kept->has_series)
		return;
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		remote_end_series(m, &kept->series[f]);
	mh_strpool_put(&m->pool->strings, kept->group);
	kept->group = NULL;
	kept->has_series = false;
}

void remote_end_processes(struct remote_maker *m)
{
	for (uint32_t slot = 0; slot < m->n_kept; slot++)
		end_process(m, &m->kept[slot]);
}

/* The process in a slot is new, or has new names. */
static void look_at(struct remote_maker *m, struct kept_process *kept, const struct mh_process *p)
{
	const struct mh_select *match = m->config.match;
	const char *program;
	size_t len = mh_process_program(p, &program);

	end_process(m, kept);
	kept->id = p->id;
	kept->is_matched = match && match->n && mh_select_name(match, program, len);
}

static bool reserve_slots(struct remote_maker *m, uint32_t n)
{
	size_t cap = m->n_kept;

	if (!remote_grow(m, (void **)&m->kept, &cap, n, sizeof(*m->kept)))
		return false;
	m->n_kept = (uint32_t)cap;
	return true;
}

/*
 * Another table begins, where everybody has another slot. Who was known is found by identity and
 * goes on; the others have ended.
 */
static void move_all(struct remote_maker *m, const struct mh_snapshot *s)
{
	bool is_same_boot = !memcmp(&m->boot_id, &s->boot_id, sizeof(s->boot_id));
	struct kept_process *old = m->kept;
	uint32_t n_old = m->n_kept;
	struct mh_index by_pid = {NULL, 0, 0};

	m->kept = NULL;
	m->n_kept = 0;
	for (uint32_t i = 0; is_same_boot && i < n_old; i++)
		if (old[i].has_series && mh_index_add(&by_pid, mh_index_hash(old[i].id.pid), i))
			m->error = -ENOMEM; /* it ends, and begins anew */
	if (reserve_slots(m, s->n_slots)) {
		mh_snapshot_for_each (s, slot) {
			const struct mh_process *p = &s->process[slot];
			uint32_t at = 0, i, hash = mh_index_hash(p->id.pid);

			look_at(m, &m->kept[slot], p);
			while ((i = mh_index_next(&by_pid, hash, &at)) != MH_INDEX_END) {
				bool is_matched = m->kept[slot].is_matched;

				if (!mh_identity_same(&old[i].id, &p->id))
					continue;
				m->kept[slot] = old[i];
				m->kept[slot].is_matched = is_matched;
				old[i].has_series = false;
				break;
			}
		}
	}
	for (uint32_t i = 0; i < n_old; i++)
		end_process(m, &old[i]);
	mh_index_done(&by_pid);
	free(old);
}

static void follow(struct remote_maker *m, const struct mh_snapshot *s)
{
	if (s->first) {
		move_all(m, s);
		return;
	}
	for (uint32_t i = 0; i < s->n_gone; i++)
		if (s->gone[i].slot < m->n_kept) {
			end_process(m, &m->kept[s->gone[i].slot]);
			m->kept[s->gone[i].slot].id.pid = 0;
		}
	if (!reserve_slots(m, s->n_slots))
		return;
	for (uint32_t i = 0; i < s->n_born; i++)
		look_at(m, &m->kept[s->born[i]], &s->process[s->born[i]]);
	for (uint32_t i = 0; i < s->n_renamed; i++)
		look_at(m, &m->kept[s->renamed[i]], &s->process[s->renamed[i]]);
}

/* The order of places: the larger first, of equals the lower pid. */
static bool is_before(const struct candidate *a, const struct candidate *b)
{
	return a->size != b->size ? a->size > b->size : a->pid < b->pid;
}

/* Down from place `at`, in a heap whose root is the last in the order. */
static void sink(struct candidate *heap, uint32_t n, uint32_t at)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		struct candidate kept = heap[at];

		if (child >= n)
			return;
		if (child + 1 < n && is_before(&heap[child], &heap[child + 1]))
			child++;
		if (is_before(&heap[child], &kept))
			return;
		heap[at] = heap[child];
		heap[child] = kept;
		at = child;
	}
}

static void rise(struct candidate *heap, uint32_t at)
{
	while (at && is_before(&heap[(at - 1) / 2], &heap[at])) {
		struct candidate kept = heap[at];

		heap[at] = heap[(at - 1) / 2];
		heap[(at - 1) / 2] = kept;
		at = (at - 1) / 2;
	}
}

/* The largest, of those that no name chooses; who has a place counts a tenth more. */
static void choose_largest(struct remote_maker *m, const struct mh_snapshot *s)
{
	uint32_t n = 0, top = m->config.top < s->n_live ? m->config.top : s->n_live;
	size_t cap = m->largest_cap;

	if (!remote_grow(m, (void **)&m->largest, &cap, top, sizeof(*m->largest)))
		return;
	m->largest_cap = (uint32_t)cap;
	mh_snapshot_for_each (s, slot) {
		const struct mh_process *p = &s->process[slot];
		const struct kept_process *kept = &m->kept[slot];
		/* pages are below 2^52 */
		uint64_t rss = p->value[MH_FIELD_RSS] & (UINT64_MAX >> 12);
		struct candidate c = {rss * (kept->has_series ? 11 : 10), slot, p->id.pid};

		if (kept->is_matched)
			continue;
		if (n < top) {
			m->largest[n] = c;
			rise(m->largest, n++);
		} else if (top && is_before(&c, &m->largest[0])) {
			m->largest[0] = c;
			sink(m->largest, n, 0);
		}
	}
	for (uint32_t i = 0; i < n; i++)
		m->kept[m->largest[i].slot].round = m->round;
}

static void choose(struct remote_maker *m, const struct mh_snapshot *s)
{
	const bool all = m->config.top == REMOTE_TOP_ALL;

	mh_snapshot_for_each (s, slot)
		if (all || m->kept[slot].is_matched)
			m->kept[slot].round = m->round;
	if (!all && m->config.top && mh_fields_have(s->fields, MH_FIELD_RSS))
		choose_largest(m, s);
}

/* A twin started a millisecond later, so to speak: ticks are longer. */
static mh_ms_t start_of(const struct remote_maker *m, const struct mh_identity *id)
{
	const uint64_t tck = m->how->clk_tck;
	uint64_t ms = id->start_ticks / tck * 1000 + id->start_ticks % tck * 1000 / tck;

	return (mh_ms_t)((uint64_t)m->how->boot_ms + ms + id->twin);
}

static bool is_in_group(const struct kept_process *kept, const char *name)
{
	return kept->group ? name && !strcmp(kept->group->bytes, name) : !name;
}

static void begin_process(struct remote_maker *m, struct kept_process *kept, const char *group)
{
	kept->has_series = true;
	if (!group)
		return;
	kept->group = mh_strpool_get(&m->pool->strings, group, strlen(group));
	if (!kept->group)
		m->error = -ENOMEM;
}

static void sample_process(struct remote_maker *m, struct kept_process *kept,
			   const struct mh_process *p, mh_fields_t fields)
{
	char pid[16], start[24];
	bool is_named = false;

	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		if (!mh_fields_have(fields, f)) {
			remote_end_series(m, &kept->series[f]);
			continue;
		}
		if (!kept->series[f] && !is_named) {
			snprintf(pid, sizeof(pid), "%u", p->id.pid);
			snprintf(start, sizeof(start), "%lld", (long long)start_of(m, &p->id));
			m->label[0] = (struct label){"pid", pid};
			m->label[1] = (struct label){"comm", p->comm};
			m->label[2] = (struct label){"start", start};
			m->label[3] = (struct label){"group",
						     kept->group ? kept->group->bytes : ""};
			is_named = true;
		}
		remote_sample(m, &kept->series[f], m->process[f], 4,
			      (double)mh_field_shown(f, p->value[f], m->how->page_bytes));
	}
}

void remote_take_processes(struct remote_maker *m, const struct mh_snapshot *s)
{
	follow(m, s);
	m->boot_id = s->boot_id;
	if (m->n_kept < s->n_slots)
		return; /* without memory */
	choose(m, s);
	mh_snapshot_for_each (s, slot) {
		struct kept_process *kept = &m->kept[slot];
		const char *group = NULL;

		if (kept->round != m->round) {
			end_process(m, kept);
			continue;
		}
		if (m->config.groups)
			group = mh_groups_of(m->config.groups, slot);
		if (kept->has_series && !is_in_group(kept, group))
			end_process(m, kept);
		if (!kept->has_series)
			begin_process(m, kept, group);
		sample_process(m, kept, &s->process[slot], m->config.process_fields & s->fields);
	}
}
