/*
 * One epoll over the listening sockets, the epoll of each daemon, and an eventfd that wakes the
 * thread. A turn waits, accepts, lets every daemon do its work, and looks which sockets listen in
 * the next one. What libmicrohttpd counts as connections is what counts here: one that it refuses
 * or loses is not missed.
 */
#include "exporter/acceptor.h"

#include "exporter/log.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	EVENTS_MAX = 16,
	ACCEPTS_A_TURN = 64, /* of one socket: the daemons have their turn in between */
	REST_MS = 200,       /* after a connection that could not be taken */
	DAEMONS_MAX = 4,     /* the current one, and three that were replaced */
	WAIT_MS = 1000,      /* without work: others want to see that the thread gets on */
};

/* What an event is about; a listening socket is SOCKET_0 and its place. */
enum { EVENT_WAKE, EVENT_DAEMON, EVENT_SOCKET_0 };

struct served {
	struct MHD_Daemon *daemon;
	mh_boot_ns_t until; /* a replaced one: stopped then */
};

struct acceptor {
	struct acceptor_config config;
	struct listeners listeners;
	int epoll_fd;
	int wake_fd;
	atomic_bool stopping;
	pthread_t thread;
	struct pulse pulse;

	pthread_mutex_t lock; /* of: */
	struct MHD_Daemon *next;

	/* the thread's own */
	struct served served[DAEMONS_MAX]; /* the current one, and those before, newest first */
	size_t n_served;
	unsigned int connections;
	bool listening;          /* the sockets are in the epoll */
	mh_boot_ns_t rest_until; /* 0: nothing is wrong */
};

static uint64_t now_ns(void)
{
	return mh_now().boot_ns;
}

static int watch(struct acceptor *a, int fd, uint32_t tag)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};

	return epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void stop_listening(struct acceptor *a)
{
	for (size_t i = 0; i < a->listeners.n; i++)
		epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, a->listeners.fd[i], NULL);
	a->listening = false;
}

/* On all sockets, or on none. */
static int start_listening(struct acceptor *a)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < a->listeners.n; i++)
		rc = watch(a, a->listeners.fd[i], EVENT_SOCKET_0 + (uint32_t)i);
	a->listening = !rc;
	if (rc)
		stop_listening(a);
	return rc;
}

static void rest(struct acceptor *a, int rc)
{
	struct mh_err err;

	if (!a->rest_until) {
		mh_err_sys(&err, rc, "clients have to wait: their connections cannot be taken");
		log_warn("%s", err.text);
	}
	a->rest_until = now_ns() + REST_MS * UINT64_C(1000000);
	stop_listening(a);
}

static void listen_or_rest(struct acceptor *a)
{
	bool listening = a->connections < a->config.max_connections && a->rest_until <= now_ns();
	int rc = 0;

	if (listening && !a->listening)
		rc = start_listening(a);
	else if (!listening && a->listening)
		stop_listening(a);
	if (rc)
		rest(a, rc);
}

static int watch_daemon(struct acceptor *a, struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);

	return info ? watch(a, info->epoll_fd, EVENT_DAEMON) : -EINVAL;
}

