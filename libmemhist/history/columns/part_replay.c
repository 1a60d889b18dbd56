/*
 * The replay. Everything of the part is in order of time; cursors say what comes next. The first
 * snapshot tells everything: whom the table has and it does not list has ended.
 */
#include "libmemhist/history/columns/part_replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void mh_replay_done(struct mh_replay *r)
{
	free(r->by_birth);
	free(r->by_end);
	free(r->slot);
	*r = (struct mh_replay){0};
}

static int reserve(struct mh_replay *r, size_t n)
{
	uint32_t *by_birth, *by_end, *slot;

	if (n <= r->cap)
		return 0;
	by_birth = reallocarray(r->by_birth, n, sizeof(*by_birth));
	if (by_birth)
		r->by_birth = by_birth;
	by_end = reallocarray(r->by_end, n, sizeof(*by_end));
	if (by_end)
		r->by_end = by_end;
	slot = reallocarray(r->slot, n, sizeof(*slot));
	if (slot)
		r->slot = slot;
	if (!by_birth || !by_end || !slot)
		return -ENOMEM;
	r->cap = n;
	return 0;
}

static uint32_t end_of(const struct mh_part_series *s)
{
	return s->first + s->count;
}

/* Series by their first snapshot and by the one that does not show them any more. */
static int order_series(struct mh_replay *r)
{
	const struct mh_part *p = r->part;
	size_t n_keys = (size_t)p->snapshots.n + 2;
	uint32_t *birth = calloc(2 * n_keys, sizeof(*birth)), *end = birth + n_keys;

	if (!birth)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->series.n; i++) {
		birth[p->series.item[i].first + 1]++;
		end[end_of(&p->series.item[i]) + 1]++;
	}
	for (size_t k = 1; k < n_keys; k++) {
		birth[k] += birth[k - 1];
		end[k] += end[k - 1];
	}
	for (uint32_t i = 0; i < p->series.n; i++) {
		r->by_birth[birth[p->series.item[i].first]++] = i;
		r->by_end[end[end_of(&p->series.item[i])]++] = i;
	}
	free(birth);
	return 0;
}

int mh_replay_begin(struct mh_replay *r, struct mh_part *part, struct mh_table *table)
{
	int rc = mh_part_sort_by_time(part);

	r->part = part;
	r->table = table;
	r->from = r->at = r->version = r->event = r->meminfo_event = r->brief = r->birth = r->end =
		0;
	r->meminfo = part->head.meminfo;
	if (!rc)
		rc = reserve(r, (size_t)part->series.n + 1);
	return rc ? rc : order_series(r);
}

void mh_replay_from(struct mh_replay *r, uint32_t at)
{
	r->from = r->at = at;
}

static void get_string(const struct mh_part *p, uint32_t number, const char **ret, size_t *ret_len)
{
	const struct mh_str *str = mh_strset_get(&p->strings, number);

	*ret = str->bytes;
	*ret_len = str->len;
}

static void names_of(const struct mh_part *p, const struct mh_part_version *v, struct mh_names *ret)
{
	*ret = (struct mh_names){.ppid = v->ppid, .uid = v->uid};
	get_string(p, v->comm, &ret->comm, &ret->comm_len);
	get_string(p, v->cmdline, &ret->cmdline, &ret->cmdline_len);
	get_string(p, v->exe, &ret->exe, &ret->exe_len);
	get_string(p, v->cgroup, &ret->cgroup, &ret->cgroup_len);
}

static struct mh_process *process_of(const struct mh_replay *r, uint32_t series)
{
	return mh_table_at(r->table, r->slot[series] - 1);
}

static bool is_end_event(const struct mh_replay *r, const struct mh_part_event *e)
{
	return e->at == end_of(&r->part->series.item[e->series]);
}

/* Last marks, then the ends themselves. */
static void take_ends(struct mh_replay *r, uint32_t at)
{
	const struct mh_part *p = r->part;

	for (uint32_t i = r->event; i < p->events.n && p->events.item[i].at == at; i++) {
		const struct mh_part_event *e = &p->events.item[i];

		if (is_end_event(r, e)) {
			struct mh_process *process = process_of(r, e->series);

			mh_table_set_one(r->table, process, e->field,
					 process->value[e->field] + (uint64_t)e->delta);
		}
	}
	for (; r->end < p->series.n && end_of(&p->series.item[r->by_end[r->end]]) == at; r->end++)
		mh_table_remove(r->table, process_of(r, r->by_end[r->end]));
}

