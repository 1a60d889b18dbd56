/*
 * The keys of a web configuration but for those of TLS, and the small readers that both halves
 * share. A value that is not there, or "", is as if its line was not there: so the toolkit of
 * Prometheus' exporters reads it, and templates write it.
 */
#include "libmemhist/config/web.h"

#include "libmemhist/base/suggest.h"
#include "libmemhist/config/grouping.h"
#include "libmemhist/config/web_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_MAX = 32, BURST_MAX = 1000000 };

static const char *const header_names[MH_WEB_HEADERS] = {
	[MH_WEB_CSP] = "Content-Security-Policy",   [MH_WEB_FRAMES] = "X-Frame-Options",
	[MH_WEB_TYPES] = "X-Content-Type-Options",  [MH_WEB_XSS] = "X-XSS-Protection",
	[MH_WEB_STS] = "Strict-Transport-Security",
};

const char *mh_web_header_name(enum mh_web_header h)
{
	return header_names[h];
}

int mh_web_unknown(struct mh_mark at, const char *what, const char *text, const char *const *known,
		   struct mh_err *err)
{
	const char *nearest = mh_suggest(text, known);

	if (nearest)
		return mh_document_wrong(at, err, "unknown %s “%s”: did you mean “%s”?", what, text,
					 nearest);
	return mh_document_wrong(at, err, "unknown %s “%s”: see memhist-web.yaml(5)", what, text);
}

static int unknown_key(const struct mh_node *node, const struct mh_web_key *table,
		       struct mh_err *err)
{
	const char *known[TABLE_MAX + 1];
	size_t n = 0;

	while (table[n].name && n < TABLE_MAX) {
		known[n] = table[n].name;
		n++;
	}
	known[n] = NULL;
	return mh_web_unknown(node->key_at, "key", node->key, known, err);
}

int mh_web_take_map(void *into, const struct mh_node *map, const struct mh_web_key *table,
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
					 "a web configuration is keys and their values (“%s: …”)",
					 table->name);
	for (const struct mh_node *n = map->first; n && !rc; n = n->next) {
		const struct mh_web_key *key = table;

		while (key->name && strcmp(key->name, n->key) != 0)
			key++;
		rc = key->name ? key->take(into, n, err) : unknown_key(n, table, err);
	}
	return rc;
}

int mh_web_text(const struct mh_node *node, const char **ret, struct mh_err *err)
{
	if (node->kind != MH_NODE_TEXT)
		return mh_document_wrong(node->at, err, "“%s” takes one value, not several",
					 node->key);
	*ret = node->is_nothing ? "" : node->text;
	return 0;
}

int mh_web_list(const struct mh_node *node, struct mh_err *err)
{
	if (node->kind == MH_NODE_TEXT && node->is_nothing)
		return 0;
	if (node->kind != MH_NODE_LIST)
		return mh_document_wrong(node->at, err, "“%s” takes a list", node->key);
	for (const struct mh_node *n = node->first; n; n = n->next)
		if (n->kind != MH_NODE_TEXT || n->is_nothing || !*n->text)
			return mh_document_wrong(n->at, err, "“%s” takes a list of words",
						 node->key);
	return 0;
}

int mh_web_bool(const struct mh_node *node, bool *ret, struct mh_err *err)
{
	struct mh_err why;
	const char *text = "";
	int rc = mh_web_text(node, &text, err);

	if (!rc && *text && mh_grouping_bool(text, ret, &why))
		rc = mh_document_wrong(node->at, err, "“%s”: %s", node->key, why.text);
	return rc;
}

/* HTTP/2 is not spoken here; whoever speaks it speaks HTTP/1.1 too. */
static int take_http2(void *into, const struct mh_node *node, struct mh_err *err)
{
	bool ignored;

	(void)into;
	return mh_web_bool(node, &ignored, err);
}

