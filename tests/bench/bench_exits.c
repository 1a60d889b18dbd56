/*
 * What the record of exits costs those who exit, and its reader: a loop of vfork, _exit and wait
 * with and without the record, alternating.
 *
 *     bench_exits [EXITS [ROUNDS]]        2000 and 31 when not given
 *
 * Cost is CPU time, user and system, of parent and child per exit; the reader's part is that of
 * emptying the ring after each loop.
 */
#include "libmemhist/proc/bpf_exits.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXITS = 2000, EXITS_MAX = 10000, ROUNDS = 31, ROUNDS_MAX = 1001, EXACT_CPUS = 16 };

static const double target_us = 5.0;

/* CPU time of this process and of the children it has waited for. */
static double cpu_us(void)
{
	struct rusage children;
	struct timespec t;

	getrusage(RUSAGE_CHILDREN, &children);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)(t.tv_sec + children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1e6 +
	       (double)t.tv_nsec / 1e3 +
	       (double)(children.ru_utime.tv_usec + children.ru_stime.tv_usec);
}

/* A function of its own: vfork(2) leaves nothing certain about local variables. */
static bool make_one_exit(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

/* Microseconds per exit; negative when processes cannot be made. */
static double time_exits(int n)
{
	double began = cpu_us();

	for (int i = 0; i < n; i++)
		if (!make_one_exit())
			return -1;
	return (cpu_us() - began) / n;
}

static void count(void *n, const struct mh_bpf_exit *exit)
{
	(void)exit;
	++*(int *)n;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *value, int n)
{
	qsort(value, (size_t)n, sizeof(*value), ascending);
	return value[n / 2];
}

static double without[ROUNDS_MAX], with[ROUNDS_MAX], reading[ROUNDS_MAX];

/* One loop with the record: it is loaded before and given up after. Returns 0 or 1. */
static int measure_with(const struct mh_bpf_tasks *tasks, int exits, int round)
{
	struct mh_bpf_exits *record;
	struct mh_err err;
	int seen = 0;

	if (mh_bpf_exits_new(&record, tasks, 0, &err)) {
		fprintf(stderr, "bench_exits: %s\n", err.text);
		return 1;
	}
	with[round] = time_exits(exits);
	reading[round] = cpu_us();
	mh_bpf_exits_drain(record, count, &seen);
	reading[round] = (cpu_us() - reading[round]) / exits;
	mh_bpf_exits_free(record);
	if (with[round] < 0 || seen < exits) {
		fprintf(stderr, "bench_exits: %d of %d exits were recorded\n", seen, exits);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct mh_bpf_tasks_config config = {.window = 1, .exact_cpus = EXACT_CPUS};
	int exits = argc > 1 ? (int)strtol(argv[1], NULL, 10) : EXITS;
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : ROUNDS;
	struct mh_bpf_tasks *tasks;
	struct mh_err err;
	double off, on;

	if (exits < 1 || exits > EXITS_MAX || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "bench_exits: 1 to %d exits, 1 to %d rounds\n", EXITS_MAX,
			ROUNDS_MAX);
		return 2;
	}
	if (mh_bpf_tasks_new(&tasks, MH_BPF_WALK, &config, &err) &&
	    mh_bpf_tasks_new(&tasks, MH_BPF_SEQ, &config, &err)) {
		printf("exits: not measured: %s\n", err.text);
		return 0;
	}
	time_exits(exits); /* warm-up */
	for (int round = 0; round < rounds; round++) {
		without[round] = time_exits(exits);
		if (without[round] < 0 || measure_with(tasks, exits, round))
			return 1;
	}
	mh_bpf_tasks_free(tasks);
	off = median(without, rounds);
	on = median(with, rounds);
	printf("%d exits, %d rounds, us per exit (median, least)\n", exits, rounds);
	printf("  vfork, _exit, wait     %6.2f %6.2f\n", off, without[0]);
	printf("  ... and recorded       %6.2f %6.2f\n", on, with[0]);
	printf("  the record             %+6.2f %+6.2f   target %.1f\n", on - off,
	       with[0] - without[0], target_us);
	printf("  reading it             %6.2f\n", median(reading, rounds));
	return on - off > target_us;
}
