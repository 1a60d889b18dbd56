/*
 * Where a container or systemd puts secrets, symbolic links are of all kinds, so only the file that
 * is read is judged. The path is of a configuration that only its owner may change.
 */
#include "libmemhist/net/secret.h"

#include "libmemhist/base/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void mh_secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

/* By what is open: not what stood there before, or will. */
static int judge(const char *path, const struct stat *st, struct mh_err *err)
{
	const unsigned mode = st->st_mode & 07777;
	char owner[MH_USER_WORDS_MAX];

	if (!S_ISREG(st->st_mode))
		return mh_errf(err, -EINVAL, "cannot read %s: it is no regular file", path);
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		mh_user_words(st->st_uid, owner);
		return mh_errf(err, -EINVAL,
			       "%s belongs to %s: a secret is of root or of who runs memhist "
			       "(chown root %s)",
			       path, owner, path);
	}
	if (mode & 0027)
		return mh_errf(err, -EINVAL,
			       "%s has a secret in it and may be %s (mode %04o): chmod 0640 %s",
			       path,
			       mode & S_IWOTH   ? "changed by everybody"
			       : mode & S_IWGRP ? "changed by its group"
			       : mode & S_IROTH ? "read by everybody"
						: "executed by everybody",
			       mode, path);
	return 0;
}

static int open_judged(const char *path, struct mh_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;
	struct stat st;

	if (fd < 0) {
		mh_err_sys(err, -errno, "cannot read %s", path);
		return -EINVAL;
	}
	rc = fstat(fd, &st) ? -errno : 0;
	if (rc)
		mh_err_sys(err, rc, "cannot read %s", path);
	else if (!judge(path, &st, err))
		return fd;
	close(fd);
	return -EINVAL;
}

static int read_all(int fd, char *to, size_t max, size_t *ret)
{
	size_t len = 0;

	while (len < max) {
		ssize_t n = read(fd, to + len, max - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	*ret = len;
	return 0;
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Moved to the beginning and ended; whether it can go into a header. */
static int trim(char *text, size_t len, const char *path, struct mh_err *err)
{
	size_t from = 0;

	while (len && is_blank(text[len - 1]))
		len--;
	while (from < len && is_blank(text[from]))
		from++;
	len -= from;
	memmove(text, text + from, len);
	text[len] = '\0';
	if (!len)
		return mh_errf(err, -EINVAL, "%s is empty", path);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return mh_errf(err, -EINVAL,
				       "%s has a line break or control character in its middle",
				       path);
	return 0;
}

int mh_secret_read(const char *path, char **ret, struct mh_err *err)
{
	int fd = open_judged(path, err), rc;
	char *text;
	size_t len = 0;

	if (fd < 0)
		return fd;
	text = calloc(1, MH_SECRET_MAX + 2);
	rc = text ? read_all(fd, text, MH_SECRET_MAX + 1, &len) : -ENOMEM;
	close(fd);
	if (rc) {
		mh_err_sys(err, rc, "cannot read %s", path);
		rc = rc == -ENOMEM ? rc : -EINVAL;
	} else if (len > MH_SECRET_MAX) {
		rc = mh_errf(err, -EINVAL, "%s is longer than %d KiB", path, MH_SECRET_MAX / 1024);
	} else {
		rc = trim(text, len, path, err);
	}
	if (!rc) {
		*ret = text;
		return 0;
	}
	if (text)
		explicit_bzero(text, MH_SECRET_MAX + 2);
	free(text);
	return rc;
}
