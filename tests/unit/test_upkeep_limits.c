/*
 * A history that is written within limits: what it takes is never more than max_size, and below
 * min_free writing pauses.
 */
#include "libmemhist/history/seal.h"
#include "libmemhist/history/upkeep/stock.h"
#include "tests/unit/disk.h"
#include "tests/unit/recording.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { KIB = 1024, MAX_BYTES = 256 * KIB };

struct fixture {
	const char *dir;
	int dir_fd;
	struct mh_upkeep_config upkeep;
	struct mh_writer_config config;
	struct mh_writer *w;
	struct world world;
	struct written log;
	struct mh_err err;
};

static struct fixture *running; /* for renameat() below */

static void set_up(struct fixture *f, struct mh_limits limits)
{
	disk_reset();
	disk.free_bytes = INT64_C(1) << 39;
	disk.free_files = 500000;
	*f = (struct fixture){.dir = temp_dir(), .upkeep = MH_UPKEEP_DEFAULTS};
	f->dir_fd = mh_dir_open(f->dir, &f->err);
	assert_true(f->dir_fd >= 0);
	f->upkeep.limits = limits;
	f->config = config_for(f->dir);
	f->config.upkeep = &f->upkeep;
	f->w = open_writer(&f->config);
	world_init(&f->world, 11);
	running = f;
}

static void tear_down(struct fixture *f)
{
	disk.hangs = false;
	running = NULL;
	mh_writer_close(f->w);
	world_done(&f->world);
	forget(&f->log);
	close(f->dir_fd);
	remove_dir(f->dir);
}

static struct mh_upkeep_status status_of(const struct fixture *f)
{
	struct mh_upkeep_status status;

	assert_true(mh_writer_upkeep(f->w, &status));
	return status;
}

/*
 * What all files take. While this is summed up nothing is added, for who writes is who asks; what
 * is deleted meanwhile makes it less at any moment than the sum.
 */
static uint64_t taken(const struct fixture *f)
{
	struct mh_stock stock = {0};
	uint64_t bytes;

	assert_int_equal(mh_stock_take(f->dir_fd, &stock), 0);
	bytes = stock.bytes;
	mh_stock_done(&stock);
	return bytes;
}

static void is_within_the_limit(const struct fixture *f)
{
	if (taken(f) > f->upkeep.limits.max_bytes)
		fail_msg("%ju bytes", (uintmax_t)taken(f));
}

static atomic_bool listing_fails; /* for the thread of the upkeep */
static pthread_t main_thread;

struct dirent *readdir(DIR *dir)
{
	struct dirent *(*real)(DIR *) = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir");

	if (!listing_fails || pthread_equal(pthread_self(), main_thread))
		return real(dir);
	errno = EIO;
	return NULL;
}

/* Sealing at its largest: the new file is whole, and the old one is still there. */
int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	if (running)
		is_within_the_limit(running);
	return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

/* 0, or -ENOSPC; either is right. */
static int step(struct fixture *f)
{
	const struct mh_snapshot *s = world_step(&f->world);
	int rc = mh_writer_append(f->w, s, &f->err);

	if (!rc)
		note(&f->log, s);
	else
		assert_int_equal(rc, -ENOSPC);
	return rc;
}

static void seal_the_oldest(struct fixture *f)
{
	struct mh_segment_list list = {0};
	struct mh_seal_result result;

	assert_int_equal(mh_dir_list(f->dir_fd, &list), 0);
	for (size_t i = 0; i + 1 < list.n; i++) {
		if (list.file[i].is_sealed)
			continue;
		/* it may be deleted meanwhile */
		mh_seal_segment(f->dir_fd, &list.file[i], &result, &f->err);
		break;
	}
	mh_dir_list_done(&list);
}

/* What is left of it is what was reported as written, from some snapshot on, to the last one. */
static void is_whole(const struct fixture *f)
{
	struct mh_reader *r = open_reader(f->dir, false);
	const struct mh_snapshot *s;
	struct mh_reader_stats stats;
	struct mh_err err = {""};
	size_t i = 0, n = 0;
	int rc;

	while ((rc = mh_reader_next(r, &s, &err)) > 0) {
		while (!n && i < f->log.n && f->log.wall_ms[i] < s->at.wall_ms)
			i++;
		assert_true(i < f->log.n);
		assert_int_equal(s->at.wall_ms, f->log.wall_ms[i++]);
		n++;
	}
	assert_int_equal(rc, 0);
	assert_true(n > 0);
	assert_int_equal(i, f->log.n);
	mh_reader_stats(r, &stats);
	assert_int_equal(stats.damages + stats.orphans + stats.missing, 0);
	mh_reader_close(r);
}

