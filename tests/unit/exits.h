/* Recording the exits of children, for tests of cmocka. One recorder at a time. */
#ifndef MEMHIST_TESTS_UNIT_EXITS_H
#define MEMHIST_TESTS_UNIT_EXITS_H

#include "libmemhist/proc/bpf_exits.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

enum { EXITS_SEEN_MAX = 1 << 16 };

/* What was drained since the last exits_load(), in order. */
extern struct mh_bpf_exit exits_seen[EXITS_SEEN_MAX];
extern uint32_t exits_n_seen;
/* The program that has learned for the one loaded last. */
extern struct mh_bpf_tasks *exits_tasks;

/* Whether nothing is to be run, which it says: a sanitizer's memory is larger than that of a test.
 */
static inline bool exits_are_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
	/* or the compiler finds the tests, which it knows are not run, without what they need */
	static const volatile bool sanitized = true;

	puts("1..0 # SKIP what processes take is what the sanitizer takes");
	return sanitized;
#else
	return false;
#endif
}

/* Whether the kernel tells of an end while the memory is there (>= 6.16); else VSZ is not known. */
bool exits_have_memory(void);

/* Load the program, and one that learns for it. NULL: not to be had. */
struct mh_bpf_exits *exits_load(uint32_t ring_bytes, struct mh_err *err);
/* With the ring's default size, or the test is skipped with the reason. */
struct mh_bpf_exits *exits_load_or_skip(void);
void exits_free(struct mh_bpf_exits *exits);

/* For mh_bpf_exits_drain(): appends to exits_seen. */
void exits_see(void *arg, const struct mh_bpf_exit *exit);
/* Drain; nothing may have been lost. */
void exits_drain(struct mh_bpf_exits *exits);
/* The record of this process, which may have one at most; NULL: none. */
const struct mh_bpf_exit *exits_record_of(pid_t pid);

/* A child that runs `life`, which does not return; it must end with status 0. */
pid_t exits_start(void (*life)(void));
void exits_await(pid_t pid);

#endif
