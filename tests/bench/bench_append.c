/*
 * How long the thread that samples is held up by the history: one snapshot of 2,000 processes
 * appended, beside a disk that is kept busy in the same file system by a process that writes 64 MiB
 * and syncs them, again and again, and by one that appends 4 KiB and syncs them.
 *
 *     bench_append [DIRECTORY [SNAPSHOTS]]
 *
 * The history is brought to the disk every second (the default is a minute), and a segment begins
 * every 500 snapshots (normally 360, each hour). CPU time is that of the thread: what a busy
 * machine adds to it is the difference.
 */
#include "libmemhist/history/writer.h"
#include "tests/bench/day.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SNAPSHOTS = 5000, PER_SEGMENT = 500, PAUSE_US = 5000, BIG = 64 << 20, SMALL = 4096 };

struct figures {
	uint64_t *ns;
	size_t n;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void print(const char *what, struct figures *f)
{
	qsort(f->ns, f->n, sizeof(*f->ns), ascending);
	if (f->n)
		printf("%-28s %6zu  p50 %8.1f us  p99 %8.1f us  max %8.1f us\n", what, f->n,
		       (double)f->ns[f->n / 2] / 1e3, (double)f->ns[f->n - 1 - f->n / 100] / 1e3,
		       (double)f->ns[f->n - 1] / 1e3);
}

/* Write and sync until killed, which our end does too. */
static void keep_busy(const char *path, size_t bytes)
{
	char *block = calloc(1, bytes);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!block || fd < 0)
		_exit(1);
	unlink(path);
	for (off_t at = 0;; at = at + (off_t)bytes < BIG ? at + (off_t)bytes : 0)
		if (pwrite(fd, block, bytes, at) < 0 || fdatasync(fd))
			_exit(1);
}

static pid_t busy(const char *dir, const char *name, size_t bytes)
{
	char path[4096];
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	pid = fork();
	if (!pid)
		keep_busy(path, bytes);
	return pid;
}

static int run(const char *dir, size_t snapshots, bool is_busy)
{
	struct mh_upkeep_config upkeep = MH_UPKEEP_DEFAULTS;
	struct day_config day_config = {.processes = 2000, .interval_ms = 10000, .seed = 1};
	struct mh_writer_config config = {
		.interval_ms = 10000,
		.page_bytes = DAY_PAGE_BYTES,
		.clk_tck = DAY_CLK_TCK,
		.rotate_ms = PER_SEGMENT * 10000,
		.upkeep = &upkeep,
	};
	struct figures wall = {calloc(snapshots, 8), 0}, cpu = {calloc(snapshots, 8), 0};
	struct figures begin = {calloc(snapshots, 8), 0};
	const struct mh_snapshot *s;
	struct mh_writer_stats stats, before = {0};
	struct mh_writer *w = NULL;
	struct mh_err err = {""};
	struct day *day = NULL;
	char history[4096];
	pid_t load[2] = {0};
	int rc;

	snprintf(history, sizeof(history), "%s/history-%d", dir, (int)is_busy);
	config.dir = history;
	upkeep.sync_ms = 1000;
	rc = day_new(&day, &day_config);
	if (!rc)
		rc = mh_writer_open(&w, &config, &err);
	if (is_busy && !rc) {
		load[0] = busy(dir, "big", BIG);
		load[1] = busy(dir, "small", SMALL);
	}
	for (size_t i = 0; i < snapshots && !rc; i++) {
		uint64_t ns, cpu_ns;

		rc = day_next(day, &s);
		usleep(PAUSE_US);
		ns = now_ns(CLOCK_MONOTONIC);
		cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
		if (!rc)
			rc = mh_writer_append(w, s, &err);
		cpu.ns[cpu.n++] = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
		ns = now_ns(CLOCK_MONOTONIC) - ns;
		wall.ns[wall.n++] = ns;
		mh_writer_stats(w, &stats);
		if (stats.segments != before.segments)
			begin.ns[begin.n++] = ns;
		before = stats;
	}
	printf("%s\n", is_busy ? "disk kept busy:" : "disk as it is:");
	print("  one snapshot", &wall);
	print("  of it CPU time", &cpu);
	print("  when a segment begins", &begin);
	if (w)
		mh_writer_close(w);
	day_free(day);
	free(wall.ns);
	free(cpu.ns);
	free(begin.ns);
	for (int i = 0; i < 2 && load[i] > 0; i++) {
		kill(load[i], SIGKILL);
		waitpid(load[i], NULL, 0);
	}
	if (rc && !err.text[0])
		mh_err_sys(&err, rc, "cannot go on");
	if (rc)
		fprintf(stderr, "bench_append: %s\n", err.text);
	return rc;
}

static void remove_all(const char *dir)
{
	char command[4200];

	snprintf(command, sizeof(command), "rm -r -- '%s'", dir);
	if (system(command))
		fprintf(stderr, "bench_append: %s is left\n", dir);
}

int main(int argc, char **argv)
{
	const char *below = argc > 1 ? argv[1] : "/var/tmp";
	size_t snapshots = argc > 2 ? strtoul(argv[2], NULL, 10) : SNAPSHOTS;
	char dir[4096];
	int rc;

	snprintf(dir, sizeof(dir), "%s/memhist-bench-XXXXXX", below);
	if (!snapshots || strchr(below, '\'') || !mkdtemp(dir)) {
		fprintf(stderr, "usage: bench_append [DIRECTORY [SNAPSHOTS]]\n");
		return 2;
	}
	printf("appending %zu snapshots of 2,000 processes, brought to the disk every second\n",
	       snapshots);
	rc = run(dir, snapshots, false);
	if (!rc)
		rc = run(dir, snapshots, true);
	remove_all(dir);
	return rc ? 1 : 0;
}
