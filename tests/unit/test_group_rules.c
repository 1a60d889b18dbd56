/* Groups made by rules: names expected and found, the rest, descendants, limits, other rules. */
#include "libmemhist/model/group.h"
#include "tests/unit/rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* One rule: processes of this comm make a group of this name. With a '-' before the name, they do
 * alone, and nobody follows them. */
struct line {
	const char *comm, *name;
};

static struct mh_rules *rules(const struct line *line)
{
	struct mh_rules *r;

	assert_int_equal(mh_rules_new(&r), 0);
	for (; line->comm; line++) {
		struct mh_err err = {""};

		assert_int_equal(mh_rules_begin(r, &err), 0);
		assert_int_equal(mh_rules_add(r, MH_SELECT_COMM, line->comm, &err), 0);
		assert_int_equal(mh_rules_name(r, line->name + (line->name[0] == '-'), &err), 0);
		mh_rules_tree(r, line->name[0] != '-');
		assert_int_equal(mh_rules_end(r, &err), 0);
	}
	return r;
}

#define RULES(...) rules((const struct line[]){__VA_ARGS__, {NULL, NULL}})

static struct mh_groups *groups(struct mh_groups_config config)
{
	struct mh_groups *g;

	assert_int_equal(mh_groups_new(&g, &config), 0);
	return g;
}

/* "name:processes:rss …" */
static void check(const struct mh_groups *g, const char *expected)
{
	struct mh_buf b = MH_BUF_INIT(1 << 20);
	const struct mh_group *group;
	size_t n = mh_groups_list(g, &group);

	for (size_t i = 0; i < n; i++)
		mh_buf_printf(&b, "%s%s:%u:%u", i ? " " : "", group[i].name, group[i].n_processes,
			      (unsigned)group[i].value[MH_FIELD_RSS]);
	assert_string_equal(mh_buf_str(&b), expected);
	mh_buf_done(&b);
}

static void update(struct mh_groups *g, struct rounds *r, const char *expected)
{
	assert_int_equal(mh_groups_update(g, rounds_end(r)), 0);
	check(g, expected);
}

static void child(struct rounds *r, uint32_t pid, uint32_t ppid, const char *comm, uint64_t rss)
{
	const struct mh_names names = {.ppid = ppid, .comm = comm, .comm_len = strlen(comm)};

	rounds_named(r, pid, pid, &names, rss);
}

static void expected_names_are_there_before_anybody(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){
		.rules = RULES({"a", "{{.Comm}}"}, {"b", "other"}, {"c", "fixed"}, {"d", "fixed"},
			       {"e", "{{.ExeBase}}!"})});
	const struct mh_group_exits *exits;
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	update(g, &r, "a:0:0 fixed:0:0");
	assert_int_equal(mh_groups_exits(g, &exits), 2);
	assert_string_equal(exits[0].name, "a");
	assert_int_equal(exits[0].total, 0);
	rounds_begin(&r);
	rounds_process(&r, 2, 2, "b", NULL, 1);
	rounds_process(&r, 3, 3, "c", NULL, 2);
	rounds_process(&r, 4, 4, "d", NULL, 4);
	rounds_process(&r, 5, 5, "e", NULL, 8);
	rounds_process(&r, 6, 6, "f", NULL, 16);
	update(g, &r, "a:0:0 e!:1:8 f:1:16 fixed:2:6 other:1:1");
	rounds_begin(&r);
	for (int hour = 0; hour < 3; hour++) {
		update(g, &r, "a:0:0 fixed:0:0"); /* and they stay */
		r.now.boot_ns += 3600 * UINT64_C(1000000000);
		rounds_begin(&r);
	}
	assert_int_equal(mh_groups_exits(g, &exits), 3);
	assert_string_equal(exits[1].name, "fixed");
	assert_int_equal(exits[1].total, 2);
	rounds_end(&r);
	mh_groups_free(g);
	rounds_done(&r);
}

static void expected_names_are_not_counted_against_the_others(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){
		.max_groups = 2, .rules = RULES({"a", "a"}, {"b", "b"}, {"c", "c"})});
	struct rounds r;

	(void)state;
	assert_int_equal(mh_groups_room(g), 4);
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "x", NULL, 100);
	rounds_process(&r, 2, 2, "a", NULL, 1);
	update(g, &r, "a:1:1 b:0:0 c:0:0 other:1:100");
	assert_int_equal(mh_groups_overflow(g), 1);
	mh_groups_free(g);
	rounds_done(&r);

	g = groups((struct mh_groups_config){.max_groups = 2, .rules = RULES({"a", "a"})});
	assert_int_equal(mh_groups_room(g), 3);
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "x", NULL, 100);
	rounds_process(&r, 2, 2, "y", NULL, 1);
	update(g, &r, "a:0:0 x:1:100 other:1:1");
	mh_groups_free(g);
	rounds_done(&r);
}

