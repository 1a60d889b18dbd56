/*
 * Candles by parts are candles by snapshots: the same history, read through the builder of
 * view/candle.h and through the reader of candles, open and sealed, from columns and from samples.
 */
#include "libmemhist/history/columns/candle_reader.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/merge.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/view/candle.h"
#include "tests/unit/candle_book.h"
#include "tests/unit/older.h"
#include "tests/unit/recording.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SERIES_MAX = 8192 };

/* With a sanitizer each life takes four times as long: one of each kind will do. */
#ifdef __SANITIZE_ADDRESS__
enum { FIRST_SEED = 3, LAST_SEED = 4 };
#else
enum { FIRST_SEED = 1, LAST_SEED = 8 };
#endif

static const mh_ms_t SECOND = 1000, MINUTE = 60 * 1000, QUARTER = 15 * 60 * 1000;

/* --- by snapshots ----------------------------------------------------------------------------- */

static int on_slot_candle(void *arg, uint32_t slot, const struct mh_candle *candle)
{
	struct candle_book *b = arg;

	b->candles++;
	book_add(b,
		 slot < MH_BRIEF_SLOT(0) ? &b->by_slot[slot] : &b->brief[slot - MH_BRIEF_SLOT(0)],
		 candle);
	return 0;
}

static int on_update(void *arg, const struct mh_snapshot *s)
{
	struct candle_book *b = arg;

	assert_in_range(s->n_slots, 0, SLOTS_MAX);
	assert_in_range(s->n_brief, 0, BRIEF_MAX);
	b->boot = s->boot_id;
	mh_snapshot_for_each (s, slot)
		b->by_slot[slot] = s->process[slot].id;
	for (uint32_t i = 0; i < s->n_brief; i++)
		b->brief[i] = s->brief[i].id;
	return 0;
}

struct ask {
	int field;
	mh_ms_t interval_ms, since_ms, until_ms;
	bool utc;
};

static void end_builder(struct mh_candles **c)
{
	if (*c)
		assert_int_equal(mh_candles_finish(*c), 0);
	mh_candles_free(*c);
	*c = NULL;
}

static void read_snapshots(const char *dir, const struct ask *ask, struct candle_book *b)
{
	struct mh_reader_options options = {.since_ms = ask->since_ms, .until_ms = ask->until_ms};
	struct mh_candles_config config = {
		.field = ask->field,
		.interval_ms = ask->interval_ms,
		.utc = ask->utc,
		.emit = on_slot_candle,
		.window = book_on_window,
		.update = on_update,
		.arg = b,
	};
	struct mh_candles *c = NULL;
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	struct mh_reader *r;
	int rc;

	*b = (struct candle_book){0};
	assert_int_equal(mh_reader_open(&r, dir, &options, &err), 0);
	while ((rc = mh_reader_next(r, &s, &err)) > 0) {
		b->snapshots++;
		if (!mh_fields_have(s->fields, ask->field)) {
			end_builder(&c);
			continue;
		}
		if (!c)
			assert_int_equal(mh_candles_new(&c, &config), 0);
		assert_int_equal(mh_candles_add(c, s), 0);
	}
	assert_int_equal(rc, 0);
	end_builder(&c);
	mh_reader_close(r);
	book_finish(b);
}

/* --- by parts --------------------------------------------------------------------------------- */

static int on_part(void *arg, const struct mh_part *p, const struct mh_part_windows *w,
		   const struct mh_gap *gap)
{
	struct candle_book *b = arg;
	uint32_t n = p->series.n;

	(void)w;
	(void)gap;
	assert_in_range(n + p->brief.n, 0, SERIES_MAX);
	if (!b->by_series)
		b->by_series = calloc(SERIES_MAX, sizeof(*b->by_series));
	assert_non_null(b->by_series);
	for (uint32_t i = 0; i < n; i++)
		b->by_series[i] = p->series.item[i].id;
	for (uint32_t i = 0; i < p->brief.n; i++)
		b->by_series[n + i] = p->brief.item[i].id;
	b->boot = p->head.boot_id;
	return 0;
}

