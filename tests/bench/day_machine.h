/*
 * What the made day (day.h) is made of besides processes: chance, names, /proc/meminfo.
 */
#ifndef MEMHIST_TESTS_BENCH_DAY_MACHINE_H
#define MEMHIST_TESTS_BENCH_DAY_MACHINE_H

#include "libmemhist/model/meminfo.h"
#include "libmemhist/model/names.h"

/* --- chance ----------------------------------------------------------------------------------- */

enum { DAY_DELTA_MAX = 512 };

struct day_draw {
	uint64_t state;
	/* of 2^32 draws, so many are longer than i + 1: a geometric distribution, in integers */
	uint32_t longer[DAY_DELTA_MAX];
};

void day_draw_init(struct day_draw *draw, uint64_t seed, uint32_t mean_delta);
/* For day_chance() alone: nothing is said about deltas, and it is quick. */
void day_draw_seed(struct day_draw *draw, uint64_t seed);
/* 0 … below - 1 */
uint32_t day_chance(struct day_draw *draw, uint32_t below);
/* 1 … DAY_DELTA_MAX + 1: how many pages; exponential but for whole numbers, of the mean asked for
 */
uint64_t day_draw_delta(struct day_draw *draw);

/* --- names ------------------------------------------------------------------------------------ */

enum { DAY_KIND_INIT = 0 };

struct day_names {
	struct mh_names names; /* points into the rest: not to be moved */
	char comm[16], cmdline[160], exe[64], cgroup[96];
};

/* The names of a program of this kind, 0 … DAY_CMDLINES - 1, that has this parent. */
void day_names(struct day_names *ret, uint32_t kind, uint32_t ppid);

/* --- the machine ------------------------------------------------------------------------------ */

extern const struct mh_boot_id day_boot_id;

struct day_machine {
	struct mh_meminfo meminfo;
};

/* Returns 0, or as mh_meminfo_add(). */
int day_machine_init(struct day_machine *m);
/* On to the next snapshot: 19 lines of meminfo change. */
void day_machine_move(struct day_machine *m, struct day_draw *draw);

#endif
