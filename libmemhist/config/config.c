/*
 * The keys, as a tree of tables, and one walk over document and tables at once. The tree of a
 * document is as deep as the tables at most, since what they do not know is refused.
 */
#include "libmemhist/config/config_inner.h"

#include "libmemhist/base/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	TABLE_MAX = 32,
	WORDS_MAX_BYTES = 4 << 20, /* of a rule that is shown: no document has so many */
};

/* Checks the value of a key and takes it over. Texts may be kept: they live in the document. */
typedef int take_fn(struct mh_config *c, enum mh_config_key id, const struct mh_node *node,
		    struct mh_err *err);

struct key {
	const char *name;
	take_fn *take;           /* NULL: a map of … */
	const struct key *below; /* … these */
	enum mh_config_key id;
};

/* A value that is one text. */
static int check_text(const struct mh_node *node, struct mh_err *err)
{
	if (node->kind == MH_NODE_TEXT && !node->is_nothing)
		return 0;
	return mh_document_wrong(node->at, err, "“%s” %s", node->key,
				 node->kind == MH_NODE_TEXT ? "has no value: give it one, or leave "
							      "it out"
							    : "takes one value, not several");
}

static int take_path(struct mh_config *c, enum mh_config_key id, const struct mh_node *node,
		     struct mh_err *err)
{
	int rc = check_text(node, err);

	if (rc)
		return rc;
	if (node->text[0] != '/')
		return mh_document_wrong(node->at, err, "“%s” takes an absolute path, not “%s”",
					 node->key, node->text);
	for (const char *p = node->text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return mh_document_wrong(node->at, err,
						 "“%s” has a line break or control character in it",
						 node->key);
	if (strlen(node->text) >= PATH_MAX)
		return mh_document_wrong(node->at, err, "“%s” is longer than a path can be",
					 node->key);
	c->text[id] = node->text;
	return 0;
}

static int take_allowed_paths(struct mh_config *c, enum mh_config_key id,
			      const struct mh_node *node, struct mh_err *err)
{
	struct mh_err why;
	int rc;

	(void)id;
	if (node->kind != MH_NODE_LIST)
		return mh_document_wrong(node->at, err,
					 "“%s” takes a list of directories: [] for none, or leave "
					 "it out to allow all but those of the system",
					 node->key);
	c->places.is_set = true;
	for (const struct mh_node *n = node->first; n; n = n->next) {
		if (n->kind != MH_NODE_TEXT || n->is_nothing)
			return mh_document_wrong(n->at, err, "a directory is an absolute path");
		rc = mh_places_add(&c->places, n->text, &why);
		if (rc == -ENOMEM)
			return rc;
		if (rc)
			return mh_document_wrong(n->at, err, "%s", why.text);
	}
	return 0;
}

/* Read a limit as all programs do. Returns 0, or -EINVAL and a sentence. */
static int read_limit(enum mh_config_key id, const char *text, struct mh_limits *limits,
		      uint32_t *sync_ms, struct mh_err *err)
{
	switch (id) {
	case MH_CONFIG_HISTORY_MAX_AGE:
		return mh_limits_max_age(limits, text, err);
	case MH_CONFIG_HISTORY_MAX_SIZE:
		return mh_limits_max_size(limits, text, err);
	case MH_CONFIG_HISTORY_MIN_FREE:
		return mh_limits_min_free(limits, text, err);
	default:
		return mh_limits_sync(sync_ms, text, err);
	}
}

static int take_limit(struct mh_config *c, enum mh_config_key id, const struct mh_node *node,
		      struct mh_err *err)
{
	struct mh_limits limits;
	uint32_t sync_ms;
	struct mh_err why;
	int rc = check_text(node, err);

