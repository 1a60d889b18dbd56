/*
 * The bytes of a configuration file, when the file can be trusted. What a daemon does as root, or
 * where it writes, is decided by this file, and the passwords of others may stand in it: so it may
 * be changed by its owner alone, read by its group at most, and its owner is root or ourselves.
 */
#ifndef MEMHIST_CONFIG_CONFILE_H
#define MEMHIST_CONFIG_CONFILE_H

#include "libmemhist/base/err.h"

#include <stddef.h>
#include <sys/stat.h>

enum mh_confile_kind {
	MH_CONFILE_SECRET, /* as above */
	MH_CONFILE_OPEN, /* everybody may read it: it says nothing of where to write, nor secrets */
};

/*
 * Judge by what fstat(2) says of the file, and stat(2) of the directory that it is in; `self` is
 * the effective user. Returns 0, or -EPERM and a sentence with the remedy:
 *
 *   - the file belongs to somebody else than root and `self`
 *   - its mode has a bit of 0027: its group may write it, or others read, write or execute it; an
 *     open one: a bit of 0022
 *   - the directory belongs to somebody else, or its group or others may write to it (mode & 0022;
 *     with the sticky bit they may not exchange what is there, so this is good)
 *
 * or -EINVAL: no regular file.
 */
int mh_confile_judge(const char *path, enum mh_confile_kind kind, const struct stat *file,
		     const struct stat *dir, uid_t self, struct mh_err *err);

/*
 * Read a file that is judged good. Symbolic links on the way are followed where base/resolve.h
 * follows them. Returns 0 and *ret, ended by a NUL byte that is not counted, to be freed; or -errno
 * and a sentence: -ENOENT, -EACCES, -EPERM, -EINVAL, -EFBIG (more than MH_DOCUMENT_MAX bytes), …
 */
int mh_confile_read(const char *path, enum mh_confile_kind kind, char **ret, size_t *ret_len,
		    struct mh_err *err);

#endif
