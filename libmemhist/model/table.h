/*
 * The process table: who is alive, under which names, with which values. It turns "this is what I
 * see now", said by a scanner, a history reader or an importer, into snapshots with births, exits,
 * renames and changes.
 *
 * One round, between _begin and _end, makes one snapshot:
 *
 *     mh_table_begin(t, at);
 *     for (each process that was read) {
 *             struct mh_process *p = mh_table_find(t, pid);
 *             if (!p)
 *                     rc = mh_table_add(t, &id, &p);
 *             mh_table_set(t, p, values);
 *             mh_table_rename(t, p, &names);        // when they were read
 *             mh_table_keep(t, p);
 *     }
 *     mh_table_drop_unkept(t);                      // full listing: the others have ended
 *     snapshot = mh_table_end(t);
 *
 * A source that is told about exits (history deltas) calls mh_table_remove() instead of keeping.
 *
 * Owns all processes, their command lines and the lists that snapshots point to. Allocates for
 * births and renames only; lists and slots keep their memory. Not thread-safe: one owner.
 */
#ifndef MEMHIST_MODEL_TABLE_H
#define MEMHIST_MODEL_TABLE_H

#include "libmemhist/model/names.h"
#include "libmemhist/model/snapshot.h"

struct mh_table;

/*
 * A table for at most `max_processes` live at once (0 = MH_PROCESSES_MAX). Returns -ENOMEM.
 */
int mh_table_new(struct mh_table **ret, uint32_t max_processes);
void mh_table_free(struct mh_table *t);

/*
 * Begin a round: the lists of the snapshot before become invalid. Beginning again without _end in
 * between continues the round with a new listing: nobody is kept yet, but births, exits and changes
 * noted so far stay, so that a source that failed half-way, or that passes over snapshots nobody
 * wants, loses nothing.
 */
void mh_table_begin(struct mh_table *t, struct mh_instant at);

/*
 * Say which boot the following processes belong to. When it is another than before, everybody not
 * kept in this round has ended, and nobody born after has a twin among them. Call it first thing
 * after _begin.
 */
void mh_table_set_boot(struct mh_table *t, const struct mh_boot_id *boot_id);

/* The live process with this pid, or NULL. */
struct mh_process *mh_table_find(const struct mh_table *t, uint32_t pid);
/* The process in this slot, or NULL when it is free. */
struct mh_process *mh_table_at(const struct mh_table *t, uint32_t slot);
/* How many are alive. */
uint32_t mh_table_live(const struct mh_table *t);
uint32_t mh_table_slot(const struct mh_table *t, const struct mh_process *p);

/*
 * Add a process that was not there. Its pid must be free (remove the predecessor first). A twin of
 * 0 is raised when the pid's last owner, removed in this same round, had the same start time.
 * Pointers to processes become invalid. Returns -ENOMEM, -EOVERFLOW (cap), -EINVAL (pid out of
 * range), -EEXIST (pid is alive).
 */
int mh_table_add(struct mh_table *t, const struct mh_identity *id, struct mh_process **ret);

/* The process has ended: it moves to the snapshot's `gone`, if a snapshot ever showed it. */
void mh_table_remove(struct mh_table *t, struct mh_process *p);

/*
 * Add a process that began and ended since the snapshot before. When one with its pid is alive in
 * the table, that one ended before it did and must be removed in this round too. Of the values only
 * the marks count. A twin of 0 is raised as in _add. Returns 0, -ENOMEM, -EOVERFLOW (MH_BRIEF_MAX
 * in this round), -EINVAL (pid out of range).
 */
int mh_table_add_brief(struct mh_table *t, const struct mh_identity *id,
		       const struct mh_names *names, const uint64_t value[MH_FIELD_COUNT]);
/* Forget those added in this round, for a source that passes over snapshots nobody wants. */
void mh_table_drop_brief(struct mh_table *t);

/* Values in pages, all fields; those that differ make the process `changed`. */
void mh_table_set(struct mh_table *t, struct mh_process *p, const uint64_t value[MH_FIELD_COUNT]);
/* One value that is stored; those that follow from it follow. */
void mh_table_set_one(struct mh_table *t, struct mh_process *p, int field, uint64_t value);

/* Names as read now; `renamed` when one differs. Returns 1 renamed, 0 same, -ENOMEM. */
int mh_table_rename(struct mh_table *t, struct mh_process *p, const struct mh_names *names);

/* Seen in this round. */
void mh_table_keep(struct mh_table *t, struct mh_process *p);
bool mh_table_is_kept(const struct mh_table *t, const struct mh_process *p);
/* End everybody not kept in this round. */
void mh_table_drop_unkept(struct mh_table *t);

/* Facts of the round that the table cannot know by itself. */
struct mh_round {
	mh_fields_t fields;
	mh_fields_t lagging;
	bool partial;
	uint32_t collect_us;
	const struct mh_meminfo *meminfo; /* kept by the caller while the snapshot is used */
	struct mh_gap gap;
};

/* Close the round. The snapshot is the table's and valid until the next _begin. */
const struct mh_snapshot *mh_table_end(struct mh_table *t, const struct mh_round *round);

#endif
