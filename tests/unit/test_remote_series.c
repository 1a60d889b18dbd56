/* What is sent of a snapshot: who is chosen, what it is called, when it ends. */
#include "exporter/remote/series.h"
#include "libmemhist/model/counter.h"
#include "libmemhist/model/table.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PAGE = 4096 };
static const mh_ms_t BOOT = 1795000000000;

/* A table that a test fills by hand, one snapshot a second. */
struct stage {
	struct mh_table *table;
	struct mh_instant now;
	struct mh_meminfo meminfo;
	bool has_meminfo;
	mh_fields_t fields;
	struct remote_pool pool;
	struct remote_maker *maker;
	struct mh_buf text; /* of the last step: a line for each item */
};

static void stage_begin(struct stage *s, struct remote_series_config config)
{
	*s = (struct stage){
		.now = {.wall_ms = BOOT + 50000, .boot_ns = UINT64_C(50000000000)},
		.fields = MH_FIELDS(RSS) | MH_FIELDS(VSZ) | MH_FIELDS(HWM),
		.text = MH_BUF_INIT(1 << 20),
	};
	assert_int_equal(mh_table_new(&s->table, 0), 0);
	assert_int_equal(remote_maker_new(&s->maker, &s->pool, &config), 0);
	mh_table_begin(s->table, s->now);
}

static void stage_end(struct stage *s)
{
	remote_maker_free(s->maker);
	assert_int_equal(s->pool.n_series, 0);
	assert_int_equal(s->pool.strings.n_items, s->pool.strings.n_unused);
	remote_pool_done(&s->pool);
	mh_table_free(s->table);
	mh_buf_done(&s->text);
}

/* Somebody is there with so many pages; who was not there is born. */
static void be(struct stage *s, uint32_t pid, const char *comm, uint64_t pages)
{
	const struct mh_identity id = {.pid = pid, .start_ticks = 100 * (uint64_t)pid};
	const struct mh_names names = {.comm = comm, .comm_len = strlen(comm)};
	const uint64_t value[MH_FIELD_COUNT] = {
		[MH_FIELD_RSS] = pages, [MH_FIELD_VSZ] = 10 * pages, [MH_FIELD_HWM] = pages + 1};
	struct mh_process *p = mh_table_find(s->table, pid);

	if (!p)
		assert_int_equal(mh_table_add(s->table, &id, &p), 0);
	mh_table_set(s->table, p, value);
	assert_true(mh_table_rename(s->table, p, &names) >= 0);
}

