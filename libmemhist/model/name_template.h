/*
 * Templates of groups' names, as configurations of process-exporter have them: text with variables
 * in it, "{{.ExeBase}}:{{.Matches.port}}". Of Go's text/template that is all there is: a variable
 * between braces, blanks beside it or not. Functions, pipelines, conditions, trimming ("{{-") and
 * comments are refused.
 *
 *     .Comm .ExeBase .ExeFull .Username .PID .StartTime .Cgroups     as process-exporter's
 *     .Matches.NAME                                                  what (?P<NAME>…) matched
 *     .Program .Exe .Cgroup .Unit .Class                             as in axis.h
 */
#ifndef MEMHIST_MODEL_NAME_TEMPLATE_H
#define MEMHIST_MODEL_NAME_TEMPLATE_H

#include "libmemhist/base/buf.h"
#include "libmemhist/base/err.h"

enum {
	MH_TEMPLATE_MAX = 1024,  /* bytes */
	MH_TEMPLATE_PIECES = 64, /* texts and variables of one template */
};

enum mh_variable {
	MH_VAR_NONE, /* a piece of text */
	MH_VAR_COMM,
	MH_VAR_EXE_BASE,
	MH_VAR_EXE_FULL,
	MH_VAR_USERNAME,
	MH_VAR_PID,
	MH_VAR_START_TIME,
	MH_VAR_CGROUPS,
	MH_VAR_MATCHES,
	MH_VAR_PROGRAM,
	MH_VAR_EXE,
	MH_VAR_CGROUP,
	MH_VAR_UNIT,
	MH_VAR_CLASS,
	MH_VARIABLES,
};

/* A piece of a name: a text; or a variable, for MH_VAR_MATCHES with its NAME as text. */
struct mh_piece {
	enum mh_variable variable;
	const char *text;
	size_t len;
};

struct mh_template;

/*
 * Returns 0; -ENOMEM; or -EINVAL and a sentence with the part that is wrong, and at which character
 * it begins.
 */
int mh_template_new(struct mh_template **ret, const char *text, struct mh_err *err);
/* NULL is allowed. */
void mh_template_free(struct mh_template *t);

/* Its pieces, which live as long as it does; their number is returned. */
size_t mh_template_pieces(const struct mh_template *t, const struct mh_piece **ret);

#endif
