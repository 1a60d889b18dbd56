/*
 * The daemon, its connections, and who is refused. All callbacks run in the acceptor's one thread,
 * which alone touches `answers`; the connection clocks are shared with server_expire() and lock for
 * themselves.
 */
#include "exporter/server.h"

#include "exporter/acceptor.h"
#include "exporter/deadline.h"
#include "exporter/flags.h"
#include "exporter/log.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
	MAX_CONNECTIONS = 1200,
	CONNECTION_BYTES = 16 * 1024, /* longest request head: above it 414 or 431 */
	IDLE_SECONDS = 6,             /* without a byte */
	STEP_SECONDS = 7,             /* for a whole request, and again for its answer */
	RETIRED_MS = 20000,           /* for connections from before a change: both, and more */
};

struct server {
	struct server_config config;
	struct acceptor *acceptor;
	struct deadlines *deadlines;
	struct answers *answers;
};

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

	if (is_reload && !s->config.answers.reload)
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

/*
 * Called when the head of a request is there, when its body would be, and once more when it had to
 * wait. What can be said without a body's coming to an end is said at once; but whom the door stops
 * learns no more than that.
 */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **request)
{
	struct guest *g = guest_of(connection);
	struct server *s = cls;
	enum MHD_Result ret;
	answer_fn *answer;

	(void)version;
	(void)upload;
	(void)upload_len;
	if (!g)
		return MHD_NO;
	deadlines_restart(s->deadlines, g->clock, mh_now().boot_ns);
	if (!*request) {
		*request = s; /* anything but NULL */
		if (s->config.door && !has_body(connection))
			return MHD_YES;
		return refuse(s, connection, path, method, &ret) ? ret : MHD_YES;
	}
	/* who was let in and waited for an answer is not stopped again */
	if (s->config.door && !answers_has(s->answers, connection) &&
	    (door_stops(s->config.door, g, connection, &ret) ||
	     refuse(s, connection, path, method, &ret)))
		return ret;
	answer = answers_find(s->answers, path);
	return answer ? answer(s->answers, connection, path)
		      : answer_text(connection, MHD_HTTP_NOT_FOUND, "there is no such page\n");
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request,
			 enum MHD_RequestTerminationCode code)
{
	struct guest *g = guest_of(connection);
	struct server *s = cls;

	(void)request;
	(void)code;
	answers_completed(s->answers, connection);
	if (g)
		deadlines_restart(s->deadlines, g->clock, mh_now().boot_ns);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *s = cls;
	struct guest *g = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(
			connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		*context = g = calloc(1, sizeof(*g));
		if (!g)
			return; /* its first request ends it */
		g->clock = deadlines_open(s->deadlines, info->connect_fd, mh_now().boot_ns);
		if (s->config.door)
			door_greet(s->config.door, g, connection);
	} else if (g) {
		deadlines_close(s->deadlines, g->clock);
		door_leave(g);
		free(g);
		*context = NULL;
	}
}

/* The certificate of a connection that was not greeted: none, so that it ends. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
			  const gnutls_pk_algorithm_t *kinds, int n_kinds, gnutls_pcert_st **ret,
			  unsigned int *ret_len, gnutls_privkey_t *ret_key)
{
	(void)session;
	(void)names;
	(void)n_names;
	(void)kinds;
	(void)n_kinds;
	(void)ret;
	(void)ret_len;
	(void)ret_key;
	return -1;
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

static void before_stop(void *arg)
{
	struct server *s = arg;

	answers_release(s->answers);
}

static struct MHD_Daemon *start_daemon(struct server *s, unsigned int connections)
{
	const struct MHD_OptionItem options[] = {
		{MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_library_message, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, (intptr_t)connections, NULL},
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, NULL},
		{MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL},
		{MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, s},
		{MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, s},
		{MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
		{MHD_OPTION_END, 0, NULL},
	};
	unsigned int flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
			     MHD_ALLOW_SUSPEND_RESUME;

	if (s->config.door && door_has_tls(s->config.door))
		return MHD_start_daemon(flags | MHD_USE_TLS, 0, NULL, NULL, on_request, s,
					MHD_OPTION_ARRAY, options, MHD_OPTION_HTTPS_CERT_CALLBACK,
					no_certificate, MHD_OPTION_END);
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_ARRAY, options,
				MHD_OPTION_END);
}

static void wake(void *server)
{
	acceptor_wake(((struct server *)server)->acceptor);
}

int server_start(struct server **ret, const struct server_config *config, struct mh_err *err)
{
	unsigned int connections = max_connections();
	struct acceptor_config acceptor = {.listeners = config->listeners,
					   .max_connections = connections,
					   .before_stop = before_stop,
					   .retired_ms = RETIRED_MS};
	struct server *s = calloc(1, sizeof(*s));
	int rc = s ? 0 : -ENOMEM;

	if (!rc) {
		acceptor.arg = s;
		s->config = *config;
		if (s->config.door)
			door_tell(s->config.door, wake, s);
		s->config.answers.wake = wake;
		s->config.answers.wake_arg = s;
		rc = answers_new(&s->answers, &s->config.answers);
	}
	if (!rc)
		rc = deadlines_new(&s->deadlines, connections, STEP_SECONDS * UINT64_C(1000000000));
	if (!rc) {
		acceptor.daemon = start_daemon(s, connections);
		rc = acceptor.daemon ? 0 : errno ? -errno : -EIO;
	}
	if (rc)
		mh_err_sys(err, rc, "cannot start the web server");
	else
		rc = acceptor_start(&s->acceptor, &acceptor, err);
	if (rc) {
		server_stop(s);
		return rc;
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

struct pulse *server_pulse(struct server *s)
{
	return acceptor_pulse(s->acceptor);
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	if (s->answers)
		answers_stop(s->answers);
	door_close(s->config.door);
	acceptor_stop(s->acceptor);
	answers_free(s->answers); /* no answer has a page any more */
	deadlines_free(s->deadlines);
	free(s);
}