static void end(struct stage *s, uint32_t pid)
{
	mh_table_remove(s->table, mh_table_find(s->table, pid));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "rss pid=1,comm=a 4096" or "… stale": in the order of the text. */
static void spell(struct mh_buf *out, const struct remote_item *item)
{
	const struct remote_series *series = item->series;

	mh_buf_adds(out, series->family->name->bytes + strlen("memhist_"));
	for (uint32_t i = 0; i < series->n_labels; i++)
		if (strcmp(series->label[2 * i]->bytes, "__name__") != 0)
			mh_buf_printf(out, " %s=%s", series->label[2 * i]->bytes,
				      series->label[2 * i + 1]->bytes);
	if (remote_is_stale(item->value))
		mh_buf_adds(out, " stale\n");
	else
		mh_buf_printf(out, " %.17g\n", item->value);
}

/* The snapshot is over: what is sent of it, as sorted lines. */
static const char *step_as(struct stage *s, bool is_silent)
{
	const struct mh_round round = {.fields = s->fields,
				       .meminfo = s->has_meminfo ? &s->meminfo : NULL};
	struct remote_taking how = {
		.snapshot = mh_table_end(s->table, &round),
		.page_bytes = PAGE,
		.clk_tck = 100,
		.boot_ms = BOOT,
		.ms = s->now.wall_ms,
		.is_silent = is_silent,
	};
	const struct remote_item *item;
	char *line[200];
	size_t n;

	assert_int_equal(remote_maker_take(s->maker, &how), 0);
	item = remote_maker_items(s->maker, &n);
	assert_true(n < 200);
	for (size_t i = 0; i < n; i++) {
		mh_buf_clear(&s->text);
		assert_int_equal(item[i].ms, s->now.wall_ms);
		spell(&s->text, &item[i]);
		line[i] = strdup(mh_buf_str(&s->text));
	}
	if (n)
		qsort(line, n, sizeof(*line), by_text);
	mh_buf_clear(&s->text);
	for (size_t i = 0; i < n; i++) {
		mh_buf_adds(&s->text, line[i]);
		free(line[i]);
	}
	remote_maker_remove(s->maker, n);
	s->now.wall_ms += 1000;
	s->now.boot_ns += 1000000000;
	mh_table_begin(s->table, s->now);
	return mh_buf_str(&s->text);
}

static const char *step(struct stage *s)
{
	return step_as(s, false);
}

static void is(const char *was, const char *expected)
{
	assert_string_equal(was, expected);
}

static void a_process_has_its_series(void **state)
{
	const struct label label[] = {{"job", "memhist"}, {"instance", "h"}, {"pid", "no"}};
	struct stage s;

	(void)state;
	stage_begin(&s, (struct remote_series_config){
				.top = REMOTE_TOP_ALL, .label = label, .n_labels = 3});
	be(&s, 7, "a\xff", 2);
	is(step(&s),
	   "process_resident_memory_bytes comm=a\xef\xbf\xbd instance=h job=memhist pid=7 "
	   "start=1795000007000 8192\n"
	   "process_virtual_memory_bytes comm=a\xef\xbf\xbd instance=h job=memhist pid=7 "
	   "start=1795000007000 81920\n"
	   "processes instance=h job=memhist pid=no 1\n");
	stage_end(&s);
}

static void a_new_name_is_another_series(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, (struct remote_series_config){.top = 5, .process_fields = MH_FIELDS(RSS)});
	be(&s, 1, "sh", 1);
	step(&s);
	be(&s, 1, "ls", 1);
	is(step(&s), "process_resident_memory_bytes comm=ls pid=1 start=1795000001000 4096\n"
		     "process_resident_memory_bytes comm=sh pid=1 start=1795000001000 stale\n"
		     "processes 1\n");
	be(&s, 1, "sh", 1);
	is(step(&s), "process_resident_memory_bytes comm=ls pid=1 start=1795000001000 stale\n"
		     "process_resident_memory_bytes comm=sh pid=1 start=1795000001000 4096\n"
		     "processes 1\n");
	end(&s, 1);
	is(step(&s), "process_resident_memory_bytes comm=sh pid=1 start=1795000001000 stale\n"
		     "processes 0\n");
	is(step(&s), "processes 0\n");
	stage_end(&s);
}

/* A field that is not measured any more ends, and comes back. */
static void a_field_that_is_not_measured_ends(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, (struct remote_series_config){.top = 5});
	be(&s, 1, "a", 1);
	step(&s);
	s.fields = MH_FIELDS(VSZ) | MH_FIELDS(RSS);
	step(&s);
	s.fields = MH_FIELDS(RSS);
	is(step(&s), "process_resident_memory_bytes comm=a pid=1 start=1795000001000 4096\n"
		     "process_virtual_memory_bytes comm=a pid=1 start=1795000001000 stale\n"
		     "processes 1\n");
	s.fields = MH_FIELDS(RSS) | MH_FIELDS(VSZ);
	is(step(&s), "process_resident_memory_bytes comm=a pid=1 start=1795000001000 4096\n"
		     "process_virtual_memory_bytes comm=a pid=1 start=1795000001000 40960\n"
		     "processes 1\n");
	stage_end(&s);
}