/* The process of an identity that the table has from before, or NULL. */
static struct mh_process *known(const struct mh_replay *r, const struct mh_identity *id)
{
	struct mh_process *p = mh_table_find(r->table, id->pid);

	return p && mh_identity_same(&p->id, id) ? p : NULL;
}

/* Last marks of those whom the table has from before the part. */
static void take_ended_before(struct mh_replay *r)
{
	const struct mh_part *part = r->part;

	for (uint32_t i = 0; i < part->ended.n; i++) {
		const struct mh_part_end *end = &part->ended.item[i];
		struct mh_process *p = known(r, &end->id);

		for (int f = 0; p && f < MH_FIELD_COUNT; f++)
			if (end->value[f])
				mh_table_set_one(r->table, p, f, end->value[f]);
	}
}

static int take_brief(struct mh_replay *r, uint32_t at)
{
	const struct mh_part *p = r->part;

	for (; r->brief < p->brief.n && p->brief.item[r->brief].at == at; r->brief++) {
		const struct mh_part_end *end = &p->brief.item[r->brief];
		struct mh_names names;
		int rc;

		names_of(p, &end->names, &names);
		rc = mh_table_add_brief(r->table, &end->id, &names, end->value);
		if (rc)
			return rc == -ENOMEM ? rc : -EBADMSG;
	}
	return 0;
}

/* A process that begins in the part; in its first snapshot it may well be known already. */
static int take_birth(struct mh_replay *r, uint32_t series)
{
	const struct mh_identity *id = &r->part->series.item[series].id;
	struct mh_process *p = mh_table_find(r->table, id->pid);
	int rc;

	if (p && (r->at != r->from || mh_table_is_kept(r->table, p)))
		return -EBADMSG;
	if (p && !mh_identity_same(&p->id, id)) {
		mh_table_remove(r->table, p);
		p = NULL;
	}
	if (!p) {
		rc = mh_table_add(r->table, id, &p);
		if (rc)
			return rc == -ENOMEM ? rc : -EBADMSG;
	}
	mh_table_keep(r->table, p);
	r->slot[series] = mh_table_slot(r->table, p) + 1;
	return 0;
}

static int take_births(struct mh_replay *r, uint32_t at)
{
	const struct mh_part *p = r->part;
	int rc = 0;

	for (; r->birth < p->series.n && p->series.item[r->by_birth[r->birth]].first == at && !rc;
	     r->birth++)
		rc = take_birth(r, r->by_birth[r->birth]);
	return rc;
}

static int rename_to(struct mh_replay *r, const struct mh_part_version *v)
{
	struct mh_names names;

	names_of(r->part, v, &names);
	return mh_table_rename(r->table, process_of(r, v->series), &names) < 0 ? -ENOMEM : 0;
}

static int take_versions(struct mh_replay *r, uint32_t at)
{
	const struct mh_part *p = r->part;
	int rc = 0;

	for (; r->version < p->versions.n && p->versions.item[r->version].at == at && !rc;
	     r->version++)
		rc = rename_to(r, &p->versions.item[r->version]);
	return rc;
}

static void take_values(struct mh_replay *r, uint32_t at)
{
	const struct mh_part *p = r->part;

	for (; r->event < p->events.n && p->events.item[r->event].at == at; r->event++) {
		const struct mh_part_event *e = &p->events.item[r->event];
		struct mh_process *process;

		if (is_end_event(r, e))
			continue;
		process = process_of(r, e->series);
		mh_table_set_one(r->table, process, e->field,
				 process->value[e->field] + (uint64_t)e->delta);
	}
}

static void take_meminfo(struct mh_replay *r, uint32_t at)
{
	const struct mh_part *p = r->part;

	for (; r->meminfo_event < p->meminfo_events.n &&
	       p->meminfo_events.item[r->meminfo_event].at <= at;
	     r->meminfo_event++) {
		const struct mh_part_event *e = &p->meminfo_events.item[r->meminfo_event];

		r->meminfo.line[e->series].value += (uint64_t)e->delta;
	}
}

/* What the part has said of each series when the first snapshot is told. */
struct first {
	uint64_t (*value)[MH_FIELD_COUNT];
	uint32_t *version; /* + 1 */
};

static int add_up(struct mh_replay *r, struct first *f)
{
	const struct mh_part *p = r->part;
	size_t n = (size_t)p->series.n + 1;

	f->value = calloc(n, sizeof(*f->value));
	f->version = calloc(n, sizeof(*f->version));
	if (!f->value || !f->version)
		return -ENOMEM;
	for (; r->event < p->events.n && p->events.item[r->event].at <= r->at; r->event++) {
		const struct mh_part_event *e = &p->events.item[r->event];

		f->value[e->series][e->field] += (uint64_t)e->delta;
	}
	for (; r->version < p->versions.n && p->versions.item[r->version].at <= r->at; r->version++)
		f->version[p->versions.item[r->version].series] = r->version + 1;
	return 0;
}

