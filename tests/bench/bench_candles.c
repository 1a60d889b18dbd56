/*
 * How fast 15-minute candles come out of a history, reader and candle builder together, and what a
 * process-sample takes on disk: open, then sealed.
 *
 *     bench_candles [TRACE.csv[.zst]]
 *
 * Two histories are made in a folder in TMPDIR and read from the page cache: a recorded trace (when
 * not named: the one beside the source tree, left out where there is none), and a made one, in
 * which about one sample in six changes and one process in a hundred is replaced per snapshot. CPU
 * time of one thread; the median of many rounds.
 */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/writer.h"
#include "libmemhist/model/table.h"
#include "libmemhist/view/candle.h"
#include "tools/import.h"
#include "tools/outdir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	PROCESSES = 2000,
	SNAPSHOTS = 2000,
	INTERVAL_MS = 10000,
	REPLACED_PER_SNAPSHOT = 20,
	ONE_IN_CHANGES = 6,
	CANDLE_MS = 15 * 60 * 1000,
	SAMPLES_PER_FIGURE = 40 * 1000 * 1000, /* process-samples read for one median */
	ROUNDS_MAX = 501,
};

static const double speed_target = 80, size_target = 0.8;

/* --- a made history ----------------------------------------------------------------------------
 */

struct maker {
	struct mh_table *table;
	struct mh_writer *writer;
	uint32_t next_pid;
	uint64_t seed;
};

/* xorshift64*: the same numbers on every machine. */
static uint32_t chance(struct maker *m, uint32_t below)
{
	m->seed ^= m->seed >> 12;
	m->seed ^= m->seed << 25;
	m->seed ^= m->seed >> 27;
	return (uint32_t)((m->seed * UINT64_C(2685821657736338717)) >> 33) % below;
}

static int add_process(struct maker *m, struct mh_instant at)
{
	struct mh_identity id = {.pid = m->next_pid++, .start_ticks = at.boot_ns / 10000000};
	char comm[32], cmdline[64];
	uint32_t kind = chance(m, 40);
	struct mh_names names = {.ppid = 1, .uid = 1000, .comm = comm, .cmdline = cmdline};
	uint64_t value[MH_FIELD_COUNT] = {0};
	struct mh_process *p;
	int rc = mh_table_add(m->table, &id, &p);

	if (rc)
		return rc;
	names.comm_len = (size_t)snprintf(comm, sizeof(comm), "worker-%u", kind);
	names.cmdline_len = (size_t)snprintf(cmdline, sizeof(cmdline),
					     "/usr/bin/worker-%u --slot %u", kind, chance(m, 100));
	value[MH_FIELD_RSS] = 500 + chance(m, 50000);
	value[MH_FIELD_VSZ] = value[MH_FIELD_RSS] + 10000 + chance(m, 100000);
	mh_table_set(m->table, p, value);
	rc = mh_table_rename(m->table, p, &names);
	return rc < 0 ? rc : 0;
}

/* One process in six grows or shrinks by up to 64 pages; one in thirty of those maps memory. */
static void change(struct maker *m)
{
	for (uint32_t slot = 0; slot < PROCESSES; slot++) {
		struct mh_process *p = mh_table_at(m->table, slot);
		uint64_t rss;

		if (!p || chance(m, ONE_IN_CHANGES))
			continue;
		rss = p->value[MH_FIELD_RSS] + chance(m, 129);
		mh_table_set_one(m->table, p, MH_FIELD_RSS, rss > 64 + 100 ? rss - 64 : rss);
		if (!chance(m, 30))
			mh_table_set_one(m->table, p, MH_FIELD_VSZ,
					 p->value[MH_FIELD_VSZ] + chance(m, 512));
	}
}

static int make_snapshot(struct maker *m, int number, struct mh_err *err)
{
	struct mh_instant at = {
		.wall_ms = INT64_C(1780315200000) + (mh_ms_t)number * INTERVAL_MS,
		.boot_ns = UINT64_C(1000000000) * 3600 + (uint64_t)number * INTERVAL_MS * 1000000,
	};
	const struct mh_round round = {.fields = MH_FIELDS(RSS) | MH_FIELDS(VSZ)};
	int rc = 0;

	mh_table_begin(m->table, at);
	for (int i = 0; number && i < REPLACED_PER_SNAPSHOT; i++) {
		struct mh_process *p = mh_table_at(m->table, chance(m, PROCESSES));

		if (p)
			mh_table_remove(m->table, p);
	}
	change(m);
	while (!rc && mh_table_live(m->table) < PROCESSES)
		rc = add_process(m, at);
	if (rc)
		return mh_err_sys(err, rc, "cannot make a snapshot");
	return mh_writer_append(m->writer, mh_table_end(m->table, &round), err);
}

static int make_history(const char *dir, struct mh_err *err)
{
	struct mh_writer_config config = {
		.dir = dir,
		.interval_ms = INTERVAL_MS,
		.page_bytes = 4096,
		.clk_tck = 100,
		.host = "bench",
	};
	struct maker m = {.next_pid = 1000, .seed = 1};
	int rc = mh_table_new(&m.table, 0);

	if (rc)
		return mh_err_sys(err, rc, "cannot make a history");
	rc = mh_writer_open(&m.writer, &config, err);
	for (int number = 0; number < SNAPSHOTS && !rc; number++)
		rc = make_snapshot(&m, number, err);
	mh_writer_close(m.writer);
	mh_table_free(m.table);
	return rc;
}

