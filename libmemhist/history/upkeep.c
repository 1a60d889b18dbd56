/*
 * The thread of upkeep and its owner.
 *
 * All that both touch is in struct mh_upkeep and guarded by its lock, which nobody holds while he
 * waits; whoever goes last frees it. A file that is handed over has a place, with a descriptor that
 * is the thread's alone. So:
 *   K1  Only the thread uses or closes the descriptors of places, and frees places.
 *   K2  A thread that was left behind touches nothing but its memory, its descriptors and the
 *       count of references, whenever it wakes.
 */
#include "libmemhist/history/upkeep.h"

#include "libmemhist/history/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	/* ended segments that wait for the disk, and the open one: an hour each, normally */
	PLACES = 16,
	EARLY_PER = 8, /* an eighth of the interval is for the disk … */
	EARLY_MAX_MS = 5000,
	NS_PER_S = 1000000000,
	STACK_BYTES = 128 * 1024,
};

static const uint64_t NS_PER_MS = 1000000;
static const uint64_t NEVER = UINT64_MAX;

enum place_state { PLACE_FREE, PLACE_OPEN, PLACE_ENDED };

struct place {
	enum place_state state;
	int fd;
	bool is_dirty;  /* something was appended since it was synced */
	bool is_failed; /* U4 */
	char name[MH_SEGMENT_NAME_MAX];
};

struct mh_upkeep {
	pthread_mutex_t lock; /* guards all below but what only the thread touches */
	pthread_cond_t work;  /* there is some; waits by CLOCK_MONOTONIC */
	pthread_cond_t done;  /* it answered, or it has ended; likewise */
	unsigned refs;        /* the owner's and the thread's */
	pthread_t thread;
	bool ending, has_ended;
	bool is_left; /* ending, and nobody waits for it any more */
	struct mh_upkeep_config config;
	char *dir_path;

	int dir_fd;     /* the thread's */
	int new_dir_fd; /* to be taken in its place, -1 = none */
	bool dir_dirty; /* a file was created since the directory was synced */
	struct place place[PLACES];
	bool is_homeless; /* there is an open segment, and no place was free for it */
	uint64_t sync_ns; /* when the next is due, NEVER = nothing to sync */

	uint64_t asked, answered; /* numbers of mh_upkeep_wait() */
	int wait_rc;              /* the first thing that failed since the last answer … */
	struct mh_err wait_err;   /* … and its sentence */

	struct mh_instant newest; /* snapshot appended */
	struct mh_upkeep_status status;
};

/* --- the lock is held ------------------------------------------------------------------------- */

/* Give back a reference, and the lock. */
static void unref(struct mh_upkeep *u)
{
	bool last = --u->refs == 0;

	pthread_mutex_unlock(&u->lock);
	if (!last)
		return;
	for (size_t i = 0; i < PLACES; i++)
		if (u->place[i].state != PLACE_FREE)
			close(u->place[i].fd);
	if (u->dir_fd >= 0)
		close(u->dir_fd);
	if (u->new_dir_fd >= 0)
		close(u->new_dir_fd);
	pthread_cond_destroy(&u->work);
	pthread_cond_destroy(&u->done);
	pthread_mutex_destroy(&u->lock);
	free(u->dir_path);
	free(u);
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S),
	};
}

static void trouble(struct mh_upkeep *u, int rc, const struct mh_err *err)
{
	u->status.troubles++;
	u->status.trouble = *err;
	if (!u->wait_rc) {
		u->wait_rc = rc;
		u->wait_err = *err;
	}
}

static struct place *open_place(struct mh_upkeep *u)
{
	for (size_t i = 0; i < PLACES; i++)
		if (u->place[i].state == PLACE_OPEN)
			return &u->place[i];
	return NULL;
}

static struct place *free_place(struct mh_upkeep *u)
{
	for (size_t i = 0; i < PLACES; i++)
		if (u->place[i].state == PLACE_FREE)
			return &u->place[i];
	return NULL;
}

static void sync_by(struct mh_upkeep *u, uint64_t ns)
{
	if (ns >= u->sync_ns)
		return;
	u->sync_ns = ns;
	pthread_cond_signal(&u->work);
}

static uint64_t sync_delay_ns(const struct mh_upkeep *u)
{
	const uint32_t ms = u->config.sync_ms;
	const uint32_t early_ms = ms / EARLY_PER < EARLY_MAX_MS ? ms / EARLY_PER : EARLY_MAX_MS;

	return (ms - early_ms) * NS_PER_MS;
}

