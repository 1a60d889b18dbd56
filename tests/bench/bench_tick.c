/*
 * What one tick costs, all of it (scan, table, history, groups), beside one run of ps on the same
 * processes: by each backend that can be had, or by one.
 *
 *     bench_tick [PROCESSES [ROUNDS [BACKEND]]]        5000, 31 and all when not given
 *
 * Each round is a run of ps, a tick, which finds the caches as ps has left them, and another tick
 * at once, which finds them warm. Cost is CPU time, user and system, of the process that works,
 * divided by the processes it has to look at: for ps those that /proc lists, for memhist those
 * without kernel threads, which it leaves out.
 */
#include "libmemhist/model/group.h"
#include "libmemhist/sampler.h"

#include "tests/bench/crowd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 5000, ROUNDS = 31, ROUNDS_MAX = 1001, WARM_UP = 5, INTERVAL_MS = 1000 };

static const char ps_command[] = "ps -eo pid,ppid,user,rss,vsz,cmd";
static const double ps_target_ratio = 5.0;

/* What a tick may cost, for so many processes and fewer. */
static const struct {
	uint32_t processes;
	double us[MH_SCAN_PROCFS + 1]; /* 0: nothing is asked for */
} targets[] = {
	{7000, {[MH_SCAN_BPF] = 0.6, [MH_SCAN_BPF_SEQ] = 0.9, [MH_SCAN_PROCFS] = 4.5}},
	{30000, {[MH_SCAN_BPF] = 1.0, [MH_SCAN_PROCFS] = 5.5}},
	{UINT32_MAX, {0}},
};

extern char **environ;

/* Microseconds per process, one per round. */
struct figures {
	double value[ROUNDS_MAX];
	int n;
};

struct measured {
	struct figures ps, cold, warm;
};

