/*
 * Damage, as the reader of candles meets it, who passes over most of a sealed segment: what it
 * reads is checked, and what is damaged there costs its part, no more.
 */
#include "libmemhist/history/columns/candle_reader.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/seal.h"
#include "tests/unit/recording.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { INTERVAL_MS = 100 * 1000, STEPS = 60 };

static void make(const char *dir)
{
	struct mh_writer_config config = config_for(dir);
	struct mh_err err = {""};
	struct mh_writer *w;
	struct world world;

	world_init(&world, 3);
	world.interval_ms = config.interval_ms = INTERVAL_MS;
	config.rotate_ms = INTERVAL_MS * 25;
	w = open_writer(&config);
	for (int i = 0; i < STEPS; i++)
		if (mh_writer_append(w, world_step(&world), &err))
			fail_msg("%s", err.text);
	assert_int_equal(mh_writer_close(w), 0);
	world_done(&world);
}

static void seal(int dir_fd)
{
	struct mh_segment_list list = {0};
	struct mh_err err = {""};

	assert_int_equal(mh_dir_list(dir_fd, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		struct mh_seal_result result;

		if (mh_seal_segment(dir_fd, &list.file[i], &result, &err))
			fail_msg("%s", err.text);
	}
	mh_dir_list_done(&list);
}

static int on_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	(void)arg;
	(void)series;
	assert_true(candle->low <= candle->open && candle->open <= candle->high);
	return 0;
}

/* How many candles of RSS, and how much damage, columns have. */
static uint64_t count_candles(const char *dir, uint64_t *ret_damages)
{
	struct mh_candle_reader_config config = {
		.since_ms = MH_MS_MIN,
		.until_ms = MH_MS_MAX,
		.field = MH_FIELD_RSS,
		.interval_ms = 15 * 60 * 1000,
		.utc = true,
		.candle = on_candle,
	};
	struct mh_candle_reader_stats stats;
	struct mh_reader_stats reader;
	struct mh_candle_reader *c;
	struct mh_err err = {""};
	int rc;

	assert_int_equal(mh_candle_reader_new(&c, dir, &config, &err), 0);
	while ((rc = mh_candle_reader_next(c, &err)) > 0)
		;
	assert_int_equal(rc, 0);
	mh_candle_reader_stats(c, &stats, &reader);
	*ret_damages = reader.damages;
	mh_candle_reader_free(c);
	return stats.candles;
}

/* Frames that are passed over are not looked at; all others are, wherever one leaps from. */
static void check_damage(const char *dir, int fd, uint64_t *noticed, uint64_t *unnoticed)
{
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t *bytes = malloc((size_t)size), bad;
	uint64_t damages, all = count_candles(dir, &damages);
	struct mh_frame f;
	size_t need;
	int n;

	assert_non_null(bytes);
	assert_int_equal(damages, 0);
	assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
	for (off_t at = 0; at < size; at += n) {
		uint64_t left;
		off_t in;

		n = mh_frame_read(bytes + at, (size_t)(size - at), &f, &need);
		assert_true(n > 0);
		in = at + MH_FRAME_HEAD + f.len / 2;
		bad = bytes[in] ^ 4;
		assert_int_equal(pwrite(fd, &bad, 1, in), 1);
		left = count_candles(dir, &damages);
		assert_int_equal(pwrite(fd, &bytes[in], 1, in), 1);
		noticed[f.type] += damages != 0;
		unnoticed[f.type] += !damages;
		assert_true(damages ? left <= all : left == all);
	}
	free(bytes);
}

static void damage_is_noticed_where_one_reads(void **state)
{
	enum { TYPES = 256 };
	static uint64_t noticed[TYPES], unnoticed[TYPES];
	const char *dir = temp_dir();
	struct mh_segment_list list = {0};
	struct mh_err err = {""};
	int dir_fd;

	(void)state;
	make(dir);
	dir_fd = mh_dir_open(dir, &err);
	seal(dir_fd);
	assert_int_equal(mh_dir_list(dir_fd, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		int fd = openat(dir_fd, list.file[i].name, O_RDWR);

		assert_true(fd >= 0);
		check_damage(dir, fd, noticed, unnoticed);
		close(fd);
	}
	assert_true(noticed[MH_FRAME_PART] && !unnoticed[MH_FRAME_PART]);
	assert_true(noticed[MH_FRAME_SERIES] && !unnoticed[MH_FRAME_SERIES]);
	assert_true(noticed[MH_FRAME_END] && !unnoticed[MH_FRAME_END]);
	assert_true(noticed[MH_FRAME_STARTS] && unnoticed[MH_FRAME_STARTS]);
	assert_true(noticed[MH_FRAME_CANDLES] && unnoticed[MH_FRAME_CANDLES]);
	assert_true(unnoticed[MH_FRAME_NAMES] && unnoticed[MH_FRAME_STRINGS]);
	assert_int_equal(noticed[MH_FRAME_NAMES] + noticed[MH_FRAME_STRINGS], 0);
	mh_dir_list_done(&list);
	close(dir_fd);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_is_noticed_where_one_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
