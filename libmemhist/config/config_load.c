/* Configurations from files: which one, and who says so. */
#include "libmemhist/config/config_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_FILE SYSCONFDIR "/memhist/memhist.yaml"

/* The directory that a file is in, to be freed; NULL: no memory. */
static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int read_file(struct mh_config *ret, enum mh_config_table table, enum mh_confile_kind kind,
		     const char *path, struct mh_err *err)
{
	char *bytes, *copy, *dir;
	struct mh_err why;
	size_t len;
	int rc = mh_confile_read(path, kind, &bytes, &len, err);

	if (rc)
		return rc;
	copy = strdup(path);
	dir = dir_of(path);
	rc = copy && dir ? mh_config_parse_as(ret, table, dir, bytes, len, &why) : -ENOMEM;
	free(dir);
	free(bytes);
	if (!rc) {
		ret->file = copy;
		return 0;
	}
	free(copy);
	if (rc == -EBADMSG)
		return mh_errf(err, rc, "%s:%s", path, why.text);
	return mh_err_sys(err, rc, "cannot read %s", path);
}

int mh_config_read(struct mh_config *ret, const char *path, struct mh_err *err)
{
	return read_file(ret, MH_CONFIG_MAIN, MH_CONFILE_SECRET, path, err);
}

int mh_config_read_groups(struct mh_config *ret, const char *path, struct mh_err *err)
{
	return read_file(ret, MH_CONFIG_GROUP_FILE, MH_CONFILE_OPEN, path, err);
}

const char *mh_config_default_file(void)
{
	return DEFAULT_FILE;
}

int mh_config_load(struct mh_config *ret, const char *given, enum mh_config_reader reader,
		   struct mh_err *err)
{
	return mh_config_load_or(ret, given, DEFAULT_FILE, reader, err);
}

int mh_config_load_or(struct mh_config *ret, const char *given, const char *default_file,
		      enum mh_config_reader reader, struct mh_err *err)
{
	const char *path = given ? given : secure_getenv("MEMHIST_CONFIG");
	struct mh_config c = {0};
	struct mh_err why;
	int rc;

	if (path && !*path) {
		*ret = c;
		return 0;
	}
	if (path)
		return mh_config_read(ret, path, err);
	rc = mh_config_read(&c, default_file, &why);
	c.is_closed = rc == -EACCES && reader == MH_CONFIG_TOOL;
	if (rc && rc != -ENOENT && rc != -ENOTDIR && !c.is_closed)
		return mh_errf(err, rc, "%s", why.text);
	*ret = c;
	return 0;
}
