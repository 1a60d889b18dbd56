/*
 * HTTP clients in configurations, with the keys and meanings that Prometheus has for them, so that
 * what works there can be copied:
 *
 *     url: https://prometheus.example/api/v1/write
 *     remote_timeout: 30s
 *     basic_auth: {username: memhist, password_file: password}
 *     authorization: {type: Bearer, credentials_file: token}
 *     bearer_token_file: token
 *     tls_config: {ca_file: ca.pem, cert_file: me.pem, key_file: me.key, server_name: x,
 *                  insecure_skip_verify: false, min_version: TLS12}
 *     proxy_url: http://proxy.example:3128
 *     headers: {X-Scope-OrgID: team}
 *
 * Paths that do not begin with / are meant from the directory of the configuration. Who has a map
 * with such keys and others in it offers each key here first:
 *
 *     for (node = map->first; node && !rc; node = node->next) {
 *             rc = mh_http_config_take(&http, &document, dir, node, &err);
 *             if (!rc)
 *                     …a key of one's own, or unknown: suggest of mh_http_config_keys[] too…
 *             rc = rc < 0 ? rc : 0;
 *     }
 */
#ifndef MEMHIST_CONFIG_HTTP_H
#define MEMHIST_CONFIG_HTTP_H

#include "libmemhist/config/document.h"
#include "libmemhist/net/http_config.h"

/* Ended by NULL. */
extern const char *const mh_http_config_keys[];

/*
 * Take one key. `c` begins as zero, and what it has lives in the document; `dir` is the directory
 * of the configuration. Returns 1: taken; 0: it is no such key; -EBADMSG and a sentence that begins
 * with "LINE:COLUMN: "; or -ENOMEM.
 */
int mh_http_config_take(struct mh_http_config *c, struct mh_document *d, const char *dir,
			const struct mh_node *node, struct mh_err *err);

/* Whether there is a password or token in it, not only the name of a file. */
bool mh_http_config_has_secret(const struct mh_http_config *c);

/* A URL as it has to be. Returns 0, or -EINVAL and a sentence without what is secret of it. */
int mh_http_url_check(const char *url, struct mh_err *err);
/* The same of a proxy: http://[USER:PASSWORD@]HOST[:PORT]. Nothing of it is repeated. */
int mh_http_proxy_check(const char *url, struct mh_err *err);

/* A file with these keys and no others, as promtool has it for --http.config.file. */
struct mh_http_file {
	struct mh_document document;
	struct mh_http_config config;
};

/*
 * Returns 0; -EBADMSG and a sentence that begins with "PATH:LINE:COLUMN: "; or as
 * mh_confile_read(): where there is a secret in the file, others may not read it. Done with only
 * after success.
 */
int mh_http_file_read(struct mh_http_file *ret, const char *path, struct mh_err *err);
void mh_http_file_done(struct mh_http_file *f);

#endif