static void max_size_holds_at_every_moment(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, (struct mh_limits){.max_bytes = MAX_BYTES});
	for (int i = 0; f.log.n < STEPS_MAX && i < 100 * STEPS_MAX; i++) {
		/* the thread may be slow to make room: no harm but to the snapshot */
		if (step(&f))
			usleep(1000);
		is_within_the_limit(&f);
		if (i % 25 == 0)
			seal_the_oldest(&f);
	}
	assert_int_equal(f.log.n, STEPS_MAX);
	assert_true(status_of(&f).room.deleted.segments[MH_DELETED_BY_SIZE] > 0);
	assert_int_equal(status_of(&f).room.deleted.segments[MH_DELETED_BY_FREE], 0);
	assert_int_equal(status_of(&f).troubles, 0);
	is_whole(&f);
	tear_down(&f);
}

static void max_size_holds_while_nothing_can_be_deleted(void **state)
{
	struct fixture f;
	int refused = 0;

	(void)state;
	set_up(&f, (struct mh_limits){.max_bytes = MAX_BYTES});
	disk.unlink_errno = EACCES;
	while (refused < 10) {
		refused += step(&f) != 0;
		is_within_the_limit(&f);
		assert_true(f.log.n < STEPS_MAX);
	}
	assert_non_null(strstr(f.err.text, "has all of the 256.0 KiB that it may take"));
	/* said once, however often it is tried */
	disk_until(status_of(&f).troubles == 1);
	assert_non_null(strstr(status_of(&f).trouble.text, "which has to go: Permission denied"));
	disk.unlink_errno = 0;
	disk_until(!step(&f));
	assert_int_equal(status_of(&f).troubles, 1);
	is_whole(&f);
	tear_down(&f);
}

/* What is not known to be there is not taken for as much as it was before. */
static void max_size_holds_while_nobody_knows_what_is_there(void **state)
{
	struct fixture f;
	int refused = 0;

	(void)state;
	set_up(&f, (struct mh_limits){.max_bytes = MAX_BYTES});
	listing_fails = true;
	while (refused < 10) {
		refused += step(&f) != 0;
		is_within_the_limit(&f);
		assert_true(f.log.n < STEPS_MAX);
		usleep(1000); /* so that it is looked in between */
	}
	disk_until(status_of(&f).troubles == 1);
	assert_non_null(strstr(status_of(&f).trouble.text, "Input/output error"));
	listing_fails = false;
	disk_until(!step(&f));
	assert_int_equal(status_of(&f).troubles, 1);
	is_whole(&f);
	tear_down(&f);
}

/* Not before a check, when there is no room at all, nor after it. */
static void a_snapshot_that_can_never_fit_is_called_so(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, (struct mh_limits){.max_bytes = MAX_BYTES / 8});
	f.world.max_pid = 3000;
	f.world.target = 2200;
	while (world_step(&f.world)->n_live < 2000)
		;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(step(&f), -ENOSPC);
		assert_non_null(strstr(f.err.text, "too much for a history of 32.0 KiB at most"));
		usleep(1000);
	}
	assert_int_equal(f.log.n, 0);
	tear_down(&f);
}

/* Nobody looks at the directory between two of these snapshots, normally. */
static void what_is_written_counts_at_once(void **state)
{
	uint64_t bytes;
	struct mh_writer_stats stats;
	struct fixture f;

	(void)state;
	set_up(&f, (struct mh_limits){0});
	bytes = status_of(&f).room.bytes;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(step(&f), 0);
		mh_writer_stats(f.w, &stats);
		assert_true(status_of(&f).room.bytes >= bytes + stats.bytes);
	}
	assert_true(stats.bytes > 0);
	tear_down(&f);
}

/* Then the thread that makes room hangs as well. */
static void max_size_holds_while_the_disk_hangs(void **state)
{
	struct fixture f;
	int refused = 0;

	(void)state;
	set_up(&f, (struct mh_limits){.max_bytes = MAX_BYTES});
	disk.hangs = true;
	while (refused < 10) {
		refused += step(&f) != 0;
		is_within_the_limit(&f);
		assert_true(f.log.n < STEPS_MAX);
	}
	disk.hangs = false;
	disk_until(!step(&f));
	is_whole(&f);
	tear_down(&f);
}

