/* Opening, judging and keeping descriptors of statm. */
#include "libmemhist/proc/hold.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int mh_hold_take(struct mh_hold *ret, const struct mh_root *root, uint32_t pid, int kept_fd)
{
	struct mh_hold hold = {.fd = kept_fd, .kept = kept_fd >= 0};
	struct stat file;
	int rc = 0;

	if (!hold.kept) {
		hold.fd = mh_pidfile_open(root, pid, "statm");
		if (hold.fd < 0)
			return hold.fd;
		if (fstat(hold.fd, &file))
			rc = -errno;
		else
			hold.inode = file.st_ino;
	}
	if (!rc)
		rc = mh_pidfile_statm(hold.fd, &hold.statm);
	if (!rc)
		*ret = hold;
	else if (!hold.kept)
		close(hold.fd);
	return rc;
}

int mh_hold_release(struct mh_hold *hold, struct mh_pins *pins)
{
	if (hold->kept)
		return hold->fd;
	if (pins)
		return mh_pins_keep(pins, hold->fd);
	close(hold->fd);
	return -1;
}
