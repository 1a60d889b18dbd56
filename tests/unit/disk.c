/* The disk of a test. Its functions are found before libc's, since they are in the program. */
#include "tests/unit/disk.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FAILED_MAX = 64 };

struct disk disk = {.free_bytes = -1, .free_files = -1};

static ino_t failed[FAILED_MAX]; /* of one thread at a time, as syncs are */
static unsigned n_failed;

void disk_reset(void)
{
	disk.hangs = false;
	disk.fails = disk.dir_fails = disk.calls = disk.waiting = disk.again = 0;
	disk.last = 0;
	disk.free_bytes = disk.free_files = -1;
	disk.unlink_errno = 0;
	n_failed = 0;
}

static int take(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -1;
	disk.calls++;
	disk.last = st.st_ino;
	disk.waiting++;
	while (disk.hangs)
		usleep(1000);
	disk.waiting--;
	for (unsigned i = 0; i < n_failed; i++)
		disk.again += failed[i] == st.st_ino;
	if (S_ISDIR(st.st_mode) && disk.dir_fails)
		disk.dir_fails--;
	else if (disk.fails)
		disk.fails--;
	else
		return 0;
	if (n_failed < FAILED_MAX && S_ISREG(st.st_mode))
		failed[n_failed++] = st.st_ino;
	errno = EIO;
	return -1;
}

int fdatasync(int fd)
{
	return take(fd);
}

int fsync(int fd)
{
	return take(fd);
}

int fstatvfs(int fd, struct statvfs *ret)
{
	enum { BLOCK = 4096, MILLION = 1000000 };
	const int64_t TIB = INT64_C(1) << 40;
	int (*real)(int, struct statvfs *) = (int (*)(int, struct statvfs *))dlsym(RTLD_NEXT,
										   "fstatvfs");

	if (real(fd, ret))
		return -1;
	ret->f_frsize = BLOCK;
	ret->f_blocks = (fsblkcnt_t)(TIB / BLOCK);
	ret->f_bavail = (fsblkcnt_t)((disk.free_bytes >= 0 ? disk.free_bytes : TIB / 2) / BLOCK);
	ret->f_files = MILLION;
	ret->f_favail = (fsfilcnt_t)(disk.free_files >= 0 ? disk.free_files : MILLION / 2);
	return 0;
}

int unlinkat(int dir_fd, const char *name, int flags)
{
	if (!disk.unlink_errno)
		return (int)syscall(SYS_unlinkat, dir_fd, name, flags);
	errno = disk.unlink_errno;
	return -1;
}
