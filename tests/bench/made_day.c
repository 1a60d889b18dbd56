/*
 * Write the made day (day.h) down, for benchmarks: as a history by the library's writer, and as the
 * tables that other programs read.
 *
 *     made_day [--history DIR] [--csv FILE] [--samples FILE]
 *              [--days N | --snapshots N] [--processes N] [--interval SECONDS] [--seed N]
 *
 * --history: open segments, as a daemon writes them. --csv: what `memhist import --from csv` reads,
 * all columns that it knows. --samples: "series,pid,ts_ms,rss_kb,high_kb", one line per process and
 * snapshot, for databases: a series is one process; high is what candles take for its highest RSS
 * since the snapshot before, see day_high(). Prints what was made. Defaults: a day of 2,000
 * processes, every 10 seconds, seed 1.
 */
#include "libmemhist/history/writer.h"
#include "tests/bench/day.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KIB_PER_PAGE = DAY_PAGE_BYTES / 1024, TEXT_MAX = 256, SECONDS_PER_DAY = 86400 };

struct job {
	const char *history, *csv, *samples;
	uint64_t days, snapshots, interval_s;
	struct day_config day;
	struct mh_writer *writer;
	FILE *csv_to, *samples_to;
};

/* --- lines of numbers: a day is a gigabyte of them, so not by printf -------------------------- */

static char *put_number(char *to, uint64_t number, char behind)
{
	char digit[20];
	int n = 0;

	do
		digit[n++] = (char)('0' + number % 10);
	while (number /= 10);
	while (n)
		*to++ = digit[--n];
	*to++ = behind;
	return to;
}

static char *put_text(char *to, const char *text, size_t len, char behind)
{
	for (size_t i = 0; i < len; i++)
		*to++ = text[i] ? text[i] : ' ';
	*to++ = behind;
	return to;
}

static int put_csv(FILE *to, const struct mh_snapshot *s)
{
	mh_snapshot_for_each (s, slot) {
		const struct mh_process *p = &s->process[slot];
		char line[2 * TEXT_MAX], *end = line;

		end = put_number(end, (uint64_t)s->at.wall_ms, ',');
		end = put_number(end, p->id.pid, ',');
		end = put_number(end, p->id.start_ticks, ',');
		end = put_number(end, p->ppid, ',');
		end = put_number(end, p->uid, ',');
		end = put_number(end, p->value[MH_FIELD_RSS] * KIB_PER_PAGE, ',');
		end = put_number(end, p->value[MH_FIELD_VSZ] * KIB_PER_PAGE, ',');
		end = put_number(end, p->value[MH_FIELD_SWAP] * KIB_PER_PAGE, ',');
		end = put_text(end, p->comm, p->comm_len, ',');
		/* the made ones are short, and have no comma or quote */
		end = put_text(end, p->cmdline, p->cmdline_len, '\n');
		if (fwrite(line, (size_t)(end - line), 1, to) != 1)
			return -errno;
	}
	return 0;
}

