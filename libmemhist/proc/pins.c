/* The budget of kept descriptors, and where in the numbers they go. */
#include "libmemhist/proc/pins.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

void mh_pins_init(struct mh_pins *pins, uint32_t max)
{
	struct rlimit limit;

	*pins = (struct mh_pins){0};
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	pins->max = limit.rlim_cur / 2 < max ? (uint32_t)(limit.rlim_cur / 2) : max;
	/*
	 * We live in other people's daemons, and some use select(2): leave them the numbers that it
	 * can take, where the limit has room for us above.
	 */
	if (limit.rlim_cur / 2 >= FD_SETSIZE)
		pins->lowest_fd = FD_SETSIZE;
}

int mh_pins_keep(struct mh_pins *pins, int fd)
{
	int kept = fd;

	if (pins->n >= pins->max) {
		close(fd);
		return -1;
	}
	if (fd < pins->lowest_fd) {
		kept = fcntl(fd, F_DUPFD_CLOEXEC, pins->lowest_fd);
		close(fd);
	}
	if (kept >= 0)
		pins->n++;
	return kept;
}

void mh_pins_drop(struct mh_pins *pins, int *fd)
{
	if (*fd < 0)
		return;
	close(*fd);
	*fd = -1;
	pins->n--;
}

void mh_pins_halve(struct mh_pins *pins)
{
	pins->max /= 2;
}
