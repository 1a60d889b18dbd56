/* Labels: which processes are one series, how series are numbered and called. */
#include "libmemhist/view/label.h"
#include "tests/unit/rounds.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* "label command" of the process with this pid in the snapshot. */
static void check(const struct mh_labels *l, const struct mh_snapshot *s, uint32_t pid,
		  const char *expected)
{
	struct mh_buf b = MH_BUF_INIT(10000);
	struct mh_series series;

	mh_snapshot_for_each (s, slot) {
		if (s->process[slot].id.pid != pid)
			continue;
		mh_labels_series(l, mh_labels_of_slot(l, slot), &series);
		assert_int_equal(series.pid, pid);
		mh_label_write(&b, &series);
		mh_buf_addc(&b, ' ');
		mh_label_command(&b, &series);
	}
	assert_string_equal(mh_buf_str(&b), expected);
	mh_buf_done(&b);
}

static struct mh_labels *labels(enum mh_label_rule rule)
{
	struct mh_labels *l;

	assert_int_equal(mh_labels_new(&l, rule), 0);
	assert_int_equal(mh_labels_count(l), 0);
	return l;
}

static const struct mh_snapshot *update(struct mh_labels *l, struct rounds *r)
{
	const struct mh_snapshot *s = rounds_end(r);

	assert_int_equal(mh_labels_update(l, s), 0);
	return s;
}

static void later_owners_of_a_pid_are_numbered(void **state)
{
	struct mh_labels *l = labels(MH_LABEL_BY_IDENTITY);
	const struct mh_snapshot *s;
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 5, "init", "/sbin/init", 1);
	rounds_process(&r, 1234, 100, "bash", "bash -l", 1);
	s = update(l, &r);
	check(l, s, 1, "1 /sbin/init");
	check(l, s, 1234, "1234 bash -l");

	rounds_begin(&r);
	rounds_process(&r, 1, 5, "init", "/sbin/init", 1);
	rounds_process(&r, 1234, 101, "bash", "bash -l", 1);
	s = update(l, &r);
	check(l, s, 1, "1 /sbin/init");
	check(l, s, 1234, "1234(2) bash -l");

	rounds_begin(&r);
	rounds_process(&r, 1, 5, "init", "/sbin/init", 1);
	update(l, &r);
	rounds_begin(&r);
	rounds_process(&r, 1, 5, "init", "/sbin/init", 1);
	rounds_process(&r, 1234, 300, "vi", "vi x", 1);
	s = update(l, &r);
	check(l, s, 1234, "1234(3) vi x");
	assert_int_equal(mh_labels_count(l), 4);
	mh_labels_free(l);
	rounds_done(&r);
}

static void by_identity_an_exec_changes_the_command_alone(void **state)
{
	struct mh_labels *l = labels(MH_LABEL_BY_IDENTITY);
	const struct mh_snapshot *s;
	struct mh_series series;
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 7, 5, "bash", "bash -l", 1);
	update(l, &r);
	rounds_begin(&r);
	rounds_process(&r, 7, 5, "make", "make -j2", 1);
	s = update(l, &r);
	check(l, s, 7, "7 make -j2");
	mh_labels_series(l, 0, &series);
	assert_string_equal(series.comm, "make");
	assert_int_equal(series.comm_len, 4);
	assert_int_equal(mh_labels_count(l), 1);
	mh_labels_free(l);
	rounds_done(&r);
}

static void by_identity_who_returns_has_the_old_series(void **state)
{
	struct mh_labels *l = labels(MH_LABEL_BY_IDENTITY);
	const struct mh_snapshot *s;
	struct rounds r;

	(void)state;
	rounds_init(&r);
	for (int i = 0; i < 3; i++) {
		rounds_begin(&r);
		rounds_process(&r, 7, 5, "a", "a", 1);
		s = update(l, &r);
		check(l, s, 7, "7 a");
		rounds_begin(&r);
		rounds_process(&r, 7, 6, "b", "b", 1);
		s = update(l, &r);
		check(l, s, 7, "7(2) b");
	}
	assert_int_equal(mh_labels_count(l), 2);
	r.boot_id.bytes[15] = 1; /* the same numbers in another boot are another process */
	rounds_begin(&r);
	rounds_process(&r, 7, 5, "a", "a", 1);
	s = update(l, &r);
	check(l, s, 7, "7(3) a");
	r.boot_id.bytes[15] = 0;
	rounds_begin(&r);
	rounds_process(&r, 7, 6, "c", "c", 1);
	s = update(l, &r);
	check(l, s, 7, "7(2) c");
	mh_labels_free(l);
	rounds_done(&r);
}

