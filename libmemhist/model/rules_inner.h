/* A set of rules from the inside, shared by rules.c and rules_make.c alone. */
#ifndef MEMHIST_MODEL_RULES_INNER_H
#define MEMHIST_MODEL_RULES_INNER_H

#include "libmemhist/model/name_template.h"
#include "libmemhist/model/regex.h"
#include "libmemhist/model/rules.h"

/* What a selector accepts. */
struct mh_rule_words {
	char **text; /* sorted by their bytes, when the rule is complete */
	size_t n_text;
	struct mh_regex **regex;
	size_t n_regex;
};

struct mh_rule {
	struct mh_rule_words select[MH_SELECTORS];
	bool has[MH_SELECTORS];
	struct mh_template *name; /* NULL: it chooses */
	bool no_tree;
	bool has_min_rss;
	uint64_t min_rss; /* bytes; 0 unless it has one */
};

struct mh_rules {
	struct mh_rule *rule;
	size_t n;
	size_t n_words, n_regex;
	bool uses_users;
	char **expected; /* room for MH_RULES_EXPECTED_MAX */
	size_t n_expected;

	/* working memory */
	struct mh_regex_room *room;
	struct mh_users users;
	struct mh_instant at;
	struct mh_buf line; /* the command line of the process, when has_line */
	bool has_line;
	struct mh_buf place; /* its place on an axis, and the same as UTF-8 */
	struct mh_buf utf8;
	struct mh_buf name;
};

/* The expression of cmdline that has a part of this name, and the part's number; or NULL. */
struct mh_regex *mh_rule_find_part(const struct mh_rule *rule, const char *name, size_t len,
				   int *ret_part);

#endif