/* --- the thread; the lock is held, but while it waits for the disk ---------------------------- */

static void fail_file(struct mh_upkeep *u, struct place *p, int rc)
{
	struct mh_err err;

	p->is_failed = true;
	u->status.sync_errors++;
	mh_err_sys(&err, rc,
		   "cannot bring %s/%s to the disk: it is not trusted any more, and another "
		   "segment begins",
		   u->dir_path, p->name);
	trouble(u, rc, &err);
}

static void sync_place(struct mh_upkeep *u, struct place *p)
{
	const bool is_ended = p->state == PLACE_ENDED;

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
	p->state = PLACE_FREE;
}

/* After the files, so that a name on the disk is that of a file that is there, too. */
static void sync_dir(struct mh_upkeep *u)
{
	struct place *open = open_place(u);
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
	u->status.sync_errors++;
	if (open)
		open->is_failed = true;
	mh_err_sys(&err, rc, "cannot bring the directory %s to the disk: another segment begins",
		   u->dir_path);
	trouble(u, rc, &err);
}

static void sync_all(struct mh_upkeep *u)
{
	const uint64_t errors = u->status.sync_errors;
	const mh_ms_t newest_ms = u->newest.wall_ms;

	u->sync_ns = NEVER;
	for (size_t i = 0; i < PLACES && !u->is_left; i++)
		if (u->place[i].state != PLACE_FREE)
			sync_place(u, &u->place[i]);
	if (!u->is_left)
		sync_dir(u);
	if (!u->is_left && !u->is_homeless && errors == u->status.sync_errors)
		u->status.synced_wall_ms = newest_ms;
}

static void take_new_dir(struct mh_upkeep *u)
{
	int old = u->dir_fd;

	u->dir_fd = u->new_dir_fd;
	u->new_dir_fd = -1;
	pthread_mutex_unlock(&u->lock);
	close(old);
	pthread_mutex_lock(&u->lock);
}

static void wait_for_work(struct mh_upkeep *u)
{
	const struct timespec until = timespec_of(u->sync_ns);

	if (u->sync_ns == NEVER)
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
		const uint64_t asked = u->asked;

		if (u->new_dir_fd >= 0) {
			take_new_dir(u);
		} else if (asked != u->answered || mh_monotonic_ns() >= u->sync_ns) {
			sync_all(u);
			u->answered = asked;
			pthread_cond_broadcast(&u->done);
		} else {
			wait_for_work(u);
		}
	}
	if (!u->is_left)
		sync_all(u);
	u->has_ended = true;
	pthread_cond_broadcast(&u->done);
	unref(u);
	return NULL;
}

/* No signal is for this thread: the program's handlers run in threads that expect them. */
static int start_thread(struct mh_upkeep *u)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return -rc;
	sigfillset(&all);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&u->thread, &attr, run, u);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -rc;
}

/* --- public ----------------------------------------------------------------------------------- */

static void init_waiting(struct mh_upkeep *u)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&u->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&u->work, &monotonic);
	pthread_cond_init(&u->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int mh_upkeep_new(struct mh_upkeep **ret, const struct mh_upkeep_config *config,
		  const char *dir_path, int dir_fd, struct mh_err *err)
{
	struct mh_upkeep *u = calloc(1, sizeof(*u));
	int rc = 0;

	if (!u)
		return mh_err_sys(err, -ENOMEM, "cannot keep up the history %s", dir_path);
	init_waiting(u);
	u->refs = 1;
	u->config = *config;
	u->new_dir_fd = -1;
	u->sync_ns = NEVER;
	u->dir_path = strdup(dir_path);
	u->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (u->dir_fd < 0)
		rc = -errno;
	else if (!u->dir_path)
		rc = -ENOMEM;
	if (!rc) {
		u->refs++;
		rc = start_thread(u);
		u->refs -= rc != 0;
	}
	if (rc) {
		pthread_mutex_lock(&u->lock);
		unref(u);
		return mh_err_sys(err, rc, "cannot keep up the history %s", dir_path);
	}
	*ret = u;
	return 0;
}

/* Wait on `done` until then; returns false when it is past. */
static bool wait_done(struct mh_upkeep *u, uint64_t until_ns)
{
	const struct timespec until = timespec_of(until_ns);

	return pthread_cond_timedwait(&u->done, &u->lock, &until) != ETIMEDOUT;
}

int mh_upkeep_free(struct mh_upkeep *u)
{
	const uint64_t until_ns = mh_monotonic_ns() + MH_UPKEEP_END_MS * NS_PER_MS;
	int rc;

	if (!u)
		return 0;
	mh_upkeep_end(u);
	pthread_mutex_lock(&u->lock);
	u->wait_rc = 0;
	u->ending = true;
	pthread_cond_signal(&u->work);
	while (!u->has_ended && wait_done(u, until_ns))
		;
	rc = u->has_ended ? u->wait_rc : -ETIMEDOUT;
	u->is_left = !u->has_ended;
	if (u->is_left) {
		pthread_detach(u->thread);
	} else {
		pthread_mutex_unlock(&u->lock);
		pthread_join(u->thread, NULL);
		pthread_mutex_lock(&u->lock);
	}
	unref(u);
	return rc;
}

int mh_upkeep_move(struct mh_upkeep *u, int dir_fd)
{
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0), old;

	if (fd < 0)
		return -errno;
	pthread_mutex_lock(&u->lock);
	old = u->new_dir_fd;
	u->new_dir_fd = fd;
	pthread_cond_signal(&u->work);
	pthread_mutex_unlock(&u->lock);
	if (old >= 0)
		close(old);
	return 0;
}

