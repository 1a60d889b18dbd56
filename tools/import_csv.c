/*
 * CSV with one row per process and instant: ts_ms,pid,starttime,ppid,uid,rss_kb,vsz_kb,swap_kb,
 * comm,cmdline, in any order of columns. Rows of one instant stand together, instants in order.
 *
 * What becomes of them:
 *   - A page is 1 KiB, so that every value is exact, whatever the page size of the machine was.
 *   - Both clocks are ts_ms, since the file knows no other.
 *   - All processes are of one boot: the file does not say which. Its id is a UUID of version 8
 *     made from the host's name and the first instant, so that the same file gives the same
 *     history and no kernel ever had it.
 *   - Nobody is left out: kernel threads are processes without memory.
 *   - A process is (pid, starttime); one that is missing in an instant has ended.
 *   - Where more than 2.5 intervals pass between instants, as the sampler counts, nobody was
 *     recording: a gap.
 */
#include "tools/import.h"

#include "libmemhist/base/strset.h"
#include "libmemhist/model/table.h"
#include "tools/csv.h"
#include "tools/human.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum { PAGE_BYTES = 1024, DEFAULT_INTERVAL_MS = 1000, INTERVAL_MAX_MS = 86400 * 1000 };

/* Columns that say something of every process, then the values, of which one is enough. */
enum column {
	TS_MS,
	PID,
	STARTTIME,
	PPID,
	UID,
	COMM,
	CMDLINE,
	RSS_KB,
	VSZ_KB,
	SWAP_KB,
	N_COLUMNS,
	N_NEEDED = RSS_KB,
};

static const struct {
	const char *name;
	uint64_t min, max; /* of numbers */
	int field;         /* of values */
} columns[N_COLUMNS] = {
	[TS_MS] = {"ts_ms", 0, INT64_MAX / 1000000, -1},
	[PID] = {"pid", 1, MH_PID_MAX, -1},
	[STARTTIME] = {"starttime", 0, INT64_MAX, -1},
	[PPID] = {"ppid", 0, UINT32_MAX, -1},
	[UID] = {"uid", 0, UINT32_MAX, -1},
	[COMM] = {"comm", 0, 0, -1},
	[CMDLINE] = {"cmdline", 0, 0, -1},
	[RSS_KB] = {"rss_kb", 0, INT64_MAX / PAGE_BYTES, MH_FIELD_RSS},
	[VSZ_KB] = {"vsz_kb", 0, INT64_MAX / PAGE_BYTES, MH_FIELD_VSZ},
	[SWAP_KB] = {"swap_kb", 0, INT64_MAX / PAGE_BYTES, MH_FIELD_SWAP},
};

struct importer {
	struct import_job *job;
	struct input *in;
	struct csv *csv;
	int field_of[N_COLUMNS]; /* where each column is in a record, -1 = nowhere */
	mh_fields_t fields;
	struct mh_table *table;
	struct mh_writer *writer; /* from the first whole instant on */
	bool is_begun;            /* an instant is being read */
	mh_ms_t ts_ms;            /* which */
	mh_ms_t interval_ms;      /* 0 until the writer is open */
	struct mh_gap gap;        /* before it */
	uint64_t n_cut;           /* names longer than what is kept */
};

/* --- the header -------------------------------------------------------------------------- */

static bool is_named(const struct csv_field *f, const char *name)
{
	return f->len == strlen(name) && !memcmp(f->bytes, name, f->len);
}

static int column_called(const struct csv_field *f)
{
	for (int c = 0; c < N_COLUMNS; c++)
		if (is_named(f, columns[c].name))
			return c;
	return -1;
}

/* A sentence that lists what the header lacks, or 0. */
static int check_columns(const struct importer *im, struct mh_err *err)
{
	struct mh_buf missing = MH_BUF_INIT(512);
	int rc = 0;

	for (int c = 0; c < N_NEEDED; c++)
		if (im->field_of[c] < 0)
			mh_buf_printf(&missing, " %s", columns[c].name);
	if (!im->fields)
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
	for (int c = 0; c < N_COLUMNS; c++)
		im->field_of[c] = -1;
	for (size_t i = 0; i < header->n_fields; i++) {
		const struct csv_field *f = &header->field[i];
		int c = column_called(f);

		if (c < 0) {
			tool_say(im->job->who, "column %zu, “%.*s”, is not known and left out",
				 i + 1, (int)(f->len < 40 ? f->len : 40), f->bytes);
			continue;
		}
		if (im->field_of[c] >= 0)
			return mh_errf(err, -EINVAL, "%s, line 1: two columns are called %s",
				       input_name(im->in), columns[c].name);
		im->field_of[c] = (int)i;
		if (columns[c].field >= 0)
			im->fields |= (mh_fields_t)1 << columns[c].field;
	}
	return check_columns(im, err);
}

