/*
 * What each path answers. All of it runs in the web thread, which alone touches `pages`.
 *
 * An answer is a struct MHD_Response. One with metrics has a reference to its page, which it gives
 * back when the last byte was sent.
 */
#include "exporter/answers.h"

#include "exporter/api/api.h"
#include "exporter/door.h"
#include "exporter/flags.h"
#include "exporter/landing.h"
#include "exporter/log.h"
#include "exporter/pages.h"
#include "exporter/ui/site.h"

#include <errno.h>
#include <strings.h>

struct answers {
	struct answers_config config;
	struct pages *pages;
	struct api *api;
};

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_HTML  "text/html; charset=utf-8"
#define VARY       "Accept, Accept-Encoding"

/* What every answer has, and what this one has. Returns it, or NULL without it. */
static struct MHD_Response *add_head(struct MHD_Response *r, const struct answer_head *head)
{
	const char *policy = head->policy ? head->policy : "default-src 'none'";

	if (!r)
		return NULL;
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, head->type) != MHD_YES ||
	    MHD_add_response_header(r, "Content-Security-Policy", policy) != MHD_YES ||
	    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") != MHD_YES ||
	    (head->cache_control && MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL,
							    head->cache_control) != MHD_YES) ||
	    (head->retry_after && MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER,
							  head->retry_after) != MHD_YES) ||
	    (head->etag &&
	     MHD_add_response_header(r, MHD_HTTP_HEADER_ETAG, head->etag) != MHD_YES)) {
		MHD_destroy_response(r);
		return NULL;
	}
	return r;
}

static struct MHD_Response *add_headers(struct MHD_Response *r, const char *type)
{
	return add_head(r, &(struct answer_head){.type = type});
}

/* An answer that holds a copy of `bytes`, or NULL. */
static struct MHD_Response *make_response(const char *type, const void *bytes, size_t len)
{
	/* the library copies in this mode; its parameter lacks only the const */
	return add_headers(MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes,
							   MHD_RESPMEM_MUST_COPY),
			   type);
}

/* What the web configuration says of headers is what people get. Returns whether it worked. */
static bool dress(const struct door *door, struct MHD_Response *r)
{
	bool ok = true;

	for (int h = 0; ok && h < MH_WEB_HEADERS; h++) {
		const char *name = mh_web_header_name((enum mh_web_header)h);
		const char *value = door_header(door, (enum mh_web_header)h);
		const char *ours = value ? MHD_get_response_header(r, name) : NULL;

		if (ours)
			MHD_del_response_header(r, name, ours);
		ok = !value || MHD_add_response_header(r, name, value) == MHD_YES;
	}
	return ok;
}

static enum MHD_Result queue(struct MHD_Connection *connection, unsigned int status,
			     struct MHD_Response *r)
{
	const struct guest *g = guest_of(connection);

	if (g && g->door && !dress(g->door, r))
		return MHD_NO;
	return MHD_queue_response(connection, status, r);
}

enum MHD_Result answer_text_or(struct MHD_Connection *connection, unsigned int status,
			       const char *allowed, const char *text)
{
	struct MHD_Response *r = make_response(TEXT_PLAIN, text, strlen(text));
	enum MHD_Result queued;

	if (!r)
		return MHD_NO;
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allowed);
	if (status == MHD_HTTP_NOT_ACCEPTABLE)
		MHD_add_response_header(r, MHD_HTTP_HEADER_VARY, VARY);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED || status == MHD_HTTP_BAD_REQUEST)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	queued = queue(connection, status, r);
	MHD_destroy_response(r);
	return queued;
}

enum MHD_Result answer_text_with(struct MHD_Connection *connection, unsigned int status,
				 const char *name, const char *value, const char *text)
{
	struct MHD_Response *r = make_response(TEXT_PLAIN, text, strlen(text));
	enum MHD_Result queued = MHD_NO;

	if (!r)
		return MHD_NO;
	if (MHD_add_response_header(r, name, value) == MHD_YES)
		queued = queue(connection, status, r);
	MHD_destroy_response(r);
	return queued;
}

enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
			    const char *text)
{
	return answer_text_or(connection, status, "GET, HEAD", text);
}

enum MHD_Result answer_bytes(struct MHD_Connection *connection, unsigned int status,
			     const struct answer_head *head, const void *bytes, size_t len)
{
	enum MHD_ResponseMemoryMode mode = head->lives_on ? MHD_RESPMEM_PERSISTENT
							  : MHD_RESPMEM_MUST_COPY;
	/* the library's parameter lacks only the const */
	struct MHD_Response *r = add_head(
		MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes, mode), head);
	enum MHD_Result queued;

	if (!r)
		return MHD_NO;
	queued = queue(connection, status, r);
	MHD_destroy_response(r);
	return queued;
}

static struct view *lock_view(struct answers *a)
{
	struct view *v = a->config.view;

	view_lock(v);
	if (view_expire(v, mh_now().boot_ns))
		log_error("%s", v->reason.text);
	return v;
}

static void give_page_back(void *page)
{
	page_release(page);
}

static enum MHD_Result read_wish(void *cls, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct wishes *w = cls;

	(void)kind;
	if (!strcasecmp(name, MHD_HTTP_HEADER_ACCEPT))
		wishes_accept(w, value);
	else if (!strcasecmp(name, MHD_HTTP_HEADER_ACCEPT_ENCODING))
		wishes_accept_encoding(w, value);
	return MHD_YES;
}

