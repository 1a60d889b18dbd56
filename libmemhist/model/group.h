/*
 * Groups: processes under one stable name, summed snapshot by snapshot.
 *
 * Sums are made at sampling time, since a sum of maxima is not the maximum of sums. A process'
 * group is found once, at birth and at each rename, and remembered by slot.
 *
 * A group is everybody whose program name is spelled the same. Spelling is done here, by one of the
 * escapers, and not by whoever prints: so names are unique in the language they go to, although
 * its alphabet may be smaller than that of process names ("a b" and "a_b" are one name to
 * collectd, and so one group).
 *
 * The number of names is bounded: at most `max_groups` are shown, everybody else is summed into
 * "other" (present exactly when somebody is in it). When there are more names than places, the
 * largest by RSS get them; a name that has a place keeps it while it has processes and for
 * `hold_ms` after, then the place is free for another. So the set of names does not flicker, and
 * short-lived names cannot push out or multiply identifiers. A program that calls itself "other"
 * never has a place: it is part of the rest.
 *
 * Groups also count who ended: processes of theirs that a snapshot showed, and those that began and
 * ended between two. A name that nobody alive has can have a place too, but only where more than
 * half of the places are free.
 *
 * Memory is bounded by the most names that live processes had at one time and the places held.
 * Nothing is allocated but for new names.
 */
#ifndef MEMHIST_MODEL_GROUP_H
#define MEMHIST_MODEL_GROUP_H

#include "libmemhist/model/match.h"
#include "libmemhist/model/snapshot.h"

#define MH_GROUP_OTHER   "other"
#define MH_GROUP_UNNAMED "(unnamed)" /* processes whose name is empty */

struct mh_group {
	const char *name; /* as spelled, NUL-terminated; valid until the next update */
	uint32_t name_len;
	uint32_t n_processes;           /* at least 1 */
	uint64_t value[MH_FIELD_COUNT]; /* sums, pages */
};

/* Who ended, of a group. */
struct mh_group_exits {
	const char *name; /* as in struct mh_group */
	uint32_t name_len;
	uint64_t total; /* since the group has its place; of "other": since the beginning */
	/* Highest peak RSS of those that ended in the minute of the last update and the one before,
	 * pages; 0: none ended, or no peak is known. */
	uint64_t peak_pages;
};

struct mh_groups;

struct mh_groups_config {
	uint32_t max_groups; /* places besides "other"; 0 = 200 */
	mh_ms_t hold_ms;     /* how long an empty name keeps its place; 0 = one hour */
	/* Program names taken in, looked at before they are spelled; NULL = all. Outlives the
	 * groups. */
	const struct mh_select *select;
	/* How names are spelled: an escaper of base/escape.h; NULL = mh_escape_utf8(). Printers
	 * of languages that quote (Prometheus, JSON) keep names apart and still have to quote. */
	void (*spell)(struct mh_buf *out, const char *bytes, size_t len);
};

/* Returns 0 or -ENOMEM. */
int mh_groups_new(struct mh_groups **ret, const struct mh_groups_config *config);
void mh_groups_free(struct mh_groups *g);

/*
 * Take in the next snapshot (every one, in order). Returns 0 or -ENOMEM; after an error some
 * processes are counted in "other" until they are renamed.
 */
int mh_groups_update(struct mh_groups *g, const struct mh_snapshot *s);

/*
 * The groups after the last update: those with processes, by name in byte order, "other" last.
 * Returns their number; the array is valid until the next update.
 */
size_t mh_groups_list(const struct mh_groups *g, const struct mh_group **ret);

/*
 * The groups that had exits, whether they have processes now or not: by name in byte order, "other"
 * last. Returns their number; the array is valid until the next update.
 */
size_t mh_groups_exits(const struct mh_groups *g, const struct mh_group_exits **ret);

/* How many names are in "other" now for want of a place, for a word to the user that max_groups is
 * too small. */
uint32_t mh_groups_overflow(const struct mh_groups *g);

#endif
