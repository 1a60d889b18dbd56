/* What the files that make samples share: series.c, series_processes.c, series_machine.c. */
#ifndef MEMHIST_EXPORTER_REMOTE_SERIES_INNER_H
#define MEMHIST_EXPORTER_REMOTE_SERIES_INNER_H

#include "exporter/remote/series.h"
#include "libmemhist/model/counter.h"

/* One group: a series for each field, and one for how many they are. */
struct kept_group {
	const struct mh_pooled *name;
	struct remote_series *series[MH_FIELD_COUNT + 1];
};

/* One slot of the table. */
struct kept_process {
	struct mh_identity id;         /* pid 0: free */
	const struct mh_pooled *group; /* as its series have it; NULL: none */
	uint64_t round;                /* the last in which it was chosen */
	bool is_matched;
	bool has_series;
	struct remote_series *series[MH_FIELD_COUNT];
};

/* One that may have a place among the largest. */
struct candidate {
	uint64_t size;
	uint32_t slot, pid;
};

struct remote_maker {
	struct remote_pool *pool;
	struct remote_series_config config; /* defaults filled in */
	struct label *label;                /* room for our own in front of the external ones */
	struct remote_family *process[MH_FIELD_COUNT], *group[MH_FIELD_COUNT + 1];
	struct remote_family *processes, *counter[MH_COUNTER_COUNT];

	const struct remote_taking *how; /* during a round */
	uint64_t round;
	uint64_t samples; /* of the round */
	int error;        /* of the round */
	uint32_t n_series;
	uint64_t left_out;

	struct remote_item *item; /* from `removed` on */
	size_t n_items, items_cap, removed;
	struct remote_series **ended; /* references: they get a marker */
	size_t n_ended, ended_cap;

	struct mh_boot_id boot_id;
	struct kept_process *kept; /* by slot */
	uint32_t n_kept;
	struct candidate *largest; /* config.top of them, a heap: the smallest first */
	uint32_t n_largest, largest_cap;

	struct kept_group *groups, *next_groups;
	size_t n_groups, groups_cap;

	struct mh_meminfo keys; /* that these are of: */
	struct remote_series *line[MH_MEMINFO_MAX];
	struct remote_series *count, *counted[MH_COUNTER_COUNT];
};

enum { OWN_LABELS_MAX = 4 };

/*
 * In *at there is the series of this family with n labels, which are in m->label, in front of the
 * external ones; it is made when it is not there. False: there is none.
 */
bool remote_have_series(struct remote_maker *m, struct remote_series **at,
			struct remote_family *family, size_t n);
/* It ends: NULL is in *at, and it gets its marker. */
void remote_end_series(struct remote_maker *m, struct remote_series **at);
void remote_add_sample(struct remote_maker *m, struct remote_series *series, double value);
/* A sample that is due; where it has no series it is counted as left out. */
void remote_sample(struct remote_maker *m, struct remote_series **at, struct remote_family *family,
		   size_t n_labels, double value);

/* The three parts of a round. */
void remote_take_groups(struct remote_maker *m, const struct mh_snapshot *s);
void remote_take_processes(struct remote_maker *m, const struct mh_snapshot *s);
void remote_take_machine(struct remote_maker *m, const struct mh_snapshot *s);

/* All series of a part end. */
void remote_end_groups(struct remote_maker *m);
void remote_end_processes(struct remote_maker *m);
void remote_end_machine(struct remote_maker *m);

/* Make an array larger where it must be: false, and m->error, without memory. */
bool remote_grow(struct remote_maker *m, void **array, size_t *cap, size_t n, size_t size);

#endif
