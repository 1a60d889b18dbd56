/*
 * What a page of metrics costs, step by step: copying figures for the scrapers when a sample was
 * taken, gathering families, writing and packing each format. Groups of one process each, with all
 * fields and the candles of both windows.
 *
 *     bench_pages [GROUPS]
 *
 * CPU time of one thread, the median of 31 rounds; the least in brackets. That of a page has
 * gathering in it.
 */
#include "exporter/exposition.h"
#include "exporter/pages.h"
#include "tests/unit/rounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GROUPS = 5000, ROUNDS = 31, MAX_SERIES = 500000, WINDOW_MS = 900000 };

struct rig {
	struct rounds rounds;
	struct mh_groups *groups;
	struct mh_ledger *ledger;
	struct view *view;
	struct pages *pages;
	uint32_t n;
};

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void check(int rc)
{
	if (rc)
		abort();
}

/* Everybody has another size than before. */
static struct mh_snapshot next(struct rig *r)
{
	static uint64_t seed = 1;
	struct mh_snapshot s;

	rounds_begin(&r->rounds);
	for (uint32_t pid = 1; pid <= r->n; pid++) {
		struct mh_process *p;
		char comm[16];

		seed = seed * 6364136223846793005 + 1442695040888963407;
		snprintf(comm, sizeof(comm), "program-%u", pid);
		rounds_process(&r->rounds, pid, pid, comm, comm, 1000 + (seed >> 48 >> pid % 8));
		p = mh_table_find(r->rounds.table, pid);
		for (int f = 0; f < MH_FIELD_COUNT; f++)
			if (f != MH_FIELD_RSS && f != MH_FIELD_VSZ)
				mh_table_set_one(r->rounds.table, p, f,
						 p->value[MH_FIELD_RSS] / (unsigned)(f + 1));
	}
	s = *rounds_end(&r->rounds);
	s.fields = (1u << MH_FIELD_COUNT) - 1;
	return s;
}

static double update(struct rig *r)
{
	const struct mh_snapshot s = next(r);
	const struct source_item item = {.snapshot = &s, .page_bytes = 4096, .clk_tck = 100};
	struct view_facts facts = {.now_ns = mh_now().boot_ns,
				   .source.stale_after_ms = 3600 * 1000,
				   .groups = r->groups};
	double begin;

	check(mh_groups_update(r->groups, &s));
	facts.n_groups = mh_groups_list(r->groups, &facts.group);
	facts.n_exits = mh_groups_exits(r->groups, &facts.exits);
	check(mh_ledger_update(r->ledger, &s, facts.group, facts.n_groups));
	facts.n_kept = mh_ledger_list(r->ledger, &facts.kept);
	facts.totals = mh_ledger_totals(r->ledger);
	begin = cpu_ms();
	view_update(r->view, &item, &facts);
	return cpu_ms() - begin;
}

static void rig_init(struct rig *r, uint32_t n)
{
	const struct mh_groups_config groups = {.max_groups = n};
	const struct mh_ledger_config ledger = {.window_ms = {60000, WINDOW_MS},
						.max_groups = 2 * n};
	struct pages_config pages = {.max_series = MAX_SERIES};

	*r = (struct rig){.n = n};
	rounds_init(&r->rounds);
	check(mh_groups_new(&r->groups, &groups));
	check(mh_ledger_new(&r->ledger, &ledger));
	check(view_new(&r->view, n + 1, 20));
	pages.view = r->view;
	check(pages_new(&r->pages, &pages));
	for (int i = 0; i < 3; i++) {
		update(r);
		r->rounds.now.wall_ms += WINDOW_MS;
	}
}

static void rig_done(struct rig *r)
{
	pages_free(r->pages);
	view_free(r->view);
	mh_ledger_free(r->ledger);
	mh_groups_free(r->groups);
	rounds_done(&r->rounds);
}

/* The first of a sample, for which the figures are gathered as well. */
static double write_page(struct rig *r, enum page_format format, enum page_coding coding,
			 size_t *ret_len)
{
	const struct view_facts facts = {.source.stale_after_ms = 3600 * 1000};
	struct page *page;
	double begin;

	view_refresh(r->view, &facts);
	begin = cpu_ms();
	check(pages_get(r->pages, format, coding, &page));
	*ret_len = page->len;
	page_release(page);
	return cpu_ms() - begin;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(const char *what, double ms[ROUNDS], size_t len)
{
	qsort(ms, ROUNDS, sizeof(*ms), by_value);
	printf("%-20s %7.2f ms (%.2f)", what, ms[ROUNDS / 2], ms[0]);
	if (len)
		printf("  %8zu bytes", len);
	printf("\n");
}

int main(int argc, char **argv)
{
	static const char *const names[PAGE_FORMATS] = {"text", "OpenMetrics", "protobuf"};
	double copy[ROUNDS], gather[ROUNDS], write[PAGE_FORMATS][PAGE_CODINGS][ROUNDS];
	size_t len[PAGE_FORMATS][PAGE_CODINGS];
	struct page_counts counts = {0};
	struct families families;
	struct rig r;

	rig_init(&r, argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : GROUPS);
	families_init(&families, MAX_SERIES);
	for (int i = 0; i < ROUNDS; i++) {
		double begin;

		copy[i] = update(&r);
		begin = cpu_ms();
		exposition_fill(&families, r.view, NULL, &counts);
		gather[i] = cpu_ms() - begin;
		for (int f = 0; f < PAGE_FORMATS; f++)
			for (int c = 0; c < PAGE_CODINGS; c++)
				write[f][c][i] = write_page(&r, f, c, &len[f][c]);
	}
	printf("%u groups, %u series\n", r.n, families.n_samples);
	report("copying", copy, 0);
	report("gathering", gather, 0);
	for (int f = 0; f < PAGE_FORMATS; f++) {
		char what[32];

		report(names[f], write[f][PAGE_IDENTITY], len[f][PAGE_IDENTITY]);
		snprintf(what, sizeof(what), "%s, gzip", names[f]);
		report(what, write[f][PAGE_GZIP], len[f][PAGE_GZIP]);
	}
	families_done(&families);
	rig_done(&r);
	return 0;
}