	if (rc)
		return rc;
	if (read_limit(id, node->text, &limits, &sync_ms, &why))
		return mh_document_wrong(node->at, err, "“%s”: %s", node->key, why.text);
	c->text[id] = node->text;
	return 0;
}

void mh_config_limits(const struct mh_config *c, struct mh_limits *limits, uint32_t *sync_ms)
{
	/* checked when they were taken */
	for (int id = MH_CONFIG_HISTORY_MAX_AGE; id <= MH_CONFIG_HISTORY_SYNC_INTERVAL; id++)
		if (c->text[id])
			read_limit((enum mh_config_key)id, c->text[id], limits, sync_ms, NULL);
}

/* Values below `groups`. Returns 0, or -EINVAL and a sentence. */
static int read_group_value(enum mh_config_key id, const char *text, bool *tree,
			    uint64_t *min_rss_bytes, struct mh_groups_config *groups,
			    struct mh_err *err)
{
	switch (id) {
	case MH_CONFIG_GROUPS_BY:
		return mh_grouping_by(text, &groups->rest, err);
	case MH_CONFIG_GROUPS_TREE:
		return mh_grouping_bool(text, tree, err);
	case MH_CONFIG_GROUPS_MIN_RSS:
		return mh_grouping_size(text, min_rss_bytes, err);
	case MH_CONFIG_GROUPS_TOP:
		return mh_grouping_count(text, &groups->top, err);
	default:
		return mh_grouping_count(text, &groups->max_groups, err);
	}
}

static int take_group_value(struct mh_config *c, enum mh_config_key id, const struct mh_node *node,
			    struct mh_err *err)
{
	struct mh_groups_config groups;
	uint64_t min_rss_bytes;
	struct mh_err why;
	bool tree;
	int rc = check_text(node, err);

	if (rc)
		return rc;
	if (read_group_value(id, node->text, &tree, &min_rss_bytes, &groups, &why))
		return mh_document_wrong(node->at, err, "“%s”: %s", node->key, why.text);
	c->text[id] = node->text;
	return 0;
}

void mh_config_groups(struct mh_config *c, uint32_t page_bytes, struct mh_groups_config *ret)
{
	uint64_t min_rss_bytes = 0;
	bool tree;

	if (c->rules)
		ret->rest = MH_REST_OTHER;
	/* checked when they were taken */
	for (int id = MH_CONFIG_GROUPS_BY; id <= MH_CONFIG_GROUPS_MAX; id++)
		if (c->text[id])
			read_group_value((enum mh_config_key)id, c->text[id], &tree, &min_rss_bytes,
					 ret, NULL);
	if (c->text[MH_CONFIG_GROUPS_MIN_RSS])
		ret->min_rss_pages = min_rss_bytes / page_bytes + (min_rss_bytes % page_bytes != 0);
	ret->rules = c->rules;
	c->rules = NULL;
}

static int take_later(struct mh_config *c, enum mh_config_key id, const struct mh_node *node,
		      struct mh_err *err)
{
	(void)c;
	(void)id;
	(void)node;
	(void)err;
	return 0; /* by those below, when the whole document was seen */
}

/* A list of the document; NULL: it is not there, or all its lines are commented out. */
static const struct mh_node *find_list(const struct mh_config *c, const char *key)
{
	const struct mh_node *list = c->document.root ? c->document.root->first : NULL;

	while (list && strcmp(list->key, key) != 0)
		list = list->next;
	return list && list->kind == MH_NODE_TEXT && list->is_nothing ? NULL : list;
}

/* The rules, which other keys have a say in. */
static int make_rules(struct mh_config *c, struct mh_err *err)
{
	const char *tree_text = c->text[MH_CONFIG_GROUPS_TREE];
	const struct mh_node *list = find_list(c, "process_names");
	bool tree = true;
	int rc;

	if (!list)
		return 0;
	if (tree_text)
		mh_grouping_bool(tree_text, &tree, NULL);
	rc = mh_grouping_rules(&c->rules, list, tree, err);
	if (rc)
		return rc;
	c->rule_name = calloc(list->n + 1, sizeof(*c->rule_name));
	if (!c->rule_name)
		return -ENOMEM;
	for (const struct mh_node *item = list->first; item; item = item->next)
		c->rule_name[c->n_rules++] = mh_grouping_name(item);
	return 0;
}

/* A copy of a rule as people wrote it; NULL: no memory. */
static char *words_of(const struct mh_node *rule)
{
	struct mh_buf words = MH_BUF_INIT(WORDS_MAX_BYTES);
	char *copy;

	mh_grouping_words(&words, rule);
	copy = words.error ? NULL : strdup(mh_buf_str(&words));
	mh_buf_done(&words);
	return copy;
}

static int take_choice(struct mh_config *c, enum mh_config_key id, const struct mh_node *node,
		       struct mh_err *err)
{
	int rc;

