/*
 * The ledger. Groups come sorted and are kept sorted, so that an update is one walk along both
 * lists; a new name is merged in from behind.
 *
 * Invariants, between updates:
 *   - `group` is in the order of compare(); no two names are equal.
 *   - totals.window[i] is the window of all candle[i], current[i] that of all begun[i].
 */
#include "libmemhist/view/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_HOLD_MS = 3600 * 1000, FIRST_CAP = 64 };

struct mh_ledger {
	struct mh_ledger_config config;
	struct mh_ledger_group *group;
	size_t n, cap;
	struct mh_ledger_totals totals;
	struct mh_ledger_window current[MH_LEDGER_WINDOWS];
	uint64_t updates;
	mh_boot_ns_t last_ns; /* the update before */
	bool regrouped;       /* since then */
};

/* What an update is about. */
struct round {
	const struct mh_snapshot *snapshot;
	bool continues; /* the snapshot before was the one due before */
	bool marks;     /* marks that moved, moved since the snapshot before */
	double seconds; /* since then; 0 over a gap */
};

int mh_ledger_new(struct mh_ledger **ret, const struct mh_ledger_config *config)
{
	struct mh_ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->config = *config;
	if (!l->config.hold_ms)
		l->config.hold_ms = DEFAULT_HOLD_MS;
	*ret = l;
	return 0;
}

void mh_ledger_free(struct mh_ledger *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->group[i].own_name);
	free(l->group);
	free(l);
}

static bool is_other(const char *name)
{
	return !strcmp(name, MH_GROUP_OTHER);
}

/* In byte order, "other" behind all. */
static int compare(const char *a, const char *b)
{
	int order = strcmp(a, b);

	return !order ? 0 : is_other(a) ? 1 : is_other(b) ? -1 : order;
}

/* --- windows ---------------------------------------------------------------------------------- */

static void end_window(struct mh_ledger *l, int w)
{
	if (!l->current[w].samples)
		return;
	l->totals.window[w] = l->current[w];
	for (size_t i = 0; i < l->n; i++) {
		l->group[i].candle[w] = l->group[i].begun[w];
		l->group[i].begun[w].samples = 0;
	}
}

static void enter_windows(struct mh_ledger *l, mh_ms_t wall_ms)
{
	for (int w = 0; w < MH_LEDGER_WINDOWS; w++) {
		struct mh_ledger_window *current = &l->current[w];

		if (!l->config.window_ms[w])
			continue;
		if (!current->samples || wall_ms < current->start_ms ||
		    wall_ms >= current->end_ms) {
			end_window(l, w);
			*current = (struct mh_ledger_window){.samples = 0};
			mh_window(wall_ms, l->config.window_ms[w], l->config.utc,
				  &current->start_ms, &current->end_ms);
		}
		current->samples++;
	}
}

static void add_sample(struct mh_candle *candle, const struct mh_ledger_window *window,
		       uint64_t pages, uint64_t mark)
{
	uint64_t high = mark > pages ? mark : pages;

	if (!candle->samples)
		*candle = (struct mh_candle){.start_ms = window->start_ms,
					     .end_ms = window->end_ms,
					     .open = pages,
					     .high = high,
					     .low = pages};
	if (high > candle->high)
		candle->high = high;
	if (pages < candle->low)
		candle->low = pages;
	candle->close = pages;
	candle->samples++;
}

/* --- groups ----------------------------------------------------------------------------------- */

static void enter(struct mh_ledger *l, struct mh_ledger_group *entry, const struct mh_group *group,
		  const struct round *round)
{
	uint64_t pages = group->value[MH_FIELD_RSS], mark = group->value[MH_FIELD_HWM];
	bool was_there = round->continues && entry->update + 1 == l->updates;
	bool moved = was_there && round->marks && mark > entry->mark && !is_other(group->name);

	if (was_there)
		entry->page_seconds += (double)entry->pages * round->seconds;
	for (int w = 0; w < MH_LEDGER_WINDOWS; w++)
		if (l->config.window_ms[w])
			add_sample(&entry->begun[w], &l->current[w], pages, moved ? mark : 0);
	entry->pages = pages;
	entry->mark = mark;
	entry->update = l->updates;
	entry->seen_ns = round->snapshot->at.boot_ns;
}

/* A group that ended has had its memory until now, for all that is known. */
static void leave(struct mh_ledger *l, struct mh_ledger_group *entry, const struct round *round)
{
	if (round->continues && entry->update + 1 == l->updates)
		entry->page_seconds += (double)entry->pages * round->seconds;
}

