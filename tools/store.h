/*
 * A store that speaks as Prometheus does: Prometheus, VictoriaMetrics, Thanos, Mimir … What is read
 * of it are samples as they were stored, never values at steps.
 *
 *   S1  Remote read (POST /api/v1/read) where the store has it. Else an instant query for a range
 *       vector (/api/v1/query, `{…}[900000ms]`), whose answer has the raw samples.
 *   S2  One answer is at most STORE_ANSWER_MAX bytes, unpacked, and STORE_SAMPLES_MAX samples.
 * Where it is more, or the store itself says that it is too much, less time is asked for. S3
 * Nothing is written to the store.
 */
#ifndef MEMHIST_TOOLS_STORE_H
#define MEMHIST_TOOLS_STORE_H

#include "libmemhist/net/client.h"
#include "tools/selector.h"
#include "tools/store_samples.h"

enum { STORE_ANSWER_MAX = 32 << 20, STORE_SAID_MAX = 256 };

struct store_config {
	/* http->url is where the store is, without /api/v1/… */
	const struct mh_http_config *http;
	const struct selector *selector;
	mh_fields_t fields; /* of which series are wanted */
};

struct store;

/* The configuration has to stay. Returns 0 or as mh_client_new(). */
int store_open(struct store **ret, const struct store_config *config, struct mh_err *err);
void store_close(struct store *s);

/*
 * Samples of [since_ms, until_ms), in ret->sample, sorted. Returns 0; -EOVERFLOW and a sentence:
 * see S2; -EMLINK: of several machines, see store_samples.h; -EINTR; or -errno and a sentence.
 */
int store_fetch(struct store *s, mh_ms_t since_ms, mh_ms_t until_ms, struct store_samples *ret,
		struct mh_err *err);

/* "remote read" or "queries", when something was fetched. */
const char *store_way(const struct store *s);

/* --- store_read.c: remote read ---------------------------------------------------------------- */

int store_read_request(const struct selector *selector, mh_ms_t since_ms, mh_ms_t until_ms,
		       struct mh_buf *out);
/* An answer, unpacked, into samples. Returns 0, -EBADMSG, -ENOMEM, -EOVERFLOW or -EMLINK. */
int store_read_answer(const char *bytes, size_t len, struct store_samples *to);

/* --- store_query.c: range vectors --------------------------------------------------------------
 */

/* The body of a form. */
int store_query_request(const struct selector *selector, mh_ms_t since_ms, mh_ms_t until_ms,
			struct mh_buf *out);
/* As store_read_answer(). */
int store_query_answer(const char *bytes, size_t len, struct store_samples *to);
/* What the store says of an error, in JSON or as text; "" = nothing. */
void store_query_said(const char *bytes, size_t len, char ret[STORE_SAID_MAX]);

#endif
