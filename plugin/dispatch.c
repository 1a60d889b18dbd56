/* Values out: builds value lists from groups and meminfo; knows nothing of sampling or locks. */
#include "plugin/dispatch.h"

#include "libmemhist/model/counter.h"

#include "collectd.h"
#include "plugin.h"

/* What all values of one call have in common, and how many of them collectd refused. */
struct sender {
	value_list_t list;
	uint32_t refused;
};

static void sender_init(struct sender *s, mh_ms_t wall_ms)
{
	/* host and interval stay empty: collectd fills in its own */
	*s = (struct sender){.list = VALUE_LIST_INIT};
	s->list.time = MS_TO_CDTIME_T(wall_ms);
	snprintf(s->list.plugin, sizeof(s->list.plugin), "memhist");
}

static void set_instance(struct sender *s, const char *name)
{
	snprintf(s->list.plugin_instance, sizeof(s->list.plugin_instance), "%s", name);
}

static void hand_over(struct sender *s, const char *type, const char *type_instance,
		      value_t *values, size_t n)
{
	snprintf(s->list.type, sizeof(s->list.type), "%s", type);
	snprintf(s->list.type_instance, sizeof(s->list.type_instance), "%s", type_instance);
	s->list.values = values;
	s->list.values_len = n;
	s->refused += plugin_dispatch_values(&s->list) != 0;
}

static void gauge(struct sender *s, const char *type, const char *type_instance, double value)
{
	hand_over(s, type, type_instance, &(value_t){.gauge = value}, 1);
}

static int verdict(const struct sender *s, struct mh_err *err)
{
	return s->refused ? mh_errf(err, -EIO, "collectd refused %u values", s->refused) : 0;
}

static int check_type(const char *type, size_t n_values, struct mh_err *err)
{
	const data_set_t *set = plugin_get_ds(type);

	if (set && set->ds_num == n_values)
		return 0;
	return mh_errf(err, -ENOENT,
		       "collectd does not know its own type %s, values of it will be lost: add a "
		       "TypesDB line for the types.db that came with collectd",
		       type);
}

int dispatch_check_types(struct mh_err *err)
{
	int rc = 0;

	for (int f = 0; f < MH_FIELD_COUNT && !rc; f++)
		if (mh_fields[f].collectd_type[0])
			rc = check_type(mh_fields[f].collectd_type, 1, err);
	if (!rc)
		rc = check_type("ps_count", 2, err);
	if (!rc)
		rc = check_type("memory", 1, err);
	for (int i = 0; i < MH_COUNTER_COUNT && !rc; i++)
		rc = check_type(mh_counters[i].collectd_type, 1, err);
	return rc ? rc : check_type("count", 1, err);
}

static void group_values(struct sender *s, const struct mh_group *group, mh_fields_t fields,
			 uint32_t page_bytes)
{
	value_t count[] = {{.gauge = group->n_processes}, {.gauge = NAN}};

	set_instance(s, group->name);
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields[f].collectd_type[0] && fields & (mh_fields_t)1 << f)
			gauge(s, mh_fields[f].collectd_type, "",
			      (double)mh_field_shown(f, group->value[f], page_bytes));
	hand_over(s, "ps_count", "", count, 2);
}

int dispatch_groups(const struct mh_group *group, size_t n, mh_fields_t fields, uint32_t page_bytes,
		    mh_ms_t wall_ms, struct mh_err *err)
{
	struct sender s;

	sender_init(&s, wall_ms);
	for (size_t i = 0; i < n; i++)
		group_values(&s, &group[i], fields, page_bytes);
	return verdict(&s, err);
}

/* "MemTotal" -> "total", "SwapTotal" -> "swap_total": the instance already says that it is memory.
 */
static void name_line(char ret[MH_MEMINFO_WORDS_MAX + 1], const char *key)
{
	static const char prefix[] = "mem_";
	const size_t len = sizeof(prefix) - 1;

	mh_meminfo_words(ret, key);
	if (!strncmp(ret, prefix, len) && ret[len])
		memmove(ret, ret + len, strlen(ret + len) + 1);
}

static void counter_values(struct sender *s, const struct mh_meminfo *meminfo, uint32_t page_bytes)
{
	for (int i = 0; i < MH_COUNTER_COUNT; i++) {
		const struct mh_counter *c = &mh_counters[i];
		uint64_t value;

		if (!mh_counters_get(meminfo, i, &value))
			continue;
		if (c->unit == MH_COUNTER_PAGES)
			value *= page_bytes;
		else if (c->unit == MH_COUNTER_USEC)
			value /= 1000;
		hand_over(s, c->collectd_type, c->collectd_instance,
			  &(value_t){.derive = (derive_t)value}, 1);
	}
}

int dispatch_meminfo(const struct mh_meminfo *meminfo, uint32_t page_bytes, mh_ms_t wall_ms,
		     struct mh_err *err)
{
	char name[MH_MEMINFO_MAX][MH_MEMINFO_WORDS_MAX + 1];
	struct sender s;
	uint32_t n = 0;

	sender_init(&s, wall_ms);
	set_instance(&s, "meminfo");
	for (uint32_t i = 0; i < meminfo->n; i++) {
		const struct mh_meminfo_line *line = &meminfo->line[i];
		uint32_t same = 0;

		if (!mh_meminfo_is_own(line))
			continue;
		name_line(name[n], line->key);
		while (strcmp(name[same], name[n]) != 0)
			same++;
		if (same < n)
			continue;
		if (line->is_kib)
			gauge(&s, "memory", name[n++], (double)line->value * 1024);
		else
			gauge(&s, "count", name[n++], (double)line->value);
	}
	counter_values(&s, meminfo, page_bytes);
	return verdict(&s, err);
}
