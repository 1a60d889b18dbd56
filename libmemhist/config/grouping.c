/* Rules from a document: keys and kinds are checked here, what words mean in model/rules_make.c. */
#include "libmemhist/config/grouping.h"

#include "libmemhist/base/size.h"
#include "libmemhist/base/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- values ----------------------------------------------------------------------------------- */

int mh_grouping_by(const char *text, uint32_t *ret_rest, struct mh_err *err)
{
	static const char *const rest[] = {"other", "none"};
	const char *known[MH_AXES + 3], *nearest;
	size_t n = 0;

	for (int axis = 0; axis < MH_AXES; axis++)
		known[n++] = mh_axis_name((enum mh_axis)axis);
	known[n++] = rest[0];
	known[n++] = rest[1];
	known[n] = NULL;
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(known[i], text)) {
			*ret_rest = i;
			return 0;
		}
	nearest = mh_suggest(text, known);
	if (nearest)
		return mh_errf(err, -EINVAL, "“%s” is not known: did you mean “%s”?", text,
			       nearest);
	return mh_errf(err, -EINVAL,
		       "“%s” is none of program, exe, user, cgroup, unit, class, other and none",
		       text);
}

int mh_grouping_bool(const char *text, bool *ret, struct mh_err *err)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i], text)) {
			*ret = i % 2;
			return 0;
		}
	return mh_errf(err, -EINVAL, "“%s” is neither true nor false", text);
}

int mh_grouping_count(const char *text, uint32_t *ret, struct mh_err *err)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long n;

	if (!digits || text[digits] || digits > 9 || (n = strtoul(text, NULL, 10)) < 1 ||
	    n > MH_GROUPS_MAX)
		return mh_errf(err, -EINVAL, "“%s” is no number from 1 to %d", text, MH_GROUPS_MAX);
	*ret = (uint32_t)n;
	return 0;
}

int mh_grouping_size(const char *text, uint64_t *ret_bytes, struct mh_err *err)
{
	if (mh_size_parse(text, ret_bytes))
		return mh_errf(err, -EINVAL,
			       "“%s” is no size: digits and K, M, G or T (powers of 1024)", text);
	return 0;
}

/* --- rules ------------------------------------------------------------------------------------ */

/* What a rule says, wherever in it. */
struct reading {
	struct mh_rules *rules;
	const struct mh_node *name; /* or by */
	const struct mh_node *tree;
	struct mh_err *err;
};

/* What model/ says of a value, with its place. */
static int wrong_value(const struct reading *r, struct mh_mark at, const char *key, int rc,
		       const struct mh_err *why)
{
	return rc == -ENOMEM ? rc : mh_document_wrong(at, r->err, "“%s”: %s", key, why->text);
}

static bool is_word(const struct mh_node *node)
{
	return node->kind == MH_NODE_TEXT && !node->is_nothing;
}

static int take_word(struct reading *r, enum mh_selector selector, const struct mh_node *word)
{
	const char *key = mh_selector_name(selector);
	struct mh_err why;
	int rc;

	if (!is_word(word))
		return mh_document_wrong(word->at, r->err, "“%s” is a list of words", key);
	rc = mh_rules_add(r->rules, selector, word->text, &why);
	return rc ? wrong_value(r, word->at, key, rc, &why) : 0;
}

static int take_selector(struct reading *r, enum mh_selector selector, const struct mh_node *node)
{
	int rc = 0;

	if (node->kind != MH_NODE_LIST)
		return take_word(r, selector, node);
	mh_rules_have(r->rules, selector);
	for (const struct mh_node *word = node->first; word && !rc; word = word->next)
		rc = take_word(r, selector, word);
	return rc;
}

static int take_name(struct reading *r, const struct mh_node *node)
{
	struct mh_err why;
	int rc;

	r->name = node;
	if (node->kind != MH_NODE_TEXT)
		return mh_document_wrong(node->at, r->err, "“name” is one text");
	rc = mh_rules_name(r->rules, node->is_nothing ? "" : node->text, &why);
	return rc ? wrong_value(r, node->at, "name", rc, &why) : 0;
}

