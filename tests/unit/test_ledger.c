/* What is kept of groups: windows and memory over time, by hand and against a plain reference. */
#include "libmemhist/view/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MINUTE = 60000, BEGIN_S = 1000000020 }; /* a minute of UTC begins there */

/* Groups of a snapshot: sorted names with their RSS and mark in pages; NULL ends. */
struct given {
	const char *name;
	uint64_t rss, mark;
};

struct rig {
	struct mh_ledger *ledger;
	struct mh_snapshot s;
};

static void rig_init(struct rig *r, mh_ms_t first_ms, mh_ms_t second_ms, uint32_t max_groups)
{
	const struct mh_ledger_config config = {.window_ms = {first_ms, second_ms},
						.utc = true,
						.hold_ms = 50000,
						.max_groups = max_groups};

	*r = (struct rig){.s = {.fields = MH_FIELDS(RSS) | MH_FIELDS(HWM), .first = true}};
	assert_int_equal(mh_ledger_new(&r->ledger, &config), 0);
}

static void rig_done(struct rig *r)
{
	mh_ledger_free(r->ledger);
}

/* At second `at` after BEGIN_S, by both clocks. */
static void update(struct rig *r, double at, const struct given *given)
{
	struct mh_group group[8];
	size_t n = 0;

	r->s.at.wall_ms = (mh_ms_t)((BEGIN_S + at) * 1e3);
	r->s.at.boot_ns = (mh_boot_ns_t)(at * 1e9) + 7;
	for (; given[n].name; n++)
		group[n] = (struct mh_group){
			.name = given[n].name,
			.name_len = (uint32_t)strlen(given[n].name),
			.n_processes = 1,
			.value = {[MH_FIELD_RSS] = given[n].rss, [MH_FIELD_HWM] = given[n].mark},
		};
	assert_int_equal(mh_ledger_update(r->ledger, &r->s, group, n), 0);
	r->s.first = false;
	r->s.gap.kind = MH_GAP_NONE;
	r->s.n_renamed = 0;
}

#define UPDATE(r, at, ...) update(r, at, (const struct given[]){__VA_ARGS__, {NULL, 0, 0}})

static const struct mh_ledger_group *find(const struct rig *r, const char *name)
{
	const struct mh_ledger_group *group;
	size_t n = mh_ledger_list(r->ledger, &group);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(group[i].name, name))
			return &group[i];
	return NULL;
}

static void assert_candle(const struct rig *r, const char *name, uint64_t open, uint64_t high,
			  uint64_t low, uint64_t close, uint32_t samples)
{
	const struct mh_ledger_group *group = find(r, name);

	assert_non_null(group);
	assert_int_equal(group->candle[0].samples, samples);
	assert_int_equal(group->candle[0].open, open);
	assert_int_equal(group->candle[0].high, high);
	assert_int_equal(group->candle[0].low, low);
	assert_int_equal(group->candle[0].close, close);
}

static void a_window_is_shown_when_it_is_complete(void **state)
{
	const struct mh_ledger_window *window;
	struct rig r;

	(void)state;
	rig_init(&r, MINUTE, 15 * MINUTE, 10);
	window = mh_ledger_totals(r.ledger)->window;
	UPDATE(&r, 10, {"a", 50, 0}, {"b", 7, 0});
	UPDATE(&r, 20, {"a", 90, 0}, {"b", 7, 0});
	UPDATE(&r, 30, {"a", 20, 0});
	UPDATE(&r, 59.9, {"a", 60, 0});
	assert_int_equal(find(&r, "a")->candle[0].samples, 0);
	assert_int_equal(window[0].end_ms, 0);

	UPDATE(&r, 60, {"a", 1000, 0}); /* the next minute has begun */
	assert_candle(&r, "a", 50, 90, 20, 60, 4);
	assert_candle(&r, "b", 7, 7, 7, 7, 2); /* although it is gone */
	assert_true(window[0].start_ms == BEGIN_S * INT64_C(1000));
	assert_true(window[0].end_ms == BEGIN_S * INT64_C(1000) + MINUTE);
	assert_true(find(&r, "a")->candle[0].start_ms == window[0].start_ms);
	assert_int_equal(window[0].samples, 4);
	assert_int_equal(window[1].end_ms, 0); /* fifteen have not */

	UPDATE(&r, 61, {"a", 1, 0});
	assert_candle(&r, "a", 50, 90, 20, 60, 4);
	UPDATE(&r, 120, {"a", 5, 0});
	assert_candle(&r, "a", 1000, 1000, 1, 1, 2);
	assert_null(find(&r, "b")); /* gone for longer than it is held */
	rig_done(&r);
}

