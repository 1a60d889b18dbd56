/*
 * The loop of an endpoint's thread. It alone touches the feed, the policy, the buffers and the
 * client (but for cancelling); `lock` guards what others see and say.
 */
#include "exporter/remote/endpoint.h"

#include "exporter/log.h"
#include "exporter/remote/message.h"
#include "exporter/remote/talk.h"
#include "libmemhist/net/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_OF_MS ((uint64_t)1000000)

enum { NO_MEMORY_MS = 1000 }; /* until it is tried again */

struct remote_endpoint {
	struct remote_endpoint_config config;
	struct remote_feed *feed;
	struct remote_message *message;
	struct mh_client *client;
	struct policy policy;
	struct mh_answer answer;
	unsigned short random[3];
	uint64_t waiting_ns; /* since when there is something to be sent; 0 = nothing is */
	struct remote_talk talk;

	pthread_t thread;
	pthread_mutex_t lock; /* of: */
	pthread_cond_t changed;
	bool is_ending, is_ended;
	uint64_t until_ns;
	struct mh_groups *groups; /* for the feed, or NULL */
	struct remote_endpoint_status status;
	uint64_t published_ns;
};

/* --- others ----------------------------------------------------------------------------------- */

static struct timespec at(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
				 .tv_nsec = (long)(ns % 1000000000)};
}

/* How long it may still take: UINT64_MAX while nobody has said that it is to end. */
static uint64_t time_left_ms(struct remote_endpoint *e)
{
	uint64_t now = mh_monotonic_ns(), left = UINT64_MAX;

	pthread_mutex_lock(&e->lock);
	if (e->is_ending)
		left = e->until_ns > now ? (e->until_ns - now) / NS_OF_MS : 0;
	pthread_mutex_unlock(&e->lock);
	return left;
}

static bool is_ending(struct remote_endpoint *e)
{
	return time_left_ms(e) != UINT64_MAX;
}

/* So long, or until it is to end. */
static void pause_ms(struct remote_endpoint *e, mh_ms_t ms)
{
	const struct timespec until = at(mh_monotonic_ns() + (uint64_t)ms * NS_OF_MS);

	pthread_mutex_lock(&e->lock);
	while (!e->is_ending && !pthread_cond_timedwait(&e->changed, &e->lock, &until)) {}
	pthread_mutex_unlock(&e->lock);
}

static void publish(struct remote_endpoint *e)
{
	struct remote_feed_status feed;

	remote_feed_status(e->feed, mh_now(), &feed);
	pthread_mutex_lock(&e->lock);
	e->status.feed = feed;
	e->status.protocol = e->policy.protocol;
	e->published_ns = mh_monotonic_ns();
	pthread_mutex_unlock(&e->lock);
	if (feed.dropped[REMOTE_DROPPED_LIMIT])
		remote_talk_limit(&e->talk, e->config.write->max_series);
}

/* --- one part of a batch ---------------------------------------------------------------------- */

static void count_refused(struct remote_endpoint *e, size_t units)
{
	pthread_mutex_lock(&e->lock);
	e->status.failed += units;
	pthread_mutex_unlock(&e->lock);
}

/* Make the part ready to be sent. Returns whether it is: else the policy has another part now. */
static bool prepare(struct remote_endpoint *e, const struct policy_part *part)
{
	const mh_ms_t limit_ms = e->config.write->sample_age_limit_ms;
	struct policy_step step;
	int rc = remote_message_make(e->message, part);

	if (rc == -EOVERFLOW) { /* too large for one */
		policy_split(&e->policy, &step);
		count_refused(e, step.given_up);
		return false;
	}
	if (rc) { /* no memory */
		pause_ms(e, NO_MEMORY_MS);
		return false;
	}
	if (limit_ms && remote_message_last_ms(e->message) < mh_now().wall_ms - limit_ms) {
		pthread_mutex_lock(&e->lock);
		e->status.too_old += policy_give_up(&e->policy);
		pthread_mutex_unlock(&e->lock);
		return false;
	}
	return true;
}

static int ask(struct remote_endpoint *e, const struct policy_part *part, struct mh_err *err)
{
	char attempt[40];
	const char *const header[] = {
		part->protocol == REMOTE_V1
			? "Content-Type: application/x-protobuf"
			: "Content-Type: "
			  "application/x-protobuf;proto=io.prometheus.write.v2.Request",
		"Content-Encoding: snappy",
		part->protocol == REMOTE_V1 ? "X-Prometheus-Remote-Write-Version: 0.1.0"
					    : "X-Prometheus-Remote-Write-Version: 2.0.0",
		part->attempt ? attempt : NULL,
		NULL,
	};
	struct mh_request request = {.header = header};
	uint64_t left_ms = time_left_ms(e);

	request.body = remote_message_bytes(e->message, &request.body_len);
	snprintf(attempt, sizeof(attempt), "Retry-Attempt: %u", part->attempt);
	if (left_ms < e->config.write->http.remote_timeout_ms || left_ms < MH_HTTP_TIMEOUT_MS)
		request.timeout_ms = (uint32_t)(left_ms ? left_ms : 1);
	return mh_client_do(e->client, &request, &e->answer, err);
}

