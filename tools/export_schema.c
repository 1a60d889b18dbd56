/* The schema as SQL, its columns of values from fields.def. */
#include "tools/export_schema.h"

#include "libmemhist/model/meminfo.h"

#include <string.h>

static const char tables[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;\n"
	"CREATE TABLE boot(\n"
	"  boot INTEGER PRIMARY KEY,\n"
	"  boot_id TEXT NOT NULL UNIQUE,   -- of the kernel, 32 hexadecimal digits\n"
	"  host TEXT NOT NULL,\n"
	"  clock_ticks INTEGER NOT NULL,   -- per second, of process.start_ticks\n"
	"  page_bytes INTEGER NOT NULL\n"
	");\n"
	"CREATE TABLE snapshot(\n"
	"  snapshot INTEGER PRIMARY KEY,   -- 1, 2, 3 in the order in which they were taken\n"
	"  wall_ms INTEGER NOT NULL,       -- milliseconds since 1970 UTC; may jump\n"
	"  boot INTEGER NOT NULL REFERENCES boot,\n"
	"  boot_ns INTEGER NOT NULL,       -- nanoseconds since boot, suspend included\n"
	"  interval_ms INTEGER NOT NULL,   -- how often they were due\n"
	"  partial INTEGER NOT NULL,       -- 1: some processes could not be read\n"
	"  processes INTEGER NOT NULL      -- alive, those not exported too\n"
	");\n"
	"CREATE TABLE gap(\n"
	"  snapshot INTEGER PRIMARY KEY REFERENCES snapshot, -- the first one behind it\n"
	"  kind TEXT NOT NULL,             -- stopped, suspended, late, …\n"
	"  since_ms INTEGER NOT NULL       -- the last snapshot before it, as wall_ms\n"
	");\n"
	"CREATE TABLE process(\n"
	"  process INTEGER PRIMARY KEY,\n"
	"  boot INTEGER NOT NULL REFERENCES boot,\n"
	"  pid INTEGER NOT NULL,\n"
	"  start_ticks INTEGER NOT NULL,   -- clock ticks after boot\n"
	"  twin INTEGER NOT NULL,          -- 0, or counts those with one pid and start\n"
	"  brief INTEGER NOT NULL,         -- 1: began and ended between two snapshots\n"
	"  first_snapshot INTEGER NOT NULL REFERENCES snapshot,\n"
	"  ended_snapshot INTEGER REFERENCES snapshot, -- the first without it; NULL: alive\n"
	"  last_hwm_bytes INTEGER,         -- when it ended; NULL: not known\n"
	"  last_peak_bytes INTEGER,\n"
	"  UNIQUE(pid, start_ticks, boot, twin)\n"
	");\n"
	"CREATE TABLE name(\n"
	"  name INTEGER PRIMARY KEY,\n"
	"  process INTEGER NOT NULL REFERENCES process,\n"
	"  snapshot INTEGER NOT NULL REFERENCES snapshot, -- from this one on\n"
	"  ppid INTEGER NOT NULL,\n"
	"  uid INTEGER NOT NULL,\n"
	"  comm TEXT NOT NULL,\n"
	"  command TEXT NOT NULL,          -- arguments with blanks between them\n"
	"  exe TEXT,\n"
	"  cgroup TEXT\n"
	");\n"
	"CREATE TABLE meminfo_key(\n"
	"  key INTEGER PRIMARY KEY,\n"
	"  name TEXT NOT NULL,             -- MemAvailable, vmstat.oom_kill\n"
	"  unit TEXT NOT NULL,             -- bytes or count\n"
	"  UNIQUE(name, unit)\n"
	");\n"
	"CREATE TABLE meminfo(\n"
	"  snapshot INTEGER NOT NULL REFERENCES snapshot,\n"
	"  key INTEGER NOT NULL REFERENCES meminfo_key,\n"
	"  value INTEGER NOT NULL,\n"
	"  PRIMARY KEY(snapshot, key)\n"
	") WITHOUT ROWID;\n";

#define TIMES(column)                                                                      \
	"strftime('%Y-%m-%d %H:%M:%f', " column " / 1000.0, 'unixepoch') AS time_utc,\n  " \
	"strftime('%Y-%m-%d %H:%M:%f', " column " / 1000.0, 'unixepoch', 'localtime') AS " \
	"time_local"

static const char views[] =
	"CREATE INDEX sample_of_process ON sample(process, snapshot);\n"
	"CREATE INDEX name_of_process ON name(process, snapshot);\n"
	"CREATE INDEX snapshot_by_time ON snapshot(wall_ms);\n"
	"CREATE INDEX meminfo_of_key ON meminfo(key, snapshot);\n"
	"CREATE VIEW v_process AS SELECT process.process, pid,\n"
	"  pid || CASE WHEN nth > 1 THEN '(' || nth || ')' ELSE '' END AS label,\n"
	"  boot_id, host, start_ticks * 1.0 / clock_ticks AS start_seconds, twin, brief,\n"
	"  ppid, uid, comm, command, exe, cgroup, first_snapshot, ended_snapshot,\n"
	"  round(last_hwm_bytes / 1048576.0, 3) AS last_hwm_mib\n"
	"  FROM (SELECT *, row_number() OVER (PARTITION BY pid ORDER BY process) AS nth\n"
	"    FROM process) AS process\n"
	"  JOIN boot USING (boot)\n"
	"  JOIN name ON name.name = (SELECT n.name FROM name AS n\n"
	"    WHERE n.process = process.process ORDER BY n.snapshot DESC LIMIT 1);\n"
	"CREATE VIEW v_meminfo AS SELECT snapshot, " TIMES(
		"wall_ms") ",\n"
			   "  meminfo_key.name, unit, value,\n"
			   "  CASE unit WHEN 'bytes' THEN round(value / 1048576.0, 3) END AS mib\n"
			   "  FROM meminfo JOIN meminfo_key USING (key) JOIN snapshot USING "
			   "(snapshot);\n"
			   "CREATE VIEW v_gap AS SELECT snapshot, kind, " TIMES(
				   "since_ms") ",\n"
					       "  (wall_ms - since_ms) / 1000.0 AS seconds\n"
					       "  FROM gap JOIN snapshot USING (snapshot);\n";

void export_schema_column(struct mh_buf *sql, int field)
{
	mh_buf_printf(sql, "%s%s", mh_fields[field].name,
		      mh_fields[field].unit == MH_UNIT_PAGES ? "_bytes" : "");
}

void export_schema_tables(struct mh_buf *sql)
{
	mh_buf_adds(sql, tables);
	mh_buf_adds(sql, "CREATE TABLE sample(\n"
			 "  snapshot INTEGER NOT NULL REFERENCES snapshot,\n"
			 "  process INTEGER NOT NULL REFERENCES process,\n"
			 "  name INTEGER NOT NULL REFERENCES name, -- what it was called then\n");
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		mh_buf_adds(sql, "  ");
		export_schema_column(sql, field);
		mh_buf_adds(sql, " INTEGER,\n");
	}
	mh_buf_adds(sql, "  PRIMARY KEY(snapshot, process)\n) WITHOUT ROWID;\n");
	mh_buf_printf(sql, "PRAGMA user_version = %d;\n", EXPORT_SCHEMA_VERSION);
}

void export_schema_views(struct mh_buf *sql)
{
	mh_buf_adds(sql, views);
	mh_buf_adds(sql, "CREATE VIEW v_sample AS SELECT sample.snapshot, " TIMES(
				 "wall_ms") ",\n"
					    "  wall_ms, sample.process, pid, comm, command");
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		const char *name = mh_fields[field].name;

		if (mh_fields[field].unit == MH_UNIT_PAGES)
			mh_buf_printf(sql, ",\n  round(%s_bytes / 1048576.0, 3) AS %s_mib", name,
				      name);
		else
			mh_buf_printf(sql, ",\n  %s", name);
	}
	mh_buf_adds(sql, "\n  FROM sample JOIN snapshot USING (snapshot)\n"
			 "  JOIN process ON process.process = sample.process\n"
			 "  JOIN name ON name.name = sample.name;\n");
}
