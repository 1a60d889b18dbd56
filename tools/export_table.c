/*
 * CSV and TSV: a header, then one line per process and snapshot, in order of time.
 *
 * The column `kind` says what a line is:
 *   sample  a process in a snapshot
 *   ended   one that the snapshot no longer shows, with its last high-water marks, where the kernel
 *           reported them; not where the machine has booted, which ends all
 *   brief   one that began and ended since the snapshot before: identity, names, marks
 *   gap     no process: snapshots are missing before this time, and why
 * What was not measured is an empty cell, never 0. memhist import reads all of it back.
 *
 * What a line says of a process but its values is composed when it is born or renamed and kept per
 * slot, so that a sample costs a copy.
 */
#include "tools/export.h"
#include "tools/outfile.h"

#include "libmemhist/base/escape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20 };

struct dialect {
	char separator;
	void (*escape)(struct mh_buf *out, const char *bytes, size_t len);
};

static const struct dialect csv = {',', mh_escape_csv};
static const struct dialect tsv = {'\t', mh_escape_tsv};

struct who {
	char *text; /* pid … cgroup, with a separator behind each; NULL: not composed yet */
	size_t len;
};

struct table {
	const struct dialect *dialect;
	struct outfile out;
	struct who *who; /* by slot */
	uint32_t who_cap;
	struct mh_buf when; /* time … boot_ns, with a separator behind each */
	struct mh_buf text; /* scratch */
	struct mh_buf cell; /* scratch */
};

/* --- the header -------------------------------------------------------------------------- */

static void write_header(struct table *t, mh_fields_t fields)
{
	static const char *const front[] = {"kind", "time",      "ts_ms", "boot_id", "boot_ns",
					    "pid",  "starttime", "twin",  "ppid",    "uid",
					    "comm", "cmdline",   "exe",   "cgroup"};
	struct mh_buf *b = &t->out.buf;

	for (size_t i = 0; i < sizeof(front) / sizeof(front[0]); i++) {
		mh_buf_adds(b, front[i]);
		mh_buf_addc(b, t->dialect->separator);
	}
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		if (!mh_fields_have(fields, field))
			continue;
		mh_buf_printf(b, "%s%s%c", mh_fields[field].name,
			      mh_fields[field].unit == MH_UNIT_PAGES ? "_kb" : "",
			      t->dialect->separator);
	}
	mh_buf_printf(b, "gap%cgap_since_ms\n", t->dialect->separator);
}

/* --- cells ------------------------------------------------------------------------------- */

static void add_number(struct table *t, struct mh_buf *b, uint64_t number)
{
	mh_buf_addu(b, number);
	mh_buf_addc(b, t->dialect->separator);
}

static void add_text(struct table *t, const struct export_job *job, const char *bytes, size_t len)
{
	mh_buf_clear(&t->cell);
	if (mh_needs_guard(bytes, len, !job->formulas))
		mh_buf_addc(&t->cell, '\'');
	mh_buf_add(&t->cell, bytes, len);
	t->dialect->escape(&t->text, t->cell.data, t->cell.len);
	mh_buf_addc(&t->text, t->dialect->separator);
}

static void add_pooled(struct table *t, const struct export_job *job, const struct mh_pooled *s)
{
	add_text(t, job, s ? s->bytes : "", s ? s->len : 0);
}

/* The arguments of a command line with blanks between them. */
static void add_command(struct table *t, const struct export_job *job, const struct mh_process *p)
{
	char command[MH_CMDLINE_MAX];
	size_t len = p->cmdline_len < sizeof(command) ? p->cmdline_len : sizeof(command);

	for (size_t i = 0; i < len; i++)
		command[i] = p->cmdline[i] ? p->cmdline[i] : ' ';
	add_text(t, job, command, len);
}

/* pid … cgroup, into t->text. */
static void compose_who(struct table *t, const struct export_job *job, const struct mh_process *p)
{
	mh_buf_clear(&t->text);
	add_number(t, &t->text, p->id.pid);
	add_number(t, &t->text, p->id.start_ticks);
	add_number(t, &t->text, p->id.twin);
	add_number(t, &t->text, p->ppid);
	add_number(t, &t->text, p->uid);
	add_text(t, job, p->comm, p->comm_len);
	add_command(t, job, p);
	add_pooled(t, job, p->exe);
	add_pooled(t, job, p->cgroup);
}

static void add_values(struct table *t, const struct export_step *step, mh_fields_t known,
		       const struct mh_process *p)
{
	struct mh_buf *b = &t->out.buf;

	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		uint64_t shown;

		if (!mh_fields_have(step->job->fields, field))
			continue;
		if (mh_fields_have(known, field)) {
			shown = mh_field_shown(field, p->value[field], step->segment->page_bytes);
			mh_buf_addu(b,
				    mh_fields[field].unit == MH_UNIT_PAGES ? shown / 1024 : shown);
		}
		mh_buf_addc(b, t->dialect->separator);
	}
}

/* --- lines ------------------------------------------------------------------------------- */

static void begin_line(struct table *t, const char *kind)
{
	mh_buf_adds(&t->out.buf, kind);
	mh_buf_addc(&t->out.buf, t->dialect->separator);
	mh_buf_add(&t->out.buf, t->when.data, t->when.len);
}

static void end_line(struct table *t)
{
	mh_buf_printf(&t->out.buf, "%c\n", t->dialect->separator);
}

