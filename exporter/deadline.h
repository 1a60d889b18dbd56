/*
 * A clock for each connection. libmicrohttpd's own timeout restarts with every byte, so a client
 * that sends one byte a second stays for ever. Here a connection has a fixed time for each step
 * (to send a request, to take its answer), and is shut down when that has passed.
 *
 * The server's thread opens, restarts and closes; another thread calls deadlines_expire() about
 * once a second. A descriptor is shut down, never closed, here: it stays its owner's, and cannot
 * have been given to somebody else, since the owner says deadlines_close() before it closes.
 */
#ifndef MEMHIST_EXPORTER_DEADLINE_H
#define MEMHIST_EXPORTER_DEADLINE_H

#include "libmemhist/base/timespec.h"

struct deadlines;
struct deadline;

/* For at most `max` connections of `limit_ns` a step. Returns 0 or -ENOMEM. */
int deadlines_new(struct deadlines **ret, unsigned int max, uint64_t limit_ns);
/* NULL is allowed. */
void deadlines_free(struct deadlines *d);

/* A connection on `fd` begins its first step. NULL when there are `max` already. */
struct deadline *deadlines_open(struct deadlines *d, int fd, mh_boot_ns_t now);
/* It begins its next step. NULL is allowed. */
void deadlines_restart(struct deadlines *d, struct deadline *connection, mh_boot_ns_t now);
/* It ends; its fd may be closed after. NULL is allowed. */
void deadlines_close(struct deadlines *d, struct deadline *connection);

/* Shut down the connections whose time has passed. Returns how many. */
unsigned int deadlines_expire(struct deadlines *d, mh_boot_ns_t now);

#endif
