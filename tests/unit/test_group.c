/* Groups: sums, who gets a place, who keeps it, and how names are spelled. */
#include "libmemhist/base/escape.h"
#include "libmemhist/model/group.h"
#include "tests/unit/rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* "name:processes:rss name:processes:rss …" of the groups after an update. */
static void check(const struct mh_groups *g, const char *expected)
{
	struct mh_buf b = MH_BUF_INIT(1 << 20);
	const struct mh_group *group;
	size_t n = mh_groups_list(g, &group);

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(group[i].name_len, strlen(group[i].name));
		assert_int_equal(group[i].value[MH_FIELD_VSZ], 2 * group[i].value[MH_FIELD_RSS]);
		mh_buf_printf(&b, "%s%s:%u:%u", i ? " " : "", group[i].name, group[i].n_processes,
			      (unsigned)group[i].value[MH_FIELD_RSS]);
	}
	assert_string_equal(mh_buf_str(&b), expected);
	mh_buf_done(&b);
}

static struct mh_groups *groups(struct mh_groups_config config)
{
	struct mh_groups *g;

	assert_int_equal(mh_groups_new(&g, &config), 0);
	check(g, "");
	return g;
}

static void update(struct mh_groups *g, struct rounds *r, const char *expected)
{
	assert_int_equal(mh_groups_update(g, rounds_end(r)), 0);
	check(g, expected);
}

static void processes_of_one_program_are_summed(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){0});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 10, "init", NULL, 5);
	rounds_process(&r, 2, 20, "bash", NULL, 100);
	rounds_process(&r, 3, 30, "bash", NULL, 11);
	update(g, &r, "bash:2:111 init:1:5");

	rounds_begin(&r); /* one changes, one ends */
	rounds_process(&r, 1, 10, "init", NULL, 6);
	rounds_process(&r, 3, 30, "bash", NULL, 11);
	update(g, &r, "bash:1:11 init:1:6");

	rounds_begin(&r); /* exec, and a pid that changes hands */
	rounds_process(&r, 1, 11, "systemd", NULL, 7);
	rounds_process(&r, 3, 30, "vim", NULL, 12);
	update(g, &r, "systemd:1:7 vim:1:12");

	rounds_begin(&r);
	update(g, &r, "");
	mh_groups_free(g);
	rounds_done(&r);
}

/* The kernel cuts comm at 15 bytes; the command line knows the rest. */
static void the_name_is_the_program(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){0});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 10, "systemd-journal", "/lib/systemd/systemd-journald", 1);
	rounds_process(&r, 2, 10, "systemd-journal", NULL, 2);
	rounds_process(&r, 3, 10, "", NULL, 3);
	update(g, &r, "(unnamed):1:3 systemd-journal:1:2 systemd-journald:1:1");
	mh_groups_free(g);
	rounds_done(&r);
}

static void the_largest_get_the_places(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){.max_groups = 2});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "a", NULL, 10);
	rounds_process(&r, 2, 1, "b", NULL, 20);
	rounds_process(&r, 3, 1, "c", NULL, 30);
	rounds_process(&r, 4, 1, "a", NULL, 15); /* together a has 25 */
	update(g, &r, "a:2:25 c:1:30 other:1:20");
	assert_int_equal(mh_groups_overflow(g), 1);

	rounds_begin(&r); /* who has a place keeps it, however small */
	rounds_process(&r, 1, 1, "a", NULL, 1);
	rounds_process(&r, 2, 1, "b", NULL, 2000);
	rounds_process(&r, 3, 1, "c", NULL, 1);
	rounds_process(&r, 5, 1, "d", NULL, 1000);
	update(g, &r, "a:1:1 c:1:1 other:2:3000");
	assert_int_equal(mh_groups_overflow(g), 2);
	mh_groups_free(g);
	rounds_done(&r);
}

static void among_equals_the_first_name_gets_the_place(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){.max_groups = 1});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "b", NULL, 7);
	rounds_process(&r, 2, 1, "a", NULL, 7);
	update(g, &r, "a:1:7 other:1:7");
	mh_groups_free(g);
	rounds_done(&r);
}

