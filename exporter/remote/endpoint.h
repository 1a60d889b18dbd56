/*
 * One endpoint of remote write: a thread that reads what is recorded (feed.h), writes it as one of
 * the two messages (encode.h), sends it (net/client.h) and does with the answer as policy.h says.
 * Nobody waits for it: an endpoint that hangs delays neither sampling nor another endpoint.
 *
 *     rc = remote_endpoint_start(&endpoint, &config, &err);
 *     …
 *     remote_endpoint_end(endpoint, until_ns);     // several are told first, …
 *     remote_endpoint_free(endpoint);              // … and then waited for
 *
 * Rules:
 *   E1  One request at a time. What is sent again is the same bytes.
 *   E2  The position of the feed moves when all of a batch was taken or given up, not before.
 *   E3  At the end everything that is there and the stale markers are sent, where the endpoint
 *       answers, until a given time and no longer. What is left then is sent after the next start.
 *   E4  The log is told when it begins to fail and when it works again, and meanwhile of each kind
 *       of trouble at most once a minute.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_ENDPOINT_H
#define MEMHIST_EXPORTER_REMOTE_ENDPOINT_H

#include "exporter/remote/feed.h"
#include "exporter/remote/policy.h"
#include "libmemhist/config/remote_write.h"

struct remote_endpoint;

struct remote_endpoint_config {
	const struct mh_remote_write *write; /* outlives the endpoint */
	struct remote_feed_config feed;      /* what is not in `write` … */
	uint32_t poll_ms;                    /* how often it is looked for new snapshots */
};

/*
 * Start the thread. The groups in the configuration of the feed are taken over, also on failure.
 * The first endpoint is started while no other thread makes an HTTP client. Returns 0, or -errno
 * and a sentence.
 */
int remote_endpoint_start(struct remote_endpoint **ret, const struct remote_endpoint_config *config,
			  struct mh_err *err);

/* End soon (E3), at mh_monotonic_ns() `until_ns` at the latest. Does not wait. */
void remote_endpoint_end(struct remote_endpoint *e, uint64_t until_ns);
/* Wait for that. Not without remote_endpoint_end() before. NULL is allowed. */
void remote_endpoint_free(struct remote_endpoint *e);

/* As remote_feed_regroup(), from any thread. */
void remote_endpoint_regroup(struct remote_endpoint *e, struct mh_groups *groups);

struct remote_endpoint_status {
	const char *name;
	enum remote_protocol protocol; /* that is spoken: REMOTE_V1 or REMOTE_V2 */
	bool is_up;                    /* the last answer was good; false before the first */
	uint64_t samples;              /* taken */
	uint64_t failed;               /* refused for good */
	uint64_t too_old;              /* given up when they had waited for so long */
	uint64_t retried;              /* sent again */
	uint64_t bytes;                /* of bodies that were sent, packed */
	uint64_t misconfigured;        /* requests that met a redirect, or lacked a file */
	mh_ms_t highest_ms;            /* time of the latest sample taken; 0 = none */
	struct remote_feed_status feed;
};

/* From any thread. */
void remote_endpoint_status(struct remote_endpoint *e, struct remote_endpoint_status *ret);

#endif