static void only_process(struct stage *s, const char *expected)
{
	char *text = strdup(step(s)), *line, *rest = text;
	struct mh_buf pids = MH_BUF_INIT(4096);

	while ((line = strsep(&rest, "\n")) && *line) {
		const char *pid = strstr(line, "pid=");

		if (pid)
			mh_buf_printf(&pids, "%d%s ", (int)strtol(pid + 4, NULL, 10),
				      strstr(line, "stale") ? "-" : "");
	}
	assert_string_equal(mh_buf_str(&pids), expected);
	mh_buf_done(&pids);
	free(text);
}

/* Who has a place is pushed out by one that is larger by more than a tenth. */
static void the_largest_are_chosen(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, (struct remote_series_config){.top = 3, .process_fields = MH_FIELDS(RSS)});
	for (uint32_t pid = 1; pid <= 9; pid++)
		be(&s, pid, "x", 100 * pid);
	only_process(&s, "7 8 9 ");
	be(&s, 1, "x", 770); /* a tenth more is not enough: of equals the lower pid is pid 1 */
	be(&s, 2, "x", 769);
	only_process(&s, "1 7- 8 9 ");
	be(&s, 2, "x", 846);
	only_process(&s, "1 8 9 ");
	be(&s, 2, "x", 848);
	only_process(&s, "1- 2 8 9 ");
	end(&s, 9);
	only_process(&s, "1 2 8 9- ");
	end(&s, 8);
	end(&s, 7);
	only_process(&s, "1 2 6 8- ");
	stage_end(&s);
}

static void the_largest_are_the_largest(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (uint32_t top = 0; top < 12; top++) {
		uint32_t pages[40];
		uint32_t larger = 0;
		const char *text;
		struct stage s;

		stage_begin(&s, (struct remote_series_config){.top = top,
							      .process_fields = MH_FIELDS(RSS)});
		for (uint32_t pid = 1; pid < 40; pid++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
			pages[pid] = (uint32_t)(random >> 40);
			be(&s, pid, "x", pages[pid]);
		}
		text = step(&s);
		for (uint32_t pid = 1; pid < 40; pid++) {
			char wanted[64];
			uint32_t rank = 0;

			for (uint32_t other = 1; other < 40; other++)
				rank += pages[other] > pages[pid];
			snprintf(wanted, sizeof(wanted), " pid=%u ", pid);
			assert_int_equal(strstr(text, wanted) != NULL, rank < top);
			larger += rank < top;
		}
		assert_int_equal(larger, top);
		stage_end(&s);
	}
}

static void names_choose_too(void **state)
{
	struct mh_select select = {NULL, 0, false};
	struct stage s;
	struct mh_err err;

	(void)state;
	assert_int_equal(mh_select_add(&select, "/^post/", &err), 0);
	stage_begin(&s, (struct remote_series_config){
				.top = 1, .match = &select, .process_fields = MH_FIELDS(RSS)});
	be(&s, 1, "small", 1);
	be(&s, 2, "postgres", 1);
	be(&s, 3, "big", 100);
	be(&s, 4, "poster", 1000); /* takes no place from the largest */
	only_process(&s, "3 4 2 ");
	be(&s, 1, "postfix", 1);
	be(&s, 2, "other", 1);
	only_process(&s, "3 4 1 2- ");
	stage_end(&s);
	mh_select_done(&select);
}

