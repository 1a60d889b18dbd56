/* Documents with a mistake anywhere. */
#ifndef MEMHIST_TESTS_UNIT_MUTATIONS_H
#define MEMHIST_TESTS_UNIT_MUTATIONS_H

#include "libmemhist/base/err.h"

#include <stddef.h>

/* Parses `bytes` and frees what came of it. Returns 0, or -errno and a sentence. */
typedef int mutations_parse_fn(const char *bytes, size_t len, struct mh_err *err);

/*
 * Give it `good`, which has to be, and then this cut anywhere, and with any byte exchanged for a
 * strange one: each has an answer, which says the line when it is no, and nothing crashes.
 */
void mutations_are_answered(const char *good, mutations_parse_fn *parse);

#endif
