/*
 * The database that export_sqlite.c fills: its prepared statements, and the tables of what is said
 * once: boots, snapshots, gaps, meminfo.
 */
#ifndef MEMHIST_TOOLS_EXPORT_DATABASE_H
#define MEMHIST_TOOLS_EXPORT_DATABASE_H

#include "tools/export.h"
#include "tools/sqlite_file.h"

enum statement {
	ADD_META,
	FIND_BOOT,
	ADD_BOOT,
	ADD_SNAPSHOT,
	ADD_GAP,
	FIND_PROCESS,
	ADD_PROCESS,
	END_PROCESS,
	REVIVE_PROCESS,
	ADD_NAME,
	ADD_KEY,
	FIND_KEY,
	ADD_MEMINFO,
	ADD_SAMPLE,
	N_STATEMENTS,
};

enum { DATABASE_TEXTS = 4 };

/* Embedded by its owner; zero-initialise. */
struct database {
	struct sqlite_file *file;
	sqlite3_stmt *statement[N_STATEMENTS];
	int64_t boot, snapshot; /* the present ones */
	int64_t n_boots, n_keys;
	struct mh_boot_id boot_id; /* of `boot` */
	struct mh_meminfo keys;    /* whose numbers are `key` */
	int64_t key[MH_MEMINFO_MAX];
	struct mh_buf text[DATABASE_TEXTS]; /* bound to a statement until it has run */
};

/* Tables into an empty file, and a transaction. */
int database_open(struct database *d, int fd, const char *name, const struct export_job *job,
		  struct mh_err *err);
/* Indexes and views, and the end of the transaction. */
int database_finish(struct database *d, struct mh_err *err);
void database_close(struct database *d);

void database_bind(struct database *d, enum statement s, int at, int64_t value);
/* A number of 64 bits; SQLite has 63. */
void database_bind_unsigned(struct database *d, enum statement s, int at, uint64_t value);
/* By way of the n-th buffer: valid UTF-8, with blanks where NUL bytes were. NULL is NULL. */
void database_bind_text(struct database *d, enum statement s, int at, int n, const char *bytes,
			size_t len);
void database_bind_null(struct database *d, enum statement s, int at);
/* Run it; all is bound. */
int database_step(struct database *d, enum statement s, struct mh_err *err);
/* Whether the last statement added a row. */
bool database_added(const struct database *d);
/* Run a query for one number: it, or 0. */
int database_find(struct database *d, enum statement s, int64_t *ret, struct mh_err *err);

/* The present snapshot with its gap, boot and meminfo. */
int database_snapshot(struct database *d, const struct export_step *es, struct mh_err *err);

#endif
