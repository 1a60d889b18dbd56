CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE boot(
  boot INTEGER PRIMARY KEY,
  boot_id TEXT NOT NULL UNIQUE,   -- of the kernel, 32 hexadecimal digits
  host TEXT NOT NULL,
  clock_ticks INTEGER NOT NULL,   -- per second, of process.start_ticks
  page_bytes INTEGER NOT NULL
);
CREATE TABLE snapshot(
  snapshot INTEGER PRIMARY KEY,   -- 1, 2, 3 in the order in which they were taken
  wall_ms INTEGER NOT NULL,       -- milliseconds since 1970 UTC; may jump
  boot INTEGER NOT NULL REFERENCES boot,
  boot_ns INTEGER NOT NULL,       -- nanoseconds since boot, suspend included
  interval_ms INTEGER NOT NULL,   -- how often they were due
  partial INTEGER NOT NULL,       -- 1: some processes could not be read
  processes INTEGER NOT NULL      -- alive, those not exported too
);
CREATE TABLE gap(
  snapshot INTEGER PRIMARY KEY REFERENCES snapshot, -- the first one behind it
  kind TEXT NOT NULL,             -- stopped, suspended, late, …
  since_ms INTEGER NOT NULL       -- the last snapshot before it, as wall_ms
);
CREATE TABLE process(
  process INTEGER PRIMARY KEY,
  boot INTEGER NOT NULL REFERENCES boot,
  pid INTEGER NOT NULL,
  start_ticks INTEGER NOT NULL,   -- clock ticks after boot
  twin INTEGER NOT NULL,          -- 0, or counts those with one pid and start
  brief INTEGER NOT NULL,         -- 1: began and ended between two snapshots
  first_snapshot INTEGER NOT NULL REFERENCES snapshot,
  ended_snapshot INTEGER REFERENCES snapshot, -- the first without it; NULL: alive
  last_hwm_bytes INTEGER,         -- when it ended; NULL: not known
  last_peak_bytes INTEGER,
  UNIQUE(pid, start_ticks, boot, twin)
);
CREATE TABLE name(
  name INTEGER PRIMARY KEY,
  process INTEGER NOT NULL REFERENCES process,
  snapshot INTEGER NOT NULL REFERENCES snapshot, -- from this one on
  ppid INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  comm TEXT NOT NULL,
  command TEXT NOT NULL,          -- arguments with blanks between them
  exe TEXT,
  cgroup TEXT
);
CREATE TABLE meminfo_key(
  key INTEGER PRIMARY KEY,
  name TEXT NOT NULL,             -- MemAvailable, vmstat.oom_kill
  unit TEXT NOT NULL,             -- bytes or count
  UNIQUE(name, unit)
);
CREATE TABLE meminfo(
  snapshot INTEGER NOT NULL REFERENCES snapshot,
  key INTEGER NOT NULL REFERENCES meminfo_key,
  value INTEGER NOT NULL,
  PRIMARY KEY(snapshot, key)
) WITHOUT ROWID;
CREATE TABLE sample(
  snapshot INTEGER NOT NULL REFERENCES snapshot,
  process INTEGER NOT NULL REFERENCES process,
  name INTEGER NOT NULL REFERENCES name, -- what it was called then
  rss_bytes INTEGER,
  vsz_bytes INTEGER,
  swap_bytes INTEGER,
  hwm_bytes INTEGER,
  file_bytes INTEGER,
  shmem_bytes INTEGER,
  anon_bytes INTEGER,
  peak_bytes INTEGER,
  locked_bytes INTEGER,
  threads INTEGER,
  PRIMARY KEY(snapshot, process)
) WITHOUT ROWID;
CREATE INDEX sample_of_process ON sample(process, snapshot);
CREATE INDEX name_of_process ON name(process, snapshot);
CREATE INDEX snapshot_by_time ON snapshot(wall_ms);
CREATE INDEX meminfo_of_key ON meminfo(key, snapshot);
CREATE VIEW v_process AS SELECT process.process, pid,
  pid || CASE WHEN nth > 1 THEN '(' || nth || ')' ELSE '' END AS label,
  boot_id, host, start_ticks * 1.0 / clock_ticks AS start_seconds, twin, brief,
  ppid, uid, comm, command, exe, cgroup, first_snapshot, ended_snapshot,
  round(last_hwm_bytes / 1048576.0, 3) AS last_hwm_mib
  FROM (SELECT *, row_number() OVER (PARTITION BY pid ORDER BY process) AS nth
    FROM process) AS process
  JOIN boot USING (boot)
  JOIN name ON name.name = (SELECT n.name FROM name AS n
    WHERE n.process = process.process ORDER BY n.snapshot DESC LIMIT 1);
CREATE VIEW v_meminfo AS SELECT snapshot, strftime('%Y-%m-%d %H:%M:%f', wall_ms / 1000.0, 'unixepoch') AS time_utc,
  strftime('%Y-%m-%d %H:%M:%f', wall_ms / 1000.0, 'unixepoch', 'localtime') AS time_local,
  meminfo_key.name, unit, value,
  CASE unit WHEN 'bytes' THEN round(value / 1048576.0, 3) END AS mib
  FROM meminfo JOIN meminfo_key USING (key) JOIN snapshot USING (snapshot);
CREATE VIEW v_gap AS SELECT snapshot, kind, strftime('%Y-%m-%d %H:%M:%f', since_ms / 1000.0, 'unixepoch') AS time_utc,
  strftime('%Y-%m-%d %H:%M:%f', since_ms / 1000.0, 'unixepoch', 'localtime') AS time_local,
  (wall_ms - since_ms) / 1000.0 AS seconds
  FROM gap JOIN snapshot USING (snapshot);
CREATE VIEW v_sample AS SELECT sample.snapshot, strftime('%Y-%m-%d %H:%M:%f', wall_ms / 1000.0, 'unixepoch') AS time_utc,
  strftime('%Y-%m-%d %H:%M:%f', wall_ms / 1000.0, 'unixepoch', 'localtime') AS time_local,
  wall_ms, sample.process, pid, comm, command,
  round(rss_bytes / 1048576.0, 3) AS rss_mib,
  round(vsz_bytes / 1048576.0, 3) AS vsz_mib,
  round(swap_bytes / 1048576.0, 3) AS swap_mib,
  round(hwm_bytes / 1048576.0, 3) AS hwm_mib,
  round(file_bytes / 1048576.0, 3) AS file_mib,
  round(shmem_bytes / 1048576.0, 3) AS shmem_mib,
  round(anon_bytes / 1048576.0, 3) AS anon_mib,
  round(peak_bytes / 1048576.0, 3) AS peak_mib,
  round(locked_bytes / 1048576.0, 3) AS locked_mib,
  threads
  FROM sample JOIN snapshot USING (snapshot)
  JOIN process ON process.process = sample.process
  JOIN name ON name.name = sample.name;
