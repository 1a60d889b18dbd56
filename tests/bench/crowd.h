/*
 * A crowd of mostly idle processes to measure on: children that sleep, of which one in fifty moves
 * its memory up and down ten times a second, under the names of 300 programs. They die with the
 * process that started them.
 */
#ifndef MEMHIST_TESTS_BENCH_CROWD_H
#define MEMHIST_TESTS_BENCH_CROWD_H

#include <stdint.h>
#include <sys/types.h>

struct crowd {
	pid_t *pid;
	uint32_t n;
};

/* Start n processes. Returns 0 or -errno; those that were started are in `ret` also then. */
int crowd_start(struct crowd *ret, uint32_t n);
void crowd_end(struct crowd *crowd);

#endif