static int on_series_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct candle_book *b = arg;

	assert_in_range(series, 0, SERIES_MAX - 1);
	b->candles++;
	book_add(b, &b->by_series[series], candle);
	return 0;
}

static void read_parts(const char *dir, const struct ask *ask, bool from_samples,
		       struct candle_book *b)
{
	struct mh_candle_reader_config config = {
		.since_ms = ask->since_ms,
		.until_ms = ask->until_ms,
		.field = ask->field,
		.interval_ms = ask->interval_ms,
		.utc = ask->utc,
		.from_samples = from_samples,
		.part = on_part,
		.candle = on_series_candle,
		.window = book_on_window,
		.arg = b,
	};
	struct mh_candle_reader_stats stats;
	struct mh_reader_stats reader;
	struct mh_candle_reader *c;
	struct mh_err err = {""};
	int rc;

	*b = (struct candle_book){0};
	assert_int_equal(mh_candle_reader_new(&c, dir, &config, &err), 0);
	while ((rc = mh_candle_reader_next(c, &err)) > 0)
		;
	assert_int_equal(rc, 0);
	mh_candle_reader_stats(c, &stats, &reader);
	assert_int_equal(stats.n_snapshots, reader.snapshots);
	b->snapshots = stats.n_snapshots;
	b->columns = stats.parts_from_columns;
	mh_candle_reader_free(c);
	book_finish(b);
}

/* --- both ------------------------------------------------------------------------------------- */

static uint64_t check(const char *dir, const struct ask *ask)
{
	struct candle_book snapshots, parts;
	uint64_t columns;

	read_snapshots(dir, ask, &snapshots);
	read_parts(dir, ask, true, &parts);
	book_compare(&snapshots, &parts);
	assert_int_equal(parts.columns, 0);
	book_done(&parts);
	read_parts(dir, ask, false, &parts);
	book_compare(&snapshots, &parts);
	columns = parts.columns;
	book_done(&parts);
	book_done(&snapshots);
	return columns;
}

