/*
 * The tables of an exported SQLite database, documented in memhist(1). A change of their meaning
 * gets another PRAGMA user_version.
 */
#ifndef MEMHIST_TOOLS_EXPORT_SCHEMA_H
#define MEMHIST_TOOLS_EXPORT_SCHEMA_H

#include "libmemhist/base/buf.h"
#include "libmemhist/model/field.h"

enum { EXPORT_SCHEMA_VERSION = 1 };

/* What stands before the rows come, and after: indexes are made faster of what is there. */
void export_schema_tables(struct mh_buf *sql);
void export_schema_views(struct mh_buf *sql);

/* "rss_bytes", "threads" */
void export_schema_column(struct mh_buf *sql, int field);

#endif
