/*
 * Go's client_auth_type in the words of GnuTLS: whether a certificate is asked for or needed is a
 * setting of the session; what is in one is looked at by check_client(), in the handshake.
 */
#include "exporter/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

enum { SAN_MAX = 1024 };

struct tls {
	const struct mh_web_tls *wanted;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
};

static bool verifies(const struct mh_web_tls *wanted)
{
	return wanted->clients == MH_WEB_VERIFY || wanted->clients == MH_WEB_VERIFY_IF_GIVEN;
}

static int wrong(struct mh_err *err, const char *what, const char *name, int rc)
{
	return mh_errf(err, rc == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL, "%s %s: %s", what,
		       name, gnutls_strerror(rc));
}

static gnutls_datum_t datum(const struct tls_pem *pem)
{
	/* it is only read; the type lacks the const */
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)pem->bytes, (unsigned int)pem->len};
}

static int set_key(struct tls *t, const struct tls_pem *cert, const struct tls_pem *key,
		   struct mh_err *err)
{
	const gnutls_datum_t cert_pem = datum(cert), key_pem = datum(key);
	gnutls_x509_crt_t *chain = NULL;
	unsigned int n = 0;
	int rc;

	/* alone, for a sentence about the file that is wrong */
	rc = gnutls_x509_crt_list_import2(&chain, &n, &cert_pem, GNUTLS_X509_FMT_PEM, 0);
	if (rc < 0)
		return wrong(err, "no certificate in", cert->name, rc);
	for (unsigned int i = 0; i < n; i++)
		gnutls_x509_crt_deinit(chain[i]);
	gnutls_free(chain);
	rc = gnutls_certificate_set_x509_key_mem2(t->credentials, &cert_pem, &key_pem,
						  GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return mh_errf(err, -EINVAL, "%s is not the key of the certificate in %s",
			       key->name, cert->name);
	return rc < 0 ? wrong(err, "no usable key in", key->name, rc) : 0;
}

static int set_authority(struct tls *t, const struct tls_pem *ca, struct mh_err *err)
{
	gnutls_datum_t pem;
	int rc = 0;

	if (ca->name) {
		pem = datum(ca);
		rc = gnutls_certificate_set_x509_trust_mem(t->credentials, &pem,
							   GNUTLS_X509_FMT_PEM);
		if (rc <= 0)
			return wrong(err, "no certificate in", ca->name,
				     rc ? rc : GNUTLS_E_NO_CERTIFICATE_FOUND);
	} else if (verifies(t->wanted)) {
		/* as Go does: whom the machine trusts */
		rc = gnutls_certificate_set_x509_system_trust(t->credentials);
		if (rc < 0)
			return wrong(err, "cannot read", "the certificates of this system", rc);
	}
	return 0;
}

static int set_priority(struct tls *t, struct mh_err *err)
{
	struct mh_buf text = MH_BUF_INIT(4096);
	gnutls_x509_privkey_t key;
	bool is_rsa = true;
	int rc;

	if (!gnutls_certificate_get_x509_key(t->credentials, 0, &key)) {
		const int kind = gnutls_x509_privkey_get_pk_algorithm(key);

		is_rsa = kind == GNUTLS_PK_RSA || kind == GNUTLS_PK_RSA_PSS;
		gnutls_x509_privkey_deinit(key);
	}
	rc = mh_web_tls_priority(t->wanted, is_rsa, &text, err);
	if (!rc) {
		rc = gnutls_priority_init(&t->priority, mh_buf_str(&text), NULL);
		if (rc < 0)
			rc = wrong(err, "GnuTLS has nothing of what is allowed in",
				   "tls_server_config", rc);
	}
	mh_buf_done(&text);
	return rc;
}

int tls_new(struct tls **ret, const struct mh_web_tls *wanted, const struct tls_pem *cert,
	    const struct tls_pem *key, const struct tls_pem *client_ca, struct mh_err *err)
{
	struct tls *t = calloc(1, sizeof(*t));
	int rc;

	if (!t || gnutls_certificate_allocate_credentials(&t->credentials)) {
		free(t);
		return mh_err_sys(err, -ENOMEM, "cannot prepare TLS");
	}
	t->wanted = wanted;
	rc = set_key(t, cert, key, err);
	if (!rc)
		rc = set_authority(t, client_ca, err);
	if (!rc)
		rc = set_priority(t, err);
	if (rc) {
		tls_free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->priority)
		gnutls_priority_deinit(t->priority);
	gnutls_certificate_free_credentials(t->credentials);
	free(t);
}

/* Whether one name of a certificate is allowed. An address is allowed as people write it. */
static bool is_allowed(const struct mh_web_tls *wanted, int type, const char *name, size_t len)
{
	char address[INET6_ADDRSTRLEN];

	if (type == GNUTLS_SAN_IPADDRESS) {
		static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
		const bool is_4 = len == 4 || (len == 16 && !memcmp(name, mapped, 12));

		if ((len != 4 && len != 16) ||
		    !inet_ntop(is_4 ? AF_INET : AF_INET6, is_4 ? name + len - 4 : name, address,
			       sizeof(address)))
			return false;
		name = address;
		len = strlen(address);
	} else if (type != GNUTLS_SAN_DNSNAME && type != GNUTLS_SAN_RFC822NAME &&
		   type != GNUTLS_SAN_URI) {
		return false;
	}
	for (size_t i = 0; i < wanted->n_sans; i++)
		if (strlen(wanted->san[i]) == len && !memcmp(wanted->san[i], name, len))
			return true;
	return false;
}

static bool has_allowed_name(const struct mh_web_tls *wanted, const gnutls_datum_t *der)
{
	gnutls_x509_crt_t cert;
	bool found = false;

	if (gnutls_x509_crt_init(&cert))
		return false;
	if (!gnutls_x509_crt_import(cert, der, GNUTLS_X509_FMT_DER))
		for (unsigned int i = 0; !found; i++) {
			char name[SAN_MAX];
			size_t len = sizeof(name);
			const int type = gnutls_x509_crt_get_subject_alt_name(cert, i, name, &len,
									      NULL);

			if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
				continue; /* longer than any that is allowed here */
			if (type < 0)
				break;
			/* a text may be counted with its end */
			if (type != GNUTLS_SAN_IPADDRESS && len && !name[len - 1])
				len--;
			found = is_allowed(wanted, type, name, len);
		}
	gnutls_x509_crt_deinit(cert);
	return found;
}

/* In the handshake, when the client has sent its certificate, or none: 0, or -1 to end it. */
static int check_client(gnutls_session_t session)
{
	const struct tls *t = gnutls_session_get_ptr(session);
	const enum mh_web_clients clients = t->wanted->clients;
	/* the type lacks the const */
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
	const gnutls_datum_t *sent;
	unsigned int n = 0, status = 0;

	sent = gnutls_certificate_get_peers(session, &n);
	if (!sent || !n)
		return clients == MH_WEB_REQUIRE_ANY || clients == MH_WEB_VERIFY ? -1 : 0;
	if (verifies(t->wanted) &&
	    (gnutls_certificate_verify_peers(session, &purpose, 1, &status) || status))
		return -1;
	return !t->wanted->n_sans || has_allowed_name(t->wanted, &sent[0]) ? 0 : -1;
}

int tls_prepare(struct tls *t, gnutls_session_t session)
{
	static const gnutls_certificate_request_t asks[] = {
		[MH_WEB_NO_CERT] = GNUTLS_CERT_IGNORE,
		[MH_WEB_REQUEST] = GNUTLS_CERT_REQUEST,
		[MH_WEB_REQUIRE_ANY] = GNUTLS_CERT_REQUIRE,
		[MH_WEB_VERIFY_IF_GIVEN] = GNUTLS_CERT_REQUEST,
		[MH_WEB_VERIFY] = GNUTLS_CERT_REQUIRE,
	};

	if (gnutls_priority_set(session, t->priority) ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, t->credentials))
		return -EIO;
	gnutls_certificate_server_set_request(session, asks[t->wanted->clients]);
	gnutls_session_set_ptr(session, t);
	gnutls_session_set_verify_function(session, check_client);
	return 0;
}
