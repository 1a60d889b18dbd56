/*
 * What the API shows of the last quarter of an hour: the largest and the fastest-growing processes
 * and groups of the last sample, and what each process and group had before (track.h). The sampling
 * thread writes it, others read it:
 *
 *     recent_lock(r);
 *     …read its fields…
 *     recent_unlock(r);
 *
 * Memory: 40 bytes for each process, 290 for each group, 368 for each of them that changed within
 * the time (at most 16,384 of them), and 200 KiB.
 */
#ifndef MEMHIST_EXPORTER_API_RECENT_H
#define MEMHIST_EXPORTER_API_RECENT_H

#include "exporter/api/track.h"
#include "exporter/source.h"
#include "libmemhist/base/users.h"
#include "libmemhist/model/group.h"

#include <pthread.h>

enum { RECENT_TOP = 100 };

/* By resident memory; by growth in track_windows[order - 1]. */
enum recent_order { RECENT_BY_RSS, RECENT_BY_GROWTH, RECENT_ORDERS = 1 + TRACK_WINDOWS };
enum recent_kind { RECENT_PROCESSES, RECENT_GROUPS, RECENT_KINDS };

struct recent_row {
	uint32_t text, text_len; /* of recent.text: its names and numbers, as members in JSON */
	const struct track *track;
};

struct recent_list {
	struct recent_row row[RECENT_TOP];
	size_t n;
};

struct recent_process {
	struct mh_identity id; /* pid 0: nobody */
	struct track track;
};

struct recent_group {
	char *name;
	uint32_t n_processes;
	struct track track;
};

struct recent {
	pthread_mutex_t lock;
	uint64_t serial; /* raised by each sample; 0: there was none */
	struct mh_instant at;
	struct mh_boot_id boot_id;
	uint32_t page_bytes;
	uint32_t n_live;
	struct tracks tracks;
	struct recent_list list[RECENT_KINDS][RECENT_ORDERS];
	struct mh_buf text;

	/* private */
	struct recent_process *process; /* by slot */
	uint32_t n_slots;
	struct recent_group *group, *next; /* by name as mh_groups_list() has them */
	size_t n_groups, groups_cap, next_cap;
	struct mh_users users;
};

/* Returns 0 or -ENOMEM. */
int recent_new(struct recent **ret);
/* NULL is allowed. */
void recent_free(struct recent *r);

/*
 * The next sample, whose groups these are. Returns 0 or -ENOMEM: something is missing until the
 * next. The caller does not hold the lock.
 */
int recent_update(struct recent *r, const struct source_item *item, const struct mh_groups *groups);

void recent_lock(struct recent *r);
void recent_unlock(struct recent *r);

/*
 * With the lock held: who has this pid and, unless that is NULL, is this process; this group. NULL:
 * nobody.
 */
const struct recent_process *recent_find_process(const struct recent *r, uint32_t pid,
						 const struct mh_identity *id);
const struct recent_group *recent_find_group(const struct recent *r, const char *name);

/* Bytes of a value of a track, which is cut at 2^32 pages. */
static inline uint64_t recent_bytes(const struct recent *r, uint32_t pages)
{
	return (uint64_t)pages * r->page_bytes;
}

/* An identity as the API spells it: "PID-START", "PID-START-TWIN" where that is not 0. */
void recent_write_id(struct mh_buf *out, const struct mh_identity *id);

#endif
