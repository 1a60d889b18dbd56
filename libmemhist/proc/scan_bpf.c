/*
 * The scanner through BPF: the kernel hands over all figures of all processes in one call, so what
 * is left is to book them, and to have command lines read from /proc (cmdlines.h), when they can
 * have changed:
 *
 *   of a new process, after an exec (self_exec_id), when comm is another (prctl, beside which the
 *   arguments are often overwritten), and once more in the pass after, since all three are seen
 *   before the new command line is in place; when its cgroup v2 is another; and every NAMES_EVERY
 *   passes (setproctitle)
 *
 * Identity. A record carries the start time in nanoseconds, at which two processes with the same
 * pid always differ; where their clock ticks are the same, the table makes the second a twin. A
 * command line is taken only when /proc has a process of the same start tick under this pid after
 * it was read. A successor within the tick can pass for the process then, until the pass after:
 * it ends this one, or reads the line again.
 *
 * Processes that end are reported by another program (scan_exits.h) where it can be had. The
 * kernel writes the record before it takes the process out of its list. So records are taken before
 * each pass, before a process makes room for another one with its pid, and after the pass: whoever
 * was not met then has its last marks, and nobody is booked as ended twice.
 *
 * What is not the memory of the process alone:
 *   - Of processes that share their memory (vfork, CLONE_VM) its owner has it; the others have 0.
 *   - When the first thread of a process has exited, /proc says 0; here it is what its threads use.
 *
 * Some kernels keep processes back from BPF programs that /proc shows. The two are compared at
 * the first pass and every LISTING_EVERY passes; what is missing is read by a procfs scanner.
 *
 * The steady state allocates nothing and needs no privilege.
 */
#include "libmemhist/proc/scan_backend.h"

#include "libmemhist/proc/bpf_check.h"
#include "libmemhist/proc/cmdlines.h"
#include "libmemhist/proc/pidfile.h"
#include "libmemhist/proc/scan_exits.h"
#include "libmemhist/proc/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NAMES_EVERY = 512,
	LISTING_EVERY = 64,
	HIDDEN_MAX = 64, /* more of them cannot be read: the snapshot is partial */
	WINDOW_MIN = 4096,
	WINDOW_MAX = 65536, /* 8 MiB of the kernel's memory */
	DEFAULT_EXACT_CPUS = 16,
};

/* What the scanner remembers of the process in a slot of the table. */
struct state {
	uint32_t pid;  /* 0: of nobody */
	uint32_t pass; /* last pass that met it */
	uint64_t start_ns;
	uint32_t exec;
	enum mh_cmdline_due cmdline;
	uint64_t cgroup;  /* its number */
	bool names_again; /* read the command line in the next pass too */
	bool has_memory;  /* of the record booked last */
};

struct bpf_scan {
	struct mh_scan base;
	const struct mh_root *root;
	bool kernel_threads;
	struct mh_bpf_place place;
	struct mh_bpf_tasks *tasks;
	struct mh_scan_exits *exits; /* NULL: base.exits_reason says why */

	struct mh_table *table; /* of this pass */
	uint32_t pass;
	struct mh_slots states; /* struct state by slot */

	struct mh_scan *procfs; /* for those that BPF does not show */
	struct mh_listing listing;
	struct mh_listing_entry hidden[HIDDEN_MAX];
	uint32_t n_hidden;
	uint64_t hidden_ns; /* when they were read last, as start_ns counts; 0: never */

	struct mh_cmdlines cmdlines; /* wanted in this pass */
	char stat[MH_STAT_TEXT_MAX];
};

/* --- states ----------------------------------------------------------------------------------- */

/* What is remembered of a live process; NULL: nothing. */
static struct state *known(const struct bpf_scan *scan, const struct mh_process *p)
{
	struct state *st = p ? mh_slots_at(&scan->states, mh_table_slot(scan->table, p)) : NULL;