static void compose_when(struct table *t, const struct export_step *step)
{
	const struct mh_snapshot *s = step->s;
	struct mh_buf *b = &t->when;

	mh_buf_clear(b);
	mh_time_format(b, s->at.wall_ms, step->job->utc);
	mh_buf_printf(b, "%c%lld%c", t->dialect->separator, (long long)s->at.wall_ms,
		      t->dialect->separator);
	for (size_t i = 0; i < MH_BOOT_ID_BYTES; i++)
		mh_buf_printf(b, "%02x", s->boot_id.bytes[i]);
	mh_buf_addc(b, t->dialect->separator);
	add_number(t, b, s->at.boot_ns);
}

static void write_gap(struct table *t, const struct export_step *step)
{
	const struct mh_gap *gap = &step->s->gap;
	struct mh_buf *b = &t->out.buf;
	int n_empty = 9;

	for (int field = 0; field < MH_FIELD_COUNT; field++)
		n_empty += mh_fields_have(step->job->fields, field);
	begin_line(t, "gap");
	while (n_empty--)
		mh_buf_addc(b, t->dialect->separator);
	mh_buf_printf(b, "%s%c%lld\n", mh_gap_name(gap->kind), t->dialect->separator,
		      (long long)gap->since_wall_ms);
}

static void write_dead(struct table *t, const struct export_step *step, const char *kind,
		       const struct mh_process *p)
{
	compose_who(t, step->job, p);
	begin_line(t, kind);
	mh_buf_add(&t->out.buf, t->text.data, t->text.len);
	add_values(t, step, export_known_marks(step, p), p);
	end_line(t);
}

static int write_sample(struct table *t, const struct export_step *step, uint32_t slot)
{
	const struct mh_process *p = &step->s->process[slot];
	struct who *who = &t->who[slot];

	if (!who->text) {
		compose_who(t, step->job, p);
		if (t->text.error)
			return t->text.error;
		who->text = malloc(t->text.len);
		if (!who->text)
			return -ENOMEM;
		memcpy(who->text, t->text.data, t->text.len);
		who->len = t->text.len;
	}
	begin_line(t, "sample");
	mh_buf_add(&t->out.buf, who->text, who->len);
	add_values(t, step, step->fields, p);
	end_line(t);
	return 0;
}

/* --- the format -------------------------------------------------------------------------- */

static void close_table(void *self)
{
	struct table *t = self;

	if (!t)
		return;
	for (uint32_t i = 0; i < t->who_cap; i++)
		free(t->who[i].text);
	free(t->who);
	mh_buf_done(&t->when);
	mh_buf_done(&t->text);
	mh_buf_done(&t->cell);
	outfile_done(&t->out);
	free(t);
}

static int open_table(void **ret, struct export_job *job, const struct dialect *dialect,
		      struct mh_err *err)
{
	struct table *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return mh_err_sys(err, -ENOMEM, "cannot export %s", job->history);
	t->dialect = dialect;
	t->when = t->text = t->cell = (struct mh_buf)MH_BUF_INIT(TEXT_MAX);
	rc = outfile_open(&t->out, job->output, job->history, err);
	if (rc) {
		free(t);
		return rc;
	}
	write_header(t, job->fields);
	*ret = t;
	return 0;
}

static int open_csv(void **ret, struct export_job *job, struct mh_err *err)
{
	return open_table(ret, job, &csv, err);
}

static int open_tsv(void **ret, struct export_job *job, struct mh_err *err)
{
	return open_table(ret, job, &tsv, err);
}

static int reserve(struct table *t, uint32_t n)
{
	uint32_t cap = t->who_cap ? t->who_cap : 256;
	struct who *who;

	if (n <= t->who_cap)
		return 0;
	while (cap < n)
		cap *= 2;
	who = reallocarray(t->who, cap, sizeof(*who));
	if (!who)
		return -ENOMEM;
	memset(who + t->who_cap, 0, (cap - t->who_cap) * sizeof(*who));
	t->who = who;
	t->who_cap = cap;
	return 0;
}

static void forget(struct table *t, uint32_t slot)
{
	if (slot >= t->who_cap)
		return;
	free(t->who[slot].text);
	t->who[slot].text = NULL;
}

static int take(struct table *t, const struct export_step *step)
{
	const struct mh_snapshot *s = step->s;
	const struct chosen *chosen = &step->job->chosen;
	int rc = reserve(t, s->n_slots);

	if (rc)
		return rc;
	compose_when(t, step);
	if (s->gap.kind != MH_GAP_NONE)
		write_gap(t, step);
	for (uint32_t i = 0; i < s->n_gone; i++) {
		forget(t, s->gone[i].slot);
		if (chosen->is_gone[i] && !step->is_new_boot)
			write_dead(t, step, "ended", &s->gone[i].process);
	}
	for (uint32_t i = 0; i < s->n_renamed; i++)
		forget(t, s->renamed[i]);
	for (uint32_t i = 0; i < s->n_brief; i++)
		if (chosen->is_brief[i])
			write_dead(t, step, "brief", &s->brief[i]);
	mh_snapshot_for_each (s, slot) {
		if (!chosen->is_slot[slot])
			continue;
		rc = write_sample(t, step, slot);
		if (rc)
			return rc;
	}
	return 0;
}

static int snapshot(void *self, const struct export_step *step, struct mh_err *err)
{
	struct table *t = self;
	int rc = take(t, step);

	if (rc)
		return mh_err_sys(err, rc, "cannot compose %s", step->job->output);
	return outfile_pump(&t->out, err);
}

static int commit(void *self, struct mh_err *err)
{
	struct table *t = self;

	return outfile_commit(&t->out, err);
}

const struct export_format export_csv = {
	.name = "csv",
	.output = "-",
	.open = open_csv,
	.snapshot = snapshot,
	.commit = commit,
	.close = close_table,
};

const struct export_format export_tsv = {
	.name = "tsv",
	.output = "-",
	.open = open_tsv,
	.snapshot = snapshot,
	.commit = commit,
	.close = close_table,
};
