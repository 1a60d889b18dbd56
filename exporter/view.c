/* Copying what scrapers need out of a snapshot. */
#include "exporter/view.h"

#include "libmemhist/base/escape.h"

#include <errno.h>

/* A change of (wall - boot) clock below this is jitter of reading them; above, a clock was set. */
enum { CLOCK_JITTER_MS = 50 };

/* A sample of a loaded machine may come so late. */
enum { GRACE_MS = 5000 };

static const char PASSWD[] = "/etc/passwd";

const struct view_window view_windows[MH_LEDGER_WINDOWS] = {{"1m", 60000}, {"15m", 900000}};

/* Groups that are kept: those that are there, and as many that are gone. */
static size_t max_kept(const struct view *v)
{
	return 2 * v->max_groups;
}

/* Bytes for the names of groups that are there, had exits and are kept, if all are different ones
 * and of the greatest length. */
static size_t names_room(size_t max_groups)
{
	return 4 * (max_groups + 1) * VIEW_GROUP_BYTES;
}

int view_new(struct view **ret, size_t max_groups, size_t max_largest)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	pthread_mutex_init(&v->lock, NULL);
	mh_errf(&v->reason, 0, "no sample was taken yet");
	v->max_groups = max_groups;
	v->max_processes = max_largest;
	/* one more than asked, since calloc(0) may be NULL */
	v->group = calloc(max_groups + 1, sizeof(*v->group));
	v->exits = calloc(max_groups + 1, sizeof(*v->exits));
	v->kept = calloc(max_kept(v) + 1, sizeof(*v->kept));
	v->names = malloc(names_room(max_groups));
	v->process = calloc(max_largest + 1, sizeof(*v->process));
	if (!v->group || !v->exits || !v->kept || !v->names || !v->process ||
	    shown_reserve(&v->shown, max_largest, 0)) {
		view_free(v);
		return -ENOMEM;
	}
	*ret = v;
	return 0;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	free(v->group);
	free(v->exits);
	free(v->kept);
	free(v->names);
	free(v->process);
	shown_done(&v->shown);
	mh_users_done(&v->users);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

/* Names are somewhere else now. */
static void move_names(struct view *v, char *names)
{
	memcpy(names, v->names, v->names_len);
	for (size_t i = 0; i < v->n_groups; i++)
		v->group[i].name = names + (v->group[i].name - v->names);
	for (size_t i = 0; i < v->n_exits; i++)
		v->exits[i].name = names + (v->exits[i].name - v->names);
	for (size_t i = 0; i < v->n_kept; i++)
		v->kept[i].name = names + (v->kept[i].name - v->names);
	free(v->names);
	v->names = names;
}

static int reserve_groups(struct view *v, size_t max_groups)
{
	struct view_group *group;
	struct view_exits *exits;
	struct view_kept *kept;
	char *names;

	if (max_groups <= v->max_groups)
		return 0;
	group = reallocarray(v->group, max_groups + 1, sizeof(*group));
	exits = reallocarray(v->exits, max_groups + 1, sizeof(*exits));
	kept = reallocarray(v->kept, 2 * max_groups + 1, sizeof(*kept));
	names = malloc(names_room(max_groups));
	if (group)
		v->group = group;
	if (exits)
		v->exits = exits;
	if (kept)
		v->kept = kept;
	if (!group || !exits || !kept || !names) {
		free(names);
		return -ENOMEM;
	}
	move_names(v, names);
	v->max_groups = max_groups;
	return 0;
}

static int reserve_processes(struct view *v, size_t max_chosen)
{
	const size_t max = v->shown.max_largest + max_chosen;
	struct view_process *process;

	/* first the room for what is copied, then for who is */
	if (max > v->max_processes) {
		process = reallocarray(v->process, max + 1, sizeof(*process));
		if (!process)
			return -ENOMEM;
		v->process = process;
		v->max_processes = max;
	}
	return shown_reserve(&v->shown, 0, max_chosen);
}

