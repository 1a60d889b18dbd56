/*
 * The history, written and read back: what comes out is what went in, over births, exits, renames,
 * pid reuse, rotation, restarts; after any cut and any flipped bit the survivors are exact.
 */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/reader.h"
#include "libmemhist/history/writer.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS_MAX = 1000 };

/* Texts of the snapshots that were reported as written, in order. */
struct written {
	char *text[STEPS_MAX];
	mh_ms_t wall_ms[STEPS_MAX];
	size_t n;
	uint64_t process_samples;
};

static void note(struct written *log, const struct mh_snapshot *s)
{
	struct mh_buf b = MH_BUF_INIT(1 << 20);

	describe(&b, s);
	log->text[log->n] = strdup(mh_buf_str(&b));
	log->wall_ms[log->n++] = s->at.wall_ms;
	log->process_samples += s->n_live;
	mh_buf_done(&b);
}

static void forget(struct written *log)
{
	for (size_t i = 0; i < log->n; i++)
		free(log->text[i]);
	*log = (struct written){0};
}

static struct mh_writer_config config_for(const char *dir)
{
	return (struct mh_writer_config){
		.dir = dir,
		.interval_ms = 1000,
		.page_bytes = 4096,
		.clk_tck = 100,
		.host = "test-host",
		.key_every = 7,
	};
}

static struct mh_writer *open_writer(const struct mh_writer_config *config)
{
	struct mh_err err = {""};
	struct mh_writer *w = NULL;

	if (mh_writer_open(&w, config, &err))
		fail_msg("%s", err.text);
	return w;
}

static void record(struct mh_writer *w, struct world *world, struct written *log, int steps)
{
	struct mh_err err = {""};

	while (steps--) {
		const struct mh_snapshot *s = world_step(world);

		if (mh_writer_append(w, s, &err))
			fail_msg("%s", err.text);
		note(log, s);
	}
}

static struct mh_reader *open_reader(const char *dir, bool follow)
{
	struct mh_reader_options options = {MH_MS_MIN, MH_MS_MAX, follow, NULL, NULL};
	struct mh_err err = {""};
	struct mh_reader *r = NULL;

	if (mh_reader_open(&r, dir, &options, &err))
		fail_msg("%s", err.text);
	return r;
}

