/*
 * The feed of remote write against a model that believes only the snapshots as they were written:
 * each sample once, with its time, and a marker where a series ends; whatever becomes of the
 * history's files meanwhile, and of the feed.
 */
#include "tests/unit/remote_trial.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void each_sample_is_sent_once(void **state)
{
	static const uint32_t sizes[] = {1, 7, 61, 200, 10000};

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct trial t;

		trial_begin(&t, seed, sizes[seed - 1]);
		for (int i = 0; i < 20; i++) {
			trial_write(&t, 1 + i % 3);
			send_all(&t);
			assert_int_equal(status_of(&t).pending, 0);
			assert_int_equal(status_of(&t).lag_ms, 0);
		}
		books_are_equal(&t.sent, &t.expected);
		assert_int_equal(dropped(&t), 0);
		assert_int_equal(status_of(&t).samples, t.expected.n);
		assert_int_equal(status_of(&t).accepted_ms, now_of(&t).wall_ms);
		trial_end(&t);
	}
}

/* All in one batch at the end is the same, and what waits is told. */
static void what_waits_is_told(void **state)
{
	struct remote_feed_status s;
	struct trial t;
	struct mh_err err;

	(void)state;
	trial_begin(&t, 3, 500);
	trial_write(&t, 2);
	send_all(&t);
	trial_write(&t, 28);
	assert_int_equal(remote_feed_next(t.feed, now_of(&t), &err), 1);
	s = status_of(&t);
	assert_int_equal(s.lag_ms, 28000);
	assert_true(s.pending > 28 * 30 && s.pending < 28 * 120);
	send_all(&t);
	books_are_equal(&t.sent, &t.expected);
	trial_end(&t);
}

/* The endpoint is away while its segments are sealed and merged under the feed. */
static void an_outage_loses_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct trial t;

		trial_begin(&t, seed, seed % 2 ? 10000 : 40);
		trial_write(&t, (int)(seed % 5));
		if (seed % 3)
			send_one(&t);
		trial_write(&t, 25);
		stop_writing(&t);
		if (seed % 4) {
			seal_each(t.rig.dir, 1);
			rig_merge(&t.rig, true);
		}
		send_one(&t);
		trial_write(&t, 9);
		stop_writing(&t);
		send_one(&t);
		seal_each(t.rig.dir, 1 + seed % 2);
		rig_merge(&t.rig, true);
		send_all(&t);
		trial_write(&t, 3); /* and all goes on */
		send_all(&t);
		books_are_equal(&t.sent, &t.expected);
		assert_int_equal(dropped(&t), 0);
		trial_end(&t);
	}
}

/* Again with a feed that ends and begins anew, at any time. */
static void a_restart_goes_on(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		bool is_small = seed % 4 == 3;
		struct trial t;
		struct mh_err err;

		trial_begin(&t, seed, is_small ? 23 : 10000);
		for (int i = 0; i < 12; i++) {
			trial_write(&t, 1 + (int)world_random(&t.rig.world, 4));
			if (world_random(&t.rig.world, 2))
				send_one(&t);
			if (!world_random(&t.rig.world, 3)) {
				stop_writing(&t);
				seal_each(t.rig.dir, 1 + seed % 2);
				rig_merge(&t.rig, true);
			}
			if (world_random(&t.rig.world, 2))
				continue;
			/* what was read and not accepted is read again */
			if (seed % 2)
				remote_feed_next(t.feed, now_of(&t), &err);
			remote_feed_close(t.feed);
			trial_open(&t);
		}
		send_all(&t);
		/* of a snapshot in several batches some may have been accepted before */
		if (is_small)
			drop_repeats(&t.sent);
		books_are_equal(&t.sent, &t.expected);
		assert_int_equal(dropped(&t), 0);
		trial_end(&t);
	}
}

static void remove_segments(struct trial *t, size_t first, size_t n)
{
	const struct mh_segment_list *list = rig_list(&t->rig);

	for (size_t i = first; i < first + n; i++)
		assert_int_equal(unlinkat(t->rig.dir_fd, list->file[i].name, 0), 0);
}

