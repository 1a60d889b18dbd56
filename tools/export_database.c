/* The prepared statements, and the tables that have a row per snapshot or less. */
#include "tools/export_database.h"

#include "tools/export_schema.h"

#include "libmemhist/base/escape.h"

#include <errno.h>
#include <string.h>

enum { SQL_MAX = 64 << 10, TEXT_MAX = 64 << 10 };

static const char *const statements[N_STATEMENTS] = {
	[ADD_META] = "INSERT INTO meta VALUES(?, ?)",
	[FIND_BOOT] = "SELECT boot FROM boot WHERE boot_id = ?",
	[ADD_BOOT] = "INSERT OR IGNORE INTO boot VALUES(?, ?, ?, ?, ?)",
	[ADD_SNAPSHOT] = "INSERT INTO snapshot VALUES(?, ?, ?, ?, ?, ?, ?)",
	[ADD_GAP] = "INSERT INTO gap VALUES(?, ?, ?)",
	[FIND_PROCESS] = "SELECT process FROM process WHERE pid = ? AND start_ticks = ? AND "
			 "boot = ? AND twin = ?",
	[ADD_PROCESS] = "INSERT OR IGNORE INTO process VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[END_PROCESS] = "UPDATE process SET ended_snapshot = ?, last_hwm_bytes = ?, "
			"last_peak_bytes = ? WHERE process = ?",
	[REVIVE_PROCESS] = "UPDATE process SET ended_snapshot = NULL WHERE process = ?",
	[ADD_NAME] = "INSERT INTO name VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[ADD_KEY] = "INSERT OR IGNORE INTO meminfo_key VALUES(?, ?, ?)",
	[FIND_KEY] = "SELECT key FROM meminfo_key WHERE name = ? AND unit = ?",
	/* a damaged history may list a key twice */
	[ADD_MEMINFO] = "INSERT OR REPLACE INTO meminfo VALUES(?, ?, ?)",
	/* as many more as there are fields */
	[ADD_SAMPLE] = "INSERT INTO sample VALUES(?, ?, ?",
};

/* --- statements -------------------------------------------------------------------------- */

void database_bind(struct database *d, enum statement s, int at, int64_t value)
{
	sqlite3_bind_int64(d->statement[s], at, value);
}

