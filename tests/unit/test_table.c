/* The process table: its rules one by one. test_table_random.c has the whole life. */
#include "libmemhist/model/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct mh_table *table(uint32_t max_processes)
{
	struct mh_table *t;

	assert_int_equal(mh_table_new(&t, max_processes), 0);
	mh_table_begin(t, (struct mh_instant){0});
	return t;
}

static struct mh_process *add(struct mh_table *t, uint32_t pid, uint64_t start_ticks)
{
	struct mh_identity id = {.pid = pid, .start_ticks = start_ticks};
	struct mh_process *p = NULL;

	assert_int_equal(mh_table_add(t, &id, &p), 0);
	return p;
}

static void next_round(struct mh_table *t)
{
	mh_table_end(t, &(struct mh_round){0});
	mh_table_begin(t, (struct mh_instant){0});
}

static void pids_are_in_range(void **state)
{
	struct mh_table *t = table(0);
	struct mh_identity id = {0};
	struct mh_process *p = NULL;

	(void)state;
	assert_int_equal(mh_table_add(t, &id, &p), -EINVAL);
	id.pid = MH_PID_MAX + 1;
	assert_int_equal(mh_table_add(t, &id, &p), -EINVAL);
	assert_null(p);
	add(t, MH_PID_MAX, 0);
	add(t, 1, 0);
	assert_null(mh_table_find(t, 0));
	assert_null(mh_table_find(t, MH_PID_MAX + 1));
	assert_non_null(mh_table_find(t, MH_PID_MAX));
	mh_table_free(t);
	mh_table_free(NULL);
}

static void an_empty_table_has_a_snapshot(void **state)
{
	struct mh_table *t = table(0);
	const struct mh_snapshot *s = mh_table_end(t, &(struct mh_round){0});

	(void)state;
	assert_true(s->first);
	assert_int_equal(s->n_live + s->n_slots + s->n_gone + s->n_born, 0);
	assert_null(mh_table_find(t, 1));
	assert_null(mh_table_at(t, 0));
	mh_table_free(t);
}

static void the_cap_is_the_number_of_living(void **state)
{
	struct mh_table *t = table(100);
	struct mh_identity id = {.pid = 1000};
	struct mh_process *p = NULL;

	(void)state;
	for (uint32_t pid = 1; pid <= 100; pid++)
		add(t, pid, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mh_table_add(t, &id, &p), -EOVERFLOW);
		assert_null(p);
		assert_null(mh_table_find(t, 1000));
		next_round(t);
	}
	mh_table_remove(t, mh_table_find(t, 42));
	assert_int_equal(mh_table_add(t, &id, &p), 0);
	assert_int_equal(mh_table_slot(t, p), 41);
	id.pid = 42;
	assert_int_equal(mh_table_add(t, &id, &p), -EOVERFLOW);
	mh_table_free(t);

	t = table(64); /* a cap where the table grows */
	for (uint32_t pid = 1; pid <= 64; pid++)
		add(t, pid, 0);
	assert_int_equal(mh_table_add(t, &id, &p), -EEXIST);
	id.pid = 65;
	assert_int_equal(mh_table_add(t, &id, &p), -EOVERFLOW);
	mh_table_free(t);
}

static void twins_are_counted_from_the_last_shown(void **state)
{
	struct mh_table *t = table(0);

	(void)state;
	add(t, 7, 100);
	next_round(t);
	mh_table_remove(t, mh_table_find(t, 7));
	assert_int_equal(add(t, 7, 100)->id.twin, 1);
	mh_table_remove(t, mh_table_find(t, 7)); /* never shown: its number is free again */
	assert_int_equal(add(t, 7, 100)->id.twin, 1);
	next_round(t);
	mh_table_remove(t, mh_table_find(t, 7));
	assert_int_equal(add(t, 7, 100)->id.twin, 2);
	mh_table_remove(t, mh_table_find(t, 7));
	assert_int_equal(add(t, 7, 101)->id.twin, 0);
	assert_int_equal(add(t, 8, 100)->id.twin, 0);
	next_round(t);
	mh_table_remove(t, mh_table_find(t, 7));
	next_round(t); /* a round later the clock has moved on */
	assert_int_equal(add(t, 7, 101)->id.twin, 0);
	mh_table_free(t);
}

/* Every boot has an init with pid 1 and about the same start time. */
static void another_boot_has_no_twins(void **state)
{
	struct mh_boot_id boot_id = {{1}};
	struct mh_table *t = table(0);
	const struct mh_snapshot *s;

	(void)state;
	mh_table_set_boot(t, &boot_id);
	add(t, 1, 3);
	next_round(t);
	boot_id.bytes[0] = 2;
	mh_table_set_boot(t, &boot_id);
	assert_null(mh_table_find(t, 1));
	assert_int_equal(add(t, 1, 3)->id.twin, 0);
	s = mh_table_end(t, &(struct mh_round){0});
	assert_int_equal(s->n_gone, 1);
	assert_int_equal(s->n_born, 1);
	mh_table_free(t);
}