static unsigned int count_connections(struct MHD_Daemon *daemon)
{
	return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

/* Its epoll leaves ours by being closed. */
static void stop_daemon(struct acceptor *a, size_t i)
{
	if (a->config.before_stop)
		a->config.before_stop(a->config.arg);
	MHD_stop_daemon(a->served[i].daemon);
	a->n_served--;
	memmove(&a->served[i], &a->served[i + 1], (a->n_served - i) * sizeof(a->served[0]));
}

static void take_change(struct acceptor *a)
{
	struct MHD_Daemon *next;

	pthread_mutex_lock(&a->lock);
	next = a->next;
	a->next = NULL;
	pthread_mutex_unlock(&a->lock);
	if (!next)
		return;
	if (watch_daemon(a, next)) {
		log_error("out of memory: the web server goes on as it was");
		MHD_stop_daemon(next);
		return;
	}
	if (a->n_served == DAEMONS_MAX)
		stop_daemon(a, DAEMONS_MAX - 1);
	memmove(&a->served[1], &a->served[0], a->n_served * sizeof(a->served[0]));
	a->n_served++;
	a->served[0] = (struct served){.daemon = next};
	a->served[1].until = now_ns() + a->config.retired_ms * UINT64_C(1000000);
}

/* Stop the daemons that were replaced and have ended, and count the connections of the others. */
static void look_after_daemons(struct acceptor *a)
{
	a->connections = 0;
	for (size_t i = a->n_served; i-- > 0;) {
		unsigned int n = count_connections(a->served[i].daemon);

		if (i && (!n || now_ns() >= a->served[i].until))
			stop_daemon(a, i);
		else
			a->connections += n;
	}
}

/* Of errors of accept(2), those of the one connection that is gone then. */
static bool is_of_connection(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPERM:
	case EPROTO:
	case ENOPROTOOPT:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

/* Nobody waits any more. */
static void served_again(struct acceptor *a)
{
	log_info("clients are served again");
	a->rest_until = 0;
}

/* Returns false when there is nobody any more, or the sockets rest. */
static bool accept_one(struct acceptor *a, int listen_fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int fd = accept4(listen_fd, (struct sockaddr *)&address, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (is_of_connection(errno))
			return true;
		if (errno != EAGAIN)
			rest(a, -errno);
		else if (a->listening && a->rest_until)
			served_again(a);
		return false;
	}
	/* closes it when it fails */
	if (MHD_add_connection(a->served[0].daemon, fd, (struct sockaddr *)&address, len) ==
	    MHD_YES)
		a->connections++;
	return true;
}

static void accept_some(struct acceptor *a, int listen_fd)
{
	for (int i = 0; i < ACCEPTS_A_TURN && a->connections < a->config.max_connections; i++)
		if (!accept_one(a, listen_fd))
			return;
}

/* Until this time at most, in ms from now. */
static int sooner(int wait_ms, mh_boot_ns_t until, mh_boot_ns_t now)
{
	uint64_t ms = until > now ? (until - now + 999999) / 1000000 : 0;

	return ms < (uint64_t)wait_ms ? (int)ms : wait_ms;
}

static int time_to_wait(const struct acceptor *a)
{
	const mh_boot_ns_t now = now_ns();
	MHD_UNSIGNED_LONG_LONG ms;
	int wait_ms = WAIT_MS;

	for (size_t i = 0; i < a->n_served; i++) {
		if (MHD_get_timeout(a->served[i].daemon, &ms) == MHD_YES)
			wait_ms = sooner(wait_ms, now + ms * 1000000, now);
		if (i)
			wait_ms = sooner(wait_ms, a->served[i].until, now);
	}
	if (!a->listening && a->rest_until > now)
		wait_ms = sooner(wait_ms, a->rest_until, now);
	return wait_ms;
}

static void take_turn(struct acceptor *a, const struct epoll_event *event, int n)
{
	eventfd_t ignored;

	for (int i = 0; i < n; i++) {
		if (event[i].data.u32 == EVENT_WAKE)
			eventfd_read(a->wake_fd, &ignored);
		else if (event[i].data.u32 >= EVENT_SOCKET_0)
			accept_some(a, a->listeners.fd[event[i].data.u32 - EVENT_SOCKET_0]);
	}
	for (size_t i = 0; i < a->n_served; i++)
		MHD_run(a->served[i].daemon);
	take_change(a);
	look_after_daemons(a);
	listen_or_rest(a);
}

static void *run(void *arg)
{
	struct acceptor *a = arg;
	struct epoll_event event[EVENTS_MAX];

	pthread_setname_np(pthread_self(), "memhist-web");
	while (!atomic_load(&a->stopping)) {
		int wait_ms = time_to_wait(a), n;

		pulse_end(&a->pulse, wait_ms);
		n = epoll_wait(a->epoll_fd, event, EVENTS_MAX, wait_ms);
		pulse_begin(&a->pulse);
		take_turn(a, event, n);
	}
	return NULL;
}

/* Waking cannot fail: the count of an eventfd is read long before it is full. */
void acceptor_wake(struct acceptor *a)
{
	eventfd_write(a->wake_fd, 1);
}

static void free_acceptor(struct acceptor *a)
{
	if (a->next)
		MHD_stop_daemon(a->next);
	while (a->n_served)
		stop_daemon(a, a->n_served - 1);
	listeners_close(&a->listeners);
	if (a->epoll_fd >= 0)
		close(a->epoll_fd);
	if (a->wake_fd >= 0)
		close(a->wake_fd);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static int set_up(struct acceptor *a)
{
	int rc;

	a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll_fd < 0)
		return -errno;
	a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->wake_fd < 0)
		return -errno;
	rc = watch(a, a->wake_fd, EVENT_WAKE);
	if (!rc)
		rc = watch_daemon(a, a->served[0].daemon);
	if (!rc)
		rc = start_listening(a);
	return rc ? rc : -pthread_create(&a->thread, NULL, run, a);
}

int acceptor_start(struct acceptor **ret, const struct acceptor_config *config, struct mh_err *err)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	int rc;

	if (!a) {
		MHD_stop_daemon(config->daemon);
		return mh_err_sys(err, -ENOMEM, "cannot start the web server");
	}
	a->config = *config;
	a->listeners = *config->listeners;
	a->epoll_fd = a->wake_fd = -1;
	pthread_mutex_init(&a->lock, NULL);
	a->served[a->n_served++].daemon = config->daemon;
	*ret = a;
	rc = set_up(a);
	if (rc) {
		*ret = NULL;
		a->listeners.n = 0; /* the caller's, still */
		free_acceptor(a);
		return mh_err_sys(err, rc, "cannot start the web server");
	}
	config->listeners->n = 0;
	return 0;
}

void acceptor_change(struct acceptor *a, struct MHD_Daemon *daemon)
{
	struct MHD_Daemon *unused;

	pthread_mutex_lock(&a->lock);
	unused = a->next;
	a->next = daemon;
	pthread_mutex_unlock(&a->lock);
	if (unused)
		MHD_stop_daemon(unused);
	acceptor_wake(a);
}

struct pulse *acceptor_pulse(struct acceptor *a)
{
	return &a->pulse;
}

void acceptor_stop(struct acceptor *a)
{
	if (!a)
		return;
	atomic_store(&a->stopping, true);
	acceptor_wake(a);
	pthread_join(a->thread, NULL);
	free_acceptor(a);
}
