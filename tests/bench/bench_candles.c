/*
 * How fast 15-minute candles come out of a history, and what a process-sample takes on disk: open,
 * then sealed. Three ways: by snapshots (reader and candle builder), from samples and from candle
 * columns (both by the reader of candles).
 *
 *     bench_candles [TRACE.csv[.zst] | HISTORY]
 *
 * Two histories are made in a folder in TMPDIR and read from the page cache: a recorded trace (when
 * not named: the one beside the source tree, left out where there is none), and the made day
 * (day.h). Or one that is there is read as it is. CPU time of one thread; the median of many
 * rounds.
 */
#include "libmemhist/history/columns/candle_reader.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/writer.h"
#include "libmemhist/view/candle.h"
#include "tests/bench/day.h"
#include "tools/import.h"
#include "tools/outdir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	PROCESSES = 2000,
	SNAPSHOTS = 8640,
	INTERVAL_MS = 10000,
	CANDLE_MS = 15 * 60 * 1000,
	SAMPLES_PER_FIGURE = 40 * 1000 * 1000, /* process-samples read for one median */
	ROUNDS_MAX = 501,
};

/* M process-samples a second */
enum { COLUMNS_TARGET = 1000, SAMPLES_TARGET = 150, OPEN_TARGET = 80 };

/* --- histories ---------------------------------------------------------------------------------
 */

/* The made day. */
static int make_history(const char *dir, struct mh_err *err)
{
	const struct day_config made = {
		.processes = PROCESSES, .interval_ms = INTERVAL_MS, .seed = 1};
	struct mh_writer_config config = {
		.dir = dir,
		.interval_ms = INTERVAL_MS,
		.page_bytes = DAY_PAGE_BYTES,
		.clk_tck = DAY_CLK_TCK,
		.host = "bench",
	};
	struct mh_writer *writer;
	const struct mh_snapshot *s;
	struct day *day;
	int rc = day_new(&day, &made);

	if (rc)
		return mh_err_sys(err, rc, "cannot make a history");
	rc = mh_writer_open(&writer, &config, err);
	for (int number = 0; number < SNAPSHOTS && !rc; number++) {
		rc = day_next(day, &s);
		if (rc)
			mh_err_sys(err, rc, "cannot make a snapshot");
		else
			rc = mh_writer_append(writer, s, err);
	}
	mh_writer_close(writer);
	day_free(day);
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

static int take_candle(void *arg, uint32_t who, const struct mh_candle *candle)
{
	struct sum *sum = arg;

	(void)who;
	sum->candles += candle->samples > 0;
	sum->samples += candle->samples;
	sum->highs += candle->high;
	return 0;
}

enum way { BY_SNAPSHOTS, FROM_SAMPLES, FROM_COLUMNS };

static const char *const way_names[] = {"by snapshots", "from samples", "from columns"};

/* Reader and candle builder together: every snapshot is gone through. */
static int read_snapshots(const char *dir, struct sum *sum, struct mh_reader_stats *stats,
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

static int read_candles(const char *dir, enum way way, struct sum *sum,
			struct mh_reader_stats *stats, struct mh_err *err)
{
	const struct mh_candle_reader_config config = {
		.since_ms = MH_MS_MIN,
		.until_ms = MH_MS_MAX,
		.field = MH_FIELD_RSS,
		.interval_ms = CANDLE_MS,
		.utc = true,
		.from_samples = way == FROM_SAMPLES,
		.candle = take_candle,
		.arg = sum,
	};
	struct mh_candle_reader_stats used;
	struct mh_candle_reader *c;
	int rc;

	if (way == BY_SNAPSHOTS)
		return read_snapshots(dir, sum, stats, err);
	rc = mh_candle_reader_new(&c, dir, &config, err);
	if (rc)
		return rc;
	while ((rc = mh_candle_reader_next(c, err)) > 0)
		;
	mh_candle_reader_stats(c, &used, stats);
	mh_candle_reader_free(c);
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
static int measure(const char *name, const char *dir, enum way way, struct mh_err *err)
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
		rc = read_candles(dir, way, &sum, &stats, err);
		if (rc)
			return rc;
		speed[n++] = (double)stats.process_samples / (cpu_s() - before) / 1e6;
		done += stats.process_samples;
	}
	if (sum.samples != stats.process_samples)
		return mh_errf(err, -EBADMSG, "%" PRIu64 " samples in candles, %" PRIu64 " read",
			       sum.samples, stats.process_samples);
	qsort(speed, (size_t)n, sizeof(double), ascending);
	printf("%-6s %s: %" PRIu64 " process-samples, %" PRIu64
	       " pieces of candles, sum of highs %" PRIu64
	       ": %.0f M process-samples/s/core (%.0f ... %.0f in %d rounds)\n",
	       name, way_names[way], stats.process_samples, sum.candles, sum.highs, speed[n / 2],
	       speed[0], speed[n - 1], n);
	fflush(stdout);
	return 0;
}

static int print_size(const char *name, const char *dir, struct mh_err *err)
{
	struct mh_segment_list list = {0};
	struct mh_reader_stats stats;
	struct sum sum = {0};
	uint64_t bytes = 0;
	int rc, dir_fd = mh_dir_open(dir, err);

	if (dir_fd < 0)
		return dir_fd;
	rc = mh_dir_list(dir_fd, &list);
	for (size_t i = 0; i < list.n; i++)
		bytes += list.file[i].bytes;
	mh_dir_list_done(&list);
	close(dir_fd);
	if (!rc)
		rc = read_snapshots(dir, &sum, &stats, err);
	if (!rc)
		printf("%-6s %.3f bytes per process-sample\n", name,
		       (double)bytes / (double)stats.process_samples);
	return rc;
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
	rc = outdir_open(&dir, path, NULL, err);
	if (rc)
		return rc;
	rc = trace ? import_trace(dir.temp, trace, err) : make_history(dir.temp, err);
	if (!rc)
		rc = print_size(name, dir.temp, err);
	if (!rc)
		rc = measure(name, dir.temp, BY_SNAPSHOTS, err);
	if (!rc)
		rc = measure(name, dir.temp, FROM_SAMPLES, err);
	if (!rc)
		rc = seal(dir.temp, err);
	if (!rc)
		rc = print_size("sealed", dir.temp, err);
	for (enum way way = BY_SNAPSHOTS; way <= FROM_COLUMNS && !rc; way++)
		rc = measure("sealed", dir.temp, way, err);
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
	struct stat st;
	int rc = 0;

	if (argc > 1 && !stat(argv[1], &st) && S_ISDIR(st.st_mode)) {
		for (enum way way = BY_SNAPSHOTS; way <= FROM_COLUMNS && !rc; way++)
			rc = measure("given", argv[1], way, &err);
		if (rc)
			fprintf(stderr, "bench_candles: %s\n", err.text);
		return rc != 0;
	}
	printf("15-minute candles from a history; wanted, M process-samples/s/core: %d from "
	       "columns, "
	       "%d from samples of a sealed one, %d of an open one\n",
	       COLUMNS_TARGET, SAMPLES_TARGET, OPEN_TARGET);
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
