/*
 * Where a path leads: the same place without symbolic links, ".." or doubled slashes.
 *
 * Like realpath(3), but by a rule of its own for links: only who is trusted may lead us. A symbolic
 * link is followed when it belongs to root or to ourselves (the effective user), and refused when
 * it belongs to anybody else: else whoever owns one on the way to a place decides where we write,
 * and for root that is everywhere. (The rule of fs.protected_symlinks for /tmp, applied to all
 * directories and to root too. systemd calls what it refuses an unsafe transition.)
 *
 * The answer is true when it is given. Open it by mh_beneath_open(), which follows no link: what
 * was exchanged since is then an error, not another place.
 */
#ifndef MEMHIST_BASE_RESOLVE_H
#define MEMHIST_BASE_RESOLVE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct mh_resolved {
	char path[PATH_MAX]; /* absolute; with its last components where nothing is (yet) */
	bool exists;
	bool by_link;   /* the last component of the path given was a symbolic link */
	struct stat st; /* of what exists, as by lstat(2) */
	/* after -EPERM: the link that was not followed, and whose it is */
	char link[PATH_MAX];
	uid_t link_owner;
};

/*
 * Returns 0, or -errno: -EPERM a link of somebody else; -ENOENT an empty path, a ".." behind
 * something missing, or there is no current directory; -ELOOP, -ENOTDIR, -EACCES, -ENAMETOOLONG.
 * ret->path is the place reached then.
 */
int mh_resolve(const char *path, struct mh_resolved *ret);

/* Whether an absolute, resolved `path` is `dir` or beneath it. */
bool mh_path_is_within(const char *path, const char *dir);

#endif