static int take_by(struct reading *r, const struct mh_node *node)
{
	uint32_t axis = MH_AXES;
	struct mh_err why = {"it takes one of program, exe, user, cgroup, unit and class"};
	int rc = is_word(node) ? mh_grouping_by(node->text, &axis, &why) : -EINVAL;

	r->name = node;
	if (!rc && axis >= MH_AXES)
		rc = mh_errf(&why, -EINVAL,
			     "“%s” is for the rest, below “groups”: a rule makes groups",
			     node->text);
	if (!rc)
		rc = mh_rules_by(r->rules, (enum mh_axis)axis, &why);
	return rc ? wrong_value(r, node->at, "by", rc, &why) : 0;
}

static int take_tree(struct reading *r, const struct mh_node *node)
{
	struct mh_err why = {"it is true or false"};
	bool tree = true;
	int rc = is_word(node) ? mh_grouping_bool(node->text, &tree, &why) : -EINVAL;

	if (rc)
		return wrong_value(r, node->at, "tree", rc, &why);
	r->tree = node;
	mh_rules_tree(r->rules, tree);
	return 0;
}

/* `own`: what such a rule has besides selectors; up to a NULL, three at most. */
static int unknown_key(const struct mh_node *node, const char *const *own, struct mh_err *err)
{
	const char *known[MH_SELECTORS + 4] = {NULL}, *nearest;
	size_t n = 0;

	for (; own[n]; n++)
		known[n] = own[n];
	for (int s = 0; s < MH_SELECTORS; s++)
		known[n++] = mh_selector_name((enum mh_selector)s);
	nearest = mh_suggest(node->key, known);
	if (nearest)
		return mh_document_wrong(node->key_at, err, "unknown key “%s”: did you mean “%s”?",
					 node->key, nearest);
	return mh_document_wrong(node->key_at, err, "unknown key “%s”: see memhist.yaml(5)",
				 node->key);
}

/* The selector of this key; MH_SELECTORS: it is none. */
static enum mh_selector selector_of(const struct mh_node *node)
{
	int s = 0;

	while (s < MH_SELECTORS && strcmp(node->key, mh_selector_name((enum mh_selector)s)) != 0)
		s++;
	return (enum mh_selector)s;
}

static int take_key(struct reading *r, const struct mh_node *node)
{
	static const char *const own[] = {"name", "by", "tree", NULL};
	enum mh_selector selector = selector_of(node);

	if (!strcmp(node->key, "name"))
		return take_name(r, node);
	if (!strcmp(node->key, "by"))
		return take_by(r, node);
	if (!strcmp(node->key, "tree"))
		return take_tree(r, node);
	if (selector != MH_SELECTORS)
		return take_selector(r, selector, node);
	return unknown_key(node, own, r->err);
}

/* `list`: whose item the rule is. */
static int begin_rule(struct reading *r, const struct mh_node *item, const struct mh_node *list)
{
	struct mh_err why;
	int rc;

	if (item->kind != MH_NODE_MAP)
		return mh_document_wrong(item->at, r->err,
					 "a rule is keys and their values (“comm: [bash]”)");
	rc = mh_rules_begin(r->rules, &why);
	return rc ? wrong_value(r, item->at, list->key, rc, &why) : 0;
}

static int take_rule(struct mh_rules *rules, const struct mh_node *item, const struct mh_node *list,
		     bool tree, struct mh_err *err)
{
	struct reading r = {.rules = rules, .err = err};
	struct mh_err why;
	int rc = begin_rule(&r, item, list);

	if (rc)
		return rc;
	mh_rules_tree(rules, tree);
	for (const struct mh_node *n = item->first; n && !rc; n = n->next)
		rc = take_key(&r, n);
	if (rc)
		return rc;
	rc = mh_rules_end(rules, &why);
	if (rc && rc != -ENOMEM)
		return mh_document_wrong(r.name ? r.name->at : item->at, err, "%s", why.text);
	return rc;
}

