/*
 * The procfs scanner: everything that BPF programs tell, at the least number of system calls.
 *
 * What a pass costs per process is one reading of statm: a pread(2) where its descriptor is kept
 * open, open-read-close for the others. Everything else is read of new processes, and when it can
 * have changed (revisit.h).
 *
 * Where status is read, all values are taken from it: they belong to one instant. Where it is not,
 * RSS and VSZ are what they were then. So RSS and VSZ are exact in every pass; what can change
 * while they do not (threads, locked, swap, the marks, what RSS consists of) is late by up to
 * MH_STATUS_EVERY passes: these fields lag.
 *
 * Processes that share their memory are not told by procfs. A child that uses its parent's (vfork)
 * is asked for, see pidstatus.h; of others that do (CLONE_VM) each has it here, while BPF gives it
 * to its owner alone.
 *
 * Identity. A pid may be given to another process between two passes, and even between two system
 * calls of one pass; no value may ever be booked on the wrong one. What tells them apart:
 *   I1  A descriptor of statm stays with the process it was opened for: reading it fails with ESRCH
 *       once that process is reaped, also when its pid lives again. It survives exec.
 *   I2  A new process has new inode numbers under /proc/PID. (The reverse does not hold: the kernel
 *       may drop an inode under memory pressure and number it anew.)
 *   I3  Files read by name, while a descriptor of statm is open that can still be read afterwards,
 *       belong to the process of that descriptor.
 * So statm of a known process counts when read through a kept descriptor (I1) or when its inode
 * number is the known one (I2); else stat is read and the start times are compared (I3). Equal
 * start times are the same process, unless it was last seen within the very tick in which it
 * started: only then can a successor have the same, and a doubt makes it another process.
 * A command line is read by another thread, since it may not answer (cmdlines.h); it is taken when
 * one of these shows after that that the process is the same.
 * Nothing of this holds in a directory that is no procfs (a recorded tree): there nothing is kept
 * open and stat is read for everybody in each pass.
 *
 * Invariants between passes: states[slot].pid is 0 or the pid of a process that the last pass met;
 * fd >= 0 in those states only, pins.n of them in all. The steady state allocates nothing.
 */
#include "libmemhist/proc/scan_backend.h"

#include "libmemhist/proc/hold.h"
#include "libmemhist/proc/pidstatus.h"
#include "libmemhist/proc/revisit.h"
#include "libmemhist/proc/slots.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

struct procfs_scan {
	struct mh_scan base;
	const struct mh_root *root;
	bool kernel_threads;
	bool is_procfs;
	bool reads_all; /* status of everybody in each pass: no field lags */
	struct mh_pins pins;
	uint64_t page_bytes;
	uint64_t tick_ns;

	struct mh_table *table; /* of this pass */
	uint32_t pass;
	uint64_t pass_tick; /* clock ticks after boot when this pass began */
	bool want_fds;      /* this pass ran out of descriptors */
	struct mh_listing listing;
	struct mh_slots states; /* struct mh_known by slot */

	char stat[MH_STAT_TEXT_MAX];
	struct mh_pidstatus now;     /* of the process being looked at */
	struct mh_cmdlines cmdlines; /* wanted in this pass */
};

/* --- one process ------------------------------------------------------------------------------ */

static void forget(struct procfs_scan *scan, struct mh_known *st)
{
	mh_pins_drop(&scan->pins, &st->fd);
	st->pid = 0;
}

/* What is remembered of a live process, or NULL: nothing. */
static struct mh_known *known(const struct procfs_scan *scan, const struct mh_process *p)
{
	struct mh_known *st = p ? mh_slots_at(&scan->states, mh_table_slot(scan->table, p)) : NULL;

	return st && st->pid == p->id.pid ? st : NULL;
}

static void end_process(struct procfs_scan *scan, struct mh_process *p)
{
	struct mh_known *st = known(scan, p);

	if (st)
		forget(scan, st);
	mh_table_remove(scan->table, p);
}

/* Whether it is certainly the known process that is held: by I1 or by I2. */
static bool is_same(const struct procfs_scan *scan, const struct mh_known *st,
		    const struct mh_hold *hold)
{
	return hold->kept || (st && scan->is_procfs && st->statm_inode == hold->inode);
}

/* Let go; keep the descriptor for the passes to come when there is room. */
static void release_hold(struct procfs_scan *scan, struct mh_known *st, struct mh_hold *hold)
{
	int kept = mh_hold_release(hold, st ? &scan->pins : NULL);

	if (st)
		st->fd = kept;
}

