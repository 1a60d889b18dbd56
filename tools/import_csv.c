/*
 * CSV or TSV with one row per process and instant: ts_ms,pid,starttime,ppid,uid,comm,cmdline and
 * values, in any order of columns. Rows of one instant stand together, instants in order. It is
 * what memhist export writes, whose further columns are understood, and what others can write.
 *
 * What becomes of it, beyond what intake.h says:
 *   - A process is (pid, starttime, twin); one that is missing in an instant has ended.
 *   - Without boot_ns both clocks are ts_ms, which then must not go back.
 *   - Nobody is left out: kernel threads are processes without memory.
 *   - A column of values that is empty in all rows of an instant was not measured in it.
 *   - Where there is a column `gap`, gaps are what it says, else they are recognised by their
 *     length.
 */
#include "tools/import.h"

#include "libmemhist/base/escape.h"
#include "tools/csv.h"
#include "tools/intake.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define KB_MAX (INT64_MAX / INTAKE_PAGE_BYTES)

/* Columns that say something of every process, then those that may, then values. */
enum column {
	TS_MS,
	PID,
	STARTTIME,
	PPID,
	UID,
	COMM,
	CMDLINE,
	N_NEEDED,
	KIND = N_NEEDED,
	BOOT_ID,
	BOOT_NS,
	TWIN,
	EXE,
	CGROUP,
	GAP,
	GAP_SINCE,
	TIME,
	N_FACTS,
};

static const struct {
	const char *name;
	uint64_t min, max; /* of numbers; 0: text */
} columns[N_FACTS] = {
	[TS_MS] = {"ts_ms", 0, INT64_MAX / 1000000},
	[PID] = {"pid", 1, MH_PID_MAX},
	[STARTTIME] = {"starttime", 0, INT64_MAX},
	[PPID] = {"ppid", 0, UINT32_MAX},
	[UID] = {"uid", 0, UINT32_MAX},
	[COMM] = {"comm", 0, 0},
	[CMDLINE] = {"cmdline", 0, 0},
	[KIND] = {"kind", 0, 0},
	[BOOT_ID] = {"boot_id", 0, 0},
	[BOOT_NS] = {"boot_ns", 0, INT64_MAX},
	[TWIN] = {"twin", 0, UINT32_MAX},
	[EXE] = {"exe", 0, 0},
	[CGROUP] = {"cgroup", 0, 0},
	[GAP] = {"gap", 0, 0},
	[GAP_SINCE] = {"gap_since_ms", 0, INT64_MAX / 1000000},
	[TIME] = {"time", 0, 0}, /* ts_ms for people */
};

enum kind { SAMPLE, ENDED, BRIEF, GAP_BEFORE, N_KINDS };
static const char *const kinds[N_KINDS] = {"sample", "ended", "brief", "gap"};

struct importer {
	struct import_job *job;
	struct input *in;
	struct csv *csv;
	struct intake intake;
	int fact_at[N_FACTS];         /* where each column is in a record, -1 = nowhere */
	int value_at[MH_FIELD_COUNT]; /* the same of values */
	bool has_fields;              /* of the present instant: a sample said which */
	struct mh_boot_id boot_id;    /* of the present instant, as given */
};

/* A row as it was read. */
struct row {
	const struct csv_record *record;
	uint64_t number[N_FACTS];
	uint64_t value[MH_FIELD_COUNT];
	mh_fields_t fields; /* those that are not empty */
	enum kind kind;
	struct mh_boot_id boot_id;
};

/* --- the header -------------------------------------------------------------------------- */

static bool is_named(const struct csv_field *f, const char *name)
{
	return f->len == strlen(name) && !memcmp(f->bytes, name, f->len);
}

/* "rss_kb", "threads" */
static void value_name(char ret[32], int field)
{
	snprintf(ret, 32, "%s%s", mh_fields[field].name,
		 mh_fields[field].unit == MH_UNIT_PAGES ? "_kb" : "");
}

/* Where to note the place of this column; NULL: it is not known. */
static int *place_of(struct importer *im, const struct csv_field *f, char name[32])
{
	for (int c = 0; c < N_FACTS; c++) {
		snprintf(name, 32, "%s", columns[c].name);
		if (is_named(f, name))
			return &im->fact_at[c];
	}
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		value_name(name, field);
		if (is_named(f, name))
			return &im->value_at[field];
	}
	return NULL;
}

