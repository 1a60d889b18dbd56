/*
 * The CSV files of pid-memory-inspector, two per instant: process_mem_20250604_123456.csv with
 * PID,PPID,USER,RSS_MB,VSZ_MB,CMD of every process, and sys_mem_20250604_123456.csv with a line of
 * /proc/meminfo: MemTotal_MB,MemFree_MB,…,HugePages_Free.
 *
 * The time is in the name, local or UTC. MB are MiB: ps counts in KiB, and these are divided by
 * 1024 and rounded, so values are as exact as their decimals are. USER is a uid where it is a
 * number or root; other names mean nothing away from their machine, and the uid is not known.
 */
#include "tools/shots.h"

#include "libmemhist/base/timespec.h"
#include "tools/csv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TOGETHER_MS = 5000, DIGITS_MAX = 40 };

/* Columns that a file of processes must have; VSZ_MB and the others may be missing. */
enum column { PID, RSS_MB, CMD, N_NEEDED, PPID = N_NEEDED, USER, VSZ_MB, N_COLUMNS };

static const char *const columns[N_COLUMNS] = {"PID", "RSS_MB", "CMD", "PPID", "USER", "VSZ_MB"};
static const char *const prefixes[] = {"process_mem_", "sys_mem_"};

struct source {
	const char *path;
	struct input *in;
	struct csv *csv;
};

static int kind(const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < 2; i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])) && len > 4 &&
		    !strcmp(name + len - 4, ".csv"))
			return i;
	return -1;
}

/* process_mem_20250604_123456.csv */
static int read_time(const char *path, const char *name, bool utc, mh_ms_t *ret, struct mh_err *err)
{
	const char *p = name + strlen(prefixes[kind(name)]);
	char text[32];

	if (strlen(p) == strlen("20250604_123456.csv") && p[8] == '_' &&
	    strspn(p, "0123456789") == 8 && strspn(p + 9, "0123456789") == 6) {
		snprintf(text, sizeof(text), "%.4s-%.2s-%.2s %.2s:%.2s:%.2s", p, p + 4, p + 6,
			 p + 9, p + 11, p + 13);
		if (!mh_time_parse(text, 0, utc, ret))
			return 0;
	}
	return mh_errf(err, -EINVAL, "%s has no time like 20250604_123456 in its name", path);
}

/* --- cells ------------------------------------------------------------------------------- */

/* MiB with decimals as KiB; or, with scale 1, a count. */
static bool read_decimal(const struct csv_field *f, double scale, uint64_t *ret)
{
	char text[DIGITS_MAX + 1], *end;
	double value;

	if (!f->len || f->len > DIGITS_MAX || f->bytes[0] == '-' || f->bytes[0] == '+')
		return false;
	for (size_t i = 0; i < f->len; i++)
		if (!strchr("0123456789.eE+-", f->bytes[i]) || !f->bytes[i])
			return false;
	memcpy(text, f->bytes, f->len);
	text[f->len] = '\0';
	value = strtod(text, &end) * scale;
	if (*end || !(value >= 0 && value < 9e15))
		return false;
	*ret = (uint64_t)(value + 0.5);
	return true;
}

static bool read_whole(const struct csv_field *f, uint64_t max, uint64_t *ret)
{
	for (size_t i = 0; i < f->len; i++)
		if (f->bytes[i] < '0' || f->bytes[i] > '9')
			return false;
	return read_decimal(f, 1, ret) && *ret <= max;
}

static uint32_t uid_of(const struct csv_field *user)
{
	uint64_t uid;

	if (user->len == 4 && !memcmp(user->bytes, "root", 4))
		return 0;
	return read_whole(user, UINT32_MAX, &uid) ? (uint32_t)uid : SHOT_UID_UNKNOWN;
}

static int bad_cell(const struct source *src, const struct csv_record *r, const char *column,
		    const struct csv_field *f, struct mh_err *err)
{
	return mh_errf(err, -EINVAL, "%s, line %" PRIu64 ": %s “%.*s” is no such number", src->path,
		       r->line, column, (int)(f->len < 40 ? f->len : 40), f->bytes);
}

/* --- processes --------------------------------------------------------------------------- */

static int read_process(const struct source *src, const struct csv_record *r,
			const int at[N_COLUMNS], struct shot *s, struct mh_err *err)
{
	const struct csv_field none = {"", 0};
	const struct csv_field *cell[N_COLUMNS];
	uint64_t pid, ppid = 0;
	struct shot_item *item;
	int rc;

	for (int c = 0; c < N_COLUMNS; c++)
		cell[c] = at[c] < 0 ? &none : &r->field[at[c]];
	if (!read_whole(cell[PID], MH_PID_MAX, &pid) || !pid)
		return bad_cell(src, r, columns[PID], cell[PID], err);
	if (at[PPID] >= 0 && !read_whole(cell[PPID], MH_PID_MAX, &ppid))
		return bad_cell(src, r, columns[PPID], cell[PPID], err);
	rc = shot_add(s, src->path, &item, err);
	if (rc)
		return rc;
	item->pid = (uint32_t)pid;
	item->ppid = (uint32_t)ppid;
	item->uid = uid_of(cell[USER]);
	if (!read_decimal(cell[RSS_MB], 1024, &item->rss_kib))
		return bad_cell(src, r, columns[RSS_MB], cell[RSS_MB], err);
	if (at[VSZ_MB] >= 0 && !read_decimal(cell[VSZ_MB], 1024, &item->vsz_kib))
		return bad_cell(src, r, columns[VSZ_MB], cell[VSZ_MB], err);
	item->command_len = cell[CMD]->len;
	item->command = shot_text(s, cell[CMD]->bytes, cell[CMD]->len);
	return 0;
}