static void names_are_cut(void **state)
{
	struct mh_table *t = table(0);
	struct mh_process *p = add(t, 1, 0);
	char cmdline[MH_CMDLINE_MAX + 10], comm[MH_COMM_MAX + 10];
	struct mh_names names = {.comm = comm,
				 .comm_len = sizeof(comm),
				 .cmdline = cmdline,
				 .cmdline_len = sizeof(cmdline)};

	(void)state;
	memset(cmdline, 'a', sizeof(cmdline));
	memset(comm, 'b', sizeof(comm));
	assert_int_equal(mh_table_rename(t, p, &names), 1);
	assert_int_equal(p->comm_len, MH_COMM_MAX);
	assert_int_equal(strlen(p->comm), MH_COMM_MAX);
	assert_int_equal(p->cmdline_len, MH_CMDLINE_MAX);
	/* what was cut away makes no difference */
	comm[MH_COMM_MAX] = cmdline[MH_CMDLINE_MAX] = 'x';
	assert_int_equal(mh_table_rename(t, p, &names), 0);
	comm[5] = '\0';
	assert_int_equal(mh_table_rename(t, p, &names), 1);
	assert_int_equal(p->comm_len, 5);
	assert_string_equal(p->comm, "bbbbb");
	names = (struct mh_names){.comm = "bbbbb", .comm_len = 5};
	assert_int_equal(mh_table_rename(t, p, &names), 1);
	assert_null(p->cmdline);
	assert_int_equal(p->cmdline_len, 0);
	assert_int_equal(mh_table_rename(t, p, &names), 0);
	mh_table_free(t);
}

/* A source that fails half-way begins again: what it had found is in the next snapshot. */
static void a_round_begun_again_loses_nothing(void **state)
{
	struct mh_table *t = table(0);
	const struct mh_snapshot *s;

	(void)state;
	add(t, 1, 0);
	add(t, 2, 0);
	add(t, 3, 0);
	next_round(t);
	mh_table_set_one(t, mh_table_find(t, 1), MH_FIELD_RSS, 5);
	mh_table_remove(t, mh_table_find(t, 2));
	add(t, 4, 0);
	mh_table_begin(t, (struct mh_instant){.wall_ms = 9});
	mh_table_keep(t, mh_table_find(t, 1));
	mh_table_keep(t, mh_table_find(t, 4));
	assert_false(mh_table_is_kept(t, mh_table_find(t, 3)));
	mh_table_drop_unkept(t);
	s = mh_table_end(t, &(struct mh_round){0});
	assert_int_equal(s->at.wall_ms, 9);
	assert_int_equal(s->n_live, 2);
	assert_int_equal(s->n_gone, 2);
	assert_int_equal(s->gone[0].process.id.pid, 2);
	assert_int_equal(s->gone[1].process.id.pid, 3);
	assert_int_equal(s->n_born, 1);
	assert_int_equal(s->process[s->born[0]].id.pid, 4);
	assert_int_equal(s->n_changed, 1);
	assert_int_equal(s->process[s->changed[0]].id.pid, 1);
	mh_table_free(t);
}

/* A crowd leaves and another comes under the same pids, twice in one round: what a reader does that
 * passes over snapshots. With a list searched per process this would take minutes. */
static void brief(struct mh_table *t, uint32_t pid, uint64_t start_ticks, const char *comm)
{
	const struct mh_identity id = {.pid = pid, .start_ticks = start_ticks};
	const struct mh_names names = {.comm = comm, .comm_len = strlen(comm)};
	const uint64_t value[MH_FIELD_COUNT] = {[MH_FIELD_RSS] = 1, [MH_FIELD_HWM] = pid};

	assert_int_equal(mh_table_add_brief(t, &id, &names, value), 0);
}

static void brief_lives_are_in_one_snapshot(void **state)
{
	struct mh_table *t = table(0);
	const struct mh_snapshot *s;

	(void)state;
	for (uint32_t pid = 1; pid <= 200; pid++)
		brief(t, pid, 5, "brief");
	mh_table_begin(t, (struct mh_instant){0}); /* begun again: nothing is lost */
	brief(t, 201, 5, "last");
	s = mh_table_end(t, &(struct mh_round){0});
	assert_int_equal(s->n_brief, 201);
	assert_int_equal(s->n_live + s->n_born + s->n_gone, 0);
	assert_int_equal(s->brief[199].id.pid, 200);
	assert_int_equal(s->brief[199].value[MH_FIELD_HWM], 200);
	assert_int_equal(s->brief[199].value[MH_FIELD_RSS], 0);
	assert_string_equal(s->brief[200].comm, "last");
	mh_table_begin(t, (struct mh_instant){0});
	brief(t, 1, 5, "dropped");
	mh_table_drop_brief(t);
	s = mh_table_end(t, &(struct mh_round){0});
	assert_int_equal(s->n_brief, 0);
	mh_table_free(t);
}

