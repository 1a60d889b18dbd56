/*
 * A history on a disk that fails: every call of write, read, open, sync, rename, unlink and
 * truncate in turn, with every error that people meet, once and a few times in a row (trial.h).
 */
#include "tests/unit/badio.h"
#include "tests/unit/trial.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct trial_trouble trouble = {
	badio_pause,
	badio_resume,
	badio_failed,
	badio_is_over,
};

static void try_all(unsigned kinds, int how, unsigned calls)
{
	for (badio_begin(kinds, how, calls); badio_next();)
		trial_run(&trouble, false);
}

static void it_cannot_be_written(void **state)
{
	(void)state;
	try_all(BADIO_WRITE, ENOSPC, 1);
	try_all(BADIO_WRITE, EIO, 3);
	try_all(BADIO_WRITE, EFBIG, 1);
	try_all(BADIO_WRITE, EINTR, 1);
}

static void half_of_it_is_written(void **state)
{
	(void)state;
	try_all(BADIO_WRITE, BADIO_SHORT, 1);
	try_all(BADIO_WRITE, BADIO_SHORT, 4);
}

static void it_cannot_be_cut_back_either(void **state)
{
	(void)state;
	try_all(BADIO_WRITE | BADIO_CUT | BADIO_NAME, EIO, 4);
}

static void it_cannot_be_brought_to_the_disk(void **state)
{
	(void)state;
	try_all(BADIO_SYNC, EIO, 1);
	try_all(BADIO_SYNC, ENOSPC, 2);
}

static void it_cannot_be_opened(void **state)
{
	(void)state;
	try_all(BADIO_OPEN, EMFILE, 1);
	try_all(BADIO_OPEN, EROFS, 3);
	try_all(BADIO_OPEN, EACCES, 1);
}

static void it_cannot_be_named(void **state)
{
	(void)state;
	try_all(BADIO_NAME, EROFS, 1);
	try_all(BADIO_NAME, EIO, 2);
}

static void it_cannot_be_read(void **state)
{
	(void)state;
	try_all(BADIO_READ, EIO, 1);
	try_all(BADIO_READ, EINTR, 2);
	try_all(BADIO_READ, BADIO_SHORT, 2);
}

static void another_thread_meets_it(void **state)
{
	const unsigned kinds = BADIO_WRITE | BADIO_OPEN | BADIO_SYNC | BADIO_NAME | BADIO_CUT;

	(void)state;
	for (badio_begin(kinds, EIO, 1); badio_next();)
		trial_run(&trouble, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_cannot_be_written),
		cmocka_unit_test(half_of_it_is_written),
		cmocka_unit_test(it_cannot_be_cut_back_either),
		cmocka_unit_test(it_cannot_be_brought_to_the_disk),
		cmocka_unit_test(it_cannot_be_opened),
		cmocka_unit_test(it_cannot_be_named),
		cmocka_unit_test(it_cannot_be_read),
		cmocka_unit_test(another_thread_meets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
