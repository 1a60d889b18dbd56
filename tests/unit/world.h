/*
 * A made-up machine for tests: processes are born, change, get new names, die and leave their pids
 * to others, by a seeded random generator, so that every run meets the same life.
 */
#ifndef MEMHIST_TESTS_UNIT_WORLD_H
#define MEMHIST_TESTS_UNIT_WORLD_H

#include "libmemhist/base/buf.h"
#include "libmemhist/model/table.h"

struct world {
	uint64_t random; /* state of the generator */
	struct mh_table *table;
	struct mh_meminfo meminfo;
	struct mh_instant now;
	uint32_t max_pid; /* pids are 1 … this, so that they are reused */
	uint32_t target;  /* about so many are alive */
	mh_ms_t interval_ms;
	mh_fields_t lagging; /* as the snapshots have it */
	bool has_marks;      /* the high-water mark of who lives is known, as a kernel's: not 0 */
};

void world_init(struct world *w, uint64_t seed);
void world_done(struct world *w);
/* A number in 0 … n-1. */
uint32_t world_random(struct world *w, uint32_t n);
/* One step of life and its snapshot, valid until the next. */
const struct mh_snapshot *world_step(struct world *w);

/* Everything a snapshot says, as text in order of pid: two are equal when their texts are. */
void describe(struct mh_buf *out, const struct mh_snapshot *s);

/* Follows snapshots by their lists alone (gone, born, renamed, changed), to prove that the lists
 * say all: after each step the text must equal that of describe(). */
struct shadow {
	struct mh_process *process; /* by slot; strings owned */
	struct mh_strpool pool;
	uint32_t cap;
};

void shadow_done(struct shadow *sh);
void shadow_follow(struct shadow *sh, const struct mh_snapshot *s);
void shadow_describe(struct mh_buf *out, const struct shadow *sh, const struct mh_snapshot *s);

/* A new empty folder below the system's temporary one; a static text, removed by the caller. */
const char *temp_dir(void);
/* From now on these are in memory, if there is such a file system: where no disk is waited for. */
void temp_in_memory(bool is_wanted);
void remove_dir(const char *path);

#endif
