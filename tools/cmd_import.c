/* memhist import: foreign recordings become a history. */
#include "tools/commands.h"
#include "tools/human.h"
#include "tools/import.h"
#include "tools/outdir.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

static const struct {
	const char *name;
	int (*run)(struct import_job *job, struct mh_err *err);
} formats[] = {
	{"csv", import_csv},
	{"tsv", import_tsv},
	{"json", import_json},
	{"inspector", import_inspector},
};
#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

struct config {
	int format; /* index of formats, -1 = not given */
	const char *source;
	const char *history;
	const char *host;
	long long clk_tck;
	mh_ms_t interval_ms;
	bool utc;
	bool verbose;
};

enum {
	OPT_FROM = 1,
	OPT_HOST,
	OPT_INTERVAL,
	OPT_CLK_TCK,
};

static const struct option options[] = {
	{OPT_FROM, 0, "from", "FORMAT",
	 "csv, tsv: as memhist export writes them; json: memory_*.json; inspector: "
	 "process_mem_*.csv and sys_mem_*.csv [by what SOURCE holds]"},
	{OPTION_TEXT(struct config, history), 0, "history", "DIR",
	 "the history to make; must not exist yet or be empty"},
	{OPT_HOST, 0, "host", "NAME", "whose processes these are [nobody's in particular]"},
	{OPT_INTERVAL, 'i', "interval", "TIME",
	 "how often snapshots were due: 1s, 500ms [as the first two are apart]"},
	{OPT_CLK_TCK, 0, "clk-tck", "N", "clock ticks per second of starttime [100]"},
	{OPTION_FLAG(struct config, utc), 0, "utc", NULL,
	 "times without a zone are UTC, not local time"},
	{OPTION_FLAG(struct config, verbose), 'v', "verbose", NULL, "progress on a terminal"},
	{0},
};

static int take_format(struct config *c, const char *name, struct mh_err *err)
{
	const char *names[N_FORMATS + 1] = {NULL};

	for (size_t i = 0; i < N_FORMATS; i++)
		names[i] = formats[i].name;
	c->format = option_word(name, names, err);
	return c->format < 0 ? c->format : 0;
}

static int take_interval(struct config *c, const char *text, struct mh_err *err)
{
	int rc = mh_duration_parse(text, 0, &c->interval_ms);

	if (rc == -ERANGE)
		return option_too_long(text, err);
	if (rc)
		return mh_errf(err, -EINVAL, "“%s” is no length of time like 1s or 500ms", text);
	return 0;
}

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	struct config *c = arg;

	switch (id) {
	case OPT_FROM:
		return take_format(c, value[0], err);
	case OPT_HOST:
		c->host = value[0];
		return 0;
	case OPT_INTERVAL:
		return take_interval(c, value[0], err);
	case OPT_CLK_TCK:
		return option_number(value[0], 1, 1000000, &c->clk_tck, err);
	default:
		if (c->source)
			return mh_errf(err, -EINVAL, "one SOURCE at a time: %s or %s?", c->source,
				       value[0]);
		c->source = value[0];
		return 0;
	}
}

static int recognise(struct config *c, struct mh_err *err)
{
	const char *name = import_recognise(c->source, err);

	return name ? take_format(c, name, err) : -EINVAL;
}

/* Into a directory that gets its name when all is well. */
static int import(const struct config *c, struct import_job *ret, struct mh_err *err)
{
	struct progress progress;
	struct outdir dir;
	struct import_job job = {
		.who = command_import.name,
		.source = c->source,
		.host = c->host ? c->host : "",
		.is_host_given = c->host,
		.utc = c->utc,
		.clk_tck = (uint32_t)c->clk_tck,
		.interval_ms = c->interval_ms,
		.progress = &progress,
	};
	int rc = outdir_open(&dir, c->history, NULL, err);

	if (rc)
		return rc;
	job.dir = dir.temp;
	progress_begin(&progress, "importing:", c->verbose);
	rc = formats[c->format].run(&job, err);
	progress_end(&progress);
	if (!rc)
		rc = outdir_commit(&dir, err);
	outdir_done(&dir);
	*ret = job;
	return rc;
}

static int run(int argc, char **argv)
{
	struct config c = {.format = -1, .clk_tck = 100};
	struct import_job done = {0};
	const struct mh_writer_stats *stats = &done.stats;
	struct mh_err err = {""};
	int rc, status = options_parse(&command_import, argc, argv, &c);

	if (status != OPTIONS_GO_ON)
		return status;
	if (!c.source || !c.history)
		return options_usage_error(&command_import, "%s is missing",
					   !c.source ? "SOURCE" : "--history DIR");
	tool_catch_signals();
	rc = c.format < 0 ? recognise(&c, &err) : 0;
	if (!rc)
		rc = import(&c, &done, &err);
	if (rc)
		return tool_fail(command_import.name, rc, &err);
	printf("%s: %" PRIu64 " snapshot%s, %" PRIu64 " process-sample%s, %" PRIu64
	       " bytes (%.2f per process-sample) in %" PRIu64 " segment%s\n",
	       c.history, stats->snapshots, human_s(stats->snapshots), stats->process_samples,
	       human_s(stats->process_samples), stats->bytes,
	       (double)stats->bytes / (double)(stats->process_samples ? stats->process_samples : 1),
	       stats->segments, human_s(stats->segments));
	return done.n_left_out ? STATUS_PARTIAL : STATUS_OK;
}

const struct command command_import = {
	.name = "memhist import",
	.usage = "--history DIR [OPTION]... SOURCE",
	.summary = "Make a history from a recording of another program: a file, a directory, or -.",
	.options = options,
	.examples = "  memhist import --history ./trace trace.csv.zst\n"
		    "  memhist import --history ./old process_memory_history/output\n"
		    "  memhist import --history ./old pid-memory-inspector/dumps/time\n"
		    "  xz -dc trace.csv.xz | memhist import --from csv --history ./trace -\n",
	.take = take,
	.run = run,
};
