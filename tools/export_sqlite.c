/*
 * A SQLite database: processes and their names once, then one row per process and snapshot. The
 * tables are in export_schema.c.
 *
 * Rows of samples come in the order of their key, (snapshot, process): the b-tree only grows at its
 * end. Of each slot the numbers of its process and name are kept; a process that comes back (an
 * import may show it again) is found by its identity in the database.
 */
#include "tools/export.h"
#include "tools/export_database.h"
#include "tools/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct who {
	int64_t process, name;
};

struct row {
	struct who who;
	uint32_t slot;
};

struct exporter {
	struct outfile out;
	struct database db;
	struct who *who; /* by slot; process 0: nobody exported */
	struct row *row; /* of the present snapshot, to be sorted */
	uint32_t slots_cap;
	int64_t n_processes, n_names;
};

/* --- processes --------------------------------------------------------------------------- */

static void bind_pooled(struct exporter *e, int at, int n, const struct mh_pooled *text)
{
	if (text)
		database_bind_text(&e->db, ADD_NAME, at, n, text->bytes, text->len);
	else
		database_bind_null(&e->db, ADD_NAME, at);
}

static int add_name(struct exporter *e, const struct mh_process *p, int64_t process, int64_t *ret,
		    struct mh_err *err)
{
	database_bind(&e->db, ADD_NAME, 1, ++e->n_names);
	database_bind(&e->db, ADD_NAME, 2, process);
	database_bind(&e->db, ADD_NAME, 3, e->db.snapshot);
	database_bind(&e->db, ADD_NAME, 4, p->ppid);
	database_bind(&e->db, ADD_NAME, 5, p->uid);
	database_bind_text(&e->db, ADD_NAME, 6, 0, p->comm, p->comm_len);
	database_bind_text(&e->db, ADD_NAME, 7, 1, p->cmdline, p->cmdline_len);
	bind_pooled(e, 8, 2, p->exe);
	bind_pooled(e, 9, 3, p->cgroup);
	*ret = e->n_names;
	return database_step(&e->db, ADD_NAME, err);
}

/* A mark of a process that has ended, in bytes; NULL where it is not known. */
static void bind_mark(struct exporter *e, const struct export_step *es, enum statement s, int at,
		      int field, const struct mh_process *p)
{
	if (mh_fields_have(es->s->fields, field) && p->value[field])
		database_bind_unsigned(
			&e->db, s, at,
			mh_field_shown(field, p->value[field], es->segment->page_bytes));
	else
		database_bind_null(&e->db, s, at);
}

static int find_process(struct exporter *e, const struct mh_identity *id, int64_t *ret,
			struct mh_err *err)
{
	database_bind(&e->db, FIND_PROCESS, 1, id->pid);
	database_bind_unsigned(&e->db, FIND_PROCESS, 2, id->start_ticks);
	database_bind(&e->db, FIND_PROCESS, 3, e->db.boot);
	database_bind(&e->db, FIND_PROCESS, 4, id->twin);
	return database_find(&e->db, FIND_PROCESS, ret, err);
}

/* A process that the snapshot shows for the first time, or again; or one that was brief. */
static int add_process(struct exporter *e, const struct export_step *es, const struct mh_process *p,
		       bool brief, struct who *ret, struct mh_err *err)
{
	int rc;

	database_bind(&e->db, ADD_PROCESS, 1, e->n_processes + 1);
	database_bind(&e->db, ADD_PROCESS, 2, e->db.boot);
	database_bind(&e->db, ADD_PROCESS, 3, p->id.pid);
	database_bind_unsigned(&e->db, ADD_PROCESS, 4, p->id.start_ticks);
	database_bind(&e->db, ADD_PROCESS, 5, p->id.twin);
	database_bind(&e->db, ADD_PROCESS, 6, brief);
	database_bind(&e->db, ADD_PROCESS, 7, e->db.snapshot);
	if (brief) {
		database_bind(&e->db, ADD_PROCESS, 8, e->db.snapshot);
		bind_mark(e, es, ADD_PROCESS, 9, MH_FIELD_HWM, p);
		bind_mark(e, es, ADD_PROCESS, 10, MH_FIELD_PEAK, p);
	} else {
		for (int at = 8; at <= 10; at++)
			database_bind_null(&e->db, ADD_PROCESS, at);
	}
	rc = database_step(&e->db, ADD_PROCESS, err);
	if (rc)
		return rc;
	if (database_added(&e->db)) {
		ret->process = ++e->n_processes;
	} else {
		rc = find_process(e, &p->id, &ret->process, err);
		database_bind(&e->db, REVIVE_PROCESS, 1, ret->process);
		if (!rc && !brief)
			rc = database_step(&e->db, REVIVE_PROCESS, err);
	}
	return rc ? rc : add_name(e, p, ret->process, &ret->name, err);
}

static int end_process(struct exporter *e, const struct export_step *es, const struct mh_gone *gone,
		       struct mh_err *err)
{
	struct who *who = gone->slot < e->slots_cap ? &e->who[gone->slot] : NULL;

