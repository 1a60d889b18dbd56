/*
 * From addresses as people write them to listening sockets.
 *
 *     127.0.0.1:19256   one address        [::1]:19256   IPv6, in brackets
 *     :19256            every address      localhost:0   any free port
 */
#ifndef MEMHIST_EXPORTER_LISTEN_H
#define MEMHIST_EXPORTER_LISTEN_H

#include "libmemhist/base/buf.h"
#include "libmemhist/base/err.h"

#include <stddef.h>

struct listen_address {
	char host[256]; /* "" = every address */
	char port[6];   /* "0" … "65535" */
};

/* Take an address apart. Returns 0 or -EINVAL and a sentence. */
int listen_parse(struct listen_address *ret, const char *text, struct mh_err *err);

enum { LISTENERS_MAX = 16 };

struct listen_addresses {
	struct listen_address address[LISTENERS_MAX];
	size_t n;
};

/* The sockets that listen. {0} has none. */
struct listeners {
	int fd[LISTENERS_MAX]; /* not blocking */
	size_t n;
};

/* Close all; there are none after. */
void listeners_close(struct listeners *l);

enum { LISTEN_NAME_MAX = 128 };

/*
 * Listen there. Returns 0, the socket (the caller's), and the real address, port included, in
 * `ret_name`; or -errno and a sentence.
 */
int listen_open(const struct listen_address *address, int *ret_fd, char ret_name[LISTEN_NAME_MAX],
		struct mh_err *err);

/*
 * Listen at all of them. Returns 0, the sockets, and their real addresses appended to `names` with
 * commas between; or -errno, a sentence about the first that fails, and no socket.
 */
int listen_open_all(const struct listen_addresses *addresses, struct listeners *ret,
		    struct mh_buf *names, struct mh_err *err);

/* Where a socket listens: 127.0.0.1:19256, [::1]:19256, unix:/run/memhist.sock */
void listen_name(int fd, char ret_name[LISTEN_NAME_MAX]);

#endif
