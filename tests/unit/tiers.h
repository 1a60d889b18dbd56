/*
 * Tests that each backend has to pass: one test function, run by one backend after the other. Its
 * state is the backend; where that cannot be had, the test is skipped.
 */
#ifndef MEMHIST_TESTS_UNIT_TIERS_H
#define MEMHIST_TESTS_UNIT_TIERS_H

#include "tests/unit/scene.h"

/* The entries of a test in the array of a group; `test` is a function of cmocka's kind. */
#define TIERS_TEST(test) \
	TIERS_ENTRY(test, "bpf", 0), TIERS_ENTRY(test, "bpf-seq", 1), TIERS_ENTRY(test, "procfs", 2)
#define TIERS_ENTRY(test, backend, tier)                          \
	(struct CMUnitTest)                                       \
	{                                                         \
		.name = #test " by " backend, .test_func = test,  \
		.initial_state = (void *)(uintptr_t)&tiers[tier], \
	}

extern const enum mh_scan_backend tiers[3];

/* The backend of this test. Skips the test where it cannot be had. */
enum mh_scan_backend tiers_of(void **state);
/* A scene of /proc by the backend of this test. Skips the test where it cannot be had. */
void tiers_open(struct scene *scene, void **state);

#endif
