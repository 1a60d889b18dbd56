/*
 * The rules of docs/FORMAT.md on processes that ended: S7 (began and ended between two snapshots)
 * and S8 (the last marks of those whose slots became free).
 */
#include "tests/unit/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { RSS_COLUMN = 1, HWM_COLUMN = 4, MANY = 65536 };

/* An Ends message of two: pids 11 and 40. */
struct ends {
	Memhist__V1__Ends m;
	Memhist__V1__Processes process;
	Memhist__V1__Column hwm, *column[1];
	struct listed list;
	uint32_t gap[LISTED_MAX];
	int64_t delta[LISTED_MAX];
};

static void init(struct ends *e, bool names)
{
	*e = (struct ends){
		.m = MEMHIST__V1__ENDS__INIT,
		.process = MEMHIST__V1__PROCESSES__INIT,
		.hwm = MEMHIST__V1__COLUMN__INIT,
		.list = {.pid = {11, 29},
			 .start_ticks = {100, 50},
			 .comm = {1, 0},
			 .cmdline = {3, 3}},
		.delta = {77, 88},
	};
	e->m.process = &e->process;
	e->m.column = e->column;
	e->m.n_column = 1;
	e->column[0] = &e->hwm;
	e->hwm.field = HWM_COLUMN;
	e->hwm.slot_gap = e->gap;
	e->hwm.delta = e->delta;
	e->hwm.n_slot_gap = e->hwm.n_delta = 2;
	e->process.pid = e->list.pid;
	e->process.start_ticks = e->list.start_ticks;
	e->process.twin = e->list.twin;
	e->process.n_pid = e->process.n_start_ticks = 2;
	if (!names)
		return;
	e->process.ppid = e->list.ppid;
	e->process.uid = e->list.uid;
	e->process.comm = e->list.comm;
	e->process.cmdline = e->list.cmdline;
	e->process.n_ppid = e->process.n_uid = e->process.n_comm = e->process.n_cmdline = 2;
}

/* S7 */
static void test_brief_lives_are_read(void **state)
{
	for (int key = 1; key >= 0; key--) {
		struct rig *rig = *state;
		struct sample *s = key ? a_key(rig) : a_delta(rig);
		const struct mh_snapshot *snapshot;
		struct ends brief;

		init(&brief, true);
		brief.list.twin[1] = 3;
		brief.process.n_twin = 2;
		s->m.brief = &brief.m;
		assert_int_equal(feed(rig, s), MH_DECODED_SNAPSHOT);
		snapshot = mh_decoder_end(rig->decoder);
		assert_int_equal(snapshot->n_live, 3);
		assert_int_equal(snapshot->n_brief, 2);
		assert_int_equal(snapshot->brief[0].id.pid, 11);
		assert_string_equal(snapshot->brief[0].comm, "cat");
		assert_int_equal(snapshot->brief[0].value[MH_FIELD_HWM], 77);
		assert_int_equal(snapshot->brief[1].id.pid, 40);
		assert_int_equal(snapshot->brief[1].id.start_ticks, 150);
		assert_int_equal(snapshot->brief[1].id.twin, 3);
		assert_int_equal(snapshot->brief[1].value[MH_FIELD_HWM], 88);
	}
}

/* S7 */
static void test_brief_lives_are_of_one_snapshot(void **state)
{
	struct rig *rig = *state;
	struct sample *s = a_key(rig);
	struct ends brief;

	init(&brief, true);
	s->m.brief = &brief.m;
	assert_int_equal(feed(rig, s), MH_DECODED_SNAPSHOT);
	/* passed over: nobody asked for it */
	assert_int_equal(feed(rig, a_delta(rig)), MH_DECODED_SNAPSHOT);
	assert_int_equal(mh_decoder_end(rig->decoder)->n_brief, 0);
	/* nor are they left over from a frame that breaks a rule */
	brief.list.comm[1] = 99;
	s = a_key(rig);
	s->m.brief = &brief.m;
	refused(rig);
	assert_int_equal(feed(rig, a_delta(rig)), MH_DECODED_SNAPSHOT);
	assert_int_equal(mh_decoder_end(rig->decoder)->n_brief, 0);
}

/* S7 */
static void test_brief_lists_are_whole(void **state)
{
	struct rig *rig = *state;

	for (int broken = 0; broken < 12; broken++) {
		struct sample *s = broken % 2 ? a_key(rig) : a_delta(rig);
		uint32_t slots[2] = {0};
		struct ends brief;

		init(&brief, true);
		s->m.brief = &brief.m;
		switch (broken) {
		case 0:
			brief.m.process = NULL;
			break;
		case 1:
			brief.process.slot_gap = slots;
			brief.process.n_slot_gap = 2;
			break;
		case 2:
			brief.process.n_start_ticks--;
			break;
		case 3:
			brief.process.n_comm--;
			break;
		case 4:
			brief.process.n_ppid = brief.process.n_uid = brief.process.n_comm =
				brief.process.n_cmdline = 0;
			break;
		case 5:
			brief.hwm.n_delta--;
			break;
		case 6:
			brief.gap[1] = 1; /* position 2 of two */
			break;
		case 7:
			brief.list.pid[1] = -11; /* pid 0 */
			break;
		case 8:
			brief.list.pid[1] = MH_PID_MAX;
			break;
		case 9:
			brief.process.n_twin = 1;
			break;
		case 10:
			brief.hwm.field = RSS_COLUMN;
			break;
		default:
			brief.list.cmdline[0] = 99; /* C3 */
		}
		refused(rig);
	}
}

