/*
 * The reading thread and its owner.
 *
 * All that both touch is in struct mh_offload and guarded by its lock; whoever goes last frees it.
 * A thread reads into memory of its own, without the lock, and puts the answer into the batch only
 * when it has not been left behind meanwhile. So:
 *   O1  While the owner is not in mh_offload_run(), no thread writes to the batch.
 *   O2  A thread that was left behind touches nothing but its own memory, its place among the left
 *       and the count of references, whenever it wakes.
 *   O3  There is at most one thread that was not left behind: the current one, joined by _free().
 */
#include "libmemhist/proc/offload.h"

#include "libmemhist/base/timespec.h"
#include "libmemhist/proc/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NS_PER_S = 1000000000,
	STACK_BYTES = 128 * 1024, /* it needs 2 KiB; what libraries keep per thread is in it too */
};

static const uint64_t FILE_NS = (uint64_t)MH_OFFLOAD_FILE_MS * 1000000;

struct reader;

struct entry {
	uint32_t pid;
	const char *name;
	int answer; /* bytes or -errno */
	char text[MH_OFFLOAD_BYTES];
};

struct mh_offload {
	pthread_mutex_t lock; /* guards all below but what only the owner touches */
	pthread_cond_t work;  /* there is some, or the thread is to end */
	pthread_cond_t done;  /* the batch is; waits by CLOCK_MONOTONIC */
	unsigned refs;        /* the owner's and one per thread */
	bool ending;
	struct mh_root root; /* a descriptor of our own */

	struct reader *current;            /* or NULL */
	pthread_t thread;                  /* the current one's */
	bool reading;                      /* it reads entry[next] */
	uint64_t since_ns;                 /* since when */
	uint32_t left_on[MH_OFFLOAD_LEFT]; /* pids that threads hang on; 0 = a free place */
	uint32_t n_left;
	uint64_t returned;

	uint32_t next, end; /* entries to be read, by their numbers */
	uint32_t n;         /* entries of the batch; the owner's */
	bool ran;           /* the next to be added begins another batch; the owner's */
	struct entry entry[MH_OFFLOAD_BATCH];
};

/* A thread's own. */
struct reader {
	struct mh_offload *offload;
	bool is_left; /* guarded by the lock */
	uint32_t place;
	char text[MH_OFFLOAD_BYTES];
};

/* --- the reading thread ----------------------------------------------------------------------- */

/* Give back a reference, and the lock. */
static void unref(struct mh_offload *o)
{
	bool last = --o->refs == 0;

	pthread_mutex_unlock(&o->lock);
	if (!last)
		return;
	close(o->root.fd);
	pthread_cond_destroy(&o->work);
	pthread_cond_destroy(&o->done);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* Whether a thread hangs on this process: then the next one would, too. */
static bool is_left_on(const struct mh_offload *o, uint32_t pid)
{
	for (uint32_t place = 0; place < MH_OFFLOAD_LEFT; place++)
		if (o->left_on[place] == pid)
			return true;
	return false;
}

/* Answer entry[next], with the lock given back while it is read. */
static void read_one(struct mh_offload *o, struct reader *r)
{
	struct entry *e = &o->entry[o->next];
	const uint32_t pid = e->pid;
	const char *name = e->name;
	int answer = -EBUSY;

	if (!is_left_on(o, pid)) {
		o->reading = true;
		o->since_ns = mh_monotonic_ns();
		pthread_mutex_unlock(&o->lock);
		answer = mh_pidfile_read(&o->root, pid, name, r->text, sizeof(r->text));
		pthread_mutex_lock(&o->lock);
		if (r->is_left)
			return;
		o->reading = false;
	}
	e->answer = answer;
	if (answer > 0)
		memcpy(e->text, r->text, (size_t)answer);
	if (++o->next == o->end)
		pthread_cond_signal(&o->done);
}

static void *run_reader(void *arg)
{
	struct reader *r = arg;
	struct mh_offload *o = r->offload;

	pthread_setname_np(pthread_self(), MH_OFFLOAD_THREAD);
	pthread_mutex_lock(&o->lock);
	while (!r->is_left && !o->ending) {
		if (o->next < o->end)
			read_one(o, r);
		else
			pthread_cond_wait(&o->work, &o->lock);
	}
	if (r->is_left) {
		o->left_on[r->place] = 0;
		o->n_left--;
		o->returned++;
	}
	free(r);
	unref(o);
	return NULL;
}

/* --- its owner; the lock is held -------------------------------------------------------------- */

/* No signal is for this thread: the program's handlers run in threads that expect them. */
static int start_thread(pthread_t *ret, struct reader *r)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return -rc;
	sigfillset(&all);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(ret, &attr, run_reader, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -rc;
}

/* See to it that there is a current thread. Returns -EBUSY or -ENOMEM when there can be none. */
static int have_reader(struct mh_offload *o)
{
	struct reader *r;

	if (o->current)
		return 0;
	if (o->n_left == MH_OFFLOAD_LEFT)
		return -EBUSY;
	r = malloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->offload = o;
	r->is_left = false;
	if (start_thread(&o->thread, r)) {
		free(r);
		return -ENOMEM;
	}
	o->refs++;
	o->current = r;
	return 0;
}

/* The current thread hangs on entry[next]: go on without it. */
static void leave_reader(struct mh_offload *o)
{
	struct entry *e = &o->entry[o->next++];
	uint32_t place = 0;

	while (o->left_on[place])
		place++;
	o->left_on[place] = e->pid;
	o->n_left++;
	o->current->is_left = true;
	o->current->place = place;
	pthread_detach(o->thread);
	o->current = NULL;
	o->reading = false;
	e->answer = -ETIMEDOUT;
}

/* Answer all from `first` on, and read no further. */
static void give_up(struct mh_offload *o, uint32_t first, int answer)
{
	for (uint32_t i = first; i < o->end; i++)
		o->entry[i].answer = answer;
	o->end = first;
}

/* Wait for the end of the batch, or until it is time to look after the thread. */
static void wait_until(struct mh_offload *o, uint64_t until_ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S),
		.tv_nsec = (long)(until_ns % NS_PER_S),
	};

	pthread_cond_timedwait(&o->done, &o->lock, &until);
}

