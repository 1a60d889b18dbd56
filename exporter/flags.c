/* The table of flags and its reader. */
#include "exporter/flags.h"

#include "exporter/view.h"

#include "libmemhist/base/suggest.h"
#include "libmemhist/history/upkeep/sealer.h"

#include <errno.h>
#include <stdlib.h>

enum {
	INTERVAL_MIN_MS = 100, /* the range of struct mh_sampler_config */
	INTERVAL_MAX_MS = 86400000,
	PROCESS_TOP_MAX = 1000,
	GROUPS_MAX_MAX = 10000,
	SERIES_MIN = 500, /* what is not of groups and processes: about 200 */
	SERIES_MAX = 500000,
	EXACT_CPUS_MAX = 256,
	OPEN_FILES_MAX = 1000000,
	PATH_MAX_BYTES = 255,
};

/* Checks `value` and puts it where it belongs. The sentence begins after "--flag: ". */
typedef int set_fn(struct settings *s, const char *value, struct mh_err *err);

static int set_count(uint32_t *ret, const char *value, uint32_t min, uint32_t max,
		     struct mh_err *err)
{
	size_t digits = strspn(value, "0123456789");
	unsigned long n;

	/* nine digits hold every limit and fit every long */
	if (!digits || value[digits] || digits > 9 || (n = strtoul(value, NULL, 10)) < min ||
	    n > max)
		return mh_errf(err, -EINVAL, "'%s' is no number from %u to %u", value, min, max);
	*ret = (uint32_t)n;
	return 0;
}

static int set_config_file(struct settings *s, const char *value, struct mh_err *err)
{
	(void)err;
	s->config_file = value;
	return 0;
}

static int set_groups_file(struct settings *s, const char *value, struct mh_err *err)
{
	(void)err;
	s->groups_file = *value ? value : NULL;
	return 0;
}

static int set_check_config(struct settings *s, const char *value, struct mh_err *err)
{
	(void)value;
	(void)err;
	s->check_config = true;
	return 0;
}

static int set_lifecycle(struct settings *s, const char *value, struct mh_err *err)
{
	(void)value;
	(void)err;
	s->lifecycle = true;
	return 0;
}

static int set_listen_address(struct settings *s, const char *value, struct mh_err *err)
{
	if (s->listen_by_default)
		s->n_listen_addresses = 0;
	s->listen_by_default = false;
	if (s->n_listen_addresses == LISTENERS_MAX)
		return mh_errf(err, -EINVAL, "it is given more than %d times", LISTENERS_MAX);
	s->listen_address[s->n_listen_addresses++] = value; /* listen.h knows its form */
	return 0;
}

static int set_systemd_socket(struct settings *s, const char *value, struct mh_err *err)
{
	(void)value;
	(void)err;
	s->systemd_socket = true;
	return 0;
}

static int set_web_file(struct settings *s, const char *value, struct mh_err *err)
{
	(void)err;
	s->web_file = *value ? value : NULL;
	return 0;
}

static int set_telemetry_path(struct settings *s, const char *value, struct mh_err *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-._~/";

	if (value[0] != '/' || value[strspn(value, allowed)] || strlen(value) > PATH_MAX_BYTES)
		return mh_errf(err, -EINVAL,
			       "'%s' is no path such as /metrics (letters, digits and -._~/)",
			       value);
	if (!strcmp(value, "/") || !strcmp(value, EXPORTER_HEALTHY_PATH) ||
	    !strcmp(value, EXPORTER_READY_PATH) || !strcmp(value, EXPORTER_RELOAD_PATH) ||
	    !strcmp(value, EXPORTER_UI_PATH) ||
	    !strncmp(value, EXPORTER_UI_PATH "/", strlen(EXPORTER_UI_PATH "/")) ||
	    !strncmp(value, EXPORTER_API_PATH, strlen(EXPORTER_API_PATH)))
		return mh_errf(err, -EINVAL, "%s is taken: another page of the exporter is there",
			       value);
	s->telemetry_path = value;
	return 0;
}

static int set_max_series(struct settings *s, const char *value, struct mh_err *err)
{
	return set_count(&s->max_series, value, SERIES_MIN, SERIES_MAX, err);
}

static int set_procfs(struct settings *s, const char *value, struct mh_err *err)
{
	if (!*value)
		return mh_errf(err, -EINVAL,
			       "an empty path is no directory; leave the flag out "
			       "for /proc");
	s->procfs = value;
	return 0;
}