	return st && st->pid == p->id.pid ? st : NULL;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_turn(const struct bpf_scan *scan, uint32_t pid)
{
	return (pid + scan->pass) % NAMES_EVERY == 0;
}

/* Whether /proc/PID is this process; then also its stat, good until the next one. */
static bool read_stat(struct bpf_scan *scan, const struct mh_process *p, struct mh_stat *ret)
{
	return !mh_pidfile_stat(scan->root, p->id.pid, scan->stat, ret) &&
	       ret->start_ticks == p->id.start_ticks;
}

/* Give the process the names of the record. Returns 1 renamed, 0 not, or -ENOMEM. */
static int rename_process(struct bpf_scan *scan, struct mh_process *p, struct state *st,
			  const struct mh_bpf_task *task, bool is_new)
{
	bool kthread = task->flags & MH_PF_KTHREAD;
	const char *comm = kthread && !is_new ? p->comm : task->comm;
	size_t comm_len = strnlen(comm, kthread && !is_new ? p->comm_len : sizeof(task->comm));
	bool may_differ = is_new || st->exec != task->exec || p->comm_len != comm_len ||
			  memcmp(p->comm, comm, comm_len) != 0;
	bool must_read = may_differ || st->names_again || st->cgroup != task->cgroup ||
			 is_turn(scan, task->pid);
	struct mh_names names;
	struct mh_stat stat;

	if (!must_read && p->ppid == task->ppid && p->uid == task->euid)
		return 0;
	mh_names_of(p, &names);
	names.ppid = task->ppid;
	names.uid = task->euid;
	names.comm = comm;
	names.comm_len = comm_len;
	if (must_read && kthread && read_stat(scan, p, &stat)) {
		/* its long name */
		names.comm = stat.comm;
		names.comm_len = mh_stat_comm_len(&stat);
	}
	if (must_read && (kthread || task->marks & MH_BPF_HAS_MM)) {
		st->names_again = may_differ;
		st->cmdline = kthread ? MH_CMDLINE_FINE : MH_CMDLINE_DUE;
	}
	st->exec = task->exec;
	st->cgroup = task->cgroup;
	return mh_table_rename(scan->table, p, &names);
}

/*
 * Have the wanted command lines read, and give them to those who are still there. (They may have
 * ended, or be hidden from us in /proc.)
 */
static void take_cmdlines(struct bpf_scan *scan)
{
	struct mh_cmdline line;
	struct mh_stat stat;
	struct state *st;

	mh_cmdlines_read(&scan->cmdlines);
	while (mh_cmdlines_next(&scan->cmdlines, scan->table, &line)) {
		st = known(scan, line.process);
		if (!st)
			continue;
		st->cmdline = line.due;
		if (line.len < 0)
			continue;
		/* an address space that was given up while we read has no command line */
		if (!read_stat(scan, line.process, &stat) || !stat.vsz_bytes)
			mh_scan_count(&scan->base.stats, -ESRCH);
		/* one that an exec has just made has none yet: the pass after will see it */
		else if (line.len || !st->names_again)
			mh_cmdlines_give(&scan->cmdlines, scan->table, &line);
	}
}

/* --- those that end --------------------------------------------------------------------------- */

static struct mh_process *find_ended(void *arg, const struct mh_bpf_exit *exit)
{
	const struct bpf_scan *scan = arg;
	struct mh_process *p = mh_table_find(scan->table, exit->pid);
	const struct state *st = known(scan, p);

