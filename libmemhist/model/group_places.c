/*
 * Places: which names are shown, and which wait in "other". See group.h for the rules. What is done
 * in each update goes once over the names; they are sorted only when a place changes hands.
 */
#include "libmemhist/model/group_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

static bool is_large_enough(const struct mh_groups *g, const struct mh_group_name *name)
{
	return name->n_processes && name->value[MH_FIELD_RSS] >= g->config.min_rss_pages;
}

/* Whether a name that has too little for a place still keeps it at `now`. */
static bool keeps_place(struct mh_groups *g, struct mh_group_name *name, mh_boot_ns_t now)
{
	if (!name->is_held || now < name->empty_since) {
		/* only now; or another boot, whose clock says nothing of the time since */
		name->is_held = true;
		name->empty_since = now;
	}
	return (now - name->empty_since) / 1000000 < (uint64_t)g->config.hold_ms;
}

static void release_places(struct mh_groups *g, mh_boot_ns_t now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < g->n_places; i++) {
		struct mh_group_name *name = &g->names[g->place[i]];

		if (is_large_enough(g, name) || name->exits.fresh)
			name->is_held = false;
		if (!is_large_enough(g, name) && !name->is_expected)
			name->has_place = keeps_place(g, name, now);
		if (name->has_place)
			g->place[kept++] = g->place[i];
	}
	g->n_places = kept;
}

static void forget_names(struct mh_groups *g)
{
	for (uint32_t i = 0; i < g->n_names; i++) {
		struct mh_group_name *name = &g->names[i];

		if (!name->text || name->n_processes || name->has_place || name->exits.fresh)
			continue;
		mh_index_remove(&g->index, name->hash, i);
		free(name->text);
		name->text = NULL;
		g->unused[g->n_unused++] = i;
	}
}

static int by_text(const void *a, const void *b, void *names)
{
	const struct mh_group_name *x = (struct mh_group_name *)names + *(const uint32_t *)a;
	const struct mh_group_name *y = (struct mh_group_name *)names + *(const uint32_t *)b;

	return strcmp(x->text, y->text);
}

/* What a name is worth in the ranking: who has a place keeps it against who is hardly larger. */
static uint64_t weight(const struct mh_group_name *name)
{
	uint64_t rss = name->value[MH_FIELD_RSS];

	return name->has_place ? rss + rss / 10 : rss;
}

/* The living before those that have nobody alive, then by RSS. */
static int by_size(const void *a, const void *b, void *names)
{
	const struct mh_group_name *x = (struct mh_group_name *)names + *(const uint32_t *)a;
	const struct mh_group_name *y = (struct mh_group_name *)names + *(const uint32_t *)b;
	uint64_t weight_x = weight(x), weight_y = weight(y);

	if (!x->n_processes != !y->n_processes)
		return x->n_processes ? -1 : 1;
	return weight_x > weight_y ? -1 : weight_x < weight_y ? 1 : by_text(a, b, names);
}

static int reserve_places(struct mh_groups *g, uint32_t n)
{
	uint32_t cap = g->places_cap ? g->places_cap : FIRST_CAP;

	if (n <= g->places_cap)
		return 0;
	while (cap < n)
		cap *= 2;
	if (!mh_groups_resize(&g->place, cap, sizeof(*g->place)) ||
	    !mh_groups_resize(&g->list, (size_t)cap + 1, sizeof(*g->list)) ||
	    !mh_groups_resize(&g->exits, (size_t)cap + 1, sizeof(*g->exits)))
		return -ENOMEM;
	g->places_cap = cap;
	return 0;
}

static void take_place(struct mh_groups *g, uint32_t number)
{
	g->names[number].has_place = true;
	g->place[g->n_places++] = number;
}

static void sort_places(struct mh_groups *g)
{
	qsort_r(g->place, g->n_places, sizeof(*g->place), by_text, g->names);
}

int mh_places_expect(struct mh_groups *g, uint32_t number)
{
	if (g->names[number].is_expected)
		return 0;
	if (reserve_places(g, g->n_places + 1))
		return -ENOMEM;
	g->names[number].is_expected = true;
	g->n_expected++;
	take_place(g, number);
	sort_places(g);
	return 0;
}

/* How many places there are for names that are not expected. */
static uint32_t places_to_give(const struct mh_groups *g)
{
	uint32_t n = g->config.max_groups > g->n_expected ? g->config.max_groups - g->n_expected
							  : 0;

	return g->config.top && g->config.top < n ? g->config.top : n;
}

/* With `top`: whether somebody without a place is worth more than somebody who has one. */
static bool is_ranking_wrong(const struct mh_groups *g)
{
	uint64_t smallest = UINT64_MAX, largest = 0;

	for (uint32_t i = 0; i < g->n_names; i++) {
		const struct mh_group_name *name = &g->names[i];

		if (!name->text || name->is_expected)
			continue;
		if (name->has_place && weight(name) < smallest)
			smallest = weight(name);
		if (!name->has_place && is_large_enough(g, name) && weight(name) > largest)
			largest = weight(name);
	}
	return largest > smallest;
}

/* With `top`: the places are given anew. The names keep what they are worth, until they lose. */
static void rank_places(struct mh_groups *g)
{
	uint32_t n = 0, kept = 0, free_places = places_to_give(g);

	for (uint32_t i = 0; i < g->n_names; i++)
		if (g->names[i].text && !g->names[i].is_expected &&
		    (g->names[i].has_place || is_large_enough(g, &g->names[i])))
			g->waiting[n++] = i;
	qsort_r(g->waiting, n, sizeof(*g->waiting), by_size, g->names);
	for (uint32_t i = free_places; i < n; i++)
		g->names[g->waiting[i]].has_place = false;
	for (uint32_t i = 0; i < g->n_places; i++)
		if (g->names[g->place[i]].has_place)
			g->place[kept++] = g->place[i];
	g->n_places = kept;
}

/* Names that may have a place and have none, the largest first. */
static uint32_t find_waiting(struct mh_groups *g)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_names; i++) {
		const struct mh_group_name *name = &g->names[i];

		if (!name->text || name->has_place)
			continue;
		if (is_large_enough(g, name) || (!name->n_processes && !g->config.min_rss_pages))
			g->waiting[n++] = i;
	}
	qsort_r(g->waiting, n, sizeof(*g->waiting), by_size, g->names);
	return n;
}

/* Give free places to the largest of the names that wait for one. */
static int give_places(struct mh_groups *g)
{
	const uint32_t all = places_to_give(g), taken = g->n_places - g->n_expected;
	uint32_t n = g->n_names - g->n_unused - g->n_places, room = all > taken ? all - taken : 0,
		 given = 0;

	if (!n || !room)
		return 0;
	if (reserve_places(g, g->n_places + (n < room ? n : room)))
		return -ENOMEM;
	n = find_waiting(g);
	for (uint32_t i = 0; i < n && i < room; i++) {
		/* names that come and go leave half of the places to those who stay */
		if (!g->names[g->waiting[i]].n_processes && taken + given >= all / 2)
			continue;
		take_place(g, g->waiting[i]);
		given++;
	}
	if (given)
		sort_places(g);
	return 0;
}

int mh_places_update(struct mh_groups *g, mh_boot_ns_t now)
{
	release_places(g, now);
	if (g->config.top && g->n_places - g->n_expected >= places_to_give(g) &&
	    is_ranking_wrong(g))
		rank_places(g);
	forget_names(g);
	return give_places(g);
}
