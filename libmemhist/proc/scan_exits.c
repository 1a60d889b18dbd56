/*
 * Exits, from the ring into the table. What is not known to the table waits in an array until the
 * pass is over: at most WAITING_MAX, grown when needed and kept.
 */
#include "libmemhist/proc/scan_exits.h"

#include "libmemhist/base/index.h"
#include "libmemhist/proc/bpf_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	WAITING_FIRST = 256,
	WAITING_MAX = 16384, /* more than the ring has room for */
	/* two thousand records of 80 bytes a second */
	RING_BYTES_PER_MS = 160,
	RING_BYTES_MIN = 64 << 10,
	BRIEF_MIN = 256, /* which is what a second may have, too */
	BRIEF_MAX = 4096,
};

struct mh_scan_exits {
	struct mh_bpf_exits *ring;
	struct mh_bpf_place place;
	uint32_t brief_max; /* of a pass */
	uint64_t recorded, dropped, unlisted;

	struct mh_bpf_exit *waiting;
	uint32_t n_waiting, cap_waiting;
	uint32_t n_due;         /* the first ones: those that ended before the pass began */
	struct mh_index by_pid; /* of `waiting`: those that are not booked or met */

	/* of a drain */
	struct mh_table *table;
	mh_scan_exits_find_fn *find;
	void *find_arg;
};

/* --- marks ------------------------------------------------------------------------------------ */

/* Marks of a process in the table; those that are not known stay as they were last seen. */
static void set_marks(struct mh_table *table, struct mh_process *p, const struct mh_bpf_exit *exit)
{
	if (!(exit->marks & MH_BPF_EXIT_PEAK))
		return;
	mh_table_set_one(table, p, MH_FIELD_HWM, exit->peak_rss_pages);
	if (exit->peak_vsz_pages)
		mh_table_set_one(table, p, MH_FIELD_PEAK, exit->peak_vsz_pages);
}

/* --- those that wait -------------------------------------------------------------------------- */

/* Room for one more. */
static int make_room(struct mh_scan_exits *exits)
{
	uint32_t cap = exits->cap_waiting ? exits->cap_waiting * 2 : WAITING_FIRST;
	struct mh_bpf_exit *bigger;

	if (exits->n_waiting < exits->cap_waiting)
		return 0;
	if (cap > WAITING_MAX)
		return -EOVERFLOW;
	bigger = reallocarray(exits->waiting, cap, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	exits->waiting = bigger;
	exits->cap_waiting = cap;
	return mh_index_reserve(&exits->by_pid, cap);
}

static void let_wait(struct mh_scan_exits *exits, const struct mh_bpf_exit *exit)
{
	uint32_t i = exits->n_waiting;

	if (make_room(exits) || mh_index_add(&exits->by_pid, mh_index_hash(exit->pid), i)) {
		exits->dropped++;
		return;
	}
	exits->waiting[exits->n_waiting++] = *exit;
}

/* --- those that are listed -------------------------------------------------------------------- */

/* What they are ranked by; 0: not known. */
static uint64_t peak_of(const struct mh_bpf_exit *exit)
{
	return exit->marks & MH_BPF_EXIT_PEAK ? exit->peak_rss_pages : 0;
}

/* How many of those due that nobody has met had this peak or a higher one. */
static uint32_t count_from(const struct mh_scan_exits *exits, uint64_t peak_pages)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < exits->n_due; i++)
		n += exits->waiting[i].pid && peak_of(&exits->waiting[i]) >= peak_pages;
	return n;
}

/* The highest peak that as many of them had as may be listed; 0: all may be. By halving. */
static uint64_t find_least_listed(const struct mh_scan_exits *exits)
{
	uint64_t least = 0, beyond = 1;

	if (exits->n_due <= exits->brief_max)
		return 0;
	for (uint32_t i = 0; i < exits->n_due; i++)
		if (peak_of(&exits->waiting[i]) >= beyond)
			beyond = peak_of(&exits->waiting[i]) + 1;
	while (beyond - least > 1) {
		uint64_t middle = least + (beyond - least) / 2;

		if (count_from(exits, middle) >= exits->brief_max)
			least = middle;
		else
			beyond = middle;
	}
	return least;
}

/* --- public ----------------------------------------------------------------------------------- */

uint32_t mh_scan_exits_brief_max(uint32_t interval_ms)
{
	uint32_t seconds = interval_ms / 1000;

	if (seconds <= 1)
		return BRIEF_MIN;
	return seconds < BRIEF_MAX / BRIEF_MIN ? seconds * BRIEF_MIN : BRIEF_MAX;
}

int mh_scan_exits_new(struct mh_scan_exits **ret, const struct mh_bpf_tasks *tasks,
		      const struct mh_bpf_place *place, uint32_t interval_ms, struct mh_err *err)
{
	/* the ring is mapped, twice over, and so is all of it memory of this process */
	const uint64_t wanted = (uint64_t)interval_ms * RING_BYTES_PER_MS;
	const uint32_t ring_bytes = wanted < RING_BYTES_MIN            ? RING_BYTES_MIN
				    : wanted < MH_BPF_EXITS_RING_BYTES ? (uint32_t)wanted
								       : MH_BPF_EXITS_RING_BYTES;
	struct mh_scan_exits *exits = calloc(1, sizeof(*exits));
	int rc;

	if (!exits)
		return mh_err_sys(err, -ENOMEM, "record of exits");
	exits->place = *place;
	exits->brief_max = mh_scan_exits_brief_max(interval_ms);
	rc = mh_bpf_exits_new(&exits->ring, tasks, ring_bytes, err);
	if (rc) {
		free(exits);
		return rc;
	}
	*ret = exits;
	return 0;
}

