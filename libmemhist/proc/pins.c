/* The budget of kept descriptors, and where in the numbers they go. */
#include "libmemhist/proc/pins.h"

#include <fcntl.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

enum {
	PIN_BYTES = 5632,    /* of the kernel; measured */
	MACHINE_SHARE = 256, /* of the memory of the machine … */
	GROUP_SHARE = 8,     /* … and of that of our control group, which is charged for it */
	OTHERS_FILES = 2048, /* left to the rest of the process, when its limit allows */
	PINS_MAX = 1 << 20,
};

uint32_t mh_pins_affordable(const struct mh_memlimit *limit)
{
	uint64_t bytes = MIN(limit->machine_bytes / MACHINE_SHARE,
			     limit->group_bytes / GROUP_SHARE);

	return (uint32_t)MIN(bytes / PIN_BYTES, PINS_MAX);
}

void mh_pins_init(struct mh_pins *pins, uint32_t max)
{
	struct mh_memlimit memory;
	struct rlimit limit;
	rlim_t room;

	*pins = (struct mh_pins){0};
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	if (!max) {
		mh_memlimit_read(&memory, "");
		max = mh_pins_affordable(&memory);
	}
	room = limit.rlim_cur - MIN(limit.rlim_cur / 2, OTHERS_FILES);
	pins->max = (uint32_t)MIN(room, max);
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