static int import_trace(const char *dir, const char *trace, struct mh_err *err)
{
	struct progress progress = {0};
	struct import_job job = {
		.who = "bench_candles",
		.source = trace,
		.dir = dir,
		.host = "bench",
		.clk_tck = 100,
		.progress = &progress,
	};

	return import_csv(&job, err);
}

/* --- measuring ---------------------------------------------------------------------------------
 */

struct sum {
	uint64_t candles;
	uint64_t samples;
	uint64_t highs;
};

static int take_candle(void *arg, uint32_t slot, const struct mh_candle *candle)
{
	struct sum *sum = arg;

	(void)slot;
	sum->candles++;
	sum->samples += candle->samples;
	sum->highs += candle->high;
	return 0;
}

static int read_candles(const char *dir, struct sum *sum, struct mh_reader_stats *stats,
			struct mh_err *err)
{
	struct mh_reader_options everything = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	struct mh_candles_config config = {
		.field = MH_FIELD_RSS,
		.interval_ms = CANDLE_MS,
		.utc = true,
		.emit = take_candle,
		.arg = sum,
	};
	const struct mh_snapshot *s;
	struct mh_candles *candles;
	struct mh_reader *reader;
	int rc = mh_candles_new(&candles, &config);

	if (rc)
		return mh_err_sys(err, rc, "cannot make candles");
	rc = mh_reader_open(&reader, dir, &everything, err);
	if (rc)
		goto out;
	while ((rc = mh_reader_next(reader, &s, err)) > 0) {
		rc = mh_candles_add(candles, s);
		if (rc)
			break;
	}
	if (!rc)
		rc = mh_candles_finish(candles);
	mh_reader_stats(reader, stats);
	mh_reader_close(reader);
out:
	mh_candles_free(candles);
	return rc;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Read as often as makes a steady median, and print it. */
static int measure(const char *name, const char *dir, struct mh_err *err)
{
	static double speed[ROUNDS_MAX];
	struct mh_reader_stats stats;
	struct sum sum;
	uint64_t done = 0;
	int n = 0;

	while (n < ROUNDS_MAX && (done < SAMPLES_PER_FIGURE || n < 5)) {
		double before = cpu_s();
		int rc;

		sum = (struct sum){0};
		rc = read_candles(dir, &sum, &stats, err);
		if (rc)
			return rc;
		speed[n++] = (double)stats.process_samples / (cpu_s() - before) / 1e6;
		done += stats.process_samples;
	}
	if (sum.samples != stats.process_samples)
		return mh_errf(err, -EBADMSG, "%" PRIu64 " samples in candles, %" PRIu64 " read",
			       sum.samples, stats.process_samples);
	qsort(speed, (size_t)n, sizeof(double), ascending);
	printf("%-6s %9" PRIu64 " process-samples, %5.2f bytes each; %7" PRIu64
	       " candles: %6.0f M process-samples/s/core (%.0f ... %.0f in %d rounds)\n",
	       name, stats.process_samples, (double)stats.bytes / (double)stats.process_samples,
	       sum.candles, speed[n / 2], speed[0], speed[n - 1], n);
	return 0;
}

/* Seal all segments, and print how fast that was. */
static int seal(const char *dir, struct mh_err *err)
{
	struct mh_segment_list list = {0};
	uint64_t samples = 0;
	double before = cpu_s();
	int dir_fd = mh_dir_open(dir, err), rc;

	if (dir_fd < 0)
		return dir_fd;
	rc = mh_dir_list(dir_fd, &list);
	for (size_t i = 0; i < list.n && !rc; i++) {
		struct mh_seal_result result;

		rc = mh_seal_segment(dir_fd, &list.file[i], &result, err);
		if (!rc)
			samples += result.process_samples;
	}
	if (!rc)
		printf("       sealing: %.0f M process-samples/s/core\n",
		       (double)samples / (cpu_s() - before) / 1e6);
	mh_dir_list_done(&list);
	close(dir_fd);
	return rc;
}

/* The history of `name` in a folder of its own that does not stay. */
static int bench(const char *name, const char *trace, struct mh_err *err)
{
	const char *tmp = getenv("TMPDIR");
	struct outdir dir;
	char path[4096];
	int rc;

	snprintf(path, sizeof(path), "%s/memhist-bench-%s", tmp ? tmp : "/tmp", name);
	rc = outdir_open(&dir, path, err);
	if (rc)
		return rc;
	rc = trace ? import_trace(dir.temp, trace, err) : make_history(dir.temp, err);
	if (!rc)
		rc = measure(name, dir.temp, err);
	if (!rc)
		rc = seal(dir.temp, err);
	if (!rc)
		rc = measure("sealed", dir.temp, err);
	outdir_done(&dir);
	return rc;
}

static const char *find_trace(char *path, size_t size)
{
	const char *source = getenv("MEMHIST_SRCDIR");

	snprintf(path, size, "%s/../shared/data/trace-small.csv.zst", source ? source : ".");
	return access(path, R_OK) ? NULL : path;
}

int main(int argc, char **argv)
{
	char path[4096];
	const char *trace = argc > 1 ? argv[1] : find_trace(path, sizeof(path));
	struct mh_err err = {""};
	int rc = 0;

	printf("15-minute candles from a history; wanted of an open one: %.0f M "
	       "process-samples/s/core, at "
	       "most "
	       "%.1f bytes each of a trace\n",
	       speed_target, size_target);
	if (trace)
		rc = bench("trace", trace, &err);
	else
		puts("trace  left out: none is there");
	if (!rc)
		rc = bench("made", NULL, &err);
	if (rc)
		fprintf(stderr, "bench_candles: %s\n", err.text);
	return rc != 0;
}