/* A sentence that lists what the header lacks, or 0. */
static int check_columns(const struct importer *im, struct mh_err *err)
{
	struct mh_buf missing = MH_BUF_INIT(512);
	bool has_values = false;
	int rc = 0;

	for (int c = 0; c < N_NEEDED; c++)
		if (im->fact_at[c] < 0)
			mh_buf_printf(&missing, " %s", columns[c].name);
	for (int field = 0; field < MH_FIELD_COUNT; field++)
		has_values |= im->value_at[field] >= 0;
	if (!has_values)
		mh_buf_adds(&missing, " rss_kb (or vsz_kb or swap_kb)");
	if (missing.len)
		rc = mh_errf(err, -EINVAL, "%s, line 1: the header lacks:%s", input_name(im->in),
			     mh_buf_str(&missing));
	mh_buf_done(&missing);
	return rc;
}

static int read_header(struct importer *im, struct mh_err *err)
{
	const struct csv_record *header;
	int rc = csv_next(im->csv, &header, err);

	if (rc < 0)
		return rc;
	if (!rc)
		return mh_errf(err, -ENODATA, "%s is empty", input_name(im->in));
	for (int c = 0; c < N_FACTS; c++)
		im->fact_at[c] = -1;
	for (int field = 0; field < MH_FIELD_COUNT; field++)
		im->value_at[field] = -1;
	for (size_t i = 0; i < header->n_fields; i++) {
		const struct csv_field *f = &header->field[i];
		char name[32];
		int *place = place_of(im, f, name);

		if (!place) {
			tool_say(im->job->who, "column %zu, “%.*s”, is not known and left out",
				 i + 1, (int)(f->len < 40 ? f->len : 40), f->bytes);
			continue;
		}
		if (*place >= 0)
			return mh_errf(err, -EINVAL, "%s, line 1: two columns are called %s",
				       input_name(im->in), name);
		*place = (int)i;
	}
	return check_columns(im, err);
}

/* --- cells ------------------------------------------------------------------------------- */

static int bad_number(const struct importer *im, const struct csv_record *r, const char *name,
		      const struct csv_field *f, uint64_t min, uint64_t max, struct mh_err *err)
{
	return mh_errf(err, -EINVAL,
		       "%s, line %" PRIu64 ": %s “%.*s” is no whole number within %" PRIu64
		       " … %" PRIu64,
		       input_name(im->in), r->line, name, (int)(f->len < 40 ? f->len : 40),
		       f->bytes, min, max);
}

static bool parse_number(const struct csv_field *f, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;
	bool ok = f->len && f->len <= 19; /* digits of INT64_MAX: cannot overflow 64 bits */

	for (size_t i = 0; i < f->len && ok; i++) {
		ok = f->bytes[i] >= '0' && f->bytes[i] <= '9';
		n = n * 10 + (uint64_t)(f->bytes[i] - '0');
	}
	*ret = n;
	return ok && n >= min && n <= max;
}

/* The cell of a column that the file may not have. */
static struct csv_field cell(const struct importer *im, const struct row *row, enum column c)
{
	int at = im->fact_at[c];

	return at < 0 ? (struct csv_field){"", 0} : row->record->field[at];
}

/* The same of a text, without what keeps spreadsheets from taking it for a formula. */
static struct csv_field text(const struct importer *im, const struct row *row, enum column c)
{
	struct csv_field f = cell(im, row, c);

	/* only memhist export is known to put it there */
	if (im->fact_at[KIND] < 0 || !mh_has_guard(f.bytes, f.len))
		return f;
	return (struct csv_field){f.bytes + 1, f.len - 1};
}

/* Whether a row of this kind may have the column empty. */
static bool may_be_empty(const struct row *row, enum column c)
{
	if (row->kind == GAP_BEFORE)
		return c != TS_MS && c != BOOT_NS && c != GAP_SINCE;
	return c == TWIN || c == GAP_SINCE;
}

static int read_facts(const struct importer *im, struct row *row, struct mh_err *err)
{
	for (int c = 0; c < N_FACTS; c++) {
		struct csv_field f = cell(im, row, (enum column)c);

		if (!columns[c].max || im->fact_at[c] < 0 ||
		    (!f.len && may_be_empty(row, (enum column)c)))
			continue;
		if (!parse_number(&f, columns[c].min, columns[c].max, &row->number[c]))
			return bad_number(im, row->record, columns[c].name, &f, columns[c].min,
					  columns[c].max, err);
	}
	return 0;
}

