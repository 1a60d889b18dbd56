/* Recordings for tests. */
#include "tests/unit/recording.h"

#include "libmemhist/history/dir.h"
#include "libmemhist/history/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void note(struct written *log, const struct mh_snapshot *s)
{
	struct mh_buf b = MH_BUF_INIT(1 << 20);

	describe(&b, s);
	log->text[log->n] = strdup(mh_buf_str(&b));
	log->wall_ms[log->n++] = s->at.wall_ms;
	log->process_samples += s->n_live;
	mh_buf_done(&b);
}

void forget(struct written *log)
{
	for (size_t i = 0; i < log->n; i++)
		free(log->text[i]);
	*log = (struct written){0};
}

struct mh_writer_config config_for(const char *dir)
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

struct mh_writer *open_writer(const struct mh_writer_config *config)
{
	struct mh_err err = {""};
	struct mh_writer *w = NULL;

	if (mh_writer_open(&w, config, &err))
		fail_msg("%s", err.text);
	return w;
}

void record(struct mh_writer *w, struct world *world, struct written *log, int steps)
{
	struct mh_err err = {""};

	while (steps--) {
		const struct mh_snapshot *s = world_step(world);

		if (mh_writer_append(w, s, &err))
			fail_msg("%s", err.text);
		note(log, s);
	}
}

struct mh_reader *open_reader(const char *dir, bool follow)
{
	struct mh_reader_options options = {
		.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX, .follow = follow};
	struct mh_err err = {""};
	struct mh_reader *r = NULL;

	if (mh_reader_open(&r, dir, &options, &err))
		fail_msg("%s", err.text);
	return r;
}

void read_whole(const char *dir, const struct written *log, struct mh_reader_stats *ret)
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
	shadow_done(&shadow);
	mh_buf_done(&b);
	mh_buf_done(&c);
	mh_reader_close(r);
}

void read_all_back(const char *dir, const struct written *log)
{
	struct mh_reader_stats stats;

	read_whole(dir, log, &stats);
	assert_int_equal(stats.damages + stats.orphans + stats.torn_tails + stats.missing, 0);
}

size_t seal_each(const char *dir, size_t each)
{
	struct mh_segment_list list = {0};
	struct mh_err err = {""};
	int fd = mh_dir_open(dir, &err);
	size_t n = 0;

	assert_true(fd >= 0);
	assert_int_equal(mh_dir_list(fd, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		struct mh_seal_result result;

		if (list.file[i].is_sealed || n++ % each)
			continue;
		if (mh_seal_segment(fd, &list.file[i], &result, &err))
			fail_msg("%s", err.text);
	}
	mh_dir_list_done(&list);
	close(fd);
	return n;
}
