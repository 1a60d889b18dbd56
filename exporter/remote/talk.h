/*
 * What the log is told of an endpoint: that it begins to fail and that it works again, and
 * meanwhile of each kind of trouble at most once a minute. Used by one thread.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_TALK_H
#define MEMHIST_EXPORTER_REMOTE_TALK_H

#include "exporter/remote/policy.h"
#include "libmemhist/net/client.h"

enum remote_trouble {
	REMOTE_TROUBLE_FEED,
	REMOTE_TROUBLE_FAILING,
	REMOTE_TROUBLE_REFUSED,
	REMOTE_TROUBLE_CONFIG,
	REMOTE_TROUBLES,
};

/* Zero-initialise, but for the name. */
struct remote_talk {
	const char *name; /* of the endpoint */

	/* private */
	uint64_t said_ns[REMOTE_TROUBLES];
	bool is_failing, is_cutting; /* and the log was told */
};

/* What came of a request: `rc` and `why` of mh_client_do(), the answer when that is 0, what the
 * policy makes of it, and the protocol from now on. */
void remote_talk_answer(struct remote_talk *t, int rc, const struct mh_err *why,
			const struct mh_answer *answer, const struct policy_step *step,
			enum remote_protocol protocol);
/* What is recorded cannot be read, or its position not kept. */
void remote_talk_feed(struct remote_talk *t, const struct mh_err *why);
/* There are more series than that. Said once: it goes on for as long as there are so many. */
void remote_talk_limit(struct remote_talk *t, uint32_t max_series);

#endif
