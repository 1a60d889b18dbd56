/*
 * Pages of processes that have the names of standard input: from the process table on through the
 * same code as those of the exporter. For exporter_names.py.
 *
 * Standard input, again and again until it ends: how many names (4 bytes, little-endian), and each
 * with its length (1 byte) in front. Standard output, for each: the pages as text, OpenMetrics and
 * protobuf, with their lengths (4 bytes) in front. Process i, from 1 on, has name i; path and
 * cgroup of its program are the same bytes. Every one is in the group of its name.
 */
#include "exporter/pages.h"
#include "tests/unit/rounds.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SERIES = 500000, NAMES_MAX = 100000 };

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "page_of_names: %s\n", what);
	exit(1);
}

/* Returns false at the end of the input. */
static bool read_number(uint32_t *ret)
{
	uint32_t number;

	if (fread(&number, sizeof(number), 1, stdin) != 1)
		return false;
	*ret = le32toh(number);
	return true;
}

static const struct mh_snapshot *read_processes(struct rounds *r, uint32_t n)
{
	rounds_begin(r);
	for (uint32_t i = 1; i <= n; i++) {
		int len = getchar();
		char name[256];
		struct mh_names names = {.comm = name, .exe = name, .cgroup = name};

		check(len >= 0 && fread(name, 1, (size_t)len, stdin) == (size_t)len,
		      "the names end early");
		names.comm_len = names.exe_len = names.cgroup_len = (size_t)len;
		/* sizes fall, which is the order of the page */
		rounds_named(r, i, i, &names, n + 1 - i);
	}
	return rounds_end(r);
}

static void write_page(struct pages *pages, enum page_format format)
{
	struct page *page;
	uint32_t len;

	check(!pages_get(pages, format, PAGE_IDENTITY, &page), "no page");
	len = htole32((uint32_t)page->len);
	check(fwrite(&len, sizeof(len), 1, stdout) == 1 &&
		      fwrite(page->data, 1, page->len, stdout) == page->len,
	      "cannot write");
	page_release(page);
}

static void write_pages(uint32_t n)
{
	const struct mh_groups_config config = {.max_groups = n};
	struct pages_config pages_config = {.max_series = MAX_SERIES};
	struct source_item item = {.page_bytes = 1, .clk_tck = 100};
	struct view_facts facts = {.now_ns = mh_now().boot_ns,
				   .source.stale_after_ms = 3600 * 1000};
	struct mh_groups *groups;
	struct pages *pages;
	struct rounds rounds;

	rounds_init(&rounds);
	item.snapshot = read_processes(&rounds, n);
	check(!mh_groups_new(&groups, &config) && !mh_groups_update(groups, item.snapshot) &&
		      !view_new(&pages_config.view, mh_groups_room(groups), n) &&
		      !pages_new(&pages, &pages_config),
	      "no memory");
	facts.groups = groups;
	facts.n_groups = mh_groups_list(groups, &facts.group);
	view_update(pages_config.view, &item, &facts);
	for (int format = 0; format < PAGE_FORMATS; format++)
		write_page(pages, format);
	check(!fflush(stdout), "cannot write");
	pages_free(pages);
	view_free(pages_config.view);
	mh_groups_free(groups);
	rounds_done(&rounds);
}

int main(void)
{
	uint32_t n;

	while (read_number(&n)) {
		check(n && n <= NAMES_MAX, "too many names, or none");
		write_pages(n);
	}
	return 0;
}
