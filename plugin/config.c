/*
 * The options of <Plugin memhist>: one row each in `options`, one reader for each kind of value.
 * collectd's parser gives numbers, booleans (true, yes, on, …) and strings as such; names of
 * options are compared without regard to case, as collectd does everywhere.
 */
#include "plugin/config.h"

#include "libmemhist/base/suggest.h"
#include "libmemhist/history/upkeep/sealer.h"

#include "liboconfig/oconfig.h"

#include <errno.h>
#include <stddef.h>
#include <strings.h>

enum {
	MAX_INSTANCES = 100,
	OPEN_FILES_LIMIT = 1000000,
	EXACT_CPUS_LIMIT = 256,
	MAX_INSTANCES_LIMIT = 10000, /* each is three files or series in whatever collectd feeds */
};

enum kind {
	BACKEND,
	BOOLEAN,
	CPUS,
	DIRECTORY,
	DIRECTORY_OR_NONE,
	PROGRAM_OR_NONE,
	FILE_OR_NONE,
	INSTANCES,
	MAX_AGE,
	MAX_SIZE,
	MIN_FREE,
	OPEN_FILES,
	PATTERN,
	SYNC_INTERVAL,
};

static const struct option {
	const char *name;
	enum kind kind;
	size_t offset; /* of what it sets in struct config */
} options[] = {
	{"Backend", BACKEND, offsetof(struct config, backend)},
	{"ConfigFile", FILE_OR_NONE, offsetof(struct config, config_file)},
	{"HistoryDir", DIRECTORY_OR_NONE, offsetof(struct config, history_dir)},
	{"HistoryMaxAge", MAX_AGE, offsetof(struct config, upkeep)},
	{"HistoryMaxSize", MAX_SIZE, offsetof(struct config, upkeep)},
	{"HistoryMinFree", MIN_FREE, offsetof(struct config, upkeep)},
	{"HistorySyncInterval", SYNC_INTERVAL, offsetof(struct config, upkeep)},
	{"HistorySealer", PROGRAM_OR_NONE, offsetof(struct config, sealer)},
	{"IgnoreSelected", BOOLEAN, offsetof(struct config, select.invert)},
	{"MaxInstances", INSTANCES, offsetof(struct config, max_instances)},
	{"ExactCPUs", CPUS, offsetof(struct config, exact_cpus)},
	{"OpenFiles", OPEN_FILES, offsetof(struct config, max_open_files)},
	{"Procfs", DIRECTORY, offsetof(struct config, procfs)},
	{"ReportMeminfo", BOOLEAN, offsetof(struct config, report_meminfo)},
	{"ReportProcesses", BOOLEAN, offsetof(struct config, report_processes)},
	{"Select", PATTERN, offsetof(struct config, select)},
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

void config_init(struct config *c)
{
	*c = (struct config){
		.history_dir = "/var/lib/memhist",
		.upkeep = MH_UPKEEP_DEFAULTS,
		.sealer = MH_SEALER_INSTALLED,
		.procfs = "/proc",
		.backend = MH_SCAN_AUTO,
		.report_processes = true,
		.report_meminfo = true,
		.max_instances = MAX_INSTANCES,
	};
}

/* The limits of the file, and over them those of the options. */
static void complete_limits(struct config *c)
{
	const struct mh_upkeep_config said = c->upkeep;
	struct mh_limits *limits = &c->upkeep.limits;

	mh_config_limits(&c->file, limits, &c->upkeep.sync_ms);
	if (c->has_max_age)
		limits->max_age_ms = said.limits.max_age_ms;
	if (c->has_max_size)
		limits->max_bytes = said.limits.max_bytes;
	if (c->has_min_free) {
		limits->min_free_bytes = said.limits.min_free_bytes;
		limits->min_free_percent = said.limits.min_free_percent;
	}
	if (c->has_sync_interval)
		c->upkeep.sync_ms = said.sync_ms;
}

int config_complete(struct config *c, struct mh_err *err)
{
	const char *dir;
	int rc = mh_config_load(&c->file, c->has_config_file ? c->config_file : NULL,
				MH_CONFIG_DAEMON, err);

	if (rc)
		return rc;
	dir = c->file.text[MH_CONFIG_HISTORY_DIR];
	if (dir && !c->has_history_dir)
		memcpy(c->history_dir, dir, strlen(dir) + 1); /* checked: shorter than PATH_MAX */
	complete_limits(c);
	return 0;
}

void config_done(struct config *c)
{
	mh_config_done(&c->file);
	mh_select_done(&c->select);
}

static int unknown(const char *key, struct mh_err *err)
{
	const char *names[N_OPTIONS + 1], *nearest;

	/* a mistake so natural that it deserves its own answer */
	if (!strcasecmp(key, "Interval"))
		return mh_errf(err, -EINVAL,
			       "Interval belongs into <LoadPlugin memhist>, not <Plugin memhist>");
	for (size_t i = 0; i < N_OPTIONS; i++)
		names[i] = options[i].name;
	names[N_OPTIONS] = NULL;
	nearest = mh_suggest(key, names);
	if (nearest)
		return mh_errf(err, -EINVAL, "unknown option \"%s\": did you mean %s?", key,
			       nearest);
	return mh_errf(err, -EINVAL, "unknown option \"%s\": see collectd-memhist(5)", key);
}

static int read_backend(enum mh_scan_backend *ret, const char *name, const oconfig_value_t *value,
			struct mh_err *err)
{
	struct mh_err reason;
	int rc;

	if (value->type != OCONFIG_TYPE_STRING)
		return mh_errf(err, -EINVAL,
			       "%s takes \"auto\", \"bpf\", \"bpf-seq\" or \"procfs\"", name);
	rc = mh_scan_backend_parse(value->value.string, ret, &reason);
	return rc ? mh_errf(err, rc, "%s: %s", name, reason.text) : 0;
}

static int read_boolean(bool *ret, const char *name, const oconfig_value_t *value,
			struct mh_err *err)
{
	if (value->type != OCONFIG_TYPE_BOOLEAN)
		return mh_errf(err, -EINVAL, "%s takes true or false, without quotes", name);
	*ret = value->value.boolean;
	return 0;
}

/* A whole number from `min` to `max`. */
static bool is_count(const oconfig_value_t *value, uint32_t min, uint32_t max)
{
	/* asked this way round, since every comparison with a NaN is false */
	return value->type == OCONFIG_TYPE_NUMBER && value->value.number >= min &&
	       value->value.number <= max && value->value.number == (uint32_t)value->value.number;
}

static int read_open_files(uint32_t *ret, const char *name, const oconfig_value_t *value,
			   struct mh_err *err)
{
	if (value->type == OCONFIG_TYPE_STRING && !strcasecmp(value->value.string, "auto")) {
		*ret = 0;
		return 0;
	}
	if (!is_count(value, 0, OPEN_FILES_LIMIT))
		return mh_errf(err, -EINVAL,
			       "%s takes \"auto\" or a whole number, 0 to %d, without quotes", name,
			       OPEN_FILES_LIMIT);
	*ret = value->value.number > 0 ? (uint32_t)value->value.number : MH_SCAN_NO_FILES;
	return 0;
}

static int read_count(uint32_t *ret, const char *name, const oconfig_value_t *value, uint32_t max,
		      struct mh_err *err)
{
	if (is_count(value, 1, max)) {
		*ret = (uint32_t)value->value.number;
		return 0;
	}
	return mh_errf(err, -EINVAL, "%s takes a whole number, 1 to %u, without quotes", name, max);
}

static const char *or_none(enum kind kind)
{
	switch (kind) {
	case DIRECTORY_OR_NONE:
		return ", or \"none\" to keep no history";
	case FILE_OR_NONE:
		return ", or \"none\" to read no file";
	case PROGRAM_OR_NONE:
		return ", or \"none\" to leave segments open";
	default:
		return "";
	}
}

/* Only absolute paths: a relative one would mean a place under collectd's BaseDir. */
static int read_path(char ret[PATH_MAX], const struct option *option, const oconfig_value_t *value,
		     struct mh_err *err)
{
	bool may_be_none = option->kind != DIRECTORY;
	const char *path = value->value.string;

	if (value->type == OCONFIG_TYPE_STRING && may_be_none && !strcasecmp(path, "none")) {
		ret[0] = '\0';
		return 0;
	}
	if (value->type != OCONFIG_TYPE_STRING || path[0] != '/')
		return mh_errf(err, -EINVAL, "%s takes an absolute path%s", option->name,
			       or_none(option->kind));
	if (strlen(path) >= PATH_MAX)
		return mh_errf(err, -EINVAL, "%s is longer than a path can be", option->name);
	memcpy(ret, path, strlen(path) + 1);
	return 0;
}

static int read_pattern(struct mh_select *select, const char *name, const oconfig_value_t *value,
			struct mh_err *err)
{
	struct mh_err reason;
	int rc;

	if (value->type != OCONFIG_TYPE_STRING)
		return mh_errf(err, -EINVAL,
			       "%s takes a program name or a \"/regular expression/\" in quotes",
			       name);
	rc = mh_select_add(select, value->value.string, &reason);
	if (rc == -ENOMEM)
		return mh_err_sys(err, rc, "%s", name);
	return rc ? mh_errf(err, rc, "%s: %s", name, reason.text) : 0;
}

/* "500M", "1y", "5%"; 0 without quotes is what people write for none. */
static int read_limit(struct config *c, const struct option *option, const oconfig_value_t *value,
		      struct mh_err *err)
{
	const bool is_zero = value->type == OCONFIG_TYPE_NUMBER && value->value.number == 0;
	const char *text = is_zero ? "0" : value->value.string;
	struct mh_limits *limits = &c->upkeep.limits;
	struct mh_err reason;
	int rc;

	if (value->type != OCONFIG_TYPE_STRING && !is_zero)
		return mh_errf(err, -EINVAL, "%s takes a value in quotes, as in \"%s\"",
			       option->name,
			       option->kind == MAX_SIZE   ? "2G"
			       : option->kind == MAX_AGE  ? "1y"
			       : option->kind == MIN_FREE ? "5%"
							  : "60s");
	c->has_max_size |= option->kind == MAX_SIZE;
	c->has_max_age |= option->kind == MAX_AGE;
	c->has_min_free |= option->kind == MIN_FREE;
	c->has_sync_interval |= option->kind == SYNC_INTERVAL;
	if (option->kind == MAX_SIZE)
		rc = mh_limits_max_size(limits, text, &reason);
	else if (option->kind == MAX_AGE)
		rc = mh_limits_max_age(limits, text, &reason);
	else if (option->kind == MIN_FREE)
		rc = mh_limits_min_free(limits, text, &reason);
	else
		rc = mh_limits_sync(&c->upkeep.sync_ms, text, &reason);
	return rc ? mh_errf(err, rc, "%s: %s", option->name, reason.text) : 0;
}

static int read_option(struct config *c, const oconfig_item_t *item, struct mh_err *err)
{
	const struct option *option = options;
	void *to;

	while (option < options + N_OPTIONS && strcasecmp(option->name, item->key) != 0)
		option++;
	if (option == options + N_OPTIONS)
		return unknown(item->key, err);
	if (item->children_num || item->values_num != 1)
		return mh_errf(err, -EINVAL,
			       "%s takes one value; one with a blank or a dash needs quotes",
			       option->name);
	to = (char *)c + option->offset;
	switch (option->kind) {
	case BACKEND:
		return read_backend(to, option->name, item->values, err);
	case BOOLEAN:
		return read_boolean(to, option->name, item->values, err);
	case INSTANCES:
		return read_count(to, option->name, item->values, MAX_INSTANCES_LIMIT, err);
	case CPUS:
		return read_count(to, option->name, item->values, EXACT_CPUS_LIMIT, err);
	case OPEN_FILES:
		return read_open_files(to, option->name, item->values, err);
	case MAX_AGE:
	case MAX_SIZE:
	case MIN_FREE:
	case SYNC_INTERVAL:
		return read_limit(c, option, item->values, err);
	case PATTERN:
		return read_pattern(to, option->name, item->values, err);
	case DIRECTORY:
	case PROGRAM_OR_NONE:
		return read_path(to, option, item->values, err);
	case DIRECTORY_OR_NONE:
		c->has_history_dir = true;
		return read_path(to, option, item->values, err);
	case FILE_OR_NONE:
		break;
	}
	c->has_config_file = true;
	return read_path(to, option, item->values, err);
}

int config_read(struct config *c, const oconfig_item_t *block, struct mh_err *err)
{
	for (int i = 0; i < block->children_num; i++) {
		int rc = read_option(c, &block->children[i], err);

		if (rc)
			return rc;
	}
	return 0;
}
