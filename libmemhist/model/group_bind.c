/*
 * Who belongs to which name. Asked when a process is born and when one of its names changes, never
 * else: in a tick where nobody does either, nothing here costs anything.
 */
#include "libmemhist/model/group_inner.h"

#include "libmemhist/base/escape.h"
#include "libmemhist/base/strset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char PASSWD[] = "/etc/passwd";

enum { FIRST_CAP = 64 };

/* --- names ------------------------------------------------------------------------------------ */

/* Cut at MH_GROUP_NAME_MAX bytes, between two characters. */
static void cut_spelling(struct mh_buf *b)
{
	size_t len = MH_GROUP_NAME_MAX;

	if (b->len <= len)
		return;
	while (len && (b->data[len] & 0xc0) == 0x80)
		len--;
	b->len = len;
}

bool mh_groups_spell(struct mh_groups *g, const char *bytes, size_t len)
{
	mh_buf_clear(&g->spelling);
	g->config.spell(&g->spelling, bytes, len);
	if (!g->spelling.len)
		mh_buf_adds(&g->spelling, MH_GROUP_UNNAMED);
	cut_spelling(&g->spelling);
	mh_buf_str(&g->spelling);
	return !g->spelling.error;
}

static int reserve_name(struct mh_groups *g)
{
	uint32_t cap = g->names_cap ? g->names_cap * 2 : FIRST_CAP;

	if (g->n_unused || g->n_names < g->names_cap)
		return 0;
	if (!mh_groups_resize(&g->names, cap, sizeof(*g->names)) ||
	    !mh_groups_resize(&g->unused, cap, sizeof(*g->unused)) ||
	    !mh_groups_resize(&g->waiting, cap, sizeof(*g->waiting)))
		return -ENOMEM;
	g->names_cap = cap;
	return 0;
}

int64_t mh_groups_known_name(struct mh_groups *g)
{
	const char *text = mh_buf_str(&g->spelling);
	size_t len = strlen(text);
	uint32_t hash = mh_hash_bytes(text, len), at = 0, number;

	while ((number = mh_index_next(&g->index, hash, &at)) != MH_INDEX_END)
		if (g->names[number].len == len && !memcmp(g->names[number].text, text, len))
			return number;
	return -ENOENT;
}

int64_t mh_groups_find_name(struct mh_groups *g)
{
	const char *text = mh_buf_str(&g->spelling);
	size_t len = strlen(text);
	uint32_t hash = mh_hash_bytes(text, len), number;
	int64_t known = mh_groups_known_name(g);
	char *copy;

	if (known >= 0)
		return known;
	if (reserve_name(g))
		return -ENOMEM;
	copy = strndup(text, len);
	if (!copy)
		return -ENOMEM;
	number = g->n_unused ? g->unused[g->n_unused - 1] : g->n_names;
	if (mh_index_add(&g->index, hash, number)) {
		free(copy);
		return -ENOMEM;
	}
	if (g->n_unused)
		g->n_unused--;
	else
		g->n_names++;
	g->names[number] = (struct mh_group_name){
		.text = copy,
		.len = (uint32_t)len,
		.hash = hash,
		.exits.minute = g->other_exits.minute,
	};
	return number;
}

/* --- one process ------------------------------------------------------------------------------ */

static int bind_name(struct mh_groups *g, const char *bytes, size_t len, uint32_t *ret_bound)
{
	int64_t number;

	*ret_bound = MH_IN_OTHER;
	if (!mh_groups_spell(g, bytes, len))
		return -ENOMEM;
	if (!strcmp(mh_buf_str(&g->spelling), MH_GROUP_OTHER))
		return 0;
	number = mh_groups_find_name(g);
	if (number < 0)
		return -ENOMEM;
	*ret_bound = MH_FIRST_NAME + (uint32_t)number;
	return 0;
}

