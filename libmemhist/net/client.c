/*
 * libcurl's multi interface with one easy handle: that one can be woken from another thread, and a
 * request that hangs is left at once. The handle is set up anew for each request, so that nothing
 * of one request, least of all a secret, is there in the next; its connections stay with the multi
 * handle.
 */
#include "libmemhist/net/client.h"

#include "libmemhist/net/answer.h"
#include "libmemhist/net/curl.h"
#include "libmemhist/net/secret.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
	CONNECT_TIMEOUT_MS = 10 * 1000,
	POLL_MS = 1000,
	STALLED_BYTES_S = 16, /* slower than this for … */
	STALLED_S = 60,       /* … so long is given up */
	URL_SHOWN_MAX = 256,
};

struct mh_client {
	struct mh_curl curl;
	const struct mh_http_config *config;
	CURLM *multi;
	CURL *easy;
	atomic_bool is_cancelled;
	char reason[CURL_ERROR_SIZE];
	/* of the request that runs; freed at its end */
	struct curl_slist *header, *connect_to;
	CURLU *url;
	struct mh_answering answering;
};

/* --- one of them ------------------------------------------------------------------------------ */

int mh_client_new(struct mh_client **ret, const struct mh_http_config *config, struct mh_err *err)
{
	struct mh_client *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return mh_err_sys(err, -ENOMEM, "cannot make an HTTP client");
	rc = mh_curl_load(&c->curl, err);
	/* counted by libcurl: each has its mate in _free */
	if (!rc && c->curl.global_init(CURL_GLOBAL_DEFAULT))
		rc = mh_errf(err, -ENOMEM, "cannot initialise libcurl");
	if (rc) {
		free(c);
		return rc;
	}
	c->config = config;
	c->multi = c->curl.multi_init();
	c->easy = c->curl.easy_init();
	if (!c->multi || !c->easy) {
		mh_client_free(c);
		return mh_err_sys(err, -ENOMEM, "cannot make an HTTP client");
	}
	c->curl.multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 1L);
	*ret = c;
	return 0;
}

void mh_client_free(struct mh_client *c)
{
	if (!c)
		return;
	c->curl.easy_cleanup(c->easy);
	c->curl.multi_cleanup(c->multi);
	c->curl.global_cleanup();
	free(c);
}

void mh_client_cancel(struct mh_client *c)
{
	atomic_store(&c->is_cancelled, true);
	c->curl.multi_wakeup(c->multi);
}

/* --- what is asked ---------------------------------------------------------------------------- */

/* A URL in sentences: a query can have tokens in it. */
static const char *shown(const char *url, char room[URL_SHOWN_MAX])
{
	snprintf(room, URL_SHOWN_MAX, "%.*s", (int)strcspn(url, "?#"), url);
	return room;
}

static int add_header(struct mh_client *c, const char *line)
{
	struct curl_slist *longer = c->curl.slist_append(c->header, line);

	if (!longer)
		return -ENOMEM;
	c->header = longer;
	return 0;
}

/* “Name: value” is among the request's own. */
static bool is_given(const struct mh_request *request, const char *name)
{
	const size_t len = strlen(name);

	for (const char *const *h = request->header; h && *h; h++)
		if (!strncasecmp(*h, name, len) && (*h)[len] == ':')
			return true;
	return false;
}

static int add_headers(struct mh_client *c, const struct mh_request *request)
{
	const struct mh_http_config *config = c->config;
	/* without: no waiting for a permission to send the body; no default type of it */
	int rc = add_header(c, "Expect:");

	if (!rc && !is_given(request, "Content-Type"))
		rc = add_header(c, "Content-Type:");
	for (const char *const *h = request->header; h && *h && !rc; h++)
		rc = add_header(c, *h);
	for (size_t i = 0; i < config->n_headers && !rc; i++) {
		const struct mh_http_header *h = &config->header[i];
		char *line;

		if (is_given(request, h->name))
			continue;
		if (asprintf(&line, "%s: %s", h->name, h->value) < 0)
			return -ENOMEM;
		rc = add_header(c, line);
		mh_secret_free(line);
	}
	return rc;
}

