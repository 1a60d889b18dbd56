/*
 * Groups from the inside, shared by group.c, group_bind.c, group_kin.c and group_places.c alone.
 *
 * Invariants, between updates:
 *   G1  A name is in `names` exactly when a live process is bound to it or it has a place, or,
 *       in an update, when a process of that name ended.
 *   G2  `index` finds each of them by its text; no two have the same text; none is "other".
 *   G3  `place` lists the names that have a place, in byte order; those that are expected always
 *       have one.
 *   G4  A seat says something of its slot as long as that is occupied; what it says of a free one
 *       is old.
 *   G5  Where descendants follow, `pids` finds the seat of each live process.
 */
#ifndef MEMHIST_MODEL_GROUP_INNER_H
#define MEMHIST_MODEL_GROUP_INNER_H

#include "libmemhist/base/index.h"
#include "libmemhist/model/group.h"
#include "libmemhist/model/tally.h"

/* What a process is bound to: one of these, or MH_FIRST_NAME + the number of a name. */
enum { MH_IN_OTHER = 0, MH_LEFT_OUT = 1, MH_FIRST_NAME = 2 };

/* How it came to that. */
enum mh_seat_how {
	MH_SEAT_REST,   /* no rule takes it, nor anybody it descends from */
	MH_SEAT_OWN,    /* by a rule, for itself */
	MH_SEAT_HEAD,   /* by a rule, for its descendants too */
	MH_SEAT_KIN,    /* by whom it descends from */
	MH_SEAT_ORPHAN, /* the same, but its parent is gone, and now it has another one */
	MH_SEAT_OPEN,   /* to be found out, in this update */
	MH_SEAT_ASKED,  /* being found out */
};

/* Of each slot. */
struct mh_seat {
	uint32_t bound;
	uint8_t how;  /* enum mh_seat_how */
	bool again;   /* the rules were undecided */
	bool was_kin; /* while it is open: `bound` is what it had as kin */
	uint32_t pid; /* from here on only where descendants follow */
	uint32_t ppid;
	uint64_t start_ticks;
};

struct mh_group_name {
	char *text; /* as spelled; NULL = this number is unused */
	uint32_t len;
	uint32_t hash;
	uint32_t n_processes;
	bool has_place;
	bool is_expected;         /* by the rules: it is there, if nobody else is */
	bool is_held;             /* has a place, but was too small for one since: */
	mh_boot_ns_t empty_since; /* that update */
	uint64_t oldest_ticks;
	uint64_t value[MH_FIELD_COUNT];
	struct mh_tally exits;
};

struct mh_groups {
	struct mh_groups_config config;
	bool follows;   /* descendants of somebody follow */
	bool is_new;    /* no update yet */
	bool has_again; /* there are seats to be asked again in the next update */
	struct mh_buf raw;
	struct mh_buf spelling;
	struct mh_users users; /* where users make groups */

	struct mh_seat *seat; /* by slot */
	uint32_t slots_cap;
	struct mh_index pids; /* of seats */
	uint32_t *asked;      /* slots_cap: a line of ancestors */
	/* those who ended in this update, the brief among them: whom other brief ones may follow */
	struct mh_seat *departed;
	uint32_t n_departed, departed_cap;
	struct mh_index departed_pids;

	struct mh_group_name *names;
	uint32_t n_names; /* numbers ever used */
	uint32_t names_cap;
	uint32_t *unused; /* numbers below n_names to be used again; names_cap entries */
	uint32_t n_unused;
	struct mh_index index;

	uint32_t *waiting; /* names in want of a place, while places are given; names_cap */
	uint32_t *place;
	uint32_t n_places;
	uint32_t places_cap;
	uint32_t n_expected;

	struct mh_group other;
	struct mh_group *list; /* places_cap + 1 */
	size_t n_list;
	uint32_t overflow; /* names whose processes are in "other" */

	struct mh_tally other_exits;
	struct mh_group_exits *exits; /* places_cap + 1 */
	size_t n_exits;
};

/* --- group.c ---------------------------------------------------------------------------------- */

/* n things of this size, as far as there is memory: false, and *array is as it was. */
bool mh_groups_resize(void *array, size_t n, size_t size);

/* --- group_bind.c ----------------------------------------------------------------------------- */

/* The number of the name spelled in g->spelling, which is added when it is new; or -ENOMEM. */
int64_t mh_groups_find_name(struct mh_groups *g);
/* The same, but one that is not there is -ENOENT. */
int64_t mh_groups_known_name(struct mh_groups *g);
/* Spell the name of a group into g->spelling. False: no memory. */
bool mh_groups_spell(struct mh_groups *g, const char *bytes, size_t len);
/* Bind a process that no rule takes. Returns 0, or -ENOMEM with MH_IN_OTHER. */
int mh_groups_bind_rest(struct mh_groups *g, const struct mh_process *p, uint32_t *ret_bound);
/* Bind a process by the rules: its seat's `bound` and `how`, which is open when none takes it. */
int mh_groups_bind_own(struct mh_groups *g, const struct mh_process *p, struct mh_seat *ret);
/* Bind everybody who is new, or has other names than before. Returns 0 or -ENOMEM. */
int mh_groups_bind(struct mh_groups *g, const struct mh_snapshot *s);
/* Bind one that began and ended since the update before. Returns 0 or -ENOMEM. */
int mh_groups_bind_brief(struct mh_groups *g, const struct mh_process *p, uint32_t *ret_bound);

/* --- group_kin.c: only where descendants follow ----------------------------------------------- */

/* Those who ended leave their seats, before anybody else sits there; or all do. Returns 0 or
 * -ENOMEM. */
int mh_kin_depart(struct mh_groups *g, const struct mh_snapshot *s, bool all);
/* Somebody sits down in this slot: all of the seat but `bound` and `how`. Returns 0 or -ENOMEM. */
int mh_kin_sit(struct mh_groups *g, uint32_t slot, const struct mh_process *p);
/* All who follow somebody, or could, have to find out whom. */
void mh_kin_reopen(struct mh_groups *g, const struct mh_snapshot *s);
/* Settle the seat of this slot, if it is open. Returns 0 or -ENOMEM. */
int mh_kin_settle(struct mh_groups *g, const struct mh_snapshot *s, uint32_t slot);
/* Whether one that began and ended since the update before follows somebody, and what that is bound
 * to. After everybody who lives was settled. */
bool mh_kin_of_brief(const struct mh_groups *g, const struct mh_process *p, uint32_t *ret_bound);

/* --- group_places.c --------------------------------------------------------------------------- */

/* A place for a name, for good. */
int mh_places_expect(struct mh_groups *g, uint32_t number);
/* After everybody was summed: who keeps a place, who gets one, whose names are forgotten. */
int mh_places_update(struct mh_groups *g, mh_boot_ns_t now);

#endif