static void the_rest_goes_where_it_is_told(void **state)
{
	static const struct {
		uint32_t rest;
		const char *expected;
	} rows[] = {
		{MH_BY_PROGRAM, "a:1:1 x:1:2 y:1:4"},
		{MH_BY_EXE, "/opt/z:2:6 a:1:1"},
		{MH_BY_USER, "4000000000:2:6 a:1:1"},
		{MH_BY_CGROUP, "/s.slice/u.service:2:6 a:1:1"},
		{MH_BY_UNIT, "a:1:1 u.service:2:6"},
		{MH_BY_CLASS, "a:1:1 user:2:6"},
		{MH_REST_OTHER, "a:1:1 other:2:6"},
		{MH_REST_NOWHERE, "a:1:1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mh_groups *g = groups((struct mh_groups_config){.rules = RULES({"a", "a"}),
								       .rest = rows[i].rest});
		struct rounds r;

		rounds_init(&r);
		rounds_begin(&r);
		rounds_process(&r, 1, 1, "a", NULL, 1);
		for (uint32_t pid = 2; pid <= 3; pid++) {
			const struct mh_names names = {.ppid = 9,
						       .uid = 4000000000,
						       .comm = pid == 2 ? "x" : "y",
						       .comm_len = 1,
						       .exe = "/opt/z",
						       .exe_len = 6,
						       .cgroup = "/s.slice/u.service",
						       .cgroup_len = 18};

			rounds_named(&r, pid, pid, &names, pid == 2 ? 2 : 4);
		}
		update(g, &r, rows[i].expected);
		assert_string_equal(mh_groups_of(g, 0), "a");
		if (rows[i].rest == MH_REST_NOWHERE)
			assert_null(mh_groups_of(g, 1));
		else
			assert_non_null(strstr(rows[i].expected, mh_groups_of(g, 1)));
		rounds_begin(&r); /* whom nobody counts, nobody counts out */
		rounds_end(&r);
		mh_groups_free(g);
		rounds_done(&r);
	}
}

static void descendants_follow(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){
		.rules = RULES({"svc", "svc"}, {"db", "db"}, {"alone", "-alone"})});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	child(&r, 10, 1, "svc", 1);
	child(&r, 11, 10, "sh", 2);
	child(&r, 12, 11, "awk", 4);
	child(&r, 13, 12, "db", 8);   /* has a group of its own … */
	child(&r, 14, 13, "awk", 16); /* … and descendants */
	child(&r, 20, 1, "alone", 32);
	child(&r, 21, 20, "awk", 64);  /* of somebody who wants none */
	child(&r, 22, 99, "awk", 128); /* of nobody known */
	update(g, &r, "alone:1:32 awk:2:192 db:2:24 svc:3:7");

	rounds_begin(&r);
	child(&r, 10, 1, "svc", 1);
	child(&r, 12, 1, "awk", 4);  /* its parent is gone: it stays */
	child(&r, 30, 12, "new", 2); /* and leads its own */
	child(&r, 13, 12, "db", 8);
	child(&r, 14, 13, "svc", 16); /* exec */
	child(&r, 20, 1, "svc", 32);  /* and here: its child follows now */
	child(&r, 21, 20, "awk", 64);
	update(g, &r, "alone:0:0 db:1:8 svc:6:119");

	rounds_begin(&r);
	child(&r, 10, 1, "gone", 1); /* an exec away: nobody follows it … */
	child(&r, 12, 1, "awk", 4);  /* … but who had its group before */
	child(&r, 30, 12, "newer", 2);
	child(&r, 20, 1, "alone", 32);
	child(&r, 21, 20, "awk", 64);
	update(g, &r, "alone:1:32 awk:1:64 db:0:0 gone:1:1 svc:2:6");
	mh_groups_free(g);
	rounds_done(&r);
}

