/*
 * The thread of upkeep: syncs, closes, and checks the limits. See upkeep_inner.h for who owns what.
 */
#include "libmemhist/history/upkeep/upkeep_inner.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum {
	CHECK_MS = 60 * 1000,
	LOW_MS = 1000, /* while there is too little free space */
	NS_PER_S = 1000000000,
	STACK_BYTES = 128 * 1024,
};

static const uint64_t NS_PER_MS = 1000000;

/* --- disk; the lock is held, but while it waits ----------------------------------------------- */

static void fail_file(struct mh_upkeep *u, struct mh_place *p, int rc)
{
	struct mh_err err;

	p->is_failed = true;
	u->lost_ns = u->newest.boot_ns;
	u->status.sync_errors++;
	mh_err_sys(&err, rc,
		   "cannot bring %s/%s to the disk: it is not trusted any more, and another "
		   "segment begins",
		   u->dir_path, p->name);
	mh_upkeep_trouble(u, rc, &err);
}

static void sync_place(struct mh_upkeep *u, struct mh_place *p)
{
	const bool is_ended = p->state == MH_PLACE_ENDED;

	if (p->is_dirty && !p->is_failed) {
		int rc;

		p->is_dirty = false;
		pthread_mutex_unlock(&u->lock);
		rc = fdatasync(p->fd) ? -errno : 0;
		pthread_mutex_lock(&u->lock);
		u->status.syncs += !rc;
		if (rc)
			fail_file(u, p, rc);
	}
	if (!is_ended)
		return;
	pthread_mutex_unlock(&u->lock);
	close(p->fd);
	pthread_mutex_lock(&u->lock);
	p->state = MH_PLACE_FREE;
}

/* After the files, so that a name on the disk is that of a file that is there, too. */
static void sync_dir(struct mh_upkeep *u)
{
	struct mh_place *open = mh_upkeep_open_place(u);
	struct mh_err err;
	int rc;

	if (!u->dir_dirty)
		return;
	u->dir_dirty = false;
	pthread_mutex_unlock(&u->lock);
	rc = fsync(u->dir_fd) ? -errno : 0;
	pthread_mutex_lock(&u->lock);
	if (!rc)
		return;
	u->lost_ns = u->newest.boot_ns;
	u->status.sync_errors++;
	if (open)
		open->is_failed = true;
	mh_err_sys(&err, rc, "cannot bring the directory %s to the disk: another segment begins",
		   u->dir_path);
	mh_upkeep_trouble(u, rc, &err);
}

static void sync_all(struct mh_upkeep *u)
{
	const uint64_t errors = u->status.sync_errors;
	const mh_ms_t newest_ms = u->newest.wall_ms;
	const bool is_kept = u->newest.boot_ns > u->lost_ns;

	u->sync_ns = MH_UPKEEP_NEVER;
	for (size_t i = 0; i < MH_UPKEEP_PLACES && !u->is_left; i++)
		if (u->place[i].state != MH_PLACE_FREE)
			sync_place(u, &u->place[i]);
	if (!u->is_left)
		sync_dir(u);
	if (!u->is_left && is_kept && errors == u->status.sync_errors)
		u->status.synced_wall_ms = newest_ms;
}

/* --- limits ----------------------------------------------------------------------------------- */

static int stop_when_ending(void *arg, const struct mh_segment_file *file, enum mh_deletion by)
{
	struct mh_upkeep *u = arg;
	bool ending;

	(void)file;
	(void)by;
	pthread_mutex_lock(&u->lock);
	ending = u->ending;
	pthread_mutex_unlock(&u->lock);
	return ending;
}

/* K3. A segment that is being sealed is there twice for a while: that is left for it. */
static void grant_anew(struct mh_upkeep *u, uint64_t granted_before)
{
	const uint64_t max_bytes = u->config.limits.max_bytes;
	const uint64_t bytes = u->status.room.bytes + u->room.segment_bytes + u->seal_bytes;

	u->looked_granted = granted_before;
	u->left = UINT64_MAX;
	if (max_bytes)
		u->left = granted_before + (bytes < max_bytes ? max_bytes - bytes : 0);
	u->check_at_granted = u->granted + u->room.segment_bytes / 2;
}

