/*
 * What a service manager is told: the protocol of sd_notify(3), without libsystemd. NOTIFY_SOCKET
 * names a datagram socket, by path or, with a '@' in front, in the abstract namespace;
 * WATCHDOG_USEC and WATCHDOG_PID how often this process has to say that it is well.
 */
#ifndef MEMHIST_EXPORTER_NOTIFY_H
#define MEMHIST_EXPORTER_NOTIFY_H

#include "libmemhist/base/err.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un address;
	socklen_t len;
	uint64_t watchdog_ms; /* 0: no watchdog */
};

/*
 * See who wants to know. Programs that we start do not: these variables are gone after. Returns 0,
 * also when there is nobody; or -errno and a sentence, and then there is nobody. To be called
 * before there are threads.
 */
int notify_open(struct notify *ret, struct mh_err *err);
void notify_close(struct notify *n);

/*
 * Say "READY=1", or several such lines. Waits for a manager that is busy, but not for ever. Returns
 * 0 or -errno; what could not be said is lost.
 */
int notify_send(struct notify *n, const char *lines);

#endif