/* --- rows -------------------------------------------------------------------------------- */

static int read_number(const struct importer *im, const struct csv_record *r, enum column c,
		       uint64_t *ret, struct mh_err *err)
{
	const struct csv_field *f = &r->field[im->field_of[c]];
	uint64_t n = 0;
	bool ok = f->len && f->len <= 19; /* digits of INT64_MAX: cannot overflow 64 bits */

	for (size_t i = 0; i < f->len && ok; i++) {
		ok = f->bytes[i] >= '0' && f->bytes[i] <= '9';
		n = n * 10 + (uint64_t)(f->bytes[i] - '0');
	}
	if (!ok || n < columns[c].min || n > columns[c].max)
		return mh_errf(err, -EINVAL,
			       "%s, line %" PRIu64 ": %s “%.*s” is no whole number within %" PRIu64
			       " … %" PRIu64,
			       input_name(im->in), r->line, columns[c].name,
			       (int)(f->len < 40 ? f->len : 40), f->bytes, columns[c].min,
			       columns[c].max);
	*ret = n;
	return 0;
}

static int bad_row(const struct importer *im, const struct csv_record *r, int rc,
		   struct mh_err *err)
{
	return mh_err_sys(err, rc, "%s, line %" PRIu64 ": cannot take in this process",
			  input_name(im->in), r->line);
}

/* The table's process for this row, a new one where the pid is free or was another's. */
static int find_process(struct importer *im, const struct csv_record *r, const uint64_t *number,
			struct mh_process **ret, struct mh_err *err)
{
	struct mh_identity id = {
		.pid = (uint32_t)number[PID],
		.start_ticks = number[STARTTIME],
	};
	struct mh_process *p = mh_table_find(im->table, id.pid);
	int rc = 0;

	if (p && mh_table_is_kept(im->table, p))
		return mh_errf(err, -EINVAL,
			       "%s, line %" PRIu64 ": pid %" PRIu32 " comes twice in one instant",
			       input_name(im->in), r->line, id.pid);
	if (p && p->id.start_ticks != id.start_ticks) {
		mh_table_remove(im->table, p);
		p = NULL;
	}
	if (!p)
		rc = mh_table_add(im->table, &id, &p);
	if (rc)
		return bad_row(im, r, rc, err);
	*ret = p;
	return 0;
}

static int add_process(struct importer *im, const struct csv_record *r, const uint64_t *number,
		       struct mh_err *err)
{
	const struct csv_field *comm = &r->field[im->field_of[COMM]];
	const struct csv_field *cmdline = &r->field[im->field_of[CMDLINE]];
	struct mh_names names = {
		.ppid = (uint32_t)number[PPID],
		.uid = (uint32_t)number[UID],
		.comm = comm->bytes,
		.comm_len = comm->len,
		.cmdline = cmdline->bytes,
		.cmdline_len = cmdline->len,
	};
	uint64_t value[MH_FIELD_COUNT] = {0};
	struct mh_process *p = NULL;
	int rc;

	if (memchr(comm->bytes, 0, comm->len))
		return mh_errf(err, -EINVAL, "%s, line %" PRIu64 ": a NUL byte in comm",
			       input_name(im->in), r->line);
	rc = find_process(im, r, number, &p, err);
	if (rc)
		return rc;
	for (int c = N_NEEDED; c < N_COLUMNS; c++)
		if (im->field_of[c] >= 0)
			value[columns[c].field] = number[c];
	mh_table_set(im->table, p, value);
	rc = mh_table_rename(im->table, p, &names);
	if (rc < 0)
		return bad_row(im, r, rc, err);
	mh_table_keep(im->table, p);
	im->n_cut += comm->len > MH_COMM_MAX || cmdline->len > MH_CMDLINE_MAX;
	return 0;
}

/* --- instants ---------------------------------------------------------------------------- */

static void make_boot_id(const struct importer *im, struct mh_boot_id *ret)
{
	for (size_t i = 0; i < MH_BOOT_ID_BYTES; i += 4) {
		char seed[128];
		int len = snprintf(seed, sizeof(seed), "%zu %lld %s", i, (long long)im->ts_ms,
				   im->job->host);
		uint32_t hash = mh_hash_bytes(seed, strnlen(seed, (size_t)len));

		memcpy(ret->bytes + i, &hash, sizeof(hash));
	}
	ret->bytes[6] = (ret->bytes[6] & 0x0f) | 0x80; /* version 8: defined by its maker */
	ret->bytes[8] = (ret->bytes[8] & 0x3f) | 0x80; /* variant of RFC 9562 */
}

