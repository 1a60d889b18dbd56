/* Metrics of the sampler, its history and its program for sealing, or of the history followed. */
#include "exporter/exposition_source.h"

static void gauge(struct families *out, const char *name, const char *help, double value)
{
	families_single(out, name, METRIC_GAUGE, help, value);
}

static void counter(struct families *out, const char *name, const char *help, uint64_t value)
{
	families_single(out, name, METRIC_COUNTER, help, (double)value);
}

struct reason {
	const char *name;
	uint64_t n;
};

/* The samples of a family of counters by reason. */
static void write_reasons(struct families *out, const struct reason *reason, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct label label = {"reason", reason[i].name};

		families_add(out, families_labels(out, &label, 1), (double)reason[i].n);
	}
}

static void write_pss_stats(struct families *out, const struct mh_pss_stats *s)
{
	counter(out, "memhist_proportional_reads_total",
		"Times that the proportional memory of a process was read.", s->reads);
	families_begin(
		out, "memhist_proportional_errors_total", METRIC_COUNTER,
		"Times that it could not be: access denied (it takes CAP_SYS_PTRACE), no answer "
		"in time, not understood, system call failed.");
	write_reasons(out,
		      (const struct reason[]){{"denied", s->denied},
					      {"stuck", s->stuck},
					      {"malformed", s->malformed},
					      {"failed", s->failed}},
		      4);
}

static void write_scan_errors(struct families *out, const struct mh_scan_stats *scan)
{
	families_begin(
		out, "memhist_sampler_errors_total", METRIC_COUNTER,
		"Processes not read: access denied, file not understood, system call failed, "
		"dropped for the limit of processes; stuck: the command line does not answer.");
	write_reasons(out,
		      (const struct reason[]){{"denied", scan->denied},
					      {"malformed", scan->malformed},
					      {"failed", scan->failed},
					      {"dropped", scan->dropped},
					      {"stuck", scan->stuck}},
		      5);
}

static void write_backend(struct families *out, const struct mh_sampler_status *s)
{
	const struct label label[] = {{"backend", s->backend}, {"reason", s->backend_reason}};

	if (!s->backend) /* nobody has looked yet */
		return;
	families_begin(out, "memhist_collector_backend_info", METRIC_INFO,
		       "Always 1; says how processes are read, and why in no better way.");
	families_add(out, families_labels(out, label, 2), 1);
}

static void write_exit_reports(struct families *out, const struct mh_sampler_status *s)
{
	const struct label label = {"reason", s->exits_reason};

	if (!s->backend)
		return;
	families_begin(
		out, "memhist_collector_exits_reported", METRIC_GAUGE,
		"1 when the kernel reports processes that end; else 0, and why it does not.");
	families_add(out, families_labels(out, &label, 1), !*s->exits_reason);
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

static void write_sampler(struct families *out, const struct mh_sampler_status *s, uint64_t missed)
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

static void write_history(struct families *out, const struct mh_writer_stats *h)
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

static void write_upkeep(struct families *out, const struct mh_upkeep_status *u)
{
	const struct mh_room_status *room = &u->room;
	struct reason by[MH_DELETIONS];

	gauge(out, "memhist_history_size_bytes",
	      "What all files in the history's directory take. It is looked at within a minute, "
	      "and "
	      "when a segment has ended, was sealed or deleted; what is written counts at once.",
	      (double)room->bytes);
	gauge(out, "memhist_history_size_limit_bytes", "What they may take, 0 = no limit.",
	      (double)u->limits.max_bytes);
	if (room->projected_s)
		gauge(out, "memhist_history_projected_seconds",
		      "How long the history can become within its limits of size and age, at the "
		      "present rate.",
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
	families_begin(out, "memhist_history_deleted_segments_total", METRIC_COUNTER,
		       "Segments deleted for the limit of size, of age, and for free space.");
	for (int i = 0; i < MH_DELETIONS; i++)
		by[i] = (struct reason){mh_deletion_name((enum mh_deletion)i),
					room->deleted.segments[i]};
	write_reasons(out, by, MH_DELETIONS);
	counter(out, "memhist_history_syncs_total", "Files brought to the disk.", u->syncs);
	counter(out, "memhist_history_sync_errors_total",
		"Files that could not be brought to the disk.", u->sync_errors);
	if (u->synced_wall_ms)
		gauge(out, "memhist_history_synced_timestamp_seconds",
		      "Snapshots up to this time are on the disk, in seconds since 1970, but for "
		      "those in segments given up, which are counted as sync errors.",
		      (double)u->synced_wall_ms / 1e3);
}

static void write_sealer(struct families *out, const struct mh_sealer_status *s)
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

static void write_followed(struct families *out, const struct mh_reader_stats *h)
{
	counter(out, "memhist_history_snapshots_read_total",
		"Snapshots read from the history that is followed.", h->snapshots);
	counter(out, "memhist_history_read_bytes_total",
		"Bytes read from the history that is followed.", h->bytes);
	counter(out, "memhist_history_damages_total",
		"Damaged places skipped in the history that is followed.", h->damages);
}

static void write_web(struct families *out, const struct view *v)
{
	gauge(out, "memhist_web_config_last_reload_successful",
	      "1 when the web configuration was good when it was read last, else 0, and an earlier "
	      "one is in force.",
	      v->is_web_good);
	gauge(out, "memhist_web_config_last_reload_success_timestamp_seconds",
	      "When the web configuration in force was read, in seconds since 1970.",
	      (double)v->web_ms / 1e3);
}

void exposition_source(struct families *out, const struct view *v)
{
	const struct label version = {"version", PACKAGE_VERSION};

	families_begin(out, "memhist_build_info", METRIC_INFO, "Always 1; says what runs here.");
	families_add(out, families_labels(out, &version, 1), 1);
	gauge(out, "memhist_up",
	      "1 when the figures of processes, groups and meminfo are current, else 0 and absent.",
	      v->up);
	gauge(out, "memhist_config_last_reload_successful",
	      "1 when the configuration was good when it was read last, else 0, and an earlier one "
	      "is in force.",
	      v->is_config_good);
	gauge(out, "memhist_config_last_reload_success_timestamp_seconds",
	      "When the configuration in force was read, in seconds since 1970.",
	      (double)v->config_ms / 1e3);
	if (v->has_web)
		write_web(out, v);
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