static void add(struct figures *f, double value)
{
	f->value[f->n++] = value;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(struct figures *f, double q)
{
	qsort(f->value, (size_t)f->n, sizeof(double), ascending);
	return f->value[(int)(q * (f->n - 1) + 0.5)];
}

static double own_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint32_t count_listed(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	uint32_t n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
	if (dir)
		closedir(dir);
	return n;
}

/* CPU time of one run of ps in microseconds, negative when it cannot be run. */
static double run_ps(void)
{
	static char name[] = "ps", option[] = "-eo", columns[] = "pid,ppid,user,rss,vsz,cmd";
	char *argv[] = {name, option, columns, NULL};
	posix_spawn_file_actions_t actions;
	struct rusage usage;
	int status, rc;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc || wait4(pid, &status, 0, &usage) != pid || status)
		return -1;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double target_us(enum mh_scan_backend backend, uint32_t processes)
{
	int i = 0;

	while (targets[i].processes < processes)
		i++;
	return targets[i].us[backend];
}

/* CPU time of one tick in microseconds per process, negative when it fails. */
static double run_tick(struct mh_sampler *sampler, struct mh_groups *groups)
{
	const struct mh_snapshot *snapshot;
	double before = own_cpu_us();
	struct mh_err err;

	if (mh_sampler_tick(sampler, mh_now(), &snapshot, &err)) {
		fprintf(stderr, "bench_tick: %s\n", err.text);
		return -1;
	}
	if (mh_groups_update(groups, snapshot)) {
		fprintf(stderr, "bench_tick: no memory for groups\n");
		return -1;
	}
	return (own_cpu_us() - before) / snapshot->n_live;
}

/* ps, and what it leaves in the caches; a tick after it; and another one at once. */
static int measure(struct mh_sampler *sampler, struct mh_groups *groups, int rounds,
		   struct measured *ret)
{
	for (int round = -WARM_UP; round < rounds; round++) {
		double ps_us = run_ps(), cold_us, warm_us;

		if (ps_us < 0) {
			fprintf(stderr, "bench_tick: cannot run %s\n", ps_command);
			return 1;
		}
		cold_us = run_tick(sampler, groups);
		warm_us = run_tick(sampler, groups);
		if (cold_us < 0 || warm_us < 0)
			return 1;
		if (round < 0)
			continue;
		add(&ret->ps, ps_us / count_listed());
		add(&ret->cold, cold_us);
		add(&ret->warm, warm_us);
	}
	return 0;
}

static void print_row(const char *name, struct figures *f)
{
	printf("  %-42s %7.2f   %7.2f … %.2f\n", name, quantile(f, 0.5), quantile(f, 0),
	       quantile(f, 1));
}

static int report(const struct mh_sampler *sampler, enum mh_scan_backend backend,
		  struct measured *measured)
{
	double warm_us = quantile(&measured->warm, 0.5);
	double ratio = quantile(&measured->ps, 0.5) / quantile(&measured->cold, 0.5);
	struct mh_sampler_status status;
	double wanted_us;

	mh_sampler_status(sampler, &status);
	if (status.history_error) {
		fprintf(stderr, "bench_tick: %s\n", status.history_message.text);
		return 1;
	}
	printf("  %-42s  median        min … max\n", "CPU µs per process");
	print_row("a tick with groups and history, after ps", &measured->cold);
	print_row("the next tick at once", &measured->warm);
	print_row(ps_command, &measured->ps);
	printf("  tick after ps / ps: 1/%.1f; %u statm descriptors kept; %.2f bytes of history per "
	       "process and tick\n",
	       ratio, status.scan.open_files,
	       (double)status.history.bytes / (double)status.history.process_samples);
	wanted_us = target_us(backend, (uint32_t)(status.scan.processes / status.scan.scans));
	if (wanted_us > 0)
		printf("  wanted: at most %.1f µs at once and 1/%.0f of ps: %s\n", wanted_us,
		       ps_target_ratio,
		       warm_us <= wanted_us && ratio >= ps_target_ratio ? "met" : "MISSED");
	return 0;
}

static int remove_history(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	return rmdir(path);
}

/* Returns 1 when it fails; a backend that cannot be had is said and left out. */
static int bench_backend(enum mh_scan_backend backend, int rounds, const char *history)
{
	const struct mh_sampler_config config = {
		.history_dir = history,
		.interval_ms = INTERVAL_MS,
		.backend = backend,
	};
	static struct measured measured;
	const struct mh_groups_config every = {0};
	struct mh_sampler *sampler;
	struct mh_groups *groups;
	struct mh_err err;
	int rc;

	if (mh_groups_new(&groups, &every))
		return 1;
	if (mh_sampler_new(&sampler, &config, &err)) {
		mh_groups_free(groups);
		printf("%s: %s\n", mh_scan_backend_name(backend), err.text);
		return backend == MH_SCAN_PROCFS;
	}
	printf("%s:\n", mh_scan_backend_name(backend));
	measured.ps.n = measured.cold.n = measured.warm.n = 0;
	rc = measure(sampler, groups, rounds, &measured);
	if (!rc)
		rc = report(sampler, backend, &measured);
	mh_sampler_free(sampler);
	mh_groups_free(groups);
	return rc;
}

/* MH_SCAN_AUTO means each of them. */
static int bench(uint32_t processes, int rounds, enum mh_scan_backend wanted, const char *history)
{
	struct crowd crowd;
	int rc = crowd_start(&crowd, processes);

	if (rc) {
		fprintf(stderr, "bench_tick: %" PRIu32 " of %" PRIu32 " processes started\n",
			crowd.n, processes);
		rc = 1;
	} else {
		printf("bench_tick: %" PRIu32 " processes started, %" PRIu32 " listed, %d rounds\n",
		       processes, count_listed(), rounds);
	}
	for (enum mh_scan_backend b = MH_SCAN_BPF; b <= MH_SCAN_PROCFS && !rc; b++)
		if (wanted == MH_SCAN_AUTO || wanted == b)
			rc = bench_backend(b, rounds, history);
	crowd_end(&crowd);
	return rc;
}

static bool number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	*ret = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && *ret && *ret <= max;
}

int main(int argc, char **argv)
{
	unsigned long processes = PROCESSES, rounds = ROUNDS;
	char history[] = "/tmp/memhist-bench-XXXXXX";
	enum mh_scan_backend backend = MH_SCAN_AUTO;
	int rc;

	if (argc > 4 || (argc > 1 && !number(argv[1], 1000000, &processes)) ||
	    (argc > 2 && !number(argv[2], ROUNDS_MAX, &rounds)) ||
	    (argc > 3 && mh_scan_backend_parse(argv[3], &backend, NULL))) {
		fprintf(stderr, "usage: bench_tick [PROCESSES [ROUNDS [BACKEND]]]\n");
		return 2;
	}
	if (!mkdtemp(history)) {
		perror("bench_tick: a folder for the history");
		return 1;
	}
	rc = bench((uint32_t)processes, (int)rounds, backend, history);
	remove_history(history);
	return rc;
}
