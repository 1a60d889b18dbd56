/* Samples of processes that end, for tests of cmocka: one sampler, and who is where in its last
 * one. */
#ifndef MEMHIST_TESTS_UNIT_ENDS_H
#define MEMHIST_TESTS_UNIT_ENDS_H

#include "libmemhist/sampler.h"

#include <sys/types.h>

extern struct mh_sampler *ends_sampler;
extern const struct mh_snapshot *ends_snapshot;

/* Skips the test when this backend cannot be had, or is told of no exits. */
void ends_begin(enum mh_scan_backend backend);
struct mh_scan_stats ends_end(void);
void ends_tick(void);

/* Where a pid is in the snapshot; it is in one of these lists at most. NULL: not there. */
const struct mh_process *ends_brief(pid_t pid);
const struct mh_process *ends_gone(pid_t pid);
const struct mh_process *ends_listed(pid_t pid);

/* A test of each tier, from one that takes the backend. */
#define OF_TIERS(check)                              \
	static void check##_by_bpf(void **state)     \
	{                                            \
		(void)state;                         \
		check(MH_SCAN_BPF);                  \
	}                                            \
	static void check##_by_bpf_seq(void **state) \
	{                                            \
		(void)state;                         \
		check(MH_SCAN_BPF_SEQ);              \
	}

#endif
