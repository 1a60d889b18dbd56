/* The owner's half of upkeep: numbers under a lock. The thread's half is in upkeep_thread.c. */
#include "libmemhist/base/size.h"
#include "libmemhist/history/upkeep/upkeep_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	EARLY_PER = 8, /* an eighth of the interval is for the disk … */
	EARLY_MAX_MS = 5000,
	NS_PER_S = 1000000000,
	BLOCK = 4096, /* what a file grows by, and what its name may take */
};

static const uint64_t NS_PER_MS = 1000000;

/* --- the lock is held ------------------------------------------------------------------------- */

void mh_upkeep_unref(struct mh_upkeep *u)
{
	bool last = --u->refs == 0;

	pthread_mutex_unlock(&u->lock);
	if (!last)
		return;
	for (size_t i = 0; i < MH_UPKEEP_PLACES; i++)
		if (u->place[i].state != MH_PLACE_FREE)
			close(u->place[i].fd);
	if (u->dir_fd >= 0)
		close(u->dir_fd);
	if (u->new_dir_fd >= 0)
		close(u->new_dir_fd);
	mh_sealer_free(u->sealer);
	pthread_cond_destroy(&u->work);
	pthread_cond_destroy(&u->done);
	pthread_mutex_destroy(&u->lock);
	free(u->dir_path);
	free(u);
}

void mh_upkeep_trouble(struct mh_upkeep *u, int rc, const struct mh_err *err)
{
	u->status.troubles++;
	u->status.trouble = *err;
	if (!u->wait_rc) {
		u->wait_rc = rc;
		u->wait_err = *err;
	}
}

static struct mh_place *find_place(struct mh_upkeep *u, enum mh_place_state state)
{
	for (size_t i = 0; i < MH_UPKEEP_PLACES; i++)
		if (u->place[i].state == state)
			return &u->place[i];
	return NULL;
}

struct mh_place *mh_upkeep_open_place(struct mh_upkeep *u)
{
	return find_place(u, MH_PLACE_OPEN);
}

static void sync_by(struct mh_upkeep *u, uint64_t ns)
{
	if (ns >= u->sync_ns)
		return;
	u->sync_ns = ns;
	pthread_cond_signal(&u->work);
}

void mh_upkeep_check_by(struct mh_upkeep *u, uint64_t ns)
{
	if (ns >= u->check_ns)
		return;
	u->check_ns = ns;
	pthread_cond_signal(&u->work);
}

static uint64_t sync_delay_ns(const struct mh_upkeep *u)
{
	const uint32_t ms = u->config.sync_ms;
	const uint32_t early_ms = ms / EARLY_PER < EARLY_MAX_MS ? ms / EARLY_PER : EARLY_MAX_MS;

	return (ms - early_ms) * NS_PER_MS;
}

/* Wait on `done` until then; returns false when it is past. */
static bool wait_done(struct mh_upkeep *u, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S),
	};

	return pthread_cond_timedwait(&u->done, &u->lock, &until) != ETIMEDOUT;
}

/* --- beginning and end ------------------------------------------------------------------------ */

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

static int begin(struct mh_upkeep *u, const struct mh_upkeep_history *history)
{
	int rc;

	u->dir_path = strdup(history->dir_path);
	u->dir_fd = fcntl(history->dir_fd, F_DUPFD_CLOEXEC, 0);
	if (u->dir_fd < 0)
		return -errno;
	if (!u->dir_path)
		return -ENOMEM;
	rc = mh_upkeep_begin_sealer(u, history->places);
	if (rc)
		return rc;
	mh_upkeep_check(u);
	return mh_upkeep_start(u);
}

int mh_upkeep_new(struct mh_upkeep **ret, const struct mh_upkeep_config *config,
		  const struct mh_upkeep_history *history, struct mh_err *err)
{
	struct mh_upkeep *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return mh_err_sys(err, -ENOMEM, "cannot keep up the history %s", history->dir_path);
	init_waiting(u);
	u->refs = 1;
	u->config = *config;
	u->status.limits = u->room.limits = config->limits;
	u->room.segment_bytes = history->segment_bytes;
	u->keep_seq = history->next_seq;
	u->new_dir_fd = -1;
	u->sync_ns = MH_UPKEEP_NEVER;
	pthread_mutex_lock(&u->lock);
	rc = begin(u, history);
	if (rc) {
		mh_upkeep_unref(u);
		return mh_err_sys(err, rc, "cannot keep up the history %s", history->dir_path);
	}
	pthread_mutex_unlock(&u->lock);
	*ret = u;
	return 0;
}

int mh_upkeep_free(struct mh_upkeep *u)
{
	const uint64_t until_ns = mh_monotonic_ns() + MH_UPKEEP_END_MS * NS_PER_MS;
	int rc;

	if (!u)
		return 0;
	mh_upkeep_end(u, 1);
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
	mh_upkeep_unref(u);
	return rc;
}