static int add_authorization(struct mh_client *c, struct mh_err *err)
{
	const struct mh_http_config *config = c->config;
	const char *credentials = config->authorization.credentials;
	char *token = NULL, *line;
	int rc = 0;

	if (config->authorization.credentials_file) {
		rc = mh_secret_read(config->authorization.credentials_file, &token, err);
		credentials = token;
	}
	if (rc)
		return rc;
	if (asprintf(&line, "Authorization: %s %s", config->authorization.type,
		     credentials ? credentials : "") < 0) {
		mh_secret_free(token);
		return -ENOMEM;
	}
	rc = add_header(c, line);
	mh_secret_free(line);
	mh_secret_free(token);
	return rc;
}

static int set_password(struct mh_client *c, struct mh_err *err)
{
	const struct mh_http_config *config = c->config;
	const char *password = config->basic_auth.password;
	char *secret = NULL;
	int rc = 0;

	if (config->basic_auth.password_file) {
		rc = mh_secret_read(config->basic_auth.password_file, &secret, err);
		password = secret;
	}
	if (!rc && (c->curl.easy_setopt(c->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) ||
		    c->curl.easy_setopt(c->easy, CURLOPT_USERNAME, config->basic_auth.user) ||
		    c->curl.easy_setopt(c->easy, CURLOPT_PASSWORD, password ? password : "")))
		rc = -ENOMEM;
	mh_secret_free(secret);
	return rc;
}

static int set_who_we_are(struct mh_client *c, struct mh_err *err)
{
	if (c->config->basic_auth.user)
		return set_password(c, err);
	if (c->config->authorization.type)
		return add_authorization(c, err);
	return 0;
}

/*
 * Another name in the certificate than in the URL: that name is asked, and led to the URL's host;
 * Host says what the URL says.
 */
static int lead(struct mh_client *c, const char *url, const char *name)
{
	char *host = NULL, *port = NULL, *line = NULL;
	int rc = -ENOMEM;

	c->url = c->curl.url();
	if (!c->url || c->curl.url_set(c->url, CURLUPART_URL, url, 0) ||
	    c->curl.url_get(c->url, CURLUPART_HOST, &host, 0) ||
	    c->curl.url_get(c->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
	    c->curl.url_set(c->url, CURLUPART_HOST, name, 0))
		goto out;
	if (asprintf(&line, "::%s:%s", host, port) < 0) {
		line = NULL;
		goto out;
	}
	c->connect_to = c->curl.slist_append(NULL, line);
	free(line);
	if (!c->connect_to || asprintf(&line, "Host: %s:%s", host, port) < 0) {
		line = NULL;
		goto out;
	}
	rc = add_header(c, line);
	if (!rc && (c->curl.easy_setopt(c->easy, CURLOPT_CONNECT_TO, c->connect_to) ||
		    c->curl.easy_setopt(c->easy, CURLOPT_CURLU, c->url)))
		rc = -ENOMEM;
out:
	c->curl.free(host);
	c->curl.free(port);
	free(line);
	return rc;
}

/* libcurl has one code for a file that is not there and for a handshake that fails. */
static int check_file(const char *path, struct mh_err *err)
{
	if (!path || !access(path, R_OK))
		return 0;
	mh_err_sys(err, -errno, "cannot read %s", path);
	return -EINVAL;
}

static int set_tls(struct mh_client *c, struct mh_err *err)
{
	const struct mh_http_config *config = c->config;
	const long version = config->tls.min_version == MH_TLS_1_3 ? CURL_SSLVERSION_TLSv1_3
								   : CURL_SSLVERSION_TLSv1_2;
	CURL *e = c->easy;
	bool bad = c->curl.easy_setopt(e, CURLOPT_SSLVERSION, version);

	if (check_file(config->tls.ca_file, err) || check_file(config->tls.cert_file, err) ||
	    check_file(config->tls.key_file, err))
		return -EINVAL;
	if (config->tls.ca_file)
		bad |= c->curl.easy_setopt(e, CURLOPT_CAINFO, config->tls.ca_file) ||
		       c->curl.easy_setopt(e, CURLOPT_CAPATH, (char *)NULL);
	if (config->tls.cert_file)
		bad |= c->curl.easy_setopt(e, CURLOPT_SSLCERT, config->tls.cert_file) ||
		       c->curl.easy_setopt(e, CURLOPT_SSLKEY, config->tls.key_file);
	if (config->tls.insecure_skip_verify)
		bad |= c->curl.easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L) ||
		       c->curl.easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	return bad ? -ENOMEM : 0;
}