/* A snapshot is not one instant: a parent may be gone, and its child still be said to be its. */
static void a_child_stays_while_its_parent_is_looked_for(void **state)
{
	struct mh_groups *g = groups(
		(struct mh_groups_config){.rules = RULES({"svc", "svc"}, {"db", "db"})});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	child(&r, 10, 1, "svc", 1);
	child(&r, 11, 10, "x", 2);
	child(&r, 30, 1, "y", 4);
	update(g, &r, "db:0:0 svc:2:3 y:1:4");
	for (int i = 0; i < 4; i++) { /* somebody else has everybody asked anew */
		rounds_begin(&r);
		child(&r, 11, i < 2 ? 10 : 1, "x", 2);
		child(&r, 30, 1, i % 2 ? "y" : "db", 4);
		update(g, &r, i % 2 ? "db:0:0 svc:1:2 y:1:4" : "db:1:4 svc:1:2");
	}
	mh_groups_free(g);
	rounds_done(&r);
}

/* A child may be in a lower slot than its parent, and come in the same snapshot. */
static void order_does_not_matter(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){.rules = RULES({"a", "a"})});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	for (uint32_t pid = 1000; pid > 2; pid--) {
		const struct mh_names names = {.ppid = pid - 1, .comm = "x", .comm_len = 1};

		rounds_named(&r, pid, 7, &names, 1);
	}
	child(&r, 2, 1, "a", 1);
	update(g, &r, "a:999:999");
	mh_groups_free(g);
	rounds_done(&r);
}

static void circles_and_old_pids_lead_nowhere(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){.rules = RULES({"a", "a"})});
	const struct mh_names one = {.ppid = 11, .comm = "x", .comm_len = 1};
	const struct mh_names two = {.ppid = 10, .comm = "y", .comm_len = 1};
	const struct mh_names self = {.ppid = 12, .comm = "z", .comm_len = 1};
	const struct mh_names late = {.ppid = 20, .comm = "w", .comm_len = 1};
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_named(&r, 10, 7, &one, 1);
	rounds_named(&r, 11, 7, &two, 2);
	rounds_named(&r, 12, 7, &self, 4);
	rounds_named(&r, 13, 7, &late, 8);
	child(&r, 20, 1, "a", 16); /* began after 13, so it is not whom 13 had as parent */
	update(g, &r, "a:1:16 w:1:8 x:1:1 y:1:2 z:1:4");
	mh_groups_free(g);
	rounds_done(&r);
}

/* Those that nobody saw alive: of the living, of each other, of who ended at the same time. */
static void the_brief_follow_too(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){
		.rules = RULES({"make", "make"}, {"cron", "cron"}), .rest = MH_REST_OTHER});
	static const struct {
		uint32_t pid, ppid;
		const char *comm;
	} brief[] = {
		{31, 30, "cc1"},  /* of the next, … */
		{30, 10, "gcc"},  /* … which is of make */
		{40, 20, "true"}, /* of cron, which is gone */
		{50, 60, "x"},    /* of nobody known */
		{51, 51, "y"},    /* of itself */
		{52, 1, "make"},  /* a make of its own … */
		{53, 52, "z"},    /* … with a child */
	};
	const struct mh_group_exits *exits;
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	child(&r, 20, 1, "cron", 1);
	update(g, &r, "cron:1:1 make:0:0");
	rounds_begin(&r);
	child(&r, 10, 1, "make", 1); /* born in the same snapshot, in the slot of cron perhaps */
	for (size_t i = 0; i < sizeof(brief) / sizeof(brief[0]); i++) {
		const uint64_t value[MH_FIELD_COUNT] = {[MH_FIELD_HWM] = i + 1};
		const struct mh_identity id = {.pid = brief[i].pid, .start_ticks = 1000};
		const struct mh_names names = {.ppid = brief[i].ppid,
					       .comm = brief[i].comm,
					       .comm_len = strlen(brief[i].comm)};

		assert_int_equal(mh_table_add_brief(r.table, &id, &names, value), 0);
	}
	update(g, &r, "cron:0:0 make:1:1");
	assert_int_equal(mh_groups_exits(g, &exits), 3);
	assert_string_equal(exits[0].name, "cron");
	assert_int_equal(exits[0].total, 2);
	assert_int_equal(exits[0].peak_pages, 3);
	assert_string_equal(exits[1].name, "make");
	assert_int_equal(exits[1].total, 4);
	assert_int_equal(exits[1].peak_pages, 7);
	assert_string_equal(exits[2].name, "other");
	assert_int_equal(exits[2].total, 2);
	mh_groups_free(g);
	rounds_done(&r);
}

