/*
 * The groups. A process is bound to a name (by slot) when it is born or renamed; every update then
 * sums over all slots, which costs a few nanoseconds for each process and leaves no difference to
 * go astray.
 *
 * Invariants, between updates:
 *   G1  A name is in `names` exactly when a live process is bound to it or it has a place, or,
 *       in an update, when a process of that name ended.
 *   G2  `index` finds each of them by its text; no two have the same text; none is "other".
 *   G3  `place` lists the names that have a place, in byte order, at most max_groups.
 *   G4  by_slot says something of occupied slots only; what it says of free ones is old.
 */
#include "libmemhist/model/group.h"

#include "libmemhist/base/escape.h"
#include "libmemhist/base/index.h"
#include "libmemhist/base/strset.h"
#include "libmemhist/model/tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_GROUPS = 200,
	DEFAULT_HOLD_MS = 3600 * 1000,
	FIRST_CAP = 64,
	SPELLING_MAX = 16 * MH_COMM_MAX, /* the wordiest escaper makes eight bytes of one */
};

/* What by_slot holds: one of these, or FIRST_NAME + the number of a name. */
enum { IN_OTHER = 0, LEFT_OUT = 1, FIRST_NAME = 2 };

struct name {
	char *text; /* as spelled; NULL = this number is unused */
	uint32_t len;
	uint32_t hash;
	uint32_t n_processes;
	bool has_place;
	bool is_held;             /* has a place, but had no processes since: */
	mh_boot_ns_t empty_since; /* the first update without any */
	uint64_t value[MH_FIELD_COUNT];
	struct mh_tally exits;
};

struct mh_groups {
	struct mh_groups_config config;
	struct mh_buf spelling;

	uint32_t *by_slot;
	uint32_t slots_cap;

	struct name *names;
	uint32_t n_names; /* numbers ever used */
	uint32_t names_cap;
	uint32_t *unused; /* numbers below n_names to be used again; names_cap entries */
	uint32_t n_unused;
	struct mh_index index;

	uint32_t *waiting; /* names in want of a place, while places are given; names_cap */
	uint32_t *place;
	uint32_t n_places;
	uint32_t places_cap;

	struct mh_group other;
	struct mh_group *list; /* places_cap + 1 */
	size_t n_list;
	uint32_t overflow; /* names whose processes are in "other" */

	struct mh_tally other_exits;
	struct mh_group_exits *exits; /* places_cap + 1 */
	size_t n_exits;
};

int mh_groups_new(struct mh_groups **ret, const struct mh_groups_config *config)
{
	struct mh_groups *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->config = *config;
	if (!g->config.max_groups)
		g->config.max_groups = DEFAULT_GROUPS;
	if (!g->config.hold_ms)
		g->config.hold_ms = DEFAULT_HOLD_MS;
	if (!g->config.spell)
		g->config.spell = mh_escape_utf8;
	g->spelling = (struct mh_buf)MH_BUF_INIT(SPELLING_MAX);
	g->list = calloc(1, sizeof(*g->list));
	g->exits = calloc(1, sizeof(*g->exits));
	if (!g->list || !g->exits) {
		mh_groups_free(g);
		return -ENOMEM;
	}
	*ret = g;
	return 0;
}

void mh_groups_free(struct mh_groups *g)
{
	if (!g)
		return;
	for (uint32_t i = 0; i < g->n_names; i++)
		free(g->names[i].text);
	free(g->names);
	free(g->unused);
	free(g->waiting);
	free(g->place);
	free(g->list);
	free(g->exits);
	free(g->by_slot);
	mh_index_done(&g->index);
	mh_buf_done(&g->spelling);
	free(g);
}

static bool resize(void **array, size_t n, size_t size)
{
	void *bigger = reallocarray(*array, n, size);

	if (!bigger)
		return false;
	*array = bigger;
	return true;
}

