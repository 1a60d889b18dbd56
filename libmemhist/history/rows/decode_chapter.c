/*
 * The chapter. place[] says where in the table each slot of the file is: slot of the table + 1, 0
 * for a free one. C1, S1 … are the rules of docs/FORMAT.md.
 */
#include "libmemhist/history/rows/decode_chapter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool mh_next_in_list(uint32_t *at, size_t i, uint32_t gap)
{
	uint64_t next = (i ? (uint64_t)*at + 1 : 0) + gap;

	if (next >= MH_PROCESSES_MAX)
		return false;
	*at = (uint32_t)next;
	return true;
}

void mh_chapter_in_done(struct mh_chapter_in *c)
{
	free(c->place);
	mh_strings_done(&c->strings);
	free(c->last_marks);
}

static void begin(struct mh_chapter_in *c)
{
	mh_strings_clear(&c->strings);
	if (c->place)
		memset(c->place, 0, c->place_cap * sizeof(*c->place));
}

/* The process in a slot of the file; NULL when the file says nothing of it. */
static struct mh_process *at_slot(const struct mh_chapter_in *c, uint32_t slot)
{
	if (slot >= c->place_cap || !c->place[slot])
		return NULL;
	return mh_table_at(c->table, c->place[slot] - 1);
}

static int reserve_place(struct mh_chapter_in *c, uint32_t slot)
{
	uint32_t cap = c->place_cap ? c->place_cap : 64;
	uint32_t *place;

	if (slot < c->place_cap)
		return 0;
	while (cap <= slot)
		cap *= 2;
	place = reallocarray(c->place, cap, sizeof(*place));
	if (!place)
		return -ENOMEM;
	memset(place + c->place_cap, 0, (cap - c->place_cap) * sizeof(*place));
	c->place = place;
	c->place_cap = cap;
	return 0;
}

static int take_strings(struct mh_chapter_in *c, const Memhist__V1__Snapshot *m)
{
	int rc = 0;

	for (size_t i = 0; i < m->n_string && !rc; i++)
		rc = mh_strings_add(&c->strings, m->string[i].data, m->string[i].len);
	return rc == -EOVERFLOW ? -EBADMSG : rc; /* C3 */
}

/* A string by its number; a list that is absent stands for empty strings. */
static const struct mh_string *string_at(const struct mh_chapter_in *c, const uint32_t *list,
					 size_t n, size_t i)
{
	static const struct mh_string empty = {"", 0};

	return n ? mh_strings_get(&c->strings, list[i]) : &empty;
}

static int take_names(const struct mh_chapter_in *c, const Memhist__V1__Processes *m, size_t i,
		      struct mh_names *ret)
{
	const struct mh_string *comm = mh_strings_get(&c->strings, m->comm[i]);
	const struct mh_string *cmdline = mh_strings_get(&c->strings, m->cmdline[i]);
	const struct mh_string *exe = string_at(c, m->exe, m->n_exe, i);
	const struct mh_string *cgroup = string_at(c, m->cgroup, m->n_cgroup, i);

	if (!comm || !cmdline || !exe || !cgroup)
		return -EBADMSG; /* C3 */
	*ret = (struct mh_names){
		.ppid = m->ppid[i],
		.uid = m->uid[i],
		.comm = comm->bytes,
		.comm_len = comm->len,
		.cmdline = cmdline->bytes,
		.cmdline_len = cmdline->len,
		.exe = exe->bytes,
		.exe_len = exe->len,
		.cgroup = cgroup->bytes,
		.cgroup_len = cgroup->len,
	};
	return 0;
}

static int rename_process(struct mh_chapter_in *c, struct mh_process *p,
			  const Memhist__V1__Processes *m, size_t i)
{
	struct mh_names names;
	int rc = take_names(c, m, i, &names);

	if (!rc && !c->without_names)
		rc = mh_table_rename(c->table, p, &names); /* M3 */
	return rc < 0 ? rc : 0;
}

static bool names_are_whole(const Memhist__V1__Processes *m, size_t n)
{
	return m->n_ppid == n && m->n_uid == n && m->n_comm == n && m->n_cmdline == n &&
	       (!m->n_exe || m->n_exe == n) && (!m->n_cgroup || m->n_cgroup == n);
}

