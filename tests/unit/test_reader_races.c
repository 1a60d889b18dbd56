/*
 * Readers among a writer that begins a segment every few snapshots, and two who seal, merge and
 * delete as chance has it: each reader gets all snapshots, as they were written, in order, each of
 * them once, but for what was deleted before it came there.
 */
#include "libmemhist/history/merge.h"
#include "libmemhist/history/seal.h"
#include "libmemhist/history/upkeep/tidy.h"
#include "tests/unit/recording.h"
#include "tests/unit/thrift.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { READERS = 3, KEEPERS = 2, ROTATE_MS = 4000, SEED = 21, KEPT = 6 };

static size_t n_snapshots = 400; /* that are written */

struct race {
	const char *dir;
	bool deletes;
	struct written expected; /* all that will be written */
	atomic_size_t written;   /* so many are in the history … */
	atomic_size_t deleted;   /* … and so many of the first are perhaps not any more */
	atomic_bool is_over;     /* the writer has ended */
	atomic_size_t changes;   /* segments sealed, merged or deleted */
	pthread_mutex_t lock;
	char failure[512]; /* the first */
};

/* Asserting in a thread would be to jump out of it. */
static void lose(struct race *race, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void lose(struct race *race, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	pthread_mutex_lock(&race->lock);
	if (!race->failure[0])
		vsnprintf(race->failure, sizeof(race->failure), fmt, args);
	pthread_mutex_unlock(&race->lock);
	va_end(args);
}

static void *write_all(void *arg)
{
	struct race *race = arg;
	struct mh_writer_config config = config_for(race->dir);
	struct mh_writer *w = NULL;
	struct mh_err err = {""};
	struct world world;

	config.rotate_ms = ROTATE_MS;
	world_init(&world, SEED);
	if (mh_writer_open(&w, &config, &err))
		lose(race, "%s", err.text);
	for (size_t i = 0; i < n_snapshots && !race->failure[0]; i++) {
		if (mh_writer_append(w, world_step(&world), &err))
			lose(race, "%s", err.text);
		atomic_fetch_add(&race->written, 1);
		usleep(300); /* let the others in */
	}
	mh_writer_close(w);
	world_done(&world);
	atomic_store(&race->is_over, true);
	return NULL;
}

/* --- who seals, merges and deletes ---------------------------------------------------------- */

static int seal_some(struct race *race, int dir_fd, const struct mh_segment_list *list,
		     unsigned *seed, struct mh_err *err)
{
	struct mh_seal_result result;
	int rc = 0;

	/* not the last one: it is being written */
	for (size_t i = 0; i + 1 < list->n && !rc; i++) {
		if (list->file[i].is_sealed || rand_r(seed) % 4 == 0)
			continue;
		rc = mh_seal_segment(dir_fd, &list->file[i], &result, err);
		atomic_fetch_add(&race->changes, 1);
	}
	return rc;
}

static int merge_some(struct race *race, int dir_fd, const struct mh_segment_list *list,
		      unsigned *seed, struct mh_err *err)
{
	struct mh_merge_result result;
	struct mh_merge_run run;
	int rc = 0;

	for (size_t at = 0; !rc && mh_merge_next(list, true, &at, &run);) {
		size_t n = 2 + (size_t)rand_r(seed) % (run.n - 1);

		rc = mh_merge(dir_fd, &list->file[run.first], n, &result, err);
		atomic_fetch_add(&race->changes, 1);
	}
	return rc;
}

/* How many snapshots are older than this segment. */
static size_t before(const struct race *race, const struct mh_segment_file *file)
{
	size_t n = 0;

	while (n < race->expected.n && race->expected.wall_ms[n] < file->start_ms)
		n++;
	return n;
}

static void delete_some(struct race *race, int dir_fd, const struct mh_segment_list *list)
{
	for (size_t i = 0; i + KEPT < list->n && i < 2; i++) {
		size_t n = before(race, &list->file[i + 1]);

		/* said first: who misses it may look at once */
		if (n > atomic_load(&race->deleted))
			atomic_store(&race->deleted, n);
		unlinkat(dir_fd, list->file[i].name, 0);
		atomic_fetch_add(&race->changes, 1);
	}
}

static void *keep(void *arg)
{
	static atomic_uint seeds;
	struct race *race = arg;
	unsigned seed = atomic_fetch_add(&seeds, 1);
	struct mh_err err = {""};
	int dir_fd = mh_dir_open(race->dir, &err);
	struct mh_segment_list list = {0};

	while (!atomic_load(&race->is_over) && !race->failure[0]) {
		struct mh_tidied tidied;
		int rc = mh_tidy_lock(dir_fd);

		if (!rc)
			rc = mh_tidy(dir_fd, &tidied);
		if (!rc)
			rc = mh_dir_list(dir_fd, &list);
		if (!rc && rand_r(&seed) % 2)
			rc = seal_some(race, dir_fd, &list, &seed, &err);
		else if (!rc && rand_r(&seed) % 2)
			rc = merge_some(race, dir_fd, &list, &seed, &err);
		else if (!rc && race->deletes)
			delete_some(race, dir_fd, &list);
		if (rc && rc != -EWOULDBLOCK)
			lose(race, "%s (%d)", err.text, rc);
		/* give the lock away */
		close(dir_fd);
		dir_fd = mh_dir_open(race->dir, &err);
		usleep(rand_r(&seed) % 1000);
	}
	mh_dir_list_done(&list);
	close(dir_fd);
	return NULL;
}

/* --- who reads ------------------------------------------------------------------------------ */

/* Whether this one may come when `next` was expected: all between were deleted. */
static bool may_come(struct race *race, size_t next, size_t found, const struct mh_snapshot *s,
		     bool is_first)
{
	if (found == next)
		return is_first || s->gap.kind == MH_GAP_NONE;
	return race->deletes && found > next && found <= atomic_load(&race->deleted) &&
	       (is_first || s->gap.kind == MH_GAP_MISSING);
}

/* One reader from its beginning to its end, or, following, to the writer's. */
static void read_once(struct race *race, bool follow)
{
	struct mh_reader_options options = {
		.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX, .follow = follow};
	struct mh_buf b = MH_BUF_INIT(1 << 20);
	size_t there = atomic_load(&race->written), next = 0, n = 0, missing = 0;
	struct mh_reader_stats stats = {0};
	const struct mh_snapshot *s;
	struct mh_reader *r = NULL;
	struct mh_err err = {""};
	bool was_over;
	int rc = mh_reader_open(&r, race->dir, &options, &err);

	while (!rc && !race->failure[0]) {
		size_t found;

		was_over = atomic_load(&race->is_over);
		rc = mh_reader_next(r, &s, &err);
		if (!rc && follow && !was_over)
			usleep(500);
		else if (!rc)
			break;
		if (rc <= 0)
			continue;
		rc = 0;
		for (found = next; found < n_snapshots; found++)
			if (race->expected.wall_ms[found] == s->at.wall_ms)
				break;
		if (follow && !n)
			next = found; /* it begins at the newest one */
		if (found == n_snapshots || !may_come(race, next, found, s, !n)) {
			lose(race, "snapshot %zu of %zu after %zu read, gap %d, %zu deleted", found,
			     next, n, s->gap.kind, atomic_load(&race->deleted));
			break;
		}
		missing += found != next && n;
		next = found + 1;
		n++;
		mh_buf_clear(&b);
		describe(&b, s);
		if (strcmp(mh_buf_str(&b), race->expected.text[found]) != 0)
			lose(race, "snapshot %zu is another one: %s", found, mh_buf_str(&b));
	}
	if (rc < 0)
		lose(race, "%s", err.text);
	if (r)
		mh_reader_stats(r, &stats);
	if (next < (follow ? n_snapshots : there))
		lose(race, "ended after %zu, and %zu were there (follow %d)", next, there, follow);
	if (stats.damages || stats.orphans || stats.unreadable || stats.torn_tails ||
	    (!missing && stats.missing))
		lose(race, "%zu damages, %zu orphans, %zu unreadable, %zu torn, %zu missing",
		     (size_t)stats.damages, (size_t)stats.orphans, (size_t)stats.unreadable,
		     (size_t)stats.torn_tails, (size_t)stats.missing);
	mh_reader_close(r);
	mh_buf_done(&b);
}

static void *read_all(void *arg)
{
	struct race *race = arg;
	bool was_over;

	do {
		was_over = atomic_load(&race->is_over);
		read_once(race, false);
	} while (!was_over && !race->failure[0]);
	return NULL;
}

static void *follow_all(void *arg)
{
	read_once(arg, true);
	return NULL;
}

static void run_race(bool deletes)
{
	struct race race = {.dir = temp_dir(), .deletes = deletes};
	pthread_t writer, keeper[KEEPERS], reader[READERS], follower;
	struct world world;

	pthread_mutex_init(&race.lock, NULL);
	world_init(&world, SEED);
	for (size_t i = 0; i < n_snapshots; i++)
		note(&race.expected, world_step(&world));
	world_done(&world);
	assert_int_equal(pthread_create(&writer, NULL, write_all, &race), 0);
	while (!atomic_load(&race.written) && !race.failure[0])
		usleep(100);
	for (int i = 0; i < KEEPERS; i++)
		assert_int_equal(pthread_create(&keeper[i], NULL, keep, &race), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&reader[i], NULL, read_all, &race), 0);
	assert_int_equal(pthread_create(&follower, NULL, follow_all, &race), 0);
	pthread_join(writer, NULL);
	for (int i = 0; i < KEEPERS; i++)
		pthread_join(keeper[i], NULL);
	for (int i = 0; i < READERS; i++)
		pthread_join(reader[i], NULL);
	pthread_join(follower, NULL);
	if (race.failure[0])
		fail_msg("%s", race.failure);
	assert_int_equal(race.written, n_snapshots);
	print_message("# %zu segments sealed, merged or deleted meanwhile\n",
		      atomic_load(&race.changes));
	pthread_mutex_destroy(&race.lock);
	forget(&race.expected);
	remove_dir(race.dir);
}

static void nothing_is_lost_among_sealing_and_merging(void **state)
{
	(void)state;
	run_race(false);
}

static void only_what_is_deleted_is_missing(void **state)
{
	(void)state;
	run_race(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_among_sealing_and_merging),
		cmocka_unit_test(only_what_is_deleted_is_missing),
	};

	n_snapshots /= thrift();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
