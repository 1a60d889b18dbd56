/*
 * The thread and its queue. What is read goes into the thread's own memory, and to the job only
 * when that still waits for it: jobs are touched with the lock, or by the web thread when they are
 * done.
 */
#include "exporter/api/candles.h"

#include "exporter/log.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct candles {
	struct candles_config config;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_stopping;
	uint64_t number;
	struct candles_job job[CANDLES_QUEUE];
	/* the thread's own */
	struct mh_buf out;
	bool has_failed; /* the log was told */

	_Atomic uint64_t until_ns; /* of what is being read; 0: at once */
};

/* The one that waits longest, or NULL. */
static struct candles_job *next_job(struct candles *c)
{
	struct candles_job *found = NULL;

	for (int i = 0; i < CANDLES_QUEUE; i++)
		if (c->job[i].connection && c->job[i].state == CANDLES_WAITING &&
		    (!found || c->job[i].number < found->number))
			found = &c->job[i];
	return found;
}

static void report(struct candles *c, enum candles_end end, const struct mh_err *err)
{
	if (end == CANDLES_FAILED && !c->has_failed)
		log_warn("no candles for the API: %s", err->text);
	c->has_failed = end == CANDLES_FAILED;
}

static enum candles_end do_job(struct candles *c, const struct candles_wish *wish)
{
	struct mh_err err = {""};
	enum candles_end end;

	mh_buf_clear(&c->out);
	end = candles_read(&c->out, c->config.dir, wish, &c->until_ns, &err);
	report(c, end, &err);
	return end;
}

/* With the lock. */
static void finish(struct candles_job *job, enum candles_end end)
{
	job->end = end;
	job->state = CANDLES_DONE;
	MHD_resume_connection(job->connection);
}

static void *run(void *arg)
{
	struct candles *c = arg;
	struct candles_wish wish;
	struct candles_job *job;
	enum candles_end end;
	uint64_t number;

	/* those who sample and serve come first */
	setpriority(PRIO_PROCESS, (id_t)gettid(), 5);
	pthread_mutex_lock(&c->lock);
	while (!c->is_stopping) {
		job = next_job(c);
		if (!job) {
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		job->state = CANDLES_READING;
		wish = job->wish;
		number = job->number;
		atomic_store(&c->until_ns, job->until_ns);
		pthread_mutex_unlock(&c->lock);
		end = do_job(c, &wish);
		pthread_mutex_lock(&c->lock);
		if (job->connection && job->state == CANDLES_READING && job->number == number) {
			job->out = c->out;
			c->out = (struct mh_buf)MH_BUF_INIT(CANDLES_OUT_BYTES);
			finish(job, end);
		}
		pthread_mutex_unlock(&c->lock);
		c->config.wake(c->config.arg);
		/* what reading took is much, and not needed until the next */
		malloc_trim(0);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

int candles_new(struct candles **ret, const struct candles_config *config)
{
	struct candles *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	c->config = *config;
	c->out = (struct mh_buf)MH_BUF_INIT(CANDLES_OUT_BYTES);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	rc = -pthread_create(&c->thread, NULL, run, c);
	if (rc) {
		c->is_stopping = true;
		candles_free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

void candles_release(struct candles *c)
{
	pthread_mutex_lock(&c->lock);
	for (int i = 0; i < CANDLES_QUEUE; i++)
		if (c->job[i].connection && c->job[i].state != CANDLES_DONE)
			finish(&c->job[i], CANDLES_LATE);
	pthread_mutex_unlock(&c->lock);
}

void candles_stop(struct candles *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->is_stopping = true;
	atomic_store(&c->until_ns, 0);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	candles_release(c);
	pthread_join(c->thread, NULL);
}

void candles_free(struct candles *c)
{
	if (!c)
		return;
	for (int i = 0; i < CANDLES_QUEUE; i++)
		mh_buf_done(&c->job[i].out);
	mh_buf_done(&c->out);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* With the lock. NULL: for a free place. */
static struct candles_job *find(struct candles *c, const struct MHD_Connection *connection)
{
	for (int i = 0; i < CANDLES_QUEUE; i++)
		if (c->job[i].connection == connection)
			return &c->job[i];
	return NULL;
}

const struct candles_job *candles_find(struct candles *c, const struct MHD_Connection *connection)
{
	struct candles_job *job;

	pthread_mutex_lock(&c->lock);
	job = find(c, connection);
	pthread_mutex_unlock(&c->lock);
	return job;
}

int candles_ask(struct candles *c, struct MHD_Connection *connection,
		const struct candles_wish *wish)
{
	struct candles_job *job;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	job = find(c, NULL);
	if (c->is_stopping)
		rc = -ESHUTDOWN;
	else if (!job)
		rc = -EBUSY;
	if (!rc) {
		MHD_suspend_connection(connection);
		job->wish = *wish;
		job->connection = connection;
		job->state = CANDLES_WAITING;
		job->number = c->number++;
		job->until_ns = mh_monotonic_ns() + CANDLES_MS * UINT64_C(1000000);
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

void candles_forget(struct candles *c, const struct MHD_Connection *connection)
{
	struct candles_job *job;

	pthread_mutex_lock(&c->lock);
	job = find(c, connection);
	/* one that is not done has a connection that is suspended, and cannot get here */
	if (job && job->state == CANDLES_DONE) {
		mh_buf_done(&job->out);
		job->out = (struct mh_buf){0};
		job->connection = NULL;
	}
	pthread_mutex_unlock(&c->lock);
}
