/*
 * Sockets that a service manager opened for us: sd_listen_fds(3), without libsystemd. LISTEN_PID
 * says whom they are for, LISTEN_FDS how many there are from descriptor 3 on, and LISTEN_FDNAMES
 * how their units call them.
 */
#ifndef MEMHIST_EXPORTER_ACTIVATION_H
#define MEMHIST_EXPORTER_ACTIVATION_H

#include "exporter/listen.h"

/*
 * Take the sockets. Each has to be a listening stream socket of IPv4, IPv6 or AF_UNIX. From then on
 * none is inherited by other programs, nor are these variables. Returns 0, the sockets, and their
 * addresses appended to `names` with commas between; -ENOENT when there are none for this process;
 * or another -errno. With a failure there is a sentence, and what was handed over stays open.
 *
 * To be called once, before there are threads.
 */
int activation_take(struct listeners *ret, struct mh_buf *names, struct mh_err *err);

/* How many sockets wait to be taken. */
unsigned int activation_count(void);

#endif
