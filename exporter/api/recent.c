/* The tables of processes and groups, and the lists of the largest and the fastest-growing. */
#include "exporter/api/recent.h"

#include "libmemhist/base/escape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 4 << 20 };

static const char PASSWD[] = "/etc/passwd";

int recent_new(struct recent **ret)
{
	struct recent *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->text = (struct mh_buf)MH_BUF_INIT(TEXT_MAX);
	*ret = r;
	return 0;
}

static void forget_group(struct recent *r, struct recent_group *g)
{
	track_end(&r->tracks, &g->track);
	free(g->name);
	*g = (struct recent_group){0};
}

/* Everything: what comes is of another boot. */
static void forget(struct recent *r)
{
	for (uint32_t i = 0; i < r->n_slots; i++) {
		track_end(&r->tracks, &r->process[i].track);
		r->process[i].id.pid = 0;
	}
	for (size_t i = 0; i < r->n_groups; i++)
		forget_group(r, &r->group[i]);
	r->n_groups = 0;
	r->tracks.n = 0;
}

void recent_free(struct recent *r)
{
	if (!r)
		return;
	forget(r);
	tracks_done(&r->tracks);
	free(r->process);
	free(r->group);
	free(r->next);
	mh_buf_done(&r->text);
	mh_users_done(&r->users);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void recent_lock(struct recent *r)
{
	pthread_mutex_lock(&r->lock);
}

void recent_unlock(struct recent *r)
{
	pthread_mutex_unlock(&r->lock);
}

void recent_write_id(struct mh_buf *out, const struct mh_identity *id)
{
	mh_buf_addu(out, id->pid);
	mh_buf_addc(out, '-');
	mh_buf_addu(out, id->start_ticks);
	if (id->twin) {
		mh_buf_addc(out, '-');
		mh_buf_addu(out, id->twin);
	}
}

/* --- processes -------------------------------------------------------------------------------- */

static int reserve_slots(struct recent *r, uint32_t n)
{
	struct recent_process *process;
	uint32_t cap = n + n / 8; /* few at a time are more */

	if (n <= r->n_slots)
		return 0;
	process = reallocarray(r->process, cap, sizeof(*process));
	if (!process)
		return -ENOMEM;
	memset(process + r->n_slots, 0, (cap - r->n_slots) * sizeof(*process));
	r->process = process;
	r->n_slots = cap;
	return 0;
}

static int update_processes(struct recent *r, const struct mh_snapshot *s)
{
	int rc = reserve_slots(r, s->n_slots);
	uint32_t n = s->n_slots < r->n_slots ? s->n_slots : r->n_slots;

	for (uint32_t slot = 0; slot < r->n_slots; slot++) {
		const struct mh_process *from = slot < n ? &s->process[slot] : NULL;
		struct recent_process *to = &r->process[slot];

		if (!from || !from->id.pid) {
			if (to->id.pid)
				track_end(&r->tracks, &to->track);
			to->id.pid = 0;
		} else if (mh_identity_same(&from->id, &to->id)) {
			track_set(&r->tracks, &to->track, from->value[MH_FIELD_RSS]);
		} else {
			track_end(&r->tracks, &to->track);
			to->id = from->id;
			track_begin(&r->tracks, &to->track, from->value[MH_FIELD_RSS]);
		}
	}
	return rc;
}

const struct recent_process *recent_find_process(const struct recent *r, uint32_t pid,
						 const struct mh_identity *id)
{
	for (uint32_t i = 0; pid && i < r->n_slots; i++)
		if (r->process[i].id.pid == pid && (!id || mh_identity_same(&r->process[i].id, id)))
			return &r->process[i];
	return NULL;
}

/* --- groups ----------------------------------------------------------------------------------- */

/* The order of mh_groups_list(): "other" is last. */
static int compare_names(const char *a, const char *b)
{
	bool is_a = !strcmp(a, MH_GROUP_OTHER), is_b = !strcmp(b, MH_GROUP_OTHER);

	return is_a != is_b ? (is_a ? 1 : -1) : strcmp(a, b);
}

static int reserve_groups(struct recent *r, size_t n)
{
	struct recent_group *next;

	if (n <= r->next_cap)
		return 0;
	next = reallocarray(r->next, n, sizeof(*next));
	if (!next)
		return -ENOMEM;
	r->next = next;
	r->next_cap = n;
	return 0;
}

static bool begin_group(const struct recent *r, struct recent_group *to,
			const struct mh_group *from)
{
	*to = (struct recent_group){.name = strdup(from->name)};
	if (!to->name)
		return false;
	track_begin(&r->tracks, &to->track, from->value[MH_FIELD_RSS]);
	return true;
}

/* Merge the groups of this sample with those of the one before: both are in order. */
static int update_groups(struct recent *r, const struct mh_group *list, size_t n)
{
	size_t old = 0, made = 0, cap = r->groups_cap;
	struct recent_group *group = r->group;
	int rc = reserve_groups(r, n);

	if (rc)
		n = n < r->next_cap ? n : r->next_cap;
	for (size_t i = 0; i < n; i++) {
		struct recent_group *to = &r->next[made];
		int order = -1;

		while (old < r->n_groups &&
		       (order = compare_names(r->group[old].name, list[i].name)) < 0)
			forget_group(r, &r->group[old++]);
		if (old < r->n_groups && !order) {
			*to = r->group[old++];
			track_set(&r->tracks, &to->track, list[i].value[MH_FIELD_RSS]);
		} else if (!begin_group(r, to, &list[i])) {
			rc = -ENOMEM;
			continue;
		}
		to->n_processes = list[i].n_processes;
		made++;
	}
	while (old < r->n_groups)
		forget_group(r, &r->group[old++]);
	r->group = r->next;
	r->groups_cap = r->next_cap;
	r->n_groups = made;
	r->next = group;
	r->next_cap = cap;
	return rc;
}

const struct recent_group *recent_find_group(const struct recent *r, const char *name)
{
	for (size_t i = 0; i < r->n_groups; i++)
		if (!strcmp(r->group[i].name, name))
			return &r->group[i];
	return NULL;
}

/* --- lists ------------------------------------------------------------------------------------ */

/* Places of the first of an order; sorted. */
struct ranking {
	double key[RECENT_TOP];
	uint32_t place[RECENT_TOP];
	size_t n;
};

/* The list is short and most do not get in: insertion is enough. Of equals the first stays first.
 */
static void rank(struct ranking *ranking, uint32_t place, double key)
{
	size_t i;

	if (ranking->n == RECENT_TOP && key <= ranking->key[RECENT_TOP - 1])
		return;
	if (ranking->n < RECENT_TOP)
		ranking->n++;
	for (i = ranking->n - 1; i > 0 && key > ranking->key[i - 1]; i--) {
		ranking->key[i] = ranking->key[i - 1];
		ranking->place[i] = ranking->place[i - 1];
	}
	ranking->key[i] = key;
	ranking->place[i] = place;
}

static void rank_track(const struct recent *r, struct ranking ranking[RECENT_ORDERS],
		       uint32_t place, const struct track *track)
{
	int64_t diff;
	double s;

	rank(&ranking[RECENT_BY_RSS], place, track->value);
	for (int w = 0; w < TRACK_WINDOWS; w++)
		if (track_growth(&r->tracks, track, w, &diff, &s) && diff > 0)
			rank(&ranking[RECENT_BY_GROWTH + w], place, (double)diff / s);
}

static void add_string(struct mh_buf *out, const char *member, const char *bytes, size_t len)
{
	mh_buf_printf(out, "\"%s\":\"", member);
	mh_escape_json(out, bytes, len);
	mh_buf_addc(out, '"');
}

static void write_process(struct recent *r, const struct source_item *item,
			  const struct mh_groups *groups, uint32_t slot)
{
	const struct mh_process *p = &item->snapshot->process[slot];
	const char *group = mh_groups_of(groups, slot), *user = mh_users_name(&r->users, p->uid);
	uint64_t start_ms = p->id.start_ticks / item->clk_tck * 1000 +
			    p->id.start_ticks % item->clk_tck * 1000 / item->clk_tck;

	mh_buf_adds(&r->text, "\"id\":\"");
	recent_write_id(&r->text, &p->id);
	mh_buf_printf(&r->text, "\",\"pid\":%u,", p->id.pid);
	add_string(&r->text, "comm", p->comm, p->comm_len);
	mh_buf_addc(&r->text, ',');
	if (group)
		add_string(&r->text, "group", group, strlen(group));
	else
		mh_buf_adds(&r->text, "\"group\":null");
	mh_buf_printf(&r->text, ",\"uid\":%u,", p->uid);
	if (user)
		add_string(&r->text, "user", user, strlen(user));
	else
		mh_buf_adds(&r->text, "\"user\":null");
	mh_buf_printf(&r->text, ",\"age_ms\":%llu",
		      (unsigned long long)(r->at.boot_ns / 1000000 > start_ms
						   ? r->at.boot_ns / 1000000 - start_ms
						   : 0));
}

static void list_processes(struct recent *r, const struct source_item *item,
			   const struct mh_groups *groups)
{
	struct ranking ranking[RECENT_ORDERS] = {0};

	mh_snapshot_for_each (item->snapshot, slot) {
		if (slot < r->n_slots)
			rank_track(r, ranking, slot, &r->process[slot].track);
	}
	for (int o = 0; o < RECENT_ORDERS; o++) {
		struct recent_list *list = &r->list[RECENT_PROCESSES][o];

		list->n = ranking[o].n;
		for (size_t i = 0; i < list->n; i++) {
			uint32_t slot = ranking[o].place[i], text = (uint32_t)r->text.len;

			write_process(r, item, groups, slot);
			list->row[i] = (struct recent_row){
				.text = text,
				.text_len = (uint32_t)(r->text.len - text),
				.track = &r->process[slot].track};
		}
	}
}

static void list_groups(struct recent *r)
{
	struct ranking ranking[RECENT_ORDERS] = {0};

	for (size_t i = 0; i < r->n_groups; i++)
		rank_track(r, ranking, (uint32_t)i, &r->group[i].track);
	for (int o = 0; o < RECENT_ORDERS; o++) {
		struct recent_list *list = &r->list[RECENT_GROUPS][o];

		list->n = ranking[o].n;
		for (size_t i = 0; i < list->n; i++) {
			const struct recent_group *g = &r->group[ranking[o].place[i]];
			uint32_t text = (uint32_t)r->text.len;

			add_string(&r->text, "name", g->name, strlen(g->name));
			mh_buf_printf(&r->text, ",\"processes\":%u", g->n_processes);
			list->row[i] = (struct recent_row){
				.text = text,
				.text_len = (uint32_t)(r->text.len - text),
				.track = &g->track};
		}
	}
}

int recent_update(struct recent *r, const struct source_item *item, const struct mh_groups *groups)
{
	const struct mh_snapshot *s = item->snapshot;
	const struct mh_group *list;
	size_t n = mh_groups_list(groups, &list);
	int rc, rc_groups;

	if (!mh_fields_have(s->fields, MH_FIELD_RSS))
		return 0;
	/* without the lock: a file may not answer. What cannot be read is shown as numbers */
	mh_users_read(&r->users, PASSWD);
	recent_lock(r);
	if (memcmp(&r->boot_id, &s->boot_id, sizeof(r->boot_id)) != 0 ||
	    s->at.boot_ns < r->at.boot_ns)
		forget(r);
	r->boot_id = s->boot_id;
	r->at = s->at;
	r->page_bytes = item->page_bytes;
	r->n_live = s->n_live;
	tracks_tick(&r->tracks, s->at);
	rc = update_processes(r, s);
	rc_groups = update_groups(r, list, n);
	mh_buf_clear(&r->text);
	list_processes(r, item, groups);
	list_groups(r);
	if (r->text.error) /* rows would have lost their words */
		memset(r->list, 0, sizeof(r->list));
	r->serial++;
	recent_unlock(r);
	return rc ? rc : rc_groups ? rc_groups : r->text.error;
}
