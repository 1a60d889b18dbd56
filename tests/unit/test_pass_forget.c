/* Series of a pass that are gone: forgotten once, not before it is certain, and never who is there.
 */
#include "tools/pass_forget.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { PIDS = 40, PARTS = 3000 };

/* A pass whose parts are lists of pids. */
struct rig {
	struct forgetting f;
	struct pass pass;
	struct mh_label_names names;
	uint32_t n_parts;
	uint32_t series[PIDS];
	bool is_known[PIDS];
	uint32_t in_part[PIDS]; /* the last one that had it */
	uint32_t gone[PIDS];    /* pids, in the order in which they were forgotten since reset */
	uint32_t n_gone;
	int rc; /* for the pass to end with */
};

static int on_forgotten(void *arg, const struct mh_forgotten *label)
{
	struct rig *r = arg;

	assert_true(r->is_known[label->pid]); /* and so not told twice */
	r->is_known[label->pid] = false;
	r->gone[r->n_gone++] = label->pid;
	mh_labels_put(r->pass.labels, label->command);
	return r->rc;
}

static void begin(struct rig *r)
{
	const struct mh_boot_id boot = {{1}};

	*r = (struct rig){.pass = {.forgotten = on_forgotten, .arg = r}};
	assert_int_equal(mh_labels_new(&r->pass.labels, MH_LABEL_BY_IDENTITY), 0);
	mh_labels_forgetful(r->pass.labels);
	assert_int_equal(mh_labels_begin(r->pass.labels, &boot), 0);
	r->names.comm = mh_labels_text(r->pass.labels, "comm", 4);
	r->names.command = mh_labels_text(r->pass.labels, "command", 7);
	assert_true(r->names.comm && r->names.command);
}

static void done(struct rig *r)
{
	mh_labels_put(r->pass.labels, r->names.comm);
	mh_labels_put(r->pass.labels, r->names.command);
	mh_labels_free(r->pass.labels);
	forgetting_done(&r->f);
}

static void show(struct rig *r, uint32_t pid)
{
	const struct mh_identity id = {.pid = pid, .start_ticks = 100};
	uint32_t series;
	int rc = mh_labels_find(r->pass.labels, &id, &r->names, &series);

	/* who was forgotten has a new series, and who was not has the old one */
	assert_int_equal(rc, r->is_known[pid] ? 0 : 1);
	if (!rc)
		assert_int_equal(series, r->series[pid]);
	r->series[pid] = series;
	r->is_known[pid] = true;
	r->in_part[pid] = r->n_parts;
	assert_int_equal(forgetting_show(&r->f, &r->pass, series), 0);
}

/* A part with these pids, the last of which is 0. */
static void part(struct rig *r, const uint32_t *pid)
{
	r->n_parts++;
	forgetting_begin_part(&r->f);
	for (; *pid; pid++)
		show(r, *pid);
	assert_int_equal(forgetting_end_part(&r->f), 0);
}

#define PART(rig, ...) part(rig, (const uint32_t[]){__VA_ARGS__ __VA_OPT__(, ) 0})

static void check_gone(struct rig *r, const uint32_t *pid)
{
	uint32_t n = 0;

	for (; *pid; pid++, n++) {
		assert_true(n < r->n_gone);
		assert_int_equal(r->gone[n], *pid);
	}
	assert_int_equal(r->n_gone, n);
	r->n_gone = 0;
}

#define GONE(rig, ...) check_gone(rig, (const uint32_t[]){__VA_ARGS__ __VA_OPT__(, ) 0})

static int waiting(struct rig *r)
{
	return forgetting_waiting(&r->f, &r->pass);
}

static void who_lives_on_is_kept_to_the_end(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	for (int i = 0; i < 5; i++) {
		PART(&r, 1, 2);
		assert_int_equal(waiting(&r), 0);
		GONE(&r);
	}
	assert_int_equal(forgetting_all(&r.f, &r.pass), 0);
	GONE(&r, 1, 2);
	done(&r);
}

static void who_is_gone_waits_for_the_window(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	PART(&r, 1, 2, 3);
	PART(&r, 2);
	GONE(&r); /* candles may be told of them */
	PART(&r, 4);
	GONE(&r);
	assert_int_equal(waiting(&r), 0);
	GONE(&r, 1, 3, 2);
	assert_int_equal(waiting(&r), 0);
	GONE(&r);
	assert_int_equal(forgetting_all(&r.f, &r.pass), 0);
	GONE(&r, 4);
	done(&r);
}

