/*
 * Who follows a history shows what its writer shows: the same snapshots, live and read back while
 * they are written, through everything that comes after them, up to the text of the page.
 */
#include "exporter/exposition.h"
#include "exporter/format.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/writer.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PAGE_BYTES = 4096, CLK_TCK = 100, TOP = 5, MAX_GROUPS = 4, ROOM = 1000 };

/* What an exporter makes of snapshots, as its collector does it. */
struct line {
	struct mh_groups *groups;
	struct mh_choice *choice;
	struct mh_ledger *ledger;
	struct view *view;
	struct families families;
	struct mh_buf text;
};

/* "bash" by a rule, descendants too, the rest by command; processes of "bash" from 8 MiB on. */
static void line_init(struct line *l)
{
	const struct mh_ledger_config ledger = {.window_ms = {60000, 900000}, .max_groups = 100};
	struct mh_groups_config groups = {.max_groups = MAX_GROUPS, .hold_ms = 30000};
	struct mh_rules *rules;

	assert_int_equal(mh_rules_new(&groups.rules), 0);
	assert_int_equal(mh_rules_begin(groups.rules, NULL), 0);
	assert_int_equal(mh_rules_add(groups.rules, MH_SELECT_COMM, "bash", NULL), 0);
	assert_int_equal(mh_rules_end(groups.rules, NULL), 0);
	assert_int_equal(mh_groups_new(&l->groups, &groups), 0);
	assert_int_equal(mh_rules_new(&rules), 0);
	assert_int_equal(mh_rules_begin(rules, NULL), 0);
	assert_int_equal(mh_rules_add(rules, MH_SELECT_COMM, "bash", NULL), 0);
	mh_rules_min_rss(rules, 8 << 20);
	assert_int_equal(mh_rules_end_choice(rules, NULL), 0);
	assert_int_equal(mh_choice_new(&l->choice, rules), 0);
	assert_int_equal(mh_ledger_new(&l->ledger, &ledger), 0);
	assert_int_equal(view_new(&l->view, MAX_GROUPS + 2, TOP), 0);
	assert_int_equal(view_reserve(l->view, MAX_GROUPS + 2, ROOM), 0);
	families_init(&l->families, 100000);
	l->text = (struct mh_buf)MH_BUF_INIT(1 << 20);
}

static void line_done(struct line *l)
{
	mh_groups_free(l->groups);
	mh_choice_free(l->choice);
	mh_ledger_free(l->ledger);
	view_free(l->view);
	families_done(&l->families);
	mh_buf_done(&l->text);
}

/* What it took to make the page, and nothing else, is left out of it. */
static void write_page(struct line *l)
{
	struct page_counts counts = {0};
	struct spelled spelled = {.cap = 0};

	exposition_fill(&l->families, l->view, NULL, &counts);
	assert_int_equal(l->families.error, 0);
	for (uint32_t i = 0; i < l->families.n_families; i++)
		if (!strcmp(l->families.text.data + l->families.family[i].name,
			    "memhist_scrape_duration_seconds"))
			l->families.sample[l->families.family[i].first].value = 0;
	mh_buf_clear(&l->text);
	assert_int_equal(format_write(&format_text, &l->families, &spelled, &l->text, NULL, NULL),
			 0);
	spelled_done(&spelled);
}

static void take(struct line *l, const struct mh_snapshot *s, uint32_t page_bytes, uint32_t clk_tck)
{
	const struct source_item item = {
		.snapshot = s, .page_bytes = page_bytes, .clk_tck = clk_tck};
	struct view_facts facts = {.groups = l->groups, .choice = l->choice};
	const struct mh_ledger_totals *totals;

	assert_int_equal(mh_groups_update(l->groups, s), 0);
	assert_int_equal(mh_choice_update(l->choice, s), 0);
	facts.n_groups = mh_groups_list(l->groups, &facts.group);
	assert_int_equal(mh_ledger_update(l->ledger, s, facts.group, facts.n_groups), 0);
	facts.n_exits = mh_groups_exits(l->groups, &facts.exits);
	facts.groups_in_other = mh_groups_overflow(l->groups);
	facts.n_kept = mh_ledger_list(l->ledger, &facts.kept);
	totals = mh_ledger_totals(l->ledger);
	facts.totals = totals;
	view_update(l->view, &item, &facts);
	write_page(l);
}