/* What retention has taken is counted, and its series end; what is left is sent. */
static void what_is_gone_is_counted(void **state)
{
	(void)state;
	for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
		uint64_t before, lost = 0;
		struct trial t;

		trial_begin(&t, 5, 10000);
		trial_write(&t, 4); /* one segment */
		send_all(&t);
		if (is_restarted)
			remote_feed_close(t.feed);
		before = t.expected.n;
		trial_write(&t, 8); /* two that are to go */
		lost = t.expected.n - before;
		book_clear(&t.live); /* markers are another matter, here */
		trial_write(&t, 8);
		assert_int_equal(rig_list(&t.rig)->n, 5);
		remove_segments(&t, is_restarted ? 0 : 1, is_restarted ? 3 : 2);
		if (is_restarted)
			trial_open(&t);
		send_all(&t);
		assert_in_range(status_of(&t).dropped[REMOTE_DROPPED_RETENTION], lost / 2,
				lost * 2);
		/* of what is left nothing is missing */
		book_sort(&t.sent);
		for (size_t i = before + lost; i < t.expected.n; i++)
			if (!strstr(t.expected.line[i], "7ff0000000000002"))
				assert_true(has_line(&t.sent, t.expected.line[i]));
		trial_end(&t);
	}
}

/* Nobody recorded for a while: all ends where that began, and goes on behind it. */
static void a_gap_is_marked(void **state)
{
	struct trial t;
	mh_ms_t gap_ms;

	(void)state;
	trial_begin(&t, 12, 300);
	trial_write(&t, 4);
	send_all(&t);
	gap_ms = now_of(&t).wall_ms + 1;
	for (size_t i = 0; i < t.live.n; i++)
		expect(&t, t.live.line[i], gap_ms, remote_stale());
	expect(&t, "__name__=memhist_processes,job=memhist,", gap_ms, remote_stale());
	book_clear(&t.live);
	stop_writing(&t);
	t.rig.world.now.wall_ms += 60000;
	t.rig.world.now.boot_ns += UINT64_C(60000000000);
	trial_write(&t, 3);
	send_all(&t);
	books_are_equal(&t.sent, &t.expected);
	assert_int_equal(dropped(&t), 0);
	trial_end(&t);
}

static void the_end_marks_everything(void **state)
{
	struct trial t;
	struct mh_err err;
	size_t n;
	mh_ms_t end_ms;

	(void)state;
	trial_begin(&t, 9, 20);
	trial_write(&t, 3);
	/* not at the end of the history: nothing is said */
	assert_int_equal(remote_feed_end(t.feed, now_of(&t), &err), 0);
	send_all(&t);
	n = t.live.n;
	t.rig.world.now.wall_ms += 300;
	t.rig.world.now.boot_ns += 300000000;
	end_ms = now_of(&t).wall_ms;
	for (size_t i = 0; i < n; i++)
		expect(&t, t.live.line[i], end_ms, remote_stale());
	expect(&t, "__name__=memhist_processes,job=memhist,", end_ms, remote_stale());
	while (remote_feed_end(t.feed, now_of(&t), &err) > 0) {
		write_down(&t, remote_feed_batch(t.feed));
		assert_int_equal(remote_feed_accept(t.feed, now_of(&t), &err), 0);
	}
	books_are_equal(&t.sent, &t.expected);
	/* after that all goes on, and nobody has two markers */
	remote_feed_close(t.feed);
	trial_open(&t);
	book_clear(&t.live);
	trial_write(&t, 1);
	send_all(&t);
	books_are_equal(&t.sent, &t.expected);
	trial_end(&t);
}

