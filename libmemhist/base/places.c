/*
 * The rules of places.h. What is judged by a path is opened without following a link any more, and
 * Q6 and Q7 are asked of the descriptor: nothing can come in between.
 */
#include "libmemhist/base/places.h"

#include "libmemhist/base/beneath.h"
#include "libmemhist/base/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIR_MODE = 0750 };

/* Q2. The order does not matter. */
static const char *const system_dirs[] = {
	/* programs, libraries, settings and kernel interfaces: a file there does something */
	"/bin",
	"/boot",
	"/dev",
	"/efi",
	"/etc",
	"/lib",
	"/lib32",
	"/lib64",
	"/libx32",
	"/lost+found",
	"/proc",
	"/sbin",
	"/sys",
	"/usr",
	/* state that services of the system act upon */
	"/run/credentials",
	"/run/dbus",
	"/run/sudo",
	"/run/systemd",
	"/run/udev",
	"/var/backups",
	"/var/lib/apt",
	"/var/lib/dbus",
	"/var/lib/dpkg",
	"/var/lib/pam",
	"/var/lib/polkit-1",
	"/var/lib/rpm",
	"/var/lib/sudo",
	"/var/lib/systemd",
	"/var/lib/ucf",
	"/var/log/journal",
	"/var/mail",
	"/var/spool/at",
	"/var/spool/cron",
	"/var/spool/mail",
	NULL,
};

/* In those, but nobody's in particular: memory for all, and sources that are built in place. */
static const char *const free_dirs[] = {"/dev/shm", "/usr/local/src", "/usr/src", NULL};

/* Q3 */
static const char *const shared_dirs[] = {
	"/", "/home", "/run", "/var", "/var/cache", "/var/lib", "/var/spool", NULL,
};

/* The directory of the list that holds `path`, or NULL. */
static const char *which_holds(const char *const *list, const char *path)
{
	for (; *list; list++)
		if (mh_path_is_within(path, *list))
			return *list;
	return NULL;
}

/* A free directory is free below; whether it is the system's itself depends on what it is for. */
static const char *system_dir_of(const char *path, bool is_free_itself)
{
	const char *spared = which_holds(free_dirs, path);

	if (spared && (is_free_itself || strcmp(spared, path) != 0))
		return NULL;
	return which_holds(system_dirs, path);
}

/* The shared directory that `path` (MH_PLACE_HISTORY) or a file of that name would be in. */
static const char *shared_dir_of(const char *path, enum mh_place_use use)
{
	size_t len = use == MH_PLACE_FILE ? (size_t)(strrchr(path, '/') - path) : strlen(path);

	if (!len)
		return "/";
	for (const char *const *dir = shared_dirs; *dir; dir++)
		if (strlen(*dir) == len && !memcmp(*dir, path, len))
			return *dir;
	return NULL;
}

int mh_places_add(struct mh_places *p, const char *dir, struct mh_err *err)
{
	const char *system;
	char **list, *copy;

	if (dir[0] != '/')
		return mh_errf(err, -EINVAL, "“%s” is no absolute path", dir);
	if (strlen(dir) >= PATH_MAX)
		return mh_errf(err, -EINVAL, "a path is longer than a path can be");
	if (strspn(dir, "/") == strlen(dir))
		return mh_errf(err, -EINVAL,
			       "/ is everything: leave allowed_output_paths out to allow all but "
			       "directories of the system");
	system = system_dir_of(dir, true);
	if (system)
		return mh_errf(err, -EINVAL,
			       "%s is a directory of the system (%s), where nothing is written",
			       dir, system);
	if (p->n >= MH_PLACES_MAX)
		return mh_errf(err, -EOVERFLOW, "there are more than %d directories",
			       MH_PLACES_MAX);
	copy = strdup(dir);
	list = copy ? reallocarray(p->dir, p->n + 1, sizeof(*list)) : NULL;
	if (!list) {
		free(copy);
		return mh_err_sys(err, -ENOMEM, "cannot allow %s", dir);
	}
	p->dir = list;
	p->dir[p->n++] = copy;
	p->is_set = true;
	return 0;
}

void mh_places_done(struct mh_places *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->dir[i]);
	free(p->dir);
	*p = (struct mh_places){0};
}

static int refuse(struct mh_verdict *place, int rule, int rc)
{
	place->rule = rule;
	return place->rc = rc;
}

/* Q4: which directory of the list `path` is beneath; a history may be that directory itself. */
static const char *listed(const struct mh_places *places, const char *path, enum mh_place_use use)
{
	struct mh_resolved dir;

	for (size_t i = 0; i < places->n; i++)
		if (!mh_resolve(places->dir[i], &dir) && mh_path_is_within(path, dir.path) &&
		    (use == MH_PLACE_HISTORY || strcmp(path, dir.path) != 0))
			return places->dir[i];
	return NULL;
}

/* Q2, of the place reached, even where the way further on is barred. */
static int judge_system(struct mh_verdict *ret)
{
	const char *dir = system_dir_of(ret->at.path, false);

	if (!dir)
		return 0;
	mh_errf(&ret->why, 0,
		"%s is in a directory of the system (%s), where memhist writes nothing: choose "
		"another place",
		ret->at.path, dir);
	return refuse(ret, 2, -EPERM);
}

