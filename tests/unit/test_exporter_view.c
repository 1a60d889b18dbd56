/* What scrapers see: the copy of a snapshot. */
#include "exporter/view.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const mh_fields_t RSS_AND_VSZ = MH_FIELDS(RSS) | MH_FIELDS(VSZ);

/* A snapshot of processes given by hand. */
static struct mh_process process(uint32_t pid, const char *comm, uint64_t rss, uint64_t vsz)
{
	struct mh_process p = {.id = {.pid = pid, .start_ticks = 250},
			       .comm_len = (uint32_t)strlen(comm)};

	memcpy(p.comm, comm, p.comm_len);
	p.value[MH_FIELD_RSS] = rss;
	p.value[MH_FIELD_VSZ] = vsz;
	p.value[MH_FIELD_SWAP] = 99;
	return p;
}

static struct mh_group group(const char *name, uint32_t n, uint64_t rss, uint64_t vsz)
{
	struct mh_group g = {.name = name, .name_len = (uint32_t)strlen(name), .n_processes = n};

	g.value[MH_FIELD_RSS] = rss;
	g.value[MH_FIELD_VSZ] = vsz;
	g.value[MH_FIELD_SWAP] = 99;
	return g;
}

/* Where processes are, or NULL. */
static const struct mh_groups *whose;

static void update(struct view *v, const struct mh_snapshot *s, const struct mh_group *groups,
		   size_t n_groups)
{
	const struct source_item item = {.snapshot = s, .page_bytes = 4096, .clk_tck = 100};
	const struct view_facts facts = {.group = groups, .n_groups = n_groups, .groups = whose};

	view_update(v, &item, &facts);
}

static int by_rss(const void *a, const void *b)
{
	const struct mh_process *x = *(const struct mh_process *const *)a;
	const struct mh_process *y = *(const struct mh_process *const *)b;

	if (x->value[MH_FIELD_RSS] != y->value[MH_FIELD_RSS])
		return x->value[MH_FIELD_RSS] < y->value[MH_FIELD_RSS] ? 1 : -1;
	return x->id.pid < y->id.pid ? -1 : 1;
}

/* Against sorting everybody, for list lengths around the number of processes. */
static void the_largest_processes_are_those_a_sort_puts_first(void **state)
{
	static const size_t tops[] = {0, 1, 2, 7, 20, 1000};

	(void)state;
	for (size_t t = 0; t < sizeof(tops) / sizeof(tops[0]); t++) {
		struct world w;
		struct view *v;

		world_init(&w, 7 + t);
		assert_int_equal(view_new(&v, 10, tops[t]), 0);
		for (int step = 0; step < 200; step++) {
			const struct mh_snapshot *s = world_step(&w);
			const struct mh_process *all[64];
			size_t n = 0;

			mh_snapshot_for_each (s, slot) {
				all[n++] = &s->process[slot];
			}
			qsort(all, n, sizeof(all[0]), by_rss);
			update(v, s, NULL, 0);
			assert_int_equal(v->n_processes, n < tops[t] ? n : tops[t]);
			for (size_t i = 0; i < v->n_processes; i++) {
				assert_int_equal(v->process[i].pid, all[i]->id.pid);
				assert_int_equal(v->process[i].shown[MH_FIELD_RSS],
						 all[i]->value[MH_FIELD_RSS] * 4096);
			}
		}
		view_free(v);
		world_done(&w);
	}
}

