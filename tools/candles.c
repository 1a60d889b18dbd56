/* memhist-candles: its command line. The work is in candles_run.c. */
#include "tools/candles.h"

#include "libmemhist/config/http.h"
#include "tools/options.h"
#include "tools/selector.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { TOP_MAX = 100 * 1000 * 1000 };

static const mh_ms_t SECOND_MS = 1000, MINUTE_MS = 60 * 1000;

enum {
	OPT_INTERVAL = 1,
	OPT_METRIC,
	OPT_BY,
	OPT_PID,
	OPT_MATCH,
	OPT_TOP,
	OPT_UNIT,
	OPT_LANG,
	OPT_PROMETHEUS,
	OPT_SELECTOR,
};

static const struct option options[] = {
	{OPTION_TEXT(struct candles_config, history), 0, "history", "DIR",
	 "the history to read [" DEFAULT_HISTORY "]"},
	{OPT_PROMETHEUS, 0, "prometheus", "URL",
	 "a store to read instead: Prometheus, VictoriaMetrics, Thanos, Mimir"},
	{OPT_SELECTOR, 0, "selector", "SELECTOR",
	 "which series there: {instance=\"db1:9100\"} [those of the only machine]"},
	{OPTION_TEXT(struct candles_config, http_config), 0, "http.config.file", "FILE",
	 "how to ask there: passwords, TLS, a proxy"},
	{RANGE_OPT_HOURS, 0, "hours", "N", "the last N hours [everything; of a store: 24]"},
	{RANGE_OPT_DAYS, 0, "days", "N", "the last N days"},
	RANGE_OPTIONS(""),
	{OPT_INTERVAL, 'i', "interval", "TIME", "length of a candle: 30s, 15m, 1h, 1d [15m]"},
	{OPT_METRIC, 0, "metric", "NAME",
	 "rss, vsz, swap, hwm, file, shmem, anon, peak, locked or threads [rss]"},
	{OPT_BY, 0, "by", "RULE",
	 "a label stands for a process (identity) or for a pid with one command line (command) "
	 "[identity]"},
	{OPT_PID, 0, "pid", "N", "only the processes that had this pid, one after the other"},
	{OPT_MATCH, 0, "match", "PATTERN", "only commands with PATTERN in them, or /REGEX/"},
	{OPT_TOP, 0, "top", "N", "only the N labels with the highest highs [500 if wide]"},
	{OPTION_FLAG(struct candles_config, all), 0, "all", NULL, "every label in the wide table"},
	{OPTION_FLAG(struct candles_config, tidy), 0, "long", NULL,
	 "a row per candle instead of a row per time"},
	{OPT_UNIT, 0, "unit", "UNIT", "KiB, MiB or bytes [KiB]"},
	{OPT_LANG, 0, "lang", "LANG", "words of the header: en, ja or zh [en]"},
	{OPTION_FLAG(struct candles_config, utc), 0, "utc", NULL,
	 "times given, shown and aligned to are UTC, not local"},
	{OPTION_TEXT(struct candles_config, output), 'o', "output", "FILE",
	 "the table; - is standard output [-]"},
	{OPTION_TEXT(struct candles_config, pid_map), 0, "pid-map", "FILE",
	 "labels and commands [beside the output: x.tsv, x.pids.tsv]"},
	{OPTION_FLAG(struct candles_config, check), 0, "check", NULL,
	 "write nothing: make sure that stored candles are those that samples make"},
	{OPTION_FLAG(struct candles_config, verbose), 'v', "verbose", NULL,
	 "say what was done; progress on a terminal"},
	{0},
};

static int take_metric(const char *name, int *ret, struct mh_err *err)
{
	const char *names[MH_FIELD_COUNT + 1] = {NULL};
	int field;

	for (int i = 0; i < MH_FIELD_COUNT; i++)
		names[i] = mh_fields[i].name;
	field = option_word(name, names, err);
	if (field < 0)
		return field;
	*ret = field;
	return 0;
}

static int take_interval(const char *text, mh_ms_t *ret, struct mh_err *err)
{
	mh_ms_t ms;
	int rc = mh_duration_parse(text, MINUTE_MS, &ms);

	if (rc == -ERANGE)
		return option_too_long(text, err);
	if (rc)
		return mh_errf(err, -EINVAL,
			       "“%s” is no length of time like 30s, 15m, 1h or 1d (a bare number "
			       "counts minutes)",
			       text);
	if (ms < SECOND_MS)
		return mh_errf(err, -EINVAL, "%s is shorter than a second", text);
	*ret = ms;
	return 0;
}

static int take_url(struct candles_config *c, const char *url, struct mh_err *err)
{
	c->prometheus = url;
	if (strchr(url, '?'))
		return mh_errf(err, -EINVAL, "a “?” is not part of where a store is");
	return mh_http_url_check(url, err);
}