static void groups_are_summed(void **state)
{
	const struct mh_groups_config plain = {.max_groups = 2};
	struct remote_series_config config = {.top = REMOTE_TOP_ALL,
					      .process_fields = MH_FIELDS(RSS),
					      .group_fields = MH_FIELDS(RSS) | MH_FIELDS(HWM)};
	struct mh_groups *groups;
	struct stage s;

	(void)state;
	assert_int_equal(mh_groups_new(&config.groups, &plain), 0);
	stage_begin(&s, config);
	be(&s, 1, "a", 1);
	be(&s, 2, "a", 2);
	be(&s, 3, "z", 4);
	is(step(&s),
	   "group_processes group=a 2\n"
	   "group_processes group=z 1\n"
	   "group_resident_memory_bytes group=a 12288\n"
	   "group_resident_memory_bytes group=z 16384\n"
	   "group_resident_memory_peak_bytes group=a 12288\n"
	   "group_resident_memory_peak_bytes group=z 20480\n"
	   "process_resident_memory_bytes comm=a group=a pid=1 start=1795000001000 4096\n"
	   "process_resident_memory_bytes comm=a group=a pid=2 start=1795000002000 8192\n"
	   "process_resident_memory_bytes comm=z group=z pid=3 start=1795000003000 16384\n"
	   "processes 3\n");
	/* no place is left for m: it is in the rest, between the names and behind them */
	be(&s, 4, "m", 1);
	end(&s, 1);
	end(&s, 2);
	is(step(&s),
	   "group_processes group=a stale\n"
	   "group_processes group=other 1\n"
	   "group_processes group=z 1\n"
	   "group_resident_memory_bytes group=a stale\n"
	   "group_resident_memory_bytes group=other 4096\n"
	   "group_resident_memory_bytes group=z 16384\n"
	   "group_resident_memory_peak_bytes group=a stale\n"
	   "group_resident_memory_peak_bytes group=other 8192\n"
	   "group_resident_memory_peak_bytes group=z 20480\n"
	   "process_resident_memory_bytes comm=a group=a pid=1 start=1795000001000 stale\n"
	   "process_resident_memory_bytes comm=a group=a pid=2 start=1795000002000 stale\n"
	   "process_resident_memory_bytes comm=m group=other pid=4 start=1795000004000 4096\n"
	   "process_resident_memory_bytes comm=z group=z pid=3 start=1795000003000 16384\n"
	   "processes 2\n");
	/* other groups, by other rules: there is place for all */
	assert_int_equal(mh_groups_new(&groups, &(struct mh_groups_config){.max_groups = 9}), 0);
	remote_maker_regroup(s.maker, groups);
	end(&s, 3);
	is(step(&s),
	   "group_processes group=m 1\n"
	   "group_processes group=other stale\n"
	   "group_processes group=z stale\n"
	   "group_resident_memory_bytes group=m 4096\n"
	   "group_resident_memory_bytes group=other stale\n"
	   "group_resident_memory_bytes group=z stale\n"
	   "group_resident_memory_peak_bytes group=m 8192\n"
	   "group_resident_memory_peak_bytes group=other stale\n"
	   "group_resident_memory_peak_bytes group=z stale\n"
	   "process_resident_memory_bytes comm=m group=m pid=4 start=1795000004000 4096\n"
	   "process_resident_memory_bytes comm=m group=other pid=4 start=1795000004000 stale\n"
	   "process_resident_memory_bytes comm=z group=z pid=3 start=1795000003000 stale\n"
	   "processes 1\n");
	stage_end(&s);
}

static void add_line(struct stage *s, const char *key, bool is_kib, uint64_t value)
{
	assert_int_equal(mh_meminfo_add(&s->meminfo, key, strlen(key), is_kib, value), 0);
}