static void a_clock_that_is_set_back_sends_nothing_twice(void **state)
{
	struct trial t;
	uint64_t n;

	(void)state;
	trial_begin(&t, 2, 300);
	trial_write(&t, 5);
	send_all(&t);
	t.rig.world.now.wall_ms -= 3500; /* three snapshots are before, one is behind */
	t.is_silent = true;
	n = status_of(&t).dropped[REMOTE_DROPPED_OUT_OF_ORDER];
	assert_int_equal(n, 0);
	trial_write(&t, 3);
	send_all(&t);
	assert_true(status_of(&t).dropped[REMOTE_DROPPED_OUT_OF_ORDER] > 3 * 20);
	t.is_silent = false;
	trial_write(&t, 4);
	send_all(&t);
	books_are_equal(&t.sent, &t.expected);
	trial_end(&t);
}

/* It was wrong by an hour: then what comes is sent at its time, at once. */
static void a_clock_that_was_wrong_goes_on(void **state)
{
	struct trial t;

	(void)state;
	trial_begin(&t, 2, 300);
	trial_write(&t, 5);
	send_all(&t);
	t.rig.world.now.wall_ms -= 3600 * 1000;
	book_clear(&t.live);
	trial_write(&t, 1);
	t.config.cursor_file = NULL;
	send_all(&t);
	assert_int_equal(dropped(&t), 0);
	assert_true(t.sent.n > 6 * 20);
	assert_int_equal(status_of(&t).pending, 0);
	trial_end(&t);
}

/* No store is told of a time that is still to come. */
static void the_future_is_now(void **state)
{
	struct mh_instant real;
	struct trial t;
	struct mh_err err;

	(void)state;
	trial_begin(&t, 4, 10000);
	trial_write(&t, 1);
	real = now_of(&t);
	real.wall_ms -= 5000;
	assert_int_equal(remote_feed_next(t.feed, real, &err), 0);
	assert_int_equal(remote_feed_batch(t.feed)->last_ms, real.wall_ms);
	assert_int_equal(remote_feed_batch(t.feed)->first_ms, real.wall_ms);
	trial_end(&t);
}

/* What was recorded while one looked has its own time, at the next look. */
static void a_moment_later_is_not_yet(void **state)
{
	struct mh_instant early;
	struct trial t;
	struct mh_err err;

	(void)state;
	trial_begin(&t, 4, 10000);
	trial_write(&t, 1);
	early = now_of(&t);
	early.wall_ms -= 5;
	for (int look = 0; look < 2; look++) {
		assert_int_equal(remote_feed_next(t.feed, early, &err), 0);
		assert_int_equal(remote_feed_batch(t.feed)->n_samples, 0);
	}
	assert_int_equal(remote_feed_next(t.feed, now_of(&t), &err), 0);
	assert_int_equal(remote_feed_batch(t.feed)->first_ms, now_of(&t).wall_ms);
	assert_int_equal(remote_feed_batch(t.feed)->last_ms, now_of(&t).wall_ms);
	trial_end(&t);
}

static void what_is_too_old_is_left_out(void **state)
{
	size_t before;
	struct trial t;

	(void)state;
	trial_begin(&t, 6, 10000);
	remote_feed_close(t.feed);
	t.config.max_age_ms = 9500;
	trial_open(&t);
	trial_write(&t, 20);
	send_all(&t);
	before = t.sent.n;
	assert_true(before);
	for (size_t i = 0; i < before; i++) {
		mh_ms_t ms = strtoll(strrchr(t.sent.line[i], ',') + 2, NULL, 10);

		assert_true(ms >= now_of(&t).wall_ms - 9500);
	}
	assert_int_equal(status_of(&t).snapshots, 20);
	assert_true(status_of(&t).dropped[REMOTE_DROPPED_AGE] > 10 * 20);
	trial_end(&t);
}

