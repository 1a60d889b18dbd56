/* The metrics of a view, as the page of text that is written of them. */
#include "exporter/exposition.h"
#include "exporter/format.h"

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

/* Where the one process of the snapshot is, is found as always; sums are given. */
static void update(struct view *v, const struct mh_snapshot *s, const struct mh_group *groups,
		   size_t n_groups)
{
	static const uint32_t born[] = {0};
	const struct mh_groups_config config = {.max_groups = 1};
	const struct source_item item = {.snapshot = s, .page_bytes = 4096, .clk_tck = 100};
	struct view_facts facts = {.group = groups, .n_groups = n_groups};
	struct mh_snapshot first = *s;
	struct mh_groups *whose;

	first.first = true;
	first.born = born;
	first.n_born = 1;
	assert_int_equal(mh_groups_new(&whose, &config), 0);
	assert_int_equal(mh_groups_update(whose, &first), 0);
	facts.groups = whose;
	view_update(v, &item, &facts);
	mh_groups_free(whose);
}

/* The page of a view, as a string in `out`. */
static const char *page(struct mh_buf *out, const struct view *v, const struct self *self)
{
	struct spelled spelled = {.cap = 0};
	struct page_counts counts = {.written = 17};
	struct families f;

	families_init(&f, 100000);
	exposition_fill(&f, v, self, &counts);
	assert_int_equal(f.error, 0);
	mh_buf_clear(out);
	assert_int_equal(format_write(&format_text, &f, &spelled, out, NULL, NULL), 0);
	assert_int_equal(out->error, 0);
	spelled_done(&spelled);
	families_done(&f);
	return mh_buf_str(out);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("not found: %s\nin:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("should not be there: %s\nin:\n%s", part, text);
}

static void the_page_shows_what_was_measured_and_nothing_else(void **state)
{
	const struct mh_group g = group("ev\"il\\\n", 2, 3, 5);
	const struct mh_process p = process(42, "ev\"il\\\n", 3, 5);
	struct mh_meminfo meminfo = {0};
	struct mh_snapshot s = {.at = {1500, 1000000000},
				.fields = RSS_AND_VSZ,
				.process = &p,
				.n_slots = 1,
				.n_live = 1,
				.collect_us = 1500,
				.meminfo = &meminfo};
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	struct view *v;
	const char *text;

	(void)state;
	mh_meminfo_add(&meminfo, "MemTotal", 8, true, 7);
	mh_meminfo_add(&meminfo, "HugePages_Total", 15, false, 2);
	mh_meminfo_add(&meminfo, "MemTotal", 8, true, 8); /* no kernel says it twice */
	mh_meminfo_add(&meminfo, "vmstat.pswpin", 13, false, 3);
	mh_meminfo_add(&meminfo, "vmstat.pswpin", 13, false, 4);
	mh_meminfo_add(&meminfo, "vmstat.pswpout", 14, true, 5); /* not as a writer has it */
	mh_meminfo_add(&meminfo, "pressure.some_us", 16, false, 2500000);
	mh_meminfo_add(&meminfo, "vmstat.to_come", 14, false, 6);
	assert_int_equal(view_new(&v, 5, 5), 0);
	update(v, &s, &g, 1);
	text = page(&out, v, NULL);
	assert_has(text,
		   "# HELP memhist_group_resident_memory_bytes Resident set size: memory that "
		   "is in RAM, shared pages included. Sum over the group's processes.\n"
		   "# TYPE memhist_group_resident_memory_bytes gauge\n"
		   "memhist_group_resident_memory_bytes{group=\"ev\\\"il\\\\\\n\"} 12288\n");
	assert_has(text, "\nmemhist_group_virtual_memory_bytes{group=\"ev\\\"il\\\\\\n\"} 20480\n");
	assert_has(text, "\nmemhist_group_processes{group=\"ev\\\"il\\\\\\n\"} 2\n");
	assert_has(text,
		   "\nmemhist_process_resident_memory_bytes{pid=\"42\",group=\"ev\\\"il\\\\\\n\","
		   "comm=\"ev\\\"il\\\\\\n\"} 12288\n");
	assert_has(text,
		   "\nmemhist_process_start_time_seconds{pid=\"42\",group=\"ev\\\"il\\\\\\n\","
		   "comm=\"ev\\\"il\\\\\\n\"} 3\n");
	assert_has(text, "\nmemhist_meminfo_mem_total_bytes 7168\n");
	assert_lacks(text, "memhist_meminfo_mem_total_bytes 8192");
	assert_has(text, "\nmemhist_meminfo_huge_pages_total_pages 2\n");
	assert_has(text, "\n# TYPE memhist_swap_in_bytes_total counter\n"
			 "memhist_swap_in_bytes_total 12288\n");
	assert_has(text, "\nmemhist_pressure_memory_waiting_seconds_total 2.5\n");
	assert_lacks(text, "memhist_swap_out");
	assert_lacks(text, "memhist_oom_kills");
	assert_lacks(text, "to_come");
	assert_has(text, "\nmemhist_last_sample_timestamp_seconds 1.5\n");
	assert_has(text, "\nmemhist_sampler_duration_seconds 0.0015\n");
	assert_has(text, "\nmemhist_processes 1\n");
	assert_has(text, "\nmemhist_up 1\n");
	/* not measured: not there */
	assert_lacks(text, "swap_memory");
	assert_lacks(text, "memhist_history_snapshots");
	assert_lacks(text, "\nprocess_");

	s.fields = MH_FIELDS(VSZ);
	s.meminfo = NULL;
	update(v, &s, &g, 1);
	text = page(&out, v, NULL);
	assert_lacks(text, "resident");
	assert_lacks(text, "memhist_process_");
	assert_lacks(text, "memhist_meminfo");
	assert_has(text, "memhist_group_virtual_memory_bytes{");
	mh_buf_done(&out);
	view_free(v);
}

/* Each with its age; what was not read is missing, not 0. */
static void proportional_memory_says_how_old_it_is(void **state)
{
	static const char labels[] = "{pid=\"2\",group=\"\",comm=\"a\"} ";
	const struct mh_process list[] = {process(2, "a", 9, 1), process(3, "b", 8, 1)};
	const struct mh_snapshot s = {.at = {.boot_ns = 5000000000}, .process = list, .n_slots = 2};
	struct mh_pss_value pss[] = {{.id = {.pid = 2},
				      .slot = 0,
				      .has = true,
				      .read_ns = 2500000000,
				      .pss_bytes = 7168,
				      .uss_bytes = 0},
				     {.id = {.pid = 3}, .slot = 1, .has = false, .pss_bytes = 9}};
	const struct source_item item = {
		.snapshot = &s, .page_bytes = 4096, .clk_tck = 100, .pss = pss, .n_pss = 2};
	const struct view_facts facts = {.n_groups = 0};
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	struct view *v;
	const char *text;

	(void)state;
	assert_int_equal(view_new(&v, 5, 0), 0);
	view_update(v, &item, &facts);
	text = page(&out, v, NULL);
	for (int newer = 0; newer < 2; newer++) {
		char age[128];

		snprintf(age, sizeof(age), "\nmemhist_process_proportional_age_seconds%s%s\n",
			 labels, newer ? "0" : "2.5");
		assert_has(text, age);
		assert_has(text, "\nmemhist_process_unique_memory_bytes{pid=\"2\"");
		assert_has(text, "\nmemhist_process_proportional_memory_bytes{pid=\"2\"");
		assert_lacks(text, "pid=\"3\"");
		assert_lacks(text, "proportional_swap_bytes{");
		/* read a moment after the sample was taken */
		pss[0].read_ns = 5100000000;
		view_update(v, &item, &facts);
		text = page(&out, v, NULL);
	}
	mh_buf_done(&out);
	view_free(v);
}

/* Those that had exits, or have figures of windows, may be gone meanwhile: each figure is shown
 * under the name of its group, in whatever list that stands. */
static void figures_are_shown_under_the_names_of_their_groups(void **state)
{
	const struct mh_group groups[] = {group("b", 1, 1, 1), group("p", 1, 2, 1),
					  group("other", 1, 3, 1)};
	const struct mh_group_exits exits[] = {{.name = "a", .total = 11},
					       {.name = "b", .total = 12},
					       {.name = "c", .total = 13},
					       {.name = "z", .total = 14},
					       {.name = "other", .total = 15}};
	const struct mh_ledger_group kept[] = {
		{.name = "b", .page_seconds = 1, .candle = {{.open = 21, .samples = 1}}},
		{.name = "d", .page_seconds = 2, .candle = {{.open = 22, .samples = 1}}},
		{.name = "p", .page_seconds = 3, .candle = {{.samples = 0}}},
		{.name = "pa", .page_seconds = 4, .candle = {{.open = 24, .samples = 1}}},
		{.name = "other", .page_seconds = 5, .candle = {{.open = 25, .samples = 1}}}};
	const struct mh_ledger_totals totals = {.window = {{.start_ms = 1000, .samples = 1}}};
	const struct mh_snapshot s = {.fields = RSS_AND_VSZ};
	const struct source_item item = {.snapshot = &s, .page_bytes = 4096, .clk_tck = 100};
	const struct view_facts facts = {.group = groups,
					 .n_groups = 3,
					 .exits = exits,
					 .n_exits = 5,
					 .kept = kept,
					 .n_kept = 5,
					 .totals = &totals};
	static const char *const lines[] = {
		"group_resident_memory_bytes{group=\"b\"} 4096\n",
		"group_resident_memory_bytes{group=\"p\"} 8192\n",
		"group_resident_memory_bytes{group=\"other\"} 12288\n",
		"group_exits_total{group=\"a\"} 11\n",
		"group_exits_total{group=\"b\"} 12\n",
		"group_exits_total{group=\"c\"} 13\n",
		"group_exits_total{group=\"z\"} 14\n",
		"group_exits_total{group=\"other\"} 15\n",
		"group_resident_memory_byte_seconds_total{group=\"b\"} 4096\n",
		"group_resident_memory_byte_seconds_total{group=\"d\"} 8192\n",
		"group_resident_memory_byte_seconds_total{group=\"p\"} 12288\n",
		"group_resident_memory_byte_seconds_total{group=\"pa\"} 16384\n",
		"group_resident_memory_byte_seconds_total{group=\"other\"} 20480\n",
		"group_resident_memory_1m_open_bytes{group=\"b\"} 86016\n",
		"group_resident_memory_1m_open_bytes{group=\"d\"} 90112\n",
		"group_resident_memory_1m_open_bytes{group=\"pa\"} 98304\n",
		"group_resident_memory_1m_open_bytes{group=\"other\"} 102400\n",
	};
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	struct view *v;
	const char *text;

	(void)state;
	assert_int_equal(view_new(&v, 5, 0), 0);
	view_update(v, &item, &facts);
	assert_int_equal(view_reserve(v, 100, 0), 0); /* names are somewhere else after */
	text = page(&out, v, NULL);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "\nmemhist_%s", lines[i]);
		assert_has(text, line);
	}
	assert_lacks(text, "1m_open_bytes{group=\"p\"}");
	mh_buf_done(&out);
	view_free(v);
}