	(void)id;
	if (node->kind == MH_NODE_TEXT && node->is_nothing) /* all its lines are commented out */
		return 0;
	rc = mh_grouping_choice(&c->choice, node, err);
	if (rc)
		return rc;
	c->choice_words = calloc(node->n + 1, sizeof(*c->choice_words));
	if (!c->choice_words)
		return -ENOMEM;
	for (const struct mh_node *item = node->first; item; item = item->next) {
		c->choice_words[c->n_choice] = words_of(item);
		if (!c->choice_words[c->n_choice])
			return -ENOMEM;
		c->n_choice++;
	}
	return 0;
}

/* The endpoints; names of files in them begin at `dir`, the configuration's. */
static int make_remote(struct mh_config *c, const char *dir, struct mh_err *err)
{
	const struct mh_node *list = find_list(c, "remote_write");
	int rc = list ? mh_remote_write_read(&c->remote, &c->n_remote, &c->document, dir, list, err)
		      : 0;

	if (rc || !list)
		return rc;
	c->remote_name = calloc(c->n_remote + 1, sizeof(*c->remote_name));
	if (!c->remote_name)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_remote; i++)
		c->remote_name[i] = c->remote[i].name;
	return 0;
}

static const struct key groups_keys[] = {
	{"by", take_group_value, NULL, MH_CONFIG_GROUPS_BY},
	{"tree", take_group_value, NULL, MH_CONFIG_GROUPS_TREE},
	{"min_rss", take_group_value, NULL, MH_CONFIG_GROUPS_MIN_RSS},
	{"top", take_group_value, NULL, MH_CONFIG_GROUPS_TOP},
	{"max", take_group_value, NULL, MH_CONFIG_GROUPS_MAX},
	{0},
};

static const struct key history_keys[] = {
	{"dir", take_path, NULL, MH_CONFIG_HISTORY_DIR},
	{"max_age", take_limit, NULL, MH_CONFIG_HISTORY_MAX_AGE},
	{"max_size", take_limit, NULL, MH_CONFIG_HISTORY_MAX_SIZE},
	{"min_free", take_limit, NULL, MH_CONFIG_HISTORY_MIN_FREE},
	{"sync_interval", take_limit, NULL, MH_CONFIG_HISTORY_SYNC_INTERVAL},
	{0},
};

static const struct key top_keys[] = {
	{"allowed_output_paths", take_allowed_paths, NULL, MH_CONFIG_ALLOWED_OUTPUT_PATHS},
	{"history", NULL, history_keys, 0},
	{"groups", NULL, groups_keys, 0},
	{"process_names", take_later, NULL, MH_CONFIG_PROCESS_NAMES},
	{"export_processes", take_choice, NULL, MH_CONFIG_EXPORT_PROCESSES},
	{"remote_write", take_later, NULL, MH_CONFIG_REMOTE_WRITE},
	{0},
};

/* Of a file of groups alone. */
static const struct key group_file_keys[] = {
	{"process_names", take_later, NULL, MH_CONFIG_PROCESS_NAMES},
	{"groups", NULL, groups_keys, 0},
	{0},
};

/* By mh_config_key. */
static const char *const names[MH_CONFIG_KEYS] = {
	[MH_CONFIG_ALLOWED_OUTPUT_PATHS] = "allowed_output_paths",
	[MH_CONFIG_HISTORY_DIR] = "history.dir",
	[MH_CONFIG_HISTORY_MAX_AGE] = "history.max_age",
	[MH_CONFIG_HISTORY_MAX_SIZE] = "history.max_size",
	[MH_CONFIG_HISTORY_MIN_FREE] = "history.min_free",
	[MH_CONFIG_HISTORY_SYNC_INTERVAL] = "history.sync_interval",
	[MH_CONFIG_GROUPS_BY] = "groups.by",
	[MH_CONFIG_GROUPS_TREE] = "groups.tree",
	[MH_CONFIG_GROUPS_MIN_RSS] = "groups.min_rss",
	[MH_CONFIG_GROUPS_TOP] = "groups.top",
	[MH_CONFIG_GROUPS_MAX] = "groups.max",
	[MH_CONFIG_PROCESS_NAMES] = "process_names",
	[MH_CONFIG_EXPORT_PROCESSES] = "export_processes",
	[MH_CONFIG_REMOTE_WRITE] = "remote_write",
};

