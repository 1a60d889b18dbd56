/*
 * HTTP requests, one at a time, to whom an mh_http_config names. The connection is kept between
 * them.
 *
 *     rc = mh_client_new(&client, &config, &err);
 *     rc = mh_client_do(client, &(struct mh_request){.body = bytes, .body_len = n}, &answer, &err);
 *     if (!rc && answer.status / 100 == 2)
 *             …
 *     mh_client_free(client);
 *
 * Rules:
 *   H1  Whatever status comes, the request was answered: that is no error of mh_client_do(), also
 *       when the connection breaks in the body (but not in one that a `sink` gets). Redirects are
 *       not followed, their status is the answer.
 *   H2  Every request ends: after remote_timeout at the latest, and earlier where the connection
 *       cannot be made, or nothing comes for a minute. Servers that drip, hang or never stop
 *       sending make no exception.
 *   H3  Of the body at most MH_ANSWER_MAX bytes are kept, unless the request has a `sink`, which
 *       gets it piece by piece. What is left of it is not waited for.
 *   H4  Only http and https, HTTP/1.1, TLS 1.2 and later; certificates are verified. No proxy
 *       unless configured, no ~/.netrc, no environment, no cookies, no compressed answers.
 *   H5  Secrets are read from their files for each request, go into a header of it, and nowhere
 *       else. Sentences have the URL without its query.
 *   H6  libcurl is loaded by the first client; who makes none has nothing of it. A client
 *       belongs to one thread at a time; only mh_client_cancel() may be called by others.
 */
#ifndef MEMHIST_NET_CLIENT_H
#define MEMHIST_NET_CLIENT_H

#include "libmemhist/base/err.h"
#include "libmemhist/net/http_config.h"

enum { MH_ANSWER_MAX = 4096, MH_ANSWER_WORD_MAX = 127 };

struct mh_client;

struct mh_request {
	const char *url;  /* NULL: the configuration's */
	const void *body; /* of a POST; NULL: a GET */
	size_t body_len;
	/* “Content-Type: application/x-protobuf” …, ended by NULL; NULL = none. They win over the
	 * headers of the configuration. */
	const char *const *header;
	uint32_t timeout_ms; /* instead of remote_timeout; 0 = that */
	/* The body of an answer of status 2xx, in pieces as they come. Non-zero ends the request,
	 * which returns it. NULL: as H3. */
	int (*sink)(void *arg, const void *bytes, size_t len);
	void *arg;
	/* Asked at least once a second, and after each signal: non-zero ends this request as
	 * mh_client_cancel() does. NULL = not wanted. */
	int (*interrupted)(void);
};

struct mh_answer {
	int status;              /* 204 */
	int64_t retry_after_s;   /* Retry-After, also where it was a date; -1 = none */
	int64_t written_samples; /* X-Prometheus-Remote-Write-Samples-Written; -1 = none … */
	int64_t written_histograms;
	int64_t written_exemplars;
	char content_type[MH_ANSWER_WORD_MAX + 1]; /* as it came, but printable; "" = none */
	bool is_cut; /* there was more of it, or its end did not come */
	size_t body_len;
	char body[MH_ANSWER_MAX + 1]; /* ended by a NUL that is not counted; foreign bytes */
};

/* `config` has to stay until _free. The first client has to be made while no other thread makes or
 * frees one. Returns 0, -ENOMEM, or -ENOENT and a sentence: there is no libcurl. */
int mh_client_new(struct mh_client **ret, const struct mh_http_config *config, struct mh_err *err);
void mh_client_free(struct mh_client *c);

/*
 * One request. Returns 0 and *ret (it is written to also on failure), or with a sentence:
 *
 *   -EAGAIN     no answer: the network, the other side, its certificate, time. Worth trying again.
 *   -EINVAL     ours: the URL, or a file of the configuration that is not there or not good. Worth
 *               trying again only when somebody has changed something.
 *   -ECANCELED  mh_client_cancel(), or `interrupted`; without a sentence
 *   -ENOMEM
 *   what `sink` returned, and the sentence is its
 */
int mh_client_do(struct mh_client *c, const struct mh_request *request, struct mh_answer *ret,
		 struct mh_err *err);

/* By any thread: the request that runs ends now, and each later one at once. */
void mh_client_cancel(struct mh_client *c);

#endif
