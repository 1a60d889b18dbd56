/*
 * The groups: sums and exits of names. A process is bound to a name (by slot) when it is born or
 * renamed, in group_bind.c; every update then sums over all slots, which costs a few nanoseconds
 * for each process and leaves no difference to go astray.
 */
#include "libmemhist/model/group.h"

#include "libmemhist/base/escape.h"
#include "libmemhist/model/group_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_GROUPS = 200,
	DEFAULT_HOLD_MS = 3600 * 1000,
	SPELLING_MAX = 16 * MH_RULES_NAME_BYTES, /* the wordiest escaper makes eight of one byte */
};

bool mh_groups_resize(void *array, size_t n, size_t size)
{
	void **at = array, *bigger = reallocarray(*at, n, size);

	if (!bigger)
		return false;
	*at = bigger;
	return true;
}

static int expect_names(struct mh_groups *g)
{
	const char *const *expected;
	size_t n = g->config.rules ? mh_rules_expected(g->config.rules, &expected) : 0;

	for (size_t i = 0; i < n; i++) {
		int64_t number;

		if (!mh_groups_spell(g, expected[i], strlen(expected[i])))
			return -ENOMEM;
		if (!strcmp(mh_buf_str(&g->spelling), MH_GROUP_OTHER))
			continue;
		number = mh_groups_find_name(g);
		if (number < 0 || mh_places_expect(g, (uint32_t)number))
			return -ENOMEM;
	}
	return 0;
}

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
	g->follows = config->rules && mh_rules_have_tree(config->rules);
	g->is_new = true;
	g->raw = (struct mh_buf)MH_BUF_INIT(MH_RULES_NAME_BYTES);
	g->spelling = (struct mh_buf)MH_BUF_INIT(SPELLING_MAX);
	g->list = calloc(1, sizeof(*g->list));
	g->exits = calloc(1, sizeof(*g->exits));
	if (!g->list || !g->exits || expect_names(g)) {
		g->config.rules = NULL; /* the caller's still */
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
	free(g->seat);
	free(g->asked);
	free(g->departed);
	mh_index_done(&g->index);
	mh_index_done(&g->pids);
	mh_index_done(&g->departed_pids);
	mh_rules_free(g->config.rules);
	mh_users_done(&g->users);
	mh_buf_done(&g->raw);
	mh_buf_done(&g->spelling);
	free(g);
}

static uint32_t bound_of(const struct mh_groups *g, uint32_t slot)
{
	return slot < g->slots_cap ? g->seat[slot].bound : MH_IN_OTHER;
}

static void sum(struct mh_groups *g, const struct mh_snapshot *s)
{
	for (uint32_t i = 0; i < g->n_names; i++) {
		g->names[i].n_processes = 0;
		memset(g->names[i].value, 0, sizeof(g->names[i].value));
	}
	g->other = (struct mh_group){.name = MH_GROUP_OTHER, .name_len = strlen(MH_GROUP_OTHER)};
	mh_snapshot_for_each (s, slot) {
		uint32_t bound = bound_of(g, slot);
		uint32_t *n_processes = &g->other.n_processes;
		uint64_t *value = g->other.value, *oldest = &g->other.oldest_ticks;

		if (bound == MH_LEFT_OUT)
			continue;
		if (bound >= MH_FIRST_NAME) {
			n_processes = &g->names[bound - MH_FIRST_NAME].n_processes;
			value = g->names[bound - MH_FIRST_NAME].value;
			oldest = &g->names[bound - MH_FIRST_NAME].oldest_ticks;
		}
		if (!(*n_processes)++ || s->process[slot].id.start_ticks < *oldest)
			*oldest = s->process[slot].id.start_ticks;
		mh_fields_combine(value, s->process[slot].value);
	}
}

/* --- exits ------------------------------------------------------------------------------------ */

static void count_exit(struct mh_groups *g, uint32_t bound, const struct mh_process *p)
{
	struct mh_tally *t = bound >= MH_FIRST_NAME ? &g->names[bound - MH_FIRST_NAME].exits
						    : &g->other_exits;

	if (bound == MH_LEFT_OUT)
		return;
	mh_tally_add(t, 1, p->value[MH_FIELD_HWM]);
}

/* Before anybody new is bound: slots are still those of the gone. */
static int count_gone(struct mh_groups *g, const struct mh_snapshot *s)
{
	int rc = 0;

	mh_tally_begin(&g->other_exits, s->at.boot_ns);
	for (uint32_t i = 0; i < g->n_names; i++)
		mh_tally_begin(&g->names[i].exits, s->at.boot_ns);
	for (uint32_t i = 0; i < s->n_gone; i++) {
		uint32_t bound = bound_of(g, s->gone[i].slot);

		/* nobody was bound yet: it has its names, if not its kin */
		if (g->is_new && mh_groups_bind_brief(g, &s->gone[i].process, &bound))
			rc = -ENOMEM;
		count_exit(g, bound, &s->gone[i].process);
	}
	return rc;
}

