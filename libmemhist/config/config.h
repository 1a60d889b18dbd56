/*
 * The configuration file, /etc/memhist/memhist.yaml: what all programs of one machine share. See
 * memhist.yaml(5).
 *
 *     struct mh_config config;
 *
 *     rc = mh_config_load(&config, NULL, MH_CONFIG_DAEMON, &err);
 *     dir = config.text[MH_CONFIG_HISTORY_DIR];        // NULL: not set
 *     …open files in &config.places…
 *     mh_config_done(&config);
 *
 * Reading is all or nothing: a file with one mistake is refused, and nobody works with half of it.
 * What is said on a command line or to collectd wins over the file; that is for who has both.
 *
 * A new key is a row in the table of config.c, with what checks its value.
 */
#ifndef MEMHIST_CONFIG_CONFIG_H
#define MEMHIST_CONFIG_CONFIG_H

#include "libmemhist/base/places.h"
#include "libmemhist/config/confile.h"
#include "libmemhist/config/document.h"
#include "libmemhist/config/grouping.h"
#include "libmemhist/config/remote_write.h"
#include "libmemhist/history/upkeep/limits.h"

enum mh_config_key {
	MH_CONFIG_ALLOWED_OUTPUT_PATHS, /* a list: see `places` */
	MH_CONFIG_HISTORY_DIR,          /* an absolute path */
	MH_CONFIG_HISTORY_MAX_AGE,      /* these four as history/upkeep/limits.h reads them */
	MH_CONFIG_HISTORY_MAX_SIZE,
	MH_CONFIG_HISTORY_MIN_FREE,
	MH_CONFIG_HISTORY_SYNC_INTERVAL,
	MH_CONFIG_GROUPS_BY, /* these as config/grouping.h reads them: see mh_config_groups() */
	MH_CONFIG_GROUPS_TREE,
	MH_CONFIG_GROUPS_MIN_RSS,
	MH_CONFIG_GROUPS_TOP,
	MH_CONFIG_GROUPS_MAX,
	MH_CONFIG_PROCESS_NAMES,    /* a list: see `rules` */
	MH_CONFIG_EXPORT_PROCESSES, /* a list: see `choice` */
	MH_CONFIG_REMOTE_WRITE,     /* a list: see `remote` */
	MH_CONFIG_KEYS,
};

struct mh_config {
	char *file;     /* that was read; NULL = none */
	bool is_closed; /* there is a file, which we may not read (MH_CONFIG_TOOL) */
	struct mh_places places;
	struct mh_rules *rules; /* NULL = not set, or handed over */
	const char **rule_name; /* of process_names */
	size_t n_rules;
	struct mh_rules
		*choice;     /* of export_processes; NULL = not set, or taken away by somebody */
	char **choice_words; /* its rules, as people wrote them */
	size_t n_choice;
	struct mh_remote_write *remote;
	const char **remote_name; /* of these */
	size_t n_remote;
	const char *text[MH_CONFIG_KEYS];    /* as it was written, and checked; NULL = not set */
	struct mh_mark from[MH_CONFIG_KEYS]; /* where its value stands; line 0 = not set */
	struct mh_document document;         /* keeps the texts */
};

/*
 * Read a configuration from memory. Returns 0; -EBADMSG and a sentence that begins with
 * "LINE:COLUMN: "; or -ENOMEM. Not to be released after a failure.
 */
int mh_config_parse(struct mh_config *ret, const char *bytes, size_t len, struct mh_err *err);

/*
 * Read the file at `path`. Returns 0; -EBADMSG and a sentence that begins with "PATH:LINE:COLUMN:
 * "; or as mh_confile_read().
 */
int mh_config_read(struct mh_config *ret, const char *path, struct mh_err *err);

enum mh_config_reader {
	MH_CONFIG_DAEMON,
	/* A person's command. The file is for daemons, and people may be not allowed to read it:
	 * where it was not named by them, they work without it, within what the kernel lets them
	 * do. */
	MH_CONFIG_TOOL,
};

/*
 * Read the file that is to be read: `given`, else the one named by the environment variable
 * MEMHIST_CONFIG, else mh_config_default_file() when there is one. "" is no file. As
 * mh_config_read(); without a file the configuration is empty.
 */
int mh_config_load(struct mh_config *ret, const char *given, enum mh_config_reader reader,
		   struct mh_err *err);
const char *mh_config_default_file(void);
/* The same with another default file. */
int mh_config_load_or(struct mh_config *ret, const char *given, const char *default_file,
		      enum mh_config_reader reader, struct mh_err *err);

/*
 * Read a file of groups alone, at `path`: a configuration of process-exporter, or one of memhist
 * with no other keys than `process_names` and `groups`. There are no secrets in it, so everybody
 * may read it (MH_CONFILE_OPEN). Else as mh_config_read().
 */
int mh_config_read_groups(struct mh_config *ret, const char *path, struct mh_err *err);

/* A zeroed one is allowed. */
void mh_config_done(struct mh_config *c);

/* Change of the limits those that are set. */
void mh_config_limits(const struct mh_config *c, struct mh_limits *limits, uint32_t *sync_ms);

/*
 * What is said of groups, into a configuration of them, where the rest stays as it is. Where there
 * are rules and nothing is said of the rest, the rest is "other". The rules are handed over: they
 * belong to *ret, to be given to mh_groups_new() or mh_rules_free().
 */
void mh_config_groups(struct mh_config *c, uint32_t page_bytes, struct mh_groups_config *ret);

/* One key as people write it, and its values. */
struct mh_config_item {
	const char *key;          /* "history.dir" */
	const char *const *value; /* `n` of them */
	size_t n;
	bool is_list;
	bool is_set;
	struct mh_mark from; /* when set */
};

void mh_config_item(const struct mh_config *c, enum mh_config_key key, struct mh_config_item *ret);

#endif
