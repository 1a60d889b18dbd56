/*
 * A machine without memory: allocations of the program under test go through here (by the
 * linker's --wrap) and one of them can be made to fail.
 *
 *     for (nomem_begin(); nomem_next();) {
 *             rc = …;                          // in each turn another allocation fails
 *             assert_true(nomem_failed() ? rc == -ENOMEM : rc == 0);
 *     }
 *
 * Allocations of shared libraries are not counted.
 */
#ifndef MEMHIST_TESTS_UNIT_NOMEM_H
#define MEMHIST_TESTS_UNIT_NOMEM_H

#include <stdbool.h>
#include <stddef.h>

void nomem_begin(void);
/* Another turn, in which one allocation later than before fails; false after a turn without. */
bool nomem_next(void);
/* Whether the allocation chosen for this turn has been asked for. */
bool nomem_failed(void);
/* Nothing fails and nothing is counted, until it is resumed or the next turn. */
void nomem_pause(void);
void nomem_resume(void);
/* A turn in which nothing fails, to see what is asked for. */
void nomem_watch(void);
/* Allocations since the turn began, and the bytes of the largest. */
unsigned nomem_count(void);
size_t nomem_largest(void);

#endif