static int unknown(const struct mh_node *node, const struct key *table, struct mh_err *err)
{
	const char *known[TABLE_MAX + 1], *nearest;
	size_t n = 0;

	for (const struct key *k = table; k->name && n < TABLE_MAX; k++)
		known[n++] = k->name;
	known[n] = NULL;
	nearest = mh_suggest(node->key, known);
	if (nearest)
		return mh_document_wrong(node->key_at, err, "unknown key “%s”: did you mean “%s”?",
					 node->key, nearest);
	return mh_document_wrong(node->key_at, err, "unknown key “%s”: see memhist.yaml(5)",
				 node->key);
}

static int take_map(struct mh_config *c, const struct mh_node *map, const struct key *table,
		    struct mh_err *err);

static int take_key(struct mh_config *c, const struct mh_node *node, const struct key *table,
		    struct mh_err *err)
{
	const struct key *key = table;
	int rc;

	while (key->name && strcmp(key->name, node->key) != 0)
		key++;
	if (!key->name)
		return unknown(node, table, err);
	if (key->below)
		return take_map(c, node, key->below, err);
	rc = key->take(c, key->id, node, err);
	if (!rc)
		c->from[key->id] = node->at;
	return rc;
}

static int take_map(struct mh_config *c, const struct mh_node *map, const struct key *table,
		    struct mh_err *err)
{
	int rc = 0;

	/* all its lines are commented out */
	if (map->kind == MH_NODE_TEXT && map->is_nothing)
		return 0;
	if (map->kind != MH_NODE_MAP && map->key)
		return mh_document_wrong(map->at, err, "“%s” takes keys and their values (“%s: …”)",
					 map->key, table->name);
	if (map->kind != MH_NODE_MAP)
		return mh_document_wrong(map->at, err,
					 "a configuration is keys and their values (“%s: …”)",
					 table->name);
	for (const struct mh_node *n = map->first; n && !rc; n = n->next)
		rc = take_key(c, n, table, err);
	return rc;
}

int mh_config_parse_as(struct mh_config *ret, enum mh_config_table table, const char *dir,
		       const char *bytes, size_t len, struct mh_err *err)
{
	struct mh_config c = {0};
	int rc = mh_document_read(&c.document, bytes, len, err);

	if (rc)
		return rc;
	if (c.document.root)
		rc = take_map(&c, c.document.root,
			      table == MH_CONFIG_MAIN ? top_keys : group_file_keys, err);
	if (!rc)
		rc = make_rules(&c, err);
	if (!rc)
		rc = make_remote(&c, dir, err);
	if (!rc) {
		*ret = c;
		return 0;
	}
	mh_config_done(&c);
	return rc == -ENOMEM ? mh_err_sys(err, rc, "cannot read a configuration") : rc;
}

int mh_config_parse(struct mh_config *ret, const char *bytes, size_t len, struct mh_err *err)
{
	return mh_config_parse_as(ret, MH_CONFIG_MAIN, ".", bytes, len, err);
}

void mh_config_done(struct mh_config *c)
{
	free(c->file);
	mh_places_done(&c->places);
	mh_document_done(&c->document);
	mh_rules_free(c->rules);
	free(c->rule_name);
	mh_rules_free(c->choice);
	for (size_t i = 0; i < c->n_choice; i++)
		free(c->choice_words[i]);
	free(c->choice_words);
	mh_remote_write_free(c->remote, c->n_remote);
	free(c->remote_name);
	*c = (struct mh_config){0};
}

void mh_config_item(const struct mh_config *c, enum mh_config_key key, struct mh_config_item *ret)
{
	*ret = (struct mh_config_item){
		.key = names[key],
		.value = &c->text[key],
		.n = c->text[key] != NULL,
		.is_set = c->from[key].line != 0,
		.from = c->from[key],
	};
	if (key == MH_CONFIG_ALLOWED_OUTPUT_PATHS) {
		ret->value = (const char *const *)c->places.dir;
		ret->n = c->places.n;
		ret->is_list = true;
	} else if (key == MH_CONFIG_PROCESS_NAMES) {
		ret->value = c->rule_name;
		ret->n = c->n_rules;
		ret->is_list = true;
	} else if (key == MH_CONFIG_EXPORT_PROCESSES) {
		ret->value = (const char *const *)c->choice_words;
		ret->n = c->n_choice;
		ret->is_list = true;
	} else if (key == MH_CONFIG_REMOTE_WRITE) {
		ret->value = c->remote_name;
		ret->n = c->n_remote;
		ret->is_list = true;
	}
}