static void processes_are_shown_with_their_group(void **state)
{
	static const uint32_t born[] = {0, 1, 2, 3, 4};
	const struct mh_process list[] = {process(3, "a\xff", 9, 1), process(2, "b", 8, 1),
					  process(5, "elsewhere", 7, 1), process(4, "", 6, 1),
					  process(6, "other", 5, 1)};
	const struct mh_snapshot s = {.fields = RSS_AND_VSZ,
				      .first = true,
				      .process = list,
				      .n_slots = 5,
				      .n_live = 5,
				      .born = born,
				      .n_born = 5};
	static const char *const expected[] = {"a\xef\xbf\xbd", "b", "elsewhere", "other", "other"};
	const struct mh_groups_config config = {.max_groups = 3};
	const struct mh_group *group;
	struct mh_groups *groups;
	struct view *v;
	size_t n;

	(void)state;
	assert_int_equal(view_new(&v, 10, 10), 0);
	assert_int_equal(mh_groups_new(&groups, &config), 0);
	assert_int_equal(mh_groups_update(groups, &s), 0);
	n = mh_groups_list(groups, &group);
	whose = groups;
	update(v, &s, group, n);
	whose = NULL;
	assert_int_equal(v->n_groups, 4);
	assert_string_equal(v->group[0].name, "a\xef\xbf\xbd");
	assert_int_equal(v->group[0].n_processes, 1);
	assert_int_equal(v->group[0].shown[MH_FIELD_RSS], 9 * 4096);
	assert_int_equal(v->group[0].shown[MH_FIELD_VSZ], 1 * 4096);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(v->process[i].group, expected[i]);
	assert_string_equal(v->process[0].comm, "a\xef\xbf\xbd");
	assert_string_equal(v->process[2].comm, "elsewhere");
	assert_string_equal(v->process[3].comm, "(unnamed)");
	update(v, &s, group, n); /* whom nobody counts */
	assert_string_equal(v->process[0].group, "");
	mh_groups_free(groups);
	view_free(v);
}

/* The choice of who is called so. */
static struct mh_choice *choose(const char *comm)
{
	struct mh_choice *choice;
	struct mh_rules *rules;

	assert_int_equal(mh_rules_new(&rules), 0);
	assert_int_equal(mh_rules_begin(rules, NULL), 0);
	assert_int_equal(mh_rules_add(rules, MH_SELECT_COMM, comm, NULL), 0);
	assert_int_equal(mh_rules_end_choice(rules, NULL), 0);
	assert_int_equal(mh_choice_new(&choice, rules), 0);
	return choice;
}

/* The chosen ones besides the largest, each once, all in order, as many as there is room for. */
static void chosen_processes_are_shown_besides_the_largest(void **state)
{
	static const size_t tops[] = {0, 1, 2, 7, 20, 64};
	size_t left_out = 0, besides = 0;

	(void)state;
	for (size_t t = 0; t < sizeof(tops) / sizeof(tops[0]); t++) {
		enum { ROOM = 3 };
		struct mh_choice *choice = choose("bash");
		struct view_facts facts = {.choice = choice};
		struct world w;
		struct view *v;

		world_init(&w, 70 + t);
		assert_int_equal(view_new(&v, 10, tops[t]), 0);
		assert_int_equal(view_reserve(v, 10, ROOM), 0);
		for (int step = 0; step < 200; step++) {
			const struct mh_snapshot *s = world_step(&w);
			const struct source_item item = {
				.snapshot = s, .page_bytes = 4096, .clk_tck = 100};
			const uint64_t left_out_before = v->chosen_left_out;
			const struct mh_process *all[64];
			size_t n = 0, k = 0, n_chosen = 0;

			mh_snapshot_for_each (s, slot) {
				all[n++] = &s->process[slot];
			}
			qsort(all, n, sizeof(all[0]), by_rss);
			assert_int_equal(mh_choice_update(choice, s), 0);
			view_update(v, &item, &facts);
			for (size_t i = 0; i < n; i++) {
				bool is_chosen = all[i]->comm_len == 4 &&
						 !memcmp(all[i]->comm, "bash", 4);

				n_chosen += is_chosen;
				if (i >= tops[t] && (!is_chosen || n_chosen > ROOM))
					continue;
				besides += i >= tops[t];
				assert_true(k < v->n_processes);
				assert_int_equal(v->process[k++].pid, all[i]->id.pid);
			}
			assert_int_equal(k, v->n_processes);
			k = n_chosen > ROOM ? n_chosen - ROOM : 0;
			assert_int_equal(v->chosen_left_out - left_out_before, k);
			left_out += k;
		}
		view_free(v);
		mh_choice_free(choice);
		world_done(&w);
	}
	assert_true(besides > 100 && left_out > 100); /* or nothing was looked at */
}