/* Room for slots below n. New ones read IN_OTHER, as after a failure. */
static int reserve_slots(struct mh_groups *g, uint32_t n)
{
	uint32_t cap = g->slots_cap ? g->slots_cap : FIRST_CAP;

	if (n <= g->slots_cap)
		return 0;
	while (cap < n)
		cap *= 2;
	if (!resize((void **)&g->by_slot, cap, sizeof(*g->by_slot)))
		return -ENOMEM;
	memset(g->by_slot + g->slots_cap, 0, (cap - g->slots_cap) * sizeof(*g->by_slot));
	g->slots_cap = cap;
	return 0;
}

static int reserve_name(struct mh_groups *g)
{
	uint32_t cap = g->names_cap ? g->names_cap * 2 : FIRST_CAP;

	if (g->n_unused || g->n_names < g->names_cap)
		return 0;
	if (!resize((void **)&g->names, cap, sizeof(*g->names)) ||
	    !resize((void **)&g->unused, cap, sizeof(*g->unused)) ||
	    !resize((void **)&g->waiting, cap, sizeof(*g->waiting)))
		return -ENOMEM;
	g->names_cap = cap;
	return 0;
}

/* The number of the name in g->spelling, which is added when it is new; or -ENOMEM. */
static int64_t find_name(struct mh_groups *g)
{
	const char *text = mh_buf_str(&g->spelling);
	size_t len = strlen(text);
	uint32_t hash = mh_hash_bytes(text, len), at = 0, number;
	char *copy;

	while ((number = mh_index_next(&g->index, hash, &at)) != MH_INDEX_END)
		if (g->names[number].len == len && !memcmp(g->names[number].text, text, len))
			return number;
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
	g->names[number] = (struct name){
		.text = copy,
		.len = (uint32_t)len,
		.hash = hash,
		.exits.minute = g->other_exits.minute,
	};
	return number;
}

static int bind_process(struct mh_groups *g, const struct mh_process *p, uint32_t *ret)
{
	const char *program;
	size_t len = mh_process_program(p, &program);
	int64_t number;

	*ret = IN_OTHER;
	if (g->config.select && !mh_select_name(g->config.select, program, len)) {
		*ret = LEFT_OUT;
		return 0;
	}
	mh_buf_clear(&g->spelling);
	g->config.spell(&g->spelling, program, len);
	if (!g->spelling.len)
		mh_buf_adds(&g->spelling, MH_GROUP_UNNAMED);
	if (g->spelling.error)
		return -ENOMEM;
	if (!strcmp(mh_buf_str(&g->spelling), MH_GROUP_OTHER))
		return 0;
	number = find_name(g);
	if (number < 0)
		return -ENOMEM;
	*ret = FIRST_NAME + (uint32_t)number;
	return 0;
}

static int bind_slots(struct mh_groups *g, const struct mh_snapshot *s, const uint32_t *slots,
		      uint32_t n)
{
	int rc = 0;

	for (uint32_t i = 0; i < n; i++)
		if (slots[i] < g->slots_cap &&
		    bind_process(g, &s->process[slots[i]], &g->by_slot[slots[i]]))
			rc = -ENOMEM;
	return rc;
}

static void sum(struct mh_groups *g, const struct mh_snapshot *s)
{
	for (uint32_t i = 0; i < g->n_names; i++) {
		g->names[i].n_processes = 0;
		memset(g->names[i].value, 0, sizeof(g->names[i].value));
	}
	g->other = (struct mh_group){.name = MH_GROUP_OTHER, .name_len = strlen(MH_GROUP_OTHER)};
	mh_snapshot_for_each (s, slot) {
		uint32_t bound = slot < g->slots_cap ? g->by_slot[slot] : IN_OTHER;
		uint32_t *n_processes = &g->other.n_processes;
		uint64_t *value = g->other.value;

		if (bound == LEFT_OUT)
			continue;
		if (bound >= FIRST_NAME) {
			n_processes = &g->names[bound - FIRST_NAME].n_processes;
			value = g->names[bound - FIRST_NAME].value;
		}
		(*n_processes)++;
		for (int f = 0; f < MH_FIELD_COUNT; f++)
			value[f] += s->process[slot].value[f];
	}
}

