/*
 * tls_server_config of a web configuration, and how GnuTLS is told about it. The names are those of
 * Go's crypto/tls, since that is what such files are written for.
 */
#ifndef MEMHIST_CONFIG_WEB_TLS_H
#define MEMHIST_CONFIG_WEB_TLS_H

#include "libmemhist/base/buf.h"
#include "libmemhist/config/document.h"

enum mh_web_version { MH_WEB_TLS10, MH_WEB_TLS11, MH_WEB_TLS12, MH_WEB_TLS13 };

/* Who is let in by a certificate of a client, as Go has it. */
enum mh_web_clients {
	MH_WEB_NO_CERT,         /* none is asked for */
	MH_WEB_REQUEST,         /* asked for, and neither needed nor looked at */
	MH_WEB_REQUIRE_ANY,     /* needed, and not looked at but for client_allowed_sans */
	MH_WEB_VERIFY_IF_GIVEN, /* not needed; one that is there must be good */
	MH_WEB_VERIFY,          /* needed, and must be good */
};

/* Something in PEM: one of the two, or neither. */
struct mh_web_pem {
	const char *file; /* absolute, or relative to where we are, not to the configuration */
	const char *text;
};

enum { MH_WEB_CIPHERS_MAX = 32, MH_WEB_CURVES = 4 };

struct mh_web_tls {
	bool enabled;
	struct mh_web_pem cert, key, client_ca; /* with TLS the first two are there */
	enum mh_web_clients clients;
	const char **san; /* client_allowed_sans */
	size_t n_sans;    /* 0: whoever is good */
	enum mh_web_version min, max;
	bool clients_choose;                /* prefer_server_cipher_suites: false */
	uint8_t cipher[MH_WEB_CIPHERS_MAX]; /* of the table in web_tls.c */
	uint8_t n_ciphers;                  /* 0: those that are good */
	uint8_t curve[MH_WEB_CURVES];       /* of the table in web_tls.c */
	uint8_t n_curves;                   /* 0: those that are good */
};

/*
 * Read the value of tls_server_config. `folder` is that of the file ("" or ended by a slash); what
 * is made here is the document's. Returns 0; -EBADMSG and a sentence that begins with
 * "LINE:COLUMN: "; or -ENOMEM.
 */
int mh_web_tls_take(struct mh_web_tls *t, const struct mh_node *map, const char *folder,
		    struct mh_document *document, struct mh_err *err);

/*
 * A priority string of GnuTLS that allows as much, for a server whose key is one for RSA, or for
 * another kind of signature. With cipher_suites TLS 1.3 has the ciphers of these too, where Go
 * always has all of TLS 1.3. Returns 0; or -EINVAL and a sentence: nothing would be left, or what
 * is left cannot be said that way.
 */
int mh_web_tls_priority(const struct mh_web_tls *t, bool is_rsa, struct mh_buf *ret,
			struct mh_err *err);

#endif