/* No proxy and no exception from one that only the environment names. */
static int set_proxy(struct mh_client *c)
{
	const char *proxy = c->config->proxy_url ? c->config->proxy_url : "";

	return c->curl.easy_setopt(c->easy, CURLOPT_PROXY, proxy) ||
			       c->curl.easy_setopt(c->easy, CURLOPT_NOPROXY, "")
		       ? -ENOMEM
		       : 0;
}

static int set_limits(struct mh_client *c, const struct mh_request *request)
{
	uint32_t ms = request->timeout_ms ? request->timeout_ms : c->config->remote_timeout_ms;
	CURL *e = c->easy;

	if (!ms)
		ms = MH_HTTP_TIMEOUT_MS;
	return c->curl.easy_setopt(e, CURLOPT_NOSIGNAL, 1L) ||
			       c->curl.easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)ms) ||
			       c->curl.easy_setopt(
				       e, CURLOPT_CONNECTTIMEOUT_MS,
				       (long)(ms < CONNECT_TIMEOUT_MS ? ms : CONNECT_TIMEOUT_MS)) ||
			       c->curl.easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) ||
			       c->curl.easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") ||
			       c->curl.easy_setopt(e, CURLOPT_HTTP_VERSION,
						   (long)CURL_HTTP_VERSION_1_1) ||
			       c->curl.easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) ||
			       c->curl.easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) ||
			       c->curl.easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT,
						   (long)STALLED_BYTES_S) ||
			       c->curl.easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)STALLED_S)
		       ? -ENOMEM
		       : 0;
}

static int set_body(struct mh_client *c, const struct mh_request *request)
{
	CURL *e = c->easy;

	if (!request->body)
		return 0;
	return c->curl.easy_setopt(e, CURLOPT_POST, 1L) ||
			       c->curl.easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
						   (curl_off_t)request->body_len) ||
			       c->curl.easy_setopt(e, CURLOPT_POSTFIELDS, request->body)
		       ? -ENOMEM
		       : 0;
}

static int set_up(struct mh_client *c, const struct mh_request *request, const char *url,
		  struct mh_err *err)
{
	CURL *e = c->easy;
	int rc = set_limits(c, request);

	if (!rc)
		rc = set_body(c, request);
	if (!rc)
		rc = set_tls(c, err);
	if (!rc)
		rc = set_proxy(c);
	if (!rc)
		rc = add_headers(c, request);
	if (!rc)
		rc = set_who_we_are(c, err);
	if (!rc && c->config->tls.server_name && !strncasecmp(url, "https:", 6))
		rc = lead(c, url, c->config->tls.server_name);
	else if (!rc && c->curl.easy_setopt(e, CURLOPT_URL, url))
		rc = -ENOMEM;
	if (!rc && (c->curl.easy_setopt(e, CURLOPT_USERAGENT, "memhist/" PACKAGE_VERSION) ||
		    c->curl.easy_setopt(e, CURLOPT_HTTPHEADER, c->header) ||
		    c->curl.easy_setopt(e, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE) ||
		    c->curl.easy_setopt(e, CURLOPT_ERRORBUFFER, c->reason) ||
		    c->curl.easy_setopt(e, CURLOPT_HEADERFUNCTION, mh_answering_header) ||
		    c->curl.easy_setopt(e, CURLOPT_HEADERDATA, &c->answering) ||
		    c->curl.easy_setopt(e, CURLOPT_WRITEFUNCTION, mh_answering_body) ||
		    c->curl.easy_setopt(e, CURLOPT_WRITEDATA, &c->answering)))
		rc = -ENOMEM;
	return rc;
}