static int set_backend(struct settings *s, const char *value, struct mh_err *err)
{
	return mh_scan_backend_parse(value, &s->backend, err);
}

static int set_open_files(struct settings *s, const char *value, struct mh_err *err)
{
	uint32_t n = 0;
	int rc = strcmp(value, "auto") != 0 ? set_count(&n, value, 0, OPEN_FILES_MAX, err) : 0;

	if (rc)
		return mh_errf(err, rc, "'%s' is neither auto nor a number from 0 to %u", value,
			       OPEN_FILES_MAX);
	s->max_open_files = n || !strcmp(value, "auto") ? n : MH_SCAN_NO_FILES;
	return 0;
}

static int set_exact_cpus(struct settings *s, const char *value, struct mh_err *err)
{
	return set_count(&s->exact_cpus, value, 1, EXACT_CPUS_MAX, err);
}

static int set_pss(struct settings *s, const char *value, struct mh_err *err)
{
	return mh_pss_parse(value, &s->pss, err);
}

static int set_history_dir(struct settings *s, const char *value, struct mh_err *err)
{
	(void)err;
	s->history_dir = *value ? value : NULL;
	return 0;
}

static int set_max_size(struct settings *s, const char *value, struct mh_err *err)
{
	return mh_limits_max_size(&s->upkeep.limits, value, err);
}

static int set_max_age(struct settings *s, const char *value, struct mh_err *err)
{
	return mh_limits_max_age(&s->upkeep.limits, value, err);
}

static int set_min_free(struct settings *s, const char *value, struct mh_err *err)
{
	return mh_limits_min_free(&s->upkeep.limits, value, err);
}

static int set_sync_interval(struct settings *s, const char *value, struct mh_err *err)
{
	return mh_limits_sync(&s->upkeep.sync_ms, value, err);
}

static int set_sealer(struct settings *s, const char *value, struct mh_err *err)
{
	if (!strcmp(value, "auto"))
		value = MH_SEALER_INSTALLED;
	else if (strcmp(value, "none") != 0 && *value != '/')
		return mh_errf(err, -EINVAL, "'%s' is neither auto, none nor an absolute path",
			       value);
	s->upkeep.sealer = *value == '/' ? value : NULL;
	return 0;
}

static int set_interval(struct settings *s, const char *value, struct mh_err *err)
{
	mh_ms_t ms;

	if (mh_duration_parse(value, 1000, &ms))
		return mh_errf(err, -EINVAL, "'%s' is no duration such as 1s, 500ms or 1m", value);
	if (ms < INTERVAL_MIN_MS || ms > INTERVAL_MAX_MS)
		return mh_errf(err, -EINVAL, "%s is outside of 100ms to 1d", value);
	s->interval_ms = (uint32_t)ms;
	return 0;
}

static int set_process_top(struct settings *s, const char *value, struct mh_err *err)
{
	return set_count(&s->process_top, value, 0, PROCESS_TOP_MAX, err);
}

static int set_groups_max(struct settings *s, const char *value, struct mh_err *err)
{
	return set_count(&s->groups_max, value, 1, GROUPS_MAX_MAX, err);
}

static int set_windows(struct settings *s, const char *value, struct mh_err *err)
{
	uint32_t windows = 0;

	for (const char *p = strcmp(value, "none") ? value : ""; *p;) {
		size_t len = strcspn(p, ",");
		int w = 0;

		while (w < MH_LEDGER_WINDOWS && (strlen(view_windows[w].name) != len ||
						 strncmp(p, view_windows[w].name, len) != 0))
			w++;
		if (w == MH_LEDGER_WINDOWS)
			return mh_errf(err, -EINVAL,
				       "'%s' is neither none nor a list of 1m and 15m", value);
		windows |= 1u << w;
		p += len;
		if (*p)
			p++;
	}
	s->windows = windows;
	return 0;
}

static int set_user(struct settings *s, const char *value, struct mh_err *err)
{
	(void)err;
	s->user = *value ? value : NULL;
	return 0;
}

static int set_capabilities(struct settings *s, const char *value, struct mh_err *err)
{
	if (*value && strcmp(value, "sys_ptrace") != 0)
		return mh_errf(err, -EINVAL,
			       "'%s' is not sys_ptrace, the only capability of use here", value);
	s->keep_ptrace = *value;
	return 0;
}

static int set_log_level(struct settings *s, const char *value, struct mh_err *err)
{
	int level = log_level_by_name(value);

	if (level < 0)
		return mh_errf(err, -EINVAL, "'%s' is none of debug, info, warn, error", value);
	s->log_level = (enum log_level)level;
	return 0;
}