/* --- exits ------------------------------------------------------------------------------------ */

static void count_exit(struct mh_groups *g, uint32_t bound, const struct mh_process *p)
{
	struct mh_tally *t = bound >= FIRST_NAME ? &g->names[bound - FIRST_NAME].exits
						 : &g->other_exits;

	if (bound == LEFT_OUT)
		return;
	mh_tally_add(t, 1, p->value[MH_FIELD_HWM]);
}

/* Before anybody new is bound: slots are still those of the gone. */
static int count_exits(struct mh_groups *g, const struct mh_snapshot *s)
{
	int rc = 0;

	mh_tally_begin(&g->other_exits, s->at.boot_ns);
	for (uint32_t i = 0; i < g->n_names; i++)
		mh_tally_begin(&g->names[i].exits, s->at.boot_ns);
	for (uint32_t i = 0; i < s->n_gone; i++) {
		uint32_t slot = s->gone[i].slot;

		count_exit(g, slot < g->slots_cap ? g->by_slot[slot] : IN_OTHER,
			   &s->gone[i].process);
	}
	for (uint32_t i = 0; i < s->n_brief; i++) {
		uint32_t bound;

		if (bind_process(g, &s->brief[i], &bound))
			rc = -ENOMEM;
		count_exit(g, bound, &s->brief[i]);
	}
	return rc;
}

static void list_exits_of(struct mh_groups *g, const char *name, size_t len,
			  const struct mh_tally *t)
{
	if (t->total)
		g->exits[g->n_exits++] = (struct mh_group_exits){
			.name = name,
			.name_len = (uint32_t)len,
			.total = t->total,
			.peak_pages = mh_tally_peak(t),
		};
}

/* Book what was counted in this update where the names have their places now. */
static void list_exits(struct mh_groups *g)
{
	g->n_exits = 0;
	for (uint32_t i = 0; i < g->n_names; i++) {
		struct mh_tally *t = &g->names[i].exits;

		if (g->names[i].text && !g->names[i].has_place)
			mh_tally_add(&g->other_exits, t->fresh, t->peak_pages);
	}
	for (uint32_t i = 0; i < g->n_places; i++) {
		struct name *name = &g->names[g->place[i]];

		mh_tally_book(&name->exits);
		list_exits_of(g, name->text, name->len, &name->exits);
	}
	mh_tally_book(&g->other_exits);
	list_exits_of(g, MH_GROUP_OTHER, strlen(MH_GROUP_OTHER), &g->other_exits);
}

/* --- places ----------------------------------------------------------------------------------- */

/* Whether an empty name still keeps its place at `now`. */
static bool keeps_place(struct mh_groups *g, struct name *name, mh_boot_ns_t now)
{
	if (!name->is_held || now < name->empty_since) {
		/* just emptied; or another boot, whose clock says nothing of the time since */
		name->is_held = true;
		name->empty_since = now;
	}
	return (now - name->empty_since) / 1000000 < (uint64_t)g->config.hold_ms;
}

static void release_places(struct mh_groups *g, mh_boot_ns_t now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < g->n_places; i++) {
		struct name *name = &g->names[g->place[i]];

		if (name->n_processes || name->exits.fresh)
			name->is_held = false;
		if (!name->n_processes)
			name->has_place = keeps_place(g, name, now);
		if (name->has_place)
			g->place[kept++] = g->place[i];
	}
	g->n_places = kept;
}