static void windows_of_both_lengths_are_kept(void **state)
{
	uint64_t high = 0, low = UINT64_MAX;
	struct rig r;

	(void)state;
	rig_init(&r, MINUTE, 2 * MINUTE, 10);
	for (int i = 0; i < 130; i++) {
		uint64_t pages = 100 + (uint64_t)i * 7919 % 997;

		if (i < 120) {
			high = pages > high ? pages : high;
			low = pages < low ? pages : low;
		}
		UPDATE(&r, i + 60, {"a", pages, 0}); /* an even minute begins at 60 */
	}
	assert_int_equal(find(&r, "a")->candle[1].samples, 120);
	assert_int_equal(find(&r, "a")->candle[1].high, high);
	assert_int_equal(find(&r, "a")->candle[1].low, low);
	assert_int_equal(find(&r, "a")->candle[0].samples, 60);
	rig_done(&r);
}

/* After a gap, what was before it is shown until another window is complete. */
static void gaps_are_not_filled(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, MINUTE, 0, 10);
	UPDATE(&r, 10, {"a", 100, 0});
	UPDATE(&r, 12, {"a", 300, 0});
	r.s.gap.kind = MH_GAP_SUSPENDED;
	UPDATE(&r, 7212, {"a", 5, 0});
	assert_candle(&r, "a", 100, 300, 100, 300, 2);
	assert_int_equal(mh_ledger_totals(r.ledger)->window[0].samples, 2);
	assert_true(find(&r, "a")->page_seconds == 200); /* of the two hours nothing is known */
	assert_true(mh_ledger_totals(r.ledger)->seconds == 2);
	UPDATE(&r, 7213, {"a", 5, 0});
	assert_true(find(&r, "a")->page_seconds == 205);
	assert_true(mh_ledger_totals(r.ledger)->seconds == 3);
	rig_done(&r);
}

static void memory_over_time_is_what_was_until_now(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 0, 0, 10);
	UPDATE(&r, 0, {"a", 100, 0});
	UPDATE(&r, 1, {"a", 10, 0}, {"b", 3, 0});
	UPDATE(&r, 1.5, {"b", 4, 0});            /* a had 10 until it ended */
	UPDATE(&r, 4, {"a", 1, 0}, {"b", 4, 0}); /* and nothing until it came again */
	UPDATE(&r, 5, {"a", 1, 0}, {"b", 4, 0});
	assert_true(find(&r, "a")->page_seconds == 100 + 5 + 1);
	assert_true(find(&r, "b")->page_seconds == 1.5 + 10 + 4);
	assert_true(mh_ledger_totals(r.ledger)->seconds == 5);
	r.s.gap.kind = MH_GAP_CLOCK_STEP; /* perhaps something is missing */
	UPDATE(&r, 6, {"a", 1, 0});
	assert_true(mh_ledger_totals(r.ledger)->seconds == 5);
	rig_done(&r);
}

/* A mark that moved is a high that no sample saw. */
static void marks_that_move_raise_the_high(void **state)
{
	static const struct {
		enum mh_gap_kind gap;
		bool lags, renamed, unknown, regrouped;
		uint64_t high;
	} cases[] = {
		{.high = 900},
		{.gap = MH_GAP_LATE, .high = 12},
		{.lags = true, .high = 12},
		{.renamed = true, .high = 12},
		{.unknown = true, .high = 12},
		{.regrouped = true, .high = 12},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig r;

		rig_init(&r, MINUTE, 0, 10);
		UPDATE(&r, 10, {"a", 10, 500}); /* of a time that nobody knows */
		UPDATE(&r, 11, {"a", 11, 500}, {"other", 1, 10});
		if (cases[i].regrouped)
			mh_ledger_regroup(r.ledger, 10);
		r.s.gap.kind = cases[i].gap;
		r.s.lagging = cases[i].lags ? MH_FIELDS(HWM) : 0;
		r.s.n_renamed = cases[i].renamed;
		if (cases[i].unknown)
			r.s.fields = MH_FIELDS(RSS);
		UPDATE(&r, 12, {"a", 12, 900}, {"new", 3, 800}, {"other", 1, 20});
		r.s.fields = MH_FIELDS(RSS) | MH_FIELDS(HWM);
		r.s.lagging = 0;
		UPDATE(&r, 13, {"a", 11, 700}, {"new", 3, 800}); /* whoever had 900 ended */
		UPDATE(&r, 60, {"a", 11, 700}, {"new", 3, 800});
		assert_candle(&r, "a", 10, cases[i].high, 10, 11, 4);
		assert_candle(&r, "new", 3, 3, 3, 3, 2);
		assert_candle(&r, "other", 1, 1, 1, 1, 2);
		rig_done(&r);
	}
}

