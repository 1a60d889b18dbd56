/*
 * The names of Go and what GnuTLS calls the same. A priority string allows ciphers, not suites: but
 * a server has one key, which decides the exchange of keys, and a cipher here goes with one MAC, so
 * that of the suites of that key it says exactly as many as were listed.
 */
#include "libmemhist/config/web_tls.h"

#include "libmemhist/config/web_inner.h"

#include <errno.h>
#include <string.h>

enum signer { BY_RSA, BY_OTHERS, BY_ALL /* TLS 1.3 */ };

static const struct suite {
	const char *name;
	enum signer signer;
	const char *cipher;
	bool is_aead; /* else SHA1, and not for TLS 1.3 */
} suites[] = {
	{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", BY_RSA, "AES-128-GCM", true},
	{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", BY_RSA, "AES-256-GCM", true},
	{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", BY_RSA, "CHACHA20-POLY1305", true},
	{"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", BY_RSA, "AES-128-CBC", false},
	{"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", BY_RSA, "AES-256-CBC", false},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", BY_OTHERS, "AES-128-GCM", true},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", BY_OTHERS, "AES-256-GCM", true},
	{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", BY_OTHERS, "CHACHA20-POLY1305", true},
	{"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", BY_OTHERS, "AES-128-CBC", false},
	{"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", BY_OTHERS, "AES-256-CBC", false},
	{"TLS_AES_128_GCM_SHA256", BY_ALL, "AES-128-GCM", true},
	{"TLS_AES_256_GCM_SHA384", BY_ALL, "AES-256-GCM", true},
	{"TLS_CHACHA20_POLY1305_SHA256", BY_ALL, "CHACHA20-POLY1305", true},
};
#define N_SUITES (sizeof(suites) / sizeof(suites[0]))

static const struct {
	const char *name, *group;
} curves[MH_WEB_CURVES] = {
	{"X25519", "X25519"},
	{"CurveP256", "SECP256R1"},
	{"CurveP384", "SECP384R1"},
	{"CurveP521", "SECP521R1"},
};

static const char *const versions[] = {"TLS10", "TLS11", "TLS12", "TLS13", NULL};
static const char *const version_words[] = {"VERS-TLS1.0", "VERS-TLS1.1", "VERS-TLS1.2",
					    "VERS-TLS1.3"};

static const struct {
	const char *name;
	enum mh_web_clients clients;
} policies[] = {
	{"NoClientCert", MH_WEB_NO_CERT},
	{"RequestClientCert", MH_WEB_REQUEST},
	{"RequireAnyClientCert", MH_WEB_REQUIRE_ANY},
	{"RequireClientCert", MH_WEB_REQUIRE_ANY},
	{"VerifyClientCertIfGiven", MH_WEB_VERIFY_IF_GIVEN},
	{"RequireAndVerifyClientCert", MH_WEB_VERIFY},
};
#define N_POLICIES (sizeof(policies) / sizeof(policies[0]))

/* What the table is read into. */
struct reading {
	struct mh_web_tls *tls;
	const char *folder;
	struct mh_document *document;
};

static int take_text(const struct mh_node *node, const char **ret, struct mh_err *err)
{
	const char *text = "";
	int rc = mh_web_text(node, &text, err);

	if (!rc && *text)
		*ret = text;
	return rc;
}

static int take_file(struct reading *r, const struct mh_node *node, const char **ret,
		     struct mh_err *err)
{
	const char *text = "", *folder;
	size_t folder_len, len;
	int rc = mh_web_text(node, &text, err);
	char *path;

	if (rc || !*text)
		return rc;
	folder = *text == '/' ? "" : r->folder;
	folder_len = strlen(folder);
	len = strlen(text) + 1;
	path = mh_arena_alloc(&r->document->arena, folder_len + len);
	if (!path)
		return -ENOMEM;
	memcpy(path, folder, folder_len);
	memcpy(path + folder_len, text, len);
	*ret = path;
	return 0;
}

static int take_cert(void *into, const struct mh_node *node, struct mh_err *err)
{
	return take_text(node, &((struct reading *)into)->tls->cert.text, err);
}

static int take_key(void *into, const struct mh_node *node, struct mh_err *err)
{
	return take_text(node, &((struct reading *)into)->tls->key.text, err);
}

static int take_client_ca(void *into, const struct mh_node *node, struct mh_err *err)
{
	return take_text(node, &((struct reading *)into)->tls->client_ca.text, err);
}

static int take_cert_file(void *into, const struct mh_node *node, struct mh_err *err)
{
	return take_file(into, node, &((struct reading *)into)->tls->cert.file, err);
}

static int take_key_file(void *into, const struct mh_node *node, struct mh_err *err)
{
	return take_file(into, node, &((struct reading *)into)->tls->key.file, err);
}

static int take_client_ca_file(void *into, const struct mh_node *node, struct mh_err *err)
{
	return take_file(into, node, &((struct reading *)into)->tls->client_ca.file, err);
}

static int take_policy(void *into, const struct mh_node *node, struct mh_err *err)
{
	struct reading *r = into;
	const char *known[N_POLICIES + 1] = {0}, *text = "";
	int rc = mh_web_text(node, &text, err);

	if (rc || !*text)
		return rc;
	for (size_t i = 0; i < N_POLICIES; i++) {
		known[i] = policies[i].name;
		if (!strcmp(text, policies[i].name)) {
			r->tls->clients = policies[i].clients;
			return 0;
		}
	}
	return mh_web_unknown(node->at, "client_auth_type", text, known, err);
}

static int take_sans(void *into, const struct mh_node *node, struct mh_err *err)
{
	struct reading *r = into;
	struct mh_web_tls *t = r->tls;
	int rc = mh_web_list(node, err);

	if (rc || node->kind != MH_NODE_LIST)
		return rc;
	if (!node->n)
		return mh_document_wrong(node->at, err,
					 "“%s” with nothing in it lets nobody in: leave it out, or "
					 "say who is meant",
					 node->key);
	t->san = mh_arena_array(&r->document->arena, node->n, sizeof(*t->san));
	if (!t->san)
		return -ENOMEM;
	for (const struct mh_node *n = node->first; n; n = n->next)
		t->san[t->n_sans++] = n->text;
	return 0;
}

static int take_version(const struct mh_node *node, enum mh_web_version *ret, struct mh_err *err)
{
	const char *text = "";
	int rc = mh_web_text(node, &text, err);

	if (rc || !*text)
		return rc;
	for (int v = MH_WEB_TLS10; v <= MH_WEB_TLS13; v++)
		if (!strcmp(text, versions[v])) {
			*ret = (enum mh_web_version)v;
			return 0;
		}
	return mh_web_unknown(node->at, "TLS version", text, versions, err);
}

static int take_min(void *into, const struct mh_node *node, struct mh_err *err)
{
	return take_version(node, &((struct reading *)into)->tls->min, err);
}

static int take_max(void *into, const struct mh_node *node, struct mh_err *err)
{
	return take_version(node, &((struct reading *)into)->tls->max, err);
}

static int take_suite(struct mh_web_tls *t, const struct mh_node *n, struct mh_err *err)
{
	const char *known[N_SUITES + 1] = {0};

	for (size_t i = 0; i < N_SUITES; i++) {
		known[i] = suites[i].name;
		if (strcmp(n->text, suites[i].name) != 0)
			continue;
		if (t->n_ciphers < MH_WEB_CIPHERS_MAX)
			t->cipher[t->n_ciphers++] = (uint8_t)i;
		return 0;
	}
	if (!strncmp(n->text, "TLS_RSA_WITH_", 13))
		return mh_document_wrong(n->at, err,
					 "%s is not spoken here: whoever gets the key reads what "
					 "was sent before (take one with ECDHE)",
					 n->text);
	return mh_web_unknown(n->at, "cipher suite", n->text, known, err);
}

static int take_suites(void *into, const struct mh_node *node, struct mh_err *err)
{
	int rc = mh_web_list(node, err);

	for (const struct mh_node *n = node->kind == MH_NODE_LIST ? node->first : NULL; n && !rc;
	     n = n->next)
		rc = take_suite(((struct reading *)into)->tls, n, err);
	return rc;
}

static int take_curve(struct mh_web_tls *t, const struct mh_node *n, struct mh_err *err)
{
	const char *known[MH_WEB_CURVES + 1] = {0};

	for (uint8_t i = 0; i < MH_WEB_CURVES; i++) {
		known[i] = curves[i].name;
		if (strcmp(n->text, curves[i].name) != 0)
			continue;
		if (memchr(t->curve, i, t->n_curves))
			return mh_document_wrong(n->at, err, "%s stands here a second time",
						 n->text);
		t->curve[t->n_curves++] = i;
		return 0;
	}
	return mh_web_unknown(n->at, "curve", n->text, known, err);
}

static int take_curves(void *into, const struct mh_node *node, struct mh_err *err)
{
	int rc = mh_web_list(node, err);

	for (const struct mh_node *n = node->kind == MH_NODE_LIST ? node->first : NULL; n && !rc;
	     n = n->next)
		rc = take_curve(((struct reading *)into)->tls, n, err);
	return rc;
}

static int take_preference(void *into, const struct mh_node *node, struct mh_err *err)
{
	bool servers = true;
	int rc = mh_web_bool(node, &servers, err);

	if (!rc)
		((struct reading *)into)->tls->clients_choose = !servers;
	return rc;
}

static const struct mh_web_key keys[] = {
	{"cert_file", take_cert_file},
	{"key_file", take_key_file},
	{"client_ca_file", take_client_ca_file},
	{"cert", take_cert},
	{"key", take_key},
	{"client_ca", take_client_ca},
	{"client_auth_type", take_policy},
	{"client_allowed_sans", take_sans},
	{"min_version", take_min},
	{"max_version", take_max},
	{"cipher_suites", take_suites},
	{"prefer_server_cipher_suites", take_preference},
	{"curve_preferences", take_curves},
	{0},
};

static bool is_given(const struct mh_web_pem *pem)
{
	return pem->file || pem->text;
}

/* What two keys say together. */
static int check(const struct mh_web_tls *t, const struct mh_node *map, struct mh_err *err)
{
	const struct {
		const struct mh_web_pem *pem;
		const char *name;
	} parts[] = {{&t->cert, "cert"}, {&t->key, "key"}, {&t->client_ca, "client_ca"}};

	for (int i = 0; i < 3; i++) {
		if (parts[i].pem->file && parts[i].pem->text)
			return mh_document_wrong(map->at, err, "of “%s” and “%s_file” one too many",
						 parts[i].name, parts[i].name);
		if (i < 2 && !is_given(parts[i].pem))
			return mh_document_wrong(map->at, err,
						 "“%s” has neither “%s_file” nor “%s”, which TLS "
						 "cannot do without",
						 map->key, parts[i].name, parts[i].name);
	}
	if (t->min > t->max)
		return mh_document_wrong(map->at, err,
					 "“min_version” is %s and “max_version” %s: nothing is "
					 "between them",
					 versions[t->min], versions[t->max]);
	if (is_given(&t->client_ca) && t->clients == MH_WEB_NO_CERT)
		return mh_document_wrong(map->at, err,
					 "“client_ca_file” without a “client_auth_type”: say "
					 "RequireAndVerifyClientCert to let in only whom it has "
					 "signed");
	if (t->n_sans && t->clients != MH_WEB_REQUIRE_ANY && t->clients != MH_WEB_VERIFY)
		return mh_document_wrong(map->at, err,
					 "“client_allowed_sans” takes the “client_auth_type” "
					 "RequireAndVerifyClientCert, or RequireAnyClientCert");
	return 0;
}

int mh_web_tls_take(struct mh_web_tls *t, const struct mh_node *map, const char *folder,
		    struct mh_document *document, struct mh_err *err)
{
	struct reading r = {.tls = t, .folder = folder, .document = document};
	int rc = mh_web_take_map(&r, map, keys, err);

	/* a map with nothing in it, or whose lines are commented out */
	if (rc || !map->n)
		return rc;
	t->enabled = true;
	return check(t, map, err);
}

/* Each cipher of the list that a key of this kind can have, once. Returns how many, of which
 * `ret_aead` TLS 1.3 has too. */
static int add_ciphers(const struct mh_web_tls *t, enum signer signer, struct mh_buf *out,
		       int *ret_aead)
{
	uint32_t seen = 0;
	int n = 0;

	*ret_aead = 0;
	for (uint8_t i = 0; i < t->n_ciphers; i++) {
		const struct suite *suite = &suites[t->cipher[i]];

		if (suite->signer != signer || seen & 1u << t->cipher[i])
			continue;
		seen |= 1u << t->cipher[i];
		mh_buf_printf(out, ":+%s", suite->cipher);
		*ret_aead += suite->is_aead;
		n++;
	}
	return n;
}

int mh_web_tls_priority(const struct mh_web_tls *t, bool is_rsa, struct mh_buf *ret,
			struct mh_err *err)
{
	struct mh_buf ciphers = MH_BUF_INIT(1024);
	enum mh_web_version min = t->min;
	int n = 0, n_aead = 0, rc = 0;

	if (t->n_ciphers) {
		n = add_ciphers(t, is_rsa ? BY_RSA : BY_OTHERS, &ciphers, &n_aead);
		/* nothing for TLS 1.2 */
		if (!n) {
			min = MH_WEB_TLS13;
			n = add_ciphers(t, BY_ALL, &ciphers, &n_aead);
		}
	}
	if (t->max < min)
		rc = mh_errf(err, -EINVAL,
			     "none of the cipher_suites goes with %s certificate: with max_version "
			     "%s nobody could connect",
			     is_rsa ? "an RSA" : "an ECDSA", versions[t->max]);
	else if (n && !n_aead && t->max == MH_WEB_TLS13)
		rc = mh_errf(err, -EINVAL,
			     "the cipher_suites have nothing that TLS 1.3 has: add one with GCM or "
			     "CHACHA20, or say max_version: TLS12");
	mh_buf_adds(ret, "NORMAL:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-VERS-ALL");
	for (int v = (int)t->max; v >= (int)min; v--)
		mh_buf_printf(ret, ":+%s", version_words[v]);
	if (n)
		mh_buf_printf(ret, ":-CIPHER-ALL%s", mh_buf_str(&ciphers));
	if (t->n_curves)
		mh_buf_adds(ret, ":-GROUP-ALL");
	for (uint8_t i = 0; i < t->n_curves; i++)
		mh_buf_printf(ret, ":+GROUP-%s", curves[t->curve[i]].group);
	/* CBC with what it has in Go; the MACs of NORMAL would be more suites */
	mh_buf_adds(ret, ":-MAC-ALL:+AEAD:+SHA1");
	if (!t->clients_choose)
		mh_buf_adds(ret, ":%SERVER_PRECEDENCE");
	if (!rc && (ret->error || ciphers.error))
		rc = mh_err_sys(err, -ENOMEM, "cannot prepare TLS");
	mh_buf_done(&ciphers);
	return rc;
}