int view_reserve(struct view *v, size_t max_groups, size_t max_chosen)
{
	int groups, processes;

	view_lock(v);
	groups = reserve_groups(v, max_groups);
	processes = reserve_processes(v, max_chosen);
	view_unlock(v);
	return groups ? groups : processes;
}

void view_lock(struct view *v)
{
	pthread_mutex_lock(&v->lock);
}

void view_unlock(struct view *v)
{
	pthread_mutex_unlock(&v->lock);
}

/* The name of a process or program, spelled as group names are. */
static void spell_name(char ret[VIEW_NAME_BYTES], const char *bytes, size_t len)
{
	/* a buffer over the array that is never full, so never grown: each byte becomes at most
	 * three, of VIEW_NAME_BYTES - 1 */
	struct mh_buf out = {.data = ret, .cap = VIEW_NAME_BYTES, .max = VIEW_NAME_BYTES - 1};

	if (!len)
		mh_buf_adds(&out, MH_GROUP_UNNAMED);
	mh_escape_utf8(&out, bytes, len < MH_COMM_MAX ? len : MH_COMM_MAX);
	ret[out.len] = '\0';
}

/* A path; "" when it is not known. */
static void spell_path(char ret[VIEW_PATH_BYTES], const struct mh_pooled *path)
{
	struct mh_buf out = {.data = ret, .cap = VIEW_PATH_BYTES, .max = VIEW_PATH_BYTES - 1};

	if (path)
		mh_escape_utf8(&out, path->bytes,
			       path->len < VIEW_PATH_MAX ? path->len : VIEW_PATH_MAX);
	ret[out.len] = '\0';
}

static void spell_user(const struct view *v, char ret[VIEW_NAME_BYTES], uint32_t uid)
{
	const char *name = mh_users_name(&v->users, uid);

	if (name)
		spell_name(ret, name, strlen(name));
	else
		snprintf(ret, VIEW_NAME_BYTES, "%u", uid);
}

static void copy_values(uint64_t ret_shown[MH_FIELD_COUNT], const uint64_t value[MH_FIELD_COUNT],
			uint32_t page_bytes)
{
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		ret_shown[f] = mh_field_shown(f, value[f], page_bytes);
}

/* The wall time of the boot, the same from sample to sample unless the clock was set: a start time
 * must not change for the jitter of reading two clocks. Unsigned, since a history that is followed
 * may hold any numbers. */
static void note_boot_time(struct view *v, struct mh_instant at)
{
	uint64_t boot_ms = (uint64_t)at.wall_ms - at.boot_ns / 1000000;

	if (boot_ms - (uint64_t)v->boot_ms + CLOCK_JITTER_MS > 2 * CLOCK_JITTER_MS)
		v->boot_ms = (mh_ms_t)boot_ms;
}

static mh_ms_t start_time(const struct view *v, uint64_t ticks, uint32_t clk_tck)
{
	uint64_t ms = ticks / clk_tck * 1000 + ticks % clk_tck * 1000 / clk_tck;

	return (mh_ms_t)((uint64_t)v->boot_ms + ms);
}

/* There is room: names_room(). */
static const char *add_name(struct view *v, const char *name)
{
	size_t len = strnlen(name, MH_GROUP_NAME_MAX);
	char *copy = v->names + v->names_len;

	memcpy(copy, name, len);
	copy[len] = '\0';
	v->names_len += len + 1;
	return copy;
}

/* The order of groups: by bytes, "other" behind all. */
static bool is_before(const char *a, const char *b)
{
	int order = strcmp(a, b);

	return order &&
	       (!strcmp(b, MH_GROUP_OTHER) || (order < 0 && strcmp(a, MH_GROUP_OTHER) != 0));
}

/* The name of a group in a list that is sorted as `group` is, of which *at is how far it was looked
 * at. Names that are there already are not copied once more. */
