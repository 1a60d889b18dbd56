/*
 * The command line: flags in Prometheus' manner, `--name=value` or `--name value`, and what they
 * mean once checked. One table says names, defaults and help; the defaults are read by the same
 * code as what people type. A flag given twice: the last one counts, but for addresses to listen
 * at, which add up. The configuration file stands between the two: it wins over defaults, flags win
 * over it.
 */
#ifndef MEMHIST_EXPORTER_FLAGS_H
#define MEMHIST_EXPORTER_FLAGS_H

#include "exporter/listen.h"
#include "exporter/log.h"
#include "libmemhist/base/err.h"
#include "libmemhist/config/config.h"
#include "libmemhist/history/upkeep/upkeep.h"
#include "libmemhist/proc/pss.h"
#include "libmemhist/proc/scan.h"

#define EXPORTER_HEALTHY_PATH "/-/healthy"
#define EXPORTER_READY_PATH   "/-/ready"
#define EXPORTER_RELOAD_PATH  "/-/reload"
#define EXPORTER_API_PATH     "/api/v1/"
#define EXPORTER_UI_PATH      "/ui"

/* Strings point into the command line, the configuration or the table. */
struct settings {
	const char *config_file; /* NULL = the usual one, "" = none */
	const char *groups_file; /* NULL = groups are as config_file says */
	bool check_config;       /* only say whether these are good */
	bool lifecycle;          /* reload by POST */
	const char *listen_address[LISTENERS_MAX];
	size_t n_listen_addresses;
	bool listen_by_default; /* none was given: this is the default */
	bool systemd_socket;
	const char *web_file; /* NULL = neither TLS nor passwords */
	const char *telemetry_path;
	uint32_t max_series;
	const char *procfs;
	enum mh_scan_backend backend;
	uint32_t max_open_files; /* as in struct mh_scan_config … */
	uint32_t exact_cpus;     /* … and this too */
	struct mh_pss_choice pss;
	const char *history_dir;        /* NULL = keep no history */
	struct mh_upkeep_config upkeep; /* of the history */
	uint32_t interval_ms;
	uint32_t process_top;
	uint32_t groups_max; /* 0 = as configured, else 200 */
	uint32_t windows;    /* as in struct collector_config */
	enum log_level log_level;
	const char *user; /* NULL = stay who we are */
	bool keep_ptrace;
};

enum flags_answer { FLAGS_RUN, FLAGS_HELP, FLAGS_VERSION };

/*
 * Read the command line. Returns 0 with *ret and *ret_answer (for FLAGS_HELP and FLAGS_VERSION the
 * settings say nothing), or -EINVAL and a sentence about the first thing that is wrong. `config` is
 * NULL the first time, which says which file it is to be read from.
 */
int flags_parse(struct settings *ret, enum flags_answer *ret_answer, int argc, char **argv,
		const struct mh_config *config, struct mh_err *err);

/* The page for --help. */
void flags_help(struct mh_buf *out);

#endif
