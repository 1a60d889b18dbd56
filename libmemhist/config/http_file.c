/* A file that says nothing but how to ask. Where a secret is in it, it is judged once more, as one.
 */
#include "libmemhist/base/suggest.h"
#include "libmemhist/config/confile.h"
#include "libmemhist/config/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool mh_http_config_has_secret(const struct mh_http_config *c)
{
	return c->basic_auth.password || c->authorization.credentials || c->n_headers ||
	       (c->proxy_url && strchr(c->proxy_url, '@'));
}

static int unknown(const struct mh_node *node, struct mh_err *err)
{
	const char *nearest = mh_suggest(node->key, mh_http_config_keys);

	if (nearest)
		return mh_document_wrong(node->key_at, err, "unknown key “%s”: did you mean “%s”?",
					 node->key, nearest);
	return mh_document_wrong(node->key_at, err, "unknown key “%s”: see memhist.yaml(5)",
				 node->key);
}

static int take_root(struct mh_http_file *f, const char *dir, struct mh_err *err)
{
	const struct mh_node *root = f->document.root;
	int rc = 1;

	if (!root)
		return 0;
	if (root->kind != MH_NODE_MAP)
		return mh_document_wrong(
			root->at, err,
			"a configuration is keys and their values (“basic_auth: …”)");
	for (const struct mh_node *node = root->first; node && rc > 0; node = node->next) {
		if (!strcmp(node->key, "url"))
			return mh_document_wrong(node->key_at, err,
						 "“url” is said on the command line");
		rc = mh_http_config_take(&f->config, &f->document, dir, node, err);
		if (!rc)
			return unknown(node, err);
	}
	return rc < 0 ? rc : 0;
}

int mh_http_file_read(struct mh_http_file *ret, const char *path, struct mh_err *err)
{
	const char *slash = strrchr(path, '/');
	struct mh_http_file f = {0};
	char *bytes, *dir;
	struct mh_err why;
	size_t len;
	int rc = mh_confile_read(path, MH_CONFILE_OPEN, &bytes, &len, err);

	if (rc)
		return rc;
	dir = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	rc = dir ? mh_document_read(&f.document, bytes, len, &why) : -ENOMEM;
	free(bytes);
	if (!rc) {
		rc = take_root(&f, dir, &why);
		if (rc)
			mh_document_done(&f.document);
	}
	free(dir);
	if (rc == -EBADMSG)
		return mh_errf(err, rc, "%s:%s", path, why.text);
	if (rc)
		return mh_err_sys(err, rc, "cannot read %s", path);
	if (mh_http_config_has_secret(&f.config)) {
		rc = mh_confile_read(path, MH_CONFILE_SECRET, &bytes, &len, err);
		if (rc) {
			mh_document_done(&f.document);
			return rc;
		}
		free(bytes);
	}
	*ret = f;
	return 0;
}

void mh_http_file_done(struct mh_http_file *f)
{
	mh_document_done(&f->document);
	f->config = (struct mh_http_config){0};
}