static const char *find_name(struct view *v, const char *name, size_t *at, uint32_t *ret_group)
{
	while (*at < v->n_groups && is_before(v->group[*at].name, name))
		++*at;
	if (*at < v->n_groups && !strcmp(v->group[*at].name, name)) {
		*ret_group = (uint32_t)*at;
		return v->group[*at].name;
	}
	*ret_group = VIEW_NO_GROUP;
	return add_name(v, name);
}

/* After note_boot_time(). */
static void copy_groups(struct view *v, const struct view_facts *facts,
			const struct source_item *item)
{
	v->n_groups = facts->n_groups < v->max_groups ? facts->n_groups : v->max_groups;
	v->names_len = 0;
	for (size_t i = 0; i < v->n_groups; i++) {
		const struct mh_group *from = &facts->group[i];

		v->group[i].name = add_name(v, from->name);
		v->group[i].n_processes = from->n_processes;
		v->group[i].oldest_ms = start_time(v, from->oldest_ticks, item->clk_tck);
		copy_values(v->group[i].shown, from->value, item->page_bytes);
	}
	v->groups_in_other = facts->groups_in_other;
	v->groups_given_up = facts->groups ? mh_groups_given_up(facts->groups) : 0;
}

/* After copy_groups(). */
static void copy_exits(struct view *v, const struct view_facts *facts, uint32_t page_bytes)
{
	size_t at = 0;

	v->n_exits = facts->n_exits < v->max_groups ? facts->n_exits : v->max_groups;
	for (size_t i = 0; i < v->n_exits; i++) {
		const struct mh_group_exits *from = &facts->exits[i];

		v->exits[i].name = find_name(v, from->name, &at, &v->exits[i].group);
		v->exits[i].total = from->total;
		v->exits[i].peak_bytes = mh_field_shown(MH_FIELD_HWM, from->peak_pages, page_bytes);
	}
}

/* After copy_groups(). */
static void copy_kept(struct view *v, const struct view_facts *facts, uint32_t page_bytes)
{
	size_t at = 0;

	v->n_kept = facts->n_kept < max_kept(v) ? facts->n_kept : max_kept(v);
	v->totals = facts->totals ? *facts->totals : (struct mh_ledger_totals){.seconds = 0};
	for (size_t i = 0; i < v->n_kept; i++) {
		const struct mh_ledger_group *from = &facts->kept[i];
		struct view_kept *to = &v->kept[i];

		to->name = find_name(v, from->name, &at, &to->group);
		to->byte_seconds = from->page_seconds * page_bytes;
		for (int w = 0; w < MH_LEDGER_WINDOWS; w++) {
			to->candle[w] = from->candle[w];
			to->candle[w].open *= page_bytes;
			to->candle[w].high *= page_bytes;
			to->candle[w].low *= page_bytes;
			to->candle[w].close *= page_bytes;
		}
	}
}

/* The group that the process in this slot is summed in. */
static void find_group(const struct view_facts *facts, char ret[VIEW_GROUP_BYTES], uint32_t slot)
{
	const char *name = facts->groups ? mh_groups_of(facts->groups, slot) : NULL;

	snprintf(ret, VIEW_GROUP_BYTES, "%s", name ? name : "");
}

/* After copy_groups() and note_boot_time(). */
static void copy_processes(struct view *v, const struct source_item *item,
			   const struct view_facts *facts)
{
	const struct mh_snapshot *s = item->snapshot;

	v->n_processes = v->shown.n;
	v->chosen_left_out += v->shown.n_left_out;
	v->choice_given_up = facts->choice ? mh_choice_given_up(facts->choice) : 0;
	for (size_t i = 0; i < v->n_processes; i++) {
		const struct mh_process *from = &s->process[v->shown.slot[i]];
		struct view_process *to = &v->process[i];

		to->pid = from->id.pid;
		spell_name(to->comm, from->comm, from->comm_len);
		find_group(facts, to->group, v->shown.slot[i]);
		spell_user(v, to->user, from->uid);
		spell_path(to->exe, from->exe);
		spell_path(to->cgroup, from->cgroup);
		to->start_ms = start_time(v, from->id.start_ticks, item->clk_tck);
		copy_values(to->shown, from->value, item->page_bytes);
	}
}

