/*
 * Which series are written to a remote store, and the samples of them that a snapshot has.
 *
 *     memhist_process_<field>   of the processes that are chosen    pid, comm, group, start
 *     memhist_group_<field>     sums of each group                  group
 *     memhist_group_processes                                       group
 *     memhist_processes         live processes
 *     memhist_meminfo_…         lines of /proc/meminfo
 *     memhist_oom_kills_total … counters of the machine
 *
 * Names, types, helps and units are those of the page of metrics. `start` is when the process
 * started, in milliseconds since 1970, which with pid tells processes with one pid apart. All have
 * the external labels.
 *
 * A process whose comm or group changes goes on as other series. So that a host does not make more
 * series than a store bears, processes are chosen: the largest by RSS, and those whose name is
 * matched. Who has a place keeps it until another is larger by a tenth.
 *
 * A series that ends, for whatever reason, gets a stale marker in the next snapshot that is sent.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_SERIES_H
#define MEMHIST_EXPORTER_REMOTE_SERIES_H

#include "exporter/remote/batch.h"
#include "libmemhist/model/group.h"

enum {
	REMOTE_TOP_DEFAULT = 50,
	REMOTE_MAX_SERIES = 20000,
};
#define REMOTE_TOP_ALL UINT32_MAX

struct remote_series_config {
	/*
	 * How many of the largest processes by RSS: 0: none; REMOTE_TOP_DEFAULT; REMOTE_TOP_ALL.
	 * And those that `match` selects by their program's name; NULL or nothing in it: nobody
	 * more. The caller's, it outlives the maker, and no other thread uses it.
	 */
	uint32_t top;
	const struct mh_select *match;
	mh_fields_t process_fields; /* 0 = RSS and VSZ */
	mh_fields_t group_fields;   /* 0 = all that are measured */
	struct mh_groups *groups;   /* NULL: no groups, and no label `group` */
	bool no_meminfo;
	uint32_t max_series; /* live at once; 0 = REMOTE_MAX_SERIES */
	/* External labels, job and instance among them; copied. One of ours wins. */
	const struct label *label;
	size_t n_labels;
};

struct remote_maker;

/* A sample to be sent. */
struct remote_item {
	struct remote_series *series; /* a reference */
	double value;
	mh_ms_t ms;
};

/* How a snapshot is taken in. */
struct remote_taking {
	const struct mh_snapshot *snapshot;
	uint32_t page_bytes, clk_tck;
	mh_ms_t boot_ms; /* wall time of its boot, the same as long as that lasts */
	mh_ms_t ms;      /* the time of its samples, later than all before */
	/*
	 * Nothing of it is sent, now or later: who lives is noted, and who has ended gets the
	 * marker in the next one.
	 */
	bool is_silent;
};

/*
 * The pool is the caller's and outlives it. Groups are taken over, but not on failure. Returns 0,
 * -ENOMEM, or -EINVAL: too many external labels, or a name that is none.
 */
int remote_maker_new(struct remote_maker **ret, struct remote_pool *pool,
		     const struct remote_series_config *config);
/* NULL is allowed. */
void remote_maker_free(struct remote_maker *m);

/*
 * Add what a snapshot says to the items. The snapshot is the next of its table, or the first of
 * another (then it lists everybody as born, and who was known goes on). Returns 0, or -ENOMEM: then
 * some samples are missing.
 */
int remote_maker_take(struct remote_maker *m, const struct remote_taking *how);

/* Stale markers of all live series are added, with this time, which is later than theirs. */
int remote_maker_end(struct remote_maker *m, mh_ms_t ms);

/*
 * At the start, after what was recorded at the position was taken in silently: all series had a
 * sample then (or all had their marker), at this time.
 */
void remote_maker_resume(struct remote_maker *m, mh_ms_t ms, bool is_live);
/* Times begin anew: all that was sent counts as sent at `ms`. */
void remote_maker_rewind(struct remote_maker *m, mh_ms_t ms);

/* What was added and not removed, in order; valid until the next call. */
const struct remote_item *remote_maker_items(const struct remote_maker *m, size_t *ret_n);
/* Remove the first n. */
void remote_maker_remove(struct remote_maker *m, size_t n);

/* Other groups from the next snapshot on; taken over. NULL: none. */
void remote_maker_regroup(struct remote_maker *m, struct mh_groups *groups);

/* How many series there are, samples in the last snapshot (sent or not), and samples that had no
 * series, being more than max_series, from the beginning on. */
uint32_t remote_maker_live(const struct remote_maker *m);
uint64_t remote_maker_last(const struct remote_maker *m);
uint64_t remote_maker_left_out(const struct remote_maker *m);

#endif