/* After: they may descend from anybody. */
static int count_brief(struct mh_groups *g, const struct mh_snapshot *s)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->n_brief; i++) {
		uint32_t bound;

		if (mh_groups_bind_brief(g, &s->brief[i], &bound))
			rc = -ENOMEM;
		count_exit(g, bound, &s->brief[i]);
	}
	return rc;
}

static void list_exits_of(struct mh_groups *g, const char *name, size_t len,
			  const struct mh_tally *t, bool is_expected)
{
	if (t->total || is_expected)
		g->exits[g->n_exits++] = (struct mh_group_exits){
			.name = name,
			.name_len = (uint32_t)len,
			.total = t->total,
			.peak_pages = mh_tally_peak(t),
		};
}

/* Book what was counted in this update where the names have their places now. */
static void book_exits(struct mh_groups *g)
{
	for (uint32_t i = 0; i < g->n_names; i++) {
		struct mh_tally *t = &g->names[i].exits;

		if (g->names[i].text && !g->names[i].has_place)
			mh_tally_add(&g->other_exits, t->fresh, t->peak_pages);
	}
	for (uint32_t i = 0; i < g->n_places; i++)
		mh_tally_book(&g->names[g->place[i]].exits);
	mh_tally_book(&g->other_exits);
}

static void list_exits(struct mh_groups *g)
{
	g->n_exits = 0;
	for (uint32_t i = 0; i < g->n_places; i++) {
		const struct mh_group_name *name = &g->names[g->place[i]];

		list_exits_of(g, name->text, name->len, &name->exits, name->is_expected);
	}
	list_exits_of(g, MH_GROUP_OTHER, strlen(MH_GROUP_OTHER), &g->other_exits, false);
}

static void add_to_other(struct mh_groups *g, const struct mh_group_name *name)
{
	g->overflow++;
	if (!g->other.n_processes || name->oldest_ticks < g->other.oldest_ticks)
		g->other.oldest_ticks = name->oldest_ticks;
	g->other.n_processes += name->n_processes;
	mh_fields_combine(g->other.value, name->value);
}

static void list(struct mh_groups *g)
{
	g->n_list = 0;
	for (uint32_t i = 0; i < g->n_places; i++) {
		const struct mh_group_name *name = &g->names[g->place[i]];
		struct mh_group *group = &g->list[g->n_list];

		if (!name->n_processes && !name->is_expected)
			continue;
		group->name = name->text;
		group->name_len = name->len;
		group->n_processes = name->n_processes;
		group->oldest_ticks = name->oldest_ticks;
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
	int gone = count_gone(g, s);
	int bound = mh_groups_bind(g, s);
	int brief = count_brief(g, s);
	int places;

	/* whatever of this failed, every process is summed somewhere */
	g->is_new = false;
	sum(g, s);
	places = mh_places_update(g, s->at.boot_ns);
	list(g);
	book_exits(g);
	list_exits(g);
	return gone || bound || brief || places ? -ENOMEM : 0;
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

const char *mh_groups_of(const struct mh_groups *g, uint32_t slot)
{
	uint32_t bound = bound_of(g, slot);

	if (bound == MH_LEFT_OUT)
		return NULL;
	return bound >= MH_FIRST_NAME && g->names[bound - MH_FIRST_NAME].has_place
		       ? g->names[bound - MH_FIRST_NAME].text
		       : MH_GROUP_OTHER;
}

size_t mh_groups_room(const struct mh_groups *g)
{
	return 1 + (size_t)(g->n_expected > g->config.max_groups ? g->n_expected
								 : g->config.max_groups);
}

void mh_groups_continue(struct mh_groups *g, const struct mh_groups *old)
{
	for (uint32_t i = 0; i < old->n_places; i++) {
		const struct mh_group_name *was = &old->names[old->place[i]];
		int64_t number;

		mh_buf_clear(&g->spelling);
		mh_buf_add(&g->spelling, was->text, was->len);
		number = mh_groups_known_name(g);
		if (number >= 0)
			mh_tally_continue(&g->names[number].exits, &was->exits);
	}
	mh_tally_continue(&g->other_exits, &old->other_exits);
	list_exits(g);
}

uint64_t mh_groups_given_up(const struct mh_groups *g)
{
	return g->config.rules ? mh_rules_given_up(g->config.rules) : 0;
}

uint32_t mh_groups_overflow(const struct mh_groups *g)
{
	return g->overflow;
}