static void twins_are_apart(void **state)
{
	struct mh_labels *l = labels(MH_LABEL_BY_IDENTITY);
	struct mh_round round = {.fields = MH_FIELDS(RSS)};
	struct mh_identity id = {.pid = 7, .start_ticks = 5};
	struct mh_process *p;
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 7, 5, "a", "a", 1);
	update(l, &r);
	rounds_begin(&r);
	mh_table_remove(r.table, mh_table_find(r.table, 7));
	assert_int_equal(mh_table_add(r.table, &id, &p), 0);
	assert_int_equal(p->id.twin, 1);
	assert_int_equal(mh_labels_update(l, mh_table_end(r.table, &round)), 0);
	assert_int_equal(mh_labels_of_slot(l, 0), 1);
	assert_int_equal(mh_labels_count(l), 2);
	mh_labels_free(l);
	rounds_done(&r);
}

static void by_command_a_pid_and_its_command_are_a_series(void **state)
{
	struct mh_labels *l = labels(MH_LABEL_BY_COMMAND);
	const struct mh_snapshot *s;
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 7, 5, "bash", "run", 1);
	rounds_process(&r, 8, 5, "bash", "run", 1);
	s = update(l, &r);
	check(l, s, 7, "7 run");
	check(l, s, 8, "8 run");

	rounds_begin(&r); /* an exec begins another */
	rounds_process(&r, 7, 5, "bash", "other", 1);
	rounds_process(&r, 8, 5, "sh", "run", 1); /* another comm does not */
	s = update(l, &r);
	check(l, s, 7, "7(2) other");
	check(l, s, 8, "8 run");

	rounds_begin(&r); /* a restart under the same pid does not */
	rounds_process(&r, 7, 99, "bash", "run", 1);
	rounds_process(&r, 8, 99, "sh", "walk", 1);
	s = update(l, &r);
	check(l, s, 7, "7 run");
	check(l, s, 8, "8(2) walk");

	r.boot_id.bytes[0] = 1; /* nor does another boot */
	rounds_begin(&r);
	rounds_process(&r, 7, 5, "bash", "other", 1);
	s = update(l, &r);
	check(l, s, 7, "7(2) other");
	assert_int_equal(mh_labels_count(l), 4);
	mh_labels_free(l);
	rounds_done(&r);
}

static void without_a_command_line_comm_stands_in(void **state)
{
	(void)state;
	for (int rule = MH_LABEL_BY_IDENTITY; rule <= MH_LABEL_BY_COMMAND; rule++) {
		struct mh_labels *l = labels((enum mh_label_rule)rule);
		const struct mh_snapshot *s;
		struct rounds r;

		rounds_init(&r);
		rounds_begin(&r);
		rounds_process(&r, 2, 5, "kthreadd", NULL, 1);
		rounds_process(&r, 7, 5, "cc", "cc x.c", 1);
		rounds_process(&r, 9, 5, "", NULL, 1);
		s = update(l, &r);
		check(l, s, 2, "2 [kthreadd]");
		check(l, s, 9, "9 []");

		rounds_begin(&r); /* a zombie is still what died */
		rounds_process(&r, 2, 5, "kworker", NULL, 1);
		rounds_process(&r, 7, 5, "cc", NULL, 1);
		s = update(l, &r);
		check(l, s, 2, rule == MH_LABEL_BY_IDENTITY ? "2 [kworker]" : "2 [kthreadd]");
		check(l, s, 7, "7 cc x.c");
		assert_int_equal(mh_labels_count(l), 3);

		rounds_begin(&r); /* the next with that pid is not */
		rounds_process(&r, 7, 6, "cc", NULL, 1);
		s = update(l, &r);
		check(l, s, 7, "7(2) [cc]");
		mh_labels_free(l);
		rounds_done(&r);
	}
}

static void commands_are_written_as_typed(void **state)
{
	struct mh_series series = {
		.pid = 4194304, .nth = 2, .command = "a\0b\0\0c\n\xff", .command_len = 8};
	struct mh_buf b = MH_BUF_INIT(20);

	(void)state;
	mh_label_write(&b, &series);
	mh_label_command(&b, &series);
	assert_string_equal(mh_buf_str(&b), "4194304(2)a b  c\n\xff");
	mh_label_command(&b, &series); /* past the cap */
	assert_int_equal(b.error, -EOVERFLOW);
	mh_buf_done(&b);
}

