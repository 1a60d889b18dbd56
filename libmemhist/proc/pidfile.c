/* Opening and reading /proc/PID files by one path from the root: cheaper than a folder first. */
#include "libmemhist/proc/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	PATH_MAX_BYTES = 32, /* "4294967295/cmdline": room for names of 20 bytes */
	STATM_BYTES = 192,   /* 7 numbers */
	STATUS_BYTES = 1024, /* Uid is among the first lines; Groups, after it, may be endless */
};

/* By hand, since it is done for every process in every pass: a fifth of snprintf()'s cost. */
static int make_path(char path[PATH_MAX_BYTES], uint32_t pid, const char *name)
{
	char digits[10], *p = digits + sizeof(digits);
	size_t n, name_bytes = strlen(name) + 1;

	do
		*--p = (char)('0' + pid % 10);
	while (pid /= 10);
	n = (size_t)(digits + sizeof(digits) - p);
	if (n + 1 + name_bytes > PATH_MAX_BYTES)
		return -ENAMETOOLONG;
	memcpy(path, p, n);
	path[n] = '/';
	memcpy(path + n + 1, name, name_bytes);
	return 0;
}

int mh_pidfile_open(const struct mh_root *root, uint32_t pid, const char *name)
{
	char path[PATH_MAX_BYTES];
	int fd, rc = make_path(path, pid, name);

	if (rc)
		return rc;
	fd = openat(root->fd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int mh_pidfile_read(const struct mh_root *root, uint32_t pid, const char *name, char *buf,
		    size_t size)
{
	int fd = mh_pidfile_open(root, pid, name);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = pread(fd, buf, size, 0);
	if (n < 0)
		n = -errno;
	close(fd);
	return (int)n;
}

int mh_pidfile_statm(int fd, struct mh_statm *ret)
{
	char text[STATM_BYTES];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	return n < 0 ? -errno : mh_parse_statm(text, (size_t)n, ret);
}

int mh_pidfile_stat(const struct mh_root *root, uint32_t pid, char text[MH_STAT_TEXT_MAX],
		    struct mh_stat *ret)
{
	int n = mh_pidfile_read(root, pid, "stat", text, MH_STAT_TEXT_MAX);
	struct mh_stat stat;
	int rc = n < 0 ? n : mh_parse_stat(text, (size_t)n, &stat);

	if (rc)
		return rc;
	if (stat.pid != pid)
		return -EBADMSG;
	*ret = stat;
	return 0;
}

int mh_pidfile_uid(const struct mh_root *root, uint32_t pid, uint32_t *ret)
{
	char text[STATUS_BYTES];
	int n = mh_pidfile_read(root, pid, "status", text, sizeof(text));
	struct mh_status status;
	const char *last_newline;
	int rc;

	if (n < 0)
		return n;
	/* whole lines only */
	last_newline = memrchr(text, '\n', (size_t)n);
	if (!last_newline)
		return -EBADMSG;
	rc = mh_parse_status(text, (size_t)(last_newline + 1 - text), &status);
	if (!rc)
		*ret = status.uid;
	return rc;
}