static struct mh_writer *write_to(const char *dir)
{
	const struct mh_writer_config config = {.dir = dir,
						.interval_ms = 1000,
						.page_bytes = PAGE_BYTES,
						.clk_tck = CLK_TCK,
						.host = "test-host",
						.rotate_ms = 300000,
						.key_every = 7};
	struct mh_err err = {""};
	struct mh_writer *w;

	if (mh_writer_open(&w, &config, &err))
		fail_msg("%s", err.text);
	return w;
}

static struct mh_reader *follow(const char *dir)
{
	const struct mh_reader_options options = {
		.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX, .follow = true};
	struct mh_err err = {""};
	struct mh_reader *r;

	if (mh_reader_open(&r, dir, &options, &err))
		fail_msg("%s", err.text);
	return r;
}

/* Now and then samples are missing; where it says so, both have to believe it. */
static struct mh_snapshot next(struct world *w)
{
	static const enum mh_gap_kind kinds[] = {MH_GAP_LATE, MH_GAP_SUSPENDED, MH_GAP_STOPPED};
	const mh_ms_t before_ms = w->now.wall_ms;
	const bool is_late = !world_random(w, 40);
	struct mh_snapshot s;

	w->interval_ms = is_late ? 5000 : 1000;
	s = *world_step(w);
	w->interval_ms = 1000;
	if (is_late)
		s.gap = (struct mh_gap){kinds[world_random(w, 3)], before_ms};
	return s;
}

static void expect_same(const struct line *live, const struct line *read, int step)
{
	const char *a = live->text.data, *b = read->text.data;
	size_t at = 0;

	while (at < live->text.len && at < read->text.len && a[at] == b[at])
		at++;
	if (at == live->text.len && at == read->text.len)
		return;
	while (at && a[at - 1] != '\n')
		at--;
	fail_msg("snapshot %d: \"%.*s\" became \"%.*s\"", step, (int)strcspn(a + at, "\n"), a + at,
		 (int)strcspn(b + at, "\n"), b + at);
}

static bool has(const struct line *l, const char *word)
{
	return memmem(l->text.data, l->text.len, word, strlen(word));
}

static void both_pages_are_the_same(void **state)
{
	size_t n_windows = 0, n_quarters = 0, n_peaks = 0, n_other = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		const char *dir = temp_dir();
		struct line live, read;
		struct mh_err err = {""};
		struct mh_reader *r = NULL;
		struct mh_writer *w = write_to(dir);
		struct world world;

		world_init(&world, 40 + seed);
		world.has_marks = true;
		line_init(&live);
		line_init(&read);
		for (int step = 0; step < 1200; step++) {
			const struct mh_snapshot s = next(&world);
			const struct mh_snapshot *back;

			assert_int_equal(mh_writer_append(w, &s, &err), 0);
			take(&live, &s, PAGE_BYTES, CLK_TCK);
			if (!r)
				r = follow(dir);
			assert_int_equal(mh_reader_next(r, &back, &err), 1);
			take(&read, back, mh_reader_segment(r)->page_bytes,
			     mh_reader_segment(r)->clk_tck);
			assert_int_equal(mh_reader_next(r, &back, &err), 0);
			expect_same(&live, &read, step);
			n_windows += has(&read, "_1m_high_bytes{");
			n_quarters += has(&read, "_15m_high_bytes{");
			n_peaks += has(&read, "_exited_peak_bytes{");
			n_other += has(&read, "{group=\"other\"}");
		}
		mh_reader_close(r);
		mh_writer_close(w);
		line_done(&live);
		line_done(&read);
		world_done(&world);
		remove_dir(dir);
	}
	/* or nothing was compared */
	assert_true(n_windows > 4000 && n_quarters > 100 && n_peaks > 1000 && n_other > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_pages_are_the_same),
	};

	return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
