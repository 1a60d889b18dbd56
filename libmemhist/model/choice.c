/* What rules say of each process, by slot. */
#include "libmemhist/model/choice.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_CAP = 64 };

/* Of a slot; old while that is free. */
struct seat {
	uint64_t min_bytes; /* MH_RULES_NEVER: not chosen, whatever its size */
	bool again;         /* the rules were undecided */
};

struct mh_choice {
	struct mh_rules *rules;
	struct seat *seat;
	uint32_t cap;
	bool is_complete; /* each slot of the last snapshot has a seat that says something */
	bool has_again;
};

int mh_choice_new(struct mh_choice **ret, struct mh_rules *rules)
{
	struct mh_choice *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->rules = rules;
	*ret = c;
	return 0;
}

void mh_choice_free(struct mh_choice *c)
{
	if (!c)
		return;
	mh_rules_free(c->rules);
	free(c->seat);
	free(c);
}

static int reserve(struct mh_choice *c, uint32_t n)
{
	uint32_t cap = c->cap ? c->cap : FIRST_CAP;
	struct seat *bigger;

	if (n <= c->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	bigger = reallocarray(c->seat, cap, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	c->seat = bigger;
	for (uint32_t slot = c->cap; slot < cap; slot++)
		c->seat[slot] = (struct seat){.min_bytes = MH_RULES_NEVER};
	c->cap = cap;
	return 0;
}

static void ask(struct mh_choice *c, const struct mh_snapshot *s, uint32_t slot)
{
	struct seat *seat = &c->seat[slot];

	seat->min_bytes = mh_rules_choose(c->rules, &s->process[slot], &seat->again);
	c->has_again |= seat->again;
}

static void ask_all(struct mh_choice *c, const struct mh_snapshot *s)
{
	c->has_again = false;
	mh_snapshot_for_each (s, slot)
		ask(c, s, slot);
}

/* Those that are new, have new names, or were not decided. */
static void ask_some(struct mh_choice *c, const struct mh_snapshot *s)
{
	const bool has_again = c->has_again;

	/* whoever sits there now, the one that was undecided does not any more */
	for (uint32_t i = 0; i < s->n_born; i++)
		c->seat[s->born[i]].again = false;
	c->has_again = false;
	mh_snapshot_for_each (s, slot) {
		if (!has_again)
			break;
		if (c->seat[slot].again)
			ask(c, s, slot);
	}
	for (uint32_t i = 0; i < s->n_born; i++)
		ask(c, s, s->born[i]);
	for (uint32_t i = 0; i < s->n_renamed; i++)
		ask(c, s, s->renamed[i]);
}

int mh_choice_update(struct mh_choice *c, const struct mh_snapshot *s)
{
	const bool all = !c->is_complete || s->first;

	c->is_complete = false;
	if (reserve(c, s->n_slots))
		return -ENOMEM;
	if (all || s->n_born || s->n_renamed || c->has_again)
		mh_rules_tick(c->rules, s->at);
	if (all)
		ask_all(c, s);
	else
		ask_some(c, s);
	c->is_complete = true;
	return 0;
}

bool mh_choice_takes(const struct mh_choice *c, uint32_t slot, uint64_t rss_bytes)
{
	return slot < c->cap && c->seat[slot].min_bytes != MH_RULES_NEVER &&
	       rss_bytes >= c->seat[slot].min_bytes;
}

uint64_t mh_choice_given_up(const struct mh_choice *c)
{
	return mh_rules_given_up(c->rules);
}
