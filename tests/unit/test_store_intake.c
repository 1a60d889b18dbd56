/* Samples of a store as snapshots: who is the same process, what is whole, what a clock does. */
#include "tools/store_intake.h"

#include "libmemhist/history/reader.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { T0 = 1780315200 };

/* A sample as a line: second, pid, start of its label (-1: none), field, value, comm. */
struct line {
	int second, pid, start;
	int field;
	double value;
	const char *comm;
};

static char above[128], dir[256];

static void label(struct store_samples *s, const char *name, const char *value)
{
	assert_int_equal(
		store_series_label(s, name, strlen(name), value, value ? strlen(value) : 0), 0);
}

static void add(struct store_samples *s, const struct line *l)
{
	char text[64];

	store_series_begin(s);
	snprintf(text, sizeof(text), STORE_METRIC_PREFIX "%s",
		 l->field == STORE_START ? STORE_METRIC_START : mh_fields[l->field].metric);
	label(s, "__name__", text);
	snprintf(text, sizeof(text), "%d", l->pid);
	label(s, "pid", text);
	label(s, "comm", l->comm);
	if (l->start >= 0) {
		snprintf(text, sizeof(text), "%d", l->start);
		label(s, "start", text);
	}
	assert_int_equal(store_series_end(s), 1);
	assert_int_equal(store_sample_add(s, (mh_ms_t)(T0 + l->second) * 1000, l->value), 0);
}

/* What is read back: "SECOND pid/start comm value mark; …" a line each. */
static void tell(char *to, size_t room, int field)
{
	const struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	const int mark = mh_fields[field].mark;
	const struct mh_snapshot *s;
	struct mh_reader *r;
	struct mh_err err;
	size_t n = 0;

	to[0] = '\0';
	assert_int_equal(mh_reader_open(&r, dir, &options, &err), 0);
	while (mh_reader_next(r, &s, &err) > 0) {
		n += (size_t)snprintf(to + n, room - n, "%d:", (int)(s->at.wall_ms / 1000 - T0));
		mh_snapshot_for_each (s, slot) {
			const struct mh_process *p = &s->process[slot];
			uint64_t start = p->id.start_ticks;

			if (start >= (uint64_t)T0 * 1000) /* made from an instant */
				start -= (uint64_t)T0 * 1000;
			n += (size_t)snprintf(to + n, room - n, " %u/%d %s %d", p->id.pid,
					      (int)start, p->comm, (int)p->value[field]);
			if (mark >= 0 && mh_fields_have(s->fields, mark))
				n += (size_t)snprintf(to + n, room - n, "^%d", (int)p->value[mark]);
		}
		n += (size_t)snprintf(to + n, room - n, "\n");
		if (mark >= 0)
			assert_int_equal(s->lagging & s->fields,
					 s->fields & (mh_fields_t)1 << mark);
	}
	mh_reader_close(r);
}

static void expect(int field, const struct line *lines, const char *expected)
{
	struct store_samples s = {.since_ms = 0, .until_ms = MH_MS_MAX};
	struct import_job job = {.who = "test", .source = "store", .host = "", .clk_tck = 1000};
	char found[4096];
	struct intake in;
	struct mh_err err = {""};

	snprintf(above, sizeof(above), "%s", temp_dir());
	snprintf(dir, sizeof(dir), "%s/history", above);
	job.dir = dir;
	for (const struct line *l = lines; l->pid; l++)
		add(&s, l);
	store_samples_sort(&s);
	assert_int_equal(intake_open(&in, &job, &err), 0);
	if (store_intake(&in, &s, store_fields_of(field), &err))
		fail_msg("%s", err.text);
	assert_int_equal(intake_finish(&in, &err), 0);
	intake_done(&in);
	store_samples_done(&s);
	tell(found, sizeof(found), field);
	remove_dir(dir);
	remove_dir(above);
	assert_string_equal(found, expected);
}

#define RSS(second, pid, start, kib, comm)                           \
	{                                                            \
		second, pid, start, MH_FIELD_RSS, (kib)*1024.0, comm \
	}
#define START(second, pid, value)                        \
	{                                                \
		second, pid, -1, STORE_START, value, "x" \
	}

