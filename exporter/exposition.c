/*
 * The list of metrics, in the order of the page: what the exporter knows of itself and of its
 * sampling first, then the machine, groups, and single processes, so that a limit of series cuts
 * the finest off.
 */
#include "exporter/exposition.h"

#include "exporter/exposition_source.h"
#include "exporter/exposition_windows.h"
#include "exporter/remote/remote.h"
#include "exporter/metric_text.h"

static void gauge(struct families *out, const char *name, const char *help, double value)
{
	families_single(out, name, METRIC_GAUGE, help, value);
}

static void field_family(struct families *out, const char *of, int field, const char *sentence)
{
	struct metric_text text;

	metric_of_field(&text, of, field, sentence);
	families_begin(out, text.name, METRIC_GAUGE, text.help);
}

static uint32_t group_labels(struct families *out, const char *name)
{
	return families_labels(out, &(struct label){"group", name}, 1);
}

/* `first`: labels of the groups, one after the other. */
static void write_groups(struct families *out, const struct view *v, uint32_t first)
{
	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		if (!mh_fields_have(v->fields, f) || mh_fields[f].in_groups == MH_IN_GROUPS_NONE)
			continue;
		field_family(out, METRIC_OF_GROUP, f, metric_group_sentence(f));
		for (uint32_t i = 0; i < v->n_groups; i++)
			families_add(out, first + i, (double)v->group[i].shown[f]);
	}
	families_begin(out, METRIC_GROUP_PROCESSES, METRIC_GAUGE, METRIC_GROUP_PROCESSES_HELP);
	for (uint32_t i = 0; i < v->n_groups; i++)
		families_add(out, first + i, v->group[i].n_processes);
	families_begin(out, "memhist_group_oldest_start_time_seconds", METRIC_GAUGE,
		       "When the oldest of the group's live processes started, in seconds since "
		       "1970.");
	for (uint32_t i = 0; i < v->n_groups; i++)
		if (v->group[i].n_processes)
			families_add(out, first + i, (double)v->group[i].oldest_ms / 1e3);
	gauge(out, "memhist_groups_in_other",
	      "Groups that are not shown; their processes are in group \"other\".",
	      v->groups_in_other);
	families_single(out, "memhist_group_rules_given_up_total", METRIC_COUNTER,
			"Times that a regular expression of process_names took too long for a "
			"command line: that process may be in another group.",
			(double)v->groups_given_up);
}

static void write_exits(struct families *out, const struct view *v, uint32_t first)
{
	uint32_t gone = out->n_sets, next = gone;

	for (size_t i = 0; i < v->n_exits; i++)
		if (v->exits[i].group == VIEW_NO_GROUP)
			group_labels(out, v->exits[i].name);
	families_begin(out, "memhist_group_exits_total", METRIC_COUNTER,
		       "Processes of the group that ended. Where the kernel reports exits, those "
		       "that began and ended between two samples too, but for those too many, "
		       "which memhist_sampler_exits_unlisted_total counts without a group.");
	for (size_t i = 0; i < v->n_exits; i++)
		families_add(out, exposition_set_of(first, v->exits[i].group, &next),
			     (double)v->exits[i].total);
	if (!mh_fields_have(v->fields, MH_FIELD_HWM))
		return;
	families_begin(out, "memhist_group_exited_peak_bytes", METRIC_GAUGE,
		       "Highest peak of resident memory among the group's processes that ended "
		       "within the last minute or two.");
	next = gone;
	for (size_t i = 0; i < v->n_exits; i++) {
		uint32_t set = exposition_set_of(first, v->exits[i].group, &next);

		if (v->exits[i].peak_bytes)
			families_add(out, set, (double)v->exits[i].peak_bytes);
	}
}

static uint32_t process_labels(struct families *out, uint32_t pid, const char *group,
			       const char *comm)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", pid);
	return families_labels(
		out, (const struct label[]){{"pid", text}, {"group", group}, {"comm", comm}}, 3);
}

