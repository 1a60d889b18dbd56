/*
 * The web side: libmicrohttpd in one thread (acceptor.h), a fixed table of pages (answers.h), GET
 * and HEAD only. The metrics page is negotiated: see negotiate.h for formats and pages.h for when
 * they are written.
 *
 * Nothing of a request is ever shown, stored or labelled. A request with a body is refused and its
 * connection closed.
 */
#ifndef MEMHIST_EXPORTER_SERVER_H
#define MEMHIST_EXPORTER_SERVER_H

#include "exporter/answers.h"
#include "exporter/door.h"
#include "exporter/listen.h"
#include "exporter/pulse.h"

struct server;

struct server_config {
	struct listeners *listeners; /* when it has started, they are its own, and none are here */
	struct answers_config answers;
	struct door *door; /* outlives the server; NULL: everybody is let in */
};

/* Returns 0, or -errno and a sentence. */
int server_start(struct server **ret, const struct server_config *config, struct mh_err *err);
/* Close the connections that take too long. To be called about once a second, from any thread. */
void server_expire(struct server *s);
/* Whether the web thread gets on; the server's. */
struct pulse *server_pulse(struct server *s);
/* NULL is allowed. */
void server_stop(struct server *s);

#endif