static bool identities_are_whole(const Memhist__V1__Processes *m, size_t n)
{
	return m->n_pid == n && m->n_start_ticks == n && (!m->n_twin || m->n_twin == n);
}

/* The identity with number i from the one with number i - 1. */
static void next_identity(struct mh_identity *id, const Memhist__V1__Processes *m, size_t i)
{
	id->pid += (uint32_t)m->pid[i];
	id->start_ticks += (uint64_t)m->start_ticks[i];
	id->twin = m->n_twin ? m->twin[i] : 0;
}

static int take_gone(struct mh_chapter_in *c, const Memhist__V1__Snapshot *m)
{
	uint32_t slot = 0;

	for (size_t i = 0; i < m->n_gone_gap; i++) {
		struct mh_process *p;

		if (!mh_next_in_list(&slot, i, m->gone_gap[i]) || !(p = at_slot(c, slot)))
			return -EBADMSG; /* S1 */
		mh_table_remove(c->table, p);
		c->place[slot] = 0;
	}
	return 0;
}

/*
 * One process that the frame lists as born. In a keyframe it may well be known already (M1);
 * whoever else holds its pid has ended.
 */
static int take_one_born(struct mh_chapter_in *c, bool key, uint32_t slot,
			 const struct mh_identity *id, struct mh_process **ret)
{
	struct mh_process *p = mh_table_find(c->table, id->pid);
	int rc = reserve_place(c, slot);

	if (rc)
		return rc;
	if (c->place[slot])
		return -EBADMSG; /* S2 */
	if (p && (!key || mh_table_is_kept(c->table, p)))
		return -EBADMSG; /* S2 */
	if (p && !mh_identity_same(&p->id, id)) {
		mh_table_remove(c->table, p);
		p = NULL;
	}
	if (!p) {
		rc = mh_table_add(c->table, id, &p);
		if (rc)
			return rc == -ENOMEM ? rc : -EBADMSG; /* S2 */
	}
	c->place[slot] = mh_table_slot(c->table, p) + 1;
	*ret = p;
	return 0;
}

static int take_born(struct mh_chapter_in *c, const Memhist__V1__Processes *m, bool key)
{
	struct mh_identity id = {0};
	uint32_t slot = 0;

	if (!names_are_whole(m, m->n_slot_gap) || !identities_are_whole(m, m->n_slot_gap))
		return -EBADMSG; /* S2 */
	for (size_t i = 0; i < m->n_slot_gap; i++) {
		struct mh_process *p;
		int rc;

		if (!mh_next_in_list(&slot, i, m->slot_gap[i]))
			return -EBADMSG;
		next_identity(&id, m, i);
		rc = take_one_born(c, key, slot, &id, &p);
		if (!rc)
			rc = rename_process(c, p, m, i);
		if (rc)
			return rc;
		mh_table_keep(c->table, p);
	}
	return 0;
}

static int take_renamed(struct mh_chapter_in *c, const Memhist__V1__Processes *m)
{
	uint32_t slot = 0;

	if (!names_are_whole(m, m->n_slot_gap) || m->n_pid || m->n_start_ticks || m->n_twin)
		return -EBADMSG; /* S3 */
	for (size_t i = 0; i < m->n_slot_gap; i++) {
		struct mh_process *p;
		int rc;

		if (!mh_next_in_list(&slot, i, m->slot_gap[i]) || !(p = at_slot(c, slot)))
			return -EBADMSG; /* S3 */
		rc = rename_process(c, p, m, i);
		if (rc)
			return rc;
	}
	return 0;
}

/* S4 */
static int check_column(const struct mh_chapter_in *c, const Memhist__V1__Column *m)
{
	uint32_t slot = 0;

	for (size_t i = 0; i < m->n_delta; i++)
		if (!mh_next_in_list(&slot, i, m->slot_gap[i]) || slot >= c->place_cap ||
		    !c->place[slot])
			return -EBADMSG;
	return 0;
}

