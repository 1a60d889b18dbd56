/*
 * The made machine. Each process has a process of the table and, under the same slot, a
 * struct life: what the table does not know of it. Snapshots come from the table, so lists of
 * births, exits and changes are what a scanner would give.
 *
 * Invariants: file and shmem are never more than rss, hwm never less; the lasting processes are
 * those with `lasts`, and all there from the first snapshot on.
 */
#include "tests/bench/day.h"

#include "libmemhist/model/table.h"
#include "tests/bench/day_machine.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PID_MAX = 32768, /* as the kernel begins with: pids come round several times a day */
	PID_FIRST_REUSED = 300,
	BIRTHS_PER = 50, /* lasting processes for one birth per snapshot */
	/* of one in a hundred */
	ACTIVE_PERCENT = 30,
	CHANGES_PERCENT = 55,
	/* a life of 3.4 snapshots: it ends after each of them with 10 chances in 34 */
	ENDS = 10,
	ENDS_OF = 34,
	/* one in so many */
	SWAPPED_OF = 17,
	SHARES_OF = 20,
	/* one change in so many */
	CHANGES_FILE = 8,
	CHANGES_SHMEM = 16,
	CHANGES_VSZ = 30,
	CHANGES_THREADS = 150,
	CHANGES_SWAP = 40,
	HIDES_PEAK = 12,
	/* pages */
	MEAN_DELTA = 25,
	ANON_LEAST = 40,
	FILE_LEAST = 20,
	STACK = 2049,
};

static const mh_boot_ns_t booted_before_ns = UINT64_C(90061) * 1000000000;

struct life {
	uint32_t series;
	uint64_t seen_hwm; /* in the snapshot before; 0: it was not there */
	bool lasts, active, shares, swapped;
};

struct day {
	struct day_config config;
	struct day_draw draw;
	struct day_machine machine;
	struct mh_table *table;
	struct life *life; /* by slot */
	uint32_t n_lives;
	uint32_t next_series, next_pid, next_kind;
	struct mh_instant at;
	struct day_counts counts;
};

/* --- one process ------------------------------------------------------------------------------ */

static uint32_t chance(struct day *d, uint32_t below)
{
	return day_chance(&d->draw, below);
}

static bool percent(struct day *d, uint32_t n)
{
	return chance(d, 100) < n;
}

/* A size that is small most often, and at most `most`. */
static uint64_t size(struct day_draw *draw, uint64_t most)
{
	uint64_t n = most >> day_chance(draw, 8);

	return n / 2 + day_chance(draw, (uint32_t)(n / 2 + 1));
}

/* A little more or less than that. */
static uint64_t about(struct day *d, uint64_t n)
{
	uint64_t spread = n / 12;

	return n - spread + chance(d, (uint32_t)(2 * spread + 1));
}

static uint32_t new_pid(struct day *d)
{
	uint32_t pid;

	do {
		pid = d->next_pid++;
		if (d->next_pid > PID_MAX)
			d->next_pid = PID_FIRST_REUSED;
	} while (mh_table_find(d->table, pid));
	return pid;
}

/*
 * Processes of one program begin alike: about as large, nearly always with the same address space.
 * What lasts has grown since.
 */
static void first_values(struct day *d, const struct life *life, uint32_t kind,
			 uint64_t value[MH_FIELD_COUNT])
{
	struct day_draw of_kind;
	uint64_t anon, file, vsz;

	day_draw_seed(&of_kind, kind);
	anon = ANON_LEAST + size(&of_kind, 4000);
	file = FILE_LEAST + size(&of_kind, 1500);
	vsz = 500 + size(&of_kind, 20000);
	value[MH_FIELD_FILE] = about(d, file);
	value[MH_FIELD_SHMEM] = life->shares ? size(&d->draw, 30000) : 0;
	value[MH_FIELD_RSS] = about(d, anon) + (life->lasts ? size(&d->draw, 60000) : 0) +
			      value[MH_FIELD_FILE] + value[MH_FIELD_SHMEM];
	value[MH_FIELD_HWM] = value[MH_FIELD_RSS] + (percent(d, 25) ? day_draw_delta(&d->draw) : 0);
	value[MH_FIELD_SWAP] = life->swapped ? size(&d->draw, 8000) : 0;
	value[MH_FIELD_THREADS] = life->lasts && percent(d, 30) ? 2 + chance(d, 30) : 1;
	value[MH_FIELD_VSZ] = 2 * (anon + file) + vsz;
	if (life->lasts)
		value[MH_FIELD_VSZ] += value[MH_FIELD_HWM] + value[MH_FIELD_THREADS] * STACK;
	else if (percent(d, 20))
		value[MH_FIELD_VSZ] += 33 * (1 + chance(d, 8));
	value[MH_FIELD_PEAK] = value[MH_FIELD_VSZ] + (percent(d, 30) ? chance(d, 400) : 0);
	value[MH_FIELD_ANON] = mh_field_anon(value);
	value[MH_FIELD_LOCKED] = life->lasts && percent(d, 1) ? 1 + chance(d, 100) : 0;
}