static void the_machine_has_its_series(void **state)
{
	const struct remote_item *item;
	const struct mh_round round = {.fields = MH_FIELDS(RSS)};
	struct remote_taking how;
	struct stage s;
	size_t n;

	(void)state;
	stage_begin(&s, (struct remote_series_config){.top = 0});
	s.has_meminfo = true;
	add_line(&s, "MemFree", true, 3);
	add_line(&s, "Active(anon)", true, 1);
	add_line(&s, "Active_anon", true, 2); /* the same name: the first counts */
	add_line(&s, "vmstat.pswpin", false, 5);
	add_line(&s, "from.the_future", false, 5);
	is(step(&s), "meminfo_active_anon_bytes 1024\n"
		     "meminfo_mem_free_bytes 3072\n"
		     "processes 0\n"
		     "swap_in_bytes_total 20480\n");
	s.meminfo.n = 1;
	is(step(&s), "meminfo_active_anon_bytes stale\n"
		     "meminfo_mem_free_bytes 3072\n"
		     "processes 0\n"
		     "swap_in_bytes_total stale\n");
	add_line(&s, "vmstat.oom_kill", false, 1);
	how = (struct remote_taking){
		.page_bytes = PAGE, .clk_tck = 100, .boot_ms = BOOT, .ms = s.now.wall_ms};
	how.snapshot = mh_table_end(
		s.table, &(struct mh_round){.fields = round.fields, .meminfo = &s.meminfo});
	assert_int_equal(remote_maker_take(s.maker, &how), 0);
	item = remote_maker_items(s.maker, &n);
	for (size_t i = 0; i < n; i++) {
		bool is_counter = item[i].series->family->type == METRIC_COUNTER;

		assert_int_equal(item[i].series->start_ms, is_counter ? BOOT : 0);
	}
	assert_int_equal(n, 3);
	stage_end(&s);
}

static void a_limit_of_series_leaves_the_rest_out(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, (struct remote_series_config){
				.top = REMOTE_TOP_ALL, .max_series = 3, .no_meminfo = true});
	be(&s, 1, "a", 1);
	be(&s, 2, "b", 1);
	step(&s);
	assert_int_equal(remote_maker_live(s.maker), 3);
	assert_int_equal(remote_maker_left_out(s.maker), 2); /* b's second, and their number */
	end(&s, 1);
	step(&s);
	assert_int_equal(remote_maker_live(s.maker), 3);
	assert_int_equal(remote_maker_left_out(s.maker), 2);
	stage_end(&s);
}

/* Who has ended meanwhile gets the marker later; who was born then is not told before. */
static void what_is_silent_is_not_sent(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, (struct remote_series_config){.top = 5, .process_fields = MH_FIELDS(RSS)});
	be(&s, 1, "a", 1);
	step(&s);
	end(&s, 1);
	be(&s, 2, "b", 1);
	is(step_as(&s, true), "");
	assert_int_equal(remote_maker_last(s.maker), 2);
	end(&s, 2);
	is(step_as(&s, true), "");
	is(step(&s), "process_resident_memory_bytes comm=a pid=1 start=1795000001000 stale\n"
		     "processes 0\n");
	stage_end(&s);
}

static void bad_labels_are_refused(void **state)
{
	const struct label bad = {"a-b", "x"};
	struct label many[REMOTE_LABELS_MAX];
	struct remote_series_config config = {.label = &bad, .n_labels = 1};
	struct remote_pool pool = {.batches = 0};
	struct remote_maker *maker = NULL;

	(void)state;
	assert_int_equal(remote_maker_new(&maker, &pool, &config), -EINVAL);
	for (size_t i = 0; i < REMOTE_LABELS_MAX; i++)
		many[i] = (struct label){"a", "b"};
	config.label = many;
	config.n_labels = REMOTE_LABELS_MAX;
	assert_int_equal(remote_maker_new(&maker, &pool, &config), -EINVAL);
	assert_null(maker);
	remote_pool_done(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_has_its_series),
		cmocka_unit_test(a_new_name_is_another_series),
		cmocka_unit_test(a_field_that_is_not_measured_ends),
		cmocka_unit_test(the_largest_are_chosen),
		cmocka_unit_test(the_largest_are_the_largest),
		cmocka_unit_test(names_choose_too),
		cmocka_unit_test(groups_are_summed),
		cmocka_unit_test(the_machine_has_its_series),
		cmocka_unit_test(a_limit_of_series_leaves_the_rest_out),
		cmocka_unit_test(what_is_silent_is_not_sent),
		cmocka_unit_test(bad_labels_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
