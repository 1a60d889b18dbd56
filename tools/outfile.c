/*
 * Output that replaces a file in one step.
 *
 * The new content is an unnamed file (O_TMPFILE) in the target's directory. At the end it gets a
 * temporary name and is renamed over the target, since linkat(2) cannot replace. File systems that
 * know no O_TMPFILE (NFS, some FUSE) get a named temporary file from the beginning.
 */
#include "tools/outfile.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/base/places.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	/*
	 * Written at once, to a file where the block before ended: such a block the kernel keeps in
	 * one piece, which takes it less than pages do. Larger ones it may have to search for.
	 */
	PUMP_BYTES = 64 << 10,
	BUF_MAX = 256 << 20, /* one row of the widest table */
	NAME_TRIES = 100,
	FILE_MODE = 0640,
};

/* /dev/null and /dev/full swallow or refuse everything: harmless, and useful in tests. */
static bool is_sink(const struct stat *st)
{
	return S_ISCHR(st->st_mode) &&
	       (st->st_rdev == makedev(1, 3) || st->st_rdev == makedev(1, 7));
}

/* Neither waits for a reader of a pipe nor becomes the owner of a terminal. */
static int open_in_place(struct outfile *o, struct mh_err *err)
{
	struct stat st;

	o->fd = open(o->name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (o->fd < 0 && errno == ENXIO)
		return mh_errf(err, -ENXIO, "%s is a pipe that nobody reads", o->name);
	if (o->fd < 0)
		return mh_err_sys(err, -errno, "cannot write %s", o->name);
	/* looked at again: the name may mean something else by now */
	if (fstat(o->fd, &st) || !(S_ISFIFO(st.st_mode) || is_sink(&st) || isatty(o->fd)))
		return mh_errf(err, -EINVAL,
			       "%s is a device: name a file, a pipe or - for standard output",
			       o->name);
	fcntl(o->fd, F_SETFL, 0);
	return 0;
}

/* A name in the target's directory that hardly anybody has, into o->temp. */
static void temp_name(struct outfile *o, unsigned attempt)
{
	snprintf(o->temp, sizeof(o->temp), ".memhist.%ld.%u", (long)getpid(), attempt);
}

/* A temporary file with a name, for file systems without O_TMPFILE. */
static int open_named(struct outfile *o)
{
	for (unsigned i = 0; i < NAME_TRIES; i++) {
		temp_name(o, i);
		o->fd = mh_beneath_file(o->dir_fd, o->temp, O_RDWR | O_CREAT | O_EXCL, FILE_MODE);
		if (o->fd >= 0)
			return 0;
		o->temp[0] = '\0';
		if (o->fd != -EEXIST)
			return o->fd;
	}
	return -EEXIST;
}

static int open_beside(struct outfile *o)
{
	/* without /proc it could never be given a name */
	if (access("/proc/self/fd", X_OK))
		return open_named(o);
	o->fd = mh_beneath_open(o->dir_fd, ".", O_TMPFILE | O_RDWR, FILE_MODE);
	if (o->fd == -EOPNOTSUPP || o->fd == -EISDIR || o->fd == -EINVAL)
		return open_named(o);
	return o->fd < 0 ? o->fd : 0;
}

/* Whether `old`, which was found by the file's name as it was given, is what will be replaced. */
static bool is_still(const struct outfile *o, const struct stat *old)
{
	struct stat st;

	return !fstatat(o->dir_fd, o->file, &st, AT_SYMLINK_NOFOLLOW) && st.st_dev == old->st_dev &&
	       st.st_ino == old->st_ino;
}

/* `old` is the file that will be replaced, NULL when there is none. A symbolic link stays one: what
 * it points to is replaced. */
static int open_replacement(struct outfile *o, const struct stat *old, struct mh_err *err)
{
	struct mh_resolved at;
	int rc;

	o->dir_fd = mh_places_open_parent(settings_places(), o->name, &at, err);
	if (o->dir_fd < 0)
		return o->dir_fd;
	o->has_dir = true;
	snprintf(o->file, sizeof(o->file), "%s", strrchr(at.path, '/') + 1);
	rc = settings_spare(o->name, o->dir_fd, o->spare, err);
	if (rc)
		return rc;
	if (old && !is_still(o, old))
		return mh_errf(err, -ESTALE, "%s has no name of its own: it cannot be replaced",
			       o->name);
	if (old && faccessat(o->dir_fd, o->file, W_OK, 0))
		return mh_err_sys(err, -errno, "cannot write %s", o->name);
	rc = open_beside(o);
	if (rc)
		return mh_err_sys(err, rc, "cannot write %s", o->name);
	if (old && fchmod(o->fd, old->st_mode & 0777))
		return mh_err_sys(err, -errno, "cannot write %s", o->name);
	return 0;
}

static int open_by_kind(struct outfile *o, struct mh_err *err)
{
	struct stat st;

	if (!strcmp(o->name, "-") || !strcmp(o->name, "/dev/stdout")) {
		o->name = "standard output";
		o->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
		return o->fd < 0 ? mh_err_sys(err, -errno, "cannot write standard output") : 0;
	}
	if (stat(o->name, &st)) {
		if (errno != ENOENT)
			return mh_err_sys(err, -errno, "cannot write %s", o->name);
		if (!lstat(o->name, &st))
			return mh_errf(err, -ENOENT, "%s is a symbolic link to nothing", o->name);
		if (o->name[0] && o->name[strlen(o->name) - 1] == '/')
			return mh_errf(err, -EISDIR,
				       "%s is no name of a file: it ends with a slash", o->name);
		return open_replacement(o, NULL, err);
	}
	if (S_ISREG(st.st_mode))
		return open_replacement(o, &st, err);
	if (S_ISDIR(st.st_mode))
		return mh_errf(err, -EISDIR, "%s is a directory: name a file in it", o->name);
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
		return open_in_place(o, err);
	return mh_errf(err, -EINVAL, "%s is no regular file", o->name);
}

int outfile_open(struct outfile *o, const char *name, const char *spare, struct mh_err *err)
{
	int rc;

	*o = (struct outfile){
		.buf = MH_BUF_INIT(BUF_MAX),
		.name = name,
		.spare = spare,
		.fd = -1,
	};
	rc = open_by_kind(o, err);
	if (rc)
		outfile_done(o);
	return rc;
}

/* Write the buffer, of a file in whole blocks unless it is the end; what is left stays in it. */
static int write_out(struct outfile *o, bool is_end, struct mh_err *err)
{
	size_t done, end = o->buf.len, part;

	if (o->buf.error)
		return mh_err_sys(err, o->buf.error, "cannot compose %s", o->name);
	done = o->buf.len < o->passed ? o->buf.len : (size_t)o->passed;
	o->passed -= done;
	part = (size_t)((o->written + end - done) % PUMP_BYTES);
	if (o->has_dir && !is_end)
		end -= part < end - done ? part : end - done;
	while (done < end) {
		ssize_t n = write(o->fd, o->buf.data + done, end - done);

		/* a write to a pipe that a signal cut short is no error, but the next would wait */
		if (tool_interrupted())
			return -EINTR;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mh_err_sys(err, -errno, "cannot write %s", o->name);
		done += (size_t)n;
		o->written += (uint64_t)n;
	}
	o->buf.len -= end;
	if (o->buf.len)
		memmove(o->buf.data, o->buf.data + end, o->buf.len);
	return 0;
}

int outfile_pump(struct outfile *o, struct mh_err *err)
{
	return o->buf.len < PUMP_BYTES && !o->buf.error ? 0 : write_out(o, false, err);
}

void outfile_again(struct outfile *o)
{
	mh_buf_clear(&o->buf);
	o->passed = o->written;
}

int outfile_finish(struct outfile *o, struct mh_err *err)
{
	int rc = write_out(o, true, err);

	if (!rc && o->has_dir && fsync(o->fd))
		rc = mh_err_sys(err, -errno, "cannot write %s", o->name);
	return rc;
}

/* Give the unnamed file a temporary name. */
static int name_unnamed(struct outfile *o)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
	for (unsigned i = 0; i < NAME_TRIES; i++) {
		int rc;

		temp_name(o, i);
		if (!linkat(AT_FDCWD, self, o->dir_fd, o->temp, AT_SYMLINK_FOLLOW))
			return 0;
		rc = -errno;
		o->temp[0] = '\0';
		if (rc != -EEXIST)
			return rc;
	}
	return -EEXIST;
}

int outfile_publish(struct outfile *o, struct mh_err *err)
{
	int rc = 0, fd = o->fd;

	if (o->has_dir && !o->temp[0])
		rc = name_unnamed(o);
	o->fd = -1;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && o->has_dir && renameat(o->dir_fd, o->temp, o->dir_fd, o->file))
		rc = -errno;
	if (rc)
		return mh_err_sys(err, rc, "cannot write %s", o->name);
	o->temp[0] = '\0';
	return 0;
}

int outfile_commit(struct outfile *o, struct mh_err *err)
{
	int rc = outfile_finish(o, err);

	return rc ? rc : outfile_publish(o, err);
}

void outfile_done(struct outfile *o)
{
	if (o->fd >= 0)
		close(o->fd);
	if (o->temp[0])
		unlinkat(o->dir_fd, o->temp, 0);
	if (o->has_dir)
		close(o->dir_fd);
	mh_buf_done(&o->buf);
	*o = (struct outfile){.fd = -1};
}
