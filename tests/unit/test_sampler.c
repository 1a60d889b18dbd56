/* The sampler: snapshots and history together, gaps told apart, and what it does when things fail.
 */
#include "libmemhist/sampler.h"

#include "libmemhist/history/reader.h"

#include "tests/unit/tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { INTERVAL_MS = 1000 };

static const char boot_id[] = "00112233-4455-6677-8899-aabbccddeeff\n";
static const char meminfo[] = "MemTotal: 1000 kB\nMemFree: 500 kB\n";

/* A recorded tree, a folder for the history, and a sampler of both. */
struct fixture {
	struct tree tree, history;
	struct mh_sampler *sampler;
	const struct mh_snapshot *snapshot;
	struct mh_instant now;
	struct mh_err err;
};

/* Without min_free: the machine's disk may be full. */
static const struct mh_upkeep_config any_disk = {.sync_ms = MH_UPKEEP_SYNC_MS};

static void start(struct fixture *f)
{
	const struct mh_sampler_config config = {
		.procfs = f->tree.path,
		.history_dir = f->history.path,
		.upkeep = &any_disk,
		.interval_ms = INTERVAL_MS,
	};

	if (mh_sampler_new(&f->sampler, &config, &f->err))
		fail_msg("%s", f->err.text);
}

static void set_up(struct fixture *f)
{
	*f = (struct fixture){.now = mh_now()};
	tree_make(&f->tree);
	tree_make(&f->history);
	tree_write(&f->tree, "meminfo", meminfo, strlen(meminfo));
	tree_write(&f->tree, "sys/kernel/random/boot_id", boot_id, strlen(boot_id));
	tree_process(&f->tree, 1,
		     &(struct tree_process){.comm = "init",
					    .cmdline = "/sbin/init",
					    .start_ticks = 1,
					    .vsz_pages = 100,
					    .rss_pages = 10});
	start(f);
}

static void tear_down(struct fixture *f)
{
	mh_sampler_free(f->sampler);
	tree_remove(&f->tree);
	tree_remove(&f->history);
}

static void tick_after(struct fixture *f, int64_t boot_ms, int64_t wall_ms)
{
	f->now.boot_ns += (uint64_t)boot_ms * 1000000;
	f->now.wall_ms += wall_ms;
	if (mh_sampler_tick(f->sampler, f->now, &f->snapshot, &f->err))
		fail_msg("%s", f->err.text);
}

static void tick(struct fixture *f)
{
	tick_after(f, INTERVAL_MS, INTERVAL_MS);
}

static struct mh_sampler_status status_of(const struct fixture *f)
{
	struct mh_sampler_status status;

	mh_sampler_status(f->sampler, &status);
	return status;
}

static void a_tick_makes_a_snapshot(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	tick(&f);
	assert_true(f.snapshot->first);
	assert_int_equal(f.snapshot->n_live, 1);
	assert_int_equal(f.snapshot->n_born, 1);
	assert_int_equal(f.snapshot->at.wall_ms, f.now.wall_ms);
	assert_int_equal(f.snapshot->at.boot_ns, f.now.boot_ns);
	assert_int_equal(f.snapshot->fields, MH_FIELDS_ALL);
	assert_int_equal(f.snapshot->boot_id.bytes[1], 0x11);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_NONE);
	assert_false(f.snapshot->partial);
	assert_int_equal(mh_meminfo_bytes(f.snapshot->meminfo, "MemFree"), 500 * 1024);
	tree_drop(&f.tree, "1");
	tree_process(&f.tree, 2, &(struct tree_process){.comm = "two", .start_ticks = 2});
	tick(&f);
	assert_false(f.snapshot->first);
	assert_int_equal(f.snapshot->n_gone, 1);
	assert_int_equal(f.snapshot->n_born, 1);
	assert_int_equal(status_of(&f).ticks, 2);
	assert_int_equal(status_of(&f).failed_ticks, 0);
	assert_int_equal(status_of(&f).scan.scans, 2);
	tear_down(&f);
}

