/*
 * Who descends from whom. A process that no rule takes is asked for its parent, that one for its
 * own, and so on up to somebody of whom it is known; the answer is then everybody's on the way.
 *
 * A snapshot is not one instant: a parent may be listed that is gone by now, and its pid somebody
 * else's. So a parent is only who began no later than its child, and a line of ancestors that runs
 * in a circle ends there.
 */
#include "libmemhist/model/group_inner.h"

#include <errno.h>

enum {
	FIRST_CAP = 64,
	GENERATIONS_MAX = 64, /* of those that began and ended between two updates */
};

static bool is_parent(const struct mh_seat *parent, uint32_t pid, uint64_t child_start)
{
	return parent->pid == pid && parent->start_ticks <= child_start;
}

/* The slot of a live process, or MH_INDEX_END. */
static uint32_t find_living(const struct mh_groups *g, uint32_t pid, uint64_t child_start)
{
	uint32_t at = 0, slot;

	while ((slot = mh_index_next(&g->pids, mh_index_hash(pid), &at)) != MH_INDEX_END)
		if (is_parent(&g->seat[slot], pid, child_start))
			return slot;
	return MH_INDEX_END;
}

/* --- seats taken and left --------------------------------------------------------------------- */

static int reserve_departed(struct mh_groups *g, uint32_t n)
{
	uint32_t cap = g->departed_cap ? g->departed_cap : FIRST_CAP;

	while (cap < n)
		cap *= 2;
	if (cap != g->departed_cap && !mh_groups_resize(&g->departed, cap, sizeof(*g->departed)))
		return -ENOMEM;
	g->departed_cap = cap;
	return mh_index_reserve(&g->departed_pids, n);
}

static void forget_departed(struct mh_groups *g)
{
	for (uint32_t i = 0; i < g->n_departed; i++)
		mh_index_remove(&g->departed_pids, mh_index_hash(g->departed[i].pid), i);
	g->n_departed = 0;
}

static void add_departed(struct mh_groups *g, const struct mh_seat *seat)
{
	mh_index_add(&g->departed_pids, mh_index_hash(seat->pid), g->n_departed); /* reserved */
	g->departed[g->n_departed++] = *seat;
}

static void identify(struct mh_seat *seat, const struct mh_process *p)
{
	seat->pid = p->id.pid;
	seat->ppid = p->ppid;
	seat->start_ticks = p->id.start_ticks;
}

/* What the rules say of the brief has to be known of all of them before one is asked for kin. */
static int add_brief(struct mh_groups *g, const struct mh_snapshot *s)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->n_brief; i++) {
		struct mh_seat seat = {0};

		if (mh_groups_bind_own(g, &s->brief[i], &seat))
			rc = -ENOMEM;
		identify(&seat, &s->brief[i]);
		add_departed(g, &seat);
	}
	return rc;
}

static void leave(struct mh_groups *g, uint32_t slot)
{
	if (g->seat[slot].pid)
		mh_index_remove(&g->pids, mh_index_hash(g->seat[slot].pid), slot);
	g->seat[slot] = (struct mh_seat){0};
}

int mh_kin_depart(struct mh_groups *g, const struct mh_snapshot *s, bool all)
{
	int room, brief;

	forget_departed(g);
	room = s->n_brief ? reserve_departed(g, s->n_gone + s->n_brief) : 0;
	for (uint32_t i = 0; i < s->n_gone; i++) {
		uint32_t slot = s->gone[i].slot;

		if (all || slot >= g->slots_cap || !g->seat[slot].pid)
			continue;
		if (s->n_brief && !room)
			add_departed(g, &g->seat[slot]);
		leave(g, slot);
	}
	for (uint32_t slot = 0; all && slot < g->slots_cap; slot++)
		leave(g, slot);
	brief = room ? 0 : add_brief(g, s);
	return room || brief ? -ENOMEM : 0;
}