static int take_header(struct mh_web *w, const struct mh_node *node, struct mh_err *err)
{
	const char *known[MH_WEB_HEADERS + 1] = {0}, *text = "";
	int h = 0, rc = mh_web_text(node, &text, err);

	if (rc)
		return rc;
	while (h < MH_WEB_HEADERS && strcmp(header_names[h], node->key) != 0)
		h++;
	if (h == MH_WEB_HEADERS) {
		for (h = 0; h < MH_WEB_HEADERS; h++)
			known[h] = header_names[h];
		return mh_web_unknown(node->key_at, "header", node->key, known, err);
	}
	if (h == MH_WEB_FRAMES && strcmp(text, "deny") != 0 && strcmp(text, "sameorigin") != 0)
		return mh_document_wrong(node->at, err, "“%s” is deny or sameorigin", node->key);
	if (h == MH_WEB_TYPES && strcmp(text, "nosniff") != 0)
		return mh_document_wrong(node->at, err, "“%s” is nosniff", node->key);
	if (strlen(text) > MH_WEB_HEADER_MAX)
		return mh_document_wrong(node->at, err, "“%s” has more than %d bytes", node->key,
					 MH_WEB_HEADER_MAX);
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			return mh_document_wrong(node->at, err,
						 "“%s” has something else than ASCII in it, or a "
						 "line break",
						 node->key);
	if (*text)
		w->header[h] = text;
	return 0;
}

static int take_headers(void *into, const struct mh_node *node, struct mh_err *err)
{
	int rc = 0;

	if (node->kind == MH_NODE_TEXT && node->is_nothing)
		return 0;
	if (node->kind != MH_NODE_MAP)
		return mh_document_wrong(node->at, err, "“%s” takes headers and their values",
					 node->key);
	for (const struct mh_node *n = node->first; n && !rc; n = n->next)
		rc = take_header(into, n, err);
	return rc;
}

static const struct mh_web_key http_keys[] = {
	{"headers", take_headers},
	{"http2", take_http2},
	{0},
};

static int take_http(void *into, const struct mh_node *node, struct mh_err *err)
{
	return mh_web_take_map(into, node, http_keys, err);
}

/* Whether it is $2a$NN$, $2b$ or $2y$, and 53 of its alphabet; its cost. What is not quite a bcrypt
 * hash crypt(3) takes for one of a weaker kind. */
static bool is_bcrypt(const char *hash, unsigned int *ret_cost)
{
	static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789";

	if (strlen(hash) != MH_WEB_HASH_LEN || strncmp(hash, "$2", 2) != 0 ||
	    !strchr("aby", hash[2]) || hash[3] != '$' || hash[6] != '$' ||
	    strspn(hash + 4, "0123456789") != 2 || strspn(hash + 7, alphabet) != 53)
		return false;
	*ret_cost = (unsigned int)(hash[4] - '0') * 10 + (unsigned int)(hash[5] - '0');
	return true;
}

static int take_user(struct mh_web *w, const struct mh_node *node, struct mh_err *err)
{
	unsigned int cost;
	const char *hash = "";
	int rc = mh_web_text(node, &hash, err);

	if (rc)
		return rc;
	if (!*node->key || strlen(node->key) > MH_WEB_USER_MAX || strchr(node->key, ':'))
		return mh_document_wrong(node->key_at, err,
					 "a user's name has 1 to %d bytes, and no colon",
					 MH_WEB_USER_MAX);
	if (!is_bcrypt(hash, &cost))
		return mh_document_wrong(node->at, err,
					 "the password of “%s” is no bcrypt hash ($2b$10$ and 53 "
					 "characters): see htpasswd -nBC 10 %s",
					 node->key, node->key);
	if (cost < MH_WEB_COST_MIN || cost > MH_WEB_COST_MAX)
		return mh_document_wrong(node->at, err,
					 "the hash of “%s” has cost %u, and %d to %d are allowed: "
					 "each one more doubles the time that a wrong password "
					 "takes here",
					 node->key, cost, MH_WEB_COST_MIN, MH_WEB_COST_MAX);
	w->user[w->n_users++] = (struct mh_web_user){node->key, hash};
	if (cost > w->max_cost)
		w->max_cost = cost;
	return 0;
}

static int take_users(void *into, const struct mh_node *node, struct mh_err *err)
{
	struct mh_web *w = into;
	int rc = 0;

	if (node->kind == MH_NODE_TEXT && node->is_nothing)
		return 0;
	if (node->kind != MH_NODE_MAP)
		return mh_document_wrong(node->at, err, "“%s” takes names and bcrypt hashes",
					 node->key);
	w->user = calloc(node->n + 1, sizeof(*w->user));
	if (!w->user)
		return -ENOMEM;
	for (const struct mh_node *n = node->first; n && !rc; n = n->next)
		rc = take_user(w, n, err);
	return rc;
}