/* What stat and status say of the names of a process; p is NULL when it is new. */
static void get_names(const struct procfs_scan *scan, const struct mh_process *p,
		      const struct mh_stat *stat, struct mh_names *ret)
{
	*ret = (struct mh_names){0};
	if (p)
		mh_names_of(p, ret);
	ret->ppid = stat->ppid;
	ret->uid = scan->now.status.uid;
	ret->comm = stat->comm;
	ret->comm_len = mh_stat_comm_len(stat);
	if (ret->comm_len > MH_COMM_MAX)
		ret->comm_len = MH_COMM_MAX;
}

/* The process was read in this pass. */
static void set_met(struct procfs_scan *scan, struct mh_process *p, struct mh_known *st)
{
	mh_table_keep(scan->table, p);
	scan->base.stats.processes++;
	st->pass = scan->pass;
	st->young = p->id.start_ticks >= scan->pass_tick;
}

/* Remember what stat said of the process, which may be new. Returns -ENOMEM. */
static int remember(struct procfs_scan *scan, struct mh_process *p,
		    const struct mh_listing_entry *entry, const struct mh_stat *stat,
		    const struct mh_hold *hold)
{
	struct mh_known *st = mh_slots_make(&scan->states, mh_table_slot(scan->table, p));

	if (!st)
		return -ENOMEM;
	if (!st->pid) {
		*st = (struct mh_known){.pid = p->id.pid, .fd = -1};
		/* those that the first pass meets are not newborn */
		st->early = scan->base.stats.scans ? MH_EARLY_PASSES : 0;
	} else if (st->early) {
		st->early--;
	}
	st->folder_inode = entry->inode;
	if (!hold->kept)
		st->statm_inode = hold->inode;
	st->stat_vsz_pages = stat->vsz_bytes / scan->page_bytes;
	st->start_stack = stat->start_stack;
	st->memory = scan->now.memory;
	set_met(scan, p, st);
	return 0;
}

/* Whether stat tells of another process than p, which could not be told by statm. */
static bool is_another(const struct procfs_scan *scan, const struct mh_process *p,
		       const struct mh_known *st, const struct mh_stat *stat)
{
	return p->id.start_ticks != stat->start_ticks || (scan->is_procfs && st && st->young);
}

/* Find out who is held, book its values and read its names. p is who the table has, or NULL. */
static int identify(struct procfs_scan *scan, struct mh_process *p, struct mh_listing_entry *entry,
		    struct mh_hold *hold)
{
	struct mh_memory hint;
	struct mh_names names;
	struct mh_stat stat;
	struct mh_known *st;
	bool must_read;
	int rc = mh_pidfile_stat(scan->root, entry->pid, scan->stat, &stat);

	if (rc)
		return rc;
	if ((stat.flags & MH_PF_KTHREAD) && !scan->kernel_threads) {
		entry->left_out = scan->is_procfs;
		return 0;
	}
	if (p && !is_same(scan, known(scan, p), hold) &&
	    is_another(scan, p, known(scan, p), &stat)) {
		end_process(scan, p);
		p = NULL;
	}
	st = known(scan, p);
	hint = st ? st->memory : (struct mh_memory){.parent = stat.ppid};
	rc = mh_pidstatus_read(&scan->now, entry->pid, &hint);
	if (!rc)
		rc = mh_pidfile_statm(hold->fd, &hold->statm); /* I3 */
	if (rc)
		return rc;
	get_names(scan, p, &stat, &names);
	must_read = !(stat.flags & MH_PF_KTHREAD) &&
		    (!st || mh_revisit_cmdline(p, st, scan->pass, &stat, &names));
	if (!p) {
		const struct mh_identity id = {.pid = stat.pid, .start_ticks = stat.start_ticks};

		rc = mh_table_add(scan->table, &id, &p);
		if (rc)
			return rc;
	}
	mh_pidstatus_book(&scan->now, scan->table, p);
	rc = mh_table_rename(scan->table, p, &names);
	if (rc >= 0)
		rc = remember(scan, p, entry, &stat, hold);
	if (!rc && must_read)
		known(scan, p)->cmdline = MH_CMDLINE_DUE;
	return rc;
}

/* Look closer at a known process: its memory changed, or it has its turn. */
static int look_closer(struct procfs_scan *scan, struct mh_process *p,
		       struct mh_listing_entry *entry, struct mh_hold *hold)
{
	const struct mh_status *status = &scan->now.status;
	struct mh_known *st = known(scan, p);
	int rc = mh_pidstatus_read(&scan->now, entry->pid, &st->memory);

