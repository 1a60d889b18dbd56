/* The disk of a test. The two functions below are found before libc's, since they are in the
 * program. */
#include "tests/unit/disk.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FAILED_MAX = 64 };

struct disk disk;

static ino_t failed[FAILED_MAX]; /* of one thread at a time, as syncs are */
static unsigned n_failed;

void disk_reset(void)
{
	disk.hangs = false;
	disk.fails = disk.calls = disk.waiting = disk.again = 0;
	disk.last = 0;
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
	if (!disk.fails)
		return 0;
	disk.fails--;
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
