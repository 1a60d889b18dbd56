/*
 * What memhist seal and memhist merge share: one pass over a history that makes its files fewer and
 * smaller. Says what it did, and leaves alone what it cannot do.
 */
#ifndef MEMHIST_TOOLS_COMPACT_H
#define MEMHIST_TOOLS_COMPACT_H

#include "libmemhist/base/places.h"
#include "tools/options.h"

#include <stdbool.h>
#include <stdint.h>

struct compact {
	const struct command *command; /* who speaks */
	const char *history;           /* NULL: the configured or the usual one */
	bool seal;                     /* segments that nobody writes any more */
	bool merge;                    /* days that are over … */
	bool merge_all;                /* … and the others too */
	bool dry_run;                  /* only say what would be done */
	bool verbose;                  /* each segment */
	bool quiet;                    /* nothing but what is wrong */
	bool background;               /* behind everybody else, in bounded memory; not two of us */
	uint64_t max_temporary;        /* bytes that a temporary file may take */
	struct mh_places allowed;      /* where may be written, besides the configuration's word */
};

/* The options that both have, to stand in their tables, and what takes them. */
enum {
	COMPACT_HISTORY = 1,
	COMPACT_DRY_RUN,
	COMPACT_QUIET,
	COMPACT_VERBOSE,
	COMPACT_BACKGROUND,
	COMPACT_MAX_TEMPORARY,
	COMPACT_ALLOWED,
	COMPACT_OWN /* the first that a command may use for others */
};

#define COMPACT_OPTIONS(what)                                                                      \
	{COMPACT_HISTORY, 0, "history", "DIR", "the history to " what " [" DEFAULT_HISTORY "]"},   \
		{COMPACT_DRY_RUN, 'n', "dry-run", NULL, "say what would be done, and do nothing"}, \
		{COMPACT_QUIET, 'q', "quiet", NULL, "say only what is wrong"},                     \
		{COMPACT_VERBOSE, 'v', "verbose", NULL, "list every segment"},                     \
		{COMPACT_BACKGROUND, 0, "background", NULL,                                        \
		 "behind all others: least priority, idle disk, 512 MiB at most"},                 \
		{COMPACT_MAX_TEMPORARY, 0, "max-temporary", "BYTES",                               \
		 "leave for later what could take more room while it is made"},                    \
	{                                                                                          \
		COMPACT_ALLOWED, 0, "allowed-output-path", "DIR",                                  \
			"refuse a history that is not beneath DIR; may be given again"             \
	}

int compact_take(struct compact *c, int id, const char *const value[OPTION_VALUES_MAX],
		 struct mh_err *err);

/* Take the options and do it. Returns the exit status. */
int compact_run(struct compact *c, int argc, char **argv);

#endif
