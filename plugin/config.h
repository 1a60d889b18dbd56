/*
 * What <Plugin memhist> says, as a struct. Reading it has no side effects and asks collectd
 * nothing, since "collectd -t" reads it too, and so do tests.
 */
#ifndef MEMHIST_PLUGIN_CONFIG_H
#define MEMHIST_PLUGIN_CONFIG_H

#include "libmemhist/base/err.h"
#include "libmemhist/config/config.h"
#include "libmemhist/history/upkeep/upkeep.h"
#include "libmemhist/model/match.h"
#include "libmemhist/proc/scan.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct oconfig_item_s;

struct config {
	char config_file[PATH_MAX]; /* absolute; "" = none, once it is given */
	char history_dir[PATH_MAX]; /* absolute; "" = keep no history */
	char sealer[PATH_MAX];      /* the program that seals it, absolute; "" = none does */
	char procfs[PATH_MAX];      /* absolute */
	enum mh_scan_backend backend;
	uint32_t max_open_files; /* as in struct mh_scan_config … */
	uint32_t exact_cpus;     /* … and this too */
	bool report_processes;
	bool report_meminfo;
	uint32_t max_instances;         /* program names with values of their own: 1 … 10,000 */
	struct mh_select select;        /* program names reported; all are recorded */
	bool has_config_file;           /* it was given … */
	struct mh_upkeep_config upkeep; /* of the history */
	bool has_history_dir;           /* … and this too */
	bool has_max_age, has_max_size, has_min_free, has_sync_interval; /* likewise */
	struct mh_config file;                                           /* config_complete() */
};

/* The defaults, which are good for a plugin that is only loaded. */
void config_init(struct config *c);
/*
 * Take in one block; there may be several, a later option overrides an earlier one and patterns add
 * up. Returns 0, or -EINVAL, -ENOMEM and a sentence that names the option.
 */
int config_read(struct config *c, const struct oconfig_item_s *block, struct mh_err *err);
/*
 * After all blocks: read the configuration file and take over what no option said. Opens files, so
 * it is for the start, not for reading the configuration. Returns 0, or -errno and a sentence.
 */
int config_complete(struct config *c, struct mh_err *err);
void config_done(struct config *c);

#endif