/* Enter those that have an entry. Returns how many have none. */
static size_t enter_known(struct mh_ledger *l, const struct round *round,
			  const struct mh_group *group, size_t n)
{
	size_t e = 0, missing = 0;

	for (size_t i = 0; i < n; i++) {
		int order = 1;

		while (e < l->n && (order = compare(l->group[e].name, group[i].name)) < 0)
			leave(l, &l->group[e++], round);
		if (e < l->n && !order)
			enter(l, &l->group[e++], &group[i], round);
		else
			missing++;
	}
	while (e < l->n)
		leave(l, &l->group[e++], round);
	return missing;
}

/* Those that are not there now: all of them, or those that have been gone for long. */
static void forget(struct mh_ledger *l, mh_boot_ns_t now, bool all)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct mh_ledger_group *entry = &l->group[i];
		bool is_there = entry->update == l->updates;
		/* of another boot, whose clock says nothing of the time since */
		bool is_old = now < entry->seen_ns ||
			      (now - entry->seen_ns) / 1000000 >= (uint64_t)l->config.hold_ms;

		if (is_there || (!all && !is_old))
			l->group[kept++] = *entry;
		else
			free(entry->own_name);
	}
	l->n = kept;
}

static int reserve(struct mh_ledger *l, size_t n)
{
	size_t cap = l->cap ? l->cap : FIRST_CAP;
	struct mh_ledger_group *bigger;

	if (n <= l->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	bigger = reallocarray(l->group, cap, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	l->group = bigger;
	l->cap = cap;
	return 0;
}

/* Close the hole at [to, from) that missing entries left, and the rest moves down. */
static void close_hole(struct mh_ledger *l, size_t to, size_t from)
{
	memmove(&l->group[to], &l->group[from], (l->n - from) * sizeof(*l->group));
	l->n -= from - to;
}

/* Merge entries for the `missing` groups in, from behind. */
static int enter_new(struct mh_ledger *l, const struct round *round, const struct mh_group *group,
		     size_t n, size_t missing)
{
	size_t old = l->n, to;
	int rc = reserve(l, l->n + missing);

	if (rc)
		return rc;
	to = l->n += missing;
	while (to > old) {
		struct mh_ledger_group *entry;
		int order = old ? compare(l->group[old - 1].name, group[n - 1].name) : -1;

		if (order > 0) {
			l->group[--to] = l->group[--old];
			continue;
		}
		n--;
		if (!order) {
			l->group[--to] = l->group[--old];
			continue;
		}
		entry = &l->group[--to];
		*entry = (struct mh_ledger_group){.own_name = strdup(group[n].name)};
		entry->name = entry->own_name;
		if (!entry->own_name) {
			close_hole(l, old, to + 1);
			return -ENOMEM;
		}
		enter(l, entry, &group[n], round);
	}
	return 0;
}

static struct round begin_round(const struct mh_ledger *l, const struct mh_snapshot *s)
{
	/* of any kind: where the clock was set, that hides whether snapshots are missing, too */
	const bool missed = s->gap.kind != MH_GAP_NONE;
	struct round round = {.snapshot = s};

	round.continues = l->updates && !s->first && !missed && s->at.boot_ns >= l->last_ns;
	round.marks = round.continues && mh_fields_have(s->fields, MH_FIELD_HWM) &&
		      !mh_fields_have(s->lagging, MH_FIELD_HWM) && !s->n_renamed && !l->regrouped;
	round.seconds = round.continues ? (double)(s->at.boot_ns - l->last_ns) / 1e9 : 0;
	return round;
}

int mh_ledger_update(struct mh_ledger *l, const struct mh_snapshot *s, const struct mh_group *group,
		     size_t n)
{
	struct round round = begin_round(l, s);
	size_t missing;
	int rc = 0;

	l->regrouped = false;
	l->updates++;
	l->last_ns = s->at.boot_ns;
	l->totals.seconds += round.seconds;
	if (n > l->config.max_groups)
		n = l->config.max_groups;
	enter_windows(l, s->at.wall_ms);
	missing = enter_known(l, &round, group, n);
	if (n - missing < l->n)
		forget(l, s->at.boot_ns, l->n + missing > l->config.max_groups);
	if (missing)
		rc = enter_new(l, &round, group, n, missing);
	return rc;
}

void mh_ledger_regroup(struct mh_ledger *l, uint32_t max_groups)
{
	l->config.max_groups = max_groups;
	l->regrouped = true;
}

size_t mh_ledger_list(const struct mh_ledger *l, const struct mh_ledger_group **ret)
{
	*ret = l->group;
	return l->n;
}

const struct mh_ledger_totals *mh_ledger_totals(const struct mh_ledger *l)
{
	return &l->totals;
}