int mh_groups_bind_rest(struct mh_groups *g, const struct mh_process *p, uint32_t *ret_bound)
{
	*ret_bound = g->config.rest == MH_REST_NOWHERE ? MH_LEFT_OUT : MH_IN_OTHER;
	if (g->config.rest >= MH_AXES)
		return 0;
	mh_buf_clear(&g->raw);
	mh_axis_add(&g->raw, (enum mh_axis)g->config.rest, p, &g->users);
	if (g->raw.error)
		return -ENOMEM;
	return bind_name(g, mh_buf_str(&g->raw), g->raw.len, ret_bound);
}

static bool is_selected(const struct mh_groups *g, const struct mh_process *p)
{
	const char *program;
	size_t len = mh_process_program(p, &program);

	return !g->config.select || mh_select_name(g->config.select, program, len);
}

int mh_groups_bind_own(struct mh_groups *g, const struct mh_process *p, struct mh_seat *ret)
{
	struct mh_named named;
	int rule;

	ret->bound = MH_LEFT_OUT;
	ret->how = MH_SEAT_OWN;
	ret->again = false;
	if (!is_selected(g, p))
		return 0;
	ret->how = MH_SEAT_OPEN;
	ret->bound = MH_IN_OTHER;
	if (!g->config.rules)
		return 0;
	rule = mh_rules_classify(g->config.rules, p, &named, &ret->again);
	g->has_again |= ret->again;
	if (rule < 0)
		return 0;
	ret->how = named.tree ? MH_SEAT_HEAD : MH_SEAT_OWN;
	return bind_name(g, named.name, named.len, &ret->bound);
}

int mh_groups_bind_brief(struct mh_groups *g, const struct mh_process *p, uint32_t *ret_bound)
{
	struct mh_seat seat;
	int rc = mh_groups_bind_own(g, p, &seat);

	*ret_bound = seat.bound;
	if (seat.how != MH_SEAT_OPEN || (g->follows && mh_kin_of_brief(g, p, ret_bound)))
		return rc;
	return mh_groups_bind_rest(g, p, ret_bound);
}

/* --- everybody -------------------------------------------------------------------------------- */

/* Room for slots below n. New seats read MH_IN_OTHER, as after a failure. */
static int reserve_slots(struct mh_groups *g, uint32_t n)
{
	uint32_t cap = g->slots_cap ? g->slots_cap : FIRST_CAP;

	if (n <= g->slots_cap)
		return 0;
	while (cap < n)
		cap *= 2;
	if (!mh_groups_resize(&g->seat, cap, sizeof(*g->seat)) ||
	    !mh_groups_resize(&g->asked, cap, sizeof(*g->asked)))
		return -ENOMEM;
	memset(g->seat + g->slots_cap, 0, (cap - g->slots_cap) * sizeof(*g->seat));
	g->slots_cap = cap;
	return 0;
}

static bool is_own(const struct mh_seat *seat)
{
	return seat->how == MH_SEAT_OWN || seat->how == MH_SEAT_HEAD;
}

static bool is_kin(const struct mh_seat *seat)
{
	return seat->how == MH_SEAT_KIN || seat->how == MH_SEAT_ORPHAN;
}

/* Somebody new in the slot. */
static int seat_born(struct mh_groups *g, const struct mh_process *p, uint32_t slot)
{
	int own, sat;

	g->seat[slot] = (struct mh_seat){0};
	own = mh_groups_bind_own(g, p, &g->seat[slot]);
	sat = g->follows ? mh_kin_sit(g, slot, p) : 0;
	return own ? own : sat;
}

/*
 * The one who sits there has other names. *disturbed when others may descend from it that were
 * bound for what it was.
 */
