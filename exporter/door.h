/*
 * Who is let in: the web configuration in force, and what it asks of connections (TLS) and of
 * requests (a rate, a password). With it every path takes the password, those for probes too, as
 * in other exporters.
 *
 * The files are looked at when somebody comes, once a second at most, and what has changed counts
 * from then on: certificates for new connections, the rest for new requests. A mistake changes
 * nothing; it is logged once, and the view knows of it. TLS as such begins and ends with the
 * exporter.
 *
 * All of the web thread, but for making and freeing.
 */
#ifndef MEMHIST_EXPORTER_DOOR_H
#define MEMHIST_EXPORTER_DOOR_H

#include "exporter/guest.h"
#include "exporter/view.h"
#include "libmemhist/config/web.h"

struct door;

/* Read the configuration at `path`, which outlives it. Returns 0, or -errno and a sentence. */
int door_new(struct door **ret, const char *path, struct mh_err *err);
/* The view outlives it. Returns 0, or -errno and a sentence. */
int door_open(struct door *d, struct view *view, struct mh_err *err);
/* Before the first guest: what is called, from another thread, when a connection that waited was
 * resumed. */
void door_tell(struct door *d, void (*wake)(void *arg), void *arg);
/* Nobody waits any more. Before libmicrohttpd is stopped. NULL is allowed. */
void door_close(struct door *d);
/* When there are no guests any more. NULL is allowed. */
void door_free(struct door *d);

bool door_has_tls(const struct door *d);
/* "TLS, 2 users", "no TLS, no users". */
void door_describe(const struct door *d, struct mh_buf *out);

/* A connection begins. Without this there is no handshake. */
void door_greet(struct door *d, struct guest *g, struct MHD_Connection *connection);
/* It ends. */
void door_leave(struct guest *g);

/*
 * A request, when all of it is there. Returns false when it is let in. Else it was refused, or
 * waits and will be there again; *ret is for libmicrohttpd.
 */
bool door_stops(struct door *d, struct guest *g, struct MHD_Connection *connection,
		enum MHD_Result *ret);

/* What a header is to be instead of ours, NULL: nothing is said of it. */
const char *door_header(const struct door *d, enum mh_web_header h);

#endif