static void the_clock_may_be_set_back(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, MINUTE, 0, 10);
	UPDATE(&r, 100, {"a", 10, 0});
	r.s.gap.kind = MH_GAP_CLOCK_STEP;
	UPDATE(&r, 10, {"a", 20, 0});
	assert_candle(&r, "a", 10, 10, 10, 10, 1);
	UPDATE(&r, 59, {"a", 30, 0});
	UPDATE(&r, 60, {"a", 40, 0});
	assert_candle(&r, "a", 20, 30, 20, 30, 2);
	rig_done(&r);
}

static void names_stay_in_order_with_other_at_the_end(void **state)
{
	const struct mh_ledger_group *list;
	static const char *const expected[] = {"a", "b", "p", "x", "z", "other"};
	struct rig r;

	(void)state;
	rig_init(&r, MINUTE, 0, 10);
	UPDATE(&r, 1, {"p", 1, 0}, {"other", 1, 0});
	UPDATE(&r, 2, {"b", 1, 0}, {"z", 1, 0}, {"other", 1, 0});
	UPDATE(&r, 3, {"a", 1, 0}, {"x", 1, 0}, {"z", 1, 0});
	assert_int_equal(mh_ledger_list(r.ledger, &list), 6);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(list[i].name, expected[i]);
	rig_done(&r);
}

static void those_that_are_gone_make_room(void **state)
{
	const struct mh_ledger_group *list;
	struct rig r;

	(void)state;
	rig_init(&r, MINUTE, 0, 3);
	UPDATE(&r, 1, {"a", 1, 0}, {"b", 1, 0});
	UPDATE(&r, 2, {"c", 1, 0});
	assert_int_equal(mh_ledger_list(r.ledger, &list), 3);
	UPDATE(&r, 3, {"b", 1, 0}, {"d", 1, 0});
	assert_int_equal(mh_ledger_list(r.ledger, &list), 2);
	assert_true(find(&r, "b")->page_seconds == 1); /* remembered from the first second */
	UPDATE(&r, 4, {"a", 1, 0}, {"b", 1, 0}, {"c", 1, 0}, {"d", 1, 0});
	assert_int_equal(mh_ledger_list(r.ledger, &list), 3);
	rig_done(&r);
}

/* Many names that come and go: each sum is that of a table that is searched from end to end. */
static void a_random_life_equals_the_reference(void **state)
{
	enum { NAMES = 26, STEPS = 5000 };
	double expected[NAMES] = {0};
	uint64_t before[NAMES] = {0};
	uint32_t random = 3;
	struct rig r;

	(void)state;
	rig_init(&r, MINUTE, 15 * MINUTE, 1000);
	mh_ledger_free(r.ledger);
	assert_int_equal(mh_ledger_new(&r.ledger, &(struct mh_ledger_config){.window_ms = {MINUTE},
									     .max_groups = 1000}),
			 0);
	for (int step = 0; step < STEPS; step++) {
		struct given given[9] = {{NULL, 0, 0}};
		char name[NAMES][2];
		size_t n = 0;

		for (int i = 0; i < NAMES; i++) {
			uint64_t pages = 0;

			random = random * 1664525 + 1013904223;
			expected[i] += (double)before[i];
			if (n < 8 && (random >> 16) % 4 == 0) {
				pages = (random >> 20) + 1;
				name[i][0] = (char)('a' + i);
				name[i][1] = '\0';
				given[n++] = (struct given){name[i], pages, 0};
			}
			before[i] = pages;
		}
		update(&r, step, given);
		for (int i = 0; i < NAMES; i++) {
			const struct mh_ledger_group *g = find(
				&r, (const char[]){(char)('a' + i), '\0'});

			if (g)
				assert_true(g->page_seconds == expected[i]);
			else
				assert_true(!expected[i] && !before[i]);
		}
	}
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_is_shown_when_it_is_complete),
		cmocka_unit_test(windows_of_both_lengths_are_kept),
		cmocka_unit_test(gaps_are_not_filled),
		cmocka_unit_test(memory_over_time_is_what_was_until_now),
		cmocka_unit_test(marks_that_move_raise_the_high),
		cmocka_unit_test(the_clock_may_be_set_back),
		cmocka_unit_test(names_stay_in_order_with_other_at_the_end),
		cmocka_unit_test(those_that_are_gone_make_room),
		cmocka_unit_test(a_random_life_equals_the_reference),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
