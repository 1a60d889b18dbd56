/*
 * From an address as people write it to a listening socket.
 *
 *     127.0.0.1:19256   one address        [::1]:19256   IPv6, in brackets
 *     :19256            every address      localhost:0   any free port
 */
#ifndef MEMHIST_EXPORTER_LISTEN_H
#define MEMHIST_EXPORTER_LISTEN_H

#include "libmemhist/base/err.h"

#include <stddef.h>

struct listen_address {
	char host[256]; /* "" = every address */
	char port[6];   /* "0" … "65535" */
};

/* Take an address apart. Returns 0 or -EINVAL and a sentence. */
int listen_parse(struct listen_address *ret, const char *text, struct mh_err *err);

enum { LISTEN_NAME_MAX = 80 };

/* The sockets that listen. {0} has none. */
enum { LISTENERS_MAX = 16 };
struct listeners {
	int fd[LISTENERS_MAX]; /* not blocking */
	size_t n;
};

/* Close all; there are none after. */
void listeners_close(struct listeners *l);

/*
 * Listen there. Returns 0, the socket (the caller's), and the real address, port included, in
 * `ret_name`; or -errno and a sentence.
 */
int listen_open(const struct listen_address *address, int *ret_fd, char ret_name[LISTEN_NAME_MAX],
		struct mh_err *err);

#endif
