/*
 * Series of groups and of the machine. Groups come sorted, but for "other", which is last: so those
 * that are gone and those that are new show when both lists are gone through side by side.
 */
#include "exporter/metric_text.h"
#include "exporter/remote/series_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void end_group(struct remote_maker *m, struct kept_group *group)
{
	for (int f = 0; f <= MH_FIELD_COUNT; f++)
		remote_end_series(m, &group->series[f]);
	mh_strpool_put(&m->pool->strings, group->name);
	group->name = NULL;
}

void remote_end_groups(struct remote_maker *m)
{
	for (size_t i = 0; i < m->n_groups; i++)
		end_group(m, &m->groups[i]);
	m->n_groups = 0;
}

/* As in mh_groups_list(). */
static int order(const char *a, const char *b)
{
	bool is_last = !strcmp(a, MH_GROUP_OTHER), is_other_last = !strcmp(b, MH_GROUP_OTHER);

	return is_last != is_other_last ? is_last - is_other_last : strcmp(a, b);
}

static bool is_the_same(const struct remote_maker *m, const struct mh_group *list, size_t n)
{
	for (size_t i = 0; i < n && i < m->n_groups; i++)
		if (strcmp(list[i].name, m->groups[i].name->bytes) != 0)
			return false;
	return n == m->n_groups;
}

static bool reserve_groups(struct remote_maker *m, size_t n)
{
	size_t cap = m->groups_cap;

	if (!remote_grow(m, (void **)&m->next_groups, &cap, n, sizeof(*m->groups)))
		return false;
	return remote_grow(m, (void **)&m->groups, &m->groups_cap, n, sizeof(*m->groups));
}

/* Keep those of the list: who is known goes on, who is not in it ends. */
static bool keep_groups(struct remote_maker *m, const struct mh_group *list, size_t n)
{
	struct kept_group *next;
	size_t known = 0, made = 0;

	if (is_the_same(m, list, n))
		return true;
	if (!reserve_groups(m, n > m->n_groups ? n : m->n_groups))
		return false;
	next = m->next_groups;
	for (size_t i = 0; i < n; i++) {
		while (known < m->n_groups && order(m->groups[known].name->bytes, list[i].name) < 0)
			end_group(m, &m->groups[known++]);
		if (known < m->n_groups && !strcmp(m->groups[known].name->bytes, list[i].name)) {
			next[made++] = m->groups[known++];
			continue;
		}
		next[made] = (struct kept_group){
			.name = mh_strpool_get(&m->pool->strings, list[i].name, list[i].name_len)};
		if (next[made].name)
			made++;
		else
			m->error = -ENOMEM;
	}
	while (known < m->n_groups)
		end_group(m, &m->groups[known++]);
	m->next_groups = m->groups;
	m->groups = next;
	m->n_groups = made;
	return made == n;
}

static void sample_group(struct remote_maker *m, struct kept_group *kept, const struct mh_group *g,
			 mh_fields_t fields)
{
	m->label[0] = (struct label){"group", kept->name->bytes};
	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		if (mh_fields[f].in_groups == MH_IN_GROUPS_NONE || !mh_fields_have(fields, f))
			remote_end_series(m, &kept->series[f]);
		else
			remote_sample(m, &kept->series[f], m->group[f], 1,
				      (double)mh_field_shown(f, g->value[f], m->how->page_bytes));
	}
	remote_sample(m, &kept->series[MH_FIELD_COUNT], m->group[MH_FIELD_COUNT], 1,
		      g->n_processes);
}

void remote_take_groups(struct remote_maker *m, const struct mh_snapshot *s)
{
	const struct mh_group *list;
	size_t n;

	if (!m->config.groups) {
		remote_end_groups(m);
		return;
	}
	if (mh_groups_update(m->config.groups, s))
		m->error = -ENOMEM;
	n = mh_groups_list(m->config.groups, &list);
	if (!keep_groups(m, list, n))
		return; /* without memory: again in the next round */
	for (size_t i = 0; i < n; i++)
		sample_group(m, &m->groups[i], &list[i], m->config.group_fields & s->fields);
}

static void end_meminfo(struct remote_maker *m)
{
	for (uint32_t i = 0; i < MH_MEMINFO_MAX; i++)
		remote_end_series(m, &m->line[i]);
	m->keys.n = 0;
}

void remote_end_machine(struct remote_maker *m)
{
	end_meminfo(m);
	remote_end_series(m, &m->count);
	for (int i = 0; i < MH_COUNTER_COUNT; i++)
		remote_end_series(m, &m->counted[i]);
}

/* The line's series; two lines may have one metric, and then the first counts. */
static void sample_line(struct remote_maker *m, uint32_t i, const struct mh_meminfo_line *line)
{
	struct remote_family *family = NULL;
	struct metric_text text;

	if (!m->line[i]) {
		metric_of_meminfo(&text, line);
		family = remote_family_new(m->pool, text.name, METRIC_GAUGE, text.help);
		if (!family) {
			m->error = -ENOMEM;
			return;
		}
	}
	if (!remote_have_series(m, &m->line[i], family, 0))
		m->left_out += !m->how->is_silent;
	else if (m->line[i]->last_ms != m->how->ms || m->how->is_silent)
		remote_add_sample(m, m->line[i], metric_meminfo_value(line));
	remote_family_put(m->pool, family);
}

static void take_meminfo(struct remote_maker *m, const struct mh_meminfo *meminfo)
{
	if (!meminfo || m->config.no_meminfo) {
		end_meminfo(m);
		return;
	}
	if (!mh_meminfo_same_keys(&m->keys, meminfo)) {
		end_meminfo(m);
		m->keys = *meminfo;
	}
	for (uint32_t i = 0; i < meminfo->n; i++)
		if (mh_meminfo_is_own(&meminfo->line[i]))
			sample_line(m, i, &meminfo->line[i]);
}

static void take_counters(struct remote_maker *m, const struct mh_meminfo *meminfo)
{
	uint64_t value;

	for (int i = 0; i < MH_COUNTER_COUNT; i++) {
		if (!meminfo || m->config.no_meminfo || !mh_counters_get(meminfo, i, &value)) {
			remote_end_series(m, &m->counted[i]);
			continue;
		}
		/* they count since the boot */
		if (remote_have_series(m, &m->counted[i], m->counter[i], 0))
			m->counted[i]->start_ms = m->how->boot_ms;
		remote_sample(m, &m->counted[i], m->counter[i], 0,
			      metric_counter_value(i, value, m->how->page_bytes));
	}
}

void remote_take_machine(struct remote_maker *m, const struct mh_snapshot *s)
{
	remote_sample(m, &m->count, m->processes, 0, s->n_live);
	take_meminfo(m, s->meminfo);
	take_counters(m, s->meminfo);
}
