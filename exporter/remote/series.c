/*
 * Samples of snapshots. Invariants: each series that is kept anywhere is a reference to one of the
 * pool, and n_series counts them. A series that ends moves to `ended`; at the end of the round it
 * gets its marker there, unless somebody has it again.
 */
#include "exporter/remote/series_inner.h"

#include "exporter/metric_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool remote_grow(struct remote_maker *m, void **array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap : 64;
	void *bigger;

	if (n <= *cap)
		return true;
	while (more < n)
		more *= 2;
	bigger = reallocarray(*array, more, size);
	if (!bigger) {
		m->error = -ENOMEM;
		return false;
	}
	memset((char *)bigger + *cap * size, 0, (more - *cap) * size);
	*array = bigger;
	*cap = more;
	return true;
}

bool remote_have_series(struct remote_maker *m, struct remote_series **at,
			struct remote_family *family, size_t n)
{
	/* ours are at the end of their room, directly before the external ones */
	struct label own[OWN_LABELS_MAX], *begin = m->label + OWN_LABELS_MAX - n;

	if (*at)
		return true;
	if (m->n_series >= m->config.max_series)
		return false;
	memcpy(own, m->label, n * sizeof(*own));
	memmove(begin, own, n * sizeof(*own));
	*at = remote_series_get(m->pool, family, begin, n + m->config.n_labels);
	memcpy(m->label, own, n * sizeof(*own));
	if (*at)
		m->n_series++;
	else
		m->error = -ENOMEM;
	return *at;
}

void remote_end_series(struct remote_maker *m, struct remote_series **at)
{
	struct remote_series *series = *at;

	if (!series)
		return;
	*at = NULL;
	m->n_series--;
	if (series->is_live && remote_grow(m, (void **)&m->ended, &m->ended_cap, m->n_ended + 1,
					   sizeof(struct remote_series *)))
		m->ended[m->n_ended++] = series;
	else
		remote_series_put(m->pool, series);
}

/* Returns whether there was room. */
static bool add_item(struct remote_maker *m, struct remote_series *series, double value, mh_ms_t ms)
{
	if (m->n_items == m->items_cap &&
	    !remote_grow(m, (void **)&m->item, &m->items_cap, m->n_items + 1, sizeof(*m->item)))
		return false;
	remote_series_hold(series);
	m->item[m->n_items++] = (struct remote_item){series, value, ms};
	series->is_live = !remote_is_stale(value);
	series->last_ms = ms;
	return true;
}

void remote_add_sample(struct remote_maker *m, struct remote_series *series, double value)
{
	m->samples++;
	if (!m->how->is_silent)
		add_item(m, series, value, m->how->ms);
}

void remote_sample(struct remote_maker *m, struct remote_series **at, struct remote_family *family,
		   size_t n_labels, double value)
{
	if (remote_have_series(m, at, family, n_labels))
		remote_add_sample(m, *at, value);
	else if (!m->how->is_silent)
		m->left_out++;
}

/* Markers of those that have ended and that nobody has again. */
static void mark_ended(struct remote_maker *m, mh_ms_t ms)
{
	for (size_t i = 0; i < m->n_ended; i++) {
		if (m->ended[i]->is_live && m->ended[i]->last_ms < ms)
			add_item(m, m->ended[i], remote_stale(), ms);
		remote_series_put(m->pool, m->ended[i]);
	}
	m->n_ended = 0;
}

static bool make_families(struct remote_maker *m)
{
	struct remote_pool *pool = m->pool;
	struct metric_text text;
	bool ok = true;

	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		metric_of_field(&text, METRIC_OF_PROCESS, f, "");
		m->process[f] = remote_family_new(pool, text.name, METRIC_GAUGE, text.help);
		metric_of_field(&text, METRIC_OF_GROUP, f, metric_group_sentence(f));
		m->group[f] = remote_family_new(pool, text.name, METRIC_GAUGE, text.help);
		ok &= m->process[f] && m->group[f];
	}
	m->group[MH_FIELD_COUNT] = remote_family_new(pool, METRIC_GROUP_PROCESSES, METRIC_GAUGE,
						     METRIC_GROUP_PROCESSES_HELP);
	m->processes = remote_family_new(pool, METRIC_PROCESSES, METRIC_GAUGE,
					 METRIC_PROCESSES_HELP);
	ok &= m->group[MH_FIELD_COUNT] && m->processes;
	for (int i = 0; i < MH_COUNTER_COUNT; i++) {
		m->counter[i] = remote_family_new(pool, mh_counters[i].metric, METRIC_COUNTER,
						  mh_counters[i].help);
		ok &= m->counter[i] != NULL;
	}
	return ok;
}

static void free_families(struct remote_maker *m)
{
	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		remote_family_put(m->pool, m->process[f]);
		remote_family_put(m->pool, m->group[f]);
	}
	remote_family_put(m->pool, m->group[MH_FIELD_COUNT]);
	remote_family_put(m->pool, m->processes);
	for (int i = 0; i < MH_COUNTER_COUNT; i++)
		remote_family_put(m->pool, m->counter[i]);
}

