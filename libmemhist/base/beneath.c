/* openat2(2), and the walk that stands for it where it cannot be had. */
#include "libmemhist/base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel has no openat2(2), and will not have it while we run: a fact, not a state. */
static atomic_bool is_missing;

/* The C library has no wrapper. */
static int openat2_beneath(int dir_fd, const char *path, int flags, mode_t mode)
{
	const bool creates = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags,
		.mode = creates ? mode & 07777 : 0, /* anything else is EINVAL there */
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	if (atomic_load_explicit(&is_missing, memory_order_relaxed))
		return -ENOSYS;
	/* EAGAIN: something was renamed meanwhile, and the kernel could not tell what it means */
	do
		fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	if (fd < 0 && errno == ENOSYS)
		atomic_store_explicit(&is_missing, true, memory_order_relaxed);
	return fd < 0 ? -errno : (int)fd;
}

/* The first component, "" at the end: its length, and *ret_rest what follows its slashes. */
static size_t component(const char *path, const char **ret_rest)
{
	size_t len = strcspn(path, "/");

	*ret_rest = path + len + strspn(path + len, "/");
	return len;
}

static bool has_dot_dot(const char *path)
{
	while (*path) {
		const char *at = path;

		if (component(at, &path) == 2 && !memcmp(at, "..", 2))
			return true;
	}
	return false;
}

static bool is_link(int dir_fd, const char *name)
{
	struct stat st;

	return !fstatat(dir_fd, name, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) &&
	       S_ISLNK(st.st_mode);
}

/* ELOOP as from openat2(2): for a link O_DIRECTORY says ENOTDIR, and O_PATH opens the link. */
static int open_one(int dir_fd, const char *name, int flags, mode_t mode)
{
	int fd = openat(dir_fd, name, flags | O_NOFOLLOW, mode);

	if (fd < 0)
		return errno == ENOTDIR && is_link(dir_fd, name) ? -ELOOP : -errno;
	if (flags & O_PATH && is_link(fd, "")) {
		close(fd);
		return -ELOOP;
	}
	return fd;
}

static int walk(int dir_fd, const char *path, int flags, mode_t mode)
{
	int at = dir_fd;

	for (;;) {
		const char *rest;
		char name[NAME_MAX + 1];
		size_t len = component(path, &rest);
		bool is_last = !*rest;
		int fd;

		if (len > NAME_MAX) {
			fd = -ENAMETOOLONG;
		} else {
			memcpy(name, path, len);
			name[len] = '\0';
			/* "dir/" is a directory or nothing */
			if (is_last)
				fd = open_one(at, name, flags | (path[len] ? O_DIRECTORY : 0),
					      mode);
			else
				fd = open_one(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
		}
		if (at != dir_fd)
			close(at);
		if (fd < 0 || is_last)
			return fd;
		at = fd;
		path = rest;
	}
}

int mh_beneath_open(int dir_fd, const char *path, int flags, mode_t mode)
{
	int fd;

	if (!*path)
		return -ENOENT;
	if (*path == '/' || has_dot_dot(path))
		return -EXDEV;
	flags |= O_CLOEXEC;
	fd = openat2_beneath(dir_fd, path, flags, mode);
	/* EPERM: forbidden by a sandbox, or the file's own; walking there will tell */
	if (fd == -ENOSYS || fd == -EPERM)
		fd = walk(dir_fd, path, flags, mode);
	return fd;
}

/* Whether something other than a regular file is there. Asked before it is opened, since opening
 * alone can make a device do something. */
static bool is_irregular(int dir_fd, const char *path)
{
	int fd = mh_beneath_open(dir_fd, path, O_PATH, 0);
	struct stat st;
	bool is;

	if (fd < 0)
		return false; /* not there, or not for us: opening says so */
	is = !fstat(fd, &st) && !S_ISREG(st.st_mode);
	close(fd);
	return is;
}

int mh_beneath_file(int dir_fd, const char *path, int flags, mode_t mode)
{
	struct stat st;
	int fd;

	if (!(flags & O_EXCL) && is_irregular(dir_fd, path))
		return -EINVAL;
	/* O_NONBLOCK: if it is a FIFO by now, neither opening nor anything else waits */
	fd = mh_beneath_open(dir_fd, path, flags | O_NONBLOCK | O_NOCTTY, mode);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

int mh_straight_open(const char *path, int flags)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = root < 0 ? -errno : mh_beneath_open(root, path[1] ? path + 1 : ".", flags, 0);

	if (root >= 0)
		close(root);
	return fd;
}
