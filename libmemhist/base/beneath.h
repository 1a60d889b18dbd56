/*
 * Opening what lies beneath a directory, and never anything else.
 *
 *     fd = mh_beneath_file(dir_fd, "LOCK", O_RDWR | O_CREAT, 0640);
 *
 * Whoever may write to a directory can put anything under a name there: a symbolic link to a file
 * of somebody else, a FIFO that nobody writes, a device that acts when it is opened. So a path is
 * taken from the descriptor of a directory, by openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS
 * and RESOLVE_NO_MAGICLINKS: no symbolic link is followed, first, last or in between, and no way
 * leads out.
 *
 * Kernels before 5.6 have no openat2(2), and sandboxes may forbid it (ENOSYS, EPERM). Then the path
 * is taken one component at a time, each by openat(2) with O_NOFOLLOW from the directory before.
 * What comes out is the same, since ".." is refused in either case; it merely takes more calls.
 */
#ifndef MEMHIST_BASE_BENEATH_H
#define MEMHIST_BASE_BENEATH_H

#include <sys/types.h>

/*
 * As openat(2), close-on-exec. Returns a descriptor or -errno: -ELOOP there is a symbolic link on
 * the way; -EXDEV the path is absolute or has a "..", -ENOENT also when it is empty.
 */
int mh_beneath_open(int dir_fd, const char *path, int flags, mode_t mode);

/*
 * The same for a regular file. What is something else is not even opened, and where it was
 * exchanged at the last moment, opening does not wait. -EINVAL: there is something, and it is no
 * regular file. The file does not block later either way.
 */
int mh_beneath_file(int dir_fd, const char *path, int flags, mode_t mode);

/*
 * An absolute path on which there is no symbolic link, such as mh_resolve() gives, as above.
 * -ELOOP: there is one nevertheless.
 */
int mh_straight_open(const char *path, int flags);

#endif