static void a_place_is_held_for_a_while(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){.max_groups = 1, .hold_ms = 3000});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "cron", NULL, 7);
	update(g, &r, "cron:1:7");

	for (int second = 0; second < 3; second++) { /* empty for 0, 1 and 2 seconds */
		rounds_begin(&r);
		rounds_process(&r, 2, 1, "new", NULL, 9);
		r.now.wall_ms += 86400000; /* wall time has no say */
		update(g, &r, "other:1:9");
		assert_int_equal(mh_groups_overflow(g), 1);
	}
	rounds_begin(&r); /* back in time: the count begins anew */
	rounds_process(&r, 2, 1, "new", NULL, 9);
	rounds_process(&r, 3, 1, "cron", NULL, 8);
	update(g, &r, "cron:1:8 other:1:9");
	for (int second = 0; second < 3; second++) {
		rounds_begin(&r);
		rounds_process(&r, 2, 1, "new", NULL, 9);
		update(g, &r, "other:1:9");
	}
	rounds_begin(&r); /* three seconds: too late */
	rounds_process(&r, 2, 1, "new", NULL, 9);
	rounds_process(&r, 4, 1, "huge", NULL, 8);
	update(g, &r, "new:1:9 other:1:8");
	assert_int_equal(mh_groups_overflow(g), 1);
	mh_groups_free(g);
	rounds_done(&r);
}

static void another_boot_begins_the_hold_anew(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){.max_groups = 1, .hold_ms = 3000});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "cron", NULL, 7);
	update(g, &r, "cron:1:7");
	rounds_begin(&r);
	update(g, &r, "");
	r.now.boot_ns = 0;
	r.boot_id.bytes[0] = 1;
	for (int second = 0; second < 3; second++) {
		rounds_begin(&r);
		rounds_process(&r, 2, 1, "new", NULL, 9);
		update(g, &r, "other:1:9");
	}
	rounds_begin(&r);
	rounds_process(&r, 2, 1, "new", NULL, 9);
	update(g, &r, "new:1:9");
	mh_groups_free(g);
	rounds_done(&r);
}

static void a_program_called_other_is_part_of_the_rest(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){.max_groups = 2});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "other", NULL, 100);
	rounds_process(&r, 2, 1, "z", NULL, 1);
	update(g, &r, "z:1:1 other:1:100");
	assert_int_equal(mh_groups_overflow(g), 0);

	rounds_begin(&r);
	rounds_process(&r, 1, 1, "other", NULL, 100);
	rounds_process(&r, 2, 1, "z", NULL, 1);
	rounds_process(&r, 3, 1, "y", NULL, 1);
	rounds_process(&r, 4, 1, "x", NULL, 1);
	update(g, &r, "x:1:1 z:1:1 other:2:101");
	assert_int_equal(mh_groups_overflow(g), 1);
	mh_groups_free(g);
	rounds_done(&r);
}

static void unselected_programs_are_nowhere(void **state)
{
	struct mh_select select = {0};
	struct mh_groups *g;
	struct rounds r;

	(void)state;
	assert_int_equal(mh_select_add(&select, "/^[ab]\\xff?$/", NULL), 0);
	g = groups((struct mh_groups_config){.select = &select, .max_groups = 1});
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "a\xff", NULL, 1); /* chosen by its bytes */
	rounds_process(&r, 2, 1, "b", NULL, 20);
	rounds_process(&r, 3, 1, "c", NULL, 300);
	update(g, &r, "b:1:20 other:1:1");
	rounds_begin(&r);
	rounds_process(&r, 2, 1, "c", NULL, 20);
	rounds_process(&r, 3, 1, "b", NULL, 300);
	update(g, &r, "b:1:300");
	mh_groups_free(g);
	mh_select_done(&select);
	rounds_done(&r);
}

