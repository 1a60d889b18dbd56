/*
 * Command lines by table: one row per option, from which the parser and --help are made (and which
 * the manual pages are compared with).
 *
 *     static const struct option options[] = {
 *             {OPT_OUTPUT, 'o', "output", "FILE", "write to FILE; - is standard output"},
 *             {OPT_RANGE, 0, "range", "FROM TO", "from FROM up to, not including, TO"},
 *             {OPTION_FLAG(struct config, utc), 0, "utc", NULL, "times are UTC"},
 *             {0},
 *     };
 *
 * An option that only sets a text or a flag of `config` says so by its id; the others are taken by
 * the command.
 *
 * Values may be given as --name VALUE or --name=VALUE; a value may begin with '-'. Every table is
 * followed by --config, -h, --help and -V, --version. "--" ends the options, "-" is no option.
 */
#ifndef MEMHIST_TOOLS_OPTIONS_H
#define MEMHIST_TOOLS_OPTIONS_H

#include "libmemhist/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { OPTION_VALUES_MAX = 2 };

/* The id with which words that are no options are handed to `take`. */
enum { OPTION_WORD = -1, OPTION_CONFIG = -2 };

/* Ids from here on are those of OPTION_TEXT() and OPTION_FLAG(). */
enum { OPTION_SETS_TEXT = 1 << 20, OPTION_SETS_FLAG = 1 << 21 };

/* The id of an option that sets a member of the command's `config`: a text, or a bool. */
#define OPTION_TEXT(type, member) OPTION_SETS(OPTION_SETS_TEXT, type, member, const char *)
#define OPTION_FLAG(type, member) OPTION_SETS(OPTION_SETS_FLAG, type, member, bool)
#define OPTION_SETS(what, type, member, wanted)                                              \
	((int)(what + offsetof(type, member) +                                               \
	       0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((type *)0)->member), \
							    wanted)                          \
				       ? 1                                                   \
				       : -1])))

struct option {
	int id;           /* > 0; 0 ends the table */
	char letter;      /* 0 = none */
	const char *name; /* without "--" */
	/* What to call the values, one word each; NULL = a switch. A DIR or FILE is never "". */
	const char *value;
	const char *help;
};

struct command {
	const char *name;    /* "memhist import": in front of usage and messages */
	const char *usage;   /* what follows the name */
	const char *summary; /* one line: what it does */
	const struct option *options;
	const char *examples; /* whole lines, indented by two blanks */
	/*
	 * Takes one option with its values (or, with id OPTION_WORD, one word) into `config`.
	 * Returns 0, or -errno and a sentence without the option's name.
	 */
	int (*take)(void *config, int id, const char *const value[OPTION_VALUES_MAX],
		    struct mh_err *err);
	int (*run)(int argc, char **argv); /* argv[0] is skipped; returns the exit status */
	/* Takes --config itself, as OPTION_CONFIG, instead of having it read. */
	bool takes_config;
};

/* Returned by options_parse() when there is work to do. */
enum { OPTIONS_GO_ON = -1 };

/*
 * Hand the options of argv[1 …] to cmd->take, and read the configuration (settings.h). Returns
 * OPTIONS_GO_ON, or the status to exit with: help or version was asked for and printed, or the
 * usage or the configuration was wrong and that was said.
 */
int options_parse(const struct command *cmd, int argc, char **argv, void *config);

void options_print_help(const struct command *cmd, FILE *to);
/* "NAME (memhist) VERSION" */
void options_print_version(const char *name);

/* Say what is wrong with the usage and where help is; returns STATUS_USAGE. */
int options_usage_error(const struct command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* --- values that several commands take --------------------------------------------------- */

/*
 * One of `words` (ended by NULL): its index. -EINVAL and a sentence that lists them, or names the
 * nearest.
 */
int option_word(const char *value, const char *const *words, struct mh_err *err);
/* The sentence for a word where only options are taken; returns -EINVAL. */
int option_no_word(const char *value, struct mh_err *err);
/* A decimal number, min … max. Returns 0 or -EINVAL and a sentence. */
int option_number(const char *value, long long min, long long max, long long *ret,
		  struct mh_err *err);
/* The sentence for mh_duration_parse()'s -ERANGE; returns -EINVAL. */
int option_too_long(const char *value, struct mh_err *err);

#endif
