/*
 * Requests, and what statuses mean. Which protocol a store has is found out by the first request:
 * remote read is tried, and whatever answers otherwise is asked by queries from then on.
 */
#include "tools/store.h"

#include "libmemhist/net/snappy.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	REQUEST_MAX = 64 << 10,
	PACKED_MAX = 16 << 20,
	NAMES_MAX = 1024,
	/* a store may have to compute; prometheus gives up after two minutes itself */
	TIMEOUT_MS = 5 * 60 * 1000,
};

enum way { WAY_UNKNOWN, WAY_READ, WAY_QUERY };

struct store {
	const struct store_config *config;
	struct mh_client *client;
	enum way way;
	struct selector selector; /* with the names of metrics */
	char names[NAMES_MAX];
	char *read_url, *query_url;
	struct mh_buf body, whole;
};

static char *url_of(const char *base, const char *path)
{
	size_t len = strlen(base);
	char *url;

	while (len && base[len - 1] == '/')
		len--;
	return asprintf(&url, "%.*s%s", (int)len, base, path) < 0 ? NULL : url;
}

/* memhist_process_(resident_memory_bytes|start_time_seconds) */
static void select_metrics(struct store *s)
{
	struct mh_buf names = MH_BUF_INIT(NAMES_MAX - 1);

	mh_buf_adds(&names, STORE_METRIC_PREFIX "(" STORE_METRIC_START);
	for (int field = 0; field < MH_FIELD_COUNT; field++)
		if (mh_fields_have(s->config->fields, field))
			mh_buf_printf(&names, "|%s", mh_fields[field].metric);
	mh_buf_addc(&names, ')');
	snprintf(s->names, sizeof(s->names), "%s", mh_buf_str(&names));
	mh_buf_done(&names);
	s->selector = *s->config->selector;
	s->selector.matcher[s->selector.n++] = (struct matcher){MATCHER_REGEX, "__name__",
								s->names};
}

int store_open(struct store **ret, const struct store_config *config, struct mh_err *err)
{
	struct store *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return mh_err_sys(err, -ENOMEM, "cannot read %s", config->http->url);
	s->config = config;
	s->body = (struct mh_buf)MH_BUF_INIT(STORE_ANSWER_MAX);
	s->whole = (struct mh_buf)MH_BUF_INIT(STORE_ANSWER_MAX);
	select_metrics(s);
	s->read_url = url_of(config->http->url, "/api/v1/read");
	s->query_url = url_of(config->http->url, "/api/v1/query");
	rc = s->read_url && s->query_url ? mh_client_new(&s->client, config->http, err) : -ENOMEM;
	if (rc) {
		store_close(s);
		return rc == -ENOMEM ? mh_err_sys(err, rc, "cannot read %s", config->http->url)
				     : rc;
	}
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	mh_client_free(s->client);
	free(s->read_url);
	free(s->query_url);
	mh_buf_done(&s->body);
	mh_buf_done(&s->whole);
	free(s);
}

const char *store_way(const struct store *s)
{
	return s->way == WAY_READ ? "remote read" : "queries";
}

static int take_body(void *arg, const void *bytes, size_t len)
{
	struct store *s = arg;
	const size_t max = s->way == WAY_QUERY ? STORE_ANSWER_MAX : PACKED_MAX;

	if (s->body.len + len > max)
		return -EOVERFLOW;
	mh_buf_add(&s->body, bytes, len);
	return s->body.error;
}

static int too_much(const struct store *s, struct mh_err *err)
{
	return mh_errf(err, -EOVERFLOW, "%s: an answer of more than %d MiB or %d samples",
		       s->config->http->url, STORE_ANSWER_MAX >> 20, STORE_SAMPLES_MAX);
}

/* One request. 0: *ret is the answer, its body in s->body when its status is 200. */
static int ask(struct store *s, const char *url, const struct mh_buf *body,
	       const char *const *header, struct mh_answer *ret, struct mh_err *err)
{
	const uint32_t timeout_ms = s->config->http->remote_timeout_ms;
	const struct mh_request request = {
		.url = url,
		.body = body->data,
		.body_len = body->len,
		.header = header,
		.timeout_ms = timeout_ms ? timeout_ms : TIMEOUT_MS,
		.sink = take_body,
		.arg = s,
		.interrupted = tool_interrupted,
	};
	int rc;

	mh_buf_clear(&s->body);
	rc = mh_client_do(s->client, &request, ret, err);
	if (rc == -ECANCELED)
		return -EINTR;
	if (rc == -EOVERFLOW)
		return too_much(s, err);
	if (rc == -ENOMEM)
		return mh_err_sys(err, rc, "cannot read %s", url);
	return rc;
}