static void without_a_current_snapshot_only_the_exporter_is_shown(void **state)
{
	const struct self self = {.cpu_seconds = 0.25, .virtual_max_bytes = -1, .open_fds = 9};
	struct view_facts facts = {.missed = 2};
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	struct mh_err reason = {"why"};
	struct view *v;
	const char *text;

	(void)state;
	facts.source.sampler.ticks = 7;
	facts.source.sampler.failed_ticks = 3;
	facts.source.sampler.has_history = true;
	facts.source.sampler.history.snapshots = 4;
	facts.source.sampler.history.last_wall_ms = 1795206528502;
	facts.source.sampler.scan.denied = 6;
	assert_int_equal(view_new(&v, 5, 5), 0);
	view_fail(v, &reason, &facts);
	text = page(&out, v, &self);
	assert_lacks(text, "backend");
	facts.source.sampler.backend = "bpf-seq";
	facts.source.sampler.backend_reason = "bpf is \"too new\"";
	facts.source.sampler.exits_reason = "too old";
	view_fail(v, &reason, &facts);
	text = page(&out, v, &self);
	assert_has(text, "\nmemhist_collector_backend_info{backend=\"bpf-seq\","
			 "reason=\"bpf is \\\"too new\\\"\"} 1\n");
	assert_has(text, "\nmemhist_collector_exits_reported{reason=\"too old\"} 0\n");
	assert_lacks(text, "memhist_sampler_exits");
	assert_lacks(text, "memhist_group");
	assert_lacks(text, "memhist_process");
	assert_lacks(text, "memhist_last_sample");
	assert_has(text, "\nmemhist_up 0\n");
	assert_has(text, "\nmemhist_history_following 0\n");
	assert_has(text, "\nmemhist_sampler_samples_total 7\n");
	assert_has(text, "\nmemhist_sampler_failed_total 3\n");
	assert_has(text, "\nmemhist_sampler_missed_total 2\n");
	assert_has(text, "\nmemhist_sampler_errors_total{reason=\"denied\"} 6\n");
	assert_has(text, "\nmemhist_history_snapshots_written_total 4\n");
	assert_has(text, "\nmemhist_history_last_snapshot_timestamp_seconds 1795206528.502\n");
	assert_has(text, "\nprocess_cpu_seconds_total 0.25\n");
	assert_has(text, "\nprocess_open_fds 9\n");
	assert_has(text, "\nprocess_virtual_memory_max_bytes -1\n");

	facts.source.sampler.exits_reason = "";
	facts.source.sampler.scan.exits_unlisted = 77;
	view_fail(v, &reason, &facts);
	text = page(&out, v, NULL);
	assert_has(text, "\nmemhist_sampler_exits_unlisted_total 77\n");

	facts.source = (struct source_status){.following = true, .interval_ms = 2500};
	facts.source.reader.snapshots = 5;
	view_fail(v, &reason, &facts);
	text = page(&out, v, NULL);
	assert_has(text, "\nmemhist_history_following 1\n");
	assert_has(text, "\nmemhist_sampler_interval_seconds 2.5\n");
	assert_has(text, "\nmemhist_history_snapshots_read_total 5\n");
	assert_lacks(text, "memhist_sampler_samples_total");
	mh_buf_done(&out);
	view_free(v);
}