static void seal(const char *dir, size_t each)
{
	struct mh_segment_list list = {0};
	struct mh_err err = {""};
	int fd = mh_dir_open(dir, &err);
	size_t n = 0;

	assert_true(fd >= 0);
	assert_int_equal(mh_dir_list(fd, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		struct mh_seal_result result;

		if (!list.file[i].is_sealed && !(n++ % each) &&
		    mh_seal_segment(fd, &list.file[i], &result, &err))
			fail_msg("%s", err.text);
	}
	mh_dir_list_done(&list);
	close(fd);
}

/* Merge what is sealed. */
static void merge(const char *dir)
{
	struct mh_segment_list list = {0};
	struct mh_merge_run run;
	struct mh_err err = {""};
	int fd = mh_dir_open(dir, &err);

	assert_true(fd >= 0);
	assert_int_equal(mh_dir_list(fd, &list), 0);
	for (size_t at = 0; mh_merge_next(&list, true, &at, &run);) {
		struct mh_merge_result result;

		if (mh_merge(fd, &list.file[run.first], run.n, &result, &err))
			fail_msg("%s", err.text);
	}
	mh_dir_list_done(&list);
	close(fd);
}

/* Record a life with everything that can befall a clock. */
static void make(const char *dir, uint64_t seed, mh_ms_t interval_ms, int steps)
{
	const mh_fields_t some[] = {MH_FIELDS(HWM), MH_FIELDS(RSS) | MH_FIELDS(ANON),
				    MH_FIELDS(FILE) | MH_FIELDS(ANON), MH_FIELDS(THREADS)};
	struct mh_writer_config config = config_for(dir);
	struct mh_boot_id boot = {{1}};
	mh_fields_t missing = 0;
	struct mh_err err = {""};
	struct mh_writer *w;
	struct world world;

	world_init(&world, seed);
	world.interval_ms = config.interval_ms = interval_ms;
	config.rotate_ms = interval_ms * (mh_ms_t)(7 + seed * 5);
	w = open_writer(&config);
	for (int i = 0; i < steps; i++) {
		struct mh_snapshot s;

		if (!world_random(&world, 40)) /* the clock is set */
			world.now.wall_ms += interval_ms * ((mh_ms_t)world_random(&world, 41) - 20);
		if (!world_random(&world, 40)) { /* nobody records for a while */
			world.now.wall_ms += 7 * interval_ms;
			world.now.boot_ns += (mh_boot_ns_t)(7 * interval_ms) * 1000000;
		}
		if (!world_random(&world, 60)) {
			assert_int_equal(mh_writer_close(w), 0);
			w = open_writer(&config);
		}
		if (!world_random(&world, 80)) { /* another boot */
			boot.bytes[0]++;
			mh_table_begin(world.table, world.now);
			mh_table_set_boot(world.table, &boot);
		}
		if (!world_random(&world, 25)) /* something is not measured for a while */
			missing = missing ? 0 : some[world_random(&world, 4)];
		s = *world_step(&world);
		s.fields &= ~missing;
		s.lagging &= ~missing;
		if (mh_writer_append(w, &s, &err))
			fail_msg("%s", err.text);
	}
	assert_int_equal(mh_writer_close(w), 0);
	world_done(&world);
}

static void candles_are_the_same(void **state)
{
	static const int fields[] = {MH_FIELD_RSS,  MH_FIELD_ANON, MH_FIELD_VSZ,
				     MH_FIELD_SWAP, MH_FIELD_HWM,  MH_FIELD_THREADS};
	const mh_ms_t intervals[] = {QUARTER, 2 * QUARTER, 4 * QUARTER, 96 * QUARTER,
				     MINUTE,  7 * MINUTE,  25 * MINUTE};
	uint64_t columns = 0;

	(void)state;
	for (uint64_t seed = FIRST_SEED; seed <= LAST_SEED; seed++) {
		const char *dir = temp_dir();

		make(dir, seed, (seed % 3 ? 100 : 1000) * SECOND, 250);
		for (int sealed = 0; sealed < 3; sealed++) {
			for (size_t f = 0; f < sizeof(fields) / sizeof(*fields); f++)
				for (size_t i = 0; i < sizeof(intervals) / sizeof(*intervals); i++)
					columns += check(dir,
							 &(struct ask){fields[f], intervals[i],
								       MH_MS_MIN, MH_MS_MAX, true});
			seal(dir, sealed ? 1 : 2);
		}
		remove_dir(dir);
	}
	assert_true(columns > 100);
}

/*
 * Whether a range is one run of snapshots. Where the clock was set back it need not be; then what
 * happened in between and was undone is seen by who follows snapshots only.
 */
static bool is_one_run(const char *dir, const struct ask *ask)
{
	struct mh_reader *r = open_reader(dir, false);
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	bool is_in = false;
	int n_runs = 0;

	while (mh_reader_next(r, &s, &err) > 0) {
		bool is_wanted = s->at.wall_ms >= ask->since_ms && s->at.wall_ms < ask->until_ms;

		n_runs += is_wanted && !is_in;
		is_in = is_wanted;
	}
	mh_reader_close(r);
	return n_runs < 2;
}

static void ranges_are_the_same(void **state)
{
	int n = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		const char *dir = temp_dir();
		const mh_ms_t begin = 1795206528502, step = 100 * SECOND;

		make(dir, seed, step, 200);
		for (int sealed = 0; sealed < 4; sealed++) {
			for (int i = 0; i < 20; i++) {
				const struct ask ask = {MH_FIELD_RSS, QUARTER, begin + i * 7 * step,
							begin + (i * 7 + 3 + i * i) * step, true};

				if (is_one_run(dir, &ask)) {
					check(dir, &ask);
					n++;
				}
			}
			if (sealed < 2)
				seal(dir, sealed ? 1 : 2);
			else if (sealed == 2)
				merge(dir);
		}
		remove_dir(dir);
	}
	assert_in_range(n, 100, 1000);
}

