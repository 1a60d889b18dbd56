/*
 * Snapshots written by hand, for tests that tell a story:
 *
 *     rounds_begin(&r);
 *     rounds_process(&r, 7, 100, "bash", "bash -l", 50);      // pid, start, comm, command, RSS
 *     s = rounds_end(&r);                                     // whoever was not named has ended
 *
 * Any failure of the table ends the program.
 */
#ifndef MEMHIST_TESTS_UNIT_ROUNDS_H
#define MEMHIST_TESTS_UNIT_ROUNDS_H

#include "libmemhist/model/table.h"

struct rounds {
	struct mh_table *table;
	struct mh_instant now; /* rounds_begin() adds a second */
	struct mh_boot_id boot_id;
};

void rounds_init(struct rounds *r);
void rounds_done(struct rounds *r);
void rounds_begin(struct rounds *r);
/* A process that is alive in this round; another start time than before makes it another process.
 * NULL as command: it has none. VSZ is twice the RSS. */
void rounds_process(struct rounds *r, uint32_t pid, uint64_t start_ticks, const char *comm,
		    const char *command, uint64_t rss_pages);
/* The same with all its names. */
void rounds_named(struct rounds *r, uint32_t pid, uint64_t start_ticks,
		  const struct mh_names *names, uint64_t rss_pages);
const struct mh_snapshot *rounds_end(struct rounds *r);

#endif
