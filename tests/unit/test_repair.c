/*
 * Repair: of a segment with a flipped bit, wherever it is, everything is saved that a reader could
 * still read, nothing else appears, and every byte of the damaged file is kept.
 */
#include "libmemhist/history/frame.h"
#include "libmemhist/history/repair.h"

#include "tests/unit/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { STEPS = 24, SNAPSHOTS_OF_ONE = 8, FILE_MAX = 1 << 16 };

struct bench {
	const char *dir;
	int dir_fd;
	struct written log;
	struct mh_segment_file file; /* a segment in the middle */
	char content[FILE_MAX];      /* as it was */
	size_t size;
};

static size_t read_file(int dir_fd, const char *name, char to[FILE_MAX])
{
	int fd = openat(dir_fd, name, O_RDONLY);
	ssize_t n = read(fd, to, FILE_MAX);

	assert_true(fd >= 0 && n >= 0 && n < FILE_MAX);
	close(fd);
	return (size_t)n;
}

static void write_file(int dir_fd, const char *name, const char *content, size_t size)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, size), size);
	close(fd);
}

/* Three segments of one boot, sealed or open. */
static void set_up(struct bench *b, bool sealed)
{
	struct mh_writer_config config;
	struct mh_segment_list list = {0};
	struct mh_err err = {""};
	struct mh_writer *w;
	struct world world;

	*b = (struct bench){.dir = temp_dir()};
	config = config_for(b->dir);
	world_init(&world, 3);
	world.max_pid = 12;
	world.target = 6;
	config.rotate_ms = SNAPSHOTS_OF_ONE * 1000;
	config.key_every = 3;
	w = open_writer(&config);
	record(w, &world, &b->log, STEPS);
	mh_writer_close(w);
	world_done(&world);
	if (sealed)
		seal_each(b->dir, 1);
	b->dir_fd = mh_dir_open(b->dir, &err);
	assert_int_equal(mh_dir_list(b->dir_fd, &list), 0);
	assert_int_equal(list.n, 3);
	b->file = list.file[1];
	b->size = read_file(b->dir_fd, b->file.name, b->content);
	mh_dir_list_done(&list);
}

static void tear_down(struct bench *b)
{
	unlinkat(b->dir_fd, MH_DAMAGED_DIR, AT_REMOVEDIR);
	close(b->dir_fd);
	forget(&b->log);
	remove_dir(b->dir);
}

/* How many snapshots can be read, each as it was written; what is between them goes into `gaps`. */
static size_t read_all(const struct bench *b, struct mh_reader_stats *ret, bool seen[STEPS_MAX])
{
	struct mh_reader *r = open_reader(b->dir, false);
	struct mh_buf text = MH_BUF_INIT(1 << 20);
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	size_t n = 0, at = 0;
	int rc;

	memset(seen, 0, STEPS_MAX * sizeof(*seen));
	while ((rc = mh_reader_next(r, &s, &err)) > 0) {
		while (at < b->log.n && b->log.wall_ms[at] != s->at.wall_ms)
			at++;
		assert_true(at < b->log.n);
		mh_buf_clear(&text);
		describe(&text, s);
		assert_string_equal(mh_buf_str(&text), b->log.text[at]);
		/* where one is missing, the next one says so */
		assert_true(!at || seen[at - 1] || s->gap.kind != MH_GAP_NONE);
		seen[at] = true;
		n++;
	}
	if (rc)
		fail_msg("%s", err.text);
	mh_reader_stats(r, ret);
	mh_buf_done(&text);
	mh_reader_close(r);
	return n;
}

/* The directory as it was. */
static void restore(const struct bench *b, const char *repaired)
{
	if (*repaired)
		unlinkat(b->dir_fd, repaired, 0);
	write_file(b->dir_fd, b->file.name, b->content, b->size);
}

static void repair_flipped(struct bench *b, size_t at)
{
	static bool before[STEPS_MAX], after[STEPS_MAX];
	static char damaged[FILE_MAX], kept[FILE_MAX];
	char kept_name[MH_SEGMENT_NAME_MAX + 16];
	struct mh_repair_result result = {.snapshots = 0};
	struct mh_reader_stats stats;
	struct mh_err err = {""};
	size_t n;
	int rc;

	memcpy(damaged, b->content, b->size);
	damaged[at] ^= (char)(1u << at % 8);
	write_file(b->dir_fd, b->file.name, damaged, b->size);
	n = read_all(b, &stats, before);
	assert_true(stats.damages + stats.torn_tails > 0);
	rc = mh_repair_segment(b->dir_fd, &b->file, b->dir_fd, &result, &err);
	assert_true(rc == 0 || rc == -ENODATA);
	assert_int_equal(n, read_all(b, &stats, after));
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(stats.damages, 0);
	assert_int_equal(stats.torn_tails, 0);
	assert_int_equal(result.snapshots, n - 2 * SNAPSHOTS_OF_ONE);
	snprintf(kept_name, sizeof(kept_name), MH_DAMAGED_DIR "/%s", b->file.name);
	assert_int_equal(read_file(b->dir_fd, kept_name, kept), b->size);
	assert_memory_equal(kept, damaged, b->size);
	assert_int_equal(unlinkat(b->dir_fd, kept_name, 0), 0);
	restore(b, result.name);
}

/* Not each bit: each repair brings two files and two directories to the disk. */
static void flip_some(bool sealed, size_t step)
{
	struct bench b;

	set_up(&b, sealed);
	for (size_t at = 0; at < b.size; at += step)
		repair_flipped(&b, at);
	tear_down(&b);
}

static void an_open_segment_is_saved_from_the_next_keyframe_on(void **state)
{
	(void)state;
	flip_some(false, 47);
}

