/*
 * What remote write costs before the network: reading the history on (open segments, then sealed
 * ones), making samples, both protocols, packing. And what a sample takes on the way.
 *
 *     bench_remote [PROCESSES [SNAPSHOTS]]
 *
 * A made machine (day.h), a snapshot each second. CPU time of one thread. Memory is the growth of
 * the resident set since before the feed was opened.
 */
#include "exporter/remote/encode.h"
#include "exporter/remote/feed.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/writer.h"
#include "libmemhist/net/snappy.h"
#include "tests/bench/day.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 5000, SNAPSHOTS = 200, GROUPS_MAX = 200, REQUEST_MAX = 64 << 20 };

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int rc, const struct mh_err *err)
{
	if (!rc)
		return;
	fprintf(stderr, "bench_remote: %s\n", err ? err->text : "no memory");
	exit(1);
}

static double resident_mib(void)
{
	long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static struct mh_instant record(const char *dir, uint32_t processes, uint32_t snapshots)
{
	struct day_config config = {.processes = processes, .interval_ms = 1000, .seed = 1};
	struct mh_writer_config writing = {.dir = dir,
					   .interval_ms = 1000,
					   .page_bytes = DAY_PAGE_BYTES,
					   .clk_tck = DAY_CLK_TCK,
					   .host = "bench"};
	const struct mh_snapshot *s = NULL;
	struct mh_instant last = {0, 0};
	struct mh_writer *w;
	struct mh_err err;
	struct day *day;

	check(day_new(&day, &config), NULL);
	check(mh_writer_open(&w, &writing, &err), &err);
	while (snapshots--) {
		check(day_next(day, &s), NULL);
		check(mh_writer_append(w, s, &err), &err);
		last = s->at;
	}
	check(mh_writer_close(w), NULL);
	day_free(day);
	return last;
}

/* For each segment, that it is sealed, or gone. */
static void with_segments(const char *dir, bool is_end)
{
	struct mh_segment_list list = {0};
	struct mh_seal_result result;
	struct mh_err err;
	int fd = mh_dir_open(dir, &err);

	check(fd < 0 ? fd : 0, &err);
	check(mh_dir_list(fd, &list), NULL);
	for (size_t i = 0; i < list.n; i++)
		if (is_end)
			unlinkat(fd, list.file[i].name, 0);
		else
			check(mh_seal_segment(fd, &list.file[i], &result, &err), &err);
	if (is_end)
		unlinkat(fd, "LOCK", 0);
	mh_dir_list_done(&list);
	close(fd);
}

/* How long it takes to read alone. */
static double read_s(const char *dir)
{
	struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	const struct mh_snapshot *s;
	struct mh_reader *r;
	struct mh_err err;
	double begin = cpu_s();
	int rc;

	check(mh_reader_open(&r, dir, &options, &err), &err);
	while ((rc = mh_reader_next(r, &s, &err)) > 0)
		;
	check(rc, &err);
	mh_reader_close(r);
	return cpu_s() - begin;
}

struct costs {
	double feed_s, v1_s, v2_s, pack_s, mib;
	uint64_t samples, series, v1, v2, v1_packed, v2_packed;
};

static void add_costs(struct costs *c, const struct remote_batch *b, struct mh_buf *request,
		      struct mh_buf *packed)
{
	double begin = cpu_s(), v1_s, v2_s;

	mh_buf_clear(request);
	mh_buf_clear(packed);
	check(remote_encode_v1(b, 0, b->n_series, request), NULL);
	v1_s = cpu_s();
	check(mh_snappy_compress(request->data, request->len, packed), NULL);
	c->v1_s += v1_s - begin;
	c->pack_s += cpu_s() - v1_s;
	c->v1 += request->len;
	c->v1_packed += packed->len;
	mh_buf_clear(request);
	mh_buf_clear(packed);
	begin = cpu_s();
	check(remote_encode_v2(b, 0, b->n_series, request), NULL);
	v2_s = cpu_s();
	check(mh_snappy_compress(request->data, request->len, packed), NULL);
	c->v2_s += v2_s - begin;
	c->v2 += request->len;
	c->v2_packed += packed->len;
	c->samples += b->n_samples;
	c->series += b->n_series;
}

static void measure(const char *what, const char *dir, struct mh_instant now, uint32_t top,
		    bool has_groups)
{
	const struct label label[] = {{"job", "memhist"}, {"instance", "bench.example.net"}};
	struct mh_groups_config grouping = {.max_groups = GROUPS_MAX};
	struct remote_feed_config config = {
		.history_dir = dir,
		.backfill_ms = INT64_C(86400000),
		.series = {.top = top, .max_series = 1000000, .label = label, .n_labels = 2},
	};
	struct mh_buf request = MH_BUF_INIT(REQUEST_MAX), packed = MH_BUF_INIT(REQUEST_MAX);
	const struct remote_batch *b;
	struct costs c = {.mib = 0};
	double begin, before = resident_mib(), reading = read_s(dir);
	struct remote_feed *feed;
	struct mh_err err;
	int rc;

	if (has_groups)
		check(mh_groups_new(&config.series.groups, &grouping), NULL);
	check(remote_feed_open(&feed, &config, now, &err), &err);
	b = remote_feed_batch(feed);
	for (;;) {
		double mib;

		begin = cpu_s();
		rc = remote_feed_next(feed, now, &err);
		c.feed_s += cpu_s() - begin;
		check(rc < 0 ? rc : 0, &err);
		if (!b->n_samples)
			break;
		add_costs(&c, b, &request, &packed);
		begin = cpu_s();
		check(remote_feed_accept(feed, now, &err), &err);
		c.feed_s += cpu_s() - begin;
		mib = resident_mib() - before;
		c.mib = mib > c.mib ? mib : c.mib;
	}
	mh_buf_clear(&request);
	begin = resident_mib() - before;
	remote_feed_close(feed);
	mh_buf_done(&request);
	mh_buf_done(&packed);
	printf("%s: %" PRIu64 " samples, %.1f of a series in a batch\n", what, c.samples,
	       (double)c.samples / (double)c.series);
	printf("  samples/s  reading %.2f M, with making %.2f M, 1.0 %.2f M, 2.0 %.2f M, "
	       "packing %.2f M; all with 1.0 %.2f M\n",
	       (double)c.samples / reading / 1e6, (double)c.samples / c.feed_s / 1e6,
	       (double)c.samples / c.v1_s / 1e6, (double)c.samples / c.v2_s / 1e6,
	       (double)c.samples / c.pack_s / 1e6,
	       (double)c.samples / (c.feed_s + c.v1_s + c.pack_s) / 1e6);
	printf("  bytes/sample  1.0 %.1f, packed %.1f; 2.0 %.1f, packed %.1f\n",
	       (double)c.v1 / (double)c.samples, (double)c.v1_packed / (double)c.samples,
	       (double)c.v2 / (double)c.samples, (double)c.v2_packed / (double)c.samples);
	printf("  memory  %.1f MiB, at the end of the history %.1f MiB\n", c.mib, begin);
}

int main(int argc, char **argv)
{
	uint32_t processes = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : PROCESSES;
	uint32_t snapshots = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : SNAPSHOTS;
	const char *below = getenv("TMPDIR");
	struct mh_instant now;
	char dir[4096];

	snprintf(dir, sizeof(dir), "%s/bench_remote.XXXXXX", below ? below : "/tmp");
	if (!mkdtemp(dir))
		return 1;
	now = record(dir, processes, snapshots);
	printf("remote write, %u processes, %u snapshots\n", processes, snapshots);
	measure("all processes", dir, now, REMOTE_TOP_ALL, false);
	measure("50 processes and the groups", dir, now, REMOTE_TOP_DEFAULT, true);
	with_segments(dir, false);
	measure("all processes, sealed", dir, now, REMOTE_TOP_ALL, false);
	with_segments(dir, true);
	return rmdir(dir) != 0;
}
