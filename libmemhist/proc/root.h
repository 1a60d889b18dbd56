/*
 * Where /proc is: a directory descriptor, so that the same code reads /proc, a container's
 * /host/proc or a test's tree. All reads go through it; nothing here knows an absolute path.
 */
#ifndef MEMHIST_PROC_ROOT_H
#define MEMHIST_PROC_ROOT_H

#include "libmemhist/base/buf.h"
#include "libmemhist/base/err.h"
#include "libmemhist/model/process.h"

struct mh_root {
	int fd; /* O_PATH-less directory descriptor, O_CLOEXEC */
	char path[256];
};

/*
 * Open a procfs mount (or a tree that looks like one). It is checked for what makes it one:
 * meminfo and at least one numeric directory with a stat file. Returns 0, -ENOTDIR, -ENOENT,
 * -ENAMETOOLONG, or -ENODATA when it is a directory but no procfs; *err says which and where.
 */
int mh_root_open(struct mh_root *ret, const char *path, struct mh_err *err);
void mh_root_close(struct mh_root *root);

/*
 * Read the whole file `name` (relative, at most buf->max bytes; a longer one is cut) into `buf`,
 * replacing its content. Returns the number of bytes or -errno.
 */
int mh_root_read(const struct mh_root *root, const char *name, struct mh_buf *buf);

/* Whether this is the kernel's own procfs, no tree that looks like one. */
bool mh_root_is_procfs(const struct mh_root *root);
/* Open the file `name`. Returns a descriptor, the caller's, or -errno. */
int mh_root_open_file(const struct mh_root *root, const char *name);
/* Read a file from its beginning through a descriptor of it; otherwise as mh_root_read(). */
int mh_root_read_file(int fd, struct mh_buf *buf);

/* sys/kernel/random/boot_id. Returns 0 or -errno (-EBADMSG: not a UUID). */
int mh_root_boot_id(const struct mh_root *root, struct mh_boot_id *ret);

#endif
