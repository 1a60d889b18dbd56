/*
 * The history, written and read back: what comes out is what went in, over births, exits, renames,
 * pid reuse, rotation, restarts, in ranges, followed, and while it is written.
 */
#include "libmemhist/history/reader.h"
#include "libmemhist/history/writer.h"
#include "tests/unit/recording.h"
#include "tests/unit/thrift.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Read everything, and count. */
static void read_back(const char *dir, const struct written *log, struct mh_reader_stats *ret)
{
	read_whole(dir, log, ret);
	assert_int_equal(ret->snapshots, log->n);
	assert_int_equal(ret->process_samples, log->process_samples);
}

static void test_read_equals_written(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 12; seed++) {
		const char *dir = temp_dir();
		struct mh_writer_config config = config_for(dir);
		struct mh_reader_stats stats;
		struct written log = {0};
		struct world world;

		world_init(&world, seed);
		world.max_pid = 20 + 40 * (uint32_t)(seed % 4);
		world.target = world.max_pid * 3 / 4;
		config.key_every = (uint32_t)seed;
		config.rotate_bytes = seed % 3 ? 0 : 2000;
		for (int restarts = 0; restarts < 3; restarts++) {
			struct mh_writer *w = open_writer(&config);

			record(w, &world, &log, 60);
			assert_int_equal(mh_writer_close(w), 0);
		}
		read_back(dir, &log, &stats);
		assert_int_equal(stats.damages + stats.orphans + stats.torn_tails, 0);
		assert_int_equal(stats.gaps, 2); /* the restarts */
		if (seed % 3 == 0)
			assert_true(stats.segments > 6);
		else
			assert_int_equal(stats.segments, 3);
		world_done(&world);
		forget(&log);
		remove_dir(dir);
	}
}