	if (st)
		return st->start_ns == exit->start_ns ? p : NULL;
	return p && p->id.start_ticks == mh_bpf_ticks(exit->start_ns, &scan->place) ? p : NULL;
}

/* --- one process ------------------------------------------------------------------------------ */

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What a record says of the fields; see "not the memory of the process alone" above. */
static void set_values(struct bpf_scan *scan, struct mh_process *p, const struct mh_bpf_task *task)
{
	const uint64_t rss_pages = mh_bpf_rss_pages(task);
	uint64_t value[MH_FIELD_COUNT] = {[MH_FIELD_THREADS] = task->threads};

	if (!(task->marks & MH_BPF_HAS_MM)) {
		/* it has ended; what was its most stays true */
		value[MH_FIELD_HWM] = p->value[MH_FIELD_HWM];
		value[MH_FIELD_PEAK] = p->value[MH_FIELD_PEAK];
	} else if (!(task->marks & MH_BPF_SHARES)) {
		value[MH_FIELD_RSS] = rss_pages;
		value[MH_FIELD_VSZ] = task->vsz_pages;
		value[MH_FIELD_SWAP] = task->swap_pages;
		value[MH_FIELD_FILE] = task->file_pages;
		value[MH_FIELD_SHMEM] = task->shmem_pages;
		value[MH_FIELD_ANON] = task->anon_pages;
		value[MH_FIELD_LOCKED] = task->locked_pages;
		/* the kernel books marks when a figure shrinks; until then itself is the peak */
		value[MH_FIELD_HWM] = higher(task->hiwater_rss_pages, rss_pages);
		value[MH_FIELD_PEAK] = higher(task->hiwater_vsz_pages, task->vsz_pages);
	}
	mh_table_set(scan->table, p, value);
}

/*
 * Whether a process that was read by other means, as hidden or before this scanner began, is that
 * of the record. Within the clock tick its pid may have gone to another; but not to one that was
 * there already when it was read.
 */
static bool is_same(const struct bpf_scan *scan, const struct mh_process *p,
		    const struct mh_bpf_task *task)
{
	return p->id.start_ticks == mh_bpf_start_ticks(task, &scan->place) &&
	       (!scan->hidden_ns || task->start_ns < scan->hidden_ns);
}

/* Add the process of a record. Returns 0 or -errno of the table, or -ENOMEM. */
static int add(struct bpf_scan *scan, const struct mh_bpf_task *task, struct mh_process **ret)
{
	const struct mh_identity id = {
		.pid = task->pid,
		.start_ticks = mh_bpf_start_ticks(task, &scan->place),
	};
	struct mh_process *p = mh_table_find(scan->table, task->pid);
	struct state *st;
	int rc;

	/* whom we do not know but the table does was put there by another scanner */
	if (p && (known(scan, p) || !is_same(scan, p, task))) {
		mh_scan_exits_drain(scan->exits, scan->table, find_ended, scan);
		mh_table_remove(scan->table, p);
		p = NULL;
	}
	if (!p) {
		rc = mh_table_add(scan->table, &id, &p);
		if (rc)
			return rc;
	}
	st = mh_slots_make(&scan->states, mh_table_slot(scan->table, p));
	if (!st)
		return -ENOMEM;
	*st = (struct state){.pid = task->pid, .start_ns = task->start_ns};
	mh_scan_exits_meet(scan->exits, scan->table, p, task->start_ns);
	*ret = p;
	return 0;
}

/* Returns 0, or -errno: it could not be booked. */
static int visit(struct bpf_scan *scan, const struct mh_bpf_task *task)
{
	struct mh_process *p = mh_table_find(scan->table, task->pid);
	bool has_memory = task->marks & MH_BPF_HAS_MM;
	struct state *st = known(scan, p);
	bool is_new = !st || st->start_ns != task->start_ns;
	int rc;

	if (task->flags & MH_PF_KTHREAD && !scan->kernel_threads)
		return 0;
	if (task->marks & MH_BPF_TORN) {
		/* in exec or exit: a known one keeps its values, a new one has time */
		if (is_new)
			return 0;
		mh_table_keep(scan->table, p);
		st->pass = scan->pass;
		return 0;
	}
	if (is_new) {
		rc = add(scan, task, &p);
		if (rc)
			return rc;
		st = known(scan, p);
	}
	mh_table_keep(scan->table, p);
	if (st->pass == scan->pass && st->has_memory && !has_memory)
		return 0; /* its second record in this pass, and the poorer one */
	st->pass = scan->pass;
	st->has_memory = has_memory;
	set_values(scan, p, task);
	scan->base.stats.processes++;
	rc = rename_process(scan, p, st, task, is_new);
	if (mh_cmdlines_is_due(&scan->cmdlines, st->cmdline) &&
	    mh_cmdlines_want(&scan->cmdlines, p, mh_table_slot(scan->table, p)))
		take_cmdlines(scan);
	return rc < 0 ? rc : 0;
}

/* --- those that BPF does not show ------------------------------------------------------------- */

/*
 * List /proc and note whom BPF did not show. Returns whether there was room for all of them. A pid
 * that BPF has shown before is no such case: its owner has ended, and whoever has it by now is
 * shown in the next pass. (Read through procfs it could pass for that owner, within the clock
 * tick.)
 */
static bool find_hidden(struct bpf_scan *scan)
{
	bool room = true;

	if (mh_listing_read(&scan->listing, scan->root->fd))
		return true; /* it could be listed when the scanner was made: again next time */
	scan->n_hidden = 0;
	for (uint32_t i = 0; i < scan->listing.n; i++) {
		struct mh_listing_entry *entry = &scan->listing.entry[i];
		struct mh_process *p = mh_table_find(scan->table, entry->pid);
		struct state *st = known(scan, p);
		struct mh_stat stat;

		if (entry->left_out || st ||
		    mh_pidfile_stat(scan->root, entry->pid, scan->stat, &stat))
			continue;
		entry->left_out = stat.flags & MH_PF_KTHREAD;
		if (entry->left_out)
			continue;
		if (scan->n_hidden < HIDDEN_MAX)
			scan->hidden[scan->n_hidden++] = *entry;
		else
			room = false;
	}
	return room;
}

/* Read them as a procfs scanner does; but for pids that BPF has shown by now. */
static void visit_hidden(struct bpf_scan *scan, bool *partial)
{
	bool hidden_partial = false;
	uint32_t n = 0;

	for (uint32_t i = 0; i < scan->n_hidden; i++) {
		if (!known(scan, mh_table_find(scan->table, scan->hidden[i].pid)))
			scan->hidden[n++] = scan->hidden[i];
	}
	if (scan->n_hidden) {
		scan->hidden_ns = mh_now().boot_ns - (uint64_t)scan->place.boot_ns;
		mh_scan_procfs_some(scan->procfs, scan->table, scan->hidden, n, &hidden_partial);
	}
	scan->n_hidden = n;
	*partial |= hidden_partial;
}

/* --- passes ----------------------------------------------------------------------------------- */

static int bpf_pass(struct mh_scan *base, struct mh_table *table, bool *ret_partial,
		    struct mh_err *err)
{
	struct bpf_scan *scan = (struct bpf_scan *)base;
	const struct mh_bpf_task *task;
	bool partial = false;
	int n, rc;

