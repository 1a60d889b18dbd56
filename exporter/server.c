/*
 * Serving pages. All callbacks run in libmicrohttpd's one thread, which alone touches `pages`; the
 * connection clocks are shared with server_expire() and lock for themselves.
 *
 * An answer is a struct MHD_Response. One with metrics has a reference to its page, which it gives
 * back when the last byte was sent.
 */
#include "exporter/server.h"

#include "exporter/deadline.h"
#include "exporter/flags.h"
#include "exporter/landing.h"
#include "exporter/log.h"
#include "exporter/pages.h"

#include <errno.h>
#include <microhttpd.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_CONNECTIONS = 1200,
	CONNECTION_BYTES = 16 * 1024, /* longest request head: above it 414 or 431 */
	IDLE_SECONDS = 6,             /* without a byte */
	STEP_SECONDS = 7,             /* for a whole request, and again for its answer */
};

struct server {
	struct server_config config;
	struct MHD_Daemon *daemon;
	struct deadlines *deadlines;
	struct pages *pages;
};

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define TEXT_HTML  "text/html; charset=utf-8"
#define VARY       "Accept, Accept-Encoding"

/* What every answer has. Returns it, or NULL without it. */
static struct MHD_Response *add_headers(struct MHD_Response *r, const char *type)
{
	if (!r)
		return NULL;
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type) != MHD_YES ||
	    MHD_add_response_header(r, "Content-Security-Policy", "default-src 'none'") !=
		    MHD_YES ||
	    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") != MHD_YES) {
		MHD_destroy_response(r);
		return NULL;
	}
	return r;
}

/* An answer that holds a copy of `bytes`, or NULL. */
static struct MHD_Response *make_response(const char *type, const void *bytes, size_t len)
{
	/* the library copies in this mode; its parameter lacks only the const */
	return add_headers(MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes,
							   MHD_RESPMEM_MUST_COPY),
			   type);
}

static enum MHD_Result answer_text_or(struct MHD_Connection *connection, unsigned int status,
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
	queued = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return queued;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
				   const char *text)
{
	return answer_text_or(connection, status, "GET, HEAD", text);
}

static struct view *lock_view(struct server *s)
{
	struct view *v = s->config.view;

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

static enum MHD_Result answer_metrics(struct server *s, struct MHD_Connection *connection)
{
	struct wishes wishes = {0};
	enum page_format format;
	enum page_coding coding;
	struct MHD_Response *r;
	enum MHD_Result queued;
	struct page *page;
	int rc;

	MHD_get_connection_values(connection, MHD_HEADER_KIND, read_wish, &wishes);
	format = wishes_format(&wishes);
	coding = wishes_coding(&wishes);
	if (coding == PAGE_CODINGS)
		return answer_text(connection, MHD_HTTP_NOT_ACCEPTABLE,
				   "the page can be had as it is or as gzip, and Accept-Encoding "
				   "refuses both\n");
	rc = pages_get(s->pages, format, coding, &page);
	if (rc) {
		log_error("cannot write the metrics page: %s",
			  rc == -EOVERFLOW ? "it is too long" : "out of memory");
		return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
				   "cannot write the metrics page, see the log\n");
	}
	r = make_page_response(page, format, coding);
	if (!r)
		return MHD_NO;
	queued = MHD_queue_response(connection, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return queued;
}

static enum MHD_Result answer_landing(struct server *s, struct MHD_Connection *connection)
{
	struct mh_buf html = MH_BUF_INIT(16 * 1024);
	struct MHD_Response *r = NULL;
	enum MHD_Result queued = MHD_NO;

	landing_write(&html, s->config.telemetry_path);
	if (!html.error)
		r = make_response(TEXT_HTML, html.data, html.len);
	if (r) {
		queued = MHD_queue_response(connection, MHD_HTTP_OK, r);
		MHD_destroy_response(r);
	}
	mh_buf_done(&html);
	return queued;
}

static enum MHD_Result answer_healthy(struct server *s, struct MHD_Connection *connection)
{
	(void)s;
	return answer_text(connection, MHD_HTTP_OK, "memhist-exporter is healthy\n");
}

static enum MHD_Result answer_ready(struct server *s, struct MHD_Connection *connection)
{
	char text[sizeof(struct mh_err) + 32];
	struct view *v = lock_view(s);
	bool up = v->up;

	snprintf(text, sizeof(text), "not ready: %s\n", v->reason.text);
	view_unlock(v);
	return up ? answer_text(connection, MHD_HTTP_OK, "memhist-exporter is ready\n")
		  : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, text);
}

static enum MHD_Result answer_reload(struct server *s, struct MHD_Connection *connection)
{
	char text[sizeof(struct mh_err) + 64];
	struct mh_err err;

	if (!s->config.reload(s->config.reload_arg, &err))
		return answer_text(connection, MHD_HTTP_OK,
				   "the configuration is in force from the next sample on\n");
	snprintf(text, sizeof(text), "the configuration stays as it was: %s\n", err.text);
	return answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, text);
}

typedef enum MHD_Result answer_fn(struct server *s, struct MHD_Connection *connection);

static answer_fn *find_page(const struct server *s, const char *path)
{
	const struct {
		const char *path;
		answer_fn *answer;
	} pages[] = {{s->config.telemetry_path, answer_metrics},
		     {"/", answer_landing},
		     {EXPORTER_HEALTHY_PATH, answer_healthy},
		     {EXPORTER_READY_PATH, answer_ready},
		     {EXPORTER_RELOAD_PATH, answer_reload}};

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(path, pages[i].path))
			return pages[i].answer;
	return NULL;
}