int mh_upkeep_ask(struct mh_upkeep *u, struct mh_err *err)
{
	const struct place *open;
	int rc = 0;

	pthread_mutex_lock(&u->lock);
	open = open_place(u);
	if (open && open->is_failed)
		rc = mh_errf(err, -ESTALE, "%s", u->status.trouble.text);
	else if (u->is_homeless && free_place(u))
		rc = -EAGAIN;
	pthread_mutex_unlock(&u->lock);
	return rc;
}

int mh_upkeep_begin(struct mh_upkeep *u, int fd, const char *name)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct place *p;
	struct mh_err err;

	if (own < 0)
		return -errno;
	pthread_mutex_lock(&u->lock);
	u->dir_dirty = true;
	p = free_place(u);
	if (p) {
		*p = (struct place){.state = PLACE_OPEN, .fd = own, .is_dirty = u->is_homeless};
		snprintf(p->name, sizeof(p->name), "%s", name);
	} else if (!u->is_homeless) {
		u->status.sync_errors++;
		mh_errf(&err, 0,
			"the disk of %s does not take what is written: %s is not waited for",
			u->dir_path, name);
		trouble(u, -EIO, &err);
	}
	u->is_homeless = !p;
	pthread_mutex_unlock(&u->lock);
	if (!p)
		close(own);
	return 0;
}

void mh_upkeep_appended(struct mh_upkeep *u, struct mh_instant at)
{
	const uint64_t now_ns = mh_monotonic_ns();
	struct place *p;

	pthread_mutex_lock(&u->lock);
	u->newest = at;
	p = open_place(u);
	if (p)
		p->is_dirty = true;
	sync_by(u, u->dir_dirty ? now_ns : now_ns + sync_delay_ns(u));
	pthread_mutex_unlock(&u->lock);
}

void mh_upkeep_end(struct mh_upkeep *u)
{
	struct place *p;

	pthread_mutex_lock(&u->lock);
	p = open_place(u);
	if (p) {
		p->state = PLACE_ENDED;
		sync_by(u, 0);
	}
	u->is_homeless = false;
	pthread_mutex_unlock(&u->lock);
}

void mh_upkeep_sync(struct mh_upkeep *u)
{
	pthread_mutex_lock(&u->lock);
	sync_by(u, 0);
	pthread_mutex_unlock(&u->lock);
}

int mh_upkeep_wait(struct mh_upkeep *u, uint32_t timeout_ms, struct mh_err *err)
{
	const uint64_t until_ns = mh_monotonic_ns() + timeout_ms * NS_PER_MS;
	uint64_t asked;
	int rc;

	pthread_mutex_lock(&u->lock);
	asked = ++u->asked;
	pthread_cond_signal(&u->work);
	while (u->answered < asked && wait_done(u, until_ns))
		;
	rc = u->answered < asked ? -ETIMEDOUT : u->wait_rc;
	if (rc == -ETIMEDOUT)
		mh_errf(err, rc, "the disk of %s does not answer", u->dir_path);
	else if (rc)
		mh_errf(err, rc, "%s", u->wait_err.text);
	if (rc != -ETIMEDOUT)
		u->wait_rc = 0;
	pthread_mutex_unlock(&u->lock);
	return rc;
}

void mh_upkeep_status(struct mh_upkeep *u, struct mh_upkeep_status *ret)
{
	pthread_mutex_lock(&u->lock);
	*ret = u->status;
	pthread_mutex_unlock(&u->lock);
}