static int read_processes(const struct source *src, struct shot *s, struct mh_err *err)
{
	const struct csv_record *r;
	int at[N_COLUMNS];
	int rc = csv_next(src->csv, &r, err);

	if (rc <= 0)
		return rc ? rc : mh_errf(err, -EINVAL, "%s is empty", src->path);
	for (int c = 0; c < N_COLUMNS; c++) {
		at[c] = -1;
		for (size_t i = 0; i < r->n_fields; i++)
			if (r->field[i].len == strlen(columns[c]) &&
			    !memcmp(r->field[i].bytes, columns[c], r->field[i].len))
				at[c] = (int)i;
		if (at[c] < 0 && c < N_NEEDED)
			return mh_errf(err, -EINVAL, "%s has no column %s", src->path, columns[c]);
	}
	s->fields |= MH_FIELDS(RSS) | (at[VSZ_MB] < 0 ? 0 : MH_FIELDS(VSZ));
	while ((rc = csv_next(src->csv, &r, err)) > 0) {
		rc = read_process(src, r, at, s, err);
		if (rc)
			return rc;
	}
	return rc;
}

/* --- meminfo ----------------------------------------------------------------------------- */

/* "MemTotal_MB" is MemTotal in KiB, "HugePages_Free" a count. */
static int add_line(const struct source *src, const struct csv_record *r, size_t i,
		    const char *name, size_t len, struct shot *s, struct mh_err *err)
{
	bool is_mb = len > 3 && !memcmp(name + len - 3, "_MB", 3);
	char shown[MH_MEMINFO_KEY_MAX + 1];
	uint64_t value;

	snprintf(shown, sizeof(shown), "%.*s", (int)len, name);
	if (!read_decimal(&r->field[i], is_mb ? 1024 : 1, &value))
		return bad_cell(src, r, shown, &r->field[i], err);
	if (mh_meminfo_add(&s->meminfo, name, is_mb ? len - 3 : len, is_mb, value))
		return mh_errf(err, -EINVAL, "%s: column %zu is no line of /proc/meminfo",
			       src->path, i + 1);
	return 0;
}

static int read_meminfo(const struct source *src, struct shot *s, struct mh_err *err)
{
	struct csv_field name[CSV_FIELDS_MAX];
	struct mh_buf names = MH_BUF_INIT(CSV_RECORD_MAX);
	const struct csv_record *r;
	size_t n, at = 0;
	int rc = csv_next(src->csv, &r, err);

	if (rc <= 0)
		return rc ? rc : mh_errf(err, -EINVAL, "%s is empty", src->path);
	n = r->n_fields;
	for (size_t i = 0; i < n; i++) {
		name[i].len = r->field[i].len;
		mh_buf_add(&names, r->field[i].bytes, r->field[i].len);
	}
	rc = names.error ? names.error : csv_next(src->csv, &r, err);
	if (!rc)
		rc = mh_errf(err, -EINVAL, "%s has a header and no line", src->path);
	s->meminfo.n = 0;
	for (size_t i = 0; i < n && rc > 0; i++) {
		int failed = add_line(src, r, i, names.data + at, name[i].len, s, err);

		at += name[i].len;
		rc = failed ? failed : rc;
	}
	mh_buf_done(&names);
	s->has_meminfo = rc > 0;
	return rc < 0 ? rc : 0;
}

/* --- files ------------------------------------------------------------------------------- */

static int load(struct shot *s, const char *path, const char *name, bool utc, mh_ms_t *ret_ms,
		struct mh_err *err)
{
	struct source src = {.path = path};
	int rc = read_time(path, name, utc, ret_ms, err);

	if (rc || !s)
		return rc;
	rc = input_open(&src.in, path, err);
	if (!rc && csv_new(&src.csv, src.in, CSV_COMMAS))
		rc = -ENOMEM;
	if (!rc)
		rc = kind(name) ? read_meminfo(&src, s, err) : read_processes(&src, s, err);
	csv_free(src.csv);
	input_close(src.in);
	/* whatever is wrong with it, the others may be right */
	return rc && rc != -ENOMEM && rc != -EINTR ? -EINVAL : rc;
}

const struct shot_format shots_inspector = {
	.kind = kind,
	.load = load,
	.together_ms = TOGETHER_MS,
	.what = "process_mem_*.csv or sys_mem_*.csv",
};

int import_inspector(struct import_job *job, struct mh_err *err)
{
	return import_shots(job, &shots_inspector, err);
}
