/*
 * Who is asked for his proportional memory, and when.
 *
 * Each update makes the list of the chosen anew and takes over what was known of those who were in
 * the list before: by identity, so that no value goes to a successor. Then it asks one process
 * after the other, the one asked longest ago first, until the time is over or each had its turn.
 *
 * A value is taken when the process has its start time after it was read. What could not be read
 * for want of an answer keeps its value, which grows old; else it has none.
 */
#include "libmemhist/proc/pss.h"

#include "libmemhist/base/timespec.h"
#include "libmemhist/model/match.h"
#include "libmemhist/proc/pidfile.h"
#include "libmemhist/proc/scan_backend.h"
#include "libmemhist/proc/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t NS_PER_MS = 1000000;
/* Who did not answer is left in peace: each asking may hold a tick up. */
static const uint64_t STUCK_NS = UINT64_C(60000000000);

/* What is known of the i-th of the chosen, besides its value. */
struct turn {
	uint64_t asked; /* number of the asking; 0: never */
	uint64_t not_before_ns;
};

struct chosen {
	uint32_t n;
	struct mh_pss_value value[MH_PSS_MAX];
	struct turn turn[MH_PSS_MAX];
};

struct mh_pss {
	uint32_t top;
	const struct mh_root *root;
	struct mh_offload *offload;
	uint64_t budget_ns;
	struct mh_match *match;   /* NULL: all names */
	struct mh_slots matching; /* bool by slot, when there is a match */
	struct mh_scan_stats errors;
	uint64_t reads;
	uint64_t askings;
	struct chosen list[2]; /* now, and before */
	struct chosen *now;
	char stat[MH_STAT_TEXT_MAX];
};

/* --- choosing --------------------------------------------------------------------------------- */

static int parse_top(const char *digits, struct mh_pss_choice *ret, struct mh_err *err)
{
	uint64_t n;

	if (mh_parse_u64(digits, strlen(digits), &n) || !n || n > MH_PSS_MAX)
		return mh_errf(err, -EINVAL, "'%s' is no number of processes from 1 to %d", digits,
			       MH_PSS_MAX);
	*ret = (struct mh_pss_choice){.top = (uint32_t)n};
	return 0;
}

static int parse_match(const char *pattern, struct mh_pss_choice *ret, struct mh_err *err)
{
	struct mh_pss_choice choice = {.top = MH_PSS_MAX};
	struct mh_match *match;
	int rc;

	if (!*pattern)
		return mh_errf(err, -EINVAL, "there is no regular expression after match:");
	if (strlen(pattern) > MH_PSS_PATTERN_MAX)
		return mh_errf(err, -EINVAL, "the regular expression has more than %d bytes",
			       MH_PSS_PATTERN_MAX);
	snprintf(choice.pattern, sizeof(choice.pattern), "/%s/", pattern);
	rc = mh_match_new(&match, choice.pattern, MH_MATCH_EXACT, err);
	if (rc)
		return rc;
	mh_match_free(match);
	*ret = choice;
	return 0;
}

int mh_pss_parse(const char *text, struct mh_pss_choice *ret, struct mh_err *err)
{
	if (!strncmp(text, "top:", 4))
		return parse_top(text + 4, ret, err);
	if (!strncmp(text, "match:", 6))
		return parse_match(text + 6, ret, err);
	if (strcmp(text, "off") != 0)
		return mh_errf(err, -EINVAL, "'%s' is none of off, top:N, match:RE", text);
	*ret = (struct mh_pss_choice){0};
	return 0;
}

static void match_slot(struct mh_pss *p, const struct mh_snapshot *s, uint32_t slot)
{
	bool *matches = mh_slots_make(&p->matching, slot);
	const char *name;
	size_t len;

	if (!matches)
		return; /* no memory: it is not chosen */
	len = mh_process_program(&s->process[slot], &name);
	*matches = mh_match_name(p->match, name, len);
}

/* Names are looked at when they are new. */
static void match_names(struct mh_pss *p, const struct mh_snapshot *s)
{
	if (s->first)
		mh_snapshot_for_each (s, slot)
			match_slot(p, s, slot);
	for (uint32_t i = 0; !s->first && i < s->n_born; i++)
		match_slot(p, s, s->born[i]);
	for (uint32_t i = 0; !s->first && i < s->n_renamed; i++)
		match_slot(p, s, s->renamed[i]);
}

static bool is_wanted(const struct mh_pss *p, const struct mh_snapshot *s, uint32_t slot)
{
	const bool *matches = p->match ? mh_slots_at(&p->matching, slot) : NULL;

	/* who has no memory (a zombie, a kernel thread) shares none */
	return s->process[slot].value[MH_FIELD_RSS] && (!p->match || (matches && *matches));
}

/* The order of the largest: RSS, then the lower pid, so that equals do not change places. */
static bool is_larger(const struct mh_process *a, const struct mh_process *b)
{
	uint64_t x = a->value[MH_FIELD_RSS], y = b->value[MH_FIELD_RSS];

	return x != y ? x > y : a->id.pid < b->id.pid;
}

static void choose(const struct mh_pss *p, const struct mh_snapshot *s, struct chosen *ret)
{
	uint32_t i;

	ret->n = 0;
	mh_snapshot_for_each (s, slot) {
		const struct mh_process *process = &s->process[slot];

		if (!is_wanted(p, s, slot) ||
		    (ret->n == p->top &&
		     !is_larger(process, &s->process[ret->value[ret->n - 1].slot])))
			continue;
		if (ret->n < p->top)
			ret->n++;
		for (i = ret->n - 1; i > 0; i--) {
			if (!is_larger(process, &s->process[ret->value[i - 1].slot]))
				break;
			ret->value[i] = ret->value[i - 1];
		}
		ret->value[i] = (struct mh_pss_value){.id = process->id, .slot = slot};
	}
}