static void read_batch(struct mh_offload *o, uint64_t deadline_ns)
{
	uint64_t now_ns = mh_monotonic_ns();

	while (o->next < o->end) {
		/* a thread that has not begun waits for a CPU, which is no file's fault */
		uint64_t limit_ns = (o->reading ? o->since_ns : now_ns) + FILE_NS;
		int rc = now_ns < deadline_ns || o->reading ? have_reader(o) : -EAGAIN;

		if (rc) {
			give_up(o, o->next, rc);
			return;
		}
		if (now_ns >= deadline_ns)
			give_up(o, o->next + 1, -EAGAIN);
		else if (limit_ns > deadline_ns)
			limit_ns = deadline_ns;
		pthread_cond_signal(&o->work);
		wait_until(o, limit_ns);
		now_ns = mh_monotonic_ns();
		if (o->next < o->end && o->reading && now_ns >= o->since_ns + FILE_NS)
			leave_reader(o);
	}
}

/* --- public ----------------------------------------------------------------------------------- */

int mh_offload_new(struct mh_offload **ret, const struct mh_root *root)
{
	struct mh_offload *o = calloc(1, sizeof(*o));
	pthread_condattr_t monotonic;

	if (!o)
		return -ENOMEM;
	o->root.fd = fcntl(root->fd, F_DUPFD_CLOEXEC, 0);
	if (o->root.fd < 0) {
		int rc = -errno;

		free(o);
		return rc;
	}
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->work, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&o->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	o->refs = 1;
	*ret = o;
	return 0;
}

void mh_offload_free(struct mh_offload *o)
{
	bool has_current;

	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	has_current = o->current != NULL;
	o->ending = true;
	pthread_cond_signal(&o->work);
	pthread_mutex_unlock(&o->lock);
	if (has_current) /* it waits for work, or for the lock */
		pthread_join(o->thread, NULL);
	pthread_mutex_lock(&o->lock);
	unref(o);
}

int mh_offload_add(struct mh_offload *o, uint32_t pid, const char *name)
{
	struct entry *e;

	if (o->ran) {
		o->ran = false;
		o->n = 0;
	}
	if (o->n == MH_OFFLOAD_BATCH)
		return -ENOSPC;
	e = &o->entry[o->n];
	e->pid = pid;
	e->name = name;
	return (int)o->n++;
}

void mh_offload_run(struct mh_offload *o, uint64_t deadline_ns)
{
	uint32_t n = o->ran ? 0 : o->n;

	o->ran = true;
	if (!n)
		return;
	pthread_mutex_lock(&o->lock);
	o->next = 0;
	o->end = n;
	read_batch(o, deadline_ns);
	o->next = o->end = 0;
	pthread_mutex_unlock(&o->lock);
}

int mh_offload_answer(const struct mh_offload *o, uint32_t i, const char **ret_text)
{
	const struct entry *e = &o->entry[i];

	*ret_text = e->text;
	return e->answer;
}

uint64_t mh_offload_returned(struct mh_offload *o)
{
	uint64_t returned;

	pthread_mutex_lock(&o->lock);
	returned = o->returned;
	pthread_mutex_unlock(&o->lock);
	return returned;
}

uint32_t mh_offload_left(struct mh_offload *o)
{
	uint32_t left;

	pthread_mutex_lock(&o->lock);
	left = o->n_left;
	pthread_mutex_unlock(&o->lock);
	return left;
}
