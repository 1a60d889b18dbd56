/*
 * The work of memhist-candles.
 *
 * The wide table needs its columns before its first row, so the history is read twice: once to
 * find the series to show, once for their candles; but where one pid is shown, its candles are kept
 * until its labels are known, and once is enough. The long table needs the first pass only where
 * it has to choose. Where there is something to choose from, or labels are of commands, memory is
 * bounded by the number of labels. The long table of all processes needs no more than those that
 * live (pass.h, `forgotten`); their commands are collected for the PID map (pidmap.h).
 *
 * The second pass stops after as many snapshots as the first saw, and makes sure that they begin
 * with the same one: a history that is being written grows in between, and its oldest part may go.
 */
#include "tools/candles.h"

#include "tools/human.h"
#include "tools/pidmap.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WIDE_TOP = 500 };

static const char who[] = "memhist-candles";

struct job {
	const struct candles_config *config;
	struct mh_err *err;
	struct progress progress;
	struct pass pass;             /* the last one: its labels */
	struct mh_reader_stats stats; /* of the first one, which alone sees what is at the end */
	struct selection selection;   /* what is shown, when the table is written */
	bool is_selected;
	uint64_t n_rows;
	struct outfile table, map;
	char *map_name; /* NULL = no map */
	/* where series are forgotten: */
	bool forgets;
	struct mh_instant begin; /* of the pass that is repeated without */
	struct pidmap *labels;   /* their commands; NULL = no map */
};

/* The length of a path without the extension of its last part; ".profile" is no extension. */
static size_t stem_length(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	return dot && dot != name ? (size_t)(dot - path) : strlen(path);
}

/* "out.tsv" -> "out.pids.tsv" */
static int name_map(struct job *job)
{
	const char *given = job->config->pid_map, *output = job->config->output;
	int n;

	if (given)
		n = asprintf(&job->map_name, "%s", given);
	else if (!job->table.has_dir)
		return 0; /* standard output, a pipe, /dev/null: there is no "beside" */
	else
		n = asprintf(&job->map_name, "%.*s.pids.tsv", (int)stem_length(output), output);
	if (n >= 0)
		return 0;
	job->map_name = NULL;
	return mh_err_sys(job->err, -ENOMEM, "cannot name the PID map");
}

/* Before the history is read, so that a wrong name is found out at once. */
static int open_outputs(struct job *job)
{
	const struct candles_config *c = job->config;
	int rc = outfile_open(&job->table, c->output, c->history, job->err);

	if (!rc)
		rc = name_map(job);
	if (!rc && job->map_name)
		rc = outfile_open(&job->map, job->map_name, c->history, job->err);
	return rc;
}

static void begin_pass(struct job *job, const char *what)
{
	const struct candles_config *c = job->config;

	progress_begin(&job->progress, what, c->verbose);
	job->pass = (struct pass){
		.dir = c->history,
		.since_ms = c->range.since_ms,
		.until_ms = c->range.until_ms,
		.field = c->field,
		.interval_ms = c->interval_ms,
		.utc = c->utc,
		.by = c->by,
		.pid = (uint32_t)c->pid,
		.max_snapshots = job->selection.n_snapshots,
		.progress = &job->progress,
	};
}

/* Whether the pass found what was asked for; after the first or only one. */
static int check_found(struct job *job)
{
	const struct candles_config *c = job->config;
	const struct pass *p = &job->pass;

	if (!p->n_snapshots)
		return range_no_data(c->history, &c->range, c->utc, &p->stats, job->err);
	if (!p->n_measured)
		return mh_errf(job->err, -ENODATA, "%s has snapshots, but %s was not measured",
			       c->source, mh_fields[c->field].name);
	if (c->pid && !mh_labels_count(p->labels))
		return mh_errf(job->err, -ENODATA, "no process in %s had the pid %lld", c->source,
			       c->pid);
	if (job->is_selected && c->match && !job->selection.n_shown)
		return mh_errf(job->err, -ENODATA, "no process in %s matches --match", c->source);
	return 0;
}

/* How many labels may be shown; 0 = all. */
static uint32_t top_of(const struct candles_config *c)
{
	return !c->tidy && !c->top && !c->all ? WIDE_TOP : (uint32_t)c->top;
}

/* The first pass, where one is needed. */
static int survey(struct job *job)
{
	const struct candles_config *c = job->config;
	const struct select_rule rule = {.match = c->match, .top = top_of(c)};
	int rc;

	if (c->tidy && !c->match && !c->top)
		return 0;
	begin_pass(job, "choosing processes: snapshot");
	rc = select_survey(&job->selection, &job->pass, &rule, job->err);
	progress_end(&job->progress);
	if (rc)
		return rc;
	job->stats = job->pass.stats;
	job->is_selected = true;
	rc = check_found(job);
	pass_done(&job->pass);
	return rc;
}

