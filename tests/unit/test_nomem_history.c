/* A history on trial (trial.h) in a machine without memory: each allocation fails in turn. */
#include "tests/unit/nomem.h"
#include "tests/unit/trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct trial_trouble trouble = {
	nomem_pause,
	nomem_resume,
	nomem_failed,
	nomem_failed,
};

static void each_allocation_fails_in_turn(void **state)
{
	(void)state;
	for (nomem_begin(); nomem_next();)
		trial_run(&trouble, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