int mh_upkeep_move(struct mh_upkeep *u, int dir_fd, uint64_t next_seq)
{
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0), old;

	if (fd < 0)
		return -errno;
	pthread_mutex_lock(&u->lock);
	old = u->new_dir_fd;
	u->new_dir_fd = fd;
	u->keep_seq = next_seq;
	pthread_cond_signal(&u->work);
	pthread_mutex_unlock(&u->lock);
	if (old >= 0)
		close(old);
	return 0;
}

/* --- a snapshot ------------------------------------------------------------------------------- */

int mh_upkeep_ask(struct mh_upkeep *u, struct mh_err *err)
{
	const struct mh_place *open;
	int rc = 0;

	pthread_mutex_lock(&u->lock);
	open = mh_upkeep_open_place(u);
	if (u->status.room.is_low)
		rc = mh_errf(err, -ENOSPC, "%s", u->status.room.low.text);
	else if (open && open->is_failed)
		rc = -ESTALE;
	else if (u->is_homeless && find_place(u, MH_PLACE_FREE))
		rc = -EAGAIN;
	pthread_mutex_unlock(&u->lock);
	return rc;
}

/* What a file of so many bytes takes. */
static uint64_t blocks_of(uint64_t bytes)
{
	return (bytes + BLOCK - 1) / BLOCK * BLOCK;
}

/* A check leaves room for a segment (and for one that is sealed): for more it would never do. */
static int refuse(struct mh_upkeep *u, uint64_t bytes, struct mh_err *err)
{
	char max[MH_SIZE_TEXT], other[MH_SIZE_TEXT];

	mh_size_text(max, u->config.limits.max_bytes);
	if (bytes > u->room.segment_bytes)
		return mh_errf(err, -ENOSPC,
			       "a snapshot takes %s, too much for a history of %s at most (%s): it "
			       "is left out, and needs a larger max_size",
			       mh_size_text(other, bytes), max, u->dir_path);
	return mh_errf(err, -ENOSPC,
		       "the history %s has all of the %s that it may take, and no older segment "
		       "could be deleted yet (%s are other files)",
		       u->dir_path, max, mh_size_text(other, u->status.room.other_bytes));
}

int mh_upkeep_grow(struct mh_upkeep *u, uint64_t from, uint64_t to, struct mh_err *err)
{
	const uint64_t bytes = blocks_of(to) - blocks_of(from) + (from ? 0 : BLOCK);
	int rc = 0;

	pthread_mutex_lock(&u->lock);
	if (bytes > u->left || u->granted > u->left - bytes)
		rc = refuse(u, bytes, err);
	else
		u->granted += bytes;
	if (rc || u->granted >= u->check_at_granted)
		mh_upkeep_check_by(u, 0);
	pthread_mutex_unlock(&u->lock);
	return rc;
}

int mh_upkeep_begin(struct mh_upkeep *u, int fd, const char *name, uint64_t seq)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct mh_place *p;
	struct mh_err err;

	if (own < 0)
		return -errno;
	pthread_mutex_lock(&u->lock);
	u->dir_dirty = true;
	u->keep_seq = seq;
	mh_upkeep_ask_sealer(u); /* the one before is not the newest any more */
	p = find_place(u, MH_PLACE_FREE);
	if (p) {
		*p = (struct mh_place){
			.state = MH_PLACE_OPEN, .fd = own, .is_dirty = u->is_homeless};
		snprintf(p->name, sizeof(p->name), "%s", name);
	} else if (!u->is_homeless) {
		u->status.sync_errors++;
		mh_errf(&err, 0,
			"the disk of %s does not take what is written: %s is not waited for",
			u->dir_path, name);
		mh_upkeep_trouble(u, -EIO, &err);
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
	struct mh_place *p;

	pthread_mutex_lock(&u->lock);
	if (!u->first.boot_ns)
		u->first = at;
	u->newest = at;
	p = mh_upkeep_open_place(u);
	if (p)
		p->is_dirty = true;
	if (!p || p->is_failed)
		u->lost_ns = at.boot_ns;
	sync_by(u, u->dir_dirty ? now_ns : now_ns + sync_delay_ns(u));
	pthread_mutex_unlock(&u->lock);
}

void mh_upkeep_end(struct mh_upkeep *u, uint64_t next_seq)
{
	struct mh_place *p;

	pthread_mutex_lock(&u->lock);
	p = mh_upkeep_open_place(u);
	if (p || u->is_homeless) {
		u->keep_seq = next_seq;
		mh_upkeep_check_by(u, 0);
	}
	if (p) {
		p->state = MH_PLACE_ENDED;
		sync_by(u, 0);
	}
	u->is_homeless = false;
	pthread_mutex_unlock(&u->lock);
}

/* --- for others ------------------------------------------------------------------------------- */

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
	ret->room.bytes += u->granted - u->looked_granted;
	pthread_mutex_unlock(&u->lock);
}