void mh_scan_exits_free(struct mh_scan_exits *exits)
{
	if (!exits)
		return;
	mh_bpf_exits_free(exits->ring);
	mh_index_done(&exits->by_pid);
	free(exits->waiting);
	free(exits);
}

static void take(void *arg, const struct mh_bpf_exit *exit)
{
	struct mh_scan_exits *exits = arg;
	struct mh_process *p = exits->find(exits->find_arg, exit);

	if (p)
		set_marks(exits->table, p, exit);
	else
		let_wait(exits, exit);
}

void mh_scan_exits_drain(struct mh_scan_exits *exits, struct mh_table *table,
			 mh_scan_exits_find_fn *find, void *arg)
{
	int n;

	if (!exits)
		return;
	exits->table = table;
	exits->find = find;
	exits->find_arg = arg;
	n = mh_bpf_exits_drain(exits->ring, take, exits);
	if (n > 0)
		exits->recorded += (uint64_t)n;
}

void mh_scan_exits_begin(struct mh_scan_exits *exits, struct mh_table *table,
			 mh_scan_exits_find_fn *find, void *arg)
{
	if (!exits)
		return;
	mh_scan_exits_drain(exits, table, find, arg);
	exits->n_due = exits->n_waiting;
}

void mh_scan_exits_meet(struct mh_scan_exits *exits, struct mh_table *table, struct mh_process *p,
			uint64_t start_ns)
{
	const uint32_t hash = mh_index_hash(p->id.pid);
	uint32_t at = 0, i;

	if (!exits)
		return;
	while ((i = mh_index_next(&exits->by_pid, hash, &at)) != MH_INDEX_END) {
		struct mh_bpf_exit *exit = &exits->waiting[i];

		if (exit->pid == p->id.pid && exit->start_ns == start_ns) {
			set_marks(table, p, exit);
			mh_index_remove(&exits->by_pid, hash, i);
			exit->pid = 0; /* waits no more */
			return;
		}
	}
}

static int add_brief(const struct mh_scan_exits *exits, struct mh_table *table,
		     const struct mh_bpf_exit *exit)
{
	const bool known = exit->marks & MH_BPF_EXIT_PEAK;
	const struct mh_identity id = {
		.pid = exit->pid,
		.start_ticks = mh_bpf_ticks(exit->start_ns, &exits->place),
	};
	const struct mh_names names = {
		.ppid = exit->ppid,
		.uid = exit->euid,
		.comm = exit->comm,
		.comm_len = strnlen(exit->comm, sizeof(exit->comm)),
	};
	const uint64_t value[MH_FIELD_COUNT] = {
		[MH_FIELD_HWM] = known ? exit->peak_rss_pages : 0,
		[MH_FIELD_PEAK] = exit->peak_vsz_pages,
	};

	return mh_table_add_brief(table, &id, &names, value);
}

static void list(struct mh_scan_exits *exits, struct mh_table *table)
{
	const uint64_t least = find_least_listed(exits);
	const uint32_t all = count_from(exits, least);
	/* the first ones of those with just that peak, which there is no room for */
	uint32_t surplus = all > exits->brief_max ? all - exits->brief_max : 0;

	for (uint32_t i = 0; i < exits->n_due; i++) {
		const struct mh_bpf_exit *exit = &exits->waiting[i];

		if (!exit->pid)
			continue;
		if (peak_of(exit) < least || (peak_of(exit) == least && surplus)) {
			surplus -= peak_of(exit) == least;
			exits->unlisted++;
		} else if (add_brief(exits, table, exit)) {
			exits->dropped++;
		}
	}
}

/* Those behind the first n move up; these are forgotten. */
static void forget(struct mh_scan_exits *exits, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < exits->n_waiting; i++) {
		const struct mh_bpf_exit *exit = &exits->waiting[i];
		const uint32_t hash = mh_index_hash(exit->pid);

		if (!exit->pid)
			continue;
		mh_index_remove(&exits->by_pid, hash, i);
		if (i < n)
			continue;
		exits->waiting[kept] = *exit;
		mh_index_add(&exits->by_pid, hash, kept++); /* there was room for it */
	}
	exits->n_waiting = kept;
}

void mh_scan_exits_end(struct mh_scan_exits *exits, struct mh_table *table,
		       mh_scan_exits_find_fn *find, void *arg, bool first)
{
	if (!exits)
		return;
	mh_scan_exits_drain(exits, table, find, arg);
	if (!first)
		list(exits, table);
	forget(exits, first ? exits->n_waiting : exits->n_due);
}

void mh_scan_exits_count(const struct mh_scan_exits *exits, struct mh_scan_stats *ret)
{
	if (!exits)
		return;
	ret->exits = exits->recorded;
	ret->exits_dropped = exits->dropped + mh_bpf_exits_dropped(exits->ring);
	ret->exits_unlisted = exits->unlisted;
}