static void what_was_sampled_is_read_back(void **state)
{
	enum { TICKS = 20 };
	const struct mh_reader_options all = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	const struct mh_snapshot *s;
	struct mh_reader *reader;
	struct mh_instant first;
	struct fixture f;
	int n = 0, rc;

	(void)state;
	set_up(&f);
	first = f.now;
	for (int i = 0; i < TICKS; i++) {
		tree_process(&f.tree, 5,
			     &(struct tree_process){.comm = "grows",
						    .start_ticks = 2,
						    .vsz_pages = 1000,
						    .rss_pages = 100 + (uint64_t)i});
		tick(&f);
	}
	assert_true(status_of(&f).has_history);
	assert_int_equal(status_of(&f).history_error, 0);
	assert_int_equal(status_of(&f).history.snapshots, TICKS);
	assert_int_equal(status_of(&f).history.process_samples, 2 * TICKS);
	mh_sampler_sync(f.sampler);
	assert_int_equal(mh_reader_open(&reader, f.history.path, &all, &f.err), 0);
	while ((rc = mh_reader_next(reader, &s, &f.err)) > 0) {
		n++;
		assert_int_equal(s->at.wall_ms, first.wall_ms + n * INTERVAL_MS);
		assert_int_equal(s->n_live, 2);
		assert_int_equal(mh_meminfo_bytes(s->meminfo, "MemTotal"), 1000 * 1024);
		mh_snapshot_for_each (s, slot) {
			if (s->process[slot].id.pid != 5)
				continue;
			assert_string_equal(s->process[slot].comm, "grows");
			assert_int_equal(s->process[slot].value[MH_FIELD_RSS], 99 + n);
		}
	}
	assert_int_equal(rc, 0);
	assert_int_equal(n, TICKS);
	mh_reader_close(reader);
	tear_down(&f);
}

static void gaps_are_told_apart(void **state)
{
	struct fixture f;
	mh_ms_t before;

	(void)state;
	set_up(&f);
	tick(&f);
	/* in time, or nearly */
	tick(&f);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_NONE);
	tick_after(&f, 2400, 2400);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_NONE);
	tick_after(&f, 10, 10);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_NONE);
	/* boot time went on while CLOCK_MONOTONIC, which this test cannot stop, did not */
	before = f.now.wall_ms;
	tick_after(&f, 60000, 60000);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_SUSPENDED);
	assert_int_equal(f.snapshot->gap.since_wall_ms, before);
	tick(&f);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_NONE);
	/* the wall clock is set forward, and back */
	tick_after(&f, 1000, 2100);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_CLOCK_STEP);
	tick_after(&f, 1000, 1900);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_NONE);
	before = f.now.wall_ms;
	tick_after(&f, 1000, -3600000);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_CLOCK_STEP);
	assert_int_equal(f.snapshot->gap.since_wall_ms, before);
	/* set while asleep: what cannot be seen from boot times goes first */
	tick_after(&f, 60000, 7200000);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_CLOCK_STEP);
	tick(&f);
	assert_int_equal(f.snapshot->gap.kind, MH_GAP_NONE);
	tear_down(&f);
}

static void a_late_tick_is_no_suspend(void **state)
{
	struct mh_sampler_config config = {.interval_ms = 100};
	const struct mh_snapshot *s;
	struct mh_sampler *sampler;
	struct mh_err err;

	(void)state;
	assert_int_equal(mh_sampler_new(&sampler, &config, &err), 0);
	assert_int_equal(mh_sampler_tick(sampler, mh_now(), &s, &err), 0);
	usleep(300000);
	assert_int_equal(mh_sampler_tick(sampler, mh_now(), &s, &err), 0);
	assert_int_equal(s->gap.kind, MH_GAP_LATE);
	mh_sampler_free(sampler);
}

static void missing_meminfo_is_missing(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	tree_write(&f.tree, "meminfo", "nonsense\n", 9);
	tick(&f);
	assert_null(f.snapshot->meminfo);
	tree_drop(&f.tree, "meminfo");
	tick(&f);
	assert_null(f.snapshot->meminfo);
	tree_write(&f.tree, "meminfo", meminfo, strlen(meminfo));
	tick(&f);
	assert_non_null(f.snapshot->meminfo);
	assert_int_equal(status_of(&f).history_error, 0);
	tear_down(&f);
}

static void a_history_that_fails_does_not_fail_ticks(void **state)
{
	struct fixture f;
	FILE *in_the_way;

	(void)state;
	set_up(&f);
	tick(&f);
	assert_int_equal(status_of(&f).history_error, 0);
	/* somebody removes the history, and puts something else there */
	tree_remove(&f.history);
	in_the_way = fopen(f.history.path, "we");
	assert_non_null(in_the_way);
	fclose(in_the_way);
	for (int i = 0; i < 3; i++) {
		tick(&f);
		assert_int_equal(f.snapshot->n_live, 1);
		assert_true(status_of(&f).history_error < 0);
		assert_non_null(strstr(status_of(&f).history_message.text, f.history.path));
	}
	assert_int_equal(status_of(&f).failed_ticks, 0);
	assert_int_equal(status_of(&f).ticks, 4);
	assert_int_equal(status_of(&f).history.errors, 3);
	/* it is written again when it can be, which the first try finds out */
	assert_int_equal(unlink(f.history.path), 0);
	tick(&f);
	tick(&f);
	assert_int_equal(status_of(&f).history_error, 0);
	assert_string_equal(status_of(&f).history_message.text, "");
	tear_down(&f);
}

