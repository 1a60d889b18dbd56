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

/* Every process a pid ever had, in order of appearance; the last of them may be seen again. */
struct past {
	struct mh_identity id;
	uint32_t boot, nth;
	uint32_t series; /* while it is not forgotten */
	bool is_there;
};

static void next_of_pid(struct past *p, uint32_t random, uint32_t boot)
{
	p->nth++;
	if (boot != p->boot)
		p->id.start_ticks = random % 5;
	else if (p->nth > 1 && random % 3)
		p->id.start_ticks += 1 + random % 100;
	else
		p->id.twin++;
	p->boot = boot;
}

static void the_forgotten_keep_their_labels(void **state)
{
	enum { N_PIDS = 20, STEPS = 20000 };
	struct mh_labels *l = labels(MH_LABEL_BY_IDENTITY);
	struct past past[N_PIDS] = {0};
	struct mh_boot_id boot_id = {{0}};
	uint32_t n_labels = 0, boot = 1, n_forgotten = 0, n_again = 0, random = 7;
	struct mh_label_names names = {.has_cmdline = true};

	(void)state;
	mh_labels_forgetful(l);
	names.comm = mh_labels_text(l, "comm", 4);
	names.command = mh_labels_text(l, "a\0b", 3);
	assert_int_equal(mh_labels_begin(l, &boot_id), 0);
	for (int step = 0; step < STEPS; step++) {
		struct past *p;
		uint32_t series;
		int rc;

		random = random * 1103515245 + 12345;
		p = &past[(random >> 8) % N_PIDS];
		p->id.pid = (uint32_t)(p - past) + 1;
		if (random >> 29 == 0 && p->is_there) {
			struct mh_forgotten f;

			mh_labels_forget(l, p->series, &f);
			assert_int_equal(f.pid, p->id.pid);
			assert_int_equal(f.nth, p->nth);
			assert_true(f.has_cmdline);
			assert_ptr_equal(f.command, names.command);
			mh_labels_put(l, f.command);
			p->is_there = false;
			n_forgotten++;
			continue;
		}
		if (step % 1000 == 999) {
			memcpy(boot_id.bytes, &step, sizeof(step));
			assert_int_equal(mh_labels_begin(l, &boot_id), 0);
			boot++;
		}
		/* those of an earlier boot are not seen again */
		if (!p->nth || p->boot != boot || random >> 30 == 1) {
			if (p->is_there) {
				struct mh_forgotten f;

				mh_labels_forget(l, p->series, &f);
				mh_labels_put(l, f.command);
			}
			p->is_there = false;
			next_of_pid(p, random >> 12, boot);
			n_labels++;
		} else if (!p->is_there) {
			n_again++;
		}
		rc = mh_labels_find(l, &p->id, &names, &series);
		assert_int_equal(rc, p->is_there ? 0 : 1);
		if (p->is_there)
			assert_int_equal(series, p->series);
		p->series = series;
		p->is_there = true;
		assert_int_equal(mh_labels_label(l, series).pid, p->id.pid);
		assert_int_equal(mh_labels_label(l, series).nth, p->nth);
		assert_ptr_equal(mh_labels_comm(l, series), names.comm);
		assert_int_equal(mh_labels_count(l), n_labels);
		assert_in_range(series, 0, N_PIDS - 1); /* numbers are used again */
	}
	assert_in_range(n_forgotten, 100, STEPS);
	assert_in_range(n_again, 100, STEPS);
	mh_labels_free(l);
}

static void an_older_one_cannot_be_told(void **state)
{
	const struct mh_identity before = {7, 0, 100}, last = {7, 1, 200}, other = {8, 0, 50};
	const struct mh_identity twin = {7, 0, 200};

	(void)state;
	for (int forgetful = 0; forgetful < 2; forgetful++) {
		struct mh_labels *l = labels(MH_LABEL_BY_IDENTITY);
		struct mh_label_names names = {.has_cmdline = true};
		struct mh_boot_id boots[2] = {{{0}}, {{1}}};
		uint32_t series;

		if (forgetful)
			mh_labels_forgetful(l);
		names.comm = names.command = mh_labels_text(l, "x", 1);
		assert_int_equal(mh_labels_begin(l, &boots[0]), 0);
		assert_int_equal(mh_labels_find(l, &before, &names, &series), 1);
		assert_int_equal(mh_labels_find(l, &last, &names, &series), 1);
		assert_int_equal(mh_labels_find(l, &other, &names, &series), 1);
		assert_int_equal(mh_labels_find(l, &last, &names, &series), 0);
		assert_int_equal(mh_labels_find(l, &before, &names, &series),
				 forgetful ? -EAGAIN : 0);
		assert_int_equal(mh_labels_find(l, &twin, &names, &series),
				 forgetful ? -EAGAIN : 1);
		assert_int_equal(mh_labels_begin(l, &boots[1]), 0);
		assert_int_equal(mh_labels_find(l, &other, &names, &series), 1);
		assert_int_equal(mh_labels_label(l, series).nth, 2);
		assert_int_equal(mh_labels_begin(l, &boots[0]), 0);
		assert_int_equal(mh_labels_find(l, &other, &names, &series),
				 forgetful ? -EAGAIN : 0);
		mh_labels_free(l);
	}
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
		cmocka_unit_test(the_forgotten_keep_their_labels),
		cmocka_unit_test(an_older_one_cannot_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
