/*
 * TLS of the web side, by GnuTLS. libmicrohttpd runs the handshake; what certificate, versions and
 * clients there are is said for each connection anew, so that a changed file counts from the next
 * connection on, and those that are there stay as they are.
 */
#ifndef MEMHIST_EXPORTER_TLS_H
#define MEMHIST_EXPORTER_TLS_H

#include "libmemhist/config/web_tls.h"

#include <gnutls/gnutls.h>

struct tls;

/* PEM, and how people call it: a file, or a key of the configuration. */
struct tls_pem {
	const char *name; /* NULL: there is none */
	const char *bytes;
	size_t len;
};

/*
 * `wanted` outlives it. Everything is checked: that the key is that of the certificate, and that
 * there is something that clients could speak. Returns 0, or -errno and a sentence.
 */
int tls_new(struct tls **ret, const struct mh_web_tls *wanted, const struct tls_pem *cert,
	    const struct tls_pem *key, const struct tls_pem *client_ca, struct mh_err *err);
/* When no session has it any more. NULL is allowed. */
void tls_free(struct tls *t);

/* Before the handshake of a session. Returns 0, or -EIO: it must not begin. */
int tls_prepare(struct tls *t, gnutls_session_t session);

#endif