static void count(struct remote_endpoint *e, const struct policy_part *part, int rc,
		  const struct policy_step *step)
{
	struct remote_endpoint_status *s = &e->status;
	const mh_ms_t last_ms = remote_message_last_ms(e->message);
	size_t len;

	remote_message_bytes(e->message, &len);
	pthread_mutex_lock(&e->lock);
	s->is_up = step->what == POLICY_TAKEN;
	s->samples += step->taken;
	s->failed += step->given_up;
	if (part->attempt)
		s->retried += part->to - part->from;
	s->bytes += len;
	s->misconfigured += step->what == POLICY_MISCONFIGURED || rc == -EINVAL;
	if (step->taken && last_ms > s->highest_ms)
		s->highest_ms = last_ms;
	pthread_mutex_unlock(&e->lock);
}

/* Send what is ready. Returns how long to wait after it. */
static mh_ms_t attempt(struct remote_endpoint *e, const struct policy_part *part)
{
	struct policy_answer answer = {.retry_after_ms = -1};
	struct policy_step step;
	struct mh_err err = {""};
	int rc = ask(e, part, &err);

	if (!rc) {
		const struct mh_answer *a = &e->answer;

		answer.status = a->status;
		if (a->retry_after_s >= 0)
			answer.retry_after_ms = a->retry_after_s < POLICY_RETRY_AFTER_MAX_MS / 1000
							? 1000 * a->retry_after_s
							: POLICY_RETRY_AFTER_MAX_MS;
		answer.has_written = a->written_samples >= 0 || a->written_histograms >= 0 ||
				     a->written_exemplars >= 0;
		answer.written = a->written_samples > 0 ? (uint64_t)a->written_samples : 0;
	}
	policy_answer(&e->policy, &answer, erand48(e->random), &step);
	count(e, part, rc, &step);
	remote_talk_answer(&e->talk, rc, &err, &e->answer, &step, e->policy.protocol);
	return step.wait_ms;
}

/* --- batches ---------------------------------------------------------------------------------- */

/* Send the batch. Returns whether it is done with; else it is for the next start. */
static bool send_batch(struct remote_endpoint *e)
{
	const struct remote_batch *batch = remote_feed_batch(e->feed);
	struct policy_part part;
	struct mh_err err = {""};
	mh_ms_t wait_ms;

	policy_begin(&e->policy, batch->n_samples);
	remote_message_begin(e->message, batch);
	while (policy_part(&e->policy, &part)) {
		const bool ending = is_ending(e);

		if (ending && !time_left_ms(e))
			return false;
		if (!prepare(e, &part))
			continue;
		wait_ms = attempt(e, &part);
		if (wait_ms && ending) /* that was the last try */
			return false;
		publish(e);
		if (wait_ms)
			pause_ms(e, wait_ms);
	}
	remote_message_begin(e->message, NULL);
	e->waiting_ns = 0;
	if (remote_feed_accept(e->feed, mh_now(), &err))
		remote_talk_feed(&e->talk, &err);
	publish(e);
	return true;
}

static int look(struct remote_endpoint *e,
		int (*next)(struct remote_feed *, struct mh_instant, struct mh_err *))
{
	struct mh_err err = {""};
	int rc = next(e->feed, mh_now(), &err);

	if (rc < 0)
		remote_talk_feed(&e->talk, &err);
	return rc;
}

static void take_groups(struct remote_endpoint *e)
{
	struct mh_groups *groups;

	pthread_mutex_lock(&e->lock);
	groups = e->groups;
	e->groups = NULL;
	pthread_mutex_unlock(&e->lock);
	if (groups)
		remote_feed_regroup(e->feed, groups);
}

/* Whether a batch is there that is full, or has waited for long enough. */
static bool is_due(struct remote_endpoint *e)
{
	const uint64_t deadline_ns = (uint64_t)e->config.write->batch_send_deadline_ms * NS_OF_MS;
	uint64_t now;
	int rc;

	take_groups(e);
	rc = look(e, remote_feed_next);
	publish(e);
	if (!remote_feed_batch(e->feed)->n_samples)
		return false;
	now = mh_monotonic_ns();
	if (!e->waiting_ns)
		e->waiting_ns = now;
	return rc == 1 || now - e->waiting_ns >= deadline_ns;
}

/* E3 */
static void finish(struct remote_endpoint *e)
{
	int rc;

	do {
		rc = look(e, remote_feed_next);
		if (remote_feed_batch(e->feed)->n_samples && !send_batch(e))
			return;
	} while (rc == 1);
	while (rc >= 0 && look(e, remote_feed_end) > 0)
		if (!send_batch(e))
			return;
}

