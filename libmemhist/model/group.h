/*
 * Groups: processes under one stable name, summed snapshot by snapshot.
 *
 * Sums are made at sampling time, since a sum of maxima is not the maximum of sums. A process'
 * group is found once, at birth and at each rename, and remembered by slot.
 *
 * A group is everybody whose group's name is spelled the same. Without rules that is the name of
 * the program; with rules (rules.h), the first one that takes a process says it. Who is taken by
 * none belongs to the nearest process it descends from that is, as long as it has not found another
 * parent, and after that still; the rest is named by `rest`. Spelling is done here, by one of the
 * escapers, and not by whoever prints: so names are unique in the language they go to, although
 * its alphabet may be smaller than that of process names ("a b" and "a_b" are one name to
 * collectd, and so one group).
 *
 * The number of names is bounded: at most `max_groups` are shown, everybody else is summed into
 * "other" (present exactly when somebody is in it). When there are more names than places, the
 * largest by RSS get them; a name that has a place keeps it while it has processes (and `min_rss`)
 * and for `hold_ms` after, then the place is free for another. So the set of names does not
 * flicker, and short-lived names cannot push out or multiply identifiers. With `top` the largest
 * have the places at any time: a name is pushed out by one that is larger by a tenth. Names that
 * the rules expect have a place for good, and are shown also when nobody is there. A group that
 * calls itself "other" never has a place: it is part of the rest.
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
#include "libmemhist/model/rules.h"
#include "libmemhist/model/snapshot.h"

#define MH_GROUP_OTHER   "other"
#define MH_GROUP_UNNAMED "(unnamed)" /* processes whose name is empty */

enum { MH_GROUP_NAME_MAX = 255 }; /* bytes of a name as spelled; a longer one is cut */

/* Where processes go that no rule takes: the value of an enum mh_axis, or */
enum {
	MH_REST_OTHER = MH_AXES, /* into "other" */
	MH_REST_NOWHERE,
};

struct mh_group {
	const char *name; /* as spelled, NUL-terminated; valid until the next update */
	uint32_t name_len;
	uint32_t n_processes;           /* 0 only for names that the rules expect */
	uint64_t oldest_ticks;          /* start time of the process that started first */
	uint64_t value[MH_FIELD_COUNT]; /* sums, or the highest (fields.def); pages */
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
	uint32_t max_groups;    /* places besides "other"; 0 = 200 */
	mh_ms_t hold_ms;        /* how long an empty name keeps its place; 0 = one hour */
	struct mh_rules *rules; /* NULL: none. Taken over by mh_groups_new() when it succeeds */
	uint32_t rest;          /* who is taken by none; 0 = MH_BY_PROGRAM */
	uint64_t min_rss_pages; /* what a name must have for a place */
	uint32_t top;           /* only so many, the largest; 0 = no such limit */
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
 * Take in the next snapshot (every one, in order; the first may be any of a table's). Returns 0 or
 * -ENOMEM; after an error some processes are counted in "other" until they are renamed.
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

/*
 * The name of the group that the process in this slot was summed in by the last update; NULL: in
 * none. Valid until the next update.
 */
const char *mh_groups_of(const struct mh_groups *g, uint32_t slot);

/* How many groups there can be, "other" included. */
size_t mh_groups_room(const struct mh_groups *g);

/*
 * Go on where `old` ended, with other rules: exits of names that both have are counted on. To be
 * called after the first update of g.
 */
void mh_groups_continue(struct mh_groups *g, const struct mh_groups *old);

/* How often a rule could not be decided, see mh_rules_given_up(). */
uint64_t mh_groups_given_up(const struct mh_groups *g);

/* How many names are in "other" now for want of a place, for a word to the user that max_groups is
 * too small. */
uint32_t mh_groups_overflow(const struct mh_groups *g);

#endif