/* Digits and perhaps a fraction of a unit, as nanoseconds; the rest of the text, or NULL. */
static const char *read_part(const char *text, double *sum_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},  {"ms", 1e6},
		     {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	const char *unit;
	char number[24];
	size_t len = strspn(text, "0123456789."), best = 0;

	if (!len || len >= sizeof(number) || !strpbrk(text, "0123456789"))
		return NULL;
	memcpy(number, text, len);
	number[len] = '\0';
	if (strchr(number, '.') != strrchr(number, '.') || !strcmp(number, "."))
		return NULL;
	unit = text + len;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(units[i].name);

		if (n > best && !strncmp(unit, units[i].name, n)) {
			best = n;
			len = i;
		}
	}
	if (!best)
		return NULL;
	*sum_ns += strtod(number, NULL) * units[len].ns;
	return unit + best;
}

/* As Go reads durations: "1s", "1m30s", "1.5h", "0". */
static int take_interval(void *into, const struct mh_node *node, struct mh_err *err)
{
	struct mh_web *w = into;
	const char *text = "", *p;
	double ns = 0;
	int rc = mh_web_text(node, &text, err);

	if (rc)
		return rc;
	for (p = strcmp(text, "0") != 0 ? text : ""; p && *p;)
		p = read_part(p, &ns);
	if (!p || ns > 3600e9)
		return mh_document_wrong(node->at, err,
					 "“%s” is a time such as 1s, 100ms or 1m30s, 1h at most",
					 node->key);
	w->rate_ns = (uint64_t)ns;
	return 0;
}

static int take_burst(void *into, const struct mh_node *node, struct mh_err *err)
{
	struct mh_web *w = into;
	unsigned long n = 0;
	const char *text = "";
	int rc = mh_web_text(node, &text, err);

	if (rc)
		return rc;
	if (text[strspn(text, "0123456789")] || strlen(text) > 9 ||
	    (*text && (n = strtoul(text, NULL, 10)) > BURST_MAX))
		return mh_document_wrong(node->at, err, "“%s” is a number from 0 to %d", node->key,
					 BURST_MAX);
	w->burst = (uint32_t)n;
	return 0;
}

static const struct mh_web_key rate_keys[] = {
	{"interval", take_interval},
	{"burst", take_burst},
	{0},
};

static int take_rate(void *into, const struct mh_node *node, struct mh_err *err)
{
	struct mh_web *w = into;
	int rc = mh_web_take_map(into, node, rate_keys, err);

	if (!rc && w->rate_ns && !w->burst)
		rc = mh_document_wrong(node->at, err,
				       "“%s” needs a “burst” of 1 at least: without it nobody is "
				       "served",
				       node->key);
	return rc;
}

/* What the top table is read into. */
struct reading {
	struct mh_web web; /* first: the other tables take it alone */
	const char *folder;
};

static int take_tls(void *into, const struct mh_node *node, struct mh_err *err)
{
	struct reading *r = into;

	return mh_web_tls_take(&r->web.tls, node, r->folder, &r->web.document, err);
}

static const struct mh_web_key top_keys[] = {
	{"tls_server_config", take_tls},
	{"http_server_config", take_http},
	{"basic_auth_users", take_users},
	{"rate_limit", take_rate},
	{0},
};

/* "/etc/memhist/" of "/etc/memhist/web.yaml", "" of "web.yaml"; to be freed. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash ? (size_t)(slash + 1 - path) : 0);
}

int mh_web_parse(struct mh_web *ret, const char *path, const char *bytes, size_t len,
		 struct mh_err *err)
{
	struct reading r = {.web.tls = {.min = MH_WEB_TLS12, .max = MH_WEB_TLS13}};
	char *folder = folder_of(path);
	struct mh_err why;
	int rc = folder ? mh_document_read(&r.web.document, bytes, len, &why) : -ENOMEM;

	if (!rc) {
		r.folder = folder;
		if (r.web.document.root)
			rc = mh_web_take_map(&r, r.web.document.root, top_keys, &why);
		if (rc)
			mh_web_done(&r.web);
	}
	free(folder);
	if (rc == -EBADMSG)
		return mh_errf(err, rc, "%s:%s", path, why.text);
	if (rc)
		return mh_err_sys(err, rc, "cannot read %s", path);
	*ret = r.web;
	return 0;
}

void mh_web_done(struct mh_web *w)
{
	free(w->user);
	mh_document_done(&w->document);
	*w = (struct mh_web){0};
}