static void *run(void *arg)
{
	struct remote_endpoint *e = arg;

	while (!is_ending(e)) {
		if (!is_due(e))
			pause_ms(e, e->config.poll_ms);
		else if (!send_batch(e))
			goto out;
	}
	finish(e);
out:
	publish(e);
	remote_message_begin(e->message, NULL);
	pthread_mutex_lock(&e->lock);
	e->is_ended = true;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* --- its life --------------------------------------------------------------------------------- */

static void free_endpoint(struct remote_endpoint *e)
{
	remote_message_free(e->message);
	remote_feed_close(e->feed);
	mh_client_free(e->client);
	mh_groups_free(e->groups);
	mh_groups_free(e->config.feed.series.groups);
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static enum remote_protocol protocol_of(enum mh_remote_message message)
{
	return message == MH_REMOTE_MESSAGE_V1   ? REMOTE_V1
	       : message == MH_REMOTE_MESSAGE_V2 ? REMOTE_V2
						 : REMOTE_AUTO;
}

static int open_parts(struct remote_endpoint *e, struct mh_err *err)
{
	const struct mh_remote_write *w = e->config.write;
	const struct policy_config policy = {
		.protocol = protocol_of(w->message),
		.min_backoff_ms = w->min_backoff_ms,
		.max_backoff_ms = w->max_backoff_ms,
	};
	int rc = mh_client_new(&e->client, &w->http, err);

	if (rc)
		return rc;
	policy_init(&e->policy, &policy);
	e->status = (struct remote_endpoint_status){.name = w->name,
						    .protocol = e->policy.protocol};
	rc = remote_message_new(&e->message, w->max_samples_per_send);
	if (rc)
		return mh_err_sys(err, rc, "cannot start remote write");
	rc = remote_feed_open(&e->feed, &e->config.feed, mh_now(), err);
	if ((rc == -EACCES || rc == -EPERM || rc == -EROFS) && e->config.feed.cursor_file) {
		/* a history that another user writes */
		log_warn("remote write to %s: %s; the next start begins at what is recorded then",
			 w->name, err->text);
		e->config.feed.cursor_file = NULL;
		err->text[0] = '\0';
		rc = remote_feed_open(&e->feed, &e->config.feed, mh_now(), err);
	}
	if (!rc)
		e->config.feed.series.groups = NULL; /* taken over */
	return rc;
}

int remote_endpoint_start(struct remote_endpoint **ret, const struct remote_endpoint_config *config,
			  struct mh_err *err)
{
	struct remote_endpoint *e = calloc(1, sizeof(*e));
	struct mh_instant now = mh_now();
	pthread_condattr_t attr;
	int rc;

	if (!e) {
		mh_groups_free(config->feed.series.groups);
		return mh_err_sys(err, -ENOMEM, "cannot start remote write");
	}
	e->config = *config;
	e->talk.name = config->write->name;
	memcpy(e->random, &now.boot_ns, sizeof(e->random));
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->changed, &attr);
	pthread_condattr_destroy(&attr);
	err->text[0] = '\0';
	rc = open_parts(e, err);
	if (rc) {
		free_endpoint(e);
		return rc;
	}
	if (*err->text)
		log_warn("remote write to %s: %s", e->config.write->name, err->text);
	publish(e);
	rc = -pthread_create(&e->thread, NULL, run, e);
	if (rc) {
		free_endpoint(e);
		return mh_err_sys(err, rc, "cannot start the thread of remote write");
	}
	*ret = e;
	return 0;
}

void remote_endpoint_end(struct remote_endpoint *e, uint64_t until_ns)
{
	pthread_mutex_lock(&e->lock);
	e->is_ending = true;
	e->until_ns = until_ns;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

void remote_endpoint_free(struct remote_endpoint *e)
{
	struct timespec until;

	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	until = at(e->until_ns);
	while (!e->is_ended && !pthread_cond_timedwait(&e->changed, &e->lock, &until)) {}
	pthread_mutex_unlock(&e->lock);
	mh_client_cancel(e->client); /* a request that was sent before it was to end */
	pthread_join(e->thread, NULL);
	free_endpoint(e);
}

void remote_endpoint_regroup(struct remote_endpoint *e, struct mh_groups *groups)
{
	struct mh_groups *unused;

	pthread_mutex_lock(&e->lock);
	unused = e->groups;
	e->groups = groups;
	pthread_mutex_unlock(&e->lock);
	mh_groups_free(unused);
}

void remote_endpoint_status(struct remote_endpoint *e, struct remote_endpoint_status *ret)
{
	pthread_mutex_lock(&e->lock);
	*ret = e->status;
	if (ret->feed.pending) /* its thread may be waiting for an answer */
		ret->feed.lag_ms += (mh_ms_t)((mh_monotonic_ns() - e->published_ns) / NS_OF_MS);
	pthread_mutex_unlock(&e->lock);
}
