/* The sockets of sd_listen_fds(3), each looked at before it is trusted. */
#include "exporter/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST = 3, FDS_MAX = 10000 };

/* What a variable says: a number without sign or blanks, at most `max`; or 0. */
static unsigned long number_in(const char *variable, unsigned long max)
{
	const char *text = getenv(variable);
	size_t digits = text ? strspn(text, "0123456789") : 0;
	unsigned long n;

	if (!digits || digits > 10 || text[digits])
		return 0;
	n = strtoul(text, NULL, 10);
	return n <= max ? n : 0;
}

unsigned int activation_count(void)
{
	if (number_in("LISTEN_PID", UINT32_MAX) != (unsigned long)getpid())
		return 0;
	return (unsigned int)number_in("LISTEN_FDS", FDS_MAX);
}

/* "descriptor 4 (web)": the i-th of those handed over, and its name if there is one. */
static void describe(unsigned int i, char *text, size_t size)
{
	const char *names = getenv("LISTEN_FDNAMES");

	for (unsigned int n = 0; names && n < i; n++) {
		names = strchr(names, ':');
		if (names)
			names++;
	}
	if (names && *names && *names != ':')
		snprintf(text, size, "descriptor %u (%.*s)", FIRST + i,
			 (int)(strcspn(names, ":") > 64 ? 64 : strcspn(names, ":")), names);
	else
		snprintf(text, size, "descriptor %u", FIRST + i);
}

static int option(int fd, int name)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -errno : value;
}

/* What is wrong with it, as the end of a sentence; or NULL. */
static const char *find_fault(int fd)
{
	int domain = option(fd, SO_DOMAIN);

	if (domain == -EBADF)
		return "is not open";
	if (domain < 0)
		return "is no socket";
	if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
		return "is a socket of neither IPv4, IPv6 nor AF_UNIX";
	if (option(fd, SO_TYPE) != SOCK_STREAM)
		return "is no stream socket (ListenStream=)";
	if (option(fd, SO_ACCEPTCONN) != 1)
		return "does not listen: it is a connection (its unit has to say Accept=no)";
	return NULL;
}

/* Ours alone, and not blocking. */
static int make_own(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return -errno;
	return 0;
}

static int take_one(unsigned int i, struct mh_err *err)
{
	const int fd = FIRST + (int)i;
	const char *fault = find_fault(fd);
	char what[96];
	int rc;

	describe(i, what, sizeof(what));
	if (fault)
		return mh_errf(err, -EINVAL, "--web.systemd-socket: %s %s", what, fault);
	rc = make_own(fd);
	return rc ? mh_err_sys(err, rc, "--web.systemd-socket: cannot take %s", what) : 0;
}

static int take_all(struct listeners *l, struct mh_buf *names, struct mh_err *err)
{
	const unsigned int n = activation_count();
	char name[LISTEN_NAME_MAX];

	if (!n)
		return mh_errf(err, -ENOENT,
			       "--web.systemd-socket: no socket was handed over; start the socket "
			       "unit, or leave this flag out");
	if (n > LISTENERS_MAX)
		return mh_errf(err, -E2BIG,
			       "--web.systemd-socket: %u sockets were handed over, and %d are the "
			       "most",
			       n, LISTENERS_MAX);
	for (unsigned int i = 0; i < n; i++) {
		int rc = take_one(i, err);

		if (rc)
			return rc;
		l->fd[l->n++] = FIRST + (int)i;
		listen_name(l->fd[i], name);
		mh_buf_printf(names, "%s%s", i ? ", " : "", name);
	}
	return 0;
}

int activation_take(struct listeners *ret, struct mh_buf *names, struct mh_err *err)
{
	struct listeners l = {0};
	int rc = take_all(&l, names, err);

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!rc)
		*ret = l;
	return rc;
}
