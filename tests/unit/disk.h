/*
 * A disk that does what a test wants: fdatasync(2), fsync(2), fstatvfs(3) and unlinkat(2) of the
 * program under test come here before the kernel. Nothing is brought to any disk.
 */
#ifndef MEMHIST_TESTS_UNIT_DISK_H
#define MEMHIST_TESTS_UNIT_DISK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

extern struct disk {
	atomic_bool hangs;    /* calls wait until it is false again */
	atomic_int fails;     /* so many of the next calls fail with EIO */
	atomic_int dir_fails; /* the same, of those for directories */
	atomic_int calls;
	atomic_int waiting; /* threads that do */
	_Atomic ino_t last; /* the file of the last call … */
	atomic_int again;   /* … calls for a file that has failed before */
	/* the file system, of 1 TiB in blocks of 4 KiB and a million inodes; -1 = half of it */
	_Atomic int64_t free_bytes, free_files;
	atomic_int unlink_errno; /* what unlinkat(2) fails with; 0 = it does not */
} disk;

/* As new. */
void disk_reset(void);

/* Wait for a state, for a minute; fails the test after that. */
#define disk_until(state)                                                                       \
	do {                                                                                    \
		int left_ = 60 * 1000;                                                          \
		while (!(state) && left_--)                                                     \
			usleep(1000);                                                           \
		if (!(state))                                                                   \
			fail_msg("%s:%d: not within a minute: %s", __FILE__, __LINE__, #state); \
	} while (0)

#endif
