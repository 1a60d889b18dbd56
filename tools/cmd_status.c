/* memhist status: what a history holds, what it costs, and who writes it. */
#include "libmemhist/base/escape.h"
#include "libmemhist/history/upkeep/retention.h"
#include "tools/commands.h"
#include "tools/human.h"
#include "tools/json.h"
#include "tools/outfile.h"
#include "tools/range.h"
#include "tools/settings.h"
#include "tools/tool.h"
#include "tools/top.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOCK_MAX = 1024, TOP_MAX = 1000, COMMAND_COLUMNS = 40, COMMAND_MAX = 8192 };

struct config {
	const char *history;
	long long top;
	bool utc;
	bool json;
	bool verbose;
};

enum {
	OPT_TOP = 1,
};

static const struct option options[] = {
	{OPTION_TEXT(struct config, history), 0, "history", "DIR",
	 "the history to look at [" DEFAULT_HISTORY "]"},
	{OPT_TOP, 0, "top", "N", "also the N processes with the highest resident memory"},
	{OPTION_FLAG(struct config, utc), 0, "utc", NULL, "times are shown in UTC"},
	{OPTION_FLAG(struct config, json), 0, "json", NULL, "one JSON object instead of text"},
	{OPTION_FLAG(struct config, verbose), 'v', "verbose", NULL, "progress on a terminal"},
	{0},
};

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct config *c = arg;

	switch (id) {
	case OPT_TOP:
		return option_number(value[0], 1, TOP_MAX, &c->top, err);
	default:
		return option_no_word(value[0], err);
	}
}

struct status {
	const struct config *config;
	struct mh_history_span span;
	bool has_limits; /* who writes the history, or wrote it last, has told them */
	struct mh_limits limits;
	struct mh_stock_rate rate;
	uint64_t projected_s; /* 0 = not known */
	char writer_name[64]; /* of the process that writes, "" = unknown */
	struct pass survey;   /* statistics of the whole history */
	struct pass detail;   /* the second pass, for `top` */
	struct top top;
};

/* The name of the process that writes, if it can be seen from here. */
static void find_writer(struct status *st)
{
	char path[64];
	ssize_t n;
	int fd;

	if (!st->span.being_written || !st->span.writer_pid)
		return;
	snprintf(path, sizeof(path), "/proc/%" PRId32 "/comm", st->span.writer_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, st->writer_name, sizeof(st->writer_name) - 1);
	if (n > 0 && st->writer_name[n - 1] == '\n')
		st->writer_name[n - 1] = '\0';
	close(fd);
}

/* How much of it there may be, and will be. What cannot be found out is left out. */
static void find_limits(struct status *st)
{
	struct mh_stock stock = {0};
	char text[LOCK_MAX];
	uint64_t keep_seq = 0;
	int dir_fd = mh_dir_open(st->config->history, NULL);

	if (dir_fd < 0)
		return;
	mh_dir_told(dir_fd, text, sizeof(text));
	st->has_limits = mh_limits_read(&st->limits, text);
	if (st->has_limits && !mh_stock_take(dir_fd, &stock)) {
		if (st->span.being_written && stock.files.n)
			keep_seq = stock.files.file[stock.files.n - 1].last_seq;
		if (mh_stock_rate(dir_fd, &stock, keep_seq, &st->rate) > 0)
			st->projected_s = mh_retention_projected_s(&st->limits, &st->rate);
	}
	mh_stock_done(&stock);
	close(dir_fd);
}

static struct pass whole_history(const struct config *c, struct progress *progress)
{
	return (struct pass){
		.dir = c->history,
		.since_ms = MH_MS_MIN,
		.until_ms = MH_MS_MAX,
		.field = MH_FIELD_RSS,
		.by = MH_LABEL_BY_IDENTITY,
		.progress = progress,
	};
}

static int collect(struct status *st, struct mh_err *err)
{
	struct progress progress;
	int rc;

	progress_begin(&progress, "reading: snapshot", st->config->verbose);
	st->survey = whole_history(st->config, &progress);
	st->top.max = (uint32_t)st->config->top;
	rc = top_survey(&st->top, &st->survey, err);
	if (!rc && st->config->top) {
		st->detail = whole_history(st->config, &progress);
		rc = top_draw(&st->top, &st->detail, &st->survey, err);
	}
	progress_end(&progress);
	if (!rc && !st->survey.n_snapshots)
		rc = range_no_data(st->config->history, &RANGE_ALL, st->config->utc,
				   &st->survey.stats, err);
	if (!rc)
		rc = mh_history_span(st->config->history, &st->span, err);
	if (!rc) {
		find_writer(st);
		find_limits(st);
	}
	return rc;
}

static double bytes_per_sample(const struct status *st)
{
	uint64_t n = st->survey.stats.process_samples;

	return n ? (double)st->span.bytes / (double)n : 0;
}

/* --- for people -------------------------------------------------------------------------- */