/* --- what becomes of it ----------------------------------------------------------------------- */

static int run(struct mh_client *c, const struct mh_request *request, CURLcode *ret)
{
	int n_running = 1, n_left;
	CURLMsg *message;

	while (n_running) {
		if (atomic_load(&c->is_cancelled) ||
		    (request->interrupted && request->interrupted()))
			return -ECANCELED;
		if (c->curl.multi_perform(c->multi, &n_running) ||
		    (n_running && c->curl.multi_poll(c->multi, NULL, 0, POLL_MS, NULL)))
			return -ENOMEM;
	}
	message = c->curl.multi_info_read(c->multi, &n_left);
	if (!message)
		return -ENOMEM;
	*ret = message->data.result;
	return 0;
}

/* Failures that repeat until somebody changes something here. */
static bool is_ours(CURLcode code, const char *url)
{
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL:
		/* or what came was no HTTP that we know */
		return strncasecmp(url, "http:", 5) != 0 && strncasecmp(url, "https:", 6) != 0;
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_UNKNOWN_OPTION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return true;
	default:
		return false;
	}
}

/*
 * What libcurl says of a failure. Its longer words of these repeat a URL, that of the proxy with
 * its password too.
 */
static const char *words_of(const struct mh_client *c, CURLcode code)
{
	switch (code) {
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_PROXY:
		return c->curl.easy_strerror(code);
	default:
		return c->reason[0] ? c->reason : c->curl.easy_strerror(code);
	}
}

static int judge(struct mh_client *c, CURLcode code, const char *url, struct mh_answer *ret,
		 struct mh_err *err)
{
	char room[URL_SHOWN_MAX];
	curl_off_t after = 0;
	long status = 0;

	c->curl.easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	c->curl.easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &after);
	ret->status = (int)status;
	if (after)
		ret->retry_after_s = after;
	if (c->answering.sink_rc)
		return c->answering.sink_rc;
	if (code == CURLE_OUT_OF_MEMORY)
		return mh_err_sys(err, -ENOMEM, "cannot ask %s", shown(url, room));
	/* it is answered; only who wants the body cannot do without its end */
	if (code && status >= 200 && !c->answering.is_refused &&
	    (status / 100 != 2 || !c->answering.sink)) {
		ret->is_cut = true;
		return 0;
	}
	if (!code)
		return 0;
	return mh_errf(err, is_ours(code, url) ? -EINVAL : -EAGAIN, "%s: %s", shown(url, room),
		       c->answering.is_refused ? "the headers of its answer never end"
					       : words_of(c, code));
}

static void tear_down(struct mh_client *c)
{
	for (struct curl_slist *h = c->header; h; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	c->curl.easy_reset(c->easy);
	c->curl.slist_free_all(c->header);
	c->curl.slist_free_all(c->connect_to);
	c->curl.url_cleanup(c->url);
	c->header = c->connect_to = NULL;
	c->url = NULL;
}

int mh_client_do(struct mh_client *c, const struct mh_request *request, struct mh_answer *ret,
		 struct mh_err *err)
{
	const char *url = request->url ? request->url : c->config->url;
	char room[URL_SHOWN_MAX];
	CURLcode code = CURLE_OK;
	int rc;

	mh_answering_begin(&c->answering, ret, request->sink, request->arg);
	c->reason[0] = '\0';
	rc = set_up(c, request, url, err);
	if (!rc && c->curl.multi_add_handle(c->multi, c->easy))
		rc = -ENOMEM;
	else if (!rc) {
		rc = run(c, request, &code);
		if (!rc)
			rc = judge(c, code, url, ret, err);
		else if (rc == -ENOMEM)
			mh_err_sys(err, rc, "cannot ask %s", shown(url, room));
		c->curl.multi_remove_handle(c->multi, c->easy);
	} else if (rc == -ENOMEM) {
		mh_err_sys(err, rc, "cannot ask %s", shown(url, room));
	}
	tear_down(c);
	return rc;
}