/* A status that is not 200, from either. */
static int refused(const char *url, const struct mh_answer *answer, struct mh_err *err)
{
	char said[STORE_SAID_MAX];

	switch (answer->status) {
	case 401:
	case 403:
		return mh_errf(err, -EACCES,
			       "%s refuses us (status %d): the user, password or token of "
			       "--http.config.file is missing or wrong",
			       url, answer->status);
	case 404:
	case 405:
		return mh_errf(err, -EPROTO,
			       "%s is not there (status %d): is this the URL of a store that "
			       "speaks as Prometheus does?",
			       url, answer->status);
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return mh_errf(
			err, -EPROTO,
			"%s leads elsewhere (status %d), where memhist does not follow: give "
			"the URL that it leads to",
			url, answer->status);
	default:
		store_query_said(answer->body, answer->body_len, said);
		return mh_errf(err, -EIO, "%s answers with status %d%s%s", url, answer->status,
			       said[0] ? ": " : "", said);
	}
}

/* Of which less time may be asked for: what stores say when it is too much, or takes too long. */
static bool is_too_much(int status)
{
	return status == 400 || status == 413 || status == 422 || status == 500 || status == 503 ||
	       status == 504;
}

static int not_understood(const char *url, struct mh_err *err)
{
	return mh_errf(err, -EPROTO,
		       "%s answers, but not as Prometheus does: is this the URL of such a store?",
		       url);
}

/* What reading an answer came to. */
static int judge(const struct store *s, const char *url, int rc, struct mh_err *err)
{
	switch (rc) {
	case -EBADMSG:
		return not_understood(url, err);
	case -EOVERFLOW:
		return too_much(s, err);
	case -ENOMEM:
		return mh_err_sys(err, rc, "cannot read %s", url);
	default:
		return rc;
	}
}

/* Returns 1: this store has no remote read. */
static int fetch_read(struct store *s, struct store_samples *to, struct mh_err *err)
{
	static const char *const header[] = {
		"Content-Type: application/x-protobuf",
		"Content-Encoding: snappy",
		"X-Prometheus-Remote-Read-Version: 0.1.0",
		NULL,
	};
	struct mh_buf request = MH_BUF_INIT(REQUEST_MAX), packed = MH_BUF_INIT(2 * REQUEST_MAX);
	struct mh_answer answer;
	int rc = store_read_request(&s->selector, to->since_ms, to->until_ms, &request);

	if (!rc)
		rc = mh_snappy_compress(request.data, request.len, &packed);
	rc = rc ? judge(s, s->read_url, rc, err)
		: ask(s, s->read_url, &packed, header, &answer, err);
	mh_buf_done(&request);
	mh_buf_done(&packed);
	if (rc)
		return rc;
	if (answer.status != 200 && s->way == WAY_UNKNOWN && answer.status != 401 &&
	    answer.status != 403)
		return 1;
	if (answer.status != 200) {
		rc = refused(s->read_url, &answer, err);
		return is_too_much(answer.status) ? -EOVERFLOW : rc;
	}
	mh_buf_clear(&s->whole);
	rc = mh_snappy_uncompress(s->body.data, s->body.len, &s->whole);
	if (!rc)
		rc = store_read_answer(s->whole.data, s->whole.len, to);
	/* something that says 200 to everything */
	if (rc == -EBADMSG && s->way == WAY_UNKNOWN)
		return 1;
	s->way = WAY_READ;
	return judge(s, s->read_url, rc, err);
}

static int fetch_query(struct store *s, struct store_samples *to, struct mh_err *err)
{
	static const char *const header[] = {
		"Content-Type: application/x-www-form-urlencoded",
		"Accept: application/json",
		NULL,
	};
	struct mh_buf request = MH_BUF_INIT(REQUEST_MAX);
	struct mh_answer answer;
	int rc = store_query_request(&s->selector, to->since_ms, to->until_ms, &request);

	rc = rc ? judge(s, s->query_url, rc, err)
		: ask(s, s->query_url, &request, header, &answer, err);
	mh_buf_done(&request);
	if (rc)
		return rc;
	if (answer.status != 200) {
		rc = refused(s->query_url, &answer, err);
		return is_too_much(answer.status) ? -EOVERFLOW : rc;
	}
	return judge(s, s->query_url, store_query_answer(s->body.data, s->body.len, to), err);
}

int store_fetch(struct store *s, mh_ms_t since_ms, mh_ms_t until_ms, struct store_samples *ret,
		struct mh_err *err)
{
	int rc = 1;

	ret->since_ms = since_ms;
	ret->until_ms = until_ms;
	store_samples_clear(ret);
	if (s->way != WAY_QUERY)
		rc = fetch_read(s, ret, err);
	if (rc == 1) {
		s->way = WAY_QUERY;
		store_samples_clear(ret);
		rc = fetch_query(s, ret, err);
	}
	if (!rc)
		store_samples_sort(ret);
	return rc;
}