/* Put a frame of a type from the future behind each frame of a file. */
static void add_unknown_frames(int dir_fd, const char *name)
{
	static const uint8_t payload[] = "from the future";
	int fd = openat(dir_fd, name, O_RDWR);
	struct mh_buf out = MH_BUF_INIT(64 << 20);
	struct mh_frame frame;
	uint8_t head[MH_FRAME_HEAD], *bytes;
	uint32_t seq = 0;
	size_t need;
	off_t size;

	assert_true(fd >= 0);
	size = lseek(fd, 0, SEEK_END);
	bytes = malloc((size_t)size);
	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
	for (off_t at = 0; at < size;) {
		int n = mh_frame_read(bytes + at, (size_t)(size - at), &frame, &need);
		bool is_last = frame.type == MH_FRAME_END;

		assert_true(n > 0);
		at += n;
		for (int i = 0; i < (is_last ? 1 : 2); i++) {
			frame.seq = seq++;
			mh_frame_seal(&frame, head);
			mh_buf_add(&out, head, sizeof(head));
			mh_buf_add(&out, frame.payload, frame.len);
			frame.type = 99;
			frame.flags = 0;
			frame.payload = payload;
			frame.len = sizeof(payload);
		}
	}
	assert_int_equal(pwrite(fd, out.data, out.len, 0), out.len);
	mh_buf_done(&out);
	free(bytes);
	close(fd);
}

static void frames_from_the_future_are_passed_over(void **state)
{
	const struct ask ask = {MH_FIELD_RSS, QUARTER, MH_MS_MIN, MH_MS_MAX, true};
	const char *dir = temp_dir();
	struct mh_segment_list list = {0};
	struct mh_err err = {""};
	uint64_t columns;
	int fd;

	(void)state;
	make(dir, 3, 100 * SECOND, 200);
	seal(dir, 1);
	columns = check(dir, &ask);
	assert_true(columns > 3);
	fd = mh_dir_open(dir, &err);
	assert_int_equal(mh_dir_list(fd, &list), 0);
	for (size_t i = 0; i < list.n; i++)
		add_unknown_frames(fd, list.file[i].name);
	assert_int_equal(check(dir, &ask), columns);
	mh_dir_list_done(&list);
	close(fd);
	remove_dir(dir);
}

/* Parts without frames of names, and without lengths of frames. */
static void older_files_are_read(void **state)
{
	const mh_ms_t begin = 1795206528502, step = 100 * SECOND;

	(void)state;
	for (uint64_t seed = 3; seed <= 4; seed++) {
		const struct ask asks[] = {
			{MH_FIELD_RSS, QUARTER, MH_MS_MIN, MH_MS_MAX, true},
			{MH_FIELD_ANON, 4 * QUARTER, MH_MS_MIN, MH_MS_MAX, true},
			{MH_FIELD_RSS, QUARTER, begin + 20 * step, begin + 45 * step, true},
		};
		const char *dir = temp_dir();
		uint64_t columns[3];

		make(dir, seed, step, 200);
		seal(dir, 1);
		for (size_t i = 0; i < 3; i++)
			columns[i] = is_one_run(dir, &asks[i]) ? check(dir, &asks[i]) : 0;
		assert_true(columns[0] > 3);
		older_history(dir);
		for (size_t i = 0; i < 3; i++)
			if (is_one_run(dir, &asks[i]))
				assert_int_equal(check(dir, &asks[i]), columns[i]);
		remove_dir(dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(candles_are_the_same),
		cmocka_unit_test(ranges_are_the_same),
		cmocka_unit_test(frames_from_the_future_are_passed_over),
		cmocka_unit_test(older_files_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