static int seat_renamed(struct mh_groups *g, const struct mh_process *p, uint32_t slot,
			bool *disturbed)
{
	struct mh_seat *seat = &g->seat[slot];
	const struct mh_seat was = *seat;
	const bool is_moved = was.ppid != p->ppid;
	int rc = mh_groups_bind_own(g, p, seat);

	seat->ppid = p->ppid;
	if ((is_own(seat) || is_own(&was)) && (seat->how != was.how || seat->bound != was.bound))
		*disturbed = true;
	if (is_own(seat))
		return rc;
	seat->was_kin = is_kin(&was);
	if (seat->was_kin)
		seat->bound = was.bound;
	else if (is_moved)
		*disturbed = true;
	/* the parent it had is gone; whom it got instead has no say */
	if (was.how == MH_SEAT_ORPHAN || (was.how == MH_SEAT_KIN && is_moved))
		seat->how = MH_SEAT_ORPHAN;
	return rc;
}

static int settle(struct mh_groups *g, const struct mh_snapshot *s, uint32_t slot)
{
	struct mh_seat *seat = &g->seat[slot];

	if (g->follows)
		return mh_kin_settle(g, s, slot);
	if (seat->how != MH_SEAT_OPEN)
		return 0;
	seat->how = MH_SEAT_REST;
	return mh_groups_bind_rest(g, &s->process[slot], &seat->bound);
}

/* Everybody: at the first update, whatever the snapshot lists. */
static int bind_all(struct mh_groups *g, const struct mh_snapshot *s)
{
	int rc = 0;

	g->has_again = false;
	mh_snapshot_for_each (s, slot)
		if (slot < g->slots_cap && seat_born(g, &s->process[slot], slot))
			rc = -ENOMEM;
	mh_snapshot_for_each (s, slot)
		if (slot < g->slots_cap && settle(g, s, slot))
			rc = -ENOMEM;
	return rc;
}

/* Those that the rules were undecided of in the last update. They are settled with all others. */
static int ask_again(struct mh_groups *g, const struct mh_snapshot *s, bool *disturbed)
{
	int rc = 0;

	g->has_again = false;
	mh_snapshot_for_each (s, slot) {
		if (slot >= g->slots_cap || !g->seat[slot].again)
			continue;
		*disturbed = true;
		if (seat_renamed(g, &s->process[slot], slot, disturbed))
			rc = -ENOMEM;
	}
	return rc;
}

static int bind_some(struct mh_groups *g, const struct mh_snapshot *s)
{
	bool disturbed = false;
	int rc = g->has_again ? ask_again(g, s, &disturbed) : 0;

	for (uint32_t i = 0; i < s->n_born; i++)
		if (s->born[i] < g->slots_cap && seat_born(g, &s->process[s->born[i]], s->born[i]))
			rc = -ENOMEM;
	for (uint32_t i = 0; i < s->n_renamed; i++)
		if (s->renamed[i] < g->slots_cap &&
		    seat_renamed(g, &s->process[s->renamed[i]], s->renamed[i], &disturbed))
			rc = -ENOMEM;
	if (disturbed) {
		if (g->follows)
			mh_kin_reopen(g, s);
		mh_snapshot_for_each (s, slot)
			if (slot < g->slots_cap && settle(g, s, slot))
				rc = -ENOMEM;
		return rc;
	}
	for (uint32_t i = 0; i < s->n_born; i++)
		if (s->born[i] < g->slots_cap && settle(g, s, s->born[i]))
			rc = -ENOMEM;
	for (uint32_t i = 0; i < s->n_renamed; i++)
		if (s->renamed[i] < g->slots_cap && settle(g, s, s->renamed[i]))
			rc = -ENOMEM;
	return rc;
}

int mh_groups_bind(struct mh_groups *g, const struct mh_snapshot *s)
{
	const bool all = g->is_new || s->first;
	int slots = reserve_slots(g, s->n_slots), departed = 0, bound;

	if (all || s->n_born || s->n_renamed || s->n_brief || g->has_again) {
		if (g->config.rules)
			mh_rules_tick(g->config.rules, s->at);
		if (g->config.rest == MH_BY_USER)
			mh_users_read(&g->users, PASSWD); /* else they are numbers */
	}
	if (g->follows)
		departed = mh_kin_depart(g, s, all);
	bound = all ? bind_all(g, s) : bind_some(g, s);
	return slots || departed || bound ? -ENOMEM : 0;
}
