/* The rules R1 … R8 of policy.h. */
#include "exporter/remote/policy.h"

void policy_init(struct policy *p, const struct policy_config *config)
{
	*p = (struct policy){
		.config = *config,
		.protocol = config->protocol == REMOTE_AUTO ? REMOTE_V2 : config->protocol,
		.splits = POLICY_SPLITS,
		.allowance = POLICY_ALLOWANCE,
	};
}

void policy_begin(struct policy *p, size_t n_units)
{
	p->has_switched = p->any_taken = false;
	p->attempt = 0;
	p->backoff_ms = 0;
	p->splits += p->allowance;
	if (p->splits > POLICY_SPLITS)
		p->splits = POLICY_SPLITS;
	p->n = n_units > 0;
	p->part[0].from = 0;
	p->part[0].to = n_units;
}

bool policy_part(const struct policy *p, struct policy_part *ret)
{
	if (!p->n)
		return false;
	*ret = (struct policy_part){
		.from = p->part[p->n - 1].from,
		.to = p->part[p->n - 1].to,
		.protocol = p->protocol,
		.attempt = p->attempt,
	};
	return true;
}

static size_t units(const struct policy *p)
{
	return p->part[p->n - 1].to - p->part[p->n - 1].from;
}

/* The part is done with, one way or the other. */
static void end_part(struct policy *p)
{
	p->n--;
	p->attempt = 0;
	p->backoff_ms = 0;
	if (!p->n && !p->any_taken) { /* R4 */
		p->splits /= 4;
		p->allowance = p->allowance > 1 ? p->allowance / 2 : 1;
	}
}

static void take(struct policy *p, size_t taken, struct policy_step *ret)
{
	*ret = (struct policy_step){.taken = taken, .given_up = units(p) - taken};
	ret->what = ret->given_up ? POLICY_GIVEN_UP : POLICY_TAKEN;
	if (taken) {
		p->any_taken = true;
		p->allowance = POLICY_ALLOWANCE;
	}
	end_part(p);
}

/* R1 */
static void again(struct policy *p, const struct policy_answer *answer, double random,
		  struct policy_step *ret)
{
	mh_ms_t asked_ms = answer->retry_after_ms;

	if (!p->backoff_ms) {
		p->backoff_ms = p->config.min_backoff_ms;
		p->share = random / 5;
	} else if (p->backoff_ms < p->config.max_backoff_ms) {
		p->backoff_ms *= 2;
	}
	if (p->backoff_ms > p->config.max_backoff_ms)
		p->backoff_ms = p->config.max_backoff_ms;
	p->attempt++;
	ret->what = POLICY_AGAIN;
	ret->wait_ms = p->backoff_ms - (mh_ms_t)((double)p->backoff_ms * p->share);
	if (asked_ms > POLICY_RETRY_AFTER_MAX_MS)
		asked_ms = POLICY_RETRY_AFTER_MAX_MS;
	if (asked_ms > ret->wait_ms)
		ret->wait_ms = asked_ms;
}

/* R4 */
static void halve(struct policy *p, struct policy_step *ret)
{
	size_t from = p->part[p->n - 1].from, half = from + units(p) / 2;

	if (units(p) == 1 || !p->splits || p->n > POLICY_DEPTH) {
		take(p, 0, ret);
		return;
	}
	p->splits--;
	p->part[p->n - 1].from = half;
	p->part[p->n].from = from;
	p->part[p->n].to = half;
	p->n++;
	p->attempt = 0;
	p->backoff_ms = 0;
	ret->what = POLICY_SPLIT;
}

/* Whether the receiver does not know what we speak (R7, R8). */
static bool is_unheard(const struct policy *p, const struct policy_answer *answer)
{
	if (answer->status == 415)
		return true;
	if (p->protocol != REMOTE_V2 || answer->has_written)
		return false;
	return answer->status / 100 == 2 ||
	       (answer->status == 400 && !p->is_proven && p->config.protocol == REMOTE_AUTO);
}

/* R7, R8 */
static void switch_protocol(struct policy *p, const struct policy_answer *answer,
			    struct policy_step *ret)
{
	if (p->config.protocol == REMOTE_AUTO && !p->has_switched) {
		p->has_switched = true;
		p->protocol = p->protocol == REMOTE_V2 ? REMOTE_V1 : REMOTE_V2;
		p->attempt = 0;
		p->backoff_ms = 0;
		ret->what = POLICY_SWITCHED;
	} else if (answer->status == 400) {
		halve(p, ret);
	} else {
		take(p, 0, ret);
	}
}

void policy_answer(struct policy *p, const struct policy_answer *answer, double random,
		   struct policy_step *ret)
{
	size_t written = answer->written < units(p) ? (size_t)answer->written : units(p);

	*ret = (struct policy_step){0};
	if (p->protocol == REMOTE_V2 && answer->has_written)
		p->is_proven = true;
	if (is_unheard(p, answer)) {
		switch_protocol(p, answer, ret);
	} else if (answer->status / 100 == 2) {
		take(p, p->protocol == REMOTE_V2 ? written : units(p), ret);
	} else if (answer->status / 100 == 3) {
		p->attempt++;
		ret->what = POLICY_MISCONFIGURED;
		ret->wait_ms = POLICY_PAUSE_MS;
	} else if (answer->status == 400 && p->protocol == REMOTE_V2 && written) {
		take(p, written, ret); /* R5 */
	} else if (answer->status == 400) {
		halve(p, ret);
	} else if (answer->status / 100 == 4 && answer->status != 429) {
		take(p, 0, ret);
	} else {
		again(p, answer, random, ret);
	}
}

void policy_split(struct policy *p, struct policy_step *ret)
{
	*ret = (struct policy_step){0};
	halve(p, ret);
}

size_t policy_give_up(struct policy *p)
{
	size_t n = units(p);

	/* that says nothing about the receiver: the credit stays */
	p->n--;
	p->attempt = 0;
	p->backoff_ms = 0;
	return n;
}
