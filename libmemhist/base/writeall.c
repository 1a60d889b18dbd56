#include "libmemhist/base/writeall.h"

#include <errno.h>

int mh_write_all(int fd, struct iovec *iov, int n)
{
	int at = 0;

	while (at < n && !iov[at].iov_len)
		at++;
	while (at < n) {
		ssize_t done = writev(fd, iov + at, n - at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -ENOSPC;
		while (at < n && (size_t)done >= iov[at].iov_len)
			done -= (ssize_t)iov[at++].iov_len;
		if (at < n) {
			iov[at].iov_base = (char *)iov[at].iov_base + done;
			iov[at].iov_len -= (size_t)done;
		}
	}
	return 0;
}
