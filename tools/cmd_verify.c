/* memhist verify: every frame of a history, and what is wrong with it. */
#include "libmemhist/history/reader.h"
#include "tools/commands.h"
#include "tools/human.h"
#include "tools/pass.h"
#include "tools/range.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

struct config {
	const char *history;
	bool utc;
	bool verbose;
};

static const struct option options[] = {
	{OPTION_TEXT(struct config, history), 0, "history", "DIR",
	 "the history to verify [" DEFAULT_HISTORY "]"},
	{OPTION_FLAG(struct config, utc), 0, "utc", NULL, "times are shown in UTC"},
	{OPTION_FLAG(struct config, verbose), 'v', "verbose", NULL,
	 "list every gap; progress on a terminal"},
	{0},
};

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	(void)arg;
	(void)id;
	return option_no_word(value[0], err);
}

struct verification {
	const struct config *config;
	struct progress progress;
	struct span span;
	uint64_t n_gaps[GAP_KINDS];
	uint64_t n_partial;
	uint64_t n_frameless; /* torn tails that are whole files */
	struct mh_reader_stats stats;
};

static void on_damage(void *arg, const struct mh_damage *d)
{
	struct verification *v = arg;

	/* the progress line would stand in the way */
	progress_end(&v->progress);
	v->n_frameless += d->torn && !d->offset;
	if (d->unreadable) {
		printf("%s: %s\n", d->file, d->reason);
		return;
	}
	if (!d->bytes) {
		printf("%s: byte %" PRIu64 ": %s\n", d->file, d->offset, d->reason);
		return;
	}
	printf("%s: bytes %" PRIu64 " to %" PRIu64 " (%" PRIu64 "): %s\n", d->file, d->offset,
	       d->offset + d->bytes - 1, d->bytes, d->reason);
}

static void list_gap(const struct verification *v, const struct mh_snapshot *s)
{
	struct mh_buf line = MH_BUF_INIT(256);

	mh_buf_printf(&line, "gap (%s) from ", mh_gap_name(s->gap.kind));
	mh_time_format(&line, s->gap.since_wall_ms, v->config->utc);
	mh_buf_adds(&line, " to ");
	mh_time_format(&line, s->at.wall_ms, v->config->utc);
	puts(mh_buf_str(&line));
	mh_buf_done(&line);
}

static void take_snapshot(struct verification *v, const struct mh_snapshot *s)
{
	span_add(&v->span, s->at.wall_ms);
	v->n_partial += s->partial;
	if (s->gap.kind == MH_GAP_NONE)
		return;
	v->n_gaps[s->gap.kind < GAP_KINDS ? s->gap.kind : MH_GAP_NONE]++;
	if (v->config->verbose)
		list_gap(v, s);
}

static int read_all(struct verification *v, struct mh_err *err)
{
	struct mh_reader_options reading = {
		.since_ms = MH_MS_MIN,
		.until_ms = MH_MS_MAX,
		.damage = on_damage,
		.arg = v,
	};
	const struct mh_snapshot *s;
	struct mh_reader *reader;
	int rc = mh_reader_open(&reader, v->config->history, &reading, err);

	if (rc)
		return rc;
	while ((rc = mh_reader_next(reader, &s, err)) > 0) {
		take_snapshot(v, s);
		progress_show(&v->progress, v->span.n, 0);
		if (tool_interrupted()) {
			rc = -EINTR;
			break;
		}
	}
	progress_end(&v->progress);
	mh_reader_stats(reader, &v->stats);
	mh_reader_close(reader);
	return rc;
}

static void print_summary(const struct verification *v)
{
	const struct mh_reader_stats *s = &v->stats;
	struct mh_buf out = MH_BUF_INIT(16384), text = MH_BUF_INIT(4096);

	mh_buf_printf(&out, "%s\n", v->config->history);
	if (s->snapshots) {
		span_describe(&text, &v->span, v->config->utc);
		human_fact(&out, "span", "%s", mh_buf_str(&text));
	}
	human_fact(&out, "segments", "%" PRIu64 ", %" PRIu64 " bytes of valid frames", s->segments,
		   s->bytes);
	human_fact(&out, "frames", "%" PRIu64 ", %" PRIu64 " of them keyframes", s->frames,
		   s->keyframes);
	human_fact(&out, "snapshots", "%" PRIu64 " with %" PRIu64 " process-sample%s", s->snapshots,
		   s->process_samples, human_s(s->process_samples));
	if (v->n_partial)
		human_fact(&out, "partial",
			   "%" PRIu64 " snapshot%s without processes that could not be read",
			   v->n_partial, human_s(v->n_partial));
	mh_buf_clear(&text);
	pass_describe_gaps(&text, v->n_gaps);
	human_fact(&out, "gaps", "%s", mh_buf_str(&text));
	if (s->torn_tails)
		human_fact(&out, "torn tails",
			   "%" PRIu64 " (%" PRIu64 " byte%s): cut short by a crash, no damage",
			   s->torn_tails, s->torn_bytes, human_s(s->torn_bytes));
	if (v->n_frameless)
		human_fact(&out, "without frames", "%" PRIu64 " segment%s, torn from the beginning",
			   v->n_frameless, human_s(v->n_frameless));
	if (s->unreadable)
		human_fact(&out, "unreadable", "%" PRIu64 " segment%s", s->unreadable,
			   human_s(s->unreadable));
	if (s->missing)
		human_fact(&out, "missing",
			   "%" PRIu64 " segment%s between others, by their numbers", s->missing,
			   human_s(s->missing));
	if (s->foreign_files)
		human_fact(&out, "foreign files", "%" PRIu64 ", left alone", s->foreign_files);
	if (s->damages)
		human_fact(&out, "damage",
			   "%" PRIu64 " place%s, %" PRIu64 " byte%s; %" PRIu64
			   " frame%s behind them cannot be used",
			   s->damages, human_s(s->damages), s->damaged_bytes,
			   human_s(s->damaged_bytes), s->orphans, human_s(s->orphans));
	else
		human_fact(&out, "damage", "none");
	fputs(mh_buf_str(&out), stdout);
	mh_buf_done(&out);
	mh_buf_done(&text);
}

static int run(int argc, char **argv)
{
	struct config config = {0};
	struct verification v = {.config = &config};
	struct mh_err err = {""};
	int rc, status = options_parse(&command_verify, argc, argv, &config);

	if (status != OPTIONS_GO_ON)
		return status;
	config.history = settings_history(config.history);
	tool_catch_signals();
	progress_begin(&v.progress, "verifying: snapshot", config.verbose);
	rc = read_all(&v, &err);
	if (rc)
		return tool_fail(command_verify.name, rc, &err);
	print_summary(&v);
	if (v.stats.snapshots || v.stats.damages)
		return pass_verdict(command_verify.name, config.history, &v.stats);
	rc = range_no_data(config.history, &RANGE_ALL, config.utc, &v.stats, &err);
	return tool_fail(command_verify.name, rc, &err);
}

const struct command command_verify = {
	.name = "memhist verify",
	.usage = "[--history DIR] [OPTION]...",
	.summary = "Read every frame of a history and report damage (exit status 5), gaps and "
		   "torn tails.",
	.options = options,
	.examples = "  memhist verify --history /var/lib/memhist\n"
		    "  memhist verify --history ./copy --verbose\n",
	.take = take,
	.run = run,
};
