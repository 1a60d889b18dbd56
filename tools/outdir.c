/*
 * A directory made beside its final name and renamed. Holds plain files only.
 *
 * Until then it has a name of its own, and who makes it holds a flock(2) on it. One that nobody
 * holds was left by somebody who was killed, whatever process has that number now: the next one to
 * make a directory there removes it.
 */
#include "tools/outdir.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/base/places.h"
#include "tools/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_TRIES = 100, DIR_MODE = 0750 };

#define TEMP_PREFIX ".memhist-import."

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* 0 when it is an empty directory or does not exist. */
static int check_target(const char *path, struct mh_err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n = 0;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return mh_err_sys(err, -errno, "cannot use %s as a directory", path);
	while ((entry = readdir(dir)))
		n += !is_dot(entry->d_name);
	closedir(dir);
	if (n)
		return mh_errf(err, -ENOTEMPTY,
			       "%s is not empty: name a directory that does not exist yet", path);
	return 0;
}

/* As the directory it will replace; chown(2) works for root only, and is only needed by root. */
static int dress(const struct outdir *d)
{
	struct stat st;

	if (fstatat(d->parent_fd, d->name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? fchmod(d->fd, DIR_MODE) ? -errno : 0 : -errno;
	if (fchown(d->fd, st.st_uid, st.st_gid) && geteuid() == 0)
		return -errno;
	return fchmod(d->fd, st.st_mode & 07777) ? -errno : 0;
}

static void remove_files(int fd)
{
	int own = dup(fd);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;

	if (!dir) {
		if (own >= 0)
			close(own);
		return;
	}
	while ((entry = readdir(dir)))
		if (!is_dot(entry->d_name))
			unlinkat(fd, entry->d_name, 0);
	closedir(dir);
}

/* TEMP_PREFIX PID "." NUMBER */
static bool is_temp_name(const char *name)
{
	const char *p = name + strlen(TEMP_PREFIX);
	size_t pid, number;

	if (strncmp(name, TEMP_PREFIX, strlen(TEMP_PREFIX)) != 0)
		return false;
	pid = strspn(p, "0123456789");
	if (!pid || p[pid] != '.')
		return false;
	number = strspn(p + pid + 1, "0123456789");
	return number && !p[pid + 1 + number];
}

/* Remove it when it is ours and nobody's any more. */
static void remove_left(int parent_fd, const char *name)
{
	int fd = mh_beneath_open(parent_fd, name, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && st.st_uid == geteuid() && !flock(fd, LOCK_EX | LOCK_NB)) {
		remove_files(fd);
		unlinkat(parent_fd, name, AT_REMOVEDIR);
	}
	close(fd);
}

/* What cannot be removed stays, and is in nobody's way. */
static void remove_all_left(int parent_fd)
{
	int own = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;

	if (!dir) {
		if (own >= 0)
			close(own);
		return;
	}
	while ((entry = readdir(dir)))
		if (is_temp_name(entry->d_name))
			remove_left(parent_fd, entry->d_name);
	closedir(dir);
}

/* Open what was just made, and hold it. -EEXIST: somebody took it for one that was left. */
static int hold_temp(struct outdir *d, const char *name)
{
	struct stat st;

	d->fd = mh_beneath_open(d->parent_fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (d->fd < 0)
		return d->fd == -ENOENT ? -EEXIST : d->fd;
	/* where there are no locks, nobody removes what is left either */
	if ((flock(d->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) || fstat(d->fd, &st) ||
	    !st.st_nlink) {
		close(d->fd);
		d->fd = -1;
		return -EEXIST;
	}
	return 0;
}

/* A directory of a name that nobody has yet beside `path`, which is resolved. */
static int make_temp(struct outdir *d, const char *path)
{
	const int len = (int)(strrchr(path, '/') + 1 - path);
	int rc = -EEXIST;

	for (unsigned i = 0; i < NAME_TRIES && rc == -EEXIST; i++) {
		free(d->temp);
		if (asprintf(&d->temp, "%.*s" TEMP_PREFIX "%ld.%u", len, path, (long)getpid(), i) <
		    0) {
			d->temp = NULL;
			return -ENOMEM;
		}
		rc = mkdirat(d->parent_fd, d->temp + len, 0700) ? -errno : 0;
		if (!rc)
			rc = hold_temp(d, d->temp + len);
	}
	if (rc) {
		if (d->temp)
			unlinkat(d->parent_fd, d->temp + len, AT_REMOVEDIR);
		free(d->temp);
		d->temp = NULL;
	}
	return rc;
}

int outdir_open(struct outdir *d, const char *path, const char *spare, struct mh_err *err)
{
	size_t len = strlen(path);
	struct mh_resolved at;
	int rc;

	*d = (struct outdir){.fd = -1, .parent_fd = -1};
	if (!strcmp(path, "-"))
		return mh_errf(
			err, -EINVAL,
			"- is standard output, which is no directory: name one (./- where that "
			"is its name)");
	while (len > 1 && path[len - 1] == '/')
		len--;
	d->path = strndup(path, len);
	if (!d->path)
		return mh_err_sys(err, -ENOMEM, "cannot make %s", path);
	rc = check_target(d->path, err);
	if (!rc)
		rc = d->parent_fd = mh_places_open_parent(settings_places(), d->path, &at, err);
	if (rc >= 0) {
		snprintf(d->name, sizeof(d->name), "%s", strrchr(at.path, '/') + 1);
		rc = settings_spare(path, d->parent_fd, spare, err);
	}
	if (!rc) {
		remove_all_left(d->parent_fd);
		rc = make_temp(d, at.path);
		if (rc)
			mh_err_sys(err, rc, "cannot make a directory beside %s", path);
	}
	if (rc)
		outdir_done(d);
	return rc;
}

int outdir_commit(struct outdir *d, struct mh_err *err)
{
	int rc = dress(d);

	if (rc)
		return mh_err_sys(err, rc, "cannot make %s", d->path);
	if (renameat(d->parent_fd, strrchr(d->temp, '/') + 1, d->parent_fd, d->name)) {
		if (errno == EBUSY)
			return mh_errf(
				err, -EBUSY,
				"%s cannot be replaced (a mount point?): name a directory in "
				"it that does not exist yet",
				d->path);
		return mh_err_sys(err, -errno, "cannot rename the new directory to %s", d->path);
	}
	flock(d->fd, LOCK_UN); /* a history of its own now, for others to seal */
	free(d->temp);
	d->temp = NULL;
	return 0;
}

void outdir_done(struct outdir *d)
{
	if (d->temp) {
		remove_files(d->fd);
		unlinkat(d->parent_fd, strrchr(d->temp, '/') + 1, AT_REMOVEDIR);
	}
	if (d->fd >= 0)
		close(d->fd);
	if (d->parent_fd >= 0)
		close(d->parent_fd);
	free(d->temp);
	free(d->path);
	*d = (struct outdir){.fd = -1, .parent_fd = -1};
}