/* The table's pass, where there was a survey: both must see the same. */
struct writer {
	struct job *job;
	struct table table;
	struct wide_table wide;
	struct long_table tidy;
	bool is_again; /* for the second time, see below */
};

static int history_changed(struct job *job)
{
	return mh_errf(job->err, -ESTALE, "%s lost its oldest part while it was read: run again",
		       job->config->source);
}

/* What a pass before this one saw first, it has to see as well. */
static int on_begin(void *arg)
{
	struct writer *w = arg;
	const struct selection *selection = w->table.selection;
	const struct mh_instant *first = &w->job->pass.first;
	const struct mh_instant *begin = selection ? &selection->first : &w->job->begin;

	if (!selection && !w->is_again)
		return 0;
	return first->wall_ms != begin->wall_ms || first->boot_ns != begin->boot_ns
		       ? history_changed(w->job)
		       : 0;
}

static int on_forgotten(void *arg, const struct mh_forgotten *label)
{
	struct writer *w = arg;
	struct job *job = w->job;

	if (job->labels)
		return pidmap_add(job->labels, job->pass.labels, label, job->err);
	mh_labels_put(job->pass.labels, label->command);
	return 0;
}

static int on_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct writer *w = arg;

	return w->job->config->tidy ? long_candle(&w->tidy, series, candle)
				    : wide_candle(&w->wide, series, candle);
}

static int on_window(void *arg, mh_ms_t start_ms)
{
	struct writer *w = arg;

	return w->job->config->tidy ? long_window(&w->tidy, start_ms)
				    : wide_window(&w->wide, start_ms);
}

static struct table table_of(struct job *job)
{
	const struct candles_config *c = job->config;

	return (struct table){
		.out = &job->table,
		.words = &language_words[c->language],
		.unit = c->unit,
		.utc = c->utc,
		.selection = job->is_selected ? &job->selection : NULL,
		.labels = (const struct mh_labels *const *)&job->pass.labels,
		.err = job->err,
	};
}

static int write_table(struct job *job, bool is_again)
{
	struct writer w = {.job = job, .is_again = is_again, .table = table_of(job)};
	int rc;

	w.wide.table = w.tidy.table = &w.table;
	begin_pass(job, "writing candles: snapshot");
	job->pass.candle = on_candle;
	job->pass.window = on_window;
	job->pass.begin = on_begin;
	job->pass.forgotten = job->forgets ? on_forgotten : NULL;
	job->pass.arg = &w;
	rc = pass_run(&job->pass, job->err);
	progress_end(&job->progress);
	wide_done(&w.wide);
	long_done(&w.tidy);
	if (!rc && job->pass.n_snapshots < job->selection.n_snapshots)
		rc = history_changed(job);
	if (!rc)
		rc = check_found(job);
	if (!job->is_selected)
		job->stats = job->pass.stats;
	job->n_rows = w.table.n_rows;
	return rc;
}

/*
 * Where pids go back in time, an older process of a pid cannot be told from a new one when labels
 * are forgotten. The table is true up to there, and is made once more with all labels kept.
 */
static int write_table_somehow(struct job *job)
{
	const struct candles_config *c = job->config;
	int rc = 0;

	job->forgets = !job->is_selected && c->by == MH_LABEL_BY_IDENTITY;
	if (job->forgets && job->map_name)
		rc = pidmap_new(&job->labels, job->map.has_dir ? job->map.dir_fd : -1, job->err);
	if (!rc)
		rc = write_table(job, false);
	if (rc != -EAGAIN || !job->forgets)
		return rc;
	job->forgets = false;
	job->begin = job->pass.first;
	pass_done(&job->pass);
	pidmap_free(job->labels);
	job->labels = NULL;
	outfile_again(&job->table);
	return write_table(job, true);
}

static int write_kept(struct job *job, const struct kept_candles *kept)
{
	struct table table = table_of(job);
	struct wide_table wide = {.table = &table};
	int rc = kept_tell(kept, &wide);

	wide_done(&wide);
	job->n_rows = table.n_rows;
	return rc;
}

/* The wide table of a pid in one pass: 0 or -errno; 1: its candles are too many to be kept, or its
 * labels to be all shown. */