/* A set without rules yet. */
static int begin_rules(struct mh_rules **ret, const struct mh_node *list, struct mh_err *err)
{
	if (list->kind != MH_NODE_LIST)
		return mh_document_wrong(list->at, err,
					 "“%s” takes a list of rules (“- comm: "
					 "[bash]”)",
					 list->key);
	return mh_rules_new(ret);
}

int mh_grouping_rules(struct mh_rules **ret, const struct mh_node *list, bool tree,
		      struct mh_err *err)
{
	struct mh_rules *rules;
	int rc = begin_rules(&rules, list, err);

	if (rc)
		return rc;
	for (const struct mh_node *item = list->first; item && !rc; item = item->next)
		rc = take_rule(rules, item, list, tree, err);
	if (rc) {
		mh_rules_free(rules);
		return rc;
	}
	*ret = rules;
	return 0;
}

const char *mh_grouping_name(const struct mh_node *rule)
{
	for (const struct mh_node *n = rule->first; n; n = n->next)
		if (!strcmp(n->key, "name") && *n->text)
			return n->text;
	for (const struct mh_node *n = rule->first; n; n = n->next)
		if (!strcmp(n->key, "by"))
			return n->text;
	return "{{.ExeBase}}";
}

/* --- rules that choose ------------------------------------------------------------------------ */

static int take_min_rss(struct reading *r, const struct mh_node *node)
{
	struct mh_err why = {"it is one size, such as 100M"};
	uint64_t bytes;
	int rc = is_word(node) ? mh_grouping_size(node->text, &bytes, &why) : -EINVAL;

	if (rc)
		return wrong_value(r, node->at, "min_rss", rc, &why);
	mh_rules_min_rss(r->rules, bytes);
	return 0;
}

/* One without words takes nobody, which is never meant here; elsewhere others take such rules too.
 */
static int take_some(struct reading *r, enum mh_selector selector, const struct mh_node *node)
{
	if (node->kind == MH_NODE_LIST && !node->first)
		return mh_document_wrong(node->at, r->err,
					 "“%s” is an empty list, which takes nobody: leave it out, "
					 "or say whom",
					 node->key);
	return take_selector(r, selector, node);
}

static int take_choice(struct mh_rules *rules, const struct mh_node *item,
		       const struct mh_node *list, struct mh_err *err)
{
	static const char *const own[] = {"min_rss", NULL};
	struct reading r = {.rules = rules, .err = err};
	struct mh_err why;
	int rc = begin_rule(&r, item, list);

	for (const struct mh_node *n = rc ? NULL : item->first; n && !rc; n = n->next) {
		enum mh_selector selector = selector_of(n);

		if (selector != MH_SELECTORS)
			rc = take_some(&r, selector, n);
		else if (!strcmp(n->key, "min_rss"))
			rc = take_min_rss(&r, n);
		else
			rc = unknown_key(n, own, err);
	}
	if (rc)
		return rc;
	return mh_rules_end_choice(rules, &why) ? mh_document_wrong(item->at, err, "%s", why.text)
						: 0;
}

int mh_grouping_choice(struct mh_rules **ret, const struct mh_node *list, struct mh_err *err)
{
	struct mh_rules *rules;
	int rc = begin_rules(&rules, list, err);

	if (rc)
		return rc;
	for (const struct mh_node *item = list->first; item && !rc; item = item->next)
		rc = take_choice(rules, item, list, err);
	if (rc) {
		mh_rules_free(rules);
		return rc;
	}
	*ret = rules;
	return 0;
}

void mh_grouping_words(struct mh_buf *out, const struct mh_node *rule)
{
	for (const struct mh_node *n = rule->first; n; n = n->next) {
		mh_buf_printf(out, "%s%s:", n == rule->first ? "" : "; ", n->key);
		if (n->kind == MH_NODE_TEXT)
			mh_buf_printf(out, " %s", n->text);
		for (const struct mh_node *word = n->first; word; word = word->next)
			mh_buf_printf(out, " %s%s", word->text, word->next ? "," : "");
	}
}