/* What would make every series of a process another one when it changes has one of its own. */
static void write_process_info(struct families *out, const struct view *v)
{
	families_begin(out, "memhist_process_info", METRIC_INFO,
		       "Always 1; says whose process it is, and where it is from. Empty: not "
		       "known.");
	for (size_t i = 0; i < v->n_processes; i++) {
		const struct view_process *p = &v->process[i];
		char pid[16];
		const struct label label[] = {{"pid", pid},      {"group", p->group},
					      {"comm", p->comm}, {"user", p->user},
					      {"exe", p->exe},   {"cgroup", p->cgroup}};

		snprintf(pid, sizeof(pid), "%u", p->pid);
		families_add(out, families_labels(out, label, 6), 1);
	}
}

static void write_processes(struct families *out, const struct view *v)
{
	uint32_t first = out->n_sets;

	for (size_t i = 0; i < v->n_processes; i++)
		process_labels(out, v->process[i].pid, v->process[i].group, v->process[i].comm);
	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		if (!mh_fields_have(v->fields, f))
			continue;
		field_family(out, METRIC_OF_PROCESS, f,
			     "Of the largest processes and those of export_processes.");
		for (uint32_t i = 0; i < v->n_processes; i++)
			families_add(out, first + i, (double)v->process[i].shown[f]);
	}
	families_begin(out, "memhist_process_start_time_seconds", METRIC_GAUGE,
		       "When the process started, in seconds since 1970; another value under the "
		       "same pid is another process.");
	for (uint32_t i = 0; i < v->n_processes; i++)
		families_add(out, first + i, (double)v->process[i].start_ms / 1e3);
	write_process_info(out, v);
	families_single(out, "memhist_export_processes_left_out_total", METRIC_COUNTER,
			"Processes that export_processes chooses and that are not shown, being "
			"more than 1000, over all samples.",
			(double)v->chosen_left_out);
	families_single(out, "memhist_export_processes_given_up_total", METRIC_COUNTER,
			"Times that a regular expression of export_processes took too long for a "
			"command line: that process may be missing.",
			(double)v->choice_given_up);
}

static void write_pss(struct families *out, const struct view *v)
{
	enum { PSS, USS, SWAP, AGE, FAMILIES };
	static const struct {
		const char *name, *help;
	} family[FAMILIES] = {{"memhist_process_proportional_memory_bytes",
			       "Proportional set size: each page divided among those who map it."},
			      {"memhist_process_unique_memory_bytes",
			       "Unique set size: memory that only this process maps."},
			      {"memhist_process_proportional_swap_bytes",
			       "Swapped out memory, each page divided among those who have it."},
			      {"memhist_process_proportional_age_seconds",
			       "How old the proportional and unique figures are in this sample."}};
	uint32_t first = out->n_sets;

	for (size_t i = 0; i < v->n_pss; i++)
		process_labels(out, v->pss[i].pid, v->pss[i].group, v->pss[i].comm);
	for (int f = 0; f < FAMILIES; f++) {
		families_begin(out, family[f].name, METRIC_GAUGE, family[f].help);
		for (uint32_t i = 0; i < v->n_pss; i++) {
			const struct view_pss *p = &v->pss[i];
			const double value[FAMILIES] = {(double)p->pss_bytes, (double)p->uss_bytes,
							(double)p->swap_pss_bytes, p->age_s};

			if (f != SWAP || p->has_swap)
				families_add(out, first + i, value[f]);
		}
	}
}

static void write_meminfo(struct families *out, const struct view *v)
{
	char name[MH_MEMINFO_MAX][METRIC_NAME_MAX + 1];
	uint32_t n = 0;

	for (uint32_t i = 0; i < v->meminfo.n; i++) {
		const struct mh_meminfo_line *line = &v->meminfo.line[i];
		struct metric_text text;
		uint32_t same = 0;

		if (!mh_meminfo_is_own(line))
			continue;
		metric_of_meminfo(&text, line);
		memcpy(name[n], text.name, sizeof(text.name));
		/* the kernel has no two keys alike, but a tree that is not from the kernel may */
		while (strcmp(name[same], name[n]) != 0)
			same++;
		if (same < n)
			continue;
		gauge(out, name[n++], text.help, metric_meminfo_value(line));
	}
}