static void begin_instant(struct importer *im, mh_ms_t ts_ms)
{
	struct mh_instant at = {.wall_ms = ts_ms, .boot_ns = (mh_boot_ns_t)ts_ms * 1000000};
	struct mh_boot_id boot_id;
	bool is_first = !im->is_begun;

	im->gap = (struct mh_gap){.kind = MH_GAP_NONE};
	if (!is_first && (ts_ms - im->ts_ms) * 2 > im->interval_ms * 5)
		im->gap = (struct mh_gap){MH_GAP_STOPPED, im->ts_ms};
	im->is_begun = true;
	im->ts_ms = ts_ms;
	mh_table_begin(im->table, at);
	if (is_first) {
		make_boot_id(im, &boot_id);
		mh_table_set_boot(im->table, &boot_id);
	}
}

/* `next_ms`: the instant after this one, or this one when it is the last. */
static int open_writer(struct importer *im, mh_ms_t next_ms, struct mh_err *err)
{
	struct mh_writer_config config = {
		.dir = im->job->dir,
		.page_bytes = PAGE_BYTES,
		.clk_tck = im->job->clk_tck,
		.host = im->job->host,
	};

	im->interval_ms = im->job->interval_ms ? im->job->interval_ms : next_ms - im->ts_ms;
	if (!im->interval_ms)
		im->interval_ms = DEFAULT_INTERVAL_MS;
	if (im->interval_ms > INTERVAL_MAX_MS)
		im->interval_ms = INTERVAL_MAX_MS;
	config.interval_ms = (uint32_t)im->interval_ms;
	return mh_writer_open(&im->writer, &config, err);
}

static int end_instant(struct importer *im, mh_ms_t next_ms, struct mh_err *err)
{
	struct mh_round round = {.fields = im->fields, .gap = im->gap};
	int rc = 0;

	mh_table_drop_unkept(im->table);
	if (!im->writer)
		rc = open_writer(im, next_ms, err);
	return rc ? rc : mh_writer_append(im->writer, mh_table_end(im->table, &round), err);
}

static int take_row(struct importer *im, const struct csv_record *r, struct mh_err *err)
{
	uint64_t number[N_COLUMNS] = {0};
	mh_ms_t ts_ms;
	int rc = 0;

	for (int c = 0; c < N_COLUMNS && !rc; c++)
		if (columns[c].max && im->field_of[c] >= 0)
			rc = read_number(im, r, (enum column)c, &number[c], err);
	if (rc)
		return rc;
	ts_ms = (mh_ms_t)number[TS_MS];
	if (im->is_begun && ts_ms < im->ts_ms)
		return mh_errf(err, -EINVAL,
			       "%s, line %" PRIu64 ": ts_ms goes back, from %lld to %lld: sort the "
			       "rows by ts_ms",
			       input_name(im->in), r->line, (long long)im->ts_ms, (long long)ts_ms);
	if (!im->is_begun || ts_ms > im->ts_ms) {
		if (im->is_begun)
			rc = end_instant(im, ts_ms, err);
		if (rc)
			return rc;
		begin_instant(im, ts_ms);
	}
	return add_process(im, r, number, err);
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
	if (!im->is_begun)
		return mh_errf(err, -ENODATA, "%s has a header and no rows", input_name(im->in));
	return end_instant(im, im->ts_ms, err);
}

static int set_up(struct importer *im, struct mh_err *err)
{
	int rc = input_open(&im->in, im->job->source, err);

	if (rc)
		return rc;
	rc = csv_new(&im->csv, im->in);
	if (!rc)
		rc = mh_table_new(&im->table, 0);
	return rc ? mh_err_sys(err, rc, "cannot import %s", input_name(im->in)) : 0;
}

int import_csv(struct import_job *job, struct mh_err *err)
{
	struct importer im = {.job = job};
	int close_rc, rc = set_up(&im, err);

	if (!rc)
		rc = read_header(&im, err);
	if (!rc)
		rc = read_rows(&im, err);
	if (!rc && im.n_cut)
		tool_say(job->who,
			 "%" PRIu64 " row%s had names longer than %d or command lines longer than "
			 "%d bytes, which were cut there",
			 im.n_cut, human_s(im.n_cut), MH_COMM_MAX, MH_CMDLINE_MAX);
	if (!rc)
		mh_writer_stats(im.writer, &job->stats);
	close_rc = mh_writer_close(im.writer);
	if (!rc && close_rc)
		rc = mh_err_sys(err, close_rc, "cannot write the history %s", job->dir);
	mh_table_free(im.table);
	csv_free(im.csv);
	input_close(im.in);
	return rc;
}