/* The external labels, behind the room for our own. */
static int copy_labels(struct remote_maker *m, const struct remote_series_config *config)
{
	m->config.n_labels = 0;
	if (config->n_labels > REMOTE_LABELS_MAX - 1 - OWN_LABELS_MAX)
		return -EINVAL;
	m->label = calloc(OWN_LABELS_MAX + config->n_labels, sizeof(*m->label));
	for (size_t i = 0; m->label && i < config->n_labels; i++) {
		struct label *to = &m->label[OWN_LABELS_MAX + i];

		to->name = strdup(config->label[i].name);
		to->value = strdup(config->label[i].value);
		m->config.n_labels++;
		if (!to->name || !to->value)
			return -ENOMEM;
	}
	return m->label ? 0 : -ENOMEM;
}

/* Whether a series can be made with the external labels: 0 or -errno. */
static int try_labels(struct remote_maker *m)
{
	struct remote_series *series = remote_series_get(
		m->pool, m->processes, m->label + OWN_LABELS_MAX, m->config.n_labels);

	if (!series)
		return -errno;
	remote_series_put(m->pool, series);
	return 0;
}

int remote_maker_new(struct remote_maker **ret, struct remote_pool *pool,
		     const struct remote_series_config *config)
{
	struct remote_maker *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	m->pool = pool;
	m->config = *config;
	m->config.groups = NULL;
	if (!config->process_fields)
		m->config.process_fields = MH_FIELDS(RSS) | MH_FIELDS(VSZ);
	if (!config->group_fields)
		m->config.group_fields = MH_FIELDS_ALL;
	if (!config->max_series)
		m->config.max_series = REMOTE_MAX_SERIES;
	rc = copy_labels(m, config);
	if (!rc && !make_families(m))
		rc = -ENOMEM;
	if (!rc)
		rc = try_labels(m);
	if (rc) {
		remote_maker_free(m);
		return rc;
	}
	m->config.groups = config->groups;
	*ret = m;
	return 0;
}

/* All series end, wherever they are kept. */
static void end_all(struct remote_maker *m)
{
	remote_end_groups(m);
	remote_end_processes(m);
	remote_end_machine(m);
}

void remote_maker_free(struct remote_maker *m)
{
	if (!m)
		return;
	end_all(m);
	for (size_t i = 0; i < m->n_ended; i++)
		remote_series_put(m->pool, m->ended[i]);
	remote_maker_remove(m, m->n_items - m->removed);
	free_families(m);
	for (size_t i = 0; i < m->config.n_labels; i++) {
		free((char *)m->label[OWN_LABELS_MAX + i].name);
		free((char *)m->label[OWN_LABELS_MAX + i].value);
	}
	mh_groups_free(m->config.groups);
	free(m->label);
	free(m->item);
	free(m->ended);
	free(m->kept);
	free(m->largest);
	free(m->groups);
	free(m->next_groups);
	free(m);
}

int remote_maker_take(struct remote_maker *m, const struct remote_taking *how)
{
	m->how = how;
	m->round++;
	m->samples = 0;
	m->error = 0;
	remote_take_groups(m, how->snapshot);
	remote_take_processes(m, how->snapshot);
	remote_take_machine(m, how->snapshot);
	if (!how->is_silent)
		mark_ended(m, how->ms);
	m->how = NULL;
	return m->error;
}

/* A marker for each that lives; they stay where they are, and may go on. */
int remote_maker_end(struct remote_maker *m, mh_ms_t ms)
{
	m->error = 0;
	for (uint32_t i = 0; i < m->pool->n_series; i++) {
		struct remote_series *series = m->pool->series[i];

		if (series->is_live && series->last_ms < ms)
			add_item(m, series, remote_stale(), ms);
	}
	return m->error;
}

void remote_maker_rewind(struct remote_maker *m, mh_ms_t ms)
{
	for (uint32_t i = 0; i < m->pool->n_series; i++)
		m->pool->series[i]->last_ms = ms;
}

void remote_maker_resume(struct remote_maker *m, mh_ms_t ms, bool is_live)
{
	remote_maker_rewind(m, ms);
	for (uint32_t i = 0; i < m->pool->n_series; i++)
		m->pool->series[i]->is_live = is_live;
}

const struct remote_item *remote_maker_items(const struct remote_maker *m, size_t *ret_n)
{
	*ret_n = m->n_items - m->removed;
	return *ret_n ? m->item + m->removed : NULL;
}

void remote_maker_remove(struct remote_maker *m, size_t n)
{
	for (size_t i = m->removed; i < m->removed + n; i++)
		remote_series_put(m->pool, m->item[i].series);
	m->removed += n;
	if (m->removed == m->n_items)
		m->removed = m->n_items = 0;
}

void remote_maker_regroup(struct remote_maker *m, struct mh_groups *groups)
{
	mh_groups_free(m->config.groups);
	m->config.groups = groups;
}

uint32_t remote_maker_live(const struct remote_maker *m)
{
	return m->n_series;
}

uint64_t remote_maker_last(const struct remote_maker *m)
{
	return m->samples;
}

uint64_t remote_maker_left_out(const struct remote_maker *m)
{
	return m->left_out;
}