/* Candles of it are told by the number that this part has got for it. */
static void who_waited_and_came_back_is_not_forgotten(void **state)
{
	struct rig r;
	uint32_t series;

	(void)state;
	begin(&r);
	PART(&r, 1, 2);
	PART(&r, 2);
	PART(&r, 1, 2);
	series = r.series[1];
	assert_int_equal(waiting(&r), 0);
	GONE(&r);
	/* nobody else gets its number */
	PART(&r, 1, 2, 3);
	assert_int_equal(r.series[1], series);
	assert_int_not_equal(r.series[3], series);
	assert_int_equal(mh_labels_label(r.pass.labels, series).pid, 1);
	assert_int_equal(forgetting_all(&r.f, &r.pass), 0);
	GONE(&r, 1, 2, 3);
	done(&r);
}

static void who_waits_twice_is_forgotten_once(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	PART(&r, 1, 2);
	PART(&r, 2);
	PART(&r, 1, 2);
	PART(&r, 2);
	assert_int_equal(waiting(&r), 0);
	GONE(&r, 1);
	PART(&r, 1, 1); /* a new series, and a process that is told twice */
	assert_int_equal(waiting(&r), 0);
	GONE(&r, 2);
	assert_int_equal(forgetting_all(&r.f, &r.pass), 0);
	GONE(&r, 1);
	done(&r);
}

static void the_end_takes_those_who_wait_too(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	PART(&r, 1, 2);
	PART(&r, 2, 3);
	assert_int_equal(forgetting_all(&r.f, &r.pass), 0);
	GONE(&r, 1, 2, 3);
	assert_int_equal(forgetting_all(&r.f, &r.pass), 0);
	GONE(&r);
	done(&r);
}

static void the_first_error_ends_it(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	PART(&r, 1, 2, 3);
	PART(&r, 3);
	r.rc = -ENOSPC;
	assert_int_equal(waiting(&r), -ENOSPC);
	GONE(&r, 1);
	done(&r);
	begin(&r);
	PART(&r, 1, 2);
	r.rc = -ENOSPC;
	assert_int_equal(forgetting_all(&r.f, &r.pass), -ENOSPC);
	GONE(&r, 1);
	done(&r);
}

static void without_anybody_to_tell_nothing_is_kept(void **state)
{
	struct rig r;

	(void)state;
	begin(&r);
	r.pass.forgotten = NULL;
	PART(&r, 1, 2);
	PART(&r);
	assert_null(r.f.seen);
	assert_null(r.f.shown.item);
	assert_int_equal(forgetting_all(&r.f, &r.pass), 0);
	GONE(&r);
	done(&r);
}

/* As many as the part before had and this one has not, whatever came between. */
static void at_random_only_who_is_not_there_is_forgotten(void **state)
{
	uint32_t random = 5, n_forgotten = 0, n_back = 0;
	struct rig r;

	(void)state;
	begin(&r);
	for (int i = 0; i < PARTS; i++) {
		uint32_t pid[PIDS + 1] = {0}, n = 0;

		for (uint32_t p = 1; p < PIDS; p++) {
			random = random * 1103515245 + 12345;
			/* in a part of the parts */
			if (random >> 28 >= p % 16)
				continue;
			n_back += r.is_known[p] && r.in_part[p] < r.n_parts;
			pid[n++] = p;
		}
		part(&r, pid);
		random = random * 1103515245 + 12345;
		if (random >> 30)
			continue;
		assert_int_equal(waiting(&r), 0);
		for (uint32_t p = 1; p < PIDS; p++)
			assert_int_equal(r.is_known[p], r.in_part[p] == r.n_parts);
		n_forgotten += r.n_gone;
		r.n_gone = 0;
	}
	assert_int_equal(forgetting_all(&r.f, &r.pass), 0);
	for (uint32_t p = 1; p < PIDS; p++)
		assert_false(r.is_known[p]);
	assert_in_range(n_forgotten, PARTS, PARTS * PIDS);
	assert_in_range(n_back, PARTS, PARTS * PIDS);
	done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_lives_on_is_kept_to_the_end),
		cmocka_unit_test(who_is_gone_waits_for_the_window),
		cmocka_unit_test(who_waited_and_came_back_is_not_forgotten),
		cmocka_unit_test(who_waits_twice_is_forgotten_once),
		cmocka_unit_test(the_end_takes_those_who_wait_too),
		cmocka_unit_test(the_first_error_ends_it),
		cmocka_unit_test(without_anybody_to_tell_nothing_is_kept),
		cmocka_unit_test(at_random_only_who_is_not_there_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
