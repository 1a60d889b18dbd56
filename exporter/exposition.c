/* The list of metrics, in the order of the page. */
#include "exporter/exposition.h"

#include "exporter/text.h"
#include "libmemhist/model/counter.h"

enum { METRIC_NAME_MAX = 96, HELP_MAX = 256 };

static void gauge(struct mh_buf *out, const char *name, const char *help, double value)
{
	text_single(out, name, METRIC_GAUGE, help, value);
}

static void counter(struct mh_buf *out, const char *name, const char *help, uint64_t value)
{
	text_single(out, name, METRIC_COUNTER, help, (double)value);
}

/* Open the family of a measured field: "memhist_group_" + "resident_memory_bytes". */
static void field_family(struct mh_buf *out, char ret_name[METRIC_NAME_MAX], const char *prefix,
			 int field, const char *scope)
{
	char help[HELP_MAX];

	snprintf(ret_name, METRIC_NAME_MAX, "%s%s", prefix, mh_fields[field].metric);
	snprintf(help, sizeof(help), "%s %s", mh_fields[field].help, scope);
	text_family(out, ret_name, METRIC_GAUGE, help);
}

static void write_groups(struct mh_buf *out, const struct view *v)
{
	char name[METRIC_NAME_MAX];
	struct label label = {.name = "group"};

	for (int f = 0; f < MH_FIELD_COUNT; f++) {
		if (!mh_fields_have(v->fields, f) || mh_fields[f].in_groups != MH_IN_GROUPS_SUM)
			continue;
		field_family(out, name, "memhist_group_", f, "Sum over the group's processes.");
		for (size_t i = 0; i < v->n_groups; i++) {
			label.value = v->group[i].name;
			text_sample(out, name, &label, 1, (double)v->group[i].shown[f]);
		}
	}
	text_family(out, "memhist_group_processes", METRIC_GAUGE,
		    "Live processes in the group (one group per program name).");
	for (size_t i = 0; i < v->n_groups; i++) {
		label.value = v->group[i].name;
		text_sample(out, "memhist_group_processes", &label, 1, v->group[i].n_processes);
	}
	gauge(out, "memhist_groups_in_other",
	      "Program names without a group of their own; their processes are in group \"other\".",
	      v->groups_in_other);
}

static void write_exits(struct mh_buf *out, const struct view *v)
{
	struct label label = {.name = "group"};

	text_family(out, "memhist_group_exits_total", METRIC_COUNTER,
		    "Processes of the group that ended. Where the kernel reports exits, those that "
		    "began and ended between two samples too.");
	for (size_t i = 0; i < v->n_exits; i++) {
		label.value = v->exits[i].name;
		text_sample(out, "memhist_group_exits_total", &label, 1, (double)v->exits[i].total);
	}
	if (!mh_fields_have(v->fields, MH_FIELD_HWM))
		return;
	text_family(out, "memhist_group_exited_peak_bytes", METRIC_GAUGE,
		    "Highest peak of resident memory among the group's processes that ended "
		    "within the last minute or two.");
	for (size_t i = 0; i < v->n_exits; i++) {
		label.value = v->exits[i].name;
		if (v->exits[i].peak_bytes)
			text_sample(out, "memhist_group_exited_peak_bytes", &label, 1,
				    (double)v->exits[i].peak_bytes);
	}
}

static void named_sample(struct mh_buf *out, const char *name, uint32_t pid, const char *group,
			 const char *comm, double value)
{
	char text[16];
	const struct label label[] = {{"pid", text}, {"group", group}, {"comm", comm}};

	snprintf(text, sizeof(text), "%u", pid);
	text_sample(out, name, label, 3, value);
}

static void process_sample(struct mh_buf *out, const char *name, const struct view_process *p,
			   double value)
{
	named_sample(out, name, p->pid, p->group, p->comm, value);
}

/* What would make every series of a process another one when it changes has one of its own. */
static void write_process_info(struct mh_buf *out, const struct view *v)
{
	text_family(out, "memhist_process_info", METRIC_GAUGE,
		    "Always 1; says whose process it is, and where it is from. Empty: not known.");
	for (size_t i = 0; i < v->n_processes; i++) {
		const struct view_process *p = &v->process[i];
		char pid[16];
		const struct label label[] = {{"pid", pid},      {"group", p->group},
					      {"comm", p->comm}, {"user", p->user},
					      {"exe", p->exe},   {"cgroup", p->cgroup}};

		snprintf(pid, sizeof(pid), "%u", p->pid);
		text_sample(out, "memhist_process_info", label, 6, 1);
	}
}

