/*
 * What groups cost in a tick: everybody classified, which is so once; nobody new; one exec. Without
 * rules, and with regular expressions on the command line, none of which takes most processes: so
 * all of them are asked.
 *
 *     bench_groups [PROCESSES]
 *
 * CPU time of one thread, of the groups alone; the median of 201 ticks.
 */
#include "libmemhist/model/group.h"
#include "tests/unit/rounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PROCESSES = 5000, PROGRAMS = 300, TICKS = 201 };

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static const struct mh_snapshot *next(struct rounds *r, uint32_t n, const char *name_of_one)
{
	rounds_begin(r);
	for (uint32_t pid = 1; pid <= n; pid++) {
		char comm[16], cmdline[128];
		struct mh_names names = {.ppid = pid / 4, .comm = comm, .cmdline = cmdline};

		snprintf(comm, sizeof(comm), "program%u", pid % PROGRAMS);
		if (pid == n / 2 && name_of_one)
			snprintf(comm, sizeof(comm), "%s", name_of_one);
		names.comm_len = strlen(comm);
		names.cmdline_len = (size_t)snprintf(cmdline, sizeof(cmdline),
						     "/usr/lib/%s/bin/%s%c--config%c/etc/%u.yml",
						     comm, comm, 0, 0, pid);
		rounds_named(r, pid, pid, &names, pid);
	}
	return rounds_end(r);
}

static struct mh_rules *make_rules(int n)
{
	struct mh_rules *rules;

	if (mh_rules_new(&rules))
		abort();
	for (int i = 0; i < n; i++) {
		char regex[64];

		snprintf(regex, sizeof(regex), "--config\\s+(?P<file>/etc/%d\\.yml)", i * 7);
		if (mh_rules_begin(rules, NULL) ||
		    mh_rules_add(rules, MH_SELECT_CMDLINE, regex, NULL) ||
		    mh_rules_name(rules, "{{.ExeBase}} {{.Matches.file}}", NULL) ||
		    mh_rules_end(rules, NULL))
			abort();
	}
	return rules;
}

static double update(struct mh_groups *g, const struct mh_snapshot *s)
{
	double begin = cpu_us();

	if (mh_groups_update(g, s))
		abort();
	return cpu_us() - begin;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median_tick(struct mh_groups *g, struct rounds *r, uint32_t n, bool exec)
{
	double us[TICKS];

	for (int i = 0; i < TICKS; i++)
		us[i] = update(g, next(r, n, exec && i % 2 ? "another" : NULL));
	qsort(us, TICKS, sizeof(us[0]), by_value);
	return us[TICKS / 2];
}

int main(int argc, char **argv)
{
	static const int n_rules[] = {0, 20, 200};
	const uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : PROCESSES;

	printf("%u processes        first tick   nobody new   one exec\n", n);
	for (size_t i = 0; i < sizeof(n_rules) / sizeof(n_rules[0]); i++) {
		struct mh_groups_config config = {
			.max_groups = 1000, .rules = n_rules[i] ? make_rules(n_rules[i]) : NULL};
		struct mh_groups *g;
		struct rounds r;
		double first, idle;

		rounds_init(&r);
		if (mh_groups_new(&g, &config))
			abort();
		first = update(g, next(&r, n, NULL));
		idle = median_tick(g, &r, n, false);
		printf("%4d rules         %9.2f ms   %7.1f us  %7.1f us\n", n_rules[i], first / 1e3,
		       idle, median_tick(g, &r, n, true));
		mh_groups_free(g);
		rounds_done(&r);
	}
	return 0;
}