static void print_span(struct mh_buf *out, const struct status *st)
{
	struct mh_buf text = MH_BUF_INIT(512);

	span_describe(&text, &st->survey.span, st->config->utc);
	human_fact(out, "span", "%s", mh_buf_str(&text));
	mh_buf_done(&text);
}

static void print_amounts(struct mh_buf *out, const struct status *st)
{
	struct mh_buf text = MH_BUF_INIT(512);

	human_count(&text, st->survey.n_snapshots);
	mh_buf_adds(&text, ", one each ");
	mh_duration_format(&text, st->survey.segment.interval_ms);
	human_fact(out, "snapshots", "%s", mh_buf_str(&text));
	mh_buf_clear(&text);
	human_count(&text, mh_labels_count(st->survey.labels));
	mh_buf_adds(&text, ", ");
	human_count(&text, st->survey.stats.process_samples);
	mh_buf_printf(&text, " process-sample%s", human_s(st->survey.stats.process_samples));
	human_fact(out, "processes", "%s", mh_buf_str(&text));
	mh_buf_clear(&text);
	human_bytes(&text, st->span.bytes);
	mh_buf_printf(&text, " in %" PRIu64 " segment%s, %.2f bytes per process-sample",
		      st->span.segments, human_s(st->span.segments), bytes_per_sample(st));
	human_fact(out, "size", "%s", mh_buf_str(&text));
	mh_buf_clear(&text);
	pass_describe_gaps(&text, st->survey.n_gaps);
	human_fact(out, "gaps", "%s", mh_buf_str(&text));
	mh_buf_done(&text);
}

static void print_writer(struct mh_buf *out, const struct status *st)
{
	struct mh_buf text = MH_BUF_INIT(1024);
	const struct mh_segment_info *info = &st->survey.segment;

	mh_escape_terminal(&text, info->writer, strlen(info->writer));
	if (info->host[0]) {
		mh_buf_adds(&text, " on ");
		mh_escape_terminal(&text, info->host, strlen(info->host));
	}
	human_fact(out, "written by", "%s", mh_buf_str(&text));
	mh_buf_clear(&text);
	if (st->span.being_written && st->span.writer_pid)
		mh_buf_printf(&text, "yes, by process %" PRId32, st->span.writer_pid);
	else
		mh_buf_adds(&text, st->span.being_written ? "yes" : "no");
	if (st->writer_name[0]) {
		mh_buf_adds(&text, " (");
		mh_escape_terminal(&text, st->writer_name, strlen(st->writer_name));
		mh_buf_addc(&text, ')');
	}
	human_fact(out, "being written", "%s", mh_buf_str(&text));
	mh_buf_done(&text);
}

static void print_limits(struct mh_buf *out, const struct status *st)
{
	struct mh_buf text = MH_BUF_INIT(512);

	if (!st->has_limits)
		return;
	mh_limits_describe(&text, &st->limits);
	human_fact(out, "limits", "%s", mh_buf_str(&text));
	mh_buf_clear(&text);
	if (st->projected_s) {
		mh_retention_describe(&text, &st->rate, st->projected_s);
		human_fact(out, "room for", "%s", mh_buf_str(&text));
	}
	mh_buf_done(&text);
}

static struct mh_series series_of(const struct top_row *row)
{
	return (struct mh_series){
		.pid = row->label.pid,
		.nth = row->label.nth,
		.command_len = (uint32_t)row->command_len,
		.command = row->command,
	};
}

static void print_top_row(struct mh_buf *out, const struct top_row *row)
{
	struct mh_buf last = MH_BUF_INIT(64), high = MH_BUF_INIT(64), label = MH_BUF_INIT(64);
	struct mh_buf command = MH_BUF_INIT(COMMAND_MAX), safe = MH_BUF_INIT(4 * COMMAND_MAX);
	const struct mh_series series = series_of(row);

	mh_label_write(&label, &series);
	human_bytes(&last, row->whole.close);
	human_bytes(&high, row->whole.high);
	mh_label_command(&command, &series);
	mh_escape_terminal(&safe, command.data, command.len);
	mh_buf_printf(out, "  %-10s %10s %10s  ", mh_buf_str(&label), mh_buf_str(&last),
		      mh_buf_str(&high));
	top_sparkline(out, row);
	mh_buf_adds(out, "  ");
	human_clip(out, safe.data, safe.len, COMMAND_COLUMNS);
	mh_buf_addc(out, '\n');
	mh_buf_done(&last);
	mh_buf_done(&high);
	mh_buf_done(&label);
	mh_buf_done(&command);
	mh_buf_done(&safe);
}

static void print_text(struct mh_buf *out, const struct status *st)
{
	const struct mh_reader_stats *stats = &st->survey.stats;

	mh_buf_printf(out, "%s\n", st->config->history);
	print_span(out, st);
	print_amounts(out, st);
	print_writer(out, st);
	print_limits(out, st);
	if (stats->damages)
		human_fact(out, "damage",
			   "%" PRIu64 " place%s, %" PRIu64 " byte%s; memhist verify tells where",
			   stats->damages, human_s(stats->damages), stats->damaged_bytes,
			   human_s(stats->damaged_bytes));
	if (!st->top.n_rows)
		return;
	mh_buf_printf(out, "\n  %-10s %10s %10s  %-*s  command\n", "pid", "rss", "highest",
		      TOP_BARS, "over the span");
	for (uint32_t i = 0; i < st->top.n_rows; i++)
		print_top_row(out, &st->top.row[i]);
}

