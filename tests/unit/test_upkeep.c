/*
 * The upkeep of a history: what was written comes to the disk in time, what could not be is never
 * tried again, and a disk that hangs holds nobody up.
 */
#include "libmemhist/history/dir.h"
#include "tests/unit/disk.h"
#include "tests/unit/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { HOUR_MS = 3600 * 1000 };

struct fixture {
	const char *dir;
	struct mh_upkeep_config upkeep;
	struct mh_writer_config config;
	struct mh_writer *w;
	struct world world;
	struct written log;
};

static void set_up(struct fixture *f, uint32_t sync_ms)
{
	*f = (struct fixture){.dir = temp_dir(), .upkeep = MH_UPKEEP_DEFAULTS};
	disk_reset();
	f->upkeep.sync_ms = sync_ms;
	f->config = config_for(f->dir);
	f->config.upkeep = &f->upkeep;
	f->w = open_writer(&f->config);
	world_init(&f->world, 11);
}

static void tear_down(struct fixture *f)
{
	disk.hangs = false;
	mh_writer_close(f->w);
	world_done(&f->world);
	forget(&f->log);
	remove_dir(f->dir);
}

static void step(struct fixture *f, int steps)
{
	record(f->w, &f->world, &f->log, steps);
}

static struct mh_upkeep_status status_of(const struct fixture *f)
{
	struct mh_upkeep_status status;

	assert_true(mh_writer_upkeep(f->w, &status));
	return status;
}

static struct mh_writer_stats stats_of(const struct fixture *f)
{
	struct mh_writer_stats stats;

	mh_writer_stats(f->w, &stats);
	return stats;
}

/* Everything that was reported as written is in the history; returns how many gaps are, too. */
static unsigned read_back(const struct fixture *f)
{
	struct mh_reader *r = open_reader(f->dir, false);
	const struct mh_snapshot *s;
	struct mh_reader_stats stats;
	struct mh_err err = {""};
	unsigned gaps = 0;
	size_t n = 0;
	int rc;

	while ((rc = mh_reader_next(r, &s, &err)) > 0) {
		assert_true(n < f->log.n);
		assert_int_equal(s->at.wall_ms, f->log.wall_ms[n++]);
		gaps += s->gap.kind == MH_GAP_WRITE_ERROR;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(n, f->log.n);
	mh_reader_stats(r, &stats);
	assert_int_equal(stats.damages + stats.orphans, 0);
	mh_reader_close(r);
	return gaps;
}

static ino_t inode_of(const char *dir)
{
	struct stat st;

	assert_int_equal(stat(dir, &st), 0);
	return st.st_ino;
}

static void a_new_segment_and_its_name_come_to_the_disk_at_once(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, HOUR_MS);
	assert_int_equal(disk.calls, 0);
	step(&f, 1);
	disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[0]);
	assert_int_equal(disk.calls, 2);
	assert_int_equal(disk.last, inode_of(f.dir));
	/* the next ones have an hour */
	step(&f, 5);
	assert_int_equal(disk.calls, 2);
	assert_int_equal(status_of(&f).synced_wall_ms, f.log.wall_ms[0]);
	tear_down(&f);
}

static void snapshots_come_to_the_disk_within_the_interval(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 80);
	for (int i = 0; i < 3; i++) {
		step(&f, 2);
		disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[f.log.n - 1]);
	}
	tear_down(&f);
}

static void an_interval_of_none_is_each_snapshot(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 0);
	for (int i = 0; i < 20; i++) {
		step(&f, 1);
		disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[i]);
	}
	assert_int_equal(disk.calls, 20 + 1);
	tear_down(&f);
}

static void an_ended_segment_comes_to_the_disk_at_once(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, HOUR_MS);
	mh_writer_close(f.w);
	f.config.rotate_ms = 10000;
	f.w = open_writer(&f.config);
	step(&f, 25);
	disk_until(status_of(&f).synced_wall_ms >= f.log.wall_ms[20]);
	assert_int_equal(stats_of(&f).segments, 3);
	tear_down(&f);
}

static void asking_for_it_does_not_wait_for_the_interval(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, HOUR_MS);
	step(&f, 1);
	disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[0]);
	step(&f, 4);
	assert_int_equal(mh_writer_sync(f.w, NULL), 0);
	disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[4]);
	tear_down(&f);
}

static void the_end_brings_everything_to_the_disk(void **state)
{
	struct fixture f;
	int before;

	(void)state;
	set_up(&f, HOUR_MS);
	step(&f, 1);
	disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[0]);
	step(&f, 3);
	before = disk.calls;
	assert_int_equal(mh_writer_close(f.w), 0);
	assert_int_equal(disk.calls, before + 1);
	f.w = NULL;
	tear_down(&f);
}