enum { BRIEF_PLACE = 200 }; /* above all slots */

/* What an ordinary list of everything ever seen says of each process. */
struct reference {
	struct {
		struct mh_identity id;
		char command[200];
		size_t len;
		uint32_t nth;
	} item[20000];
	uint32_t n;
	uint32_t of_slot[256];
};

static uint32_t reference_find(struct reference *ref, const struct mh_process *p, const char *text,
			       size_t len, enum mh_label_rule rule)
{
	uint32_t nth = 1;

	for (uint32_t i = 0; i < ref->n; i++) {
		if (ref->item[i].id.pid != p->id.pid)
			continue;
		if (rule == MH_LABEL_BY_IDENTITY
			    ? mh_identity_same(&ref->item[i].id, &p->id)
			    : ref->item[i].len == len && !memcmp(ref->item[i].command, text, len))
			return i;
		nth++;
	}
	assert_in_range(ref->n, 0, 19999);
	ref->item[ref->n].id = p->id;
	ref->item[ref->n].nth = nth;
	return ref->n++;
}

static void reference_take(struct reference *ref, const struct mh_process *p, uint32_t slot,
			   enum mh_label_rule rule, bool born)
{
	char text[200];
	size_t len = p->cmdline_len;
	uint32_t i;

	if (len)
		memcpy(text, p->cmdline, len);
	else
		len = (size_t)snprintf(text, sizeof(text), "[%s]", p->comm);
	if (born || (rule == MH_LABEL_BY_COMMAND && p->cmdline_len))
		ref->of_slot[slot] = reference_find(ref, p, text, len, rule);
	i = ref->of_slot[slot];
	if (rule == MH_LABEL_BY_COMMAND && ref->item[i].len)
		return;
	if (!p->cmdline_len && ref->item[i].len && ref->item[i].command[0] != '[')
		return;
	memcpy(ref->item[i].command, text, len);
	ref->item[i].len = len;
}

static void a_random_life_equals_the_list(void **state)
{
	static struct reference ref;

	(void)state;
	for (int rule = MH_LABEL_BY_IDENTITY; rule <= MH_LABEL_BY_COMMAND; rule++) {
		struct mh_labels *l = labels((enum mh_label_rule)rule);
		struct world w;

		memset(&ref, 0, sizeof(ref));
		world_init(&w, 99);
		for (int step = 0; step < 2000; step++) {
			const struct mh_snapshot *s = world_step(&w);

			assert_int_equal(mh_labels_update(l, s), 0);
			for (uint32_t i = 0; i < s->n_brief; i++) {
				reference_take(&ref, &s->brief[i], BRIEF_PLACE + i,
					       (enum mh_label_rule)rule, true);
				assert_int_equal(mh_labels_of_slot(l, MH_BRIEF_SLOT(i)),
						 ref.of_slot[BRIEF_PLACE + i]);
			}
			for (uint32_t i = 0; i < s->n_born; i++)
				reference_take(&ref, &s->process[s->born[i]], s->born[i],
					       (enum mh_label_rule)rule, true);
			for (uint32_t i = 0; i < s->n_renamed; i++)
				reference_take(&ref, &s->process[s->renamed[i]], s->renamed[i],
					       (enum mh_label_rule)rule, false);
			assert_int_equal(mh_labels_count(l), ref.n);
			mh_snapshot_for_each (s, slot) {
				uint32_t i = ref.of_slot[slot];
				struct mh_series series;

				assert_int_equal(mh_labels_of_slot(l, slot), i);
				mh_labels_series(l, i, &series);
				assert_int_equal(series.pid, s->process[slot].id.pid);
				assert_int_equal(series.nth, ref.item[i].nth);
				assert_int_equal(series.command_len, ref.item[i].len);
				assert_memory_equal(series.command, ref.item[i].command,
						    ref.item[i].len);
			}
		}
		world_done(&w);
		mh_labels_free(l);
	}
	mh_labels_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_owners_of_a_pid_are_numbered),
		cmocka_unit_test(by_identity_an_exec_changes_the_command_alone),
		cmocka_unit_test(by_identity_who_returns_has_the_old_series),
		cmocka_unit_test(twins_are_apart),
		cmocka_unit_test(by_command_a_pid_and_its_command_are_a_series),
		cmocka_unit_test(without_a_command_line_comm_stands_in),
		cmocka_unit_test(commands_are_written_as_typed),
		cmocka_unit_test(a_random_life_equals_the_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
