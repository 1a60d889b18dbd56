/* Datagrams to a service manager. */
#include "exporter/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 5 };

/* What a variable says: digits alone, or 0. */
static uint64_t number_in(const char *variable)
{
	const char *text = getenv(variable);
	size_t digits = text ? strspn(text, "0123456789") : 0;

	return digits && digits <= 18 && !text[digits] ? strtoull(text, NULL, 10) : 0;
}

static uint64_t watchdog_ms(void)
{
	if (getenv("WATCHDOG_PID") && number_in("WATCHDOG_PID") != (uint64_t)getpid())
		return 0;
	return number_in("WATCHDOG_USEC") / 1000;
}

static int set_address(struct notify *n, const char *name, struct mh_err *err)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(n->address.sun_path))
		return mh_errf(err, -EINVAL,
			       "NOTIFY_SOCKET is no address that is understood here: the service "
			       "manager is told nothing");
	n->address.sun_family = AF_UNIX;
	memcpy(n->address.sun_path, name, len);
	if (name[0] == '@')
		n->address.sun_path[0] = '\0';
	n->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

static int open_socket(struct notify *n, struct mh_err *err)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};

	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd < 0)
		return mh_err_sys(err, -errno, "the service manager is told nothing");
	setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return 0;
}

int notify_open(struct notify *ret, struct mh_err *err)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct notify n = {.fd = -1, .watchdog_ms = watchdog_ms()};
	int rc = name && *name ? set_address(&n, name, err) : 0;

	if (!rc && name && *name)
		rc = open_socket(&n, err);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	if (n.fd < 0)
		n.watchdog_ms = 0;
	*ret = n;
	return rc;
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

int notify_send(struct notify *n, const char *lines)
{
	ssize_t sent;

	if (n->fd < 0)
		return 0;
	do
		sent = sendto(n->fd, lines, strlen(lines), MSG_NOSIGNAL,
			      (const struct sockaddr *)&n->address, n->len);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}