static int put_samples(FILE *to, const struct day *day, const struct mh_snapshot *s)
{
	mh_snapshot_for_each (s, slot) {
		const struct mh_process *p = &s->process[slot];
		char line[TEXT_MAX], *end = line;

		end = put_number(end, day_series(day, slot), ',');
		end = put_number(end, p->id.pid, ',');
		end = put_number(end, (uint64_t)s->at.wall_ms, ',');
		end = put_number(end, p->value[MH_FIELD_RSS] * KIB_PER_PAGE, ',');
		end = put_number(end, day_high(day, slot) * KIB_PER_PAGE, '\n');
		if (fwrite(line, (size_t)(end - line), 1, to) != 1)
			return -errno;
	}
	return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int open_table(FILE **ret, const char *path, const char *header, struct mh_err *err)
{
	if (!path)
		return 0;
	*ret = fopen(path, "w");
	if (!*ret || fputs(header, *ret) == EOF)
		return mh_err_sys(err, -errno, "cannot write %s", path);
	return 0;
}

static int close_table(FILE *table, const char *path, int rc, struct mh_err *err)
{
	if (table && fclose(table) && !rc)
		rc = mh_err_sys(err, -errno, "cannot write %s", path);
	return rc;
}

static int open_outputs(struct job *job, struct mh_err *err)
{
	const struct mh_writer_config config = {
		.dir = job->history,
		.interval_ms = job->day.interval_ms,
		.page_bytes = DAY_PAGE_BYTES,
		.clk_tck = DAY_CLK_TCK,
		.host = "made",
	};
	int rc = job->history ? mh_writer_open(&job->writer, &config, err) : 0;

	if (!rc)
		rc = open_table(&job->csv_to, job->csv,
				"ts_ms,pid,starttime,ppid,uid,rss_kb,vsz_kb,swap_kb,comm,cmdline\n",
				err);
	if (!rc)
		rc = open_table(&job->samples_to, job->samples, "series,pid,ts_ms,rss_kb,high_kb\n",
				err);
	return rc;
}

static int close_outputs(struct job *job, int rc, struct mh_err *err)
{
	int closed = mh_writer_close(job->writer);

	if (!rc && closed)
		rc = mh_err_sys(err, closed, "cannot write %s", job->history);
	rc = close_table(job->csv_to, job->csv, rc, err);
	return close_table(job->samples_to, job->samples, rc, err);
}

static int make(struct job *job, struct day *day, struct mh_err *err)
{
	int rc = 0;

	for (uint64_t i = 0; i < job->snapshots && !rc; i++) {
		const struct mh_snapshot *s;

		rc = day_next(day, &s);
		if (rc)
			return mh_err_sys(err, rc, "cannot make a snapshot");
		if (job->writer)
			rc = mh_writer_append(job->writer, s, err);
		if (!rc && job->csv_to && (rc = put_csv(job->csv_to, s)))
			return mh_err_sys(err, rc, "cannot write %s", job->csv);
		if (!rc && job->samples_to && (rc = put_samples(job->samples_to, day, s)))
			return mh_err_sys(err, rc, "cannot write %s", job->samples);
	}
	return rc;
}

static void report(const struct day *day)
{
	struct day_counts counts;

	day_counts(day, &counts);
	printf("%" PRIu64 " snapshots, %" PRIu64 " process-samples, %" PRIu64 " processes, %" PRIu64
	       " renamed; %.1f %% of samples have another RSS than the one before\n",
	       counts.snapshots, counts.process_samples, counts.born, counts.renamed,
	       100.0 * (double)counts.changed / (double)counts.process_samples);
}

/* --- the command line ------------------------------------------------------------------------- */

static int usage(void)
{
	fputs("usage: made_day [--history DIR] [--csv FILE] [--samples FILE]\n"
	      "                [--days N | --snapshots N] [--processes N] [--interval SECONDS] "
	      "[--seed N]\n",
	      stderr);
	return 2;
}

static bool take_number(uint64_t *ret, const char *text, uint64_t most)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && *text >= '0' && *text <= '9' && !*end && *ret <= most;
}

static bool take(struct job *job, int option, const char *value)
{
	uint64_t number = 0;

	switch (option) {
	case 'h':
		job->history = value;
		return true;
	case 'c':
		job->csv = value;
		return true;
	case 's':
		job->samples = value;
		return true;
	case 'd':
		return take_number(&job->days, value, 3660) && job->days;
	case 'n':
		return take_number(&job->snapshots, value, UINT32_MAX) && job->snapshots;
	case 'i':
		return take_number(&job->interval_s, value, SECONDS_PER_DAY) && job->interval_s;
	case 'r':
		return take_number(&job->day.seed, value, UINT64_MAX);
	case 'p':
		if (!take_number(&number, value, DAY_PROCESSES_MAX) || number < DAY_PROCESSES_MIN)
			return false;
		job->day.processes = (uint32_t)number;
		return true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"history", required_argument, NULL, 'h'},
		{"csv", required_argument, NULL, 'c'},
		{"samples", required_argument, NULL, 's'},
		{"days", required_argument, NULL, 'd'},
		{"snapshots", required_argument, NULL, 'n'},
		{"processes", required_argument, NULL, 'p'},
		{"interval", required_argument, NULL, 'i'},
		{"seed", required_argument, NULL, 'r'},
		{0},
	};
	struct job job = {.days = 1, .interval_s = 10, .day = {.processes = 2000, .seed = 1}};
	struct mh_err err = {""};
	struct day *day = NULL;
	int option, rc;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take(&job, option, optarg))
			return usage();
	if (optind != argc)
		return usage();
	job.day.interval_ms = (uint32_t)job.interval_s * 1000;
	if (!job.snapshots)
		job.snapshots = job.days * SECONDS_PER_DAY / job.interval_s;
	rc = day_new(&day, &job.day);
	if (rc)
		mh_err_sys(&err, rc, "cannot make a day");
	else
		rc = open_outputs(&job, &err);
	if (!rc)
		rc = make(&job, day, &err);
	rc = close_outputs(&job, rc, &err);
	if (rc)
		fprintf(stderr, "made_day: %s\n", err.text);
	else
		report(day);
	day_free(day);
	return rc != 0;
}
