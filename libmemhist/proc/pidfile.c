/* Opening and reading /proc/PID files by one path from the root: cheaper than a folder first. */
#include "libmemhist/proc/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	PATH_MAX_BYTES = 48, /* "4294967295/task/4294967295/status" */
	STATM_BYTES = 192,   /* 7 numbers */
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

int mh_pidfile_exe(const struct mh_root *root, uint32_t pid, char ret[MH_PATH_MAX])
{
	char path[PATH_MAX_BYTES];
	int rc = make_path(path, pid, "exe");
	ssize_t n;

	if (rc)
		return rc;
	n = readlinkat(root->fd, path, ret, MH_PATH_MAX);
	return n < 0 ? -errno : (int)n;
}

int mh_pidfile_cgroup(const struct mh_root *root, uint32_t pid, char text[MH_CGROUP_TEXT_MAX],
		      const char **ret)
{
	int n = mh_pidfile_read(root, pid, "cgroup", text, MH_CGROUP_TEXT_MAX);

	if (n < 0)
		return n;
	return n < MH_CGROUP_TEXT_MAX ? mh_parse_cgroup(text, (size_t)n, ret) : -EBADMSG;
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

/*
 * Read on from a full buffer, without the line of the groups: a process may be in 65,536 of them,
 * and what we want stands behind. Returns the length of whole lines, or -errno.
 */
static int read_without_groups(int fd, char text[MH_STATUS_TEXT_MAX])
{
	static const char key[] = "\nGroups:";
	char *end = text + MH_STATUS_TEXT_MAX, *eol = NULL;
	char *line = memmem(text, MH_STATUS_TEXT_MAX, key, sizeof(key) - 1);
	ssize_t n = 1;

	while (line && n > 0) {
		if (!eol) {
			/* the end of that line may still be to come */
			eol = memchr(line + 1, '\n', (size_t)(end - line - 1));
			n = eol ? end - eol : 1;
			memmove(line, eol ? eol : line, (size_t)n);
			end = line + n;
		}
		n = read(fd, end, (size_t)(text + MH_STATUS_TEXT_MAX - end));
		if (n > 0)
			end += n;
	}
	if (n < 0)
		return -errno;
	while (end > text && end[-1] != '\n')
		end--;
	return (int)(end - text);
}

/* The text of status. Returns its length or -errno. */
static int read_status(const struct mh_root *root, uint32_t pid, const char *name,
		       char text[MH_STATUS_TEXT_MAX])
{
	int fd = mh_pidfile_open(root, pid, name);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, MH_STATUS_TEXT_MAX);
	if (n < 0)
		n = -errno;
	else if (n == MH_STATUS_TEXT_MAX)
		n = read_without_groups(fd, text);
	close(fd);
	return (int)n;
}

int mh_pidfile_status(const struct mh_root *root, uint32_t pid, const char *name,
		      char text[MH_STATUS_TEXT_MAX], struct mh_status *ret)
{
	int n = read_status(root, pid, name, text);

	return n < 0 ? n : mh_parse_status(text, (size_t)n, ret);
}