static void there_can_be_room_for_more_groups(void **state)
{
	const struct mh_group groups[] = {group("a", 1, 1, 1), group("b", 1, 1, 1)};
	const struct mh_snapshot s = {.fields = RSS_AND_VSZ};
	struct view *v;

	(void)state;
	assert_int_equal(view_new(&v, 1, 0), 0);
	update(v, &s, groups, 2);
	assert_int_equal(view_reserve(v, 2, 0), 0);
	assert_int_equal(view_reserve(v, 1, 0), 0); /* there is more */
	update(v, &s, groups, 2);
	assert_int_equal(v->n_groups, 2);
	assert_string_equal(v->group[1].name, "b");
	view_free(v);
}

static void the_configuration_is_noted(void **state)
{
	struct view *v;
	uint64_t serial;

	(void)state;
	assert_int_equal(view_new(&v, 1, 0), 0);
	view_note_config(v, true, 1000);
	assert_true(v->is_config_good);
	assert_true(v->config_ms == 1000);
	serial = v->serial;
	view_note_config(v, false, 2000);
	assert_false(v->is_config_good);
	assert_true(v->config_ms == 1000); /* it is still the one in force */
	assert_true(v->serial > serial);
	view_free(v);
}

static void the_longest_name_of_the_worst_bytes_fits(void **state)
{
	char worst[MH_COMM_MAX + 1];
	struct mh_process p;
	struct mh_snapshot s = {.fields = RSS_AND_VSZ, .process = &p, .n_slots = 1, .n_live = 1};
	struct view *v;

	(void)state;
	memset(worst, 0xff, MH_COMM_MAX);
	worst[MH_COMM_MAX] = '\0';
	p = process(1, worst, 1, 1);
	assert_int_equal(view_new(&v, 1, 1), 0);
	update(v, &s, NULL, 0);
	assert_int_equal(strlen(v->process[0].comm), VIEW_NAME_BYTES - 1);
	view_free(v);
}

static void more_groups_than_places_are_left_out(void **state)
{
	const struct mh_group groups[] = {group("a", 1, 1, 1), group("b", 1, 1, 1)};
	const struct mh_snapshot s = {.fields = RSS_AND_VSZ};
	struct view *v;

	(void)state;
	assert_int_equal(view_new(&v, 1, 0), 0);
	update(v, &s, groups, 2);
	assert_int_equal(v->n_groups, 1);
	view_free(v);
}

static void start_times_do_not_jitter_but_follow_a_set_clock(void **state)
{
	const struct mh_process p = process(1, "init", 1, 1);
	struct mh_snapshot s = {.fields = RSS_AND_VSZ, .process = &p, .n_slots = 1, .n_live = 1};
	struct view *v;

	(void)state;
	assert_int_equal(view_new(&v, 1, 1), 0);
	s.at = (struct mh_instant){1000000000000, 5000000000};
	update(v, &s, NULL, 0);
	assert_true(v->process[0].start_ms == 1000000000000 - 5000 + 2500);
	s.at = (struct mh_instant){1000000001003, 6000000000}; /* 3 ms of jitter */
	update(v, &s, NULL, 0);
	assert_true(v->process[0].start_ms == 1000000000000 - 5000 + 2500);
	s.at = (struct mh_instant){1000000062000, 7000000000}; /* the clock was set: + 60 s */
	update(v, &s, NULL, 0);
	assert_true(v->process[0].start_ms == 1000000000000 + 55000 + 2500);
	view_free(v);
}

