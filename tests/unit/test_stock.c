/*
 * What a history's directory holds and takes, how fast it grows, and retention where that is not
 * what names say.
 */
#include "libmemhist/history/upkeep/tidy.h"
#include "tests/unit/disk.h"
#include "tests/unit/recording.h"
#include "tests/unit/shelf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Written, they take their blocks; sparse ones take their size. */
static void the_larger_of_size_and_blocks_counts(void **state)
{
	struct shelf f;
	char name[MH_SEGMENT_NAME_MAX];
	uint64_t before;
	int fd;

	(void)state;
	shelf_fill(&f, 0);
	before = shelf_taken(&f);
	shelf_name(name, 1);
	shelf_put(&f, name, 0);
	fd = openat(f.dir_fd, name, O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	fsync(fd);
	close(fd);
	assert_true(shelf_taken(&f) >= before + 1);
	shelf_name(name, 2);
	shelf_put(&f, name, 1 << 30);
	assert_true(shelf_taken(&f) >= before + (1 << 30));
	shelf_remove(&f);
}

/* T5 */
static void what_a_crash_left_goes_unless_somebody_works_on_it(void **state)
{
	static const char temporary[] = ".0000000002-20261120T202848Z-0123abcd.mh.sealing";
	struct shelf f;
	uint64_t before;
	int fd;

	(void)state;
	shelf_fill(&f, 3);
	before = shelf_taken(&f);
	shelf_put(&f, temporary, SHELF_BYTES);
	fd = mh_dir_open(f.dir, &f.err);
	assert_int_equal(mh_tidy_lock(fd), 0);
	shelf_goes(&f, "");
	assert_int_equal(f.result.stock.bytes, before + SHELF_BYTES);
	close(fd);
	shelf_goes(&f, "");
	assert_int_equal(f.result.stock.bytes, before);
	assert_int_equal(faccessat(f.dir_fd, temporary, F_OK, 0), -1);
	shelf_remove(&f);
}

/* A sealed segment that is damaged, so that the open one of its number was kept. */
static void a_segment_takes_along_those_that_it_stands_for(void **state)
{
	struct shelf f;
	char name[MH_SEGMENT_NAME_MAX], *suffix;
	uint64_t before;

	(void)state;
	shelf_fill(&f, 3);
	shelf_name(name, 1);
	suffix = strstr(name, MH_OPEN_SUFFIX);
	snprintf(suffix, 8, "%s", MH_SEALED_SUFFIX);
	shelf_put(&f, name, SHELF_BYTES);
	before = shelf_taken(&f);
	f.limits.max_bytes = before - 1;
	shelf_goes(&f, "size 1");
	assert_int_equal(f.result.stock.bytes, before - 2 * SHELF_BYTES);
	shelf_remove(&f);
}

/* With frames in them segments are as old as their last snapshot. */
static void the_end_of_a_segment_is_what_counts(void **state)
{
	enum { SNAPSHOTS = 30, PER_SEGMENT = 10 };
	struct shelf f;
	struct mh_writer_config config;
	struct mh_writer *w;
	struct written log = {0};
	struct world world;

	(void)state;
	shelf_fill(&f, 0);
	config = config_for(f.dir);
	config.rotate_ms = PER_SEGMENT * 1000;
	world_init(&world, 3);
	w = open_writer(&config);
	record(w, &world, &log, SNAPSHOTS);
	mh_writer_close(w);
	/* to the newest data, that of the third one: its own beginning is 10 s before, … */
	f.limits.max_age_ms = log.wall_ms[29] - log.wall_ms[9];
	shelf_goes(&f, "");
	f.limits.max_age_ms--;
	shelf_goes(&f, "age 1");
	world_done(&world);
	forget(&log);
	shelf_remove(&f);
}

static void the_rate_is_that_of_the_newest_segments(void **state)
{
	enum { MINUTE_MS = 60 * 1000, HOURS = 5 };
	struct mh_stock_rate rate = {0};
	struct mh_stock stock = {0};
	struct mh_writer_config config;
	struct mh_writer *w;
	struct written log = {0};
	struct shelf f;
	struct world world;
	uint64_t bytes = 0, ms = 0;

	(void)state;
	shelf_fill(&f, 0);
	config = config_for(f.dir);
	world_init(&world, 5);
	world.interval_ms = MINUTE_MS;
	w = open_writer(&config);
	record(w, &world, &log, 5);
	assert_int_equal(mh_stock_take(f.dir_fd, &stock), 0);
	assert_int_equal(mh_stock_rate(f.dir_fd, &stock, 1, &rate), 0);
	/* the open one, where it is all there is */
	record(w, &world, &log, 15);
	assert_int_equal(mh_stock_take(f.dir_fd, &stock), 0);
	assert_int_equal(mh_stock_rate(f.dir_fd, &stock, 1, &rate), 1);
	assert_int_equal(rate.bytes, stock.files.file[0].disk_bytes);
	assert_in_range(rate.ms, 19 * MINUTE_MS, 19 * MINUTE_MS + 999);
	/* then those that are finished */
	record(w, &world, &log, HOURS * 60);
	assert_int_equal(mh_stock_take(f.dir_fd, &stock), 0);
	assert_int_equal(stock.files.n, HOURS + 1);
	assert_int_equal(mh_stock_rate(f.dir_fd, &stock, HOURS + 1, &rate), 1);
	for (int i = 0; i < HOURS; i++) {
		bytes += stock.files.file[i].disk_bytes;
		ms += 59 * MINUTE_MS;
	}
	assert_int_equal(rate.bytes, bytes);
	assert_in_range(rate.ms, ms, ms + HOURS * 1000);
	mh_writer_close(w);
	mh_stock_done(&stock);
	world_done(&world);
	forget(&log);
	shelf_remove(&f);
}

static void the_projection_follows_from_rate_and_limits(void **state)
{
	enum { DAY_MS = 86400 * 1000 };
	const struct mh_stock_rate rate = {.bytes = 10 << 20, .ms = DAY_MS};
	struct mh_buf text = MH_BUF_INIT(256);
	struct mh_limits limits;

	(void)state;
	assert_int_equal(
		mh_retention_projected_s(&(struct mh_limits){.max_bytes = 100 << 20}, &rate),
		10 * 86400);
	assert_int_equal(mh_retention_projected_s(&(struct mh_limits){0}, &rate), 0);
	/* the lesser of both limits, or the one that there is */
	limits = (struct mh_limits){.max_bytes = 100 << 20, .max_age_ms = INT64_C(9) * DAY_MS};
	assert_int_equal(mh_retention_projected_s(&limits, &rate), 9 * 86400);
	mh_retention_describe(&text, &rate, 9 * 86400);
	assert_string_equal(mh_buf_str(&text), "about 9 days at 10.0 MiB a day");
	limits.max_age_ms = INT64_C(11) * DAY_MS;
	assert_int_equal(mh_retention_projected_s(&limits, &rate), 10 * 86400);
	limits.max_bytes = 0;
	assert_int_equal(mh_retention_projected_s(&limits, &rate), 11 * 86400);
	assert_int_equal(mh_retention_projected_s(&limits, &(struct mh_stock_rate){0}), 0);
	assert_int_equal(mh_retention_projected_s(&(struct mh_limits){.max_bytes = 1 << 20},
						  &(struct mh_stock_rate){0}),
			 0);
	mh_buf_done(&text);
}

static void what_was_put_aside_counts(void **state)
{
	struct shelf f;
	uint64_t before;

	(void)state;
	shelf_fill(&f, 3);
	before = shelf_taken(&f);
	assert_int_equal(mkdirat(f.dir_fd, MH_DAMAGED_DIR, 0750), 0);
	shelf_put(&f, MH_DAMAGED_DIR "/0000000001-20261120T202848Z-0123abcd.mh", SHELF_BYTES);
	assert_true(shelf_taken(&f) >= before + SHELF_BYTES);
	f.limits.max_bytes = shelf_taken(&f) - 1;
	shelf_goes(&f, "size 1");
	assert_int_equal(
		unlinkat(f.dir_fd, MH_DAMAGED_DIR "/0000000001-20261120T202848Z-0123abcd.mh", 0),
		0);
	assert_int_equal(unlinkat(f.dir_fd, MH_DAMAGED_DIR, AT_REMOVEDIR), 0);
	shelf_remove(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_larger_of_size_and_blocks_counts),
		cmocka_unit_test(what_was_put_aside_counts),
		cmocka_unit_test(what_a_crash_left_goes_unless_somebody_works_on_it),
		cmocka_unit_test(a_segment_takes_along_those_that_it_stands_for),
		cmocka_unit_test(the_end_of_a_segment_is_what_counts),
		cmocka_unit_test(the_rate_is_that_of_the_newest_segments),
		cmocka_unit_test(the_projection_follows_from_rate_and_limits),
	};

	return cmocka_run_group_tests_name("stock", tests, NULL, NULL);
}