/* The first snapshot that groups see need not be the first of its table. */
static void groups_may_begin_in_the_middle(void **state)
{
	struct mh_groups *before = groups(
		(struct mh_groups_config){.rules = RULES({"a", "old"}, {"b", "b"})});
	struct mh_groups *g = groups(
		(struct mh_groups_config){.rules = RULES({"a", "new"}, {"b", "b"})});
	const struct mh_group_exits *exits;
	struct rounds r;

	(void)state;
	rounds_init(&r);
	for (uint32_t i = 0; i < 3; i++) { /* two of b end */
		rounds_begin(&r);
		child(&r, 10, 1, "a", 1);
		child(&r, 11, 10, "x", 2);
		child(&r, 12, 1, "y", 4);
		child(&r, 20 + i, 1, "b", 8);
		update(before, &r, "b:1:8 old:2:3 y:1:4");
	}
	rounds_begin(&r);
	child(&r, 10, 1, "a", 1);
	child(&r, 11, 10, "x", 2);
	child(&r, 30, 11, "z", 16);
	update(g, &r, "b:0:0 new:3:19"); /* and a third */
	mh_groups_continue(g, before);
	assert_int_equal(mh_groups_exits(g, &exits), 3);
	assert_string_equal(exits[0].name, "b");
	assert_int_equal(exits[0].total, 3);
	assert_string_equal(exits[1].name, "new");
	assert_int_equal(exits[1].total, 0);
	assert_string_equal(exits[2].name, "y");
	assert_int_equal(exits[2].total, 1);
	mh_groups_free(before);
	rounds_begin(&r);
	update(g, &r, "b:0:0 new:0:0");
	mh_groups_free(g);
	rounds_done(&r);
}

static void small_names_wait_in_other(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){
		.min_rss_pages = 10, .hold_ms = 2000, .rules = RULES({"e", "e"})});
	static const struct {
		uint64_t a, b;
		const char *expected;
	} step[] = {
		{9, 10, "b:1:10 e:0:0 other:1:9"}, {10, 9, "a:1:10 b:1:9 e:0:0"}, /* held */
		{10, 9, "a:1:10 b:1:9 e:0:0"},     {10, 9, "a:1:10 e:0:0 other:1:9"},
		{10, 30, "a:1:10 b:1:30 e:0:0"},
	};
	struct rounds r;

	(void)state;
	rounds_init(&r);
	for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		rounds_begin(&r);
		rounds_process(&r, 1, 1, "a", NULL, step[i].a);
		rounds_process(&r, 2, 2, "b", NULL, step[i].b);
		update(g, &r, step[i].expected);
	}
	mh_groups_free(g);
	rounds_done(&r);
}

static void the_largest_are_on_top(void **state)
{
	struct mh_groups *g = groups(
		(struct mh_groups_config){.top = 2, .rules = RULES({"e", "e"})});
	static const struct {
		uint64_t a, b, c;
		const char *expected;
	} step[] = {
		{100, 200, 300, "b:1:200 c:1:300 e:1:1 other:1:100"},
		{220, 200, 300, "b:1:200 c:1:300 e:1:1 other:1:220"}, /* by no more than a tenth */
		{221, 200, 300, "a:1:221 c:1:300 e:1:1 other:1:200"},
		{221, 240, 300, "a:1:221 c:1:300 e:1:1 other:1:240"}, /* the other way too */
		{10, 9000, 20, "b:1:9000 c:1:20 e:1:1 other:1:10"},
		{0, 9000, 0, "b:1:9000 c:1:0 e:1:1 other:1:0"},
	};
	struct rounds r;

	(void)state;
	rounds_init(&r);
	for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		rounds_begin(&r);
		rounds_process(&r, 1, 1, "a", NULL, step[i].a);
		rounds_process(&r, 2, 2, "b", NULL, step[i].b);
		rounds_process(&r, 3, 3, "c", NULL, step[i].c);
		rounds_process(&r, 4, 4, "e", NULL, 1);
		update(g, &r, step[i].expected);
		assert_int_equal(mh_groups_overflow(g), 1);
	}
	rounds_begin(&r); /* who is gone has the place until another wants it */
	rounds_process(&r, 1, 1, "a", NULL, 1);
	update(g, &r, "a:1:1 e:0:0");
	mh_groups_free(g);
	rounds_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expected_names_are_there_before_anybody),
		cmocka_unit_test(expected_names_are_not_counted_against_the_others),
		cmocka_unit_test(the_rest_goes_where_it_is_told),
		cmocka_unit_test(descendants_follow),
		cmocka_unit_test(a_child_stays_while_its_parent_is_looked_for),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(circles_and_old_pids_lead_nowhere),
		cmocka_unit_test(the_brief_follow_too),
		cmocka_unit_test(groups_may_begin_in_the_middle),
		cmocka_unit_test(small_names_wait_in_other),
		cmocka_unit_test(the_largest_are_on_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