/* Jobs run the same steps one after another; others begin now and then. */
static uint32_t next_kind(struct day *d)
{
	d->next_kind = percent(d, 80) ? (d->next_kind + 1) % DAY_CMDLINES : chance(d, DAY_CMDLINES);
	if (d->next_kind == DAY_KIND_INIT)
		d->next_kind++;
	return d->next_kind;
}

static int reserve(struct day *d, uint32_t n)
{
	struct life *life;

	if (n <= d->n_lives)
		return 0;
	life = reallocarray(d->life, n, sizeof(*life));
	if (!life)
		return -ENOMEM;
	d->life = life;
	d->n_lives = n;
	return 0;
}

static int add(struct day *d, const struct mh_identity *id, bool lasts)
{
	uint32_t kind = id->pid == 1 ? DAY_KIND_INIT : next_kind(d);
	struct life life = {
		.series = d->next_series++,
		.lasts = lasts,
		.active = percent(d, ACTIVE_PERCENT),
		.shares = lasts && !chance(d, SHARES_OF),
		.swapped = lasts && !chance(d, SWAPPED_OF),
	};
	uint64_t value[MH_FIELD_COUNT] = {0};
	struct day_names names;
	struct mh_process *p;
	uint32_t slot;
	int rc = mh_table_add(d->table, id, &p);

	if (rc)
		return rc;
	slot = mh_table_slot(d->table, p);
	rc = reserve(d, slot + 1);
	if (rc)
		return rc;
	d->life[slot] = life;
	first_values(d, &life, kind, value);
	mh_table_set(d->table, p, value);
	day_names(&names, kind, lasts ? 1 : 700 + chance(d, 40));
	rc = mh_table_rename(d->table, p, &names.names);
	d->counts.born++;
	return rc < 0 ? rc : 0;
}

/* It grows or shrinks by this much; where that would be too little left, it grows. */
static uint64_t moved(struct day *d, uint64_t now, uint64_t least)
{
	uint64_t delta = day_draw_delta(&d->draw);

	return chance(d, 2) && now >= least + delta ? now - delta : now + delta;
}

static void raise_mark(struct mh_table *t, struct mh_process *p, int field, int mark, uint64_t more)
{
	if (p->value[field] + more > p->value[mark])
		mh_table_set_one(t, p, mark, p->value[field] + more);
}

static void change(struct day *d, struct mh_process *p, const struct life *life)
{
	struct mh_table *t = d->table;
	uint64_t file = p->value[MH_FIELD_FILE], shmem = p->value[MH_FIELD_SHMEM];
	uint64_t anon = mh_field_anon(p->value), was = anon;
	bool hides_peak = !chance(d, HIDES_PEAK);

	if (life->shares && !chance(d, CHANGES_SHMEM))
		shmem = moved(d, shmem, 0);
	else if (!chance(d, CHANGES_FILE))
		file = moved(d, file, FILE_LEAST);
	else
		anon = moved(d, anon, ANON_LEAST);
	if (life->swapped && !chance(d, CHANGES_SWAP) && was > anon)
		mh_table_set_one(t, p, MH_FIELD_SWAP, p->value[MH_FIELD_SWAP] + was - anon);
	mh_table_set_one(t, p, MH_FIELD_FILE, file);
	mh_table_set_one(t, p, MH_FIELD_SHMEM, shmem);
	mh_table_set_one(t, p, MH_FIELD_RSS, anon + file + shmem);
	raise_mark(t, p, MH_FIELD_RSS, MH_FIELD_HWM, hides_peak ? day_draw_delta(&d->draw) : 0);
	if (!chance(d, CHANGES_THREADS)) {
		bool can_less = p->value[MH_FIELD_THREADS] > 1 &&
				p->value[MH_FIELD_VSZ] > p->value[MH_FIELD_HWM] + STACK;
		bool more = !can_less || chance(d, 2);

		mh_table_set_one(t, p, MH_FIELD_THREADS,
				 p->value[MH_FIELD_THREADS] + (more ? 1 : UINT64_MAX));
		mh_table_set_one(t, p, MH_FIELD_VSZ,
				 p->value[MH_FIELD_VSZ] + (more ? STACK : (uint64_t)-STACK));
	} else if (!chance(d, CHANGES_VSZ)) {
		mh_table_set_one(t, p, MH_FIELD_VSZ,
				 moved(d, p->value[MH_FIELD_VSZ], p->value[MH_FIELD_HWM]));
	}
	/* address space is never less than what of it was in memory */
	if (p->value[MH_FIELD_VSZ] < p->value[MH_FIELD_HWM])
		mh_table_set_one(t, p, MH_FIELD_VSZ, p->value[MH_FIELD_HWM] + 33);
	raise_mark(t, p, MH_FIELD_VSZ, MH_FIELD_PEAK, 0);
}

/* --- a snapshot ------------------------------------------------------------------------------- */