/* The value of the family called `name`, which has one sample. */
static double value_of(const struct families *f, const char *name)
{
	for (uint32_t i = 0; i < f->n_families; i++)
		if (!strcmp(f->text.data + f->family[i].name, name))
			return f->sample[f->family[i].first].value;
	fail_msg("%s is not there", name);
	return 0;
}

/* What says how the exporter does is never cut off, and the count is of all pages. */
static void a_limit_of_series_cuts_the_finest(void **state)
{
	enum { MAX = 60, PROCESSES = 20 };
	struct mh_process list[PROCESSES];
	const struct mh_group g = group("a", 1, 1, 1);
	const struct mh_snapshot s = {
		.fields = RSS_AND_VSZ, .process = list, .n_slots = PROCESSES, .n_live = PROCESSES};
	struct page_counts counts = {.written = 1};
	double dropped = 0;
	struct families f;
	struct view *v;

	(void)state;
	for (uint32_t i = 0; i < PROCESSES; i++)
		list[i] = process(i + 1, "a", 1, 1);
	assert_int_equal(view_new(&v, 5, PROCESSES), 0);
	update(v, &s, &g, 1);
	families_init(&f, MAX);
	for (int round = 1; round <= 3; round++) {
		exposition_fill(&f, v, NULL, &counts);
		assert_int_equal(f.error, 0);
		assert_int_equal(f.n_samples, MAX);
		assert_true(f.n_dropped > 0);
		assert_true(value_of(&f, "memhist_up") == 1);
		assert_true(value_of(&f, "memhist_group_processes") == 1);
		dropped += f.n_dropped;
		assert_true(value_of(&f, "memhist_series_dropped_total") == dropped);
	}
	families_done(&f);
	view_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_shows_what_was_measured_and_nothing_else),
		cmocka_unit_test(proportional_memory_says_how_old_it_is),
		cmocka_unit_test(figures_are_shown_under_the_names_of_their_groups),
		cmocka_unit_test(without_a_current_snapshot_only_the_exporter_is_shown),
		cmocka_unit_test(a_limit_of_series_cuts_the_finest),
	};

	return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
