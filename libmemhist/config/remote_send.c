/* What is sent: the keys below `send`; and the values that all of `remote_write` has. */
#include "libmemhist/config/remote_inner.h"

#include "libmemhist/base/suggest.h"
#include "libmemhist/config/grouping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- values ----------------------------------------------------------------------------------- */

bool mh_remote_is_word(const struct mh_node *node)
{
	return node->kind == MH_NODE_TEXT && !node->is_nothing;
}

int mh_remote_number(const struct mh_remote_reading *r, const struct mh_node *node, uint32_t least,
		     uint32_t most, uint32_t *ret)
{
	size_t digits = mh_remote_is_word(node) ? strspn(node->text, "0123456789") : 0;
	unsigned long n = digits && digits <= 9 ? strtoul(node->text, NULL, 10) : 0;

	if (!digits || node->text[digits] || digits > 9 || n < least || n > most)
		return mh_document_wrong(node->at, r->err, "“%s” is a number from %u to %u",
					 node->key, least, most);
	*ret = (uint32_t)n;
	return 0;
}

int mh_remote_bool(const struct mh_remote_reading *r, const struct mh_node *node, bool *ret)
{
	struct mh_err why = {"it is true or false"};

	if (!mh_remote_is_word(node) || mh_grouping_bool(node->text, ret, &why))
		return mh_document_wrong(node->at, r->err, "“%s”: %s", node->key, why.text);
	return 0;
}

int mh_remote_unknown(const struct mh_remote_reading *r, const struct mh_node *node,
		      const char *const *known)
{
	const char *nearest = mh_suggest(node->key, known);

	if (nearest)
		return mh_document_wrong(node->key_at, r->err,
					 "unknown key “%s”: did you mean “%s”?", node->key,
					 nearest);
	return mh_document_wrong(node->key_at, r->err, "unknown key “%s”: see memhist.yaml(5)",
				 node->key);
}

int mh_remote_map(struct mh_remote_reading *r, const struct mh_node *map,
		  const struct mh_remote_key *table)
{
	const char *known[16] = {NULL};
	int rc = 0;

	/* all its lines are commented out */
	if (map->kind == MH_NODE_TEXT && map->is_nothing)
		return 0;
	if (map->kind != MH_NODE_MAP)
		return mh_document_wrong(map->at, r->err,
					 "“%s” takes keys and their values (“%s: …”)", map->key,
					 table->name);
	for (size_t i = 0; table[i].name; i++)
		known[i] = table[i].name;
	for (const struct mh_node *node = map->first; node && !rc; node = node->next) {
		const struct mh_remote_key *k = table;

		while (k->name && strcmp(k->name, node->key) != 0)
			k++;
		rc = k->name ? k->take(r, node) : mh_remote_unknown(r, node, known);
	}
	return rc;
}

/* --- send ------------------------------------------------------------------------------------- */

static int take_processes(struct mh_remote_reading *r, const struct mh_node *node)
{
	if (mh_remote_is_word(node) && !strcmp(node->text, "all")) {
		r->c->processes = MH_REMOTE_ALL;
		return 0;
	}
	if (mh_remote_is_word(node) && node->text[strspn(node->text, "0123456789")])
		return mh_document_wrong(node->at, r->err, "“processes” is a number, or all");
	return mh_remote_number(r, node, 0, MH_REMOTE_SERIES_MAX, &r->c->processes);
}

static int take_programs(struct mh_remote_reading *r, const struct mh_node *node)
{
	struct mh_err why;
	int rc = 0;

	if (node->kind != MH_NODE_LIST)
		return mh_document_wrong(node->at, r->err,
					 "“programs” takes a list of names and /expressions/");
	for (const struct mh_node *n = node->first; n && !rc; n = n->next) {
		if (!mh_remote_is_word(n))
			return mh_document_wrong(n->at, r->err,
						 "a program is a name, or an /expression/");
		rc = mh_select_add(&r->c->programs, n->text, &why);
		if (rc && rc != -ENOMEM)
			rc = mh_document_wrong(n->at, r->err, "“programs”: %s", why.text);
	}
	return rc;
}

static int take_fields(const struct mh_remote_reading *r, const struct mh_node *node,
		       bool of_groups, mh_fields_t *ret)
{
	const char *known[MH_FIELD_COUNT + 1], *nearest;
	mh_fields_t fields = 0;
	size_t n = 0;

	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (!of_groups || mh_fields[f].in_groups != MH_IN_GROUPS_NONE)
			known[n++] = mh_fields[f].name;
	known[n] = NULL;
	if (node->kind != MH_NODE_LIST || !node->first)
		return mh_document_wrong(node->at, r->err,
					 "“%s” takes a list of fields: [rss, vsz]", node->key);
	for (const struct mh_node *item = node->first; item; item = item->next) {
		size_t i = 0;

		while (mh_remote_is_word(item) && known[i] && strcmp(known[i], item->text) != 0)
			i++;
		if (mh_remote_is_word(item) && known[i]) {
			fields |= (mh_fields_t)1 << mh_field_by_name(item->text);
			continue;
		}
		nearest = mh_remote_is_word(item) ? mh_suggest(item->text, known) : NULL;
		if (nearest)
			return mh_document_wrong(item->at, r->err,
						 "“%s” is no field: did you mean “%s”?", item->text,
						 nearest);
		return mh_document_wrong(item->at, r->err, "“%s” is no field%s",
					 mh_remote_is_word(item) ? item->text : "…",
					 of_groups ? " of groups" : "");
	}
	*ret = fields;
	return 0;
}

static int take_process_fields(struct mh_remote_reading *r, const struct mh_node *node)
{
	return take_fields(r, node, false, &r->c->process_fields);
}

static int take_group_fields(struct mh_remote_reading *r, const struct mh_node *node)
{
	return take_fields(r, node, true, &r->c->group_fields);
}

static int take_groups(struct mh_remote_reading *r, const struct mh_node *node)
{
	bool yes = true;
	int rc = mh_remote_bool(r, node, &yes);

	r->c->no_groups = !yes;
	return rc;
}

static int take_meminfo(struct mh_remote_reading *r, const struct mh_node *node)
{
	bool yes = true;
	int rc = mh_remote_bool(r, node, &yes);

	r->c->no_meminfo = !yes;
	return rc;
}

static int take_max_series(struct mh_remote_reading *r, const struct mh_node *node)
{
	return mh_remote_number(r, node, 1, MH_REMOTE_SERIES_MAX, &r->c->max_series);
}

int mh_remote_send(struct mh_remote_reading *r, const struct mh_node *node)
{
	static const struct mh_remote_key keys[] = {
		{"processes", take_processes},           {"programs", take_programs},
		{"process_fields", take_process_fields}, {"groups", take_groups},
		{"group_fields", take_group_fields},     {"meminfo", take_meminfo},
		{"max_series", take_max_series},         {0},
	};

	return mh_remote_map(r, node, keys);
}
