/* The writer's side and the reader's side of a story. */
#include "tests/faults/story.h"

#include "libmemhist/base/crc32c.h"
#include "libmemhist/history/dir.h"
#include "libmemhist/history/merge.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/upkeep/tidy.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 20, STEP_MS = 1000, APART_MS = 10000, NAPS_MAX = 300000 };

struct story {
	struct story_config config;
	struct mh_writer *writer;
	struct world world;
	struct mh_buf text;
	uint32_t n; /* snapshots so far */
};

struct told story_told(const struct mh_snapshot *s, struct mh_buf *b)
{
	mh_buf_clear(b);
	describe(b, s);
	return (struct told){s->at.wall_ms, mh_crc32c(0, b->data, b->len)};
}

int story_begin(struct story **ret, const struct story_config *config, struct mh_err *err)
{
	const struct mh_upkeep_config upkeep = {
		.sync_ms = MH_UPKEEP_SYNC_MS,
		.limits = {.max_bytes = config->max_bytes},
	};
	const struct mh_writer_config writer = {
		.dir = config->dir,
		.interval_ms = STEP_MS,
		.page_bytes = 4096,
		.clk_tck = 100,
		.host = "story",
		.key_every = 4,
		.rotate_ms = config->rotate_every * STEP_MS,
		.upkeep = config->has_upkeep ? &upkeep : NULL,
	};
	struct story *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return mh_err_sys(err, -ENOMEM, "cannot begin");
	s->config = *config;
	s->text = (struct mh_buf)MH_BUF_INIT(TEXT_MAX);
	world_init(&s->world, config->seed);
	s->world.max_pid = config->crowd;
	s->world.target = config->crowd / 2;
	/* so far behind all that was told before that nobody is taken for somebody of then */
	s->world.now.wall_ms = config->wall_ms + APART_MS;
	s->world.now.boot_ns = (uint64_t)s->world.now.wall_ms * 1000000;
	rc = mh_writer_open(&s->writer, &writer, err);
	if (rc) {
		story_end(s);
		return rc;
	}
	*ret = s;
	return 0;
}

static void tell(struct story *s, enum story_event event, struct told snapshot)
{
	s->config.tell(s->config.arg, event, snapshot);
}

static int seal_all(int fd, struct mh_segment_list *list, struct mh_err *err)
{
	int rc = mh_dir_list(fd, list);

	for (size_t i = 0; i + 1 < list->n && !rc; i++) {
		struct mh_seal_result result;

		if (!list->file[i].is_sealed)
			rc = mh_seal_segment(fd, &list->file[i], &result, err);
		if (rc == -ENODATA || rc == -ESTALE) /* nothing in it, or let go */
			rc = 0;
	}
	return rc;
}

static int merge_all(int fd, struct mh_segment_list *list, struct mh_err *err)
{
	struct mh_merge_result result;
	struct mh_merge_run run;
	int rc = mh_dir_list(fd, list);

	for (size_t at = 0; !rc && mh_merge_next(list, true, &at, &run);) {
		rc = mh_merge(fd, &list->file[run.first], run.n, &result, err);
		if (rc == -ESTALE)
			rc = 0;
	}
	return rc;
}

int story_tend(const char *dir, bool merge, struct mh_err *err)
{
	struct mh_segment_list list = {0};
	struct mh_tidied tidied;
	int fd = mh_dir_open(dir, err), rc;

	if (fd < 0)
		return fd;
	rc = mh_tidy_lock(fd);
	if (!rc)
		rc = mh_tidy(fd, &tidied);
	if (!rc)
		rc = seal_all(fd, &list, err);
	if (!rc && merge)
		rc = merge_all(fd, &list, err);
	mh_dir_list_done(&list);
	close(fd);
	return rc == -EWOULDBLOCK ? 0 : rc; /* the upkeep is at it */
}

static bool is_due(const struct story *s, uint32_t every)
{
	return every && s->n % every == 0;
}

/* Ask for it, and wait until it is done. */
static int sync_now(struct story *s, mh_ms_t wall_ms, struct mh_err *err)
{
	const struct timespec nap = {.tv_nsec = 200000};
	struct mh_upkeep_status status;
	int rc = mh_writer_sync(s->writer, err);

	while (!rc && mh_writer_upkeep(s->writer, &status) && status.synced_wall_ms < wall_ms) {
		if (status.sync_errors)
			return mh_errf(err, -EIO, "%s", status.trouble.text);
		nanosleep(&nap, NULL);
	}
	return rc;
}

/* Until the upkeep has looked what there is, and let go what it could. */
static int wait_for_look(struct story *s, uint64_t looks, struct mh_err *err)
{
	const struct timespec nap = {.tv_nsec = 200000};
	struct mh_upkeep_status status;

	for (int naps = 0; mh_writer_upkeep(s->writer, &status); naps++) {
		if (status.room.looks != looks)
			return 0;
		if (naps == NAPS_MAX)
			return mh_errf(err, -ETIMEDOUT, "nobody makes room");
		nanosleep(&nap, NULL);
	}
	return 0;
}

int story_step(struct story *s, struct mh_err *err)
{
	const struct mh_snapshot *snapshot = world_step(&s->world);
	struct told told = story_told(snapshot, &s->text);
	struct mh_upkeep_status before = {0};
	bool merge;
	int rc;

	mh_writer_upkeep(s->writer, &before);
	tell(s, STORY_TRY, told);
	rc = mh_writer_append(s->writer, snapshot, err);
	if (rc == -ENOSPC && s->config.max_bytes) {
		tell(s, STORY_REFUSED, told); /* what has to go is not gone yet */
		return wait_for_look(s, before.room.looks, err);
	}
	if (rc)
		return rc;
	tell(s, STORY_DONE, told);
	s->n++;
	if (is_due(s, s->config.sync_every)) {
		tell(s, STORY_SYNC, told);
		rc = sync_now(s, told.wall_ms, err);
		if (rc)
			return rc;
		tell(s, STORY_SYNCED, told);
	}
	merge = is_due(s, s->config.merge_every);
	return merge || is_due(s, s->config.seal_every) ? story_tend(s->config.dir, merge, err) : 0;
}

int story_end(struct story *s)
{
	int rc = mh_writer_close(s->writer);

	world_done(&s->world);
	mh_buf_done(&s->text);
	free(s);
	return rc;
}

int story_read(const char *dir, int (*take)(void *arg, struct told snapshot, int gap_kind),
	       void *arg, struct mh_reader_stats *ret, struct mh_err *err)
{
	const struct mh_reader_options options = {.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX};
	struct mh_buf text = MH_BUF_INIT(TEXT_MAX);
	const struct mh_snapshot *s;
	struct mh_reader *r;
	int rc = mh_reader_open(&r, dir, &options, err);

	*ret = (struct mh_reader_stats){0};
	if (rc == -ENODATA)
		return 0;
	if (rc)
		return rc;
	while ((rc = mh_reader_next(r, &s, err)) > 0) {
		rc = take(arg, story_told(s, &text), s->gap.kind);
		if (rc)
			break;
	}
	mh_reader_stats(r, ret);
	mh_reader_close(r);
	mh_buf_done(&text);
	return rc;
}