static void a_tick_that_fails_is_no_sample(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	tick(&f);
	tree_remove(&f.tree);
	f.err.text[0] = '\0';
	assert_int_equal(mh_sampler_tick(f.sampler, f.now, &f.snapshot, &f.err), -ENOENT);
	assert_non_null(strstr(f.err.text, f.tree.path));
	assert_int_equal(status_of(&f).ticks, 1);
	assert_int_equal(status_of(&f).failed_ticks, 1);
	assert_int_equal(status_of(&f).history.snapshots, 1);
	assert_int_equal(mkdir(f.tree.path, 0755), 0);
	tear_down(&f);
}

static void a_second_sampler_of_a_history_is_refused(void **state)
{
	struct mh_sampler *second = NULL;
	struct mh_err err = {""};
	struct fixture f;

	(void)state;
	set_up(&f);
	assert_int_equal(mh_sampler_new(&second,
					&(struct mh_sampler_config){.procfs = f.tree.path,
								    .history_dir = f.history.path,
								    .interval_ms = INTERVAL_MS},
					&err),
			 -EBUSY);
	assert_null(second);
	assert_non_null(strstr(err.text, f.history.path));
	tear_down(&f);
}

static void refused(const struct mh_sampler_config *config, int rc, const char *in_sentence)
{
	struct mh_sampler *sampler = NULL;
	struct mh_err err = {""};

	assert_int_equal(mh_sampler_new(&sampler, config, &err), rc);
	assert_null(sampler);
	if (!strstr(err.text, in_sentence))
		fail_msg("\"%s\" does not say \"%s\"", err.text, in_sentence);
}

static void what_cannot_work_is_refused(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	refused(&(struct mh_sampler_config){.interval_ms = 99}, -EINVAL, "99");
	refused(&(struct mh_sampler_config){.interval_ms = 86400001}, -EINVAL, "86400000");
	refused(&(struct mh_sampler_config){.procfs = "/nowhere", .interval_ms = 1000}, -ENOENT,
		"/nowhere");
	refused(&(struct mh_sampler_config){.procfs = "/dev", .interval_ms = 1000}, -ENODATA,
		"/dev");
	refused(&(struct mh_sampler_config){.procfs = f.tree.path,
					    .history_dir = "/nowhere/history",
					    .interval_ms = 1000},
		-ENOENT, "/nowhere");
	tree_drop(&f.tree, "sys");
	refused(&(struct mh_sampler_config){.procfs = f.tree.path, .interval_ms = 1000}, -ENOENT,
		"boot_id");
	mh_sampler_free(NULL);
	tear_down(&f);
}

static void without_a_history_there_is_none(void **state)
{
	const struct mh_sampler_config config = {.interval_ms = INTERVAL_MS};
	struct mh_sampler_status status;
	const struct mh_snapshot *s;
	struct mh_sampler *sampler;
	struct mh_err err;

	(void)state;
	assert_int_equal(mh_sampler_new(&sampler, &config, &err), 0);
	assert_int_equal(mh_sampler_tick(sampler, mh_now(), &s, &err), 0);
	assert_true(s->n_live > 0);
	mh_sampler_sync(sampler);
	mh_sampler_status(sampler, &status);
	assert_false(status.has_history);
	mh_sampler_free(sampler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tick_makes_a_snapshot),
		cmocka_unit_test(what_was_sampled_is_read_back),
		cmocka_unit_test(gaps_are_told_apart),
		cmocka_unit_test(a_late_tick_is_no_suspend),
		cmocka_unit_test(missing_meminfo_is_missing),
		cmocka_unit_test(a_history_that_fails_does_not_fail_ticks),
		cmocka_unit_test(a_tick_that_fails_is_no_sample),
		cmocka_unit_test(a_second_sampler_of_a_history_is_refused),
		cmocka_unit_test(what_cannot_work_is_refused),
		cmocka_unit_test(without_a_history_there_is_none),
	};

	return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