static void each_change_raises_the_serial(void **state)
{
	const struct mh_snapshot s = {.fields = RSS_AND_VSZ};
	const struct view_facts facts = {.missed = 3};
	struct mh_err reason;
	struct view *v;

	(void)state;
	assert_int_equal(view_new(&v, 1, 1), 0);
	assert_false(v->up);
	assert_string_equal(v->reason.text, "no sample was taken yet");
	update(v, &s, NULL, 0);
	assert_int_equal(v->serial, 1);
	assert_true(v->up);
	mh_errf(&reason, 0, "gone");
	view_fail(v, &reason, &facts);
	assert_int_equal(v->serial, 2);
	assert_false(v->up);
	assert_string_equal(v->reason.text, "gone");
	assert_int_equal(v->missed, 3);
	view_free(v);
}

static void what_was_not_updated_for_long_is_not_current(void **state)
{
	const uint64_t second = 1000000000;
	const struct mh_snapshot s = {.fields = RSS_AND_VSZ};
	const struct source_item item = {.snapshot = &s, .page_bytes = 4096, .clk_tck = 100};
	const struct view_facts facts = {.now_ns = 100 * second,
					 .source = {.stale_after_ms = 3000}};
	struct view *v;

	(void)state;
	assert_int_equal(view_new(&v, 1, 1), 0);
	assert_false(view_expire(v, 500 * second)); /* never was current */
	view_update(v, &item, &facts);
	assert_false(view_expire(v, 99 * second)); /* a clock read before the update */
	assert_false(view_expire(v, 108 * second));
	assert_true(v->up);
	assert_true(view_expire(v, 108 * second + 1));
	assert_false(v->up);
	assert_int_equal(v->serial, 2);
	assert_string_equal(v->reason.text, "no sample for more than 8 s: sampling hangs");
	assert_false(view_expire(v, 109 * second)); /* known already */
	view_update(v, &item, &facts);
	assert_true(v->up);
	view_free(v);
}

static void meminfo_keys_become_metric_names(void **state)
{
	static const struct {
		const char *key;
		bool is_kib;
		const char *name;
	} cases[] = {
		{"MemAvailable", true, "memhist_meminfo_mem_available_bytes"},
		{"Active(anon)", true, "memhist_meminfo_active_anon_bytes"},
		{"SReclaimable", true, "memhist_meminfo_sreclaimable_bytes"},
		{"SecPageTables", true, "memhist_meminfo_secpage_tables_bytes"},
		{"Slab", true, "memhist_meminfo_slab_bytes"},
		{"DirectMap2M", true, "memhist_meminfo_direct_map2m_bytes"},
		{"HugePages_Total", false, "memhist_meminfo_huge_pages_total_pages"},
		{"aAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAaAa", true,
		 "memhist_meminfo_a_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_aa_"
		 "bytes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mh_meminfo m = {0};
		char name[MH_MEMINFO_METRIC_MAX];

		assert_int_equal(
			mh_meminfo_add(&m, cases[i].key, strlen(cases[i].key), cases[i].is_kib, 1),
			0);
		mh_meminfo_metric(name, &m.line[0]);
		assert_string_equal(name, cases[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_processes_are_those_a_sort_puts_first),
		cmocka_unit_test(processes_are_shown_with_their_group),
		cmocka_unit_test(chosen_processes_are_shown_besides_the_largest),
		cmocka_unit_test(there_can_be_room_for_more_groups),
		cmocka_unit_test(the_configuration_is_noted),
		cmocka_unit_test(the_longest_name_of_the_worst_bytes_fits),
		cmocka_unit_test(more_groups_than_places_are_left_out),
		cmocka_unit_test(start_times_do_not_jitter_but_follow_a_set_clock),
		cmocka_unit_test(each_change_raises_the_serial),
		cmocka_unit_test(what_was_not_updated_for_long_is_not_current),
		cmocka_unit_test(meminfo_keys_become_metric_names),
	};

	return cmocka_run_group_tests_name("exporter_view", tests, NULL, NULL);
}