/* Takes the reference to the page over. */
static struct MHD_Response *make_page_response(struct page *page, enum page_format format,
					       enum page_coding coding)
{
	struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback_cls(
		page->len, page->data, give_page_back, page);

	if (!r) {
		page_release(page);
		return NULL;
	}
	r = add_headers(r, format_of(format)->content_type);
	if (!r)
		return NULL;
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_VARY, VARY) != MHD_YES ||
	    (coding == PAGE_GZIP &&
	     MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip") != MHD_YES)) {
		MHD_destroy_response(r);
		return NULL;
	}
	return r;
}

static enum MHD_Result answer_metrics(struct answers *a, struct MHD_Connection *connection,
				      const char *path)
{
	struct wishes wishes = {0};
	enum page_format format;
	enum page_coding coding;
	struct MHD_Response *r;
	enum MHD_Result queued;
	struct page *page;
	int rc;

	(void)path;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, read_wish, &wishes);
	format = wishes_format(&wishes);
	coding = wishes_coding(&wishes);
	if (coding == PAGE_CODINGS)
		return answer_text(connection, MHD_HTTP_NOT_ACCEPTABLE,
				   "the page can be had as it is or as gzip, and Accept-Encoding "
				   "refuses both\n");
	rc = pages_get(a->pages, format, coding, &page);
	if (rc) {
		log_error("cannot write the metrics page: %s",
			  rc == -EOVERFLOW ? "it is too long" : "out of memory");
		return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
				   "cannot write the metrics page, see the log\n");
	}
	r = make_page_response(page, format, coding);
	if (!r)
		return MHD_NO;
	queued = queue(connection, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return queued;
}

static enum MHD_Result answer_landing(struct answers *a, struct MHD_Connection *connection,
				      const char *path)
{
	struct mh_buf html = MH_BUF_INIT(16 * 1024);
	struct MHD_Response *r = NULL;
	enum MHD_Result queued = MHD_NO;

	(void)path;
	landing_write(&html, a->config.telemetry_path);
	if (!html.error)
		r = make_response(TEXT_HTML, html.data, html.len);
	if (r) {
		queued = queue(connection, MHD_HTTP_OK, r);
		MHD_destroy_response(r);
	}
	mh_buf_done(&html);
	return queued;
}

static enum MHD_Result answer_healthy(struct answers *a, struct MHD_Connection *connection,
				      const char *path)
{
	(void)path;
	(void)a;
	return answer_text(connection, MHD_HTTP_OK, "memhist-exporter is healthy\n");
}

static enum MHD_Result answer_ready(struct answers *a, struct MHD_Connection *connection,
				    const char *path)
{
	char text[sizeof(struct mh_err) + 32];
	struct view *v = lock_view(a);
	bool up = v->up;

	(void)path;
	snprintf(text, sizeof(text), "not ready: %s\n", v->reason.text);
	view_unlock(v);
	return up ? answer_text(connection, MHD_HTTP_OK, "memhist-exporter is ready\n")
		  : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static enum MHD_Result answer_reload(struct answers *a, struct MHD_Connection *connection,
				     const char *path)
{
	char text[sizeof(struct mh_err) + 64];
	struct mh_err err;

	(void)path;
	if (!a->config.reload(a->config.reload_arg, &err))
		return answer_text(connection, MHD_HTTP_OK,
				   "the configuration is in force from the next sample on\n");
	snprintf(text, sizeof(text), "the configuration stays as it was: %s\n", err.text);
	return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, text);
}

static enum MHD_Result answer_api(struct answers *a, struct MHD_Connection *connection,
				  const char *path)
{
	return api_answer(a->api, connection, path);
}

static enum MHD_Result answer_site(struct answers *a, struct MHD_Connection *connection,
				   const char *path)
{
	(void)a;
	return site_answer(connection, path);
}

answer_fn *answers_find(const struct answers *a, const char *path)
{
	const struct {
		const char *path;
		answer_fn *answer;
	} pages[] = {{a->config.telemetry_path, answer_metrics},
		     {"/", answer_landing},
		     {EXPORTER_HEALTHY_PATH, answer_healthy},
		     {EXPORTER_READY_PATH, answer_ready},
		     {EXPORTER_RELOAD_PATH, answer_reload}};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(path, pages[i].path))
			return pages[i].answer;
	if (site_has(path))
		return answer_site;
	return strncmp(path, EXPORTER_API_PATH, strlen(EXPORTER_API_PATH)) ? NULL : answer_api;
}

int answers_new(struct answers **ret, const struct answers_config *config)
{
	const struct pages_config pages = {.view = config->view, .max_series = config->max_series};
	const struct api_config api = {.view = config->view,
				       .recent = config->recent,
				       .history_dir = config->history_dir,
				       .wake = config->wake,
				       .wake_arg = config->wake_arg};
	struct answers *a = calloc(1, sizeof(*a));
	int rc = a ? 0 : -ENOMEM;

	if (!rc) {
		a->config = *config;
		rc = pages_new(&a->pages, &pages);
	}
	if (!rc)
		rc = api_new(&a->api, &api);
	if (rc) {
		answers_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

void answers_release(struct answers *a)
{
	api_release(a->api);
}

void answers_stop(struct answers *a)
{
	api_stop(a->api);
}

bool answers_has(struct answers *a, const struct MHD_Connection *connection)
{
	return api_has(a->api, connection);
}

void answers_completed(struct answers *a, const struct MHD_Connection *connection)
{
	api_completed(a->api, connection);
}

void answers_free(struct answers *a)
{
	if (!a)
		return;
	pages_free(a->pages);
	api_free(a->api);
	free(a);
}