static int read_values(const struct importer *im, struct row *row, struct mh_err *err)
{
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		const struct csv_field *f = im->value_at[field] < 0
						    ? NULL
						    : &row->record->field[im->value_at[field]];
		char name[32];

		/* what follows from others is computed anew */
		if (!f || !f->len || !mh_fields[field].column)
			continue;
		if (!parse_number(f, 0, KB_MAX, &row->value[field])) {
			value_name(name, field);
			return bad_number(im, row->record, name, f, 0, KB_MAX, err);
		}
		row->fields |= (mh_fields_t)1 << field;
	}
	row->fields = mh_fields_complete(row->fields);
	if (mh_fields_have(row->fields, MH_FIELD_ANON))
		row->value[MH_FIELD_ANON] = mh_field_anon(row->value);
	return 0;
}

static int bad_cell(const struct importer *im, const struct row *row, enum column c,
		    const char *what, struct mh_err *err)
{
	struct csv_field f = cell(im, row, c);

	return mh_errf(err, -EINVAL, "%s, line %" PRIu64 ": %s “%.*s” is %s", input_name(im->in),
		       row->record->line, columns[c].name, (int)(f.len < 40 ? f.len : 40), f.bytes,
		       what);
}

static int read_kind(const struct importer *im, struct row *row, struct mh_err *err)
{
	struct csv_field f = cell(im, row, KIND);

	if (im->fact_at[KIND] < 0)
		return 0;
	while (!is_named(&f, kinds[row->kind]))
		if (++row->kind == N_KINDS)
			return bad_cell(im, row, KIND, "none of sample, ended, brief, gap", err);
	return 0;
}

static int read_boot_id(const struct importer *im, struct row *row, struct mh_err *err)
{
	struct csv_field f = cell(im, row, BOOT_ID);

	if (im->fact_at[BOOT_ID] < 0)
		return 0;
	for (size_t i = 0; i < f.len && f.len == 2 * MH_BOOT_ID_BYTES; i++) {
		char c = f.bytes[i];
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
						   : -1;

		if (digit < 0)
			break;
		row->boot_id.bytes[i / 2] = (uint8_t)(row->boot_id.bytes[i / 2] << 4 | digit);
		if (i + 1 == f.len)
			return 0;
	}
	return bad_cell(im, row, BOOT_ID, "no 32 hexadecimal digits", err);
}

/* --- rows -------------------------------------------------------------------------------- */

static bool is_same_instant(const struct importer *im, const struct row *row,
			    const struct mh_instant *at)
{
	return im->intake.is_begun && im->intake.at.wall_ms == at->wall_ms &&
	       im->intake.at.boot_ns == at->boot_ns &&
	       !memcmp(&im->boot_id, &row->boot_id, sizeof(im->boot_id));
}

static int goes_back(const struct importer *im, const struct row *row, enum column c,
		     struct mh_err *err)
{
	return mh_errf(err, -EINVAL,
		       "%s, line %" PRIu64 ": %s goes back to %" PRIu64 ": sort the rows by %s",
		       input_name(im->in), row->record->line, columns[c].name, row->number[c],
		       columns[c].name);
}

/* The instant of this row; the next one begins where it is another. */
static int find_instant(struct importer *im, const struct row *row, struct mh_err *err)
{
	bool has_boot_id = im->fact_at[BOOT_ID] >= 0, has_boot_ns = im->fact_at[BOOT_NS] >= 0;
	mh_ms_t ts_ms = (mh_ms_t)row->number[TS_MS];
	struct mh_instant at = {
		.wall_ms = ts_ms,
		.boot_ns = has_boot_ns ? row->number[BOOT_NS] : (mh_boot_ns_t)ts_ms * 1000000,
	};
	bool is_same_boot = !memcmp(&im->boot_id, &row->boot_id, sizeof(im->boot_id));
	int rc;

	if (is_same_instant(im, row, &at))
		return 0;
	if (im->intake.is_begun && !has_boot_ns && ts_ms < im->intake.at.wall_ms)
		return goes_back(im, row, TS_MS, err);
	if (im->intake.is_begun && has_boot_ns && is_same_boot &&
	    at.boot_ns <= im->intake.at.boot_ns)
		return goes_back(im, row, BOOT_NS, err);
	rc = intake_begin(&im->intake, &at, has_boot_id ? &row->boot_id : NULL, err);
	if (!rc && im->fact_at[GAP] >= 0)
		im->intake.gap.kind = MH_GAP_NONE;
	im->boot_id = row->boot_id;
	im->has_fields = false;
	return rc;
}