/* A limit that was lowered: it holds from the first snapshot on. */
static void an_old_history_is_brought_within_limits_at_the_start(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, (struct mh_limits){0});
	mh_writer_close(f.w);
	f.config.rotate_ms = 50000;
	f.w = open_writer(&f.config);
	for (int i = 0; i < 600; i++)
		assert_int_equal(step(&f), 0);
	mh_writer_close(f.w);
	assert_true(taken(&f) > MAX_BYTES);
	f.upkeep.limits.max_bytes = MAX_BYTES;
	f.w = open_writer(&f.config);
	is_within_the_limit(&f);
	assert_true(status_of(&f).room.deleted.segments[MH_DELETED_BY_SIZE] > 0);
	assert_int_equal(status_of(&f).room.bytes, taken(&f));
	assert_int_equal(step(&f), 0);
	is_whole(&f);
	tear_down(&f);
}

static void below_min_free_writing_pauses_and_resumes_by_itself(void **state)
{
	struct mh_segment_list list = {0};
	struct mh_reader *r;
	const struct mh_snapshot *s;
	struct fixture f;
	char first[sizeof(f.err.text)];
	unsigned gaps = 0;

	(void)state;
	set_up(&f, (struct mh_limits){.min_free_bytes = 1 << 30});
	mh_writer_close(f.w);
	f.config.rotate_ms = 5000;
	f.w = open_writer(&f.config);
	for (int i = 0; i < 8; i++)
		assert_int_equal(step(&f), 0);
	disk.free_bytes = 1 << 20;
	/* noticed at the next segment, at the latest */
	for (int i = 0; i < 5; i++)
		step(&f);
	disk_until(status_of(&f).room.is_low);
	assert_int_equal(step(&f), -ENOSPC);
	assert_non_null(strstr(f.err.text, "writing pauses until there is more space: 1.0 MiB"));
	snprintf(first, sizeof(first), "%s", f.err.text);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(step(&f), -ENOSPC);
		assert_string_equal(f.err.text, first);
	}
	/* none was deleted for what it would not have helped with */
	assert_int_equal(mh_dir_list(f.dir_fd, &list), 0);
	assert_int_equal(list.file[0].seq, 1);
	mh_dir_list_done(&list);
	disk.free_bytes = 1 << 30;
	disk_until(!status_of(&f).room.is_low);
	assert_int_equal(step(&f), 0);
	assert_int_equal(step(&f), 0);
	assert_int_equal(status_of(&f).troubles, 0);
	is_whole(&f);
	r = open_reader(f.dir, false);
	while (mh_reader_next(r, &s, &f.err) > 0)
		gaps += s->gap.kind == MH_GAP_WRITE_ERROR;
	assert_int_equal(gaps, 1);
	mh_reader_close(r);
	tear_down(&f);
}

/* The segment that is left at a limit of its size is not the last one. */
static void by_age_goes_what_the_newest_snapshot_makes_old(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, (struct mh_limits){.max_age_ms = 100 * 1000});
	mh_writer_close(f.w);
	f.config.rotate_ms = 10000;
	f.w = open_writer(&f.config);
	/* a segment a minute at most: time in this world passes as it is recorded */
	for (int i = 0; i < 300; i++)
		assert_int_equal(step(&f), 0);
	disk_until(status_of(&f).room.deleted.segments[MH_DELETED_BY_AGE] >= 1);
	assert_in_range(status_of(&f).room.deleted.segments[MH_DELETED_BY_AGE], 1, 4);
	is_whole(&f);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(max_size_holds_at_every_moment),
		cmocka_unit_test(max_size_holds_while_nothing_can_be_deleted),
		cmocka_unit_test(max_size_holds_while_nobody_knows_what_is_there),
		cmocka_unit_test(a_snapshot_that_can_never_fit_is_called_so),
		cmocka_unit_test(what_is_written_counts_at_once),
		cmocka_unit_test(max_size_holds_while_the_disk_hangs),
		cmocka_unit_test(an_old_history_is_brought_within_limits_at_the_start),
		cmocka_unit_test(below_min_free_writing_pauses_and_resumes_by_itself),
		cmocka_unit_test(by_age_goes_what_the_newest_snapshot_makes_old),
	};

	main_thread = pthread_self();
	return cmocka_run_group_tests_name("upkeep_limits", tests, NULL, NULL);
}