/* Without a position, and without a wish for more, it begins now. */
static void without_a_position_it_begins_now(void **state)
{
	struct trial t;

	(void)state;
	trial_begin(&t, 7, 10000);
	trial_write(&t, 10);
	remote_feed_close(t.feed);
	t.config.backfill_ms = 0;
	t.config.cursor_file = NULL;
	t.rig.world.now.wall_ms += 1;
	trial_open(&t);
	book_clear(&t.expected);
	book_clear(&t.live);
	trial_write(&t, 2);
	send_all(&t);
	assert_int_equal(status_of(&t).snapshots, 2);
	trial_end(&t);
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	char byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* A line that is torn leaves the other; two leave none, and a sentence. */
static void a_damaged_position_is_told(void **state)
{
	struct remote_feed *second;
	struct trial t;
	struct mh_err err;

	(void)state;
	trial_begin(&t, 8, 10000);
	for (int i = 0; i < 4; i++) {
		trial_write(&t, 2);
		send_all(&t);
	}
	/* it is ours as long as we have it */
	assert_int_equal(remote_feed_open(&second, &t.config, now_of(&t), &err), -EBUSY);
	for (off_t line = 0; line < 2; line++) {
		remote_feed_close(t.feed);
		flip(t.cursor, line * 256 + 100);
		trial_open(&t); /* the other one is there */
		send_all(&t);
		trial_write(&t, 1);
		send_all(&t); /* and is written again */
	}
	drop_repeats(&t.sent);
	drop_repeats(&t.expected);
	books_are_equal(&t.sent, &t.expected);
	remote_feed_close(t.feed);
	flip(t.cursor, 30);
	flip(t.cursor, 256 + 240);
	assert_int_equal(remote_feed_open(&t.feed, &t.config, now_of(&t), &err), 1);
	assert_non_null(strstr(err.text, "holds no position"));
	trial_end(&t);
}

static void what_cannot_be_a_position_is_refused(void **state)
{
	const char *const bad[] = {"/etc/x", "/proc/self/x", NULL};
	struct remote_feed *feed = NULL;
	char link[320];
	struct trial t;
	struct mh_err err;

	(void)state;
	trial_begin(&t, 8, 10000);
	for (int i = 0; bad[i]; i++) {
		t.config.cursor_file = bad[i];
		assert_true(remote_feed_open(&feed, &t.config, now_of(&t), &err) < 0);
		assert_true(*err.text);
	}
	snprintf(link, sizeof(link), "%s/fifo", t.rig.dir);
	assert_int_equal(mkfifo(link, 0600), 0);
	t.config.cursor_file = link;
	assert_int_equal(remote_feed_open(&feed, &t.config, now_of(&t), &err), -EINVAL);
	t.config.cursor_file = NULL;
	t.config.max_samples = REMOTE_BATCH_MAX + 1;
	assert_int_equal(remote_feed_open(&feed, &t.config, now_of(&t), &err), -EINVAL);
	assert_null(feed);
	trial_end(&t);
}

/* Nobody has recorded yet; then somebody has. */
static void a_history_may_come_later(void **state)
{
	struct trial t;

	(void)state;
	trial_begin(&t, 10, 100);
	assert_false(send_one(&t));
	trial_write(&t, 3);
	send_all(&t);
	books_are_equal(&t.sent, &t.expected);
	trial_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sample_is_sent_once),
		cmocka_unit_test(what_waits_is_told),
		cmocka_unit_test(an_outage_loses_nothing),
		cmocka_unit_test(a_restart_goes_on),
		cmocka_unit_test(what_is_gone_is_counted),
		cmocka_unit_test(a_gap_is_marked),
		cmocka_unit_test(the_end_marks_everything),
		cmocka_unit_test(a_clock_that_is_set_back_sends_nothing_twice),
		cmocka_unit_test(a_clock_that_was_wrong_goes_on),
		cmocka_unit_test(the_future_is_now),
		cmocka_unit_test(a_moment_later_is_not_yet),
		cmocka_unit_test(what_is_too_old_is_left_out),
		cmocka_unit_test(without_a_position_it_begins_now),
		cmocka_unit_test(a_damaged_position_is_told),
		cmocka_unit_test(what_cannot_be_a_position_is_refused),
		cmocka_unit_test(a_history_may_come_later),
	};

	temp_in_memory(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
