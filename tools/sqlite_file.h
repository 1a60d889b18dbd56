/*
 * A SQLite database written into a file that is open already and need not have a name, so that it
 * appears under its name when it is whole, as every output does (outfile.h).
 *
 * There is no rollback journal and no log beside it: a database that is not finished is thrown
 * away. Temporary files that SQLite sorts in are its own (SQLITE_TMPDIR, /var/tmp, /tmp).
 */
#ifndef MEMHIST_TOOLS_SQLITE_FILE_H
#define MEMHIST_TOOLS_SQLITE_FILE_H

#include "libmemhist/base/err.h"

#include <sqlite3.h>

struct sqlite_file;

/*
 * `fd`: an empty regular file open for reading and writing; it stays the caller's and must outlive
 * the database. Returns 0, or -errno and a sentence with `name`.
 */
int sqlite_file_open(struct sqlite_file **ret, int fd, const char *name, struct mh_err *err);
/* NULL is allowed. */
void sqlite_file_close(struct sqlite_file *f);

sqlite3 *sqlite_file_db(struct sqlite_file *f);

/* Whole statements without results. Returns 0, or as sqlite_file_fail(). */
int sqlite_file_exec(struct sqlite_file *f, const char *sql, struct mh_err *err);
/* Run a prepared statement that has no result, and make it ready for the next time. */
int sqlite_file_step(struct sqlite_file *f, sqlite3_stmt *statement, struct mh_err *err);
/* After a call of SQLite failed: -EINTR after a signal, or -errno and a sentence. */
int sqlite_file_fail(struct sqlite_file *f, struct mh_err *err);

#endif