static const struct flag {
	const char *name;          /* as typed */
	const char *argument;      /* NULL: it takes no value */
	const char *default_value; /* NULL: nothing is set */
	set_fn *set;               /* NULL: --help and --version */
	const char *help;
} flags[] = {
	{"--config.file", "FILE", NULL, set_config_file,
	 "settings, see memhist.yaml(5); empty: read none"},
	{"--config.path", "FILE", "", set_groups_file,
	 "groups, as process-exporter has them in its\nconfiguration; empty: as in --config.file"},
	{"--config.check", NULL, NULL, set_check_config, "say whether these are good, and exit"},
	{"--web.listen-address", "ADDR", "127.0.0.1:19256", set_listen_address,
	 "HOST:PORT, up to 16 times"},
	{"--web.systemd-socket", NULL, NULL, set_systemd_socket,
	 "serve at the sockets that systemd hands over"},
	{"--web.config.file", "FILE", "", set_web_file,
	 "TLS and passwords, see memhist-web.yaml(5);\nempty: neither"},
	{"--web.telemetry-path", "PATH", "/metrics", set_telemetry_path, "where the metrics are"},
	{"--web.max-series", "N", "250000", set_max_series,
	 "leave out what is more, 500 to 500000"},
	{"--web.enable-lifecycle", NULL, NULL, set_lifecycle,
	 "POST /-/reload reads the configuration again"},
	{"--path.procfs", "DIR", "/proc", set_procfs, "the procfs to read, e.g. /host/proc"},
	{"--collector.backend", "NAME", "auto", set_backend,
	 "read processes by bpf, bpf-seq or procfs"},
	{"--collector.open-files", "N", "auto", set_open_files,
	 "procfs: keep N files open between samples"},
	{"--collector.exact-cpus", "N", "16", set_exact_cpus,
	 "bpf: RSS is exact to the page on up to N CPUs"},
	{"--collector.pss", "WHO", "off", set_pss, "read proportional memory too: top:N, match:RE"},
	{"--history.dir", "DIR", "", set_history_dir,
	 "keep a history there; empty: none [default]. If\n"
	 "another process writes it, show what it records"},
	{"--history.max-size", "SIZE", NULL, set_max_size,
	 "delete the oldest above, e.g. 500M, none [2G]"},
	{"--history.max-age", "TIME", NULL, set_max_age, "delete what is older, e.g. 1y [none]"},
	{"--history.min-free", "AMOUNT", NULL, set_min_free,
	 "leave so much of the disk free, e.g. 5G, 10%\n[the smaller of 1G and 5%]"},
	{"--history.sync-interval", "TIME", NULL, set_sync_interval,
	 "on the disk at most so much later; 0: at once\n[60s]"},
	{"--history.sealer", "PATH", "auto", set_sealer, "the memhist to seal it; or none"},
	{"--interval", "TIME", "1s", set_interval, "time between samples, 100ms to 1d"},
	{"--process.top", "N", "20", set_process_top, "show the N largest processes, 0 to 1000"},
	{"--groups.max", "N", NULL, set_groups_max,
	 "show N groups, the rest as \"other\"\n[as configured, else 200]"},
	{"--groups.windows", "LIST", "1m,15m", set_windows, "candles of groups, so long; or none"},
	{"--user", "NAME", "", set_user, "run as this user; empty: as who starts it [default]"},
	{"--user.capabilities", "LIST", "", set_capabilities,
	 "with --user, keep sys_ptrace; empty: none [default]"},
	{"--log.level", "LEVEL", "info", set_log_level, "debug, info, warn or error"},
	{"--version", NULL, NULL, NULL, "print the version and exit"},
	{"--help", NULL, NULL, NULL, "print this page and exit"},
};
#define N_FLAGS (sizeof(flags) / sizeof(flags[0]))

/* The flag that `arg` names, up to its '=' or end; *ret_value is what follows the '=', or NULL. */
static const struct flag *find_flag(const char *arg, const char **ret_value)
{
	size_t len = strcspn(arg, "=");

	for (size_t i = 0; i < N_FLAGS; i++)
		if (strlen(flags[i].name) == len && !strncmp(arg, flags[i].name, len)) {
			*ret_value = arg[len] ? arg + len + 1 : NULL;
			return &flags[i];
		}
	return NULL;
}

