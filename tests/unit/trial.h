/*
 * A history on trial: opened, written, synced, closed, sealed, merged and read while something
 * fails once, or a few times in a row (badio.h, nomem.h). Whatever it is, wherever it happens:
 *   - who fails says so, with a sentence;
 *   - what was acknowledged is there in the end, nothing else is, and nothing is damaged;
 *   - as soon as it no longer fails, everything works again: writing with the next snapshot.
 * Failures fail the running cmocka test.
 */
#ifndef MEMHIST_TESTS_UNIT_TRIAL_H
#define MEMHIST_TESTS_UNIT_TRIAL_H

#include <stdbool.h>

/* What fails, as badio.h and nomem.h have it. */
struct trial_trouble {
	void (*pause)(void);
	void (*resume)(void);
	bool (*has_failed)(void);
	bool (*is_over)(void);
};

/* Of one turn. `has_upkeep`: with a thread that syncs. */
void trial_run(const struct trial_trouble *trouble, bool has_upkeep);

#endif
