/*
 * Rules: which processes make a group, and how it is called. A list, as the `process_names:` of a
 * configuration of process-exporter is: the first rule that takes a process names its group.
 *
 *     mh_rules_new(&r);
 *     mh_rules_begin(r, &err);                                     // a rule
 *     mh_rules_add(r, MH_SELECT_EXE, "postgres", &err);            // who
 *     mh_rules_add(r, MH_SELECT_CMDLINE, "-D (?P<dir>\\S+)", &err);
 *     mh_rules_name(r, "pg {{.Matches.dir}}", &err);               // how
 *     mh_rules_end(r, &err);
 *
 * A rule has selectors of one or several kinds, and each kind must accept a process: by any one of
 * its words, but by all of the regular expressions of cmdline. What is compared:
 *
 *     comm      the name of the first thread, at most 15 bytes
 *     exe       argv[0] as a whole where the word has a slash in it, else what is behind argv[0]'s
 *               last slash. (Not the file that runs: a process may say of itself what it likes.)
 *     cmdline   regular expressions on the command line: its arguments with blanks in between, as
 *               far as it is kept (MH_CMDLINE_MAX)
 *     cgroup    the path of the cgroup, or one above it
 *     program, user, unit, class     as in axis.h: a word, or a regular expression between slashes
 *
 * Regular expressions are those of regex.h, and see bytes that are not UTF-8 as U+FFFD.
 *
 * Rules can choose processes instead of naming groups (choice.h): such a rule has no name, and
 * perhaps a size.
 *
 *     mh_rules_begin(r, &err);
 *     mh_rules_add(r, MH_SELECT_USER, "postgres", &err);
 *     mh_rules_min_rss(r, 100 << 20);
 *     mh_rules_end_choice(r, &err);
 *
 * Classifying and choosing a process allocates nothing and does not fail. A set of rules has one
 * owner thread: it keeps working memory.
 */
#ifndef MEMHIST_MODEL_RULES_H
#define MEMHIST_MODEL_RULES_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/timespec.h"
#include "libmemhist/model/axis.h"

enum {
	MH_RULES_MAX = 1000,          /* rules of a set */
	MH_RULES_WORDS_MAX = 10000,   /* words of their selectors, regular expressions included */
	MH_RULES_REGEX_MAX = 1000,    /* of these, regular expressions */
	MH_RULES_WORD_BYTES = 4096,   /* of one word */
	MH_RULES_EXPECTED_MAX = 1000, /* names known in advance */
	MH_RULES_NAME_BYTES = 4096,   /* of a name, before it is spelled; a longer one is cut */
};

enum mh_selector {
	MH_SELECT_COMM,
	MH_SELECT_EXE,
	MH_SELECT_CMDLINE,
	MH_SELECT_PROGRAM,
	MH_SELECT_USER,
	MH_SELECT_CGROUP,
	MH_SELECT_UNIT,
	MH_SELECT_CLASS,
	MH_SELECTORS,
};

/* "comm", "exe", … */
const char *mh_selector_name(enum mh_selector selector);

struct mh_rules;

/* An empty set. Returns 0 or -ENOMEM. */
int mh_rules_new(struct mh_rules **ret);
/* NULL is allowed. */
void mh_rules_free(struct mh_rules *r);

/*
 * Making a rule, behind those that are there. Each returns 0; -ENOMEM; -EOVERFLOW at a limit; or
 * -EINVAL; the two last with a sentence. After an error the set is to be freed.
 */
int mh_rules_begin(struct mh_rules *r, struct mh_err *err);
int mh_rules_add(struct mh_rules *r, enum mh_selector selector, const char *word,
		 struct mh_err *err);
/* It has a selector of this kind, even if that has no word: then nobody is accepted by it, but
 * everybody by cmdline. */
void mh_rules_have(struct mh_rules *r, enum mh_selector selector);
/* A template (name_template.h); without one it is {{.ExeBase}}. */
int mh_rules_name(struct mh_rules *r, const char *text, struct mh_err *err);
/* Instead of a name: the place on an axis. */
int mh_rules_by(struct mh_rules *r, enum mh_axis axis, struct mh_err *err);
/* Whether descendants that no rule takes belong to the group as well; without this they do. */
void mh_rules_tree(struct mh_rules *r, bool tree);
/* It is complete: -EINVAL when it has no selector, or its name a match that there is not. */
int mh_rules_end(struct mh_rules *r, struct mh_err *err);

/* Of a rule that chooses: it takes processes with so much resident memory or more. */
void mh_rules_min_rss(struct mh_rules *r, uint64_t bytes);
/* It is complete, without a name: -EINVAL when it has neither a selector nor a size. */
int mh_rules_end_choice(struct mh_rules *r, struct mh_err *err);

/* --- using them ------------------------------------------------------------------------------- */

size_t mh_rules_count(const struct mh_rules *r);
/* Whether descendants of anybody follow. */
bool mh_rules_have_tree(const struct mh_rules *r);

/*
 * Names that the rules can make whoever is there: those without variables, and those whose
 * variables are listed beside them (`exe: [postgres]` makes {{.ExeBase}} "postgres"). At most
 * MH_RULES_EXPECTED_MAX; bytes, NUL-terminated, in no order, perhaps twice.
 */
size_t mh_rules_expected(const struct mh_rules *r, const char *const **ret);

/* What rules look at besides the process. Before the first process of a tick: users are read again
 * where that matters, and expressions that took too long are forgiven. */
void mh_rules_tick(struct mh_rules *r, struct mh_instant at);

struct mh_named {
	bool tree;        /* its descendants follow */
	const char *name; /* bytes that may be anything; valid until the next call */
	size_t len;
};

/*
 * The rule that takes the process: its number, and *ret; or -1. *ret_undecided: a regular
 * expression was not asked, since it took too long for others in this tick; to be asked again in
 * the next one.
 */
int mh_rules_classify(struct mh_rules *r, const struct mh_process *p, struct mh_named *ret,
		      bool *ret_undecided);

#define MH_RULES_NEVER UINT64_MAX

/*
 * With how many bytes of resident memory the rules choose the process: the fewest that any rule
 * asks for which takes it; MH_RULES_NEVER when none does. *ret_undecided as above.
 */
uint64_t mh_rules_choose(struct mh_rules *r, const struct mh_process *p, bool *ret_undecided);

/* How often a regular expression was given up (regex.h): such a process may be another's. */
uint64_t mh_rules_given_up(const struct mh_rules *r);

#endif