void mh_upkeep_check(struct mh_upkeep *u)
{
	const uint64_t granted = u->granted;
	const struct mh_room_moment moment = {
		.keep_seq = u->keep_seq,
		.first = u->first,
		.newest = u->newest,
		.told = stop_when_ending,
		.arg = u,
	};
	struct mh_room_status room = u->status.room;
	const uint64_t looks = room.looks;
	struct mh_err err;
	int rc;

	u->check_ns = MH_UPKEEP_NEVER;
	pthread_mutex_unlock(&u->lock);
	rc = mh_room_check(&u->room, u->dir_fd, u->dir_path, &moment, &room, &err);
	pthread_mutex_lock(&u->lock);
	u->status.room = room;
	/* what is not known to be there is not granted; but for the first time, when nothing is */
	if (room.looks != looks || !u->left)
		grant_anew(u, granted);
	if (rc && rc != -EINTR && !u->check_failed)
		mh_upkeep_trouble(u, rc, &err);
	u->check_failed = rc != 0;
	mh_upkeep_check_by(u, mh_monotonic_ns() + (room.is_low ? LOW_MS : CHECK_MS) * NS_PER_MS);
}

/* While there is too little free space it is only looked at that, until there is more. */
static void look_or_check(struct mh_upkeep *u)
{
	struct mh_room_status room = u->status.room;

	if (!room.is_low) {
		mh_upkeep_check(u);
		return;
	}
	u->check_ns = MH_UPKEEP_NEVER;
	pthread_mutex_unlock(&u->lock);
	mh_room_look(&u->room, u->dir_fd, u->dir_path, &room);
	pthread_mutex_lock(&u->lock);
	u->status.room = room;
	mh_upkeep_check_by(u, room.is_low ? mh_monotonic_ns() + LOW_MS * NS_PER_MS : 0);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void take_new_dir(struct mh_upkeep *u)
{
	int old = u->dir_fd;

	u->dir_fd = u->new_dir_fd;
	u->new_dir_fd = -1;
	mh_upkeep_check_by(u, 0);
	pthread_mutex_unlock(&u->lock);
	close(old);
	pthread_mutex_lock(&u->lock);
}

static void wait_for_work(struct mh_upkeep *u)
{
	const uint64_t disk_ns = u->sync_ns < u->check_ns ? u->sync_ns : u->check_ns;
	const uint64_t until_ns = u->seal_ns < disk_ns ? u->seal_ns : disk_ns;
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S),
	};

	if (until_ns == MH_UPKEEP_NEVER)
		pthread_cond_wait(&u->work, &u->lock);
	else
		pthread_cond_timedwait(&u->work, &u->lock, &until);
}

static void *run(void *arg)
{
	struct mh_upkeep *u = arg;

	pthread_setname_np(pthread_self(), MH_UPKEEP_THREAD);
	pthread_mutex_lock(&u->lock);
	while (!u->ending) {
		const uint64_t asked = u->asked, now_ns = mh_monotonic_ns();

		if (u->new_dir_fd >= 0) {
			take_new_dir(u);
		} else if (asked != u->answered) {
			sync_all(u);
			mh_upkeep_check(u);
			u->answered = asked;
			pthread_cond_broadcast(&u->done);
		} else if (now_ns >= u->sync_ns) {
			sync_all(u);
		} else if (now_ns >= u->check_ns) {
			look_or_check(u);
		} else if (u->sealer && now_ns >= u->seal_ns) {
			mh_upkeep_tend_sealer(u);
		} else {
			wait_for_work(u);
		}
	}
	if (u->sealer)
		mh_sealer_stop(u->sealer);
	if (!u->is_left)
		sync_all(u);
	mh_upkeep_end_sealer(u);
	u->has_ended = true;
	pthread_cond_broadcast(&u->done);
	mh_upkeep_unref(u);
	return NULL;
}

/* No signal is for this thread: the program's handlers run in threads that expect them. */
int mh_upkeep_start(struct mh_upkeep *u)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return -rc;
	u->refs++;
	sigfillset(&all);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&u->thread, &attr, run, u);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	u->refs -= rc != 0;
	return -rc;
}