static void names_that_read_the_same_are_one_group(void **state)
{
	struct mh_groups *utf8 = groups((struct mh_groups_config){0});
	struct mh_groups *collectd = groups((struct mh_groups_config){.spell = mh_escape_collectd});
	struct rounds r;
	const struct mh_snapshot *s;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "a b", NULL, 1);
	rounds_process(&r, 2, 1, "a_b", NULL, 2);
	rounds_process(&r, 3, 1,
		       "a\xff"
		       "b",
		       NULL, 4);
	rounds_process(&r, 4, 1,
		       "a\xfe"
		       "b",
		       NULL, 8);
	rounds_process(&r, 5, 1, "", NULL, 16);
	rounds_process(&r, 6, 1, "_", NULL, 32);
	s = rounds_end(&r);
	assert_int_equal(mh_groups_update(utf8, s), 0);
	assert_int_equal(mh_groups_update(collectd, s), 0);
	check(utf8, "(unnamed):1:16 _:1:32 a b:1:1 a_b:1:2 a\xef\xbf\xbd"
		    "b:2:12");
	check(collectd, "_:2:48 a_b:4:15");
	mh_groups_free(utf8);
	mh_groups_free(collectd);
	rounds_done(&r);
}

/* A reader that begins again lists everybody as born: nobody may be counted twice. */
static void a_fresh_first_snapshot_is_taken_as_it_is(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){.max_groups = 1});

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rounds r;

		rounds_init(&r);
		rounds_begin(&r);
		rounds_process(&r, 1, 1, i ? "b" : "a", NULL, 1);
		rounds_process(&r, 2, 1, "a", NULL, 2);
		update(g, &r, i ? "a:1:2 other:1:1" : "a:2:3");
		rounds_done(&r);
	}
	mh_groups_free(g);
}

/* The peak of who ended, for two minutes. */
static void recent_peaks_are_shown(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){0});
	static const struct {
		mh_boot_ns_t s;
		uint64_t brief_pages; /* 0: nobody ended */
		uint64_t peak, total;
	} step[] = {{60, 50, 50, 1}, {61, 30, 50, 2}, {119, 0, 50, 2}, {120, 7, 50, 3},
		    {180, 0, 7, 3},  {240, 0, 0, 3},  {600, 9, 9, 4}};
	struct mh_table *t;

	(void)state;
	assert_int_equal(mh_table_new(&t, 0), 0);
	for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
		const uint64_t value[MH_FIELD_COUNT] = {[MH_FIELD_HWM] = step[i].brief_pages};
		const struct mh_identity id = {.pid = 1, .start_ticks = i};
		const struct mh_names names = {.comm = "cc1", .comm_len = 3};
		const struct mh_group_exits *exits;
		const struct mh_group *group;

		mh_table_begin(t, (struct mh_instant){.boot_ns = step[i].s * 1000000000});
		if (step[i].brief_pages)
			assert_int_equal(mh_table_add_brief(t, &id, &names, value), 0);
		assert_int_equal(mh_groups_update(g, mh_table_end(t, &(struct mh_round){0})), 0);
		assert_int_equal(mh_groups_list(g, &group), 0); /* nobody is alive */
		assert_int_equal(mh_groups_exits(g, &exits), 1);
		assert_string_equal(exits->name, "cc1");
		assert_int_equal(exits->total, step[i].total);
		assert_int_equal(exits->peak_pages, step[i].peak);
	}
	mh_table_free(t);
	mh_groups_free(g);
}

static void a_flood_of_names_shows_only_its_sum(void **state)
{
	struct mh_groups *g = groups((struct mh_groups_config){.max_groups = 2});
	struct rounds r;

	(void)state;
	rounds_init(&r);
	for (uint32_t round = 0; round < 20; round++) {
		const struct mh_group *group;

		rounds_begin(&r);
		rounds_process(&r, 1, 1, "init", NULL, 9);
		rounds_process(&r, 2, 1, "sshd", NULL, 9);
		for (uint32_t i = 0; round && i < 2000; i++) {
			char comm[16];

			snprintf(comm, sizeof(comm), "x%u", (round * 1000 + i) % 20000);
			rounds_process(&r, 10 + i, 100 + round, comm, NULL, 1000);
		}
		assert_int_equal(mh_groups_update(g, rounds_end(&r)), 0);
		assert_int_equal(mh_groups_list(g, &group), round ? 3 : 2);
		assert_string_equal(group[0].name, "init");
		assert_string_equal(group[1].name, "sshd");
		assert_int_equal(mh_groups_overflow(g), round ? 2000 : 0);
		if (round)
			assert_int_equal(group[2].value[MH_FIELD_RSS], 2000 * 1000);
	}
	mh_groups_free(g);
	rounds_done(&r);
}

