/*
 * Writing a history: snapshots in, frames at the end of an open segment out. docs/FORMAT.md says
 * what the bytes mean.
 *
 * One writer per directory: the file LOCK says who (locked for the writer's life).
 * mh_writer_append() returns 0 when the frame was handed to the kernel in full: it survives the
 * death of the process from then on. When it is on the disk: with an upkeep, as upkeep.h says;
 * without, a segment when it is ended, and the open one after mh_writer_sync().
 *
 * A segment is closed and the next begun after an hour, 16 MiB, a step of the wall clock, another
 * boot, a changed set of fields or meminfo keys, and any write error. The writer never appends to a
 * file that an earlier run left, and never changes one.
 */
#ifndef MEMHIST_HISTORY_WRITER_H
#define MEMHIST_HISTORY_WRITER_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/places.h"
#include "libmemhist/history/upkeep/upkeep.h"
#include "libmemhist/model/snapshot.h"

struct mh_writer;

struct mh_writer_config {
	const char *dir; /* created with mode 0750 when missing; its parent must exist */
	const struct mh_places *places; /* where that may be, NULL = see base/places.h; the
					 * caller's, and lives as long as the writer */
	uint32_t interval_ms; /* how often snapshots are due, for the recognition of gaps */
	uint32_t page_bytes;  /* what a page is in these snapshots */
	uint32_t clk_tck;     /* clock ticks per second of start_ticks */
	const char *host;     /* name of the machine the snapshots are of */
	/*
	 * Who must not wait for a disk has an upkeep (upkeep.h); it is copied. NULL = none: then
	 * appending may wait, and nothing is ever deleted.
	 */
	const struct mh_upkeep_config *upkeep;
	/* 0 = the default in brackets */
	uint32_t key_every;    /* snapshots from keyframe to keyframe [60] */
	uint32_t key_every_ms; /* but at least one in this time [300,000] */
	uint32_t rotate_ms;    /* length of a segment [3,600,000] */
	uint64_t rotate_bytes; /* size of a segment [16 MiB] */
};

/*
 * Take the lock and look at what earlier runs left. Nothing is created but the directory and LOCK;
 * the segment comes with the first snapshot. Returns 0, -EBUSY (another writer lives; *err has its
 * pid), -EPERM, -ELOOP (a place that base/places.h refuses), -ENOTDIR, -EACCES, -ENOENT (no parent
 * directory), … with a sentence.
 */
int mh_writer_open(struct mh_writer **ret, const struct mh_writer_config *config,
		   struct mh_err *err);
/*
 * Sync, close, unlock. NULL is allowed. Returns 0 or -errno of the last sync; with an upkeep,
 * -ETIMEDOUT when the disk did not answer (see mh_upkeep_free()).
 */
int mh_writer_close(struct mh_writer *w);

/*
 * Append one snapshot. Snapshots come in order of boot time within a boot. Returns 0: written; or
 * -errno and a sentence: nothing of this snapshot is in the history, the next append tries again
 * with a new segment and records the gap. -ESTALE: the segment, LOCK or the directory was deleted;
 * the writer has made the directory anew where it could.
 */
int mh_writer_append(struct mh_writer *w, const struct mh_snapshot *s, struct mh_err *err);

/*
 * fdatasync(2) of the open segment, fsync(2) of the directory when files were created. With an
 * upkeep it is only asked to do so at once, and the answer is 0: see mh_writer_upkeep().
 */
int mh_writer_sync(struct mh_writer *w, struct mh_err *err);

struct mh_writer_stats {
	uint64_t snapshots;          /* appended by this writer */
	uint64_t process_samples;    /* processes in them */
	uint64_t bytes;              /* written by this writer */
	uint64_t segments;           /* begun by this writer */
	uint64_t errors;             /* failed appends */
	mh_ms_t last_wall_ms;        /* of the last snapshot appended, 0 = none */
	uint64_t recovered_segments; /* left by earlier runs with a torn tail */
	uint64_t torn_bytes;         /* in those tails: writes that a crash interrupted */
};

void mh_writer_stats(const struct mh_writer *w, struct mh_writer_stats *ret);
/* What the upkeep has to tell; false, and nothing, when there is none. */
bool mh_writer_upkeep(const struct mh_writer *w, struct mh_upkeep_status *ret);

#endif