	if (!who || !who->process)
		return 0;
	database_bind(&e->db, END_PROCESS, 1, e->db.snapshot);
	bind_mark(e, es, END_PROCESS, 2, MH_FIELD_HWM, &gone->process);
	bind_mark(e, es, END_PROCESS, 3, MH_FIELD_PEAK, &gone->process);
	database_bind(&e->db, END_PROCESS, 4, who->process);
	*who = (struct who){0};
	return database_step(&e->db, END_PROCESS, err);
}

static int take_lives(struct exporter *e, const struct export_step *es, struct mh_err *err)
{
	const struct mh_snapshot *s = es->s;
	const struct chosen *chosen = &es->job->chosen;
	struct who brief;
	int rc = 0;

	for (uint32_t i = 0; i < s->n_gone && !rc; i++)
		rc = end_process(e, es, &s->gone[i], err);
	for (uint32_t i = 0; i < s->n_brief && !rc; i++)
		if (chosen->is_brief[i])
			rc = add_process(e, es, &s->brief[i], true, &brief, err);
	for (uint32_t i = 0; i < s->n_renamed && !rc; i++) {
		uint32_t slot = s->renamed[i];

		if (e->who[slot].process)
			rc = add_name(e, &s->process[slot], e->who[slot].process,
				      &e->who[slot].name, err);
	}
	/* those just born, and those whose new name has made them chosen */
	mh_snapshot_for_each (s, slot) {
		if (!rc && chosen->is_slot[slot] && !e->who[slot].process)
			rc = add_process(e, es, &s->process[slot], false, &e->who[slot], err);
	}
	return rc;
}

/* --- samples ----------------------------------------------------------------------------- */

static int by_process(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->who.process < y->who.process ? -1 : x->who.process > y->who.process;
}

static int add_sample(struct exporter *e, const struct export_step *es, const struct row *row,
		      struct mh_err *err)
{
	const struct mh_process *p = &es->s->process[row->slot];

	database_bind(&e->db, ADD_SAMPLE, 1, e->db.snapshot);
	database_bind(&e->db, ADD_SAMPLE, 2, row->who.process);
	database_bind(&e->db, ADD_SAMPLE, 3, row->who.name);
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		if (mh_fields_have(es->fields, field))
			database_bind_unsigned(
				&e->db, ADD_SAMPLE, 4 + field,
				mh_field_shown(field, p->value[field], es->segment->page_bytes));
		else
			database_bind_null(&e->db, ADD_SAMPLE, 4 + field);
	}
	return database_step(&e->db, ADD_SAMPLE, err);
}

static int take_samples(struct exporter *e, const struct export_step *es, struct mh_err *err)
{
	uint32_t n = 0;
	int rc = 0;

	mh_snapshot_for_each (es->s, slot)
		if (es->job->chosen.is_slot[slot])
			e->row[n++] = (struct row){e->who[slot], slot};
	if (n)
		qsort(e->row, n, sizeof(*e->row), by_process);
	for (uint32_t i = 0; i < n && !rc; i++)
		rc = add_sample(e, es, &e->row[i], err);
	return rc;
}

static int reserve(struct exporter *e, uint32_t n)
{
	uint32_t cap = e->slots_cap ? e->slots_cap : 256;
	struct who *who;
	struct row *row;

	if (n <= e->slots_cap)
		return 0;
	while (cap < n)
		cap *= 2;
	who = reallocarray(e->who, cap, sizeof(*who));
	if (who)
		e->who = who;
	row = reallocarray(e->row, cap, sizeof(*row));
	if (row)
		e->row = row;
	if (!who || !row)
		return -ENOMEM;
	memset(who + e->slots_cap, 0, (cap - e->slots_cap) * sizeof(*who));
	e->slots_cap = cap;
	return 0;
}

static int snapshot(void *self, const struct export_step *es, struct mh_err *err)
{
	struct exporter *e = self;
	int rc;

	if (reserve(e, es->s->n_slots))
		return mh_err_sys(err, -ENOMEM, "cannot write %s", es->job->output);
	rc = database_snapshot(&e->db, es, err);
	if (!rc)
		rc = take_lives(e, es, err);
	return rc ? rc : take_samples(e, es, err);
}

/* --- the format -------------------------------------------------------------------------- */

static void close_database(void *self)
{
	struct exporter *e = self;

	if (!e)
		return;
	database_close(&e->db);
	free(e->who);
	free(e->row);
	outfile_done(&e->out);
	free(e);
}

static int open_database(void **ret, struct export_job *job, struct mh_err *err)
{
	struct exporter *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return mh_err_sys(err, -ENOMEM, "cannot write %s", job->output);
	rc = outfile_open(&e->out, job->output, job->history, err);
	if (rc) {
		free(e);
		return rc;
	}
	if (!e->out.has_dir)
		rc = mh_errf(err, -EINVAL, "%s cannot hold a database: name a file with --output",
			     e->out.name);
	else
		rc = database_open(&e->db, e->out.fd, e->out.name, job, err);
	if (rc) {
		close_database(e);
		return rc;
	}
	*ret = e;
	return 0;
}

static int commit(void *self, struct mh_err *err)
{
	struct exporter *e = self;
	int rc = database_finish(&e->db, err);

	return rc ? rc : outfile_commit(&e->out, err);
}

const struct export_format export_sqlite = {
	.name = "sqlite",
	.has_derived = true,
	.open = open_database,
	.snapshot = snapshot,
	.commit = commit,
	.close = close_database,
};