static int take_gap(struct importer *im, const struct row *row, struct mh_err *err)
{
	struct csv_field f = cell(im, row, GAP);

	for (int kind = MH_GAP_STOPPED; kind <= MH_GAP_MISSING; kind++) {
		if (!is_named(&f, mh_gap_name((enum mh_gap_kind)kind)))
			continue;
		/* the last two are a reader's words for what is not there any more */
		im->intake.gap = (struct mh_gap){
			kind < MH_GAP_DAMAGE ? (enum mh_gap_kind)kind : MH_GAP_STOPPED,
			(mh_ms_t)row->number[GAP_SINCE],
		};
		return 0;
	}
	return bad_cell(im, row, GAP, "no kind of gap", err);
}

/* All samples of an instant have the same values: one table, one set of columns. */
static int check_fields(struct importer *im, const struct row *row, struct mh_err *err)
{
	if (!im->has_fields)
		im->intake.fields = row->fields;
	else if (im->intake.fields != row->fields)
		return mh_errf(err, -EINVAL,
			       "%s, line %" PRIu64 ": other values are empty than in the rows "
			       "before it of the same instant",
			       input_name(im->in), row->record->line);
	im->has_fields = true;
	return 0;
}

static int take_process(struct importer *im, const struct row *row, struct mh_err *err)
{
	struct csv_field comm = text(im, row, COMM), cmdline = text(im, row, CMDLINE);
	struct csv_field exe = text(im, row, EXE), cgroup = text(im, row, CGROUP);
	struct mh_names names = {
		.ppid = (uint32_t)row->number[PPID],
		.uid = (uint32_t)row->number[UID],
		.comm = comm.bytes,
		.comm_len = comm.len,
		.cmdline = cmdline.bytes,
		.cmdline_len = cmdline.len,
		.exe = exe.bytes,
		.exe_len = exe.len,
		.cgroup = cgroup.bytes,
		.cgroup_len = cgroup.len,
	};
	struct mh_identity id = {
		.pid = (uint32_t)row->number[PID],
		.start_ticks = row->number[STARTTIME],
		.twin = (uint32_t)row->number[TWIN],
	};
	char place[128];
	int rc;

	snprintf(place, sizeof(place), "%s, line %" PRIu64, input_name(im->in), row->record->line);
	if (memchr(comm.bytes, 0, comm.len))
		return mh_errf(err, -EINVAL, "%s: a NUL byte in comm", place);
	switch (row->kind) {
	case ENDED:
		intake_ended(&im->intake, &id, row->value);
		return 0;
	case BRIEF:
		return intake_brief(&im->intake, &id, &names, row->value, place, err);
	default:
		rc = check_fields(im, row, err);
		return rc ? rc : intake_process(&im->intake, &id, &names, row->value, place, err);
	}
}

static int take_row(struct importer *im, const struct csv_record *r, struct mh_err *err)
{
	struct row row = {.record = r};
	int rc = read_kind(im, &row, err);

	if (!rc)
		rc = read_facts(im, &row, err);
	if (!rc)
		rc = read_boot_id(im, &row, err);
	if (!rc)
		rc = read_values(im, &row, err);
	if (!rc)
		rc = find_instant(im, &row, err);
	if (rc)
		return rc;
	return row.kind == GAP_BEFORE ? take_gap(im, &row, err) : take_process(im, &row, err);
}

static int read_rows(struct importer *im, struct mh_err *err)
{
	const struct csv_record *record;
	int rc;

	while ((rc = csv_next(im->csv, &record, err)) > 0) {
		rc = tool_interrupted() ? -EINTR : take_row(im, record, err);
		if (rc)
			return rc;
		progress_show(im->job->progress, input_done(im->in), input_size(im->in));
	}
	if (rc)
		return rc;
	if (!im->intake.is_begun)
		return mh_errf(err, -ENODATA, "%s has a header and no rows", input_name(im->in));
	return intake_finish(&im->intake, err);
}

static int import(struct import_job *job, enum csv_dialect dialect, struct mh_err *err)
{
	struct importer im = {.job = job};
	int rc = input_open(&im.in, job->source, err);

	if (!rc && csv_new(&im.csv, im.in, dialect))
		rc = mh_err_sys(err, -ENOMEM, "cannot import %s", job->source);
	if (!rc)
		rc = intake_open(&im.intake, job, err);
	if (!rc)
		rc = read_header(&im, err);
	if (!rc)
		rc = read_rows(&im, err);
	intake_done(&im.intake);
	csv_free(im.csv);
	input_close(im.in);
	return rc;
}

int import_csv(struct import_job *job, struct mh_err *err)
{
	return import(job, CSV_ANY, err); /* somebody may call TSV so */
}

int import_tsv(struct import_job *job, struct mh_err *err)
{
	return import(job, CSV_TABS, err);
}