/* Those who end with the first snapshot are known from before, if they are; with their last marks.
 */
static void pass_ends(struct mh_replay *r, const struct first *f)
{
	const struct mh_part *part = r->part;

	for (; r->end < part->series.n; r->end++) {
		const struct mh_part_series *s = &part->series.item[r->by_end[r->end]];
		struct mh_process *p = end_of(s) == r->at ? known(r, &s->id) : NULL;

		if (end_of(s) > r->at)
			break;
		for (int field = 0; p && field < MH_FIELD_COUNT; field++)
			if (mh_fields[field].mark != MH_FIELD_NONE &&
			    mh_fields_have(part->head.fields, mh_fields[field].mark))
				mh_table_set_one(
					r->table, p, mh_fields[field].mark,
					f->value[r->by_end[r->end]][mh_fields[field].mark]);
	}
}

/* Everybody whom the first snapshot shows. Values at once: those known already may not change. */
static int take_first_lives(struct mh_replay *r, const struct first *f)
{
	const struct mh_part *p = r->part;
	int rc = 0;

	for (; r->birth < p->series.n && p->series.item[r->by_birth[r->birth]].first <= r->at;
	     r->birth++)
		if (end_of(&p->series.item[r->by_birth[r->birth]]) > r->at && !rc)
			rc = take_birth(r, r->by_birth[r->birth]);
	if (rc)
		return rc;
	mh_table_drop_unkept(r->table);
	for (uint32_t i = 0; i < r->birth && !rc; i++) {
		uint32_t series = r->by_birth[i];
		uint64_t *value = f->value[series];

		if (end_of(&p->series.item[series]) <= r->at)
			continue;
		if (f->version[series])
			rc = rename_to(r, &p->versions.item[f->version[series] - 1]);
		value[MH_FIELD_ANON] = mh_field_anon(value);
		mh_table_set(r->table, process_of(r, series), value);
	}
	return rc;
}

/* The first snapshot, from everything that the part says up to it. */
static int take_first(struct mh_replay *r)
{
	struct first first = {0};
	int rc = add_up(r, &first);

	mh_table_set_boot(r->table, &r->part->head.boot_id);
	if (!r->at)
		take_ended_before(r);
	while (r->brief < r->part->brief.n && r->part->brief.item[r->brief].at < r->at)
		r->brief++;
	if (!rc)
		pass_ends(r, &first);
	if (!rc)
		rc = take_brief(r, r->at);
	if (!rc)
		rc = take_first_lives(r, &first);
	free(first.value);
	free(first.version);
	return rc;
}

/* A later one, from what has changed. */
static int take_next(struct mh_replay *r)
{
	int rc;

	take_ends(r, r->at);
	rc = take_brief(r, r->at);
	if (!rc)
		rc = take_births(r, r->at);
	if (!rc)
		rc = take_versions(r, r->at);
	if (!rc)
		take_values(r, r->at);
	return rc;
}

int mh_replay_next(struct mh_replay *r)
{
	const struct mh_part *p = r->part;
	const struct mh_part_snapshot *s = &p->snapshots.item[r->at];
	int rc;

	if (r->at == p->snapshots.n)
		return 0;
	mh_table_begin(r->table, s->at);
	mh_table_drop_brief(r->table); /* of a snapshot that was passed over */
	rc = r->at == r->from ? take_first(r) : take_next(r);
	if (rc)
		return rc;
	take_meminfo(r, r->at);
	r->round = (struct mh_round){
		.fields = p->head.fields,
		.lagging = p->head.lagging,
		.partial = s->partial,
		.collect_us = s->collect_us,
		.meminfo = p->head.meminfo.n ? &r->meminfo : NULL,
		.gap = s->gap,
	};
	r->at++;
	return 1;
}

int mh_replay_ended(const struct mh_part *part, struct mh_last_marks **list, uint32_t *cap)
{
	if (part->ended.n > *cap) {
		struct mh_last_marks *bigger = reallocarray(*list, part->ended.n, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		*list = bigger;
		*cap = part->ended.n;
	}
	for (uint32_t i = 0; i < part->ended.n; i++) {
		struct mh_last_marks *to = &(*list)[i];

		to->id = part->ended.item[i].id;
		memcpy(to->value, part->ended.item[i].value, sizeof(to->value));
	}
	return 0;
}