/* Four processes with one pid and one start tick: known, brief, brief, alive. */
static void brief_lives_have_twins(void **state)
{
	struct mh_table *t = table(0);
	struct mh_process *p = add(t, 7, 5);
	const struct mh_snapshot *s;

	(void)state;
	next_round(t);
	brief(t, 7, 5, "a");
	brief(t, 7, 5, "b");
	brief(t, 7, 6, "c");
	mh_table_remove(t, p);
	assert_int_equal(add(t, 7, 5)->id.twin, 3);
	s = mh_table_end(t, &(struct mh_round){0});
	assert_int_equal(s->gone[0].process.id.twin, 0);
	assert_int_equal(s->brief[0].id.twin, 1);
	assert_int_equal(s->brief[1].id.twin, 2);
	assert_int_equal(s->brief[2].id.twin, 0);
	mh_table_free(t);
}

static void brief_lives_are_bounded(void **state)
{
	struct mh_table *t = table(0);
	struct mh_identity id = {.pid = MH_PID_MAX + 1};
	const struct mh_names names = {.comm = ""};
	const uint64_t value[MH_FIELD_COUNT] = {0};

	(void)state;
	assert_int_equal(mh_table_add_brief(t, &id, &names, value), -EINVAL);
	for (uint32_t i = 0; i < MH_BRIEF_MAX; i++)
		brief(t, 1 + i, i, "");
	id.pid = 1;
	assert_int_equal(mh_table_add_brief(t, &id, &names, value), -EOVERFLOW);
	assert_int_equal(mh_table_end(t, &(struct mh_round){0})->n_brief, MH_BRIEF_MAX);
	mh_table_free(t);
}

static void paths_are_shared_and_are_names(void **state)
{
	struct mh_table *t = table(0);
	struct mh_names names = {.comm = "a",
				 .comm_len = 1,
				 .exe = "/bin/a",
				 .exe_len = 6,
				 .cgroup = "/x",
				 .cgroup_len = 2},
			same;
	struct mh_process *a = add(t, 1, 1), *b;

	(void)state;
	assert_int_equal(mh_table_rename(t, a, &names), 1);
	b = add(t, 2, 1);
	assert_int_equal(mh_table_rename(t, b, &names), 1);
	a = mh_table_find(t, 1);
	assert_ptr_equal(a->exe, b->exe);
	assert_ptr_equal(a->cgroup, b->cgroup);
	next_round(t);
	mh_names_of(a, &same);
	assert_int_equal(mh_table_rename(t, a, &same), 0);
	same.cgroup = "/y";
	assert_int_equal(mh_table_rename(t, a, &same), 1);
	assert_string_equal(a->cgroup->bytes, "/y");
	assert_string_equal(a->exe->bytes, "/bin/a");
	same.exe_len = 0;
	assert_int_equal(mh_table_rename(t, a, &same), 1);
	assert_null(a->exe);
	mh_table_free(t);
}

static void crowds_change_in_one_round(void **state)
{
	struct mh_table *t = table(0);

	(void)state;
	for (int crowd = 0; crowd < 3; crowd++) {
		for (uint32_t pid = 1; pid <= 100000; pid++)
			assert_int_equal(add(t, pid, 1)->id.twin, crowd > 0);
		if (crowd == 0)
			next_round(t);
		for (uint32_t pid = 1; pid <= 100000; pid++) {
			mh_table_set_one(t, mh_table_find(t, pid), MH_FIELD_RSS, 1);
			mh_table_remove(t, mh_table_find(t, pid));
		}
	}
	assert_int_equal(mh_table_end(t, &(struct mh_round){0})->n_gone, 100000);
	mh_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pids_are_in_range),
		cmocka_unit_test(an_empty_table_has_a_snapshot),
		cmocka_unit_test(the_cap_is_the_number_of_living),
		cmocka_unit_test(twins_are_counted_from_the_last_shown),
		cmocka_unit_test(another_boot_has_no_twins),
		cmocka_unit_test(names_are_cut),
		cmocka_unit_test(a_round_begun_again_loses_nothing),
		cmocka_unit_test(brief_lives_are_in_one_snapshot),
		cmocka_unit_test(brief_lives_have_twins),
		cmocka_unit_test(brief_lives_are_bounded),
		cmocka_unit_test(paths_are_shared_and_are_names),
		cmocka_unit_test(crowds_change_in_one_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
