/*
 * A snapshot: all live processes and meminfo at one instant, and what changed since the snapshot
 * before. Everything that computes (groups, candles, history, exposition) takes snapshots and does
 * not know where they come from: a live scan, a followed history, an imported file.
 *
 * Snapshots are views into a process table (table.h) and are valid until its next change.
 *
 * Processes live in slots. A process keeps its slot for life; a slot freed by one that ended may
 * be given to another later, even in the same snapshot: look at `gone` before `born`. Consumers
 * that keep something per process keep an array by slot.
 */
#ifndef MEMHIST_MODEL_SNAPSHOT_H
#define MEMHIST_MODEL_SNAPSHOT_H

#include "libmemhist/base/timespec.h"
#include "libmemhist/model/meminfo.h"
#include "libmemhist/model/process.h"

/* Why snapshots are missing between the one before and this one. */
enum mh_gap_kind {
	MH_GAP_NONE = 0,
	MH_GAP_STOPPED = 1,     /* nobody was recording */
	MH_GAP_SUSPENDED = 2,   /* the machine slept */
	MH_GAP_LATE = 3,        /* due snapshots were not taken (load, a blocked daemon) */
	MH_GAP_WRITE_ERROR = 4, /* taken, but not written: disk full, I/O error */
	MH_GAP_CLOCK_STEP = 5,  /* nothing missing: the wall clock was set */
	MH_GAP_REBOOT = 6,      /* another boot: no process continues */
	MH_GAP_DAMAGE = 7,      /* frames unreadable; found by the reader, never written */
	MH_GAP_MISSING = 8,     /* recorded once, but the segment is gone; found by the reader */
};

struct mh_gap {
	enum mh_gap_kind kind;
	mh_ms_t since_wall_ms; /* last snapshot before the gap */
};

/* "stopped", "suspended", …; "unknown" for a kind from the future. */
const char *mh_gap_name(enum mh_gap_kind kind);

struct mh_gone {
	uint32_t slot; /* where it was */
	/* As last seen; but the high-water marks are its last ones, where its end was seen too. */
	struct mh_process process;
};

enum { MH_BRIEF_MAX = 65536 }; /* of one snapshot */

/*
 * What stands for a slot where one is asked for and the process is the i-th of `brief`, which has
 * none: a number no slot has.
 */
#define MH_BRIEF_SLOT(i) (MH_PROCESSES_MAX + (uint32_t)(i))

struct mh_snapshot {
	struct mh_instant at;
	struct mh_boot_id boot_id;
	mh_fields_t fields;  /* which values were measured: missing is missing, never 0 */
	mh_fields_t lagging; /* those that may be as old as the last change of the process */
	bool first;          /* no snapshot before: all live processes are listed as born */
	bool partial;        /* some processes could not be read; absence proves nothing */
	uint32_t collect_us; /* how long the scan took */

	const struct mh_process *process; /* n_slots of them; pid 0 = free slot */
	uint32_t n_slots;
	uint32_t n_live;

	const struct mh_gone *gone; /* ended since the snapshot before, n_gone of them */
	uint32_t n_gone;
	/*
	 * Began and ended since the snapshot before, n_brief of them, in order. No listing shows
	 * them: they are known where the kernel reports exits. Of their values only the high-water
	 * marks mean something; 0: not known. They have no slot and are in no other list.
	 */
	const struct mh_process *brief;
	uint32_t n_brief;
	const uint32_t *born; /* slots of new processes */
	uint32_t n_born;
	const uint32_t *renamed; /* slots whose comm, command line, ppid or uid changed */
	uint32_t n_renamed;
	const uint32_t *changed; /* slots with a changed value; new processes not repeated */
	uint32_t n_changed;

	const struct mh_meminfo *meminfo; /* NULL: not read */
	struct mh_gap gap;
};

/* Visit each live process: `for (slot…)` with free slots left out. */
#define mh_snapshot_for_each(snapshot, slot)                        \
	for (uint32_t slot = 0; slot < (snapshot)->n_slots; slot++) \
		if ((snapshot)->process[slot].id.pid)

#endif
