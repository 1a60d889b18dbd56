/* A directory made beside its final name and renamed. Holds plain files only. */
#include "tools/outdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* 0 when it is an empty directory or does not exist (*ret_exists). */
static int check_target(const char *path, bool *ret_exists, struct mh_err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	size_t n = 0;

	*ret_exists = dir;
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
static int dress(const char *temp, const char *path, bool exists)
{
	struct stat st;

	if (!exists || stat(path, &st))
		return chmod(temp, 0750) ? -errno : 0;
	if (chown(temp, st.st_uid, st.st_gid) && geteuid() == 0)
		return -errno;
	return chmod(temp, st.st_mode & 07777) ? -errno : 0;
}

int outdir_open(struct outdir *d, const char *path, struct mh_err *err)
{
	size_t len = strlen(path);
	bool exists;
	int rc;

	*d = (struct outdir){0};
	while (len > 1 && path[len - 1] == '/')
		len--;
	d->path = strndup(path, len);
	if (!d->path || asprintf(&d->temp, "%s.import-XXXXXX", d->path) < 0) {
		d->temp = NULL;
		outdir_done(d);
		return mh_err_sys(err, -ENOMEM, "cannot make %s", path);
	}
	rc = check_target(d->path, &exists, err);
	if (rc || !mkdtemp(d->temp)) {
		if (!rc)
			rc = mh_err_sys(err, -errno, "cannot make a directory beside %s", path);
		free(d->temp);
		d->temp = NULL;
		outdir_done(d);
		return rc;
	}
	rc = dress(d->temp, d->path, exists);
	if (rc) {
		outdir_done(d);
		return mh_err_sys(err, rc, "cannot make %s", path);
	}
	return 0;
}

int outdir_commit(struct outdir *d, struct mh_err *err)
{
	if (rename(d->temp, d->path)) {
		if (errno == EBUSY)
			return mh_errf(
				err, -EBUSY,
				"%s cannot be replaced (a mount point?): name a directory in "
				"it that does not exist yet",
				d->path);
		return mh_err_sys(err, -errno, "cannot rename the new directory to %s", d->path);
	}
	free(d->temp);
	d->temp = NULL;
	return 0;
}

static void remove_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (!is_dot(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

void outdir_done(struct outdir *d)
{
	if (d->temp) {
		remove_files(d->temp);
		rmdir(d->temp);
	}
	free(d->temp);
	free(d->path);
	*d = (struct outdir){0};
}