static int take_column(struct mh_chapter_in *c, const Memhist__V1__Column *m)
{
	int field = mh_field_by_column(m->field);
	uint32_t slot = 0;

	if (m->n_slot_gap != m->n_delta)
		return -EBADMSG; /* S4 */
	if (field < 0)
		return 0; /* P2: a column from the future */
	if (mh_fields_have(c->unwanted, field))
		return check_column(c, m);
	for (size_t i = 0; i < m->n_delta; i++) {
		struct mh_process *p;

		if (!mh_next_in_list(&slot, i, m->slot_gap[i]) || !(p = at_slot(c, slot)))
			return -EBADMSG; /* S4 */
		mh_table_set_one(c->table, p, field, p->value[field] + (uint64_t)m->delta[i]);
	}
	return 0;
}

/* S4: in a keyframe a value that is not listed is 0, and a listed one counts from 0. */
static int take_key_column(struct mh_chapter_in *c, const Memhist__V1__Column *m, int field)
{
	uint32_t slot = 0;
	size_t i = 0;

	if (m && (m->n_slot_gap != m->n_delta ||
		  (m->n_delta && !mh_next_in_list(&slot, 0, m->slot_gap[0]))))
		return -EBADMSG;
	if (mh_fields_have(c->unwanted, field))
		return m ? check_column(c, m) : 0;
	for (uint32_t s = 0; s < c->place_cap; s++) {
		struct mh_process *p = at_slot(c, s);
		uint64_t value = 0;

		if (m && i < m->n_delta && slot == s) {
			value = (uint64_t)m->delta[i++]; /* M2 */
			if (!p || (i < m->n_delta && !mh_next_in_list(&slot, i, m->slot_gap[i])))
				return -EBADMSG;
		}
		if (p)
			mh_table_set_one(c->table, p, field, value);
	}
	return !m || i == m->n_delta ? 0 : -EBADMSG;
}

static int take_columns(struct mh_chapter_in *c, const Memhist__V1__Snapshot *m, bool key)
{
	const Memhist__V1__Column *by_field[MH_FIELD_COUNT] = {0};
	int rc = 0;

	for (size_t i = 0; i < m->n_column && !rc; i++) {
		int field = mh_field_by_column(m->column[i]->field);

		if (!key)
			rc = take_column(c, m->column[i]);
		else if (field >= 0)
			by_field[field] = m->column[i];
	}
	for (int field = 0; key && !rc && field < MH_FIELD_COUNT; field++)
		if (mh_fields[field].column)
			rc = take_key_column(c, by_field[field], field);
	return rc;
}

/* How far the columns of a list of ends were read. */
struct ends_cursor {
	size_t i[MH_FIELD_COUNT];          /* the next entry of the column … */
	uint32_t position[MH_FIELD_COUNT]; /* … and whom it names */
	const Memhist__V1__Column *column[MH_FIELD_COUNT];
};

static int begin_ends(struct ends_cursor *at, const Memhist__V1__Ends *m)
{
	*at = (struct ends_cursor){0};
	for (size_t i = 0; i < m->n_column; i++) {
		const Memhist__V1__Column *column = m->column[i];
		int field = mh_field_by_column(column->field);

		if (column->n_slot_gap != column->n_delta ||
		    (field >= 0 && !mh_field_is_mark(field)))
			return -EBADMSG; /* S7 */
		if (field < 0 || !column->n_delta)
			continue;
		at->column[field] = column;
		if (!mh_next_in_list(&at->position[field], 0, column->slot_gap[0]))
			return -EBADMSG;
	}
	return 0;
}

/* Values of the one at `position`; 0 where its columns do not name it. */
static int next_ends(struct ends_cursor *at, uint32_t position, uint64_t ret[MH_FIELD_COUNT])
{
	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		const Memhist__V1__Column *m = at->column[f];
		size_t *i = &at->i[f];

		ret[f] = 0;
		if (!m || *i == m->n_delta || at->position[f] != position)
			continue;
		ret[f] = (uint64_t)m->delta[(*i)++]; /* M2 */
		if (*i < m->n_delta && !mh_next_in_list(&at->position[f], *i, m->slot_gap[*i]))
			return -EBADMSG;
	}
	return 0;
}

