/*
 * The web thread: it takes connections from any number of listening sockets and gives them to a
 * web daemon of libmicrohttpd, which it runs. Which daemon may change under way: the one before
 * serves the connections that it has, and is stopped after the last of them. All callbacks of all
 * daemons are called in this one thread, one after the other.
 *
 *     flags of such a daemon: MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET; more are allowed, except
 *     those that begin threads
 *
 * N1  There are never more connections than the limit, those of daemons before included. At the
 *     limit the listening sockets rest: further clients wait in their queues.
 * N2  When a connection cannot be taken for lack of descriptors or memory, the sockets rest as
 *     well, for a moment: nothing spins. It is logged when that begins and when it ends.
 * N3  A daemon that was replaced has a limited time, and a limited number of them is kept. Beyond
 *     either the connections of the oldest are closed.
 */
#ifndef MEMHIST_EXPORTER_ACCEPTOR_H
#define MEMHIST_EXPORTER_ACCEPTOR_H

#include "exporter/listen.h"
#include "exporter/pulse.h"

struct MHD_Daemon;
struct acceptor;

struct acceptor_config {
	struct listeners *listeners; /* when it has started, they are its own, and none are here */
	unsigned int max_connections;
	unsigned int retired_ms;   /* how long a daemon that was replaced serves its connections */
	struct MHD_Daemon *daemon; /* taken over, also on failure */
	/*
	 * Called before a daemon is stopped, by the thread or after it, so that none of its
	 * connections is suspended then; NULL: none ever is.
	 */
	void (*before_stop)(void *arg);
	void *arg;
};

/* Start the thread, which finds *ret set. Returns 0, or -errno and a sentence. */
int acceptor_start(struct acceptor **ret, const struct acceptor_config *config, struct mh_err *err);
/*
 * Give new connections to this daemon, which is taken over, from the thread's next turn on. From
 * any thread, callbacks of a daemon included.
 */
void acceptor_change(struct acceptor *a, struct MHD_Daemon *daemon);
/* Whether the thread gets on; the acceptor's. */
struct pulse *acceptor_pulse(struct acceptor *a);
/*
 * Let every daemon have its turn, from any thread: after MHD_resume_connection(), which
 * libmicrohttpd tells only daemons that listen.
 */
void acceptor_wake(struct acceptor *a);
/* End the thread, close the listening sockets and all connections. NULL is allowed. */
void acceptor_stop(struct acceptor *a);

#endif