int mh_kin_sit(struct mh_groups *g, uint32_t slot, const struct mh_process *p)
{
	if (mh_index_add(&g->pids, mh_index_hash(p->id.pid), slot))
		return -ENOMEM; /* nobody's parent, then */
	identify(&g->seat[slot], p);
	return 0;
}

void mh_kin_reopen(struct mh_groups *g, const struct mh_snapshot *s)
{
	mh_snapshot_for_each (s, slot) {
		struct mh_seat *seat = slot < g->slots_cap ? &g->seat[slot] : NULL;

		if (!seat || (seat->how != MH_SEAT_REST && seat->how != MH_SEAT_KIN))
			continue;
		seat->was_kin = seat->how == MH_SEAT_KIN;
		seat->how = MH_SEAT_OPEN;
	}
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Whether who descends from this seat is bound to what it is. */
static bool leads(const struct mh_seat *seat)
{
	return seat->how == MH_SEAT_HEAD || seat->how == MH_SEAT_KIN || seat->how == MH_SEAT_ORPHAN;
}

/* From the last in the line that was asked down to the first. */
static int answer(struct mh_groups *g, const struct mh_snapshot *s, uint32_t n,
		  const struct mh_seat *ancestor, bool is_missing)
{
	bool follows = ancestor && leads(ancestor);
	uint32_t bound = follows ? ancestor->bound : 0;
	int rc = 0;

	while (n--) {
		struct mh_seat *seat = &g->seat[g->asked[n]];

		if (!follows && is_missing && seat->was_kin) {
			/* its parent has ended, and the table does not know yet whom it got */
			follows = true;
			bound = seat->bound;
		}
		is_missing = false;
		seat->was_kin = false;
		seat->how = follows ? MH_SEAT_KIN : MH_SEAT_REST;
		seat->bound = bound;
		if (!follows && mh_groups_bind_rest(g, &s->process[g->asked[n]], &seat->bound))
			rc = -ENOMEM;
	}
	return rc;
}

int mh_kin_settle(struct mh_groups *g, const struct mh_snapshot *s, uint32_t slot)
{
	const struct mh_seat *ancestor = NULL;
	bool is_missing = false;
	uint32_t n = 0;

	while (g->seat[slot].how == MH_SEAT_OPEN) {
		struct mh_seat *seat = &g->seat[slot];

		seat->how = MH_SEAT_ASKED;
		g->asked[n++] = slot;
		slot = seat->ppid ? find_living(g, seat->ppid, seat->start_ticks) : MH_INDEX_END;
		is_missing = slot == MH_INDEX_END;
		ancestor = is_missing ? NULL : &g->seat[slot];
		if (is_missing)
			break;
	}
	return answer(g, s, n, ancestor, is_missing);
}

/* The one that departed and was, or could have been, this pid when its child began; or NULL. */
static const struct mh_seat *find_departed(const struct mh_groups *g, uint32_t pid,
					   uint64_t child_start)
{
	uint32_t at = 0, i;

	while ((i = mh_index_next(&g->departed_pids, mh_index_hash(pid), &at)) != MH_INDEX_END)
		if (is_parent(&g->departed[i], pid, child_start))
			return &g->departed[i];
	return NULL;
}

bool mh_kin_of_brief(const struct mh_groups *g, const struct mh_process *p, uint32_t *ret_bound)
{
	uint64_t start = p->id.start_ticks;
	uint32_t ppid = p->ppid;

	for (int i = 0; i < GENERATIONS_MAX && ppid; i++) {
		const struct mh_seat *parent = find_departed(g, ppid, start);
		uint32_t slot = parent ? MH_INDEX_END : find_living(g, ppid, start);

		if (slot != MH_INDEX_END)
			parent = &g->seat[slot];
		if (!parent)
			return false;
		if (leads(parent)) {
			*ret_bound = parent->bound;
			return true;
		}
		if (parent->how != MH_SEAT_OPEN)
			return false;
		start = parent->start_ticks;
		ppid = parent->ppid;
	}
	return false;
}
