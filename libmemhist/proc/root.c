/* A procfs mount as a directory descriptor, and reading small files below it. */
#include "libmemhist/proc/root.h"

#include "libmemhist/proc/parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { READ_STEP = 4096 };

/* Whether an entry of the directory is the folder of a process: all digits, with a stat file. */
static bool is_process(int dir, const char *name)
{
	char path[64];
	uint64_t pid;

	if (mh_parse_u64(name, strlen(name), &pid) || !pid || pid > MH_PID_MAX)
		return false;
	snprintf(path, sizeof(path), "%s/stat", name);
	return !faccessat(dir, path, F_OK, 0);
}

/* 1 when at least one process is listed, 0 when none, or -errno. */
static int has_process(int root)
{
	/* another open file description: `root` keeps its own place in the directory */
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;
	int found = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	while (!found && (entry = readdir(dir)))
		found = is_process(fd, entry->d_name);
	closedir(dir);
	return found;
}

int mh_root_open(struct mh_root *ret, const char *path, struct mh_err *err)
{
	struct mh_root root;
	size_t len = strlen(path);
	int rc;

	if (len >= sizeof(root.path))
		return mh_errf(err, -ENAMETOOLONG,
			       "procfs path of %zu bytes: at most %zu can be used", len,
			       sizeof(root.path) - 1);
	memcpy(root.path, path, len + 1);
	root.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0)
		return mh_err_sys(err, -errno, "%s: cannot be opened as a procfs", path);
	if (faccessat(root.fd, "meminfo", F_OK, 0)) {
		rc = mh_errf(err, -ENODATA,
			     "%s: no procfs (it has no meminfo); give the mount point of one",
			     path);
		goto fail;
	}
	rc = has_process(root.fd);
	if (rc < 0) {
		mh_err_sys(err, rc, "%s: cannot be listed", path);
		goto fail;
	}
	if (!rc) {
		rc = mh_errf(err, -ENODATA,
			     "%s: no procfs (it lists no process); give the mount point of one",
			     path);
		goto fail;
	}
	*ret = root;
	return 0;

fail:
	close(root.fd);
	return rc;
}

void mh_root_close(struct mh_root *root)
{
	close(root->fd);
	root->fd = -1;
}

bool mh_root_is_procfs(const struct mh_root *root)
{
	struct statfs fs;

	return !fstatfs(root->fd, &fs) && fs.f_type == PROC_SUPER_MAGIC;
}

int mh_root_open_file(const struct mh_root *root, const char *name)
{
	int fd = openat(root->fd, name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int mh_root_read_file(int fd, struct mh_buf *buf)
{
	int rc = 0;

	mh_buf_clear(buf);
	while (buf->len < buf->max) {
		size_t step = buf->max - buf->len < READ_STEP ? buf->max - buf->len : READ_STEP;
		char *to = mh_buf_reserve(buf, step);
		ssize_t n;

		if (!to) {
			rc = buf->error;
			break;
		}
		n = pread(fd, to, step, (off_t)buf->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = -errno;
		if (n <= 0)
			break;
		buf->len += (size_t)n;
	}
	return rc ? rc : (int)buf->len;
}

int mh_root_read(const struct mh_root *root, const char *name, struct mh_buf *buf)
{
	int fd = mh_root_open_file(root, name);
	int rc;

	if (fd < 0)
		return fd;
	rc = mh_root_read_file(fd, buf);
	close(fd);
	return rc;
}

int mh_root_boot_id(const struct mh_root *root, struct mh_boot_id *ret)
{
	struct mh_buf text = MH_BUF_INIT(64);
	int rc = mh_root_read(root, "sys/kernel/random/boot_id", &text);

	if (rc >= 0)
		rc = mh_parse_uuid(text.data, text.len, ret->bytes);
	mh_buf_done(&text);
	return rc;
}
