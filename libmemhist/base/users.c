/* Users: the text of the file with NUL bytes behind the names, and an array of pointers into it. */
#include "libmemhist/base/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 16 << 20 };

void mh_users_done(struct mh_users *u)
{
	free(u->user);
	free(u->text);
	*u = (struct mh_users){0};
}

static int by_uid(const void *a, const void *b)
{
	const struct mh_user *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name; /* in the order of the file */
}

/* "name:password:uid:…"; false for anything else. Ends the name with a NUL. */
static bool parse_line(char *line, char *end, struct mh_user *ret)
{
	char *password = memchr(line, ':', (size_t)(end - line)), *digits, *p;
	uint64_t uid = 0;

	if (!password || password == line)
		return false;
	digits = memchr(password + 1, ':', (size_t)(end - password - 1));
	if (!digits)
		return false;
	for (p = ++digits; p < end && *p >= '0' && *p <= '9' && uid <= UINT32_MAX; p++)
		uid = uid * 10 + (uint64_t)(*p - '0');
	if (p == digits || p == end || *p != ':' || uid > UINT32_MAX)
		return false;
	*password = '\0';
	*ret = (struct mh_user){(uint32_t)uid, line};
	return true;
}

/* Takes `text` over, len bytes and a NUL. */
static int parse(struct mh_users *u, char *text, size_t len)
{
	struct mh_user *user;
	size_t lines = 1, n = 0;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	user = calloc(lines, sizeof(*user));
	if (!user) {
		free(text);
		return -ENOMEM;
	}
	for (char *line = text, *end; line < text + len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + len - line));
		if (!end)
			end = text + len;
		n += parse_line(line, end, &user[n]);
	}
	qsort(user, n, sizeof(*user), by_uid);
	mh_users_done(u);
	u->user = user;
	u->n = n;
	u->text = text;
	return 0;
}

static int read_text(int fd, char **ret_text, size_t *ret_len)
{
	size_t len = 0, cap = 0;
	char *text = NULL;

	for (;;) {
		ssize_t n;

		if (len + 1 >= cap) {
			char *bigger;

			cap = cap ? cap * 2 : 4096;
			bigger = cap > FILE_MAX ? NULL : realloc(text, cap);
			if (!bigger) {
				free(text);
				return cap > FILE_MAX ? -EFBIG : -ENOMEM;
			}
			text = bigger;
		}
		n = read(fd, text + len, cap - len - 1);
		if (n < 0) {
			n = -errno;
			free(text);
			return (int)n;
		}
		if (!n)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_len = len;
	return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int mh_users_read(struct mh_users *u, const char *path)
{
	struct stat file;
	size_t len = 0;
	char *text = NULL;
	int fd, rc;

	if (stat(path, &file))
		return -errno;
	if (u->text && is_same(&u->file, &file))
		return 0;
	/* not a fifo, whose opening would wait */
	fd = S_ISREG(file.st_mode) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	if (fd < 0)
		return S_ISREG(file.st_mode) ? -errno : -EINVAL;
	rc = fstat(fd, &file) ? -errno : read_text(fd, &text, &len);
	close(fd);
	if (!rc)
		rc = parse(u, text, len);
	if (!rc)
		u->file = file;
	return rc;
}

const char *mh_users_name(const struct mh_users *u, uint32_t uid)
{
	size_t low = 0, high = u->n;

	/* the first of those with this uid */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (u->user[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < u->n && u->user[low].uid == uid ? u->user[low].name : NULL;
}

void mh_user_words(uint32_t uid, char ret[MH_USER_WORDS_MAX])
{
	struct mh_users users = {0};
	const char *name = NULL;

	if (!mh_users_read(&users, "/etc/passwd"))
		name = mh_users_name(&users, uid);
	if (name)
		snprintf(ret, MH_USER_WORDS_MAX, "user %s", name);
	else
		snprintf(ret, MH_USER_WORDS_MAX, "user %u", (unsigned)uid);
	mh_users_done(&users);
}
