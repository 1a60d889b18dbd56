/* A disk that fails now and then. */
#include "tests/unit/badio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned kinds, calls;
static int how;
static unsigned chosen;
static atomic_uint count, failures;
static atomic_bool paused;

void badio_begin(unsigned wanted_kinds, int wanted_how, unsigned wanted_calls)
{
	kinds = wanted_kinds;
	how = wanted_how;
	calls = wanted_calls;
	chosen = 0;
	failures = 1;
}

bool badio_next(void)
{
	bool more = failures != 0;

	chosen++;
	count = failures = 0;
	paused = !more;
	return more;
}

bool badio_failed(void)
{
	return failures != 0;
}

bool badio_is_over(void)
{
	return failures >= calls;
}

void badio_pause(void)
{
	paused = true;
}

void badio_resume(void)
{
	paused = false;
}

/* Whether this call fails; errno says how, or BADIO_SHORT. */
static bool fails(enum badio_call kind)
{
	unsigned n;

	if (paused || !(kinds & kind))
		return false;
	n = ++count;
	if (n < chosen || n >= chosen + calls)
		return false;
	failures++;
	errno = how;
	return true;
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __real_writev(int fd, const struct iovec *part, int n);
ssize_t __real_pread(int fd, void *to, size_t len, off_t at);
int __real_openat(int dir_fd, const char *path, int flags, ...);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int dir_fd, const char *path, int flags);
int __real_ftruncate(int fd, off_t size);
long __real_syscall(long number, ...);

ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_writev(int fd, const struct iovec *part, int n);
ssize_t __wrap_pread(int fd, void *to, size_t len, off_t at);
int __wrap_openat(int dir_fd, const char *path, int flags, ...);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_unlinkat(int dir_fd, const char *path, int flags);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
long __wrap_syscall(long number, ...);

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
	if (!fails(BADIO_WRITE))
		return __real_write(fd, bytes, len);
	return how == BADIO_SHORT ? __real_write(fd, bytes, len / 2) : -1;
}

ssize_t __wrap_writev(int fd, const struct iovec *part, int n)
{
	size_t len = 0;

	if (!fails(BADIO_WRITE))
		return __real_writev(fd, part, n);
	if (how != BADIO_SHORT)
		return -1;
	for (int i = 0; i < n; i++)
		len += part[i].iov_len;
	/* half of it, as long as the first part is that long */
	len /= 2;
	return __real_write(fd, part[0].iov_base, len < part[0].iov_len ? len : part[0].iov_len);
}

ssize_t __wrap_pread(int fd, void *to, size_t len, off_t at)
{
	if (!fails(BADIO_READ))
		return __real_pread(fd, to, len, at);
	return how == BADIO_SHORT ? __real_pread(fd, to, (len + 1) / 2, at) : -1;
}

int __wrap_openat(int dir_fd, const char *path, int flags, ...)
{
	va_list list;
	mode_t mode;

	va_start(list, flags);
	mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
	va_end(list);
	return fails(BADIO_OPEN) ? -1 : __real_openat(dir_fd, path, flags, mode);
}

long __wrap_syscall(long number, ...)
{
	long argument[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_openat2 && fails(BADIO_OPEN))
		return -1;
	return __real_syscall(number, argument[0], argument[1], argument[2], argument[3],
			      argument[4], argument[5]);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return fails(BADIO_NAME) ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __wrap_unlinkat(int dir_fd, const char *path, int flags)
{
	return fails(BADIO_NAME) ? -1 : __real_unlinkat(dir_fd, path, flags);
}

int __wrap_ftruncate(int fd, off_t size)
{
	return fails(BADIO_CUT) ? -1 : __real_ftruncate(fd, size);
}

int __wrap_fsync(int fd)
{
	(void)fd;
	return fails(BADIO_SYNC) ? -1 : 0;
}

int __wrap_fdatasync(int fd)
{
	return __wrap_fsync(fd);
}