	scan->table = table;
	scan->pass++;
	mh_scan_exits_begin(scan->exits, table, find_ended, scan);
	mh_cmdlines_begin(&scan->cmdlines);
	n = mh_bpf_tasks_begin(scan->tasks);
	while (!n && (n = mh_bpf_tasks_next(scan->tasks, &task)) > 0) {
		for (; n; n--, task++) {
			rc = visit(scan, task);
			if (rc)
				partial |= mh_scan_count(&base->stats, rc);
		}
	}
	if (n < 0)
		return mh_err_sys(err, n, "BPF: processes cannot be read");
	take_cmdlines(scan);
	if (scan->pass % LISTING_EVERY == 1)
		partial |= !find_hidden(scan);
	visit_hidden(scan, &partial);
	mh_scan_exits_end(scan->exits, table, find_ended, scan, !base->stats.scans);
	base->stats.scans++;
	*ret_partial = partial;
	return 0;
}

static void bpf_free(struct mh_scan *base)
{
	struct bpf_scan *scan = (struct bpf_scan *)base;

	mh_scan_exits_free(scan->exits);
	mh_bpf_tasks_free(scan->tasks);
	mh_scan_free(scan->procfs);
	mh_listing_done(&scan->listing);
	mh_slots_done(&scan->states);
	free(scan);
}

static void bpf_stats(const struct mh_scan *base, struct mh_scan_stats *ret)
{
	const struct bpf_scan *scan = (const struct bpf_scan *)base;
	struct mh_scan_stats hidden;

	mh_scan_stats(scan->procfs, &hidden);
	*ret = base->stats;
	mh_scan_exits_count(scan->exits, ret);
	ret->processes += hidden.processes;
	ret->vanished += hidden.vanished;
	ret->denied += hidden.denied;
	ret->malformed += hidden.malformed;
	ret->failed += hidden.failed;
	ret->dropped += hidden.dropped;
	ret->stuck += hidden.stuck;
	ret->open_files = hidden.open_files;
}

static const struct mh_scan_ops bpf_ops = {
	.name = "bpf",
	.free = bpf_free,
	.pass = bpf_pass,
	.stats = bpf_stats,
};

static const struct mh_scan_ops bpf_seq_ops = {
	.name = "bpf-seq",
	.free = bpf_free,
	.pass = bpf_pass,
	.stats = bpf_stats,
};

/* Room for somewhat more processes than there are now, within limits: others come in two parts. */
static uint32_t choose_window(struct bpf_scan *scan)
{
	uint32_t n = mh_listing_read(&scan->listing, scan->root->fd) ? 0 : scan->listing.n;

	n += n / 8;
	if (n < WINDOW_MIN)
		return WINDOW_MIN;
	return n < WINDOW_MAX ? n : WINDOW_MAX;
}

static int open_tasks(struct bpf_scan *scan, const struct mh_scan_config *config,
		      enum mh_scan_backend backend, struct mh_err *err)
{
	struct mh_bpf_tasks_config tasks = {
		.window = config->bpf_window ? config->bpf_window : choose_window(scan),
		.exact_cpus = config->exact_cpus ? config->exact_cpus : DEFAULT_EXACT_CPUS,
	};
	int rc = mh_bpf_place(scan->root, &scan->place, err);

