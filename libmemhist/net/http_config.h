/*
 * Whom to ask by HTTP, and as whom: plain data. config/http.h reads it from YAML, with the keys
 * that Prometheus has for it; client.h does what it says.
 *
 * Texts belong to whoever filled it in (a document). Passwords and tokens had better be in files:
 * these are read again for each request, so that who exchanges one need restart nothing.
 */
#ifndef MEMHIST_NET_HTTP_CONFIG_H
#define MEMHIST_NET_HTTP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mh_tls_version { MH_TLS_1_2 = 0, MH_TLS_1_3 };

struct mh_http_header {
	const char *name, *value;
};

/* Zero is: nothing but the address, whose certificate has to be good. NULL = not given. */
struct mh_http_config {
	const char *url; /* http or https, without a user or password in it */
	struct {
		const char *user; /* NULL = no basic authentication */
		const char *password, *password_file;
	} basic_auth;
	struct {
		const char *type; /* “Bearer”; NULL = no such header */
		const char *credentials, *credentials_file;
	} authorization;
	struct {
		const char *ca_file; /* who is trusted, and nobody else; NULL = whom the system
				      * trusts */
		const char *cert_file, *key_file; /* who we are */
		const char *server_name;          /* in the certificate; NULL = that of the URL */
		bool insecure_skip_verify;        /* whoever answers is believed */
		enum mh_tls_version min_version;
	} tls;
	const char *proxy_url;      /* http; may have a user and password; NULL = none, whatever the
				     * environment says */
	uint32_t remote_timeout_ms; /* for one request; 0 = MH_HTTP_TIMEOUT_MS */
	const struct mh_http_header *header;
	size_t n_headers;
};

enum { MH_HTTP_TIMEOUT_MS = 30 * 1000 };

#endif