static void labels_tell_processes_apart(void **state)
{
	(void)state;
	expect(MH_FIELD_RSS,
	       (const struct line[]){
		       RSS(0, 7, 100, 4, "sh"),
		       RSS(0, 3, 50, 8, "init"),
		       RSS(1, 7, 100, 8, "make"), /* another series of the same process */
		       RSS(1, 3, 50, 8, "init"),
		       RSS(2, 7, 200, 12, "make"), /* another process, without a pause */
		       {0},
	       },
	       "0: 3/50 init 8 7/100 sh 4\n1: 3/50 init 8 7/100 make 8\n2: 7/200 make 12\n");
}

static void values_tell_processes_apart(void **state)
{
	(void)state;
	expect(MH_FIELD_RSS,
	       (const struct line[]){
		       RSS(0, 7, -1, 4, "a"),
		       START(0, 7, 100.25),
		       RSS(1, 7, -1, 5, "a"),
		       START(1, 7, 102.25), /* the clock was set */
		       RSS(2, 7, -1, 6, "a"),
		       START(2, 7, 102.251), /* more than that */
		       {0},
	       },
	       "0: 7/100250 a 4\n1: 7/100250 a 5\n2: 7/102251 a 6\n");
}

static void pauses_tell_processes_apart(void **state)
{
	(void)state;
	expect(MH_FIELD_RSS,
	       (const struct line[]){
		       RSS(0, 7, -1, 4, "a"),
		       RSS(0, 8, -1, 4, "z"),
		       RSS(1, 7, -1, 5, "b"),
		       RSS(1, 8, -1, 4, "z"),
		       RSS(2, 8, -1, 4, "z"), /* the other one is not there */
		       RSS(3, 7, -1, 6, "b"),
		       RSS(3, 8, -1, 4, "z"),
		       RSS(10, 8, -1, 4, "z"), /* nobody knows what was in between */
		       {0},
	       },
	       "0: 7/0 a 4 8/0 z 4\n1: 7/0 b 5 8/0 z 4\n2: 8/0 z 4\n3: 7/3000 b 6 8/0 z 4\n"
	       "10: 8/10000 z 4\n");
}

/* Written and scraped under the same labels: the one with a start counts. */
static void twice_the_same(void **state)
{
	(void)state;
	expect(MH_FIELD_RSS,
	       (const struct line[]){
		       RSS(0, 7, -1, 9, "scraped"),
		       RSS(0, 7, 100, 4, "written"),
		       RSS(0, 7, 100, 5, "written too"),
		       {0},
	       },
	       "0: 7/100 written 4\n");
}

static void marks_come_along(void **state)
{
	(void)state;
	expect(MH_FIELD_RSS,
	       (const struct line[]){
		       RSS(0, 7, 1, 4, "a"),
		       {0, 7, 1, MH_FIELD_HWM, 4096, "a"},
		       RSS(1, 7, 1, 4, "a"),
		       {1, 7, 1, MH_FIELD_HWM, 9 * 1024, "a"},
		       {1, 8, 1, MH_FIELD_HWM, 9 * 1024, "only a mark"},
		       RSS(1, 9, 1, 2, "none"),
		       {2, 7, 1, MH_FIELD_HWM, 9 * 1024, "a"}, /* only marks: no snapshot */
		       {0},
	       },
	       "0: 7/1 a 4^4\n1: 7/1 a 4^9 9/1 none 2^0\n");
}

static void what_is_not_whole_is_left_out(void **state)
{
	(void)state;
	expect(MH_FIELD_ANON,
	       (const struct line[]){
		       RSS(0, 7, 1, 100, "a"),
		       {0, 7, 1, MH_FIELD_FILE, 30 * 1024, "a"},
		       {0, 7, 1, MH_FIELD_SHMEM, 20 * 1024, "a"},
		       RSS(0, 8, 1, 100, "no parts"),
		       {0},
	       },
	       "0: 7/1 a 50\n");
	expect(MH_FIELD_THREADS,
	       (const struct line[]){
		       {0, 7, 1, MH_FIELD_THREADS, 3, "a"},
		       {0, 8, 1, MH_FIELD_THREADS, -1, "negative"},
		       {0, 9, 1, MH_FIELD_THREADS, 1e300, "huge"},
		       {0},
	       },
	       "0: 7/1 a 3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_tell_processes_apart),
		cmocka_unit_test(values_tell_processes_apart),
		cmocka_unit_test(pauses_tell_processes_apart),
		cmocka_unit_test(twice_the_same),
		cmocka_unit_test(marks_come_along),
		cmocka_unit_test(what_is_not_whole_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
