#include "exporter/remote/talk.h"

#include "exporter/log.h"
#include "libmemhist/base/timespec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	SAID_EVERY_S = 60,
	SHOWN_MAX = 160, /* bytes of an answer's body */
};

static bool may_say(struct remote_talk *t, enum remote_trouble trouble)
{
	const uint64_t now = mh_monotonic_ns();

	if (t->said_ns[trouble] && now - t->said_ns[trouble] < SAID_EVERY_S * UINT64_C(1000000000))
		return false;
	t->said_ns[trouble] = now;
	return true;
}

/* What came back, with the first line of the body, or why nothing did. */
static void describe(int rc, const struct mh_err *why, const struct mh_answer *answer, char *ret,
		     size_t size)
{
	size_t len = strcspn(answer->body, "\r\n");

	if (rc)
		snprintf(ret, size, "%s", why->text);
	else
		snprintf(ret, size, "status %d%s%.*s", answer->status, len ? ": " : "",
			 len < SHOWN_MAX ? (int)len : SHOWN_MAX, answer->body);
}

static const char *const messages[] = {"prometheus.WriteRequest", "io.prometheus.write.v2.Request"};

void remote_talk_answer(struct remote_talk *t, int rc, const struct mh_err *why,
			const struct mh_answer *answer, const struct policy_step *step,
			enum remote_protocol protocol)
{
	char what[sizeof(why->text)];

	describe(rc, why, answer, what, sizeof(what));
	if ((rc == -EINVAL || step->what == POLICY_MISCONFIGURED) &&
	    may_say(t, REMOTE_TROUBLE_CONFIG))
		log_error("remote write to %s is configured wrong: %s%s", t->name, what,
			  rc ? "" : ", a redirect, which is not followed");
	else if (rc != -EINVAL && step->what == POLICY_AGAIN && may_say(t, REMOTE_TROUBLE_FAILING))
		log_warn("remote write to %s fails and is tried again: %s", t->name, what);
	else if (step->what == POLICY_GIVEN_UP && may_say(t, REMOTE_TROUBLE_REFUSED))
		log_warn("remote write to %s: %zu samples were refused for good: %s", t->name,
			 step->given_up, what);
	else if (step->what == POLICY_SWITCHED)
		log_info("remote write to %s: %s is not taken (%s); from now on it is sent %s",
			 t->name, messages[protocol == REMOTE_V1], what,
			 messages[protocol == REMOTE_V2]);
	if (step->what == POLICY_TAKEN && t->is_failing)
		log_info("remote write to %s works again", t->name);
	if (step->what == POLICY_TAKEN)
		t->is_failing = false;
	else if (step->what == POLICY_AGAIN || step->what == POLICY_MISCONFIGURED)
		t->is_failing = true;
}

void remote_talk_feed(struct remote_talk *t, const struct mh_err *why)
{
	if (may_say(t, REMOTE_TROUBLE_FEED))
		log_warn("remote write to %s: %s", t->name, why->text);
}

void remote_talk_limit(struct remote_talk *t, uint32_t max_series)
{
	if (!t->is_cutting)
		log_warn("remote write to %s: there are more than max_series (%" PRIu32
			 ") series; the later ones are not sent",
			 t->name, max_series);
	t->is_cutting = true;
}