/* After copy_groups(). */
static void copy_pss(struct view *v, const struct source_item *item, const struct view_facts *facts)
{
	v->n_pss = 0;
	for (size_t i = 0; i < item->n_pss && v->n_pss < MH_PSS_MAX; i++) {
		const struct mh_pss_value *from = &item->pss[i];
		const struct mh_process *process = &item->snapshot->process[from->slot];
		int64_t age_ns = (int64_t)(v->at.boot_ns - from->read_ns);
		struct view_pss *to = &v->pss[v->n_pss];

		if (!from->has)
			continue;
		v->n_pss++;
		to->pid = from->id.pid;
		spell_name(to->comm, process->comm, process->comm_len);
		find_group(facts, to->group, from->slot);
		to->pss_bytes = from->pss_bytes;
		to->uss_bytes = from->uss_bytes;
		to->has_swap = from->has_swap;
		to->swap_pss_bytes = from->swap_pss_bytes;
		/* it may be read a moment after the others */
		to->age_s = age_ns > 0 ? (double)age_ns / 1e9 : 0;
	}
}

void view_update(struct view *v, const struct source_item *item, const struct view_facts *facts)
{
	const struct mh_snapshot *s = item->snapshot;

	/* without the lock: a file may not answer. What cannot be read is shown as numbers */
	if (v->max_processes)
		mh_users_read(&v->users, PASSWD);
	shown_pick(&v->shown, s, facts->choice, item->page_bytes);
	view_lock(v);
	v->serial++;
	v->up = true;
	v->source = facts->source;
	v->missed = facts->missed;
	v->updated_ns = facts->now_ns;
	v->at = s->at;
	v->fields = s->fields;
	v->partial = s->partial;
	v->collect_us = s->collect_us;
	v->n_live = s->n_live;
	v->page_bytes = item->page_bytes;
	note_boot_time(v, s->at);
	copy_groups(v, facts, item);
	copy_exits(v, facts, item->page_bytes);
	copy_kept(v, facts, item->page_bytes);
	copy_processes(v, item, facts);
	copy_pss(v, item, facts);
	v->has_meminfo = s->meminfo != NULL;
	if (s->meminfo)
		v->meminfo = *s->meminfo;
	view_unlock(v);
}

void view_refresh(struct view *v, const struct view_facts *facts)
{
	view_lock(v);
	v->serial++;
	v->source = facts->source;
	view_unlock(v);
}

void view_fail(struct view *v, const struct mh_err *reason, const struct view_facts *facts)
{
	view_lock(v);
	v->serial++;
	v->up = false;
	v->reason = *reason;
	v->source = facts->source;
	v->missed = facts->missed;
	view_unlock(v);
}

void view_note_config(struct view *v, bool good, mh_ms_t now_ms)
{
	view_lock(v);
	v->serial++;
	v->is_config_good = good;
	if (good)
		v->config_ms = now_ms;
	view_unlock(v);
}

void view_note_web(struct view *v, bool good, mh_ms_t now_ms)
{
	view_lock(v);
	v->serial++;
	v->has_web = true;
	v->is_web_good = good;
	if (good)
		v->web_ms = now_ms;
	view_unlock(v);
}

bool view_expire(struct view *v, mh_boot_ns_t now_ns)
{
	uint64_t limit_ns = (v->source.stale_after_ms + GRACE_MS) * 1000000;

	/* not a difference: an update may have come after the caller read its clock */
	if (!v->up || now_ns <= v->updated_ns + limit_ns)
		return false;
	v->serial++;
	v->up = false;
	mh_errf(&v->reason, 0, "no sample for more than %llu s: sampling hangs",
		(unsigned long long)(limit_ns / 1000000000));
	return true;
}
