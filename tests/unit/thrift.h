/*
 * How sparing a test of many like steps has to be: 1, or 4 where each takes fifty times as long and
 * a quarter of them shows as much. That is said by TEST_THRIFT, as `make check-valgrind` does.
 *
 *     for (size_t cut = 1; cut < len; cut += thrift())
 */
#ifndef MEMHIST_TESTS_UNIT_THRIFT_H
#define MEMHIST_TESTS_UNIT_THRIFT_H

#include <stdlib.h>

static inline unsigned thrift(void)
{
	return getenv("TEST_THRIFT") ? 4 : 1;
}

/*
 * The same for children by the thousand: with AddressSanitizer fork(2) copies the page tables of
 * all shadow memory, which takes milliseconds.
 */
static inline unsigned thrift_of_forks(void)
{
#ifdef __SANITIZE_ADDRESS__
	return 4;
#else
	return 1;
#endif
}

#endif
