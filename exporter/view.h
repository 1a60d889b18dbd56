/*
 * What scrapers see: a small copy of the last snapshot, made when it was taken. The sampling thread
 * writes it, the server's thread reads it, and neither waits for the other longer than a copy or a
 * rendering takes (about a millisecond).
 *
 *     view_lock(view);
 *     …read its fields…
 *     view_unlock(view);
 *
 * Names are valid UTF-8 here, and group names unique (see libmemhist/model/group.h). All memory is
 * allocated at the start.
 */
#ifndef MEMHIST_EXPORTER_VIEW_H
#define MEMHIST_EXPORTER_VIEW_H

#include "exporter/shown.h"
#include "exporter/source.h"
#include "libmemhist/base/users.h"
#include "libmemhist/view/ledger.h"

#include <pthread.h>

enum {
	VIEW_NAME_BYTES = 3 * MH_COMM_MAX + 1, /* each byte may become U+FFFD, three bytes */
	VIEW_GROUP_BYTES = MH_GROUP_NAME_MAX + 1,
	VIEW_PATH_MAX = 255, /* bytes shown of a path; a longer one is cut */
	VIEW_PATH_BYTES = 3 * VIEW_PATH_MAX + 1,
};

enum { VIEW_NO_GROUP = UINT32_MAX };

struct view_group {
	const char *name; /* of the view, as all names of groups; until it is changed */
	uint32_t n_processes;
	mh_ms_t oldest_ms;              /* wall clock: start of the oldest process */
	uint64_t shown[MH_FIELD_COUNT]; /* as mh_field_shown(): bytes, or counts */
};

struct view_exits {
	const char *name;
	uint32_t group; /* its index in `group`; VIEW_NO_GROUP: it is not there now */
	uint64_t total;
	uint64_t peak_bytes; /* 0: not known */
};

/* What is kept of a group from sample to sample, as in struct mh_ledger_group; bytes. */
struct view_kept {
	const char *name;
	uint32_t group; /* as in struct view_exits */
	double byte_seconds;
	struct mh_candle candle[MH_LEDGER_WINDOWS];
};

/* The windows that there can be, by index in the ledger. */
struct view_window {
	const char *name; /* "1m", a part of metrics' names */
	mh_ms_t ms;
};
extern const struct view_window view_windows[MH_LEDGER_WINDOWS];

struct view_process {
	uint32_t pid;
	char comm[VIEW_NAME_BYTES];
	char group[VIEW_GROUP_BYTES]; /* "": in none */
	mh_ms_t start_ms;             /* wall clock */
	char user[VIEW_NAME_BYTES];   /* the number where no name is known */
	char exe[VIEW_PATH_BYTES];    /* "": not known */
	char cgroup[VIEW_PATH_BYTES];
	uint64_t shown[MH_FIELD_COUNT];
};

/* What a process has of the memory that it shares, and when it was read. */
struct view_pss {
	uint32_t pid;
	char comm[VIEW_NAME_BYTES];
	char group[VIEW_GROUP_BYTES];
	uint64_t pss_bytes, uss_bytes;
	bool has_swap;
	uint64_t swap_pss_bytes;
	double age_s; /* when the sample was taken */
};

struct remote;

struct view {
	pthread_mutex_t lock;
	uint64_t serial; /* raised by each change, so that a reader sees whether there was one */

	bool up;              /* the figures below `up` in this list are current */
	struct mh_err reason; /* why not, when not */
	struct source_status source;
	uint64_t missed;         /* own samples that were due and not taken */
	mh_boot_ns_t updated_ns; /* when the last snapshot came */

	struct mh_instant at;
	mh_fields_t fields;
	bool partial;
	uint32_t collect_us;
	uint32_t n_live;
	struct view_group *group; /* by name in byte order, "other" last */
	size_t n_groups;
	uint32_t groups_in_other;
	uint64_t groups_given_up; /* see mh_groups_given_up() */
	struct view_exits *exits; /* as the groups */
	size_t n_exits;
	struct view_kept *kept; /* as the groups, and some that are gone */
	size_t n_kept;
	struct mh_ledger_totals totals;
	struct view_process *process; /* largest RSS first */
	size_t n_processes;
	uint64_t chosen_left_out; /* rules chose more than there is room for; over all snapshots */
	uint64_t choice_given_up; /* see mh_choice_given_up() */
	struct view_pss pss[MH_PSS_MAX]; /* of whom it could be read, the largest first */
	size_t n_pss;
	bool has_meminfo;
	struct mh_meminfo meminfo;
	uint32_t page_bytes; /* what counters in pages are counted in */

	/* the configuration: whether reading it again went well, and when it did last */
	bool is_config_good;
	mh_ms_t config_ms;
	/* the web configuration: the same, where there is one */
	bool has_web, is_web_good;
	mh_ms_t web_ms;

	struct remote *remote; /* has metrics of its own, and outlives the readers; NULL: none */

	/* private */
	struct mh_users users; /* of /etc/passwd; only who updates the view looks at it */
	size_t max_groups;
	size_t max_processes;
	char *names; /* of groups, one behind the other: a page of it that is not needed is none */
	size_t names_len;
	struct shown shown; /* which of them; only who updates the view looks at it */
	mh_ms_t boot_ms;    /* wall clock of the boot */
};

/* Returns 0 or -ENOMEM. `max_groups` counts "other"; at most so many groups are taken in, and so
 * many of the largest processes. */
int view_new(struct view **ret, size_t max_groups, size_t max_largest);
/* NULL is allowed. */
void view_free(struct view *v);

/* Room for more groups, and for processes that rules choose besides the largest, if there is less.
 * Returns 0 or -ENOMEM. The caller does not hold the lock; only who updates the view does this. */
int view_reserve(struct view *v, size_t max_groups, size_t max_chosen);

void view_lock(struct view *v);
void view_unlock(struct view *v);

/* What a change is made of, besides the snapshot itself. */
struct view_facts {
	mh_boot_ns_t now_ns;
	struct source_status source;
	uint64_t missed;
	const struct mh_group *group;
	size_t n_groups;
	uint32_t groups_in_other;
	const struct mh_groups *groups; /* whose these are; NULL: no process is in one */
	const struct mh_choice *choice; /* of the same snapshot; NULL: nobody is chosen */
	const struct mh_group_exits *exits;
	size_t n_exits;
	const struct mh_ledger_group *kept;
	size_t n_kept;
	const struct mh_ledger_totals *totals; /* NULL: nothing is kept */
};

/* The next snapshot. The caller does not hold the lock. */
void view_update(struct view *v, const struct source_item *item, const struct view_facts *facts);
/* Of the facts the status of the source alone, between snapshots. */
void view_refresh(struct view *v, const struct view_facts *facts);
/* There is no current snapshot, and why. */
void view_fail(struct view *v, const struct mh_err *reason, const struct view_facts *facts);

/* The configuration was read at this time, or was to be and is as it was. */
void view_note_config(struct view *v, bool good, mh_ms_t now_ms);
/* The same of the web configuration. */
void view_note_web(struct view *v, bool good, mh_ms_t now_ms);

/*
 * With the lock held, before looking: what was not updated for long is not current, although nobody
 * said so; the sampling thread hangs (on a disk that does not answer, for one). Returns whether
 * this was found out just now.
 */
bool view_expire(struct view *v, mh_boot_ns_t now_ns);

#endif