static int write_at_once(struct job *job)
{
	struct kept_candles kept = {0};
	uint32_t top = top_of(job->config);
	int rc;

	begin_pass(job, "reading candles: snapshot");
	job->pass.candle = kept_candle;
	job->pass.window = kept_window;
	job->pass.arg = &kept;
	rc = pass_run(&job->pass, job->err);
	progress_end(&job->progress);
	job->stats = job->pass.stats;
	if (!rc)
		rc = check_found(job);
	if (kept.is_full || (!rc && top && mh_labels_count(job->pass.labels) > top)) {
		pass_done(&job->pass);
		rc = 1;
	}
	if (!rc)
		rc = select_all(&job->selection, job->pass.labels, job->err);
	if (!rc) {
		job->is_selected = true;
		rc = write_kept(job, &kept);
	}
	kept_done(&kept);
	return rc;
}

static int make_table(struct job *job)
{
	const struct candles_config *c = job->config;
	int rc = c->pid && !c->tidy && !c->match ? write_at_once(job) : 1;

	if (rc <= 0)
		return rc;
	rc = survey(job);
	return rc ? rc : write_table_somehow(job);
}

static int write_map(struct job *job)
{
	int rc = 0;

	if (!job->map_name)
		return 0;
	if (job->labels)
		return pidmap_write(job->labels, job->pass.labels, &job->map, job->err);
	if (!job->is_selected)
		rc = select_all(&job->selection, job->pass.labels, job->err);
	if (!rc)
		rc = select_write_map(&job->selection, job->pass.labels, &job->map, job->err);
	return rc;
}

/* Both files appear, or none. */
static int publish(struct job *job)
{
	int rc = outfile_finish(&job->table, job->err);

	if (!rc && job->map_name)
		rc = outfile_finish(&job->map, job->err);
	if (!rc && job->map_name)
		rc = outfile_publish(&job->map, job->err);
	if (!rc)
		rc = outfile_publish(&job->table, job->err);
	return rc;
}

static void say_what_was_done(const struct job *job)
{
	const struct pass *p = &job->pass;
	uint32_t n_labels = job->is_selected ? job->selection.n_shown : mh_labels_count(p->labels);

	tool_say(who,
		 "%" PRIu64 " row%s of %" PRIu32 " label%s from %" PRIu64
		 " snapshot%s with %" PRIu64 " process-sample%s, written to %s",
		 job->n_rows, human_s(job->n_rows), n_labels, human_s(n_labels), p->n_snapshots,
		 human_s(p->n_snapshots), p->stats.process_samples,
		 human_s(p->stats.process_samples), job->table.name);
	if (job->map_name)
		tool_say(who, "the PID map is in %s", job->map_name);
}

static void say_given_up(const struct job *job)
{
	uint32_t n = job->selection.n_given_up;

	tool_say(who,
		 "--match %s: too costly for %" PRIu32 " label%s, which may match and %s left out",
		 job->config->pattern, n, human_s(n), n == 1 ? "is" : "are");
}

/* What the user should know of a table that is written; returns the exit status. */
static int say_notes(const struct job *job)
{
	const struct candles_config *c = job->config;
	const struct mh_reader_stats *stats = &job->stats;
	int status;

	if (job->selection.n_left_out)
		tool_say(who,
			 "%" PRIu32 " label%s shown, with the highest highs; %" PRIu32
			 " left out (--top N shows more%s)",
			 job->selection.n_shown, human_s(job->selection.n_shown),
			 job->selection.n_left_out, c->tidy ? "" : ", --all every one");
	if (c->verbose)
		say_what_was_done(job);
	if (job->selection.n_given_up)
		say_given_up(job);
	status = pass_verdict(who, c->source, stats);
	if (status == STATUS_DAMAGED)
		tool_say(who,
			 "%s is damaged in %" PRIu64 " place%s (%" PRIu64
			 " bytes): the candles are of what is readable; memhist verify tells more",
			 c->source, stats->damages, human_s(stats->damages), stats->damaged_bytes);
	return status == STATUS_OK && job->selection.n_given_up ? STATUS_PARTIAL : status;
}

int candles_run(const struct candles_config *config)
{
	struct mh_err err = {""};
	struct job job = {
		.config = config,
		.err = &err,
		.table = {.fd = -1},
		.map = {.fd = -1},
	};
	int status, rc = open_outputs(&job);

	if (!rc && config->prepare)
		rc = config->prepare(config->prepare_arg, &err);
	if (!rc)
		rc = make_table(&job);
	if (!rc)
		rc = write_map(&job);
	if (!rc)
		rc = publish(&job);
	progress_end(&job.progress);
	status = rc ? tool_fail(who, rc, &err) : say_notes(&job);
	/* nothing was found to match, but not everything was looked through */
	if (status == STATUS_NO_DATA && job.selection.n_given_up) {
		say_given_up(&job);
		status = STATUS_PARTIAL;
	}
	pidmap_free(job.labels);
	pass_done(&job.pass);
	select_done(&job.selection);
	outfile_done(&job.table);
	outfile_done(&job.map);
	free(job.map_name);
	return status;
}