/* S7 */
static void test_brief_lives_are_bounded(void **state)
{
	struct rig *rig = *state;
	static uint32_t zeros[MANY + 1];
	static int64_t ticks[MANY + 1];
	static int32_t pids[MANY + 1];
	struct ends brief;

	for (int over = 0; over < 2; over++) {
		struct sample *s = a_key(rig);
		size_t n = MANY + (size_t)over;

		init(&brief, true);
		s->m.brief = &brief.m;
		brief.m.n_column = 0;
		for (size_t i = 0; i < n; i++)
			pids[i] = 1;
		brief.process.pid = pids;
		brief.process.start_ticks = ticks;
		brief.process.ppid = brief.process.uid = brief.process.comm =
			brief.process.cmdline = zeros;
		brief.process.n_pid = brief.process.n_start_ticks = brief.process.n_ppid =
			brief.process.n_uid = brief.process.n_comm = brief.process.n_cmdline = n;
		if (over) {
			refused(rig);
		} else {
			assert_int_equal(feed(rig, s), MH_DECODED_SNAPSHOT);
			assert_int_equal(mh_decoder_end(rig->decoder)->n_brief, MANY);
		}
	}
}

/* S8: of the two, 11 is known and 40 is not. */
static void test_last_marks_are_read(void **state)
{
	for (int key = 0; key < 2; key++) {
		struct rig *rig = *state;
		const struct mh_snapshot *snapshot;
		struct ends ended;
		struct sample *s;

		take_key(rig);
		s = key ? a_key(rig) : a_delta(rig);
		if (key) {
			/* 11 is not listed any more */
			s->of_born = (struct listed){.slot_gap = {0, 4},
						     .pid = {10, 10},
						     .start_ticks = {100, 100},
						     .ppid = {1, 1},
						     .comm = {0, 2},
						     .cmdline = {3, 3}};
			s->born.n_slot_gap = s->born.n_ppid = s->born.n_uid = s->born.n_comm =
				s->born.n_cmdline = s->born.n_pid = s->born.n_start_ticks = 2;
			s->m.live_plus_1 = 3;
		}
		init(&ended, false);
		s->m.ended = &ended.m;
		assert_int_equal(feed(rig, s), MH_DECODED_SNAPSHOT);
		snapshot = mh_decoder_end(rig->decoder);
		assert_int_equal(snapshot->n_gone, 1);
		assert_int_equal(snapshot->gone[0].process.id.pid, 11);
		assert_int_equal(snapshot->gone[0].process.value[MH_FIELD_HWM], 77);
		assert_int_equal(snapshot->n_brief, 0);
	}
}

/* S8: another identity under the same pid is somebody else. */
static void test_last_marks_are_of_the_identity(void **state)
{
	struct rig *rig = *state;
	struct sample *s = a_delta(rig);
	struct ends ended;

	take_key(rig);
	init(&ended, false);
	ended.list.start_ticks[0] = 101;
	s->m.ended = &ended.m;
	assert_int_equal(feed(rig, s), MH_DECODED_SNAPSHOT);
	assert_int_equal(mh_decoder_end(rig->decoder)->gone[0].process.value[MH_FIELD_HWM], 0);
}

/* S8 */
static void test_lists_of_last_marks_are_whole(void **state)
{
	struct rig *rig = *state;
	struct ends ended;

	init(&ended, true); /* with names */
	a_delta(rig)->m.ended = &ended.m;
	refused(rig);
	init(&ended, false);
	a_delta(rig)->m.ended = &ended.m;
	ended.process.n_pid--;
	refused(rig);
	init(&ended, false);
	a_delta(rig)->m.ended = &ended.m;
	ended.hwm.field = RSS_COLUMN;
	refused(rig);
}

/* S8: 10 and 20 go on living, in deltas and keyframes; 11 does in the good keyframe. */
static void test_who_lives_has_not_ended(void **state)
{
	static const int32_t alive[] = {10, 20};
	struct rig *rig = *state;
	struct ends ended;

	init(&ended, false);
	a_key(rig)->m.ended = &ended.m;
	refused(rig);
	for (size_t i = 0; i < sizeof(alive) / sizeof(alive[0]); i++) {
		init(&ended, false);
		ended.list.pid[0] = alive[i];
		ended.list.start_ticks[0] = i ? 200 : 100;
		a_delta(rig)->m.ended = &ended.m;
		refused(rig);
		init(&ended, false);
		ended.list.pid[0] = alive[i];
		ended.list.start_ticks[0] = i ? 200 : 100;
		a_key(rig)->m.ended = &ended.m;
		refused(rig);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_brief_lives_are_read),
		TEST(test_brief_lives_are_of_one_snapshot),
		TEST(test_brief_lists_are_whole),
		TEST(test_brief_lives_are_bounded),
		TEST(test_last_marks_are_read),
		TEST(test_last_marks_are_of_the_identity),
		TEST(test_lists_of_last_marks_are_whole),
		TEST(test_who_lives_has_not_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