static void a_sealed_segment_is_saved_part_by_part(void **state)
{
	(void)state;
	flip_some(true, 61);
}

/* All snapshots of a directory, as they were written; with damage in it, and no gap for that. */
static void check_nothing_is_lost(const struct bench *b, uint64_t damages)
{
	static bool seen[STEPS_MAX];
	struct mh_reader *r = open_reader(b->dir, false);
	struct mh_reader_stats stats;
	const struct mh_snapshot *s;
	struct mh_err err = {""};

	while (mh_reader_next(r, &s, &err) > 0)
		assert_int_equal(s->gap.kind, MH_GAP_NONE);
	mh_reader_close(r);
	assert_int_equal(read_all(b, &stats, seen), STEPS);
	assert_int_equal(stats.damages, damages);
	assert_int_equal(stats.orphans, 0);
}

/* The frames of the sealed segment from `at` on; 0: no more. */
static size_t next_frame(const struct bench *b, size_t at, struct mh_frame *ret)
{
	size_t need;
	int n;

	if (at == b->size)
		return 0;
	n = mh_frame_read((const uint8_t *)b->content + at, b->size - at, ret, &need);
	assert_true(n > 0);
	return (size_t)n;
}

/* Z17: candles repeat what values say, so that nothing is lost with them. */
static void lost_candles_cost_nothing(void **state)
{
	static char damaged[FILE_MAX], repaired[FILE_MAX], sound[FILE_MAX];
	char kept_name[MH_SEGMENT_NAME_MAX + 16];
	struct mh_repair_result result;
	struct mh_err err = {""};
	struct mh_frame frame;
	size_t n, n_candles = 0, sound_size;
	struct bench b;

	(void)state;
	set_up(&b, true);
	snprintf(kept_name, sizeof(kept_name), MH_DAMAGED_DIR "/%s", b.file.name);
	memcpy(damaged, b.content, b.size);
	for (size_t at = 0; (n = next_frame(&b, at, &frame)); at += n) {
		if (frame.type != MH_FRAME_CANDLES)
			continue;
		n_candles++;
		/* in its head, and in what it says; others before it are damaged still */
		for (size_t in = at; in < at + n; in += n - 1) {
			damaged[in] ^= 4;
			write_file(b.dir_fd, b.file.name, damaged, b.size);
			check_nothing_is_lost(&b, 1);
		}
	}
	assert_in_range(n_candles, 2, 1000);
	assert_int_equal(mh_repair_segment(b.dir_fd, &b.file, b.dir_fd, &result, &err), 0);
	assert_int_equal(result.damages, 1);
	assert_int_equal(result.snapshots, SNAPSHOTS_OF_ONE);
	check_nothing_is_lost(&b, 0);
	n = read_file(b.dir_fd, result.name, repaired);
	assert_int_equal(unlinkat(b.dir_fd, kept_name, 0), 0);
	/* with new candles: as what comes of the sound one */
	restore(&b, result.name);
	assert_int_equal(mh_repair_segment(b.dir_fd, &b.file, b.dir_fd, &result, &err), 0);
	sound_size = read_file(b.dir_fd, result.name, sound);
	assert_int_equal(n, sound_size);
	assert_int_equal(unlinkat(b.dir_fd, kept_name, 0), 0);
	tear_down(&b);
}

/* What stays of a segment that has no damage is that segment. */
static void a_sound_one_comes_out_as_it_went_in(void **state)
{
	static bool seen[STEPS_MAX];
	struct mh_repair_result result;
	struct mh_reader_stats stats;
	struct mh_err err = {""};
	struct bench b;

	(void)state;
	for (int sealed = 0; sealed < 2; sealed++) {
		char kept_name[MH_SEGMENT_NAME_MAX + 16];

		set_up(&b, sealed);
		assert_int_equal(mh_repair_segment(b.dir_fd, &b.file, b.dir_fd, &result, &err), 0);
		assert_int_equal(result.damages, 0);
		assert_int_equal(result.snapshots, SNAPSHOTS_OF_ONE);
		assert_int_equal(read_all(&b, &stats, seen), STEPS);
		snprintf(kept_name, sizeof(kept_name), MH_DAMAGED_DIR "/%s", b.file.name);
		assert_int_equal(unlinkat(b.dir_fd, kept_name, 0), 0);
		tear_down(&b);
	}
}

/* A way out of the history, or a file where the directory should be: nothing is touched. */
static void a_place_that_is_none_is_refused(void **state)
{
	struct mh_repair_result result;
	struct mh_err err = {""};
	static char now[FILE_MAX];
	struct bench b;

	(void)state;
	set_up(&b, false);
	for (int link = 0; link < 2; link++) {
		if (link)
			assert_int_equal(symlinkat("/tmp", b.dir_fd, MH_DAMAGED_DIR), 0);
		else
			write_file(b.dir_fd, MH_DAMAGED_DIR, "", 0);
		assert_true(mh_repair_segment(b.dir_fd, &b.file, b.dir_fd, &result, &err) < 0);
		assert_non_null(strstr(err.text, b.file.name));
		assert_int_equal(read_file(b.dir_fd, b.file.name, now), b.size);
		assert_memory_equal(now, b.content, b.size);
		assert_int_equal(unlinkat(b.dir_fd, MH_DAMAGED_DIR, 0), 0);
	}
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_segment_is_saved_from_the_next_keyframe_on),
		cmocka_unit_test(a_sealed_segment_is_saved_part_by_part),
		cmocka_unit_test(lost_candles_cost_nothing),
		cmocka_unit_test(a_sound_one_comes_out_as_it_went_in),
		cmocka_unit_test(a_place_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
