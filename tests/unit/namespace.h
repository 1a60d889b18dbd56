/*
 * Running a check as the first process of a pid namespace of its own, with its own /proc: nobody
 * else is there, and pids can be chosen. Needs root, or user namespaces.
 */
#ifndef MEMHIST_TESTS_UNIT_NAMESPACE_H
#define MEMHIST_TESTS_UNIT_NAMESPACE_H

#include <sys/types.h>

enum { NAMESPACE_TEXT = 600 };

enum namespace_result {
	NAMESPACE_GOOD,
	NAMESPACE_BAD,    /* the check failed; text says how */
	NAMESPACE_CANNOT, /* it did not run; text says why */
};

/*
 * Runs `check` in there. It returns 0, or non-zero and writes a sentence: a process of its own, it
 * must not use cmocka's assertions.
 */
enum namespace_result namespace_run(int (*check)(char text[NAMESPACE_TEXT]),
				    char ret_text[NAMESPACE_TEXT]);

/* The same, for a test of cmocka that has no more to do: it fails or is skipped by the result. */
void namespace_must(int (*check)(char text[NAMESPACE_TEXT]));

/* fork(2), in such a namespace, with the pid `wanted`; -1 and errno when it is not to be had. */
pid_t namespace_fork(pid_t wanted);

#endif
