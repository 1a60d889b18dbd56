/*
 * Sealed segments read as the open ones they were made of: snapshot by snapshot, list by list, in
 * any mixture of the two, in ranges and when followed.
 */
#include "libmemhist/history/dir.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/seal.h"
#include "tests/unit/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void sealed_reads_as_open(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		const char *dir = temp_dir();
		struct mh_writer_config config = config_for(dir);
		struct written log = {0};
		struct mh_writer *w;
		struct world world;

		world_init(&world, seed);
		config.rotate_ms = 7000 * (mh_ms_t)seed;
		for (int restarts = 0; restarts < 2; restarts++) {
			w = open_writer(&config);
			record(w, &world, &log, 120);
			assert_int_equal(mh_writer_close(w), 0);
		}
		read_all_back(dir, &log);
		assert_true(seal_each(dir, 2) > 2); /* each second one */
		read_all_back(dir, &log);
		seal_each(dir, 1);
		read_all_back(dir, &log);
		assert_int_equal(seal_each(dir, 1), 0);
		world_done(&world);
		forget(&log);
		remove_dir(dir);
	}
}

/* What is read of a damaged history: each snapshot as it was written, none out of order. */
static size_t read_what_is_left(const char *dir, const struct written *log,
				struct mh_reader_stats *ret)
{
	struct mh_reader *r = open_reader(dir, false);
	struct mh_buf b = MH_BUF_INIT(1 << 20);
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	size_t n = 0, at = 0;
	int rc;

	while ((rc = mh_reader_next(r, &s, &err)) > 0) {
		while (at < log->n && log->wall_ms[at] != s->at.wall_ms)
			at++;
		assert_true(at < log->n);
		mh_buf_clear(&b);
		describe(&b, s);
		assert_string_equal(mh_buf_str(&b), log->text[at]);
		n++;
	}
	if (rc)
		fail_msg("%s", err.text);
	mh_reader_stats(r, ret);
	mh_buf_done(&b);
	mh_reader_close(r);
	return n;
}

struct damage {
	const char *dir;
	int fd;                       /* of a sealed segment in the middle */
	size_t size, n_all, n_there;  /* bytes; snapshots of all segments, and of this one */
	size_t candles_at, values_at; /* candles, and what is behind them, of its one part … */
	size_t index_at;              /* … which ends there */
	struct written log;
};

/* Where the candles of the one part and the frames behind them begin, and the PartIndex (Z1). */
static void find_frames(struct damage *d)
{
	size_t at, next = 0;

	while (next < d->size) {
		uint8_t head[MH_FRAME_HEAD];
		struct mh_frame frame;

		at = next;
		assert_int_equal(pread(d->fd, head, sizeof(head), (off_t)at), sizeof(head));
		assert_int_equal(mh_frame_peek(head, &frame), 0);
		next = at + MH_FRAME_HEAD + frame.len;
		if (frame.type == MH_FRAME_CANDLES && !d->candles_at)
			d->candles_at = at;
		if (frame.type == MH_FRAME_VALUES && !d->values_at)
			d->values_at = at;
		d->index_at = at;
	}
	assert_int_equal(next, d->size);
	assert_true(d->candles_at && d->candles_at < d->values_at && d->values_at < d->index_at);
}

static void prepare(struct damage *d)
{
	struct mh_writer_config config;
	struct mh_segment_list list = {0};
	struct mh_reader_stats stats;
	struct mh_err err = {""};
	struct mh_writer *w;
	struct world world;
	int dir_fd;

	*d = (struct damage){.dir = temp_dir()};
	config = config_for(d->dir);
	world_init(&world, 3);
	world.max_pid = 12;
	world.target = 6;
	config.rotate_ms = 8000;
	w = open_writer(&config);
	record(w, &world, &d->log, 24);
	mh_writer_close(w);
	world_done(&world);
	seal_each(d->dir, 1);
	d->n_all = read_what_is_left(d->dir, &d->log, &stats);
	assert_int_equal(d->n_all, d->log.n);
	dir_fd = mh_dir_open(d->dir, &err);
	assert_int_equal(mh_dir_list(dir_fd, &list), 0);
	assert_int_equal(list.n, 3);
	d->size = list.file[1].bytes;
	d->n_there = 8;
	d->fd = openat(dir_fd, list.file[1].name, O_RDWR);
	assert_true(d->fd >= 0);
	find_frames(d);
	mh_dir_list_done(&list);
	close(dir_fd);
}

static void clean_up(struct damage *d)
{
	close(d->fd);
	forget(&d->log);
	remove_dir(d->dir);
}

/* It is reported, and costs the part it is in; not where candles are, nor behind it. */
static void flip(const struct damage *d, size_t at, unsigned bit)
{
	struct mh_reader_stats stats;
	uint8_t byte, was;
	bool is_spared = (at >= d->candles_at && at < d->values_at) || at >= d->index_at; /* Z17 */
	size_t n;

	assert_int_equal(pread(d->fd, &was, 1, (off_t)at), 1);
	byte = was ^ (uint8_t)(1u << bit);
	assert_int_equal(pwrite(d->fd, &byte, 1, (off_t)at), 1);
	n = read_what_is_left(d->dir, &d->log, &stats);
	assert_int_equal(n, is_spared ? d->n_all : d->n_all - d->n_there);
	assert_true(stats.damages > 0);
	assert_int_equal(pwrite(d->fd, &was, 1, (off_t)at), 1);
}

/* A bit of each byte, all of them in `make check-bits`. */
static void every_flipped_bit_is_found(void **state)
{
	const unsigned step = getenv("MEMHIST_ALL_BITS") ? 1 : 8;
	struct damage d;

	(void)state;
	prepare(&d);
	for (size_t at = 0; at < d.size; at++)
		for (unsigned bit = at % step; bit < 8; bit += step)
			flip(&d, at, bit);
	clean_up(&d);
}

static void every_truncation_is_survived(void **state)
{
	struct damage d;
	uint8_t *bytes;

	(void)state;
	prepare(&d);
	bytes = malloc(d.size);
	assert_non_null(bytes);
	assert_int_equal(pread(d.fd, bytes, d.size, 0), d.size);
	for (size_t size = d.size; size-- > 0;) {
		struct mh_reader_stats stats;
		size_t n;

		assert_int_equal(ftruncate(d.fd, (off_t)size), 0);
		n = read_what_is_left(d.dir, &d.log, &stats);
		assert_int_equal(n, size < d.index_at ? d.n_all - d.n_there : d.n_all);
		/* it was whole when it was sealed (R2) */
		assert_true(stats.damages > 0);
		assert_int_equal(stats.torn_tails, 0);
	}
	free(bytes);
	clean_up(&d);
}

static void a_segment_without_snapshots_stays(void **state)
{
	const char *dir = temp_dir();
	struct mh_segment_file file = {.name = "0000000001-20260101T000000Z-00000000.open"};
	struct mh_seal_result result;
	struct mh_err err = {""};
	int fd = mh_dir_open(dir, &err), empty;

	(void)state;
	empty = openat(fd, file.name, O_CREAT | O_WRONLY, 0640);
	assert_true(empty >= 0);
	close(empty);
	assert_int_equal(mh_seal_segment(fd, &file, &result, &err), -ENODATA);
	assert_int_equal(faccessat(fd, file.name, F_OK, 0), 0);
	close(fd);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealed_reads_as_open),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(every_truncation_is_survived),
		cmocka_unit_test(a_segment_without_snapshots_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