static int unknown_flag(const char *arg, struct mh_err *err)
{
	const char *known[N_FLAGS + 1];
	const char *nearest;
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(arg, "="), arg);
	for (size_t i = 0; i < N_FLAGS; i++)
		known[i] = flags[i].name;
	known[N_FLAGS] = NULL;
	nearest = mh_suggest(word, known);
	if (nearest)
		return mh_errf(err, -EINVAL, "unknown flag %s: did you mean %s?", word, nearest);
	return mh_errf(err, -EINVAL, "unknown flag %s: see --help", word);
}

static int apply(struct settings *s, const struct flag *flag, const char *value, struct mh_err *err)
{
	struct mh_err why;
	int rc = flag->set(s, value, &why);

	return rc ? mh_errf(err, rc, "%s: %s", flag->name, why.text) : 0;
}

static int set_defaults(struct settings *s, struct mh_err *err)
{
	for (size_t i = 0; i < N_FLAGS; i++) {
		const char *value = flags[i].default_value;
		int rc = value ? apply(s, &flags[i], value, err) : 0;

		if (rc)
			return rc;
	}
	s->listen_by_default = true;
	return 0;
}

static void set_configured(struct settings *s, const struct mh_config *config)
{
	if (config->text[MH_CONFIG_HISTORY_DIR])
		s->history_dir = config->text[MH_CONFIG_HISTORY_DIR];
	mh_config_limits(config, &s->upkeep.limits, &s->upkeep.sync_ms);
}

int flags_parse(struct settings *ret, enum flags_answer *ret_answer, int argc, char **argv,
		const struct mh_config *config, struct mh_err *err)
{
	struct settings s = {.upkeep = MH_UPKEEP_DEFAULTS};
	int rc = set_defaults(&s, err);

	if (!rc && config)
		set_configured(&s, config);

	for (int i = 1; !rc && i < argc; i++) {
		const char *arg = !strcmp(argv[i], "-h") ? "--help" : argv[i];
		const char *value;
		const struct flag *flag;

		if (arg[0] != '-')
			return mh_errf(err, -EINVAL, "unexpected argument '%s': see --help", arg);
		flag = find_flag(arg, &value);
		if (!flag)
			return unknown_flag(arg, err);
		if (!flag->set) {
			if (value)
				return mh_errf(err, -EINVAL, "%s takes no value", flag->name);
			*ret_answer = !strcmp(flag->name, "--help") ? FLAGS_HELP : FLAGS_VERSION;
			return 0;
		}
		if (!flag->argument && value)
			return mh_errf(err, -EINVAL, "%s takes no value", flag->name);
		if (!value)
			value = flag->argument ? argv[++i] : "";
		if (!value)
			return mh_errf(err, -EINVAL, "%s needs a value (%s)", flag->name,
				       flag->argument);
		rc = apply(&s, flag, value, err);
	}
	if (rc)
		return rc;
	if (s.keep_ptrace && !s.user)
		return mh_errf(err, -EINVAL,
			       "--user.capabilities needs --user: without it, sys_ptrace is kept "
			       "where it is there");
	*ret = s;
	*ret_answer = FLAGS_RUN;
	return 0;
}

/* "  --flag=ARG        help", the lines of a help of several under its first. */
static void help_line(struct mh_buf *out, const struct flag *flag)
{
	enum { HELP_COLUMN = 29 };
	size_t start = out->len, used;

	mh_buf_printf(out, "  %s", flag->name);
	if (flag->argument)
		mh_buf_printf(out, "=%s", flag->argument);
	used = out->len - start;
	for (const char *line = flag->help; line;) {
		size_t len = strcspn(line, "\n");

		mh_buf_printf(out, "%*s%.*s", (int)(HELP_COLUMN - used), "", (int)len, line);
		line = line[len] ? line + len + 1 : NULL;
		used = 0;
		if (line)
			mh_buf_addc(out, '\n');
	}
	if (flag->default_value && *flag->default_value)
		mh_buf_printf(out, " [%s]", flag->default_value);
	mh_buf_addc(out, '\n');
}

void flags_help(struct mh_buf *out)
{
	mh_buf_adds(out,
		    "Usage: memhist-exporter [FLAG...]\n"
		    "Serves the memory of this machine's processes as Prometheus metrics.\n\n");
	for (size_t i = 0; i < N_FLAGS; i++)
		help_line(out, &flags[i]);
	mh_buf_adds(out, "\nExamples:\n"
			 "  memhist-exporter --history.dir=/var/lib/memhist --interval=5s\n"
			 "  memhist-exporter --web.listen-address=:19256 --process.top=0\n");
}
