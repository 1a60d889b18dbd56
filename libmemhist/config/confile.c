/* What is judged is what was opened: the descriptor, and the directory on the way to it. */
#include "libmemhist/config/confile.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/base/resolve.h"
#include "libmemhist/base/users.h"
#include "libmemhist/config/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_foreign(uid_t owner, uid_t self)
{
	return owner != 0 && owner != self;
}

static int judge_dir(const char *path, const struct stat *dir, uid_t self, struct mh_err *err)
{
	const unsigned mode = dir->st_mode & 07777;
	char owner[MH_USER_WORDS_MAX];

	if (is_foreign(dir->st_uid, self)) {
		mh_user_words(dir->st_uid, owner);
		return mh_errf(err, -EPERM,
			       "%s is in a directory of %s, who can exchange it: put it where only "
			       "root or you can",
			       path, owner);
	}
	if (mode & (S_IWGRP | S_IWOTH) && !(mode & S_ISVTX))
		return mh_errf(err, -EPERM,
			       "%s is in a directory that %s may write to (mode %04o), and so "
			       "exchange it: chmod go-w that directory",
			       path, mode & S_IWOTH ? "everybody" : "its group", mode);
	return 0;
}

int mh_confile_judge(const char *path, enum mh_confile_kind kind, const struct stat *file,
		     const struct stat *dir, uid_t self, struct mh_err *err)
{
	const unsigned mode = file->st_mode & 07777;
	char owner[MH_USER_WORDS_MAX];

	if (!S_ISREG(file->st_mode))
		return mh_errf(err, -EINVAL, "%s is no regular file", path);
	if (is_foreign(file->st_uid, self)) {
		mh_user_words(file->st_uid, owner);
		return mh_errf(err, -EPERM,
			       "%s belongs to %s: only root and who runs memhist may decide what "
			       "it does (chown root %s)",
			       path, owner, path);
	}
	if (mode & (kind == MH_CONFILE_OPEN ? 0022 : 0027))
		return mh_errf(err, -EPERM, "%s may be %s (mode %04o): chmod %s %s", path,
			       mode & S_IWOTH   ? "changed by everybody"
			       : mode & S_IWGRP ? "changed by its group"
			       : mode & S_IROTH ? "read by everybody"
						: "executed by everybody",
			       mode, kind == MH_CONFILE_OPEN ? "0644" : "0640", path);
	return judge_dir(path, dir, self, err);
}

/* The directory that a resolved path is in. */
static int stat_parent(const char *path, struct stat *ret)
{
	const char *slash = strrchr(path, '/');
	char *parent = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = parent ? mh_straight_open(parent, O_PATH | O_DIRECTORY) : -ENOMEM;
	int rc = fd < 0 ? fd : fstat(fd, ret) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	free(parent);
	return rc;
}

/* A descriptor of a good file, or -errno and a sentence. */
static int open_judged(const char *path, enum mh_confile_kind kind, struct mh_err *err)
{
	char user[MH_USER_WORDS_MAX];
	struct mh_resolved at;
	struct stat file, dir;
	int rc = mh_resolve(path, &at), fd;

	if (rc == -EPERM && at.link[0])
		return mh_errf(err, rc,
			       "%s is reached by a symbolic link of another user (%s): name the "
			       "file itself",
			       path, at.link);
	/* whoever made the link meant something to be read */
	if (!rc && !at.exists && at.by_link)
		return mh_errf(err, -EINVAL, "%s is a symbolic link to nothing", path);
	if (!rc && !at.exists)
		rc = -ENOENT;
	/* asked before it is opened as well, since opening a device can do something */
	if (!rc && !S_ISREG(at.st.st_mode))
		return mh_errf(err, -EINVAL, "%s is no regular file", path);
	if (rc)
		return mh_err_sys(err, rc, "cannot read %s", path);
	fd = mh_straight_open(at.path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd == -EACCES) {
		mh_user_words(geteuid(), user);
		return mh_errf(err, fd,
			       "cannot read %s as %s: Permission denied (give it a group that this "
			       "user is in, by chgrp, and mode 0640)",
			       path, user);
	}
	if (fd < 0)
		return mh_err_sys(err, fd, "cannot read %s", path);
	rc = fstat(fd, &file) ? -errno : stat_parent(at.path, &dir);
	if (rc)
		mh_err_sys(err, rc, "cannot read %s", path);
	else
		rc = mh_confile_judge(path, kind, &file, &dir, geteuid(), err);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

int mh_confile_read(const char *path, enum mh_confile_kind kind, char **ret, size_t *ret_len,
		    struct mh_err *err)
{
	int fd = open_judged(path, kind, err), rc = 0;
	char *bytes;
	size_t len = 0;

	if (fd < 0)
		return fd;
	/* one byte more than may be, to see that there are more */
	bytes = malloc(MH_DOCUMENT_MAX + 1);
	while (bytes && len <= MH_DOCUMENT_MAX) {
		ssize_t n = read(fd, bytes + len, MH_DOCUMENT_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n ? -errno : 0;
			break;
		}
		len += (size_t)n;
	}
	close(fd);
	if (!bytes)
		rc = -ENOMEM;
	if (rc) {
		mh_err_sys(err, rc, "cannot read %s", path);
	} else if (len > MH_DOCUMENT_MAX) {
		rc = mh_errf(err, -EFBIG, "%s is larger than a configuration may be (%d KiB)", path,
			     MH_DOCUMENT_MAX / 1024);
	} else {
		bytes[len] = '\0';
		*ret = bytes;
		*ret_len = len;
		return 0;
	}
	free(bytes);
	return rc;
}