static struct deadline *clock_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* A header that announces a body. There may be several, so that each is looked at. */
static enum MHD_Result check_body_header(void *cls, enum MHD_ValueKind kind, const char *name,
					 const char *value)
{
	bool *has_body = cls;

	(void)kind;
	if (!strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
	    (!strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) && (!value || strcmp(value, "0"))))
		*has_body = true;
	return MHD_YES;
}

static bool has_body(struct MHD_Connection *connection)
{
	bool found = false;

	MHD_get_connection_values(connection, MHD_HEADER_KIND, check_body_header, &found);
	return found;
}

static bool is_method(const char *method, const char *one, const char *other)
{
	return !strcmp(method, one) || !strcmp(method, other);
}

/* What is wrong with a request, as far as its head tells; *ret when it was answered. */
static bool refuse(struct server *s, struct MHD_Connection *connection, const char *path,
		   const char *method, enum MHD_Result *ret)
{
	const bool is_reload = !strcmp(path, EXPORTER_RELOAD_PATH);

	if (is_reload && !s->config.reload)
		*ret = answer_text(connection, MHD_HTTP_FORBIDDEN,
				   "this takes --web.enable-lifecycle\n");
	else if (is_reload && !is_method(method, MHD_HTTP_METHOD_POST, MHD_HTTP_METHOD_PUT))
		*ret = answer_text_or(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "POST, PUT",
				      "only POST and PUT are understood here\n");
	else if (!is_reload && !is_method(method, MHD_HTTP_METHOD_GET, MHD_HTTP_METHOD_HEAD))
		*ret = answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "only GET and HEAD are understood here\n");
	else if (has_body(connection))
		*ret = answer_text(connection, MHD_HTTP_BAD_REQUEST,
				   "a request here has no body\n");
	else
		return false;
	return true;
}

/* Called twice for each request: when its head is there, and when its body would be. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **request)
{
	struct server *s = cls;
	enum MHD_Result refused;
	answer_fn *answer;

	(void)version;
	(void)upload;
	(void)upload_len;
	if (!*request) {
		*request = s; /* anything but NULL */
		deadlines_restart(s->deadlines, clock_of(connection), mh_now().boot_ns);
		return refuse(s, connection, path, method, &refused) ? refused : MHD_YES;
	}
	answer = find_page(s, path);
	return answer ? answer(s, connection)
		      : answer_text(connection, MHD_HTTP_NOT_FOUND, "there is no such page\n");
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct server *s = cls;

	(void)request;
	(void)code;
	deadlines_restart(s->deadlines, clock_of(connection), mh_now().boot_ns);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *s = cls;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(
			connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		*context = deadlines_open(s->deadlines, info->connect_fd, mh_now().boot_ns);
	} else {
		deadlines_close(s->deadlines, *context);
		*context = NULL;
	}
}

/* Paths are compared as they were sent: no page has a name that needs decoding. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

static void on_library_message(void *cls, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void on_library_message(void *cls, const char *fmt, va_list ap)
{
	char text[512];

	(void)cls;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("libmicrohttpd: %s", text);
}

/* A quarter of the descriptors at most: the sampler needs them too. */
static unsigned int max_connections(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur / 4 >= MAX_CONNECTIONS)
		return MAX_CONNECTIONS;
	return rl.rlim_cur < 8 ? 2 : (unsigned int)rl.rlim_cur / 4;
}

static struct MHD_Daemon *start_daemon(struct server *s, unsigned int connections)
{
	const struct MHD_OptionItem options[] = {
		{MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_library_message, NULL},
		{MHD_OPTION_LISTEN_SOCKET, s->config.listen_fd, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, (intptr_t)connections, NULL},
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, NULL},
		{MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL},
		{MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, s},
		{MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, s},
		{MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
		{MHD_OPTION_END, 0, NULL},
	};

	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
				on_request, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

int server_start(struct server **ret, const struct server_config *config, struct mh_err *err)
{
	const struct pages_config pages = {.view = config->view, .max_series = config->max_series};
	unsigned int connections = max_connections();
	struct server *s = calloc(1, sizeof(*s));
	int rc = s ? 0 : -ENOMEM;

	if (!rc) {
		s->config = *config;
		rc = pages_new(&s->pages, &pages);
	}
	if (!rc)
		rc = deadlines_new(&s->deadlines, connections, STEP_SECONDS * UINT64_C(1000000000));
	if (!rc) {
		s->daemon = start_daemon(s, connections);
		rc = s->daemon ? 0 : errno ? -errno : -EIO;
	}
	if (rc) {
		close(config->listen_fd);
		server_stop(s);
		return mh_err_sys(err, rc, "cannot start the web server");
	}
	*ret = s;
	return 0;
}

void server_expire(struct server *s)
{
	unsigned int n = deadlines_expire(s->deadlines, mh_now().boot_ns);

	if (n)
		log_debug("%u connections took too long and were closed", n);
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	if (s->daemon)
		MHD_stop_daemon(s->daemon); /* closes the listening socket */
	pages_free(s->pages);               /* no answer has a page any more */
	deadlines_free(s->deadlines);
	free(s);
}