/* U4 */
static void a_file_that_could_not_be_synced_is_given_up(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 0);
	step(&f, 3);
	disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[2]);
	disk.fails = 1;
	step(&f, 1);
	disk_until(status_of(&f).sync_errors == 1);
	assert_int_equal(status_of(&f).troubles, 1);
	assert_non_null(strstr(status_of(&f).trouble.text, "Input/output error"));
	assert_int_equal(status_of(&f).synced_wall_ms, f.log.wall_ms[2]);
	/* what comes next is in another file, after a gap, and that one is synced again */
	step(&f, 5);
	disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[8]);
	assert_int_equal(stats_of(&f).segments, 2);
	assert_int_equal(stats_of(&f).errors, 1);
	assert_int_equal(disk.again, 0);
	assert_int_equal(mh_writer_close(f.w), 0);
	f.w = NULL;
	assert_int_equal(disk.again, 0);
	assert_int_equal(read_back(&f), 1);
	tear_down(&f);
}

/* U4: the name may not be there, and the segment with it. */
static void a_directory_that_could_not_be_synced_begins_a_segment(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, HOUR_MS);
	disk.dir_fails = 1;
	step(&f, 1);
	disk_until(status_of(&f).sync_errors == 1);
	assert_int_equal(status_of(&f).syncs, 1); /* the file was */
	assert_int_equal(status_of(&f).troubles, 1);
	assert_non_null(strstr(status_of(&f).trouble.text, "cannot bring the directory"));
	assert_int_equal(status_of(&f).synced_wall_ms, 0);
	/* asking again does not make it true */
	assert_int_equal(mh_writer_sync(f.w, NULL), 0);
	step(&f, 1);
	assert_int_equal(stats_of(&f).segments, 2);
	assert_int_equal(stats_of(&f).errors, 1);
	disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[1]);
	step(&f, 3);
	assert_int_equal(stats_of(&f).segments, 2);
	assert_int_equal(status_of(&f).sync_errors, 1);
	assert_int_equal(read_back(&f), 1);
	tear_down(&f);
}

static void a_file_and_its_directory_are_given_up_together(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, HOUR_MS);
	disk.fails = 1;
	disk.dir_fails = 1;
	step(&f, 1);
	disk_until(status_of(&f).sync_errors == 2);
	step(&f, 1);
	disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[1]);
	assert_int_equal(stats_of(&f).segments, 2);
	assert_int_equal(disk.again, 0);
	assert_int_equal(read_back(&f), 1);
	tear_down(&f);
}

static void begin_file(struct mh_upkeep *u, int dir_fd, uint64_t seq)
{
	char name[] = "segment 0";
	int fd;

	name[sizeof(name) - 2] = (char)('0' + seq);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(mh_upkeep_begin(u, fd, name, seq), 0);
	close(fd);
}

/* Ask for all to be brought to the disk, and up to when it was by then. */
static mh_ms_t synced(struct mh_upkeep *u, int expected_rc)
{
	struct mh_upkeep_status status;
	struct mh_err err;

	assert_int_equal(mh_upkeep_wait(u, 60 * 1000, &err), expected_rc);
	mh_upkeep_status(u, &status);
	return status.synced_wall_ms;
}

static void append_at(struct mh_upkeep *u, unsigned second)
{
	const struct mh_instant at = {.wall_ms = second * 1000, .boot_ns = second};

	mh_upkeep_appended(u, at);
}

static void nothing_that_was_given_up_is_called_synced(void **state)
{
	struct mh_upkeep *u;
	struct mh_err err;
	struct fixture f;
	int dir_fd;

	(void)state;
	set_up(&f, HOUR_MS);
	dir_fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir_fd >= 0);
	assert_int_equal(mh_upkeep_new(&u, &f.upkeep,
				       &(struct mh_upkeep_history){.dir_path = f.dir,
								   .dir_fd = dir_fd,
								   .next_seq = 1,
								   .segment_bytes = 1 << 20},
				       &err),
			 0);
	begin_file(u, dir_fd, 1);
	append_at(u, 1);
	assert_int_equal(synced(u, 0), 1000);
	append_at(u, 2);
	disk.fails = 1;
	assert_int_equal(synced(u, -EIO), 1000);
	assert_int_equal(synced(u, 0), 1000);
	append_at(u, 3); /* before it is known that the segment was given up */
	assert_int_equal(synced(u, 0), 1000);
	mh_upkeep_end(u, 2);
	assert_int_equal(synced(u, 0), 1000);
	begin_file(u, dir_fd, 2);
	append_at(u, 4);
	assert_int_equal(synced(u, 0), 4000);
	/* likewise when its name could not be brought there */
	mh_upkeep_end(u, 3);
	disk.dir_fails = 1;
	begin_file(u, dir_fd, 3);
	append_at(u, 5);
	assert_int_equal(synced(u, -EIO), 4000);
	assert_int_equal(synced(u, 0), 4000);
	assert_int_equal(mh_upkeep_free(u), 0);
	close(dir_fd);
	tear_down(&f);
}