void database_bind_unsigned(struct database *d, enum statement s, int at, uint64_t value)
{
	database_bind(d, s, at, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void database_bind_text(struct database *d, enum statement s, int at, int n, const char *bytes,
			size_t len)
{
	struct mh_buf *b = &d->text[n];

	b->max = TEXT_MAX;
	mh_buf_clear(b);
	mh_escape_utf8(b, bytes, len);
	for (size_t i = 0; i < b->len; i++)
		if (!b->data[i])
			b->data[i] = ' ';
	sqlite3_bind_text(d->statement[s], at, len ? mh_buf_str(b) : "", (int)(len ? b->len : 0),
			  SQLITE_STATIC);
}

void database_bind_null(struct database *d, enum statement s, int at)
{
	sqlite3_bind_null(d->statement[s], at);
}

bool database_added(const struct database *d)
{
	return sqlite3_changes(sqlite_file_db(d->file)) > 0;
}

int database_find(struct database *d, enum statement s, int64_t *ret, struct mh_err *err)
{
	int rc = sqlite3_step(d->statement[s]);

	*ret = rc == SQLITE_ROW ? sqlite3_column_int64(d->statement[s], 0) : 0;
	sqlite3_reset(d->statement[s]);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sqlite_file_fail(d->file, err);
}

int database_step(struct database *d, enum statement s, struct mh_err *err)
{
	return sqlite_file_step(d->file, d->statement[s], err);
}

static int prepare(struct database *d, struct mh_err *err)
{
	struct mh_buf sql = MH_BUF_INIT(SQL_MAX);
	int rc = 0;

	for (int i = 0; i < N_STATEMENTS && !rc; i++) {
		mh_buf_clear(&sql);
		mh_buf_adds(&sql, statements[i]);
		for (int field = 0; field < MH_FIELD_COUNT && i == ADD_SAMPLE; field++)
			mh_buf_adds(&sql, ", ?");
		mh_buf_adds(&sql, i == ADD_SAMPLE ? ")" : "");
		if (sqlite3_prepare_v2(sqlite_file_db(d->file), mh_buf_str(&sql), -1,
				       &d->statement[i], NULL))
			rc = sqlite_file_fail(d->file, err);
	}
	mh_buf_done(&sql);
	return rc;
}

static int add_meta(struct database *d, const char *key, const char *text, int64_t number,
		    struct mh_err *err)
{
	database_bind_text(d, ADD_META, 1, 0, key, strlen(key));
	if (text)
		database_bind_text(d, ADD_META, 2, 1, text, strlen(text));
	else
		database_bind(d, ADD_META, 2, number);
	return database_step(d, ADD_META, err);
}

/* --- what is said once ------------------------------------------------------------------- */

static int take_boot(struct database *d, const struct export_step *es, struct mh_err *err)
{
	char hex[2 * MH_BOOT_ID_BYTES + 1];
	int rc;

	if (d->n_boots && !memcmp(&d->boot_id, &es->s->boot_id, sizeof(d->boot_id)))
		return 0;
	for (size_t i = 0; i < MH_BOOT_ID_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", es->s->boot_id.bytes[i]);
	d->boot_id = es->s->boot_id;
	/* segments put together by hand may come back to a boot */
	database_bind_text(d, FIND_BOOT, 1, 0, hex, strlen(hex));
	rc = database_find(d, FIND_BOOT, &d->boot, err);
	if (rc || d->boot)
		return rc;
	d->boot = ++d->n_boots;
	database_bind(d, ADD_BOOT, 1, d->boot);
	database_bind_text(d, ADD_BOOT, 2, 0, hex, strlen(hex));
	database_bind_text(d, ADD_BOOT, 3, 1, es->segment->host, strlen(es->segment->host));
	database_bind(d, ADD_BOOT, 4, es->segment->clk_tck);
	database_bind(d, ADD_BOOT, 5, es->segment->page_bytes);
	return database_step(d, ADD_BOOT, err);
}

static int add_snapshot(struct database *d, const struct export_step *es, struct mh_err *err)
{
	const struct mh_snapshot *s = es->s;
	int rc = take_boot(d, es, err);

	if (rc)
		return rc;
	database_bind(d, ADD_SNAPSHOT, 1, ++d->snapshot);
	database_bind(d, ADD_SNAPSHOT, 2, s->at.wall_ms);
	database_bind(d, ADD_SNAPSHOT, 3, d->boot);
	database_bind_unsigned(d, ADD_SNAPSHOT, 4, s->at.boot_ns);
	database_bind(d, ADD_SNAPSHOT, 5, es->segment->interval_ms);
	database_bind(d, ADD_SNAPSHOT, 6, s->partial);
	database_bind(d, ADD_SNAPSHOT, 7, s->n_live);
	rc = database_step(d, ADD_SNAPSHOT, err);
	if (rc || s->gap.kind == MH_GAP_NONE)
		return rc;
	database_bind(d, ADD_GAP, 1, d->snapshot);
	database_bind_text(d, ADD_GAP, 2, 0, mh_gap_name(s->gap.kind),
			   strlen(mh_gap_name(s->gap.kind)));
	database_bind(d, ADD_GAP, 3, s->gap.since_wall_ms);
	return database_step(d, ADD_GAP, err);
}

/* Numbers for the keys of meminfo; they change once in a history's life. */
static int take_keys(struct database *d, const struct mh_meminfo *m, struct mh_err *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < m->n && !rc; i++) {
		const struct mh_meminfo_line *line = &m->line[i];
		const char *unit = line->is_kib ? "bytes" : "count";

		database_bind(d, ADD_KEY, 1, d->n_keys + 1);
		database_bind_text(d, ADD_KEY, 2, 0, line->key, strlen(line->key));
		database_bind_text(d, ADD_KEY, 3, 1, unit, strlen(unit));
		rc = database_step(d, ADD_KEY, err);
		if (rc)
			break;
		d->n_keys += database_added(d);
		database_bind_text(d, FIND_KEY, 1, 0, line->key, strlen(line->key));
		database_bind_text(d, FIND_KEY, 2, 1, unit, strlen(unit));
		rc = database_find(d, FIND_KEY, &d->key[i], err);
	}
	d->keys = *m;
	return rc;
}

static int take_meminfo(struct database *d, const struct mh_snapshot *s, struct mh_err *err)
{
	const struct mh_meminfo *m = s->meminfo;
	int rc = 0;

	if (!m)
		return 0;
	if (!d->n_keys || !mh_meminfo_same_keys(&d->keys, m))
		rc = take_keys(d, m, err);
	for (uint32_t i = 0; i < m->n && !rc; i++) {
		uint64_t value = m->line[i].value;

		if (m->line[i].is_kib && __builtin_mul_overflow(value, 1024, &value))
			value = UINT64_MAX;
		database_bind(d, ADD_MEMINFO, 1, d->snapshot);
		database_bind(d, ADD_MEMINFO, 2, d->key[i]);
		database_bind_unsigned(d, ADD_MEMINFO, 3, value);
		rc = database_step(d, ADD_MEMINFO, err);
	}
	return rc;
}

int database_snapshot(struct database *d, const struct export_step *es, struct mh_err *err)
{
	int rc = add_snapshot(d, es, err);

	return rc ? rc : take_meminfo(d, es->s, err);
}

/* --- the whole --------------------------------------------------------------------------- */

static void finalize(struct database *d)
{
	for (int i = 0; i < N_STATEMENTS; i++) {
		sqlite3_finalize(d->statement[i]);
		d->statement[i] = NULL;
	}
	sqlite_file_close(d->file);
	d->file = NULL;
}

void database_close(struct database *d)
{
	finalize(d);
	for (size_t i = 0; i < DATABASE_TEXTS; i++)
		mh_buf_done(&d->text[i]);
}

static int exec(struct database *d, void (*compose)(struct mh_buf *sql), struct mh_err *err)
{
	struct mh_buf sql = MH_BUF_INIT(SQL_MAX);
	int rc;

	compose(&sql);
	rc = sqlite_file_exec(d->file, mh_buf_str(&sql), err);
	mh_buf_done(&sql);
	return rc;
}

int database_open(struct database *d, int fd, const char *name, const struct export_job *job,
		  struct mh_err *err)
{
	int rc = sqlite_file_open(&d->file, fd, name, err);

	if (!rc)
		rc = exec(d, export_schema_tables, err);
	if (!rc)
		rc = prepare(d, err);
	if (!rc)
		rc = sqlite_file_exec(d->file, "BEGIN", err);
	if (!rc)
		rc = add_meta(d, "written_by", PACKAGE_STRING, 0, err);
	if (!rc)
		rc = add_meta(d, "history", job->history, 0, err);
	if (!rc)
		rc = add_meta(d, "schema", NULL, EXPORT_SCHEMA_VERSION, err);
	return rc;
}

int database_finish(struct database *d, struct mh_err *err)
{
	int rc = exec(d, export_schema_views, err);

	if (!rc)
		rc = sqlite_file_exec(d->file, "COMMIT", err);
	finalize(d);
	return rc;
}