	if (rc)
		return rc;
	tasks.namespaces_up = scan->place.namespaces_up;
	rc = mh_bpf_tasks_new(&scan->tasks, backend == MH_SCAN_BPF ? MH_BPF_WALK : MH_BPF_SEQ,
			      &tasks, err);
	return rc ? rc : mh_bpf_check(scan->tasks, scan->root, &scan->place, err);
}

int mh_scan_bpf_new(struct mh_scan **ret, const struct mh_scan_config *config,
		    enum mh_scan_backend backend, struct mh_err *err)
{
	struct bpf_scan *scan = calloc(1, sizeof(*scan));
	int rc;

	if (!scan)
		return mh_err_sys(err, -ENOMEM, "BPF scanner");
	scan->base.ops = backend == MH_SCAN_BPF ? &bpf_ops : &bpf_seq_ops;
	scan->base.fields = MH_FIELDS_ALL;
	scan->states.item_bytes = sizeof(struct state);
	scan->root = config->root;
	scan->cmdlines.root = scan->root;
	scan->cmdlines.offload = config->offload;
	scan->cmdlines.stats = &scan->base.stats;
	scan->kernel_threads = config->kernel_threads;
	rc = mh_scan_procfs_new(&scan->procfs, config);
	if (rc)
		mh_err_sys(err, rc, "BPF scanner");
	else
		rc = open_tasks(scan, config, backend, err);
	if (rc) {
		bpf_free(&scan->base);
		return rc;
	}
	/* without it, those that live briefly are not seen, as by procfs */
	if (mh_scan_exits_new(&scan->exits, scan->tasks, &scan->place, config->interval_ms,
			      &scan->base.exits_reason))
		scan->exits = NULL;
	*ret = &scan->base;
	return 0;
}
