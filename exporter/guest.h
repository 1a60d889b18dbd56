/* What the web side knows of one connection: libmicrohttpd's context of it. Of the web thread. */
#ifndef MEMHIST_EXPORTER_GUEST_H
#define MEMHIST_EXPORTER_GUEST_H

#include <microhttpd.h>

struct guest {
	struct deadline *clock; /* NULL: there are too many */
	struct door *door;      /* NULL: whoever comes is let in */
	/* the door's: */
	struct webfile *file;           /* that its TLS is of */
	struct password_ticket *ticket; /* what its request waits for */
};

/* NULL: it has none, for lack of memory. */
static inline struct guest *guest_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

#endif
