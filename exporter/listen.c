/* Addresses and listening sockets. */
#include "exporter/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, PORT_MAX = 65535 };

static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits && digits <= 5 && !text[digits] && strtoul(text, NULL, 10) <= PORT_MAX;
}

int listen_parse(struct listen_address *ret, const char *text, struct mh_err *err)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t host_len = colon ? (size_t)(colon - text) : 0;

	if (!strncmp(text, "vsock:", 6))
		return mh_errf(err, -EINVAL, "'%s': vsock is not supported, write HOST:PORT", text);
	if (!strncasecmp(text, "http://", 7) || !strncasecmp(text, "https://", 8))
		return mh_errf(err, -EINVAL, "'%s': write HOST:PORT, without %.*s://", text,
			       (int)strcspn(text, ":"), text);
	if (!colon || !is_port(colon + 1))
		return mh_errf(err, -EINVAL,
			       "'%s' is no HOST:PORT with a port from 0 to 65535 (:PORT = every "
			       "address)",
			       text);
	if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
		host++;
		host_len -= 2;
	} else if (memchr(host, ':', host_len)) {
		return mh_errf(err, -EINVAL, "'%s': write an IPv6 address in brackets, [::1]:19256",
			       text);
	}
	if (host_len >= sizeof(ret->host) || memchr(host, '[', host_len) ||
	    memchr(host, ']', host_len))
		return mh_errf(err, -EINVAL, "'%s' has no usable host name before its port", text);
	memcpy(ret->host, host, host_len);
	ret->host[host_len] = '\0';
	snprintf(ret->port, sizeof(ret->port), "%lu", strtoul(colon + 1, NULL, 10));
	return 0;
}

/* A socket that listens at `ai`, or -errno. */
static int open_one(const struct addrinfo *ai)
{
	int on = 1, off = 0, rc, fd;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* a restart must not wait for the connections of the run before */
	rc = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!rc && ai->ai_family == AF_INET6)
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (!rc)
		rc = bind(fd, ai->ai_addr, ai->ai_addrlen);
	if (!rc)
		rc = listen(fd, BACKLOG);
	if (!rc)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Try what `host` stands for in turn: a socket, or -errno of the last try. *ret_gai is not 0 when
 * it stands for nothing. */
static int open_host(const char *host, const char *port, int *ret_gai)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *list;
	int fd = -EADDRNOTAVAIL;

	*ret_gai = getaddrinfo(host, port, &hints, &list);
	if (*ret_gai)
		return -EINVAL;
	for (const struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
		fd = open_one(ai);
	freeaddrinfo(list);
	return fd;
}

void listeners_close(struct listeners *l)
{
	while (l->n)
		close(l->fd[--l->n]);
}

static void name_unix(const struct sockaddr_un *address, socklen_t len,
		      char ret_name[LISTEN_NAME_MAX])
{
	size_t n = len - offsetof(struct sockaddr_un, sun_path);

	if (len <= offsetof(struct sockaddr_un, sun_path))
		snprintf(ret_name, LISTEN_NAME_MAX, "unix:(unnamed)");
	else if (!address->sun_path[0]) /* an abstract one is not terminated */
		snprintf(ret_name, LISTEN_NAME_MAX, "unix:@%.*s", (int)n - 1,
			 address->sun_path + 1);
	else
		snprintf(ret_name, LISTEN_NAME_MAX, "unix:%.*s", (int)n, address->sun_path);
}

void listen_name(int fd, char ret_name[LISTEN_NAME_MAX])
{
	union {
		struct sockaddr any;
		struct sockaddr_un unix_domain;
		struct sockaddr_storage room;
	} address;
	socklen_t len = sizeof(address);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(fd, &address.any, &len))
		len = 0;
	if (len && address.any.sa_family == AF_UNIX)
		name_unix(&address.unix_domain, len, ret_name);
	else if (!len || getnameinfo(&address.any, len, host, sizeof(host), port, sizeof(port),
				     NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(ret_name, LISTEN_NAME_MAX, "an unknown address");
	else
		snprintf(ret_name, LISTEN_NAME_MAX,
			 strchr(host, ':') ? "[%.60s]:%.8s" : "%.60s:%.8s", host, port);
}

int listen_open(const struct listen_address *address, int *ret_fd, char ret_name[LISTEN_NAME_MAX],
		struct mh_err *err)
{
	int gai = 0, fd;

	if (address->host[0]) {
		fd = open_host(address->host, address->port, &gai);
	} else {
		/* one IPv6 socket takes IPv4 as well; without IPv6 in the kernel, IPv4 alone */
		fd = open_host("::", address->port, &gai);
		if (gai || fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
			fd = open_host("0.0.0.0", address->port, &gai);
	}
	if (gai)
		return mh_errf(err, fd, "cannot listen on %s:%s: %s", address->host, address->port,
			       gai_strerror(gai));
	if (fd == -EADDRINUSE)
		return mh_errf(err, fd,
			       "cannot listen on %s:%s: another program does already; stop it or "
			       "choose another --web.listen-address",
			       address->host, address->port);
	if (fd < 0)
		return mh_err_sys(err, fd, "cannot listen on %s:%s", address->host, address->port);
	listen_name(fd, ret_name);
	*ret_fd = fd;
	return 0;
}

int listen_open_all(const struct listen_addresses *addresses, struct listeners *ret,
		    struct mh_buf *names, struct mh_err *err)
{
	struct listeners l = {0};
	char name[LISTEN_NAME_MAX];

	for (size_t i = 0; i < addresses->n; i++) {
		int rc = listen_open(&addresses->address[i], &l.fd[l.n], name, err);

		if (rc) {
			listeners_close(&l);
			return rc;
		}
		l.n++;
		mh_buf_printf(names, "%s%s", i ? ", " : "", name);
	}
	*ret = l;
	return 0;
}
