/* Writing all of it, where write(2) may stop half-way. */
#ifndef MEMHIST_BASE_WRITEALL_H
#define MEMHIST_BASE_WRITEALL_H

#include <sys/uio.h>

/*
 * Hand n buffers to the kernel, in one call; when that falls short, as it does for lack of space
 * and for a limit on the size of files, the rest by another, to learn why. `iov` is used up.
 * Returns 0 or -errno, when some of it may be there.
 */
int mh_write_all(int fd, struct iovec *iov, int n);

#endif
