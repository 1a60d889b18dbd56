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

/* The options that both have, to stand in their tables, and what takes those of them that do more
 * than set something. */
enum { COMPACT_MAX_TEMPORARY = 1, COMPACT_ALLOWED };

#define COMPACT_OPTIONS(what)                                                          \
	{OPTION_TEXT(struct compact, history), 0, "history", "DIR",                    \
	 "the history to " what " [" DEFAULT_HISTORY "]"},                             \
		{OPTION_FLAG(struct compact, dry_run), 'n', "dry-run", NULL,           \
		 "say what would be done, and do nothing"},                            \
		{OPTION_FLAG(struct compact, quiet), 'q', "quiet", NULL,               \
		 "say only what is wrong"},                                            \
		{OPTION_FLAG(struct compact, verbose), 'v', "verbose", NULL,           \
		 "list every segment"},                                                \
		{OPTION_FLAG(struct compact, background), 0, "background", NULL,       \
		 "behind all others: least priority, idle disk, 512 MiB at most"},     \
		{COMPACT_MAX_TEMPORARY, 0, "max-temporary", "BYTES",                   \
		 "leave for later what could take more room while it is made"},        \
	{                                                                              \
		COMPACT_ALLOWED, 0, "allowed-output-path", "DIR",                      \
			"refuse a history that is not beneath DIR; may be given again" \
	}

int compact_take(void *config, int id, const char *const value[OPTION_VALUES_MAX],
		 struct mh_err *err);

/* Take the options and do it. Returns the exit status. */
int compact_run(struct compact *c, int argc, char **argv);

#endif