/* Frames and a file much larger than what the reader holds in memory at a time. */
static void test_large(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct mh_reader_stats stats;
	struct written log = {0};
	struct mh_writer *w;
	struct world world;

	(void)state;
	world_init(&world, 13);
	world.max_pid = 1000;
	world.target = 700;
	w = open_writer(&config);
	record(w, &world, &log, 300 / (int)thrift());
	mh_writer_close(w);
	read_back(dir, &log, &stats);
	assert_int_equal(stats.segments, 1);
	assert_true(stats.bytes > 400000); /* the window has 256 KiB */
	assert_int_equal(stats.damages + stats.orphans + stats.torn_tails, 0);
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

/* Another process writes, rotating often; whoever reads meanwhile sees whole snapshots only. */
static void test_read_while_written(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct mh_err err = {""};
	const int n = 3000 / (int)thrift();
	uint64_t most = 0;
	bool ended = false;
	int status;
	pid_t pid;

	(void)state;
	config.rotate_bytes = 20000;
	pid = fork();
	if (!pid) {
		struct mh_writer *w = NULL;
		struct world world;
		int rc = mh_writer_open(&w, &config, &err);

		world_init(&world, 21);
		for (int i = 0; i < n && !rc; i++)
			rc = mh_writer_append(w, world_step(&world), &err);
		_exit(rc || mh_writer_close(w) ? 1 : 0);
	}
	while (!ended) {
		struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
		const struct mh_snapshot *s;
		struct mh_reader_stats stats;
		struct mh_reader *r;
		int rc;

		ended = waitpid(pid, &status, WNOHANG) == pid;
		rc = mh_reader_open(&r, dir, &options, &err);
		if (rc == -ENODATA)
			continue;
		assert_int_equal(rc, 0);
		while ((rc = mh_reader_next(r, &s, &err)) > 0)
			assert_int_equal(s->gap.kind, MH_GAP_NONE);
		assert_int_equal(rc, 0);
		mh_reader_stats(r, &stats);
		assert_int_equal(stats.damages + stats.orphans + stats.torn_tails, 0);
		assert_true(stats.snapshots >= most);
		most = stats.snapshots;
		mh_reader_close(r);
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(most, n);
	remove_dir(dir);
}

static void test_range(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct written log = {0};
	struct mh_err err = {""};
	struct mh_writer *w;
	struct world world;

	(void)state;
	world_init(&world, 77);
	config.rotate_ms = 10000;
	w = open_writer(&config);
	record(w, &world, &log, 100);
	mh_writer_close(w);
	for (size_t from = 0; from < log.n; from += 13) {
		struct mh_reader_options options = {.since_ms = log.wall_ms[from],
						    .until_ms = log.wall_ms[from] + 20500};
		struct mh_buf b = MH_BUF_INIT(1 << 20);
		struct shadow shadow = {0};
		const struct mh_snapshot *s;
		struct mh_reader_stats stats;
		struct mh_reader *r;
		size_t n = from;

		assert_int_equal(mh_reader_open(&r, dir, &options, &err), 0);
		while (mh_reader_next(r, &s, &err) > 0) {
			mh_buf_clear(&b);
			shadow_follow(&shadow, s);
			shadow_describe(&b, &shadow, s);
			assert_string_equal(mh_buf_str(&b), log.text[n]);
			assert_int_equal(s->first, n == from);
			n++;
		}
		assert_int_equal(n, from + 21 < log.n ? from + 21 : log.n);
		mh_reader_stats(r, &stats);
		assert_true(stats.segments <= 4); /* not all ten */
		mh_reader_close(r);
		shadow_done(&shadow);
		mh_buf_done(&b);
	}
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

static void test_follow(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct mh_reader *r = open_reader(dir, true);
	const struct mh_snapshot *s;
	struct written log = {0};
	struct mh_err err = {""};
	struct mh_writer *w;
	struct world world;

	(void)state;
	assert_int_equal(mh_reader_next(r, &s, &err), 0); /* nothing yet: not an error */
	world_init(&world, 5);
	config.rotate_bytes = 3000;
	w = open_writer(&config);
	for (int i = 0; i < 50; i++) {
		struct mh_buf b = MH_BUF_INIT(1 << 20);
		struct mh_reader *late;

		record(w, &world, &log, 1);
		assert_int_equal(mh_reader_next(r, &s, &err), 1);
		describe(&b, s);
		assert_string_equal(mh_buf_str(&b), log.text[log.n - 1]);
		assert_int_equal(mh_reader_next(r, &s, &err), 0);
		late = open_reader(dir, true); /* begins with the newest one */
		assert_int_equal(mh_reader_next(late, &s, &err), 1);
		mh_buf_clear(&b);
		describe(&b, s);
		assert_string_equal(mh_buf_str(&b), log.text[log.n - 1]);
		assert_true(s->first);
		mh_reader_close(late);
		mh_buf_done(&b);
	}
	mh_writer_close(w);
	mh_reader_close(r);
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

/* The next snapshots are these; then there are no more yet. */
static void assert_goes_on_with(struct mh_reader *r, const struct written *log, size_t first)
{
	const struct mh_snapshot *s;
	struct mh_err err = {""};

	for (size_t i = first; i < log->n; i++) {
		struct mh_buf b = MH_BUF_INIT(1 << 20);

		assert_int_equal(mh_reader_next(r, &s, &err), 1);
		describe(&b, s);
		assert_string_equal(mh_buf_str(&b), log->text[i]);
		mh_buf_done(&b);
	}
	assert_int_equal(mh_reader_next(r, &s, &err), 0);
}

static struct mh_reader_stats stats_of(const struct mh_reader *r)
{
	struct mh_reader_stats stats;

	mh_reader_stats(r, &stats);
	return stats;
}

/* D2: a segment that a full disk left without a snapshot is removed while somebody has it open. */
static void test_number_given_again(void **state)
{
	static const char *const name = "0000000002-20261120T202848Z-01234567.open";
	const char *dir = temp_dir();
	const struct mh_reader_options options = {.until_ms = INT64_MAX, .wait = true};
	struct mh_writer_config config = config_for(dir);
	struct mh_err err = {""};
	struct written log = {0};
	struct mh_reader *r;
	struct mh_writer *w;
	struct world world;
	char path[256];

	(void)state;
	world_init(&world, 6);
	w = open_writer(&config);
	record(w, &world, &log, 3);
	mh_writer_close(w);
	assert_int_equal(mh_reader_open(&r, dir, &options, &err), 0);
	assert_goes_on_with(r, &log, 0);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (size_t had = log.n; had < 9; had = log.n) {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

		assert_true(fd >= 0);
		assert_goes_on_with(r, &log, log.n); /* and has it open */
		close(fd);
		assert_int_equal(unlink(path), 0);
		if (had == 3) /* again */
			assert_goes_on_with(r, &log, log.n);
		w = open_writer(&config);
		record(w, &world, &log, 3);
		mh_writer_close(w);
		assert_goes_on_with(r, &log, had);
		path[strlen(dir) + 10]++; /* the next number */
	}
	assert_int_equal(stats_of(r).segments, 3);
	assert_int_equal(stats_of(r).missing + stats_of(r).damages + stats_of(r).torn_tails, 0);
	mh_reader_close(r);
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

static const struct mh_process *find_gone(const struct mh_snapshot *s, const struct mh_identity *id)
{
	for (uint32_t i = 0; i < s->n_gone; i++)
		if (mh_identity_same(&s->gone[i].process.id, id))
			return &s->gone[i].process;
	return NULL;
}

/* S8: whoever is gone has the last marks that the writer knew, by keyframe or delta. */
static void test_last_marks(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct mh_writer *w = open_writer(&config);
	struct mh_reader *r = NULL;
	struct mh_err err = {""};
	struct world world;
	uint32_t n = 0;

	(void)state;
	world_init(&world, 5);
	for (int i = 0; i < 200; i++) {
		const struct mh_snapshot *written = world_step(&world), *read;

		assert_int_equal(mh_writer_append(w, written, &err), 0);
		if (!r)
			r = open_reader(dir, true);
		assert_int_equal(mh_reader_next(r, &read, &err), 1);
		assert_int_equal(read->n_gone, written->n_gone);
		for (uint32_t k = 0; k < written->n_gone; k++) {
			const struct mh_process *p = &written->gone[k].process;
			const struct mh_process *q = find_gone(read, &p->id);

			assert_non_null(q);
			if (p->value[MH_FIELD_HWM])
				assert_int_equal(q->value[MH_FIELD_HWM], p->value[MH_FIELD_HWM]);
			n++;
		}
	}
	assert_true(n > 100);
	mh_reader_close(r);
	mh_writer_close(w);
	world_done(&world);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_equals_written),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_read_while_written),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_number_given_again),
		cmocka_unit_test(test_last_marks),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
