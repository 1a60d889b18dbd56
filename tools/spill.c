/* Temporary files. */
#include "tools/spill.h"

#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WRITE_AT_ONCE = 1 << 20 };

void spill_done(struct spill *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* In a directory whose file system has no files without names. */
static int open_named(int dir_fd)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), ".memhist-sort.%ld", (long)getpid());
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	unlinkat(dir_fd, name, 0);
	return fd;
}

static int open_file(struct spill *s, struct mh_err *err)
{
	const char *tmp = getenv("TMPDIR");
	int dir_fd = s->dir_fd;

	if (dir_fd < 0)
		dir_fd = open(tmp && *tmp ? tmp : "/var/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->fd = dir_fd < 0 ? -errno : openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0 && dir_fd >= 0)
		s->fd = open_named(dir_fd);
	if (dir_fd >= 0 && dir_fd != s->dir_fd)
		close(dir_fd);
	return s->fd < 0 ? mh_err_sys(err, s->fd, "cannot make a temporary file to sort %s in",
				      s->what)
			 : 0;
}

int spill_write(struct spill *s, const void *bytes, size_t len, struct mh_err *err)
{
	const char *from = bytes;
	int rc = s->fd < 0 ? open_file(s, err) : 0;

	while (!rc && len) {
		ssize_t n = write(s->fd, from, len < WRITE_AT_ONCE ? len : WRITE_AT_ONCE);

		if (tool_interrupted())
			return -EINTR;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mh_err_sys(err, -errno, "cannot write the file to sort %s in",
					  s->what);
		from += n;
		len -= (size_t)n;
		s->bytes += (uint64_t)n;
	}
	return rc;
}

int spill_read(const struct spill *s, uint64_t at, void *bytes, size_t len, struct mh_err *err)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(s->fd, (char *)bytes + have, len - have, (off_t)(at + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return mh_err_sys(err, n ? -errno : -EIO,
					  "cannot read the file to sort %s in", s->what);
		have += (size_t)n;
	}
	return 0;
}
