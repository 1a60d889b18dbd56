/* memhist export: a stretch of a history for other programs. */
#include "tools/commands.h"
#include "tools/export.h"
#include "tools/human.h"
#include "tools/pass.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#ifndef HAVE_SQLITE
const struct export_format export_sqlite = {.name = "sqlite"};
#endif

static const struct export_format *const formats[] = {
	&export_json, &export_csv, &export_tsv, &export_openmetrics, &export_sqlite,
};
#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

struct config {
	const struct export_format *format;
	struct range_words when;
	struct export_job job;
	bool verbose;
};

enum {
	OPT_FORMAT = 1,
	OPT_PID,
	OPT_MATCH,
	OPT_FIELD,
};

static const struct option options[] = {
	{OPT_FORMAT, 'f', "format", "FORMAT", "json, csv, tsv, openmetrics, sqlite"},
	{OPTION_TEXT(struct config, job.history), 0, "history", "DIR",
	 "the history to export [" DEFAULT_HISTORY "]"},
	{OPTION_TEXT(struct config, job.output), 'o', "output", "FILE",
	 "where to; - is standard output [csv, tsv: -]"},
	RANGE_OPTIONS(" [everything]"),
	{RANGE_OPT_LAST, 0, "last", "TIME", "the last 15m, 2h, 7d up to now"},
	{OPTION_FLAG(struct config, job.utc), 0, "utc", NULL,
	 "times given and written are UTC, not local time"},
	{OPT_PID, 'p', "pid", "PID", "only these pids: 1 or 1,22,333"},
	{OPT_MATCH, 'm', "match", "PATTERN",
	 "only processes whose name or command line has this word, or matches /PATTERN/"},
	{OPT_FIELD, 0, "field", "NAME",
	 "only these: rss or rss,vsz,hwm [all; csv, tsv: all that are stored]"},
	{OPTION_FLAG(struct config, job.formulas), 0, "formulas", NULL,
	 "csv, tsv: no quote in front of text that a spreadsheet takes for a formula"},
	{OPTION_FLAG(struct config, verbose), 'v', "verbose", NULL,
	 "progress on a terminal, and what was exported"},
	{0},
};

static int take_format(struct config *c, const char *name, struct mh_err *err)
{
	const char *names[N_FORMATS + 1] = {NULL};
	int i;

	for (size_t k = 0; k < N_FORMATS; k++)
		names[k] = formats[k]->name;
	i = option_word(name, names, err);
	if (i < 0)
		return i;
	if (!formats[i]->open)
		return mh_errf(err, -ENOSYS,
			       "%s is not part of this memhist, which was built "
			       "without the library for it",
			       name);
	c->format = formats[i];
	return 0;
}

static int take_fields(struct config *c, const char *list, struct mh_err *err)
{
	const char *names[MH_FIELD_COUNT + 1] = {NULL};

	for (int f = 0; f < MH_FIELD_COUNT; f++)
		names[f] = mh_fields[f].name;
	do {
		size_t len = strcspn(list, ",");
		char name[64];
		int field;

		snprintf(name, sizeof(name), "%.*s", (int)len, list);
		field = option_word(name, names, err);
		if (field < 0)
			return field;
		c->job.fields |= (mh_fields_t)1 << field;
		list += len;
	} while (*list++);
	return 0;
}

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct config *c = arg;

	switch (id) {
	case OPT_FORMAT:
		return take_format(c, value[0], err);
	case OPT_PID:
		return chosen_add_pids(&c->job.chosen, value[0], err);
	case OPT_MATCH:
		return chosen_set_match(&c->job.chosen, value[0], err);
	case OPT_FIELD:
		return take_fields(c, value[0], err);
	default:
		return range_take(&c->when, id, value, err);
	}
}

/* All fields that a history stores. */
static mh_fields_t stored_fields(void)
{
	mh_fields_t fields = 0;

	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields[f].column)
			fields |= (mh_fields_t)1 << f;
	return fields;
}

static void say_given_up(const struct export_job *job)
{
	uint64_t given_up = chosen_given_up(&job->chosen);

	tool_say(job->who, "--match took too long for %" PRIu64 " name%s, which are left out",
		 given_up, human_s(given_up));
}

/* The exit status when there is no export. */
static int fail(const struct export_job *job, int rc, const struct mh_err *err)
{
	int status = tool_fail(job->who, rc, err);

	if (status != STATUS_NO_DATA || !chosen_given_up(&job->chosen))
		return status;
	/* nothing was found to match, but not everything was looked through */
	say_given_up(job);
	return STATUS_PARTIAL;
}

static int report(const struct config *c)
{
	const struct export_job *job = &c->job;
	uint64_t given_up = chosen_given_up(&job->chosen);
	int status;

	if (c->verbose)
		tool_say(job->who,
			 "%" PRIu64 " process-sample%s of %" PRIu64 " snapshot%s, %" PRIu64
			 " brief live%s, %" PRIu64 " gap%s",
			 job->samples, human_s(job->samples), job->snapshots,
			 human_s(job->snapshots), job->brief, human_s(job->brief), job->gaps,
			 human_s(job->gaps));
	if (given_up)
		say_given_up(job);
	status = pass_verdict(job->who, job->history, &job->stats);
	if (status == STATUS_DAMAGED)
		tool_say(job->who,
			 "%s is damaged in %" PRIu64 " place%s (%" PRIu64
			 " bytes): what is readable was exported; memhist verify tells more",
			 job->history, job->stats.damages, human_s(job->stats.damages),
			 job->stats.damaged_bytes);
	return status == STATUS_OK && given_up ? STATUS_PARTIAL : status;
}

static int export(struct config *c)
{
	struct export_job *job = &c->job;
	struct mh_err err = {""};
	int rc;

	if (!c->format)
		return options_usage_error(&command_export, "--format FORMAT is missing");
	if (!job->output)
		job->output = c->format->output;
	if (!job->output)
		return options_usage_error(&command_export, "--format %s needs --output",
					   c->format->name);
	if (range_resolve(&c->when, mh_now().wall_ms, job->utc, &job->range, &err))
		return options_usage_error(&command_export, "%s", err.text);
	if (!job->fields)
		job->fields = c->format->has_derived ? MH_FIELDS_ALL : stored_fields();
	tool_catch_signals();
	progress_begin(&job->progress, "exporting: snapshot", c->verbose);
	rc = export_run(c->format, job, &err);
	progress_end(&job->progress);
	return rc ? fail(job, rc, &err) : report(c);
}

static int run(int argc, char **argv)
{
	struct config c = {.job = {.who = command_export.name}};
	int status = options_parse(&command_export, argc, argv, &c);

	c.job.history = settings_history(c.job.history);
	if (status == OPTIONS_GO_ON)
		status = export(&c);
	chosen_done(&c.job.chosen);
	return status;
}

const struct command command_export = {
	.name = "memhist export",
	.usage = "--format FORMAT [--history DIR] [OPTION]...",
	.summary = "Write a history, or a stretch of it, in a format of other programs.",
	.options = options,
	.examples = "  memhist export --format sqlite -o day.db --last 1d\n"
		    "  memhist export --format csv --last 1d -o day.csv\n"
		    "  memhist export --format tsv --match postgres --field rss,swap | less -S\n",
	.take = take,
	.run = run,
};
