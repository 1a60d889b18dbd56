/* A history on trial. */
#include "tests/unit/trial.h"

#include "libmemhist/history/dir.h"
#include "libmemhist/history/merge.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/upkeep/tidy.h"
#include "tests/unit/recording.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SNAPSHOTS = 8, ROTATE = 3, SYNC = 2, TRIES = 8 };

struct trial {
	const struct trial_trouble *trouble;
	const char *dir;
	struct mh_writer_config config;
	struct world world;
	struct written log;
	bool was_over; /* when what is done now was begun */
};

/* Before something that may fail … */
static void brave(struct trial *t)
{
	t->was_over = t->trouble->is_over();
	t->trouble->resume();
}

/* … and after it. Returns whether it did. */
static bool has_failed(struct trial *t, int rc, const struct mh_err *err)
{
	t->trouble->pause();
	if (!rc)
		return false;
	if (!t->trouble->has_failed() || t->was_over)
		fail_msg("it fails without a reason: %d, %s", rc, err->text);
	if (!err->text[0])
		fail_msg("it fails without a word: %d", rc);
	return true;
}

static struct mh_writer *begin(struct trial *t)
{
	struct mh_writer *w = NULL;

	for (int i = 0; i < TRIES && !w; i++) {
		struct mh_err err = {""};
		int rc;

		brave(t);
		rc = mh_writer_open(&w, &t->config, &err);
		if (has_failed(t, rc, &err))
			w = NULL;
	}
	assert_non_null(w);
	return w;
}

static void write_all(struct trial *t, struct mh_writer *w)
{
	for (int i = 1; i <= SNAPSHOTS; i++) {
		const struct mh_snapshot *s = world_step(&t->world);
		struct mh_err err = {""};
		int rc;

		brave(t);
		rc = mh_writer_append(w, s, &err);
		if (!has_failed(t, rc, &err))
			note(&t->log, s);
		if (i % SYNC)
			continue;
		err.text[0] = '\0';
		brave(t);
		rc = mh_writer_sync(w, &err);
		has_failed(t, rc, &err);
	}
}

static int seal_all(int dir_fd, struct mh_segment_list *list, struct mh_err *err)
{
	int rc = mh_dir_list(dir_fd, list);

	if (rc)
		return mh_err_sys(err, rc, "cannot list");
	for (size_t i = 0; i < list->n && !rc; i++) {
		struct mh_seal_result result;

		if (list->file[i].is_sealed)
			continue;
		rc = mh_seal_segment(dir_fd, &list->file[i], &result, err);
		/* it could not be removed when nothing came into it: it stays */
		if (rc == -ENODATA)
			rc = 0;
	}
	return rc;
}

static int merge_all(int dir_fd, struct mh_segment_list *list, struct mh_err *err)
{
	struct mh_merge_result result;
	struct mh_merge_run run;
	struct mh_tidied tidied;
	int rc = mh_tidy(dir_fd, &tidied);

	if (!rc)
		rc = mh_dir_list(dir_fd, list);
	if (rc)
		return mh_err_sys(err, rc, "cannot tidy or list");
	for (size_t at = 0; mh_merge_next(list, true, &at, &run) && !rc;)
		rc = mh_merge(dir_fd, &list->file[run.first], run.n, &result, err);
	return rc;
}

/* What `work` does is done in the end. */
static void get_done(struct trial *t, int (*work)(int, struct mh_segment_list *, struct mh_err *))
{
	struct mh_segment_list list = {0};
	struct mh_err err;
	int dir_fd = mh_dir_open(t->dir, &err), rc = -1;

	assert_true(dir_fd >= 0);
	for (int i = 0; i < TRIES && rc; i++) {
		err.text[0] = '\0';
		brave(t);
		rc = work(dir_fd, &list, &err);
		has_failed(t, rc, &err);
		read_all_back(t->dir, &t->log);
	}
	assert_int_equal(rc, 0);
	mh_dir_list_done(&list);
	close(dir_fd);
}

static void no_damage(void *arg, const struct mh_damage *damage)
{
	struct trial *t = arg;

	t->trouble->pause();
	if (!damage->unreadable)
		fail_msg("%s: %s", damage->file, damage->reason);
	t->trouble->resume();
}

/* Read while it fails: what is read is true, and what is not read is no damage. */
static void read_some(struct trial *t)
{
	const struct mh_reader_options options = {
		.since_ms = MH_MS_MIN,
		.until_ms = MH_MS_MAX,
		.damage = no_damage,
		.arg = t,
	};
	struct mh_buf text = MH_BUF_INIT(1 << 20);
	const struct mh_snapshot *s;
	struct mh_err err = {""};
	struct mh_reader *r = NULL;
	size_t n = 0;
	int rc;

	brave(t);
	rc = mh_reader_open(&r, t->dir, &options, &err);
	while (!rc) {
		rc = mh_reader_next(r, &s, &err);
		if (rc <= 0)
			break;
		t->trouble->pause();
		mh_buf_clear(&text);
		describe(&text, s);
		while (n < t->log.n && t->log.wall_ms[n] != s->at.wall_ms)
			n++;
		assert_true(n < t->log.n);
		assert_string_equal(mh_buf_str(&text), t->log.text[n++]);
		t->trouble->resume();
		rc = 0;
	}
	has_failed(t, rc, &err);
	mh_reader_close(r);
	mh_buf_done(&text);
}

void trial_run(const struct trial_trouble *trouble, bool has_upkeep)
{
	/* without min_free: the machine's disk may be full */
	static const struct mh_upkeep_config upkeep = {
		.sync_ms = MH_UPKEEP_SYNC_MS,
		.limits = {.max_bytes = UINT64_C(2) << 30},
	};
	struct trial t = {.trouble = trouble};
	struct mh_writer *w;

	trouble->pause();
	/* a thousand directories: where no disk has to make them */
	temp_in_memory(true);
	t.dir = temp_dir();
	t.config = config_for(t.dir);
	t.config.key_every = 3;
	t.config.rotate_ms = ROTATE * 1000;
	if (has_upkeep)
		t.config.upkeep = &upkeep;
	world_init(&t.world, 5);
	t.world.max_pid = 8;
	t.world.target = 4;
	w = begin(&t);
	write_all(&t, w);
	trouble->resume();
	mh_writer_close(w);
	trouble->pause();
	assert_true(t.log.n);
	read_all_back(t.dir, &t.log);
	read_some(&t);
	get_done(&t, seal_all);
	read_some(&t);
	get_done(&t, merge_all);
	read_some(&t);
	read_all_back(t.dir, &t.log);
	world_done(&t.world);
	forget(&t.log);
	remove_dir(t.dir);
}