static void write_processes(struct mh_buf *out, const struct view *v)
{
	char name[METRIC_NAME_MAX];

	for (int f = 0; v->n_processes && f < MH_FIELD_COUNT; f++) {
		if (!mh_fields_have(v->fields, f))
			continue;
		field_family(out, name, "memhist_process_", f, "The largest processes by RSS.");
		for (size_t i = 0; i < v->n_processes; i++)
			process_sample(out, name, &v->process[i], (double)v->process[i].shown[f]);
	}
	if (!v->n_processes)
		return;
	write_process_info(out, v);
	text_family(out, "memhist_process_start_time_seconds", METRIC_GAUGE,
		    "When the process started, in seconds since 1970; another value under the same "
		    "pid is another process.");
	for (size_t i = 0; i < v->n_processes; i++)
		process_sample(out, "memhist_process_start_time_seconds", &v->process[i],
			       (double)v->process[i].start_ms / 1e3);
}

struct reason {
	const char *name;
	uint64_t n;
};

/* The samples of a family of counters by reason. */
static void write_reasons(struct mh_buf *out, const char *name, const struct reason *reason,
			  size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct label label = {"reason", reason[i].name};

		text_sample(out, name, &label, 1, (double)reason[i].n);
	}
}

static void write_pss(struct mh_buf *out, const struct view *v)
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

	for (int f = 0; v->n_pss && f < FAMILIES; f++) {
		text_family(out, family[f].name, METRIC_GAUGE, family[f].help);
		for (size_t i = 0; i < v->n_pss; i++) {
			const struct view_pss *p = &v->pss[i];
			const double value[FAMILIES] = {(double)p->pss_bytes, (double)p->uss_bytes,
							(double)p->swap_pss_bytes, p->age_s};

			if (f != SWAP || p->has_swap)
				named_sample(out, family[f].name, p->pid, p->group, p->comm,
					     value[f]);
		}
	}
}

static void write_pss_stats(struct mh_buf *out, const struct mh_pss_stats *s)
{
	static const char name[] = "memhist_proportional_errors_total";

	counter(out, "memhist_proportional_reads_total",
		"Times that the proportional memory of a process was read.", s->reads);
	text_family(
		out, name, METRIC_COUNTER,
		"Times that it could not be: access denied (it takes CAP_SYS_PTRACE), no answer "
		"in time, not understood, system call failed.");
	write_reasons(out, name,
		      (const struct reason[]){{"denied", s->denied},
					      {"stuck", s->stuck},
					      {"malformed", s->malformed},
					      {"failed", s->failed}},
		      4);
}

static void write_meminfo(struct mh_buf *out, const struct view *v)
{
	char name[MH_MEMINFO_MAX][MH_MEMINFO_METRIC_MAX], help[HELP_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < v->meminfo.n; i++) {
		const struct mh_meminfo_line *line = &v->meminfo.line[i];
		uint32_t same = 0;

		if (!mh_meminfo_is_own(line))
			continue;
		mh_meminfo_metric(name[n], line);
		/* the kernel has no two keys alike, but a tree that is not from the kernel may */
		while (strcmp(name[same], name[n]) != 0)
			same++;
		if (same < n)
			continue;
		snprintf(help, sizeof(help), "%s of /proc/meminfo.", line->key);
		gauge(out, name[n++], help, (double)line->value * (line->is_kib ? 1024 : 1));
	}
}

/* Counters that this memhist does not know are those of a newer one's history. */
static void write_counters(struct mh_buf *out, const struct view *v)
{
	for (int i = 0; i < MH_COUNTER_COUNT; i++) {
		const struct mh_counter *c = &mh_counters[i];
		uint64_t value;
		double shown;

		if (!mh_counters_get(&v->meminfo, i, &value))
			continue;
		shown = (double)value;
		if (c->unit == MH_COUNTER_PAGES)
			shown *= v->page_bytes;
		else if (c->unit == MH_COUNTER_USEC)
			shown /= 1e6;
		text_single(out, c->metric, METRIC_COUNTER, c->help, shown);
	}
}

static void write_sample(struct mh_buf *out, const struct view *v)
{
	gauge(out, "memhist_last_sample_timestamp_seconds",
	      "When the sample shown here was taken, in seconds since 1970.",
	      (double)v->at.wall_ms / 1e3);
	gauge(out, "memhist_sampler_duration_seconds", "How long reading all processes took.",
	      v->collect_us / 1e6);
	gauge(out, "memhist_sampler_partial",
	      "1 when some live processes could not be read: they are shown as last seen.",
	      v->partial);
	gauge(out, "memhist_processes", "Live processes, without kernel threads.", v->n_live);
}