static void forget_names(struct mh_groups *g)
{
	for (uint32_t i = 0; i < g->n_names; i++) {
		struct name *name = &g->names[i];

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
	const struct name *x = (struct name *)names + *(const uint32_t *)a;
	const struct name *y = (struct name *)names + *(const uint32_t *)b;

	return strcmp(x->text, y->text);
}

/* The living before those that have nobody alive, then by RSS. */
static int by_size(const void *a, const void *b, void *names)
{
	const struct name *x = (struct name *)names + *(const uint32_t *)a;
	const struct name *y = (struct name *)names + *(const uint32_t *)b;
	uint64_t rss_x = x->value[MH_FIELD_RSS], rss_y = y->value[MH_FIELD_RSS];

	if (!x->n_processes != !y->n_processes)
		return x->n_processes ? -1 : 1;
	return rss_x > rss_y ? -1 : rss_x < rss_y ? 1 : by_text(a, b, names);
}

static int reserve_places(struct mh_groups *g, uint32_t n)
{
	uint32_t cap = g->places_cap ? g->places_cap : FIRST_CAP;

	if (n <= g->places_cap)
		return 0;
	while (cap < n)
		cap *= 2;
	if (!resize((void **)&g->place, cap, sizeof(*g->place)) ||
	    !resize((void **)&g->list, (size_t)cap + 1, sizeof(*g->list)) ||
	    !resize((void **)&g->exits, (size_t)cap + 1, sizeof(*g->exits)))
		return -ENOMEM;
	g->places_cap = cap;
	return 0;
}

/* Give free places to the largest of the names that wait for one. */
static int give_places(struct mh_groups *g)
{
	uint32_t n = g->n_names - g->n_unused - g->n_places,
		 free_places = g->config.max_groups - g->n_places, w = 0;

	if (!n || !free_places)
		return 0;
	if (reserve_places(g, g->n_places + (n < free_places ? n : free_places)))
		return -ENOMEM;
	for (uint32_t i = 0; i < g->n_names; i++)
		if (g->names[i].text && !g->names[i].has_place)
			g->waiting[w++] = i;
	qsort_r(g->waiting, n, sizeof(*g->waiting), by_size, g->names);
	for (uint32_t i = 0; i < n && i < free_places; i++) {
		if (!g->names[g->waiting[i]].n_processes && g->n_places >= g->config.max_groups / 2)
			continue;
		g->names[g->waiting[i]].has_place = true;
		g->place[g->n_places++] = g->waiting[i];
	}
	qsort_r(g->place, g->n_places, sizeof(*g->place), by_text, g->names);
	return 0;
}

static void add_to_other(struct mh_groups *g, const struct name *name)
{
	g->overflow++;
	g->other.n_processes += name->n_processes;
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		g->other.value[f] += name->value[f];
}

static void list(struct mh_groups *g)
{
	g->n_list = 0;
	for (uint32_t i = 0; i < g->n_places; i++) {
		const struct name *name = &g->names[g->place[i]];
		struct mh_group *group = &g->list[g->n_list];

		if (!name->n_processes)
			continue;
		group->name = name->text;
		group->name_len = name->len;
		group->n_processes = name->n_processes;
		memcpy(group->value, name->value, sizeof(group->value));
		g->n_list++;
	}
	g->overflow = 0;
	for (uint32_t i = 0; i < g->n_names; i++)
		if (g->names[i].n_processes && !g->names[i].has_place)
			add_to_other(g, &g->names[i]);
	if (g->other.n_processes)
		g->list[g->n_list++] = g->other;
}

int mh_groups_update(struct mh_groups *g, const struct mh_snapshot *s)
{
	int ended = count_exits(g, s);
	int slots = reserve_slots(g, s->n_slots);
	int born = bind_slots(g, s, s->born, s->n_born);
	int renamed = bind_slots(g, s, s->renamed, s->n_renamed);
	int places;

	/* whatever of this failed, every process is summed somewhere */
	sum(g, s);
	release_places(g, s->at.boot_ns);
	forget_names(g);
	places = give_places(g);
	list(g);
	list_exits(g);
	return ended || slots || born || renamed || places ? -ENOMEM : 0;
}

size_t mh_groups_list(const struct mh_groups *g, const struct mh_group **ret)
{
	*ret = g->list;
	return g->n_list;
}

size_t mh_groups_exits(const struct mh_groups *g, const struct mh_group_exits **ret)
{
	*ret = g->exits;
	return g->n_exits;
}

uint32_t mh_groups_overflow(const struct mh_groups *g)
{
	return g->overflow;
}
