/*
 * A disk that fails now and then: system calls of the program under test go through here (by the
 * linker's --wrap), and some of them can be made to fail.
 *
 *     for (badio_begin(BADIO_WRITE | BADIO_SYNC, EIO, 1); badio_next();) {
 *             rc = …;                // in each turn another of these calls fails
 *             assert_true(badio_failed() ? rc == -EIO : rc == 0);
 *     }
 *
 * Nothing is brought to any disk, so that a thousand turns take no time. Any thread may call.
 */
#ifndef MEMHIST_TESTS_UNIT_BADIO_H
#define MEMHIST_TESTS_UNIT_BADIO_H

#include <stdbool.h>

enum badio_call {
	BADIO_WRITE = 1, /* write, writev */
	BADIO_READ = 2,  /* pread */
	BADIO_OPEN = 4,  /* openat, openat2 */
	BADIO_SYNC = 8,  /* fsync, fdatasync */
	BADIO_NAME = 16, /* renameat, unlinkat */
	BADIO_CUT = 32,  /* ftruncate */
};

enum {
	BADIO_SHORT = -1, /* in the place of an error: half of the bytes are written or read */
};

/* `calls` of them in a row fail, with this errno or BADIO_SHORT. */
void badio_begin(unsigned kinds, int how, unsigned calls);
/* Another turn, in which the failing begins one call later; false after a turn without. */
bool badio_next(void);
/* Whether a call has failed in this turn. */
bool badio_failed(void);
/* Whether those that shall fail have. */
bool badio_is_over(void);
/* Nothing fails and nothing is counted, until it is resumed or the next turn. */
void badio_pause(void);
void badio_resume(void);

#endif