static int judge_location(const struct mh_places *places, const char *path, enum mh_place_use use,
			  struct mh_verdict *ret)
{
	const char *to = ret->at.path, *dir;
	int rc = judge_system(ret);

	if (rc)
		return rc;
	dir = shared_dir_of(to, use);
	if (dir) {
		mh_errf(&ret->why, 0,
			"%s is shared by the whole system: choose a directory of its own for %s",
			dir, use == MH_PLACE_FILE ? path : "the history");
		return refuse(ret, 3, -EPERM);
	}
	if (places && places->is_set) {
		ret->list = listed(places, to, use);
		if (ret->list)
			return 0;
		mh_errf(&ret->why, 0,
			"%s is not beneath one of allowed_output_paths: choose another place, or "
			"add its directory to that list in the configuration file",
			to);
		return refuse(ret, 4, -EPERM);
	}
	return 0;
}

/* Q6 and Q7. */
static int judge_dir(const struct stat *st, const char *path, struct mh_verdict *ret)
{
	char owner[MH_USER_WORDS_MAX];

	if (!S_ISDIR(st->st_mode)) {
		mh_errf(&ret->why, 0, "%s is not a directory: a history is a directory of segments",
			path);
		return refuse(ret, -1, -ENOTDIR);
	}
	if (geteuid() == 0 && st->st_uid != 0) {
		mh_user_words(st->st_uid, owner);
		mh_errf(&ret->why, 0,
			"the history directory %s belongs to %s, who could redirect what root "
			"writes there: run as that user, or give it to root (chown root %s)",
			path, owner, path);
		return refuse(ret, 6, -EPERM);
	}
	if (st->st_mode & S_IWOTH) {
		mh_errf(&ret->why, 0,
			"everybody may write to the history directory %s (mode %04o): chmod o-w %s",
			path, st->st_mode & 07777, path);
		return refuse(ret, 7, -EPERM);
	}
	return 0;
}

int mh_places_judge(const struct mh_places *places, const char *path, enum mh_place_use use,
		    struct mh_verdict *ret)
{
	char owner[MH_USER_WORDS_MAX];
	int rc;

	ret->rule = ret->rc = 0;
	ret->list = NULL;
	ret->why.text[0] = '\0';
	rc = mh_resolve(path, &ret->at);
	if (rc == -EPERM && ret->at.link[0]) {
		mh_user_words(ret->at.link_owner, owner);
		mh_errf(&ret->why, 0,
			"%s is a symbolic link of %s, which is not followed to write: name the "
			"place itself",
			ret->at.link, owner);
		return refuse(ret, 1, rc);
	}
	if (rc) {
		if (judge_system(ret))
			return ret->rc;
		mh_err_sys(&ret->why, rc, "cannot write to %s", path);
		return refuse(ret, -1, rc);
	}
	/* said first, since it is asked first by whoever named a link */
	if (use == MH_PLACE_HISTORY && ret->at.by_link) {
		mh_errf(&ret->why, 0,
			"%s is a symbolic link: name the directory itself to write there", path);
		return refuse(ret, 5, -ELOOP);
	}
	rc = judge_location(places, path, use, ret);
	if (!rc && use == MH_PLACE_HISTORY && ret->at.exists)
		rc = judge_dir(&ret->at.st, path, ret);
	return rc;
}

/* The directory that a resolved path is in. */
static int open_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = parent ? mh_straight_open(parent, O_PATH | O_DIRECTORY) : -ENOMEM;

	free(parent);
	return fd;
}

/* 0, also when it is there already. */
static int make_dir(const char *path)
{
	int fd = open_parent(path), rc = fd < 0 ? fd : 0;

	if (fd < 0)
		return rc;
	if (mkdirat(fd, strrchr(path, '/') + 1, DIR_MODE) && errno != EEXIST)
		rc = -errno;
	close(fd);
	return rc;
}

int mh_places_open_history(const struct mh_places *places, const char *path, bool create,
			   struct mh_err *err)
{
	struct mh_verdict place;
	struct stat st;
	int rc = mh_places_judge(places, path, MH_PLACE_HISTORY, &place), fd;

	if (rc)
		return mh_errf(err, rc, "%s", place.why.text);
	rc = create && !place.at.exists ? make_dir(place.at.path) : 0;
	if (rc)
		return mh_err_sys(err, rc, "cannot create the history directory %s", path);
	fd = mh_straight_open(place.at.path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return mh_err_sys(err, fd, "cannot open the history directory %s", path);
	rc = fstat(fd, &st) ? -errno : judge_dir(&st, path, &place);
	if (!rc)
		return fd;
	close(fd);
	return place.rc ? mh_errf(err, rc, "%s", place.why.text)
			: mh_err_sys(err, rc, "cannot look at the history directory %s", path);
}

int mh_places_open_parent(const struct mh_places *places, const char *path, struct mh_resolved *ret,
			  struct mh_err *err)
{
	struct mh_verdict place;
	int rc = mh_places_judge(places, path, MH_PLACE_FILE, &place), fd;

	if (rc)
		return mh_errf(err, rc, "%s", place.why.text);
	fd = open_parent(place.at.path);
	if (fd < 0)
		return mh_err_sys(err, fd, "cannot write %s", path);
	*ret = place.at;
	return fd;
}