/* Counters that this memhist does not know are those of a newer one's history. */
static void write_counters(struct families *out, const struct view *v)
{
	for (int i = 0; i < MH_COUNTER_COUNT; i++) {
		const struct mh_counter *c = &mh_counters[i];
		uint64_t value;

		if (mh_counters_get(&v->meminfo, i, &value))
			families_single(out, c->metric, METRIC_COUNTER, c->help,
					metric_counter_value(i, value, v->page_bytes));
	}
}

static void write_all_of_groups(struct families *out, const struct view *v)
{
	uint32_t first = out->n_sets;

	for (size_t i = 0; i < v->n_groups; i++)
		group_labels(out, v->group[i].name);
	write_groups(out, v, first);
	write_exits(out, v, first);
	exposition_windows(out, v, first);
}

static void write_sample(struct families *out, const struct view *v)
{
	gauge(out, "memhist_last_sample_timestamp_seconds",
	      "When the sample shown here was taken, in seconds since 1970.",
	      (double)v->at.wall_ms / 1e3);
	gauge(out, "memhist_sampler_duration_seconds", "How long reading all processes took.",
	      v->collect_us / 1e6);
	gauge(out, "memhist_sampler_partial",
	      "1 when some live processes could not be read: they are shown as last seen.",
	      v->partial);
	gauge(out, METRIC_PROCESSES, METRIC_PROCESSES_HELP, v->n_live);
}

static void write_self(struct families *out, const struct self *s)
{
	families_single(out, "process_cpu_seconds_total", METRIC_COUNTER,
			"CPU time of the exporter itself, user and system.", s->cpu_seconds);
	gauge(out, "process_open_fds", "Open file descriptors of the exporter itself.",
	      (double)s->open_fds);
	gauge(out, "process_max_fds", "How many it may have.", s->max_fds);
	gauge(out, "process_virtual_memory_bytes", "Virtual memory size of the exporter itself.",
	      (double)s->virtual_bytes);
	gauge(out, "process_virtual_memory_max_bytes", "How much it may have, -1 = no limit.",
	      s->virtual_max_bytes);
	gauge(out, "process_resident_memory_bytes", "Resident set size of the exporter itself.",
	      (double)s->resident_bytes);
	gauge(out, "process_start_time_seconds",
	      "When the exporter itself started, in seconds since 1970.",
	      (double)s->start_ms / 1e3);
	gauge(out, "process_threads", "Threads of the exporter itself.", s->threads);
}

/* Where the values are that are known at the end. */
struct late {
	uint32_t dropped, duration;
};

static struct late write_page(struct families *out, const struct page_counts *counts)
{
	struct late late;

	families_single(
		out, "memhist_pages_written_total", METRIC_COUNTER,
		"Pages of metrics written: one for each sample, format and compression that "
		"somebody asked for, however many did.",
		(double)counts->written);
	late.dropped = families_single(
		out, "memhist_series_dropped_total", METRIC_COUNTER,
		"Series left out of a sample's page for the limit of series, "
		"over all samples that were asked for.",
		0);
	late.duration = families_single(out, "memhist_scrape_duration_seconds", METRIC_GAUGE,
					"How long gathering the figures of this page took.", 0);
	return late;
}

void exposition_fill(struct families *out, const struct view *v, const struct self *self,
		     struct page_counts *counts)
{
	struct mh_instant begin = mh_now();
	struct late late;

	families_clear(out);
	exposition_source(out, v);
	remote_expose(v->remote, out);
	if (self)
		write_self(out, self);
	late = write_page(out, counts);
	if (v->up) {
		write_sample(out, v);
		if (v->has_meminfo) {
			write_meminfo(out, v);
			write_counters(out, v);
		}
		write_all_of_groups(out, v);
		write_processes(out, v);
		write_pss(out, v);
	}
	families_end(out);
	if (out->error)
		return;
	counts->dropped_series += out->n_dropped;
	out->sample[late.dropped].value = (double)counts->dropped_series;
	out->sample[late.duration].value = (double)(mh_now().boot_ns - begin.boot_ns) / 1e9;
}