	if (!rc)
		rc = mh_pidfile_statm(hold->fd, &hold->statm); /* I3 */
	if (rc)
		return rc;
	if (p->ppid != status->ppid || p->uid != status->uid ||
	    !mh_status_is_named(status, p->comm, p->comm_len))
		return identify(scan, p, entry, hold);
	mh_pidstatus_book(&scan->now, scan->table, p);
	st->memory = scan->now.memory;
	set_met(scan, p, st);
	return 0;
}

/*
 * Whether the pid is still that of p, and its memory in place: who has given it up by now may have
 * had no command line any more.
 */
static bool is_still(struct procfs_scan *scan, const struct mh_process *p, struct mh_known *st)
{
	struct mh_hold hold;
	struct mh_stat stat;
	bool same;
	int rc = mh_hold_take(&hold, scan->root, p->id.pid, st->fd);

	if (rc) {
		if (mh_scan_count(&scan->base.stats, rc))
			st->cmdline = MH_CMDLINE_DUE;
		return false;
	}
	same = is_same(scan, st, &hold) ||
	       (!mh_pidfile_stat(scan->root, p->id.pid, scan->stat, &stat) &&
		!is_another(scan, p, st, &stat));
	mh_hold_release(&hold, NULL);
	return same && hold.statm.vsz_pages;
}

/* Have the wanted command lines read, and give them to those who are still there. */
static void take_cmdlines(struct procfs_scan *scan)
{
	struct mh_cmdline line;
	struct mh_known *st;

	mh_cmdlines_read(&scan->cmdlines);
	while (mh_cmdlines_next(&scan->cmdlines, scan->table, &line)) {
		st = known(scan, line.process);
		if (!st)
			continue;
		st->cmdline = line.due;
		scan->want_fds |= line.len == -EMFILE || line.len == -ENFILE;
		if (line.len >= 0 && is_still(scan, line.process, st))
			mh_cmdlines_give(&scan->cmdlines, scan->table, &line);
	}
}

/* One listed process. Returns 0, or -errno: it could not be read. */
static int visit(struct procfs_scan *scan, struct mh_listing_entry *entry)
{
	struct mh_process *p = mh_table_find(scan->table, entry->pid);
	struct mh_known *st = known(scan, p);
	struct mh_hold hold;
	int rc = mh_hold_take(&hold, scan->root, entry->pid, st ? st->fd : -1);

	entry->left_out = false;
	if (rc == -ESRCH && st && st->fd >= 0) {
		/* I1: the one we knew has ended; whoever has the pid now is another */
		end_process(scan, p);
		p = NULL;
		st = NULL;
		rc = mh_hold_take(&hold, scan->root, entry->pid, -1);
	}
	if (rc)
		return rc;
	if (!st || !is_same(scan, st, &hold) || mh_revisit_stat(st, scan->pass, &hold.statm)) {
		rc = identify(scan, p, entry, &hold);
	} else if (scan->reads_all || mh_revisit_status(p, scan->pass, &hold.statm)) {
		rc = look_closer(scan, p, entry, &hold);
	} else {
		set_met(scan, p, st);
	}
	p = rc ? NULL : mh_table_find(scan->table, entry->pid);
	st = known(scan, p);
	release_hold(scan, st, &hold);
	if (st && mh_cmdlines_is_due(&scan->cmdlines, st->cmdline) &&
	    mh_cmdlines_want(&scan->cmdlines, p, mh_table_slot(scan->table, p)))
		take_cmdlines(scan);
	return rc;
}

/* --- one pass --------------------------------------------------------------------------------- */

/* A listed process could not be read. Returns whether it was alive. */
static bool note_failure(struct procfs_scan *scan, const struct mh_listing_entry *entry, int rc)
{
	struct mh_process *p;
	struct mh_known *st;

	scan->want_fds |= rc == -EMFILE || rc == -ENFILE;
	if (!mh_scan_count(&scan->base.stats, rc))
		return false;
	/* the one we know keeps its last values; by I2 it is the one that is listed */
	p = mh_table_find(scan->table, entry->pid);
	st = known(scan, p);
	if (st && st->folder_inode == entry->inode) {
		mh_table_keep(scan->table, p);
		st->pass = scan->pass;
	}
	return true;
}