static void write_scan_errors(struct mh_buf *out, const struct mh_scan_stats *scan)
{
	static const char name[] = "memhist_sampler_errors_total";

	text_family(out, name, METRIC_COUNTER,
		    "Processes not read: access denied, file not understood, system call failed, "
		    "dropped for the limit of processes; stuck: the command line does not answer.");
	write_reasons(out, name,
		      (const struct reason[]){{"denied", scan->denied},
					      {"malformed", scan->malformed},
					      {"failed", scan->failed},
					      {"dropped", scan->dropped},
					      {"stuck", scan->stuck}},
		      5);
}

static void write_backend(struct mh_buf *out, const struct mh_sampler_status *s)
{
	const struct label label[] = {{"backend", s->backend}, {"reason", s->backend_reason}};

	if (!s->backend) /* nobody has looked yet */
		return;
	text_family(out, "memhist_collector_backend_info", METRIC_GAUGE,
		    "Always 1; says how processes are read, and why in no better way.");
	text_sample(out, "memhist_collector_backend_info", label, 2, 1);
}

static void write_exit_reports(struct mh_buf *out, const struct mh_sampler_status *s)
{
	const struct label label = {"reason", s->exits_reason};

	if (!s->backend)
		return;
	text_family(out, "memhist_collector_exits_reported", METRIC_GAUGE,
		    "1 when the kernel reports processes that end; else 0, and why it does not.");
	text_sample(out, "memhist_collector_exits_reported", &label, 1, !*s->exits_reason);
	if (*s->exits_reason)
		return;
	counter(out, "memhist_sampler_exits_total", "Processes that were reported to have ended.",
		s->scan.exits);
	counter(out, "memhist_sampler_exits_dropped_total",
		"Processes that ended when there was no room to report them.",
		s->scan.exits_dropped);
	counter(out, "memhist_sampler_exits_unlisted_total",
		"Processes between two samples that are in no history and no group, being too "
		"many.",
		s->scan.exits_unlisted);
}

static void write_sampler(struct mh_buf *out, const struct mh_sampler_status *s, uint64_t missed)
{
	write_backend(out, s);
	counter(out, "memhist_sampler_samples_total", "Samples taken.", s->ticks);
	counter(out, "memhist_sampler_failed_total", "Samples that failed altogether.",
		s->failed_ticks);
	counter(out, "memhist_sampler_missed_total",
		"Samples that were due while the one before was not done, or the machine slept.",
		missed);
	counter(out, "memhist_sampler_processes_total", "Processes read, over all samples.",
		s->scan.processes);
	counter(out, "memhist_sampler_vanished_total",
		"Processes that ended while a sample was taken.", s->scan.vanished);
	write_scan_errors(out, &s->scan);
	if (s->has_pss)
		write_pss_stats(out, &s->pss);
	write_exit_reports(out, s);
	gauge(out, "memhist_sampler_open_files", "Files of processes kept open between samples.",
	      s->scan.open_files);
}

static void write_history(struct mh_buf *out, const struct mh_writer_stats *h)
{
	counter(out, "memhist_history_snapshots_written_total",
		"Snapshots written to the history and handed to the kernel in full.", h->snapshots);
	counter(out, "memhist_history_written_bytes_total", "Bytes written to the history.",
		h->bytes);
	counter(out, "memhist_history_segments_total", "Segment files begun.", h->segments);
	counter(out, "memhist_history_write_errors_total", "Snapshots that could not be written.",
		h->errors);
	if (h->snapshots)
		gauge(out, "memhist_history_last_snapshot_timestamp_seconds",
		      "When the last snapshot in the history was taken, in seconds since 1970.",
		      (double)h->last_wall_ms / 1e3);
}