/* Read everything, comparing with the log and with what the lists alone say. */
static void read_back(const char *dir, const struct written *log, struct mh_reader_stats *ret)
{
	struct mh_reader *r = open_reader(dir, false);
	struct mh_buf b = MH_BUF_INIT(1 << 20), c = MH_BUF_INIT(1 << 20);
	struct shadow shadow = {0};
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	size_t n = 0;
	int rc;

	while ((rc = mh_reader_next(r, &s, &err)) > 0) {
		mh_buf_clear(&b);
		mh_buf_clear(&c);
		describe(&b, s);
		shadow_follow(&shadow, s);
		shadow_describe(&c, &shadow, s);
		assert_true(n < log->n);
		assert_string_equal(mh_buf_str(&b), log->text[n]);
		assert_string_equal(mh_buf_str(&c), log->text[n]);
		assert_int_equal(s->first, n == 0);
		n++;
	}
	if (rc)
		fail_msg("%s", err.text);
	assert_int_equal(n, log->n);
	mh_reader_stats(r, ret);
	assert_int_equal(ret->snapshots, log->n);
	assert_int_equal(ret->process_samples, log->process_samples);
	shadow_done(&shadow);
	mh_buf_done(&b);
	mh_buf_done(&c);
	mh_reader_close(r);
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
		struct mh_reader_options options = {log.wall_ms[from], log.wall_ms[from] + 20500,
						    false, NULL, NULL};
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

/* ---- damage ------------------------------------------------------------------------------- */

/* A small history in one file, and where its frames begin. */
struct specimen {
	const char *dir;
	char path[256];
	char *bytes;
	size_t len;
	struct written log;
	size_t offset[STEPS_MAX]; /* of each snapshot's frame; offset[n] = len */
	bool key[STEPS_MAX];
};

static void make_specimen(struct specimen *sp, int steps)
{
	struct mh_segment_list list = {0};
	struct mh_writer_config config;
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	struct world world;
	struct mh_writer *w;
	struct mh_reader *r;
	int dir_fd, fd;

	*sp = (struct specimen){.dir = temp_dir()};
	config = config_for(sp->dir);
	world_init(&world, 4711);
	world.max_pid = 12;
	world.target = 6;
	w = open_writer(&config);
	record(w, &world, &sp->log, steps);
	mh_writer_close(w);
	world_done(&world);

	dir_fd = mh_dir_open(sp->dir, &err);
	assert_int_equal(mh_dir_list(dir_fd, &list), 0);
	assert_int_equal(list.n, 1);
	snprintf(sp->path, sizeof(sp->path), "%s/%s", sp->dir, list.file[0].name);
	sp->len = list.file[0].bytes;
	sp->bytes = malloc(sp->len);
	fd = open(sp->path, O_RDONLY);
	assert_int_equal(read(fd, sp->bytes, sp->len), sp->len);
	close(fd);
	close(dir_fd);
	mh_dir_list_done(&list);

	r = open_reader(sp->dir, false);
	for (size_t n = 0; mh_reader_next(r, &s, &err) > 0; n++) {
		struct mh_place place;

		mh_reader_place(r, &place);
		sp->offset[n] = place.offset;
		sp->key[n] = place.key;
	}
	sp->offset[sp->log.n] = sp->len;
	mh_reader_close(r);
}

static void drop_specimen(struct specimen *sp)
{
	free(sp->bytes);
	forget(&sp->log);
	remove_dir(sp->dir);
}

/* Read the directory; every snapshot must be a true one. Returns a bit per survivor. */
static uint64_t survivors(const struct specimen *sp, struct mh_reader_stats *ret)
{
	struct mh_reader *r = open_reader(sp->dir, false);
	struct mh_buf b = MH_BUF_INIT(1 << 20);
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	uint64_t seen = 0;
	int rc;

	while ((rc = mh_reader_next(r, &s, &err)) > 0) {
		size_t n = 0;

		while (n < sp->log.n && sp->log.wall_ms[n] != s->at.wall_ms)
			n++;
		assert_true(n < sp->log.n);
		mh_buf_clear(&b);
		describe(&b, s);
		if (strcmp(mh_buf_str(&b), sp->log.text[n]) != 0)
			fail_msg("snapshot %zu is not what was written", n);
		seen |= UINT64_C(1) << n;
	}
	if (rc)
		fail_msg("%s", err.text);
	mh_reader_stats(r, ret);
	mh_reader_close(r);
	mh_buf_done(&b);
	return seen;
}

static uint64_t first_bits(size_t n)
{
	return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

static void test_every_truncation(void **state)
{
	struct mh_reader_stats stats;
	struct specimen sp;

	(void)state;
	make_specimen(&sp, 20);
	for (size_t cut = sp.len; cut-- > 0;) {
		size_t whole = 0;

		assert_int_equal(truncate(sp.path, (off_t)cut), 0);
		while (whole < sp.log.n && sp.offset[whole + 1] <= cut)
			whole++;
		assert_int_equal(survivors(&sp, &stats), first_bits(whole));
		assert_int_equal(stats.damages, 0);
		assert_int_equal(stats.torn_bytes, cut - sp.offset[whole]);
	}
	drop_specimen(&sp);
}

static void test_zero_filled_tail(void **state)
{
	struct mh_reader_stats stats;
	struct specimen sp;

	(void)state;
	make_specimen(&sp, 20);
	for (size_t zeros = 1; zeros <= 5000; zeros += 37) {
		assert_int_equal(truncate(sp.path, (off_t)sp.len), 0);
		assert_int_equal(truncate(sp.path, (off_t)(sp.len + zeros)), 0);
		assert_int_equal(survivors(&sp, &stats), first_bits(sp.log.n));
		assert_int_equal(stats.damages, 0);
		assert_int_equal(stats.torn_bytes, zeros);
	}
	drop_specimen(&sp);
}

/* What remains when the frame of snapshot `hit` is lost: all but it and the rest of its chapter. */
static uint64_t expected_survivors(const struct specimen *sp, size_t hit)
{
	uint64_t expected = first_bits(sp->log.n);

	do
		expected &= ~(UINT64_C(1) << hit++);
	while (hit < sp->log.n && !sp->key[hit]);
	return expected;
}

static void test_every_flipped_bit(void **state)
{
	struct mh_reader_stats stats;
	struct specimen sp;
	size_t hit = 0;
	int fd;

	(void)state;
	make_specimen(&sp, 16);
	fd = open(sp.path, O_WRONLY);
	for (size_t at = 0; at < sp.len; at++) {
		while (sp.offset[hit + 1] <= at)
			hit++;
		for (int bit = 0; bit < 8; bit++) {
			char flipped = (char)(sp.bytes[at] ^ 1 << bit);

			assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
			assert_int_equal(survivors(&sp, &stats), expected_survivors(&sp, hit));
			assert_true(stats.damages + stats.torn_tails >= 1);
		}
		assert_int_equal(pwrite(fd, &sp.bytes[at], 1, (off_t)at), 1);
	}
	close(fd);
	drop_specimen(&sp);
}

/* ---- faults of writing ---------------------------------------------------------------------- */

static void test_second_writer_is_refused(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct mh_writer *w = open_writer(&config), *second = NULL;
	struct mh_history_span span;
	struct mh_err err = {""};
	struct written log = {0};
	struct world world;

	(void)state;
	assert_int_equal(mh_writer_open(&second, &config, &err), -EBUSY);
	assert_non_null(strstr(err.text, "written by process"));
	assert_int_equal(mh_history_span(dir, &span, &err), -ENODATA);
	world_init(&world, 3);
	record(w, &world, &log, 5);
	assert_int_equal(mh_history_span(dir, &span, &err), 0);
	assert_true(span.being_written);
	assert_int_equal(span.writer_pid, getpid());
	assert_int_equal(span.first_wall_ms, log.wall_ms[0]);
	assert_int_equal(span.last_wall_ms, log.wall_ms[4]);
	mh_writer_close(w);
	w = open_writer(&config);
	mh_writer_close(w);
	assert_int_equal(mh_history_span(dir, &span, &err), 0);
	assert_false(span.being_written);
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

/* RLIMIT_FSIZE makes write(2) fall short and then fail, as a full disk does. */
static void test_full_disk(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct rlimit unlimited, tight;
	struct mh_reader_stats stats;
	struct written log = {0};
	struct mh_err err = {""};
	struct world world;
	struct mh_writer *w;
	int failed = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	world_init(&world, 9);
	w = open_writer(&config);
	record(w, &world, &log, 10);
	getrlimit(RLIMIT_FSIZE, &unlimited);
	tight = unlimited;
	for (int i = 0; i < 40; i++) {
		const struct mh_snapshot *s;

		tight.rlim_cur = (rlim_t)(i % 5 * 400); /* 0 … 1,600 bytes a file */
		setrlimit(RLIMIT_FSIZE, &tight);
		s = world_step(&world);
		if (mh_writer_append(w, s, &err))
			failed++;
		else
			note(&log, s);
		setrlimit(RLIMIT_FSIZE, &unlimited);
	}
	assert_true(failed > 5);
	record(w, &world, &log, 10);
	mh_writer_close(w);
	read_back(dir, &log, &stats);
	assert_int_equal(stats.damages + stats.orphans + stats.torn_tails, 0);
	assert_true(stats.gaps > 0);
	world_done(&world);
	forget(&log);
	remove_dir(dir);
}

static void test_gaps_are_told(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	const enum mh_gap_kind kinds[] = {MH_GAP_SUSPENDED, MH_GAP_LATE, MH_GAP_CLOCK_STEP};
	struct mh_snapshot with_gap;
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	struct mh_reader *r;
	struct mh_writer *w;
	struct world world;

	(void)state;
	world_init(&world, 8);
	w = open_writer(&config);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(mh_writer_append(w, world_step(&world), &err), 0);
		with_gap = *world_step(&world);
		with_gap.gap = (struct mh_gap){kinds[i], with_gap.at.wall_ms - 1000};
		assert_int_equal(mh_writer_append(w, &with_gap, &err), 0);
	}
	mh_writer_close(w);
	r = open_reader(dir, false);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(mh_reader_next(r, &s, &err), 1);
		assert_int_equal(s->gap.kind, MH_GAP_NONE);
		assert_int_equal(mh_reader_next(r, &s, &err), 1);
		assert_int_equal(s->gap.kind, kinds[i]);
		assert_int_equal(s->gap.since_wall_ms, s->at.wall_ms - 1000);
	}
	mh_reader_close(r);
	world_done(&world);
	remove_dir(dir);
}

static void test_reboot_ends_everybody(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	const struct mh_boot_id boots[] = {{{1}}, {{2}}};
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	uint32_t live = 0;
	struct mh_reader *r;

	(void)state;
	for (int boot = 0; boot < 2; boot++) {
		struct mh_writer *w = open_writer(&config);
		struct world world;

		world_init(&world, 6); /* the same life, hence the same pids and start times */
		mh_table_set_boot(world.table, &boots[boot]);
		s = world_step(&world);
		live = s->n_live;
		assert_int_equal(mh_writer_append(w, s, &err), 0);
		mh_writer_close(w);
		world_done(&world);
	}
	r = open_reader(dir, false);
	assert_int_equal(mh_reader_next(r, &s, &err), 1);
	assert_int_equal(mh_reader_next(r, &s, &err), 1);
	assert_int_equal(s->n_gone, live);
	assert_int_equal(s->n_born, live);
	assert_int_equal(s->gap.kind, MH_GAP_REBOOT);
	assert_int_equal(s->boot_id.bytes[0], 2);
	mh_reader_close(r);
	remove_dir(dir);
}

static void test_foreign_and_missing(void **state)
{
	struct mh_reader_options options = {MH_MS_MIN, MH_MS_MAX, false, NULL, NULL};
	const char *dir = temp_dir();
	struct mh_err err = {""};
	struct mh_reader *r;
	char path[256];

	(void)state;
	assert_int_equal(mh_reader_open(&r, dir, &options, &err), -ENODATA);
	assert_int_equal(mh_reader_open(&r, "/nonexistent/x", &options, &err), -ENOENT);
	assert_int_equal(mh_reader_open(&r, "/dev/null", &options, &err), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/0000000001-20261120T202848Z-0123abcd.open", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(mh_reader_open(&r, dir, &options, &err), -ENODATA);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_equals_written),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_zero_filled_tail),
		cmocka_unit_test(test_every_flipped_bit),
		cmocka_unit_test(test_second_writer_is_refused),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_gaps_are_told),
		cmocka_unit_test(test_reboot_ends_everybody),
		cmocka_unit_test(test_foreign_and_missing),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
