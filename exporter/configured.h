/*
 * What the exporter takes from configuration files while it runs: groups, and which processes are
 * shown. They are made from the files at the start, and again when somebody asks (SIGHUP, POST
 * /-/reload). A file with a mistake changes nothing. Everything else in the files is for the start
 * alone; that it has changed is said.
 */
#ifndef MEMHIST_EXPORTER_CONFIGURED_H
#define MEMHIST_EXPORTER_CONFIGURED_H

#include "exporter/collector.h"
#include "exporter/flags.h"
#include "exporter/remote/remote.h"

/*
 * The groups that the files and flags say. `config` is the main file, of which the rules are taken
 * away; where --config.path names a file, that is read and has the say. Returns 0, or -errno and a
 * sentence.
 */
int configured_groups(const struct settings *settings, struct mh_config *config,
		      struct mh_groups **ret, struct mh_err *err);

/* The processes that `config` chooses, of which these rules are taken away; NULL: there are no such
 * rules. Returns 0, or -ENOMEM and a sentence. */
int configured_choice(struct mh_config *config, struct mh_choice **ret, struct mh_err *err);

/*
 * The same for each endpoint that `config` has, from files that are read once more; NULL for those
 * that are sent no groups.
 */
int configured_remote(const struct settings *settings, const struct mh_config *config,
		      struct mh_groups *ret[MH_REMOTE_ENDPOINTS_MAX], struct mh_err *err);

/* Whether the files that endpoints name can be read, by us and now. Returns 0, or -errno and a
 * sentence. */
int configured_check(const struct mh_config *config, struct mh_err *err);

struct configured;

/* Who has groups. All are the caller's and outlive it. */
struct configured_parts {
	struct collector *collector;
	struct remote *remote; /* NULL: there are no endpoints */
	struct view *view;
};

/* The same goes for the rest; `config` is as it was at the start. Returns 0 or -ENOMEM. */
int configured_new(struct configured **ret, const struct settings *settings,
		   const struct mh_config *config, const struct configured_parts *parts);
/* NULL is allowed. */
void configured_free(struct configured *c);

/*
 * Read the files again, from any thread. What came of it is in the log and in the view. Returns 0,
 * or -errno and the sentence; then everything is as it was.
 */
int configured_reload(struct configured *c, struct mh_err *err);

#endif