/* One rule for processes of one kind, by the name of a group. */
static struct mh_rules *rule(enum mh_selector selector, const char *word, const char *name)
{
	struct mh_err err = {""};
	struct mh_rules *r;

	assert_int_equal(mh_rules_new(&r), 0);
	assert_int_equal(mh_rules_begin(r, &err), 0);
	assert_int_equal(mh_rules_add(r, selector, word, &err), 0);
	assert_int_equal(mh_rules_name(r, name, &err), 0);
	assert_int_equal(mh_rules_end(r, &err), 0);
	return r;
}

static const char *only_name(const struct mh_groups_config *config)
{
	const struct mh_group *group;
	static char name[MH_GROUP_NAME_MAX + 1];
	struct mh_groups *g;
	struct rounds r;

	assert_int_equal(mh_groups_new(&g, config), 0);
	rounds_init(&r);
	rounds_begin(&r);
	assert_int_equal(mh_groups_update(g, rounds_end(&r)), 0);
	assert_int_equal(mh_groups_list(g, &group), 1);
	assert_int_equal(group->name_len, strlen(group->name));
	assert_in_range(group->name_len, 1, MH_GROUP_NAME_MAX);
	memcpy(name, group->name, group->name_len + 1);
	mh_groups_free(g);
	rounds_done(&r);
	return name;
}

static void long_names_end_between_characters(void **state)
{
	char name[2 + 2 * MH_GROUP_NAME_MAX] = "x";

	(void)state;
	for (size_t i = 1; i + 2 < sizeof(name); i += 2)
		memcpy(name + i, "\303\274", 3);
	/* 1 + 127 characters of two bytes fit … */
	assert_int_equal(strlen(only_name(&(struct mh_groups_config){
				 .rules = rule(MH_SELECT_COMM, "c", name)})),
			 MH_GROUP_NAME_MAX);
	/* … and of 127 and a half, 127 */
	assert_int_equal(strlen(only_name(&(struct mh_groups_config){
				 .rules = rule(MH_SELECT_COMM, "c", name + 1)})),
			 MH_GROUP_NAME_MAX - 1);
}

/* Who was not decided for the sake of others is decided a tick later. */
static void the_undecided_are_asked_again(void **state)
{
	static const char bomb[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
	struct mh_groups *g;
	struct rounds r;

	(void)state;
	g = groups((struct mh_groups_config){.rules = rule(MH_SELECT_CMDLINE, "^(a+)+$", "good")});
	rounds_init(&r);
	for (int i = 0; i < 3; i++) {
		rounds_begin(&r);
		for (uint32_t pid = 10; pid < 16; pid++)
			rounds_process(&r, pid, pid, "bomb", bomb, 1);
		rounds_process(&r, 20, 20, "x", "aaa", 1);
		/* four in the first tick, two in the second: so it is asked in the second */
		update(g, &r, i ? "bomb:6:6 good:1:1" : "bomb:6:6 good:0:0 x:1:1");
	}
	assert_int_equal(mh_groups_given_up(g), 9); /* 4, passed over 3, 2 */
	mh_groups_free(g);
	rounds_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_of_one_program_are_summed),
		cmocka_unit_test(the_name_is_the_program),
		cmocka_unit_test(the_largest_get_the_places),
		cmocka_unit_test(among_equals_the_first_name_gets_the_place),
		cmocka_unit_test(a_place_is_held_for_a_while),
		cmocka_unit_test(another_boot_begins_the_hold_anew),
		cmocka_unit_test(a_program_called_other_is_part_of_the_rest),
		cmocka_unit_test(unselected_programs_are_nowhere),
		cmocka_unit_test(names_that_read_the_same_are_one_group),
		cmocka_unit_test(a_fresh_first_snapshot_is_taken_as_it_is),
		cmocka_unit_test(recent_peaks_are_shown),
		cmocka_unit_test(a_flood_of_names_shows_only_its_sum),
		cmocka_unit_test(long_names_end_between_characters),
		cmocka_unit_test(the_undecided_are_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
