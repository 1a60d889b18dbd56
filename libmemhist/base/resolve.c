/*
 * Resolving: what is still to be walked on one side, the place reached so far on the other, which
 * is free of links at every moment. A link that is followed is put in front of what is to be
 * walked.
 */
#include "libmemhist/base/resolve.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* as in the kernel */

struct way {
	char todo[2 * PATH_MAX];
	size_t at; /* of the next component in `todo` */
	struct mh_resolved *reached;
	size_t len; /* of reached->path, which has no slash at its end unless it is "/" */
	int links;
};

/* Put `text` in front of what is still to be walked, with a slash between them when `slash`. */
static int lead(struct way *w, const char *text, size_t len, bool slash)
{
	size_t rest = strlen(w->todo + w->at);

	if (len + slash + rest >= sizeof(w->todo))
		return -ENAMETOOLONG;
	memmove(w->todo + len + slash, w->todo + w->at, rest + 1);
	memcpy(w->todo, text, len);
	if (slash)
		w->todo[len] = '/';
	w->at = 0;
	return 0;
}

static void go_to_root(struct way *w)
{
	memcpy(w->reached->path, "/", 2);
	w->len = 1;
}

static int start(struct way *w, const char *path)
{
	size_t len = strlen(path);

	if (!len)
		return -ENOENT;
	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(w->todo, path, len + 1);
	go_to_root(w);
	if (*path == '/')
		return 0;
	if (!getcwd(w->reached->path, PATH_MAX))
		return errno == ERANGE ? -ENAMETOOLONG : -errno;
	if (w->reached->path[0] != '/')
		return -ENOENT; /* "(unreachable)…": it is outside of our root directory */
	w->len = strlen(w->reached->path);
	return 0;
}

static void go_up(struct way *w)
{
	while (w->len > 1 && w->reached->path[w->len - 1] != '/')
		w->len--;
	if (w->len > 1)
		w->len--;
	w->reached->path[w->len] = '\0';
}

static int append(struct way *w, const char *name, size_t len)
{
	bool at_root = w->len == 1;

	if (len > NAME_MAX || w->len + !at_root + len >= PATH_MAX)
		return -ENAMETOOLONG;
	if (!at_root)
		w->reached->path[w->len++] = '/';
	memcpy(w->reached->path + w->len, name, len);
	w->len += len;
	w->reached->path[w->len] = '\0';
	return 0;
}

/* The place reached is a symbolic link; `is_dir` when a slash stands behind it. */
static int follow(struct way *w, bool is_last, bool is_dir)
{
	char target[PATH_MAX];
	uid_t owner = w->reached->st.st_uid;
	ssize_t n;

	if (owner != 0 && owner != geteuid()) {
		memcpy(w->reached->link, w->reached->path, w->len + 1);
		w->reached->link_owner = owner;
		return -EPERM;
	}
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	n = readlink(w->reached->path, target, sizeof(target));
	if (n < 0)
		return -errno;
	if (n == 0 || n == sizeof(target))
		return n ? -ENAMETOOLONG : -ENOENT;
	w->reached->by_link |= is_last;
	if (target[0] == '/')
		go_to_root(w);
	else
		go_up(w);
	return lead(w, target, (size_t)n, is_dir);
}

/* One component: 0, or -errno. */
static int step(struct way *w)
{
	const char *name = w->todo + w->at;
	size_t len = strcspn(name, "/"), slashes = strspn(name + len, "/");
	bool is_last = !name[len + slashes];

	w->at += len + slashes;
	if (len == 1 && name[0] == '.')
		len = 0;
	if (len == 2 && !memcmp(name, "..", 2)) {
		if (!w->reached->exists)
			return -ENOENT;
		go_up(w);
		len = 0;
	} else if (len) {
		int rc = append(w, name, len);

		if (rc || !w->reached->exists)
			return rc;
	}
	if (lstat(w->reached->path, &w->reached->st)) {
		if (errno != ENOENT)
			return -errno;
		w->reached->exists = false;
		return 0;
	}
	if (S_ISLNK(w->reached->st.st_mode))
		return follow(w, is_last, slashes);
	return (!is_last || slashes) && !S_ISDIR(w->reached->st.st_mode) ? -ENOTDIR : 0;
}

int mh_resolve(const char *path, struct mh_resolved *ret)
{
	struct way w = {.reached = ret};
	int rc;

	ret->path[0] = '\0';
	ret->exists = true;
	ret->by_link = false;
	ret->link[0] = '\0';
	rc = start(&w, path);
	while (!rc && w.todo[w.at])
		rc = step(&w);
	return rc;
}

bool mh_path_is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (len == 1) /* "/" */
		return true;
	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}