/* Who syncs himself. */
static void without_a_thread_a_failed_sync_is_final_too(void **state)
{
	struct mh_err err = {""};
	struct fixture f;

	(void)state;
	set_up(&f, HOUR_MS);
	mh_writer_close(f.w);
	f.config.upkeep = NULL;
	f.w = open_writer(&f.config);
	step(&f, 2);
	disk.dir_fails = 1;
	assert_int_equal(mh_writer_sync(f.w, &err), -EIO);
	assert_non_null(strstr(err.text, "cannot bring the directory"));
	step(&f, 2);
	assert_int_equal(stats_of(&f).segments, 2);
	disk.fails = 1;
	assert_int_equal(mh_writer_sync(f.w, &err), -EIO);
	step(&f, 2);
	assert_int_equal(stats_of(&f).segments, 3);
	assert_int_equal(stats_of(&f).errors, 2);
	assert_int_equal(mh_writer_sync(f.w, &err), 0);
	assert_int_equal(disk.again, 0);
	assert_int_equal(read_back(&f), 2);
	tear_down(&f);
}

/* Nothing below waits for the thread, which waits for the disk; else this test would hang. */
static void a_disk_that_hangs_holds_up_no_snapshot(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, 0);
	mh_writer_close(f.w);
	f.config.rotate_ms = 10000;
	f.w = open_writer(&f.config);
	disk.hangs = true;
	step(&f, 1);
	disk_until(disk.waiting == 1);
	/* more segments than the thread has places */
	step(&f, 300);
	assert_int_equal(disk.waiting, 1);
	assert_int_equal(stats_of(&f).segments, 31);
	assert_int_equal(status_of(&f).synced_wall_ms, 0);
	assert_true(status_of(&f).sync_errors > 0);
	assert_non_null(strstr(status_of(&f).trouble.text, "is not waited for"));
	assert_int_equal(read_back(&f), 0);
	disk.hangs = false;
	/* with a place free again, the open segment gets one */
	disk_until(status_of(&f).syncs > 2);
	step(&f, 1);
	disk_until(status_of(&f).synced_wall_ms == f.log.wall_ms[301]);
	tear_down(&f);
}

static void a_disk_that_hangs_holds_up_the_end_for_a_time_only(void **state)
{
	struct mh_writer_config again;
	struct fixture f;

	(void)state;
	set_up(&f, 0);
	disk.hangs = true;
	step(&f, 2);
	disk_until(disk.waiting == 1);
	assert_int_equal(mh_writer_close(f.w), -ETIMEDOUT);
	assert_int_equal(disk.waiting, 1);
	/* who comes next finds the history free and whole */
	again = f.config;
	again.upkeep = NULL;
	disk.hangs = false;
	f.w = open_writer(&again);
	step(&f, 2);
	assert_int_equal(read_back(&f), 0);
	disk_until(disk.waiting == 0);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_segment_and_its_name_come_to_the_disk_at_once),
		cmocka_unit_test(snapshots_come_to_the_disk_within_the_interval),
		cmocka_unit_test(an_interval_of_none_is_each_snapshot),
		cmocka_unit_test(an_ended_segment_comes_to_the_disk_at_once),
		cmocka_unit_test(asking_for_it_does_not_wait_for_the_interval),
		cmocka_unit_test(the_end_brings_everything_to_the_disk),
		cmocka_unit_test(a_file_that_could_not_be_synced_is_given_up),
		cmocka_unit_test(a_directory_that_could_not_be_synced_begins_a_segment),
		cmocka_unit_test(a_file_and_its_directory_are_given_up_together),
		cmocka_unit_test(nothing_that_was_given_up_is_called_synced),
		cmocka_unit_test(without_a_thread_a_failed_sync_is_final_too),
		cmocka_unit_test(a_disk_that_hangs_holds_up_no_snapshot),
		cmocka_unit_test(a_disk_that_hangs_holds_up_the_end_for_a_time_only),
	};

	return cmocka_run_group_tests_name("upkeep", tests, NULL, NULL);
}