/* Whether the columns named nobody past the last. */
static bool ends_are_done(const struct ends_cursor *at)
{
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (at->column[f] && at->i[f] != at->column[f]->n_delta)
			return false;
	return true;
}

/* S8: the last high-water marks of a process that is about to be removed, if we know it. */
static int take_last_marks(struct mh_chapter_in *c, const struct mh_identity *id,
			   const uint64_t value[MH_FIELD_COUNT])
{
	struct mh_process *p = mh_table_find(c->table, id->pid);

	if (c->n_last_marks == c->last_marks_cap) {
		uint32_t cap = c->last_marks_cap ? c->last_marks_cap * 2 : 16;
		struct mh_last_marks *bigger = reallocarray(c->last_marks, cap, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		c->last_marks = bigger;
		c->last_marks_cap = cap;
	}
	c->last_marks[c->n_last_marks].id = *id;
	memcpy(c->last_marks[c->n_last_marks++].value, value, MH_FIELD_COUNT * sizeof(*value));
	for (int f = 0; p && mh_identity_same(&p->id, id) && f < MH_FIELD_COUNT; f++)
		if (value[f])
			mh_table_set_one(c->table, p, f, value[f]);
	return 0;
}

static int take_brief(struct mh_chapter_in *c, const Memhist__V1__Processes *m, size_t i,
		      const struct mh_identity *id, const uint64_t value[MH_FIELD_COUNT])
{
	struct mh_names names;
	int rc = take_names(c, m, i, &names);

	if (!rc)
		rc = mh_table_add_brief(c->table, id, &names, value);
	return !rc || rc == -ENOMEM ? rc : -EBADMSG; /* S7 */
}

static int take_ends(struct mh_chapter_in *c, const Memhist__V1__Ends *m, bool brief)
{
	const Memhist__V1__Processes *who = m->process;
	struct mh_identity id = {0};
	struct ends_cursor at;
	int rc = begin_ends(&at, m);

	if (rc)
		return rc;
	if (!who || who->n_slot_gap || !identities_are_whole(who, who->n_pid) ||
	    !names_are_whole(who, brief ? who->n_pid : 0))
		return -EBADMSG; /* S7, S8 */
	for (size_t i = 0; i < who->n_pid && !rc; i++) {
		uint64_t value[MH_FIELD_COUNT];

		next_identity(&id, who, i);
		rc = next_ends(&at, (uint32_t)i, value);
		if (!rc && brief)
			rc = take_brief(c, who, i, &id, value);
		else if (!rc)
			rc = take_last_marks(c, &id, value);
	}
	return rc || ends_are_done(&at) ? rc : -EBADMSG;
}

/* S8: whether those who were said to end have ended. */
static bool ends_are_true(const struct mh_chapter_in *c)
{
	for (uint32_t i = 0; i < c->n_last_marks; i++) {
		const struct mh_identity *id = &c->last_marks[i].id;
		const struct mh_process *p = mh_table_find(c->table, id->pid);

		if (p && mh_identity_same(&p->id, id))
			return false;
	}
	return true;
}

int mh_chapter_in_take(struct mh_chapter_in *c, struct mh_table *table,
		       const Memhist__V1__Snapshot *m, bool key)
{
	int rc;

	c->table = table;
	c->n_last_marks = 0;
	if (key) {
		if (m->n_gone_gap || m->renamed)
			return -EBADMSG; /* C2 */
		begin(c);
	}
	rc = take_strings(c, m);
	if (!rc && m->ended)
		rc = take_ends(c, m->ended, false);
	if (!rc && m->brief)
		rc = take_ends(c, m->brief, true);
	if (!rc)
		rc = take_gone(c, m);
	if (!rc && m->born)
		rc = take_born(c, m->born, key);
	if (!rc && key)
		mh_table_drop_unkept(c->table);
	if (!rc && !ends_are_true(c))
		rc = -EBADMSG;
	if (!rc && m->renamed)
		rc = take_renamed(c, m->renamed);
	return rc ? rc : take_columns(c, m, key);
}