static void write_upkeep(struct mh_buf *out, const struct mh_upkeep_status *u)
{
	static const char deleted[] = "memhist_history_deleted_segments_total";
	const struct mh_room_status *room = &u->room;
	struct reason by[MH_DELETIONS];

	gauge(out, "memhist_history_size_bytes",
	      "What all files in the history's directory took when it was looked at last, within "
	      "a minute.",
	      (double)room->bytes);
	gauge(out, "memhist_history_size_limit_bytes", "What they may take, 0 = no limit.",
	      (double)u->limits.max_bytes);
	if (room->projected_s)
		gauge(out, "memhist_history_projected_seconds",
		      "How long the history can become within its limit of size, at the present "
		      "rate.",
		      (double)room->projected_s);
	if (room->oldest_ms)
		gauge(out, "memhist_history_oldest_timestamp_seconds",
		      "When the history begins, in seconds since 1970.",
		      (double)room->oldest_ms / 1e3);
	gauge(out, "memhist_history_paused",
	      "1 while nothing is written, since the file system has too little free space.",
	      room->is_low);
	gauge(out, "memhist_history_free_bytes", "Free space in the file system of the history.",
	      (double)room->free_bytes);
	gauge(out, "memhist_history_min_free_bytes",
	      "Free space below which nothing is written, 0 = no limit.",
	      (double)room->min_free_bytes);
	text_family(out, deleted, METRIC_COUNTER,
		    "Segments deleted for the limit of size, of age, and for free space.");
	for (int i = 0; i < MH_DELETIONS; i++)
		by[i] = (struct reason){mh_deletion_name((enum mh_deletion)i), room->deleted[i]};
	write_reasons(out, deleted, by, MH_DELETIONS);
	counter(out, "memhist_history_syncs_total", "Files brought to the disk.", u->syncs);
	counter(out, "memhist_history_sync_errors_total",
		"Files that could not be brought to the disk.", u->sync_errors);
	if (u->synced_wall_ms)
		gauge(out, "memhist_history_synced_timestamp_seconds",
		      "Snapshots up to this time are on the disk, in seconds since 1970.",
		      (double)u->synced_wall_ms / 1e3);
}

static void write_sealer(struct mh_buf *out, const struct mh_sealer_status *s)
{
	counter(out, "memhist_history_sealer_runs_total",
		"Runs of the program that seals segments and merges them, which have ended.",
		s->runs);
	counter(out, "memhist_history_sealer_failures_total",
		"Of them, and of those that could not be started, how many failed.", s->failures);
	gauge(out, "memhist_history_sealed_segments",
	      "Sealed segments in the history when it had run last, or at the start.",
	      (double)s->sealed_segments);
	gauge(out, "memhist_history_open_segments",
	      "Open segments then, the one that is being written included.",
	      (double)s->open_segments);
}

static void write_followed(struct mh_buf *out, const struct mh_reader_stats *h)
{
	counter(out, "memhist_history_snapshots_read_total",
		"Snapshots read from the history that is followed.", h->snapshots);
	counter(out, "memhist_history_read_bytes_total",
		"Bytes read from the history that is followed.", h->bytes);
	counter(out, "memhist_history_damages_total",
		"Damaged places skipped in the history that is followed.", h->damages);
}

static void write_source(struct mh_buf *out, const struct view *v)
{
	const struct label version = {"version", PACKAGE_VERSION};

	text_family(out, "memhist_build_info", METRIC_GAUGE, "Always 1; says what runs here.");
	text_sample(out, "memhist_build_info", &version, 1, 1);
	gauge(out, "memhist_up",
	      "1 when the figures of processes, groups and meminfo are current, else 0 and absent.",
	      v->up);
	gauge(out, "memhist_sampler_interval_seconds", "Time from one sample to the next.",
	      v->source.interval_ms / 1e3);
	gauge(out, "memhist_history_following",
	      "1 when samples come from a history that another process writes.",
	      v->source.following);
	if (v->source.following)
		write_followed(out, &v->source.reader);
	else
		write_sampler(out, &v->source.sampler, v->missed);
	if (!v->source.following && v->source.sampler.has_history)
		write_history(out, &v->source.sampler.history);
	if (!v->source.following && v->source.sampler.has_history)
		write_upkeep(out, &v->source.sampler.upkeep);
	if (!v->source.following && v->source.sampler.upkeep.has_sealer)
		write_sealer(out, &v->source.sampler.upkeep.sealer);
}

static void write_self(struct mh_buf *out, const struct self *s)
{
	text_single(out, "process_cpu_seconds_total", METRIC_COUNTER,
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

void exposition_write(struct mh_buf *out, const struct view *v, const struct self *self)
{
	struct mh_instant begin = mh_now();

	if (v->up) {
		write_groups(out, v);
		write_exits(out, v);
		write_processes(out, v);
		write_pss(out, v);
		if (v->has_meminfo) {
			write_meminfo(out, v);
			write_counters(out, v);
		}
		write_sample(out, v);
	}
	write_source(out, v);
	if (self)
		write_self(out, self);
	gauge(out, "memhist_scrape_duration_seconds", "How long writing this page took.",
	      (double)(mh_now().boot_ns - begin.boot_ns) / 1e9);
}