/* Forget those who were not met in this pass: they have ended. */
static void sweep(struct procfs_scan *scan)
{
	/* we may be the one who uses the descriptors up: keep less, for good */
	if (scan->want_fds)
		mh_pins_halve(&scan->pins);
	for (uint32_t slot = 0; slot < scan->states.n; slot++) {
		struct mh_known *st = mh_slots_at(&scan->states, slot);

		if (!st->pid)
			continue;
		if (st->pass != scan->pass)
			forget(scan, st);
		else if (scan->pins.n > scan->pins.max)
			mh_pins_drop(&scan->pins, &st->fd);
	}
}

static uint64_t tick_now(const struct procfs_scan *scan)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return ((uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec) /
	       scan->tick_ns;
}

/*
 * One pass over these processes; those it does not meet are forgotten. Returns whether all that
 * live could be read.
 */
static bool visit_all(struct procfs_scan *scan, struct mh_table *table,
		      struct mh_listing_entry *entries, uint32_t n)
{
	bool all = true;

	scan->table = table;
	for (uint32_t i = 0; i < n; i++) {
		struct mh_listing_entry *entry = &entries[i];
		int rc;

		if (entry->left_out && !mh_revisit_is_turn(scan->pass, entry->pid, MH_NAMES_EVERY))
			continue;
		rc = visit(scan, entry);
		if (rc && note_failure(scan, entry, rc))
			all = false;
	}
	take_cmdlines(scan);
	sweep(scan);
	scan->base.stats.scans++;
	return all;
}

/* Before anything is looked at: the pass judges by its number and by the clock. */
static void begin_pass(struct procfs_scan *scan)
{
	scan->pass++;
	scan->pass_tick = tick_now(scan);
	scan->want_fds = false;
	mh_cmdlines_begin(&scan->cmdlines);
}

static int procfs_pass(struct mh_scan *base, struct mh_table *table, bool *ret_partial,
		       struct mh_err *err)
{
	struct procfs_scan *scan = (struct procfs_scan *)base;
	int rc;

	begin_pass(scan);
	rc = mh_listing_read(&scan->listing, scan->root->fd);
	if (rc)
		return mh_err_sys(err, rc, "%s: processes cannot be listed", scan->root->path);
	*ret_partial = !visit_all(scan, table, scan->listing.entry, scan->listing.n);
	return 0;
}

void mh_scan_procfs_some(struct mh_scan *base, struct mh_table *table,
			 struct mh_listing_entry *entry, uint32_t n, bool *ret_partial)
{
	struct procfs_scan *scan = (struct procfs_scan *)base;

	begin_pass(scan);
	scan->reads_all = true;
	*ret_partial = !visit_all(scan, table, entry, n);
}

/* --- making and ending ------------------------------------------------------------------------ */

static void procfs_free(struct mh_scan *base)
{
	struct procfs_scan *scan = (struct procfs_scan *)base;

	for (uint32_t slot = 0; slot < scan->states.n; slot++) {
		struct mh_known *st = mh_slots_at(&scan->states, slot);

		if (st->pid)
			forget(scan, st);
	}
	mh_slots_done(&scan->states);
	mh_listing_done(&scan->listing);
	free(scan);
}

static void procfs_stats(const struct mh_scan *base, struct mh_scan_stats *ret)
{
	*ret = base->stats;
	ret->open_files = ((const struct procfs_scan *)base)->pins.n;
}

static const struct mh_scan_ops procfs_ops = {
	.name = "procfs",
	.free = procfs_free,
	.pass = procfs_pass,
	.stats = procfs_stats,
};

int mh_scan_procfs_new(struct mh_scan **ret, const struct mh_scan_config *config)
{
	struct procfs_scan *scan = calloc(1, sizeof(*scan));
	struct statfs fs;

	if (!scan)
		return -ENOMEM;
	scan->base.ops = &procfs_ops;
	mh_pidstatus_init(&scan->now, config->root);
	scan->base.fields = scan->now.fields;
	scan->base.lagging = scan->base.fields & ~(MH_FIELDS(RSS) | MH_FIELDS(VSZ));
	scan->states.item_bytes = sizeof(struct mh_known);
	scan->root = config->root;
	scan->cmdlines.root = scan->root;
	scan->cmdlines.offload = config->offload;
	scan->cmdlines.stats = &scan->base.stats;
	scan->kernel_threads = config->kernel_threads;
	scan->is_procfs = !fstatfs(config->root->fd, &fs) && fs.f_type == PROC_SUPER_MAGIC;
	scan->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	scan->tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	if (scan->is_procfs && config->max_open_files != MH_SCAN_NO_FILES)
		mh_pins_init(&scan->pins, config->max_open_files);
	*ret = &scan->base;
	return 0;
}