/* --- for programs ------------------------------------------------------------------------ */

static void json_top(struct mh_buf *b, const struct status *st)
{
	struct mh_buf text = MH_BUF_INIT(COMMAND_MAX);

	json_open(b, "top", '[');
	for (uint32_t i = 0; i < st->top.n_rows; i++) {
		const struct top_row *row = &st->top.row[i];
		const struct mh_series series = series_of(row);

		json_open(b, NULL, '{');
		mh_buf_clear(&text);
		mh_label_write(&text, &series);
		json_text(b, "label", text.data, text.len);
		json_number(b, "pid", series.pid);
		mh_buf_clear(&text);
		mh_label_command(&text, &series);
		json_text(b, "command", text.data, text.len);
		json_number(b, "last_rss_bytes", row->whole.close);
		json_number(b, "highest_rss_bytes", row->whole.high);
		json_close(b, '}');
	}
	json_close(b, ']');
	mh_buf_done(&text);
}

static void json_gaps(struct mh_buf *b, const struct status *st)
{
	json_open(b, "gaps", '{');
	for (int kind = MH_GAP_NONE + 1; kind < GAP_KINDS; kind++)
		json_number(b, mh_gap_name((enum mh_gap_kind)kind), st->survey.n_gaps[kind]);
	json_close(b, '}');
}

static void print_json(struct mh_buf *b, const struct status *st)
{
	const struct pass *p = &st->survey;

	json_open(b, NULL, '{');
	json_string(b, "history", st->config->history);
	json_time(b, "first", p->span.earliest_ms);
	json_time(b, "last", p->span.latest_ms);
	json_signed(b, "first_ms", p->span.earliest_ms);
	json_signed(b, "last_ms", p->span.latest_ms);
	json_number(b, "clock_set_back", p->span.n_set_back);
	json_number(b, "interval_ms", p->segment.interval_ms);
	json_number(b, "snapshots", p->n_snapshots);
	json_number(b, "processes", mh_labels_count(p->labels));
	json_number(b, "process_samples", p->stats.process_samples);
	json_number(b, "segments", st->span.segments);
	json_number(b, "bytes", st->span.bytes);
	mh_buf_printf(b, ",\"bytes_per_process_sample\":%.4f", bytes_per_sample(st));
	json_string(b, "host", p->segment.host);
	json_string(b, "writer", p->segment.writer);
	json_bool(b, "being_written", st->span.being_written);
	json_signed(b, "writer_pid", st->span.writer_pid);
	if (st->has_limits) {
		json_number(b, "max_size_bytes", st->limits.max_bytes);
		json_signed(b, "max_age_ms", st->limits.max_age_ms);
		json_number(b, "min_free_bytes", st->limits.min_free_bytes);
		json_number(b, "min_free_percent", st->limits.min_free_percent);
	}
	if (st->projected_s)
		json_number(b, "projected_seconds", st->projected_s);
	json_gaps(b, st);
	json_number(b, "damages", p->stats.damages);
	json_number(b, "damaged_bytes", p->stats.damaged_bytes);
	json_number(b, "unreadable_segments", p->stats.unreadable);
	json_number(b, "missing_segments", p->stats.missing);
	if (st->config->top)
		json_top(b, st);
	json_close(b, '}');
	mh_buf_addc(b, '\n');
}

static int print(const struct status *st, struct mh_err *err)
{
	struct outfile out;
	int rc = outfile_open(&out, "-", NULL, err);

	if (rc)
		return rc;
	if (st->config->json)
		print_json(&out.buf, st);
	else
		print_text(&out.buf, st);
	rc = outfile_commit(&out, err);
	outfile_done(&out);
	return rc;
}

static int run(int argc, char **argv)
{
	struct config config = {0};
	struct status st = {.config = &config};
	struct mh_err err = {""};
	int rc, status = options_parse(&command_status, argc, argv, &config);

	if (status != OPTIONS_GO_ON)
		return status;
	config.history = settings_history(config.history);
	tool_catch_signals();
	rc = collect(&st, &err);
	if (!rc)
		rc = print(&st, &err);
	if (rc)
		status = tool_fail(command_status.name, rc, &err);
	else
		status = pass_verdict(command_status.name, config.history, &st.survey.stats);
	top_done(&st.top);
	pass_done(&st.survey);
	pass_done(&st.detail);
	return status;
}

const struct command command_status = {
	.name = "memhist status",
	.usage = "[--history DIR] [OPTION]...",
	.summary = "Say what a history holds, how big it is, and who writes it.",
	.options = options,
	.examples = "  memhist status --history /var/lib/memhist --top 5\n"
		    "  memhist status --json | jq .bytes_per_process_sample\n",
	.take = take,
	.run = run,
};