static void tick_clocks(struct day *d)
{
	uint64_t n = d->counts.snapshots;

	/* a timer that is late by less than 2 ms */
	d->at.boot_ns = booted_before_ns + n * d->config.interval_ms * UINT64_C(1000000) +
			chance(d, 2000000);
	d->at.wall_ms = DAY_BEGIN_MS + 500 +
			(mh_ms_t)((d->at.boot_ns - booted_before_ns) / 1000000);
}

static void age(struct day *d)
{
	uint32_t n = d->n_lives;

	for (uint32_t slot = 0; slot < n; slot++) {
		struct mh_process *p = mh_table_at(d->table, slot);
		const struct life *life = &d->life[slot];

		if (!p)
			continue;
		d->life[slot].seen_hwm = p->value[MH_FIELD_HWM];
		if (!life->lasts && chance(d, ENDS_OF) < ENDS) {
			mh_table_remove(d->table, p);
		} else if (life->active && percent(d, CHANGES_PERCENT)) {
			uint64_t was = p->value[MH_FIELD_RSS];

			change(d, p, life);
			d->counts.changed += p->value[MH_FIELD_RSS] != was;
		}
	}
}

/* One of those that last is given another command line (exec, setproctitle). */
static int rename_one(struct day *d)
{
	struct mh_process *p = mh_table_at(d->table, chance(d, d->config.processes));
	struct day_names names;
	int rc;

	if (!p || p->id.pid == 1)
		return 0;
	day_names(&names, next_kind(d), p->ppid);
	rc = mh_table_rename(d->table, p, &names.names);
	d->counts.renamed += rc > 0;
	return rc < 0 ? rc : 0;
}

static int give_birth(struct day *d)
{
	uint32_t mean = d->config.processes / BIRTHS_PER;
	/* half as many to half more */
	uint32_t n = mean - mean / 2 + chance(d, mean / 2 * 2 + 1);
	uint64_t now = d->at.boot_ns / (1000000000 / DAY_CLK_TCK);
	uint64_t ago = (uint64_t)d->config.interval_ms * DAY_CLK_TCK / 1000;
	int rc = 0;

	for (uint32_t i = 0; i < n && !rc; i++) {
		struct mh_identity id = {
			.pid = new_pid(d),
			.start_ticks = now - ago + ago * i / n,
		};

		rc = add(d, &id, false);
	}
	return rc;
}

static int begin_all(struct day *d)
{
	int rc = 0;

	for (uint32_t i = 0; i < d->config.processes && !rc; i++) {
		struct mh_identity id = {.pid = 1, .start_ticks = 2};

		if (i) {
			id.pid = new_pid(d);
			id.start_ticks = 300 + 40 * (uint64_t)i;
		}
		rc = add(d, &id, true);
	}
	return rc;
}

int day_next(struct day *d, const struct mh_snapshot **ret)
{
	struct mh_round round = {
		.fields = MH_FIELDS_ALL,
		.collect_us = 1200 + chance(d, 300),
		.meminfo = &d->machine.meminfo,
	};
	bool first = !d->counts.snapshots;
	int rc;

	tick_clocks(d);
	mh_table_begin(d->table, d->at);
	mh_table_set_boot(d->table, &day_boot_id);
	age(d);
	rc = first ? begin_all(d) : rename_one(d);
	if (!rc)
		rc = give_birth(d);
	if (rc)
		return rc;
	day_machine_move(&d->machine, &d->draw);
	*ret = mh_table_end(d->table, &round);
	d->counts.snapshots++;
	d->counts.process_samples += (*ret)->n_live;
	return 0;
}

uint32_t day_series(const struct day *d, uint32_t slot)
{
	return d->life[slot].series;
}

uint64_t day_high(const struct day *d, uint32_t slot)
{
	const struct mh_process *p = mh_table_at(d->table, slot);
	bool moved_since = p->value[MH_FIELD_HWM] != d->life[slot].seen_hwm;

	return moved_since && d->counts.snapshots > 1 ? p->value[MH_FIELD_HWM]
						      : p->value[MH_FIELD_RSS];
}

void day_counts(const struct day *d, struct day_counts *ret)
{
	*ret = d->counts;
}

int day_new(struct day **ret, const struct day_config *config)
{
	struct day *d;
	int rc;

	if (config->processes < DAY_PROCESSES_MIN || config->processes > DAY_PROCESSES_MAX ||
	    config->interval_ms < 1000)
		return -EINVAL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->config = *config;
	d->next_pid = PID_FIRST_REUSED;
	rc = mh_table_new(&d->table, 0);
	if (!rc) {
		day_draw_init(&d->draw, config->seed, MEAN_DELTA);
		rc = day_machine_init(&d->machine);
	}
	if (rc) {
		day_free(d);
		return rc;
	}
	*ret = d;
	return 0;
}

void day_free(struct day *d)
{
	if (!d)
		return;
	mh_table_free(d->table);
	free(d->life);
	free(d);
}
