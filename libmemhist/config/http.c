/*
 * The keys of HTTP clients. Whatever goes into a header is checked for bytes that would end it; no
 * sentence repeats the value of a key that may be secret.
 */
#include "libmemhist/config/http.h"

#include "libmemhist/base/suggest.h"
#include "libmemhist/base/timespec.h"
#include "libmemhist/config/grouping.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADERS_MAX = 64, TIMEOUT_MAX_MS = 60 * 60 * 1000, TEXT_MAX = 64 << 10 };

struct reading {
	struct mh_http_config *c;
	struct mh_document *d;
	const char *dir;
	struct mh_err *err;
};

struct key {
	const char *name;
	int (*take)(struct reading *r, const struct mh_node *node);
};

/* --- values ----------------------------------------------------------------------------------- */

static int take_text(const struct reading *r, const struct mh_node *node, const char **ret)
{
	if (node->kind != MH_NODE_TEXT || node->is_nothing || !*node->text)
		return mh_document_wrong(node->at, r->err, "“%s” takes one value", node->key);
	if (strlen(node->text) > TEXT_MAX)
		return mh_document_wrong(node->at, r->err, "“%s” is longer than %d KiB", node->key,
					 TEXT_MAX / 1024);
	for (const char *p = node->text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return mh_document_wrong(node->at, r->err,
						 "“%s” has a line break or control character in it",
						 node->key);
	*ret = node->text;
	return 0;
}

static int take_path(const struct reading *r, const struct mh_node *node, const char **ret)
{
	const size_t dir_len = strlen(r->dir);
	const char *text;
	char *path;
	size_t len;
	int rc = take_text(r, node, &text);

	if (rc)
		return rc;
	len = strlen(text);
	if (len + dir_len + 2 > PATH_MAX)
		return mh_document_wrong(node->at, r->err, "“%s” is longer than a path can be",
					 node->key);
	if (text[0] == '/') {
		*ret = text;
		return 0;
	}
	path = mh_arena_alloc(&r->d->arena, dir_len + len + 2);
	if (!path)
		return -ENOMEM;
	memcpy(path, r->dir, dir_len);
	path[dir_len] = '/';
	memcpy(path + dir_len + 1, text, len + 1);
	*ret = path;
	return 0;
}

static int take_bool(const struct reading *r, const struct mh_node *node, bool *ret)
{
	const char *text;
	struct mh_err why;
	int rc = take_text(r, node, &text);

	if (!rc && mh_grouping_bool(text, ret, &why))
		rc = mh_document_wrong(node->at, r->err, "“%s”: %s", node->key, why.text);
	return rc;
}

/* Two keys for one thing. */
static int take_once(const struct reading *r, const struct mh_node *node, const char *const *other,
		     const char *words)
{
	return *other ? mh_document_wrong(node->key_at, r->err, "%s", words) : 0;
}

static int take_map(struct reading *r, const struct mh_node *map, const struct key *table)
{
	const char *known[16], *nearest;
	size_t n = 0;
	int rc = 0;

	if (map->kind != MH_NODE_MAP)
		return mh_document_wrong(map->at, r->err,
					 "“%s” takes keys and their values (“%s: …”)", map->key,
					 table->name);
	for (const struct key *k = table; k->name; k++)
		known[n++] = k->name;
	known[n] = NULL;
	for (const struct mh_node *node = map->first; node && !rc; node = node->next) {
		const struct key *k = table;

		while (k->name && strcmp(k->name, node->key) != 0)
			k++;
		if (k->name) {
			rc = k->take(r, node);
			continue;
		}
		nearest = mh_suggest(node->key, known);
		rc = nearest ? mh_document_wrong(node->key_at, r->err,
						 "unknown key “%s”: did you mean “%s”?", node->key,
						 nearest)
			     : mh_document_wrong(node->key_at, r->err,
						 "unknown key “%s”: see memhist.yaml(5)",
						 node->key);
	}
	return rc;
}

/* --- who we are ------------------------------------------------------------------------------- */

static const char one_password[] = "“password” and “password_file” are two ways of saying the same";
static const char one_credentials[] =
	"“credentials” and “credentials_file” are two ways of saying the same";
static const char one_way[] =
	"“basic_auth”, “authorization”, “bearer_token” and “bearer_token_file” exclude one another";

static int take_username(struct reading *r, const struct mh_node *node)
{
	int rc = take_text(r, node, &r->c->basic_auth.user);

	if (!rc && strchr(node->text, ':'))
		rc = mh_document_wrong(node->at, r->err,
				       "“username” has a colon in it, which HTTP cannot say");
	return rc;
}

static int take_password(struct reading *r, const struct mh_node *node)
{
	int rc = take_once(r, node, &r->c->basic_auth.password_file, one_password);

	return rc ? rc : take_text(r, node, &r->c->basic_auth.password);
}

static int take_password_file(struct reading *r, const struct mh_node *node)
{
	int rc = take_once(r, node, &r->c->basic_auth.password, one_password);

	return rc ? rc : take_path(r, node, &r->c->basic_auth.password_file);
}

static int only_one_way(const struct reading *r, const struct mh_node *node)
{
	int rc = take_once(r, node, &r->c->basic_auth.user, one_way);

	return rc ? rc : take_once(r, node, &r->c->authorization.type, one_way);
}

static int take_basic_auth(struct reading *r, const struct mh_node *node)
{
	static const struct key keys[] = {
		{"username", take_username},
		{"password", take_password},
		{"password_file", take_password_file},
		{0},
	};
	int rc = only_one_way(r, node);

	if (!rc)
		rc = take_map(r, node, keys);
	if (!rc && !r->c->basic_auth.user)
		rc = mh_document_wrong(node->at, r->err, "“basic_auth” wants a “username”");
	return rc;
}

static int take_type(struct reading *r, const struct mh_node *node)
{
	int rc = take_text(r, node, &r->c->authorization.type);

	if (!rc && strchr(node->text, ' '))
		rc = mh_document_wrong(node->at, r->err, "“type” is one word, such as Bearer");
	if (!rc && !strcasecmp(node->text, "basic"))
		rc = mh_document_wrong(node->at, r->err,
				       "“type” cannot be Basic: that is what “basic_auth” is for");
	return rc;
}

static int take_credentials(struct reading *r, const struct mh_node *node)
{
	int rc = take_once(r, node, &r->c->authorization.credentials_file, one_credentials);

	return rc ? rc : take_text(r, node, &r->c->authorization.credentials);
}

static int take_credentials_file(struct reading *r, const struct mh_node *node)
{
	int rc = take_once(r, node, &r->c->authorization.credentials, one_credentials);

	return rc ? rc : take_path(r, node, &r->c->authorization.credentials_file);
}

static int take_authorization(struct reading *r, const struct mh_node *node)
{
	static const struct key keys[] = {
		{"type", take_type},
		{"credentials", take_credentials},
		{"credentials_file", take_credentials_file},
		{0},
	};
	int rc = only_one_way(r, node);

	if (!rc)
		rc = take_map(r, node, keys);
	if (!rc && !r->c->authorization.credentials && !r->c->authorization.credentials_file)
		rc = mh_document_wrong(node->at, r->err,
				       "“authorization” wants “credentials_file” or “credentials”");
	if (!rc && !r->c->authorization.type)
		r->c->authorization.type = "Bearer";
	return rc;
}

static int take_bearer_token(struct reading *r, const struct mh_node *node)
{
	int rc = only_one_way(r, node);

	r->c->authorization.type = "Bearer";
	return rc ? rc : take_text(r, node, &r->c->authorization.credentials);
}

static int take_bearer_token_file(struct reading *r, const struct mh_node *node)
{
	int rc = only_one_way(r, node);

	r->c->authorization.type = "Bearer";
	return rc ? rc : take_path(r, node, &r->c->authorization.credentials_file);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static int take_ca_file(struct reading *r, const struct mh_node *node)
{
	return take_path(r, node, &r->c->tls.ca_file);
}

static int take_cert_file(struct reading *r, const struct mh_node *node)
{
	return take_path(r, node, &r->c->tls.cert_file);
}

static int take_key_file(struct reading *r, const struct mh_node *node)
{
	return take_path(r, node, &r->c->tls.key_file);
}

static int take_server_name(struct reading *r, const struct mh_node *node)
{
	int rc = take_text(r, node, &r->c->tls.server_name);

	if (!rc && strpbrk(node->text, " /:@?#[]"))
		rc = mh_document_wrong(node->at, r->err, "“server_name” is the name of a machine");
	return rc;
}

static int take_insecure(struct reading *r, const struct mh_node *node)
{
	return take_bool(r, node, &r->c->tls.insecure_skip_verify);
}

static int take_min_version(struct reading *r, const struct mh_node *node)
{
	const char *text;
	int rc = take_text(r, node, &text);

	if (rc)
		return rc;
	if (!strcmp(text, "TLS12"))
		r->c->tls.min_version = MH_TLS_1_2;
	else if (!strcmp(text, "TLS13"))
		r->c->tls.min_version = MH_TLS_1_3;
	else
		return mh_document_wrong(node->at, r->err,
					 "“min_version” is TLS12 or TLS13: older ones are broken");
	return 0;
}

static int take_tls(struct reading *r, const struct mh_node *node)
{
	static const struct key keys[] = {
		{"ca_file", take_ca_file},
		{"cert_file", take_cert_file},
		{"key_file", take_key_file},
		{"server_name", take_server_name},
		{"insecure_skip_verify", take_insecure},
		{"min_version", take_min_version},
		{0},
	};
	int rc = take_map(r, node, keys);

	if (!rc && !r->c->tls.cert_file != !r->c->tls.key_file)
		rc = mh_document_wrong(node->at, r->err, "“cert_file” and “key_file” go together");
	return rc;
}

/* --- where and how ---------------------------------------------------------------------------- */

static int take_url(struct reading *r, const struct mh_node *node)
{
	struct mh_err why;
	int rc = take_text(r, node, &r->c->url);

	if (!rc && mh_http_url_check(node->text, &why))
		rc = mh_document_wrong(node->at, r->err, "“url”: %s", why.text);
	return rc;
}

/* It may have a password in it, so that nothing of it is repeated. */
static int take_proxy_url(struct reading *r, const struct mh_node *node)
{
	struct mh_err why;
	int rc = take_text(r, node, &r->c->proxy_url);

	if (!rc && mh_http_proxy_check(node->text, &why))
		rc = mh_document_wrong(node->at, r->err, "“proxy_url”: %s", why.text);
	return rc;
}

static int take_timeout(struct reading *r, const struct mh_node *node)
{
	const char *text;
	mh_ms_t ms;
	int rc = take_text(r, node, &text);

	if (!rc && (mh_duration_parse(text, 0, &ms) || ms > TIMEOUT_MAX_MS))
		rc = mh_document_wrong(node->at, r->err,
				       "“%s” is a length of time up to an hour: 30s", node->key);
	if (!rc)
		r->c->remote_timeout_ms = (uint32_t)ms;
	return rc;
}

/* Those that HTTP and remote write need for themselves. */
static bool is_reserved(const char *name)
{
	static const char *const reserved[] = {
		"accept",
		"accept-encoding",
		"authorization",
		"connection",
		"content-encoding",
		"content-length",
		"content-type",
		"expect",
		"host",
		"keep-alive",
		"proxy-authenticate",
		"proxy-authorization",
		"te",
		"trailer",
		"transfer-encoding",
		"upgrade",
		"user-agent",
		"www-authenticate",
		"x-prometheus-remote-read-version",
		"x-prometheus-remote-write-version",
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (!strcasecmp(reserved[i], name))
			return true;
	return false;
}

/* RFC 9110, 5.6.2: token */
static bool is_token(const char *name)
{
	return *name && !name[strspn(name, "!#$%&'*+-.^_`|~0123456789"
					   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")];
}

static int take_headers(struct reading *r, const struct mh_node *node)
{
	struct mh_http_header *header;
	size_t n = 0;
	int rc = 0;

	if (node->kind != MH_NODE_MAP)
		return mh_document_wrong(node->at, r->err,
					 "“headers” takes names and their values (“X-Name: …”)");
	if (node->n > HEADERS_MAX)
		return mh_document_wrong(node->at, r->err, "more than %d headers", HEADERS_MAX);
	header = mh_arena_array(&r->d->arena, node->n + 1, sizeof(*header));
	if (!header)
		return -ENOMEM;
	for (const struct mh_node *h = node->first; h && !rc; h = h->next) {
		if (!is_token(h->key))
			return mh_document_wrong(h->key_at, r->err, "this is no name of a header");
		if (is_reserved(h->key))
			return mh_document_wrong(h->key_at, r->err,
						 "“%s” cannot be chosen: memhist sends it itself, "
						 "or never",
						 h->key);
		header[n].name = h->key;
		rc = take_text(r, h, &header[n++].value);
	}
	r->c->header = header;
	r->c->n_headers = n;
	return rc;
}

/* Prometheus follows redirects unless told otherwise; who asks for it should know. */
static int take_redirects(struct reading *r, const struct mh_node *node)
{
	bool follow = false;
	int rc = take_bool(r, node, &follow);

	if (!rc && follow)
		rc = mh_document_wrong(node->at, r->err,
				       "redirects are never followed: they could lead passwords to "
				       "others; give the URL that they lead to");
	return rc;
}

/* There is only HTTP/1.1 here, which every server speaks. */
static int take_http2(struct reading *r, const struct mh_node *node)
{
	bool ignored;

	return take_bool(r, node, &ignored);
}

static const struct key top_keys[] = {
	{"url", take_url},
	{"remote_timeout", take_timeout},
	{"basic_auth", take_basic_auth},
	{"authorization", take_authorization},
	{"bearer_token", take_bearer_token},
	{"bearer_token_file", take_bearer_token_file},
	{"tls_config", take_tls},
	{"proxy_url", take_proxy_url},
	{"headers", take_headers},
	{"follow_redirects", take_redirects},
	{"enable_http2", take_http2},
	{0},
};

const char *const mh_http_config_keys[] = {
	"url",          "remote_timeout",    "basic_auth",   "authorization",
	"bearer_token", "bearer_token_file", "tls_config",   "proxy_url",
	"headers",      "follow_redirects",  "enable_http2", NULL,
};

int mh_http_config_take(struct mh_http_config *c, struct mh_document *d, const char *dir,
			const struct mh_node *node, struct mh_err *err)
{
	struct reading r = {.c = c, .d = d, .dir = dir, .err = err};
	int rc;

	for (const struct key *k = top_keys; k->name; k++)
		if (!strcmp(k->name, node->key)) {
			rc = k->take(&r, node);
			return rc ? rc : 1;
		}
	return 0;
}