static void take_over(struct chosen *now, const struct chosen *before)
{
	for (uint32_t i = 0; i < now->n; i++) {
		struct mh_pss_value *to = &now->value[i];
		uint32_t slot = to->slot;

		now->turn[i] = (struct turn){0};
		for (uint32_t k = 0; k < before->n; k++) {
			if (!mh_identity_same(&to->id, &before->value[k].id))
				continue;
			*to = before->value[k];
			to->slot = slot;
			now->turn[i] = before->turn[k];
			break;
		}
	}
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Whether the pid is still that of the process asked. Returns 0 or -errno. */
static int check_same(struct mh_pss *p, const struct mh_identity *id)
{
	struct mh_stat stat;
	int rc = mh_pidfile_stat(p->root, id->pid, p->stat, &stat);

	return !rc && stat.start_ticks != id->start_ticks ? -ESRCH : rc;
}

static int read_value(struct mh_pss *p, struct mh_pss_value *value, uint64_t deadline_ns)
{
	struct mh_smaps_rollup rollup;
	const char *text;
	int n, rc;

	mh_offload_add(p->offload, value->id.pid, "smaps_rollup");
	mh_offload_run(p->offload, deadline_ns);
	n = mh_offload_answer(p->offload, 0, &text);
	if (n < 0)
		return n;
	rc = check_same(p, &value->id);
	/* an address space that is given up has nothing to say */
	if (!rc)
		rc = n ? mh_parse_smaps_rollup(text, (size_t)n, &rollup) : -ESRCH;
	if (rc)
		return rc;
	value->has = true;
	value->read_ns = mh_now().boot_ns;
	value->pss_bytes = rollup.pss_bytes;
	value->uss_bytes = rollup.uss_bytes;
	value->has_swap = rollup.has_swap;
	value->swap_pss_bytes = rollup.swap_pss_bytes;
	return 0;
}

/* Returns false when there is no time left. */
static bool ask(struct mh_pss *p, uint32_t i, uint64_t deadline_ns)
{
	struct mh_pss_value *value = &p->now->value[i];
	struct turn *turn = &p->now->turn[i];
	int rc = read_value(p, value, deadline_ns);

	if (rc == -EAGAIN)
		return false;
	turn->asked = ++p->askings;
	if (!rc) {
		p->reads++;
		return true;
	}
	mh_scan_count(&p->errors, rc);
	if (rc == -ETIMEDOUT || rc == -EBUSY)
		turn->not_before_ns = mh_monotonic_ns() + STUCK_NS;
	else
		value->has = false;
	return true;
}

/* Who was asked longest ago, among those who were not in this update. Returns -1 for nobody. */
static int next_turn(const struct mh_pss *p, uint64_t askings_before, uint64_t now_ns)
{
	int next = -1;

	for (uint32_t i = 0; i < p->now->n; i++) {
		const struct turn *turn = &p->now->turn[i];

		if (turn->asked > askings_before || turn->not_before_ns > now_ns)
			continue;
		if (next < 0 || turn->asked < p->now->turn[next].asked)
			next = (int)i;
	}
	return next;
}

void mh_pss_update(struct mh_pss *p, const struct mh_snapshot *s)
{
	const uint64_t deadline_ns = mh_monotonic_ns() + p->budget_ns;
	const uint64_t askings_before = p->askings;
	const struct chosen *before = p->now;
	uint64_t now_ns;
	int i;

	if (p->match)
		match_names(p, s);
	p->now = p->now == &p->list[0] ? &p->list[1] : &p->list[0];
	choose(p, s, p->now);
	take_over(p->now, before);
	while ((now_ns = mh_monotonic_ns()) < deadline_ns) {
		i = next_turn(p, askings_before, now_ns);
		if (i < 0 || !ask(p, (uint32_t)i, deadline_ns))
			break;
	}
}

/* --- the rest --------------------------------------------------------------------------------- */

int mh_pss_new(struct mh_pss **ret, const struct mh_pss_choice *choice, const struct mh_root *root,
	       struct mh_offload *offload, uint32_t budget_ms, struct mh_err *err)
{
	struct mh_pss *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return mh_err_sys(err, -ENOMEM, "proportional memory");
	p->top = choice->top < MH_PSS_MAX ? choice->top : MH_PSS_MAX;
	p->root = root;
	p->offload = offload;
	p->budget_ns = budget_ms * NS_PER_MS;
	p->matching.item_bytes = sizeof(bool);
	p->now = &p->list[0];
	rc = *choice->pattern ? mh_match_new(&p->match, choice->pattern, MH_MATCH_EXACT, err) : 0;
	if (rc) {
		mh_pss_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

void mh_pss_free(struct mh_pss *p)
{
	if (!p)
		return;
	mh_match_free(p->match);
	mh_slots_done(&p->matching);
	free(p);
}

size_t mh_pss_list(const struct mh_pss *p, const struct mh_pss_value **ret)
{
	*ret = p->now->value;
	return p->now->n;
}

void mh_pss_stats(const struct mh_pss *p, struct mh_pss_stats *ret)
{
	*ret = (struct mh_pss_stats){
		.reads = p->reads,
		.denied = p->errors.denied,
		.stuck = p->errors.stuck,
		.malformed = p->errors.malformed,
		.failed = p->errors.failed,
	};
}