static int take(void *arg, int id, const char *const value[OPTION_VALUES_MAX], struct mh_err *err)
{
	static const char *const rules[] = {"identity", "command", NULL};
	struct candles_config *c = arg;
	int word;

	switch (id) {
	case OPT_INTERVAL:
		return take_interval(value[0], &c->interval_ms, err);
	case OPT_METRIC:
		return take_metric(value[0], &c->field, err);
	case OPT_BY:
		word = option_word(value[0], rules, err);
		c->by = word == 1 ? MH_LABEL_BY_COMMAND : MH_LABEL_BY_IDENTITY;
		return word < 0 ? word : 0;
	case OPT_PID:
		return option_number(value[0], 1, MH_PID_MAX, &c->pid, err);
	case OPT_MATCH:
		mh_match_free(c->match);
		c->match = NULL;
		c->pattern = value[0];
		return mh_match_new(&c->match, value[0], MH_MATCH_SUBSTRING, err);
	case OPT_TOP:
		return option_number(value[0], 1, TOP_MAX, &c->top, err);
	case OPT_UNIT:
		c->has_unit = true;
		word = option_word(value[0], unit_names, err);
		c->unit = word < 0 ? UNIT_KIB : (enum unit)word;
		return word < 0 ? word : 0;
	case OPT_LANG:
		c->language = option_word(value[0], language_names, err);
		return c->language < 0 ? c->language : 0;
	case OPT_PROMETHEUS:
		return take_url(c, value[0], err);
	case OPT_SELECTOR:
		c->selector = value[0];
		return selector_parse(&(struct selector){0}, value[0], err);
	default:
		return range_take(&c->when, id, value, err);
	}
}

static const struct command command = {
	.name = "memhist-candles",
	.usage = "[--history DIR | --prometheus URL] [OPTION]...",
	.summary = "Candles (open, high, low, close) of each process' memory, as TSV.",
	.options = options,
	.examples = "  memhist-candles --hours 24 --output memory_24h.tsv\n"
		    "  memhist-candles --days 7 --interval 1h --metric vsz --output week.tsv\n"
		    "  memhist-candles --range '2026-06-01 00:00' '2026-06-02 00:00' --long "
		    "--match nginx\n"
		    "  memhist-candles --prometheus http://localhost:9090 --selector "
		    "'{instance=\"db1:9100\"}' --hours 24\n",
	.take = take,
};

/* What the options say together. */
static int check(struct candles_config *c)
{
	struct mh_err err;

	if (c->top && c->all)
		return options_usage_error(&command, "--top and --all contradict each other");
	if (c->pid && c->by == MH_LABEL_BY_COMMAND)
		return options_usage_error(&command,
					   "--pid is of single processes: not with --by command");
	if (c->check && c->by == MH_LABEL_BY_COMMAND)
		return options_usage_error(&command,
					   "--check is of single processes: not with --by command");
	if (c->check && (c->pid || c->match || c->tidy || c->all || c->top || c->pid_map ||
			 strcmp(c->output, "-") != 0))
		return options_usage_error(&command,
					   "--check reads everything and writes no table");
	if (c->prometheus && c->history)
		return options_usage_error(&command, "--history and --prometheus contradict each "
						     "other");
	if (c->prometheus && c->check)
		return options_usage_error(&command,
					   "--check is of a history, which a store is not");
	if (!c->prometheus && (c->selector || c->http_config))
		return options_usage_error(&command, "--%s is for --prometheus",
					   c->selector ? "selector" : "http.config.file");
	if (c->pid_map && !strcmp(c->pid_map, c->output))
		return options_usage_error(
			&command, "the table and the PID map cannot both go to %s", c->output);
	if (mh_fields[c->field].unit == MH_UNIT_COUNT) {
		if (c->has_unit)
			return options_usage_error(&command, "%s are counted: they have no --unit",
						   mh_fields[c->field].name);
		c->unit = UNIT_BYTES; /* numbers as they are */
	}
	if (range_resolve(&c->when, mh_now().wall_ms, c->utc, &c->range, &err))
		return options_usage_error(&command, "%s", err.text);
	return OPTIONS_GO_ON;
}

int main(int argc, char **argv)
{
	struct candles_config config = {
		.interval_ms = 15 * MINUTE_MS,
		.field = MH_FIELD_RSS,
		.output = "-",
	};
	int status;

	tool_init();
	status = options_parse(&command, argc, argv, &config);
	if (status == OPTIONS_GO_ON)
		status = check(&config);
	config.history = settings_history(config.history);
	config.source = config.prometheus ? config.prometheus : config.history;
	if (status == OPTIONS_GO_ON) {
		tool_catch_signals();
		status = config.check        ? candles_check(&config)
			 : config.prometheus ? candles_store(&config)
					     : candles_run(&config);
	}
	mh_match_free(config.match);
	return tool_end(command.name, status);
}
