/*
 * What to do after each answer of a remote write endpoint: a state machine without clock, network
 * or randomness of its own. It thinks of a batch as units in the order of time (a unit is one
 * sample of one series), of which it sends parts: [from, to).
 *
 *     policy_init(&p, &config);
 *     for (…each batch…) {
 *             policy_begin(&p, n_units);
 *             while (policy_part(&p, &part)) {
 *                     …send part.from … part.to in part.protocol: the same bytes as before when
 *                     part.attempt > 0…
 *                     policy_answer(&p, &answer, random, &step);
 *                     …count step; where step.wait_ms, wait…
 *             }
 *     }
 *
 * Rules:
 *
 *   R1  No answer, 5xx and 429: the same part again, byte for byte, after a while. The first wait
 * is some min_backoff_ms, each further one twice as long, up to max_backoff_ms; of all of them the
 *       same random share of up to a fifth is taken off, so that many senders do not come back
 *       together and no wait is shorter than the one before. Retry-After lengthens a wait, to
 *       POLICY_RETRY_AFTER_MAX_MS at most.
 *   R2  2xx: taken. 1xx is no answer.
 *   R3  3xx: not followed; something is configured wrong. The same part again after
 *       POLICY_PAUSE_MS: nothing is lost meanwhile, and who mends it needs no restart.
 *   R4  400: a receiver may have rolled everything back for one bad unit. The part is halved, the
 *       earlier half first, until the bad unit stands alone and is given up. There is credit for
 *       POLICY_SPLITS halvings, which is enough to find all bad units of any one batch; each batch
 *       adds POLICY_ALLOWANCE. Without credit, a part that is refused is given up as a whole. A
 *       batch of which nothing was taken makes both smaller, until something is taken: where
 *       everything is refused (by its age, say), the sender does not spend a request on each
 *       sample for long.
 *   R5  400 with a part written (2.0): the rest was refused for good and is given up.
 *   R6  Any other 4xx: given up, never sent again.
 *   R7  REMOTE_AUTO begins with 2.0 and turns to the other protocol, for this batch and all after
 *       it: after 415; after a 2xx to 2.0 with none of the headers that say what was written (a
 *       receiver that does not know 2.0 and has stored nothing); after 400 without them, as long as
 *       no answer has proven that the receiver knows 2.0. Once in a batch: a batch that both refuse
 *       falls under R4 or R6.
 *   R8  A fixed protocol that the receiver does not know (415, or 2.0 unheard as in R7): R6.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_POLICY_H
#define MEMHIST_EXPORTER_REMOTE_POLICY_H

#include "libmemhist/base/timespec.h"

enum {
	POLICY_RETRY_AFTER_MAX_MS = 5 * 60 * 1000,
	POLICY_PAUSE_MS = 60 * 1000,
	POLICY_SPLITS = 10000,
	POLICY_ALLOWANCE = 64,
	POLICY_DEPTH = 64, /* parts in waiting: one for each halving of any number of units */
};

enum remote_protocol { REMOTE_V1, REMOTE_V2, REMOTE_AUTO };

struct policy_config {
	enum remote_protocol protocol;
	uint32_t min_backoff_ms; /* 1 and up */
	uint32_t max_backoff_ms; /* min_backoff_ms and up */
};

struct policy_part {
	size_t from, to;               /* units, at least one */
	enum remote_protocol protocol; /* REMOTE_V1 or REMOTE_V2 */
	uint32_t attempt;              /* how often it was sent already, for nothing */
};

struct policy_answer {
	int status;             /* of HTTP; 0 = none came: not connected, cut off, too late, … */
	mh_ms_t retry_after_ms; /* what Retry-After asks for; -1 = there is none */
	bool has_written; /* one of the headers X-Prometheus-Remote-Write-…-Written is there */
	uint64_t written; /* what that of samples says; 0 without it */
};

enum policy_what {
	POLICY_TAKEN,
	POLICY_AGAIN,         /* R1 */
	POLICY_MISCONFIGURED, /* R3 */
	POLICY_SPLIT,         /* R4 */
	POLICY_SWITCHED,      /* R7 */
	POLICY_GIVEN_UP,      /* R4, R5, R6, R8 */
};

struct policy_step {
	enum policy_what what;
	mh_ms_t wait_ms; /* before the next part is sent; 0 = at once */
	size_t taken;    /* units that have arrived … */
	size_t given_up; /* … and that never will */
};

/* Embedded by who owns it; nothing of it is for others. */
struct policy {
	struct policy_config config;
	enum remote_protocol protocol; /* that is spoken */
	bool is_proven;                /* 2.0 is understood */
	bool has_switched;             /* in this batch */
	bool any_taken;                /* of this batch */
	uint32_t attempt;
	mh_ms_t backoff_ms; /* the last one; 0 = none yet */
	double share;       /* that is taken off all waits of a part */
	uint32_t splits;    /* R4: the credit … */
	uint32_t allowance; /* … and what a batch adds to it */
	size_t n;           /* of `part`: the last one is the next to be sent */
	struct {
		size_t from, to;
	} part[POLICY_DEPTH + 1];
};

void policy_init(struct policy *p, const struct policy_config *config);

/* A batch of `n_units` begins; whatever was left of the last one is forgotten. */
void policy_begin(struct policy *p, size_t n_units);

/* What is to be sent now, or again. Returns false at the end of the batch. */
bool policy_part(const struct policy *p, struct policy_part *ret);

/* What came back for that part. `random`: 0 … 1, 1 excluded. */
void policy_answer(struct policy *p, const struct policy_answer *answer, double random,
		   struct policy_step *ret);

/* That part is too large to be sent: it is halved, or given up, as after R4. */
void policy_split(struct policy *p, struct policy_step *ret);

/* That part is given up without being sent (it is too old, or cannot be written). Returns units. */
size_t policy_give_up(struct policy *p);

#endif
