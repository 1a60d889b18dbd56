/*
 * The process table against a naive reference: one array by pid, compared whole after every round,
 * with every list of the snapshot derived from what was before and what is now.
 */
#include "libmemhist/model/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PIDS = 8000 };

struct life {
	uint32_t serial; /* 0 = nobody; no two lives have the same */
	uint32_t slot;
	struct mh_process process;
	char cmdline[40];
	bool renamed, changed; /* in this round */
};

struct reference {
	struct life now[PIDS + 1];
	struct life shown[PIDS + 1]; /* as in the snapshot before */
	struct life ended[PIDS + 1]; /* of those shown, in this round */
	bool no_twins[PIDS + 1];     /* ended in another boot */
	uint32_t n_lives;
	uint32_t n_live;
	uint32_t peak;
};

struct story {
	uint64_t random;
	uint32_t max_pid;
	struct mh_table *table;
	struct reference *ref;
	struct mh_instant now;
	struct mh_boot_id boot_id;
};

static uint32_t pick(struct story *st, uint32_t n)
{
	uint64_t z = st->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (uint32_t)((z ^ z >> 27) % n);
}

static void end_life(struct story *st, uint32_t pid)
{
	struct reference *ref = st->ref;

	if (ref->now[pid].serial == ref->shown[pid].serial)
		ref->ended[pid] = ref->now[pid];
	ref->now[pid] = (struct life){0};
	ref->n_live--;
}

static void give_names(struct story *st, struct mh_process *p)
{
	struct life *life = &st->ref->now[p->id.pid];
	char comm[20] = "", cmdline[40] = "";
	struct mh_names names = {.comm = comm, .cmdline = cmdline};
	int renamed;

	names.ppid = pick(st, 3);
	names.uid = pick(st, 2);
	names.comm_len = (size_t)snprintf(comm, sizeof(comm), "c%u", pick(st, 3));
	if (pick(st, 2))
		names.cmdline_len = (size_t)snprintf(cmdline, sizeof(cmdline), "prog --x=%u",
						     pick(st, 3));
	renamed = names.ppid != life->process.ppid || names.uid != life->process.uid ||
		  strcmp(comm, life->process.comm) != 0 || strcmp(cmdline, life->cmdline) != 0;
	assert_int_equal(mh_table_rename(st->table, p, &names), renamed);
	life->renamed |= renamed;
	life->process.ppid = names.ppid;
	life->process.uid = names.uid;
	memcpy(life->process.comm, comm, sizeof(comm));
	life->process.comm_len = (uint32_t)names.comm_len;
	life->process.cmdline_len = (uint32_t)names.cmdline_len;
	memcpy(life->cmdline, cmdline, sizeof(cmdline));
}

static void give_values(struct story *st, struct mh_process *p)
{
	struct life *life = &st->ref->now[p->id.pid];
	uint64_t value[MH_FIELD_COUNT];

	memcpy(value, life->process.value, sizeof(value));
	if (pick(st, 2)) {
		int field = (int)pick(st, MH_FIELD_COUNT);

		field = mh_fields[field].column ? field : MH_FIELD_RSS;
		value[field] = pick(st, 3);
		mh_table_set_one(st->table, p, field, value[field]);
		value[MH_FIELD_ANON] = mh_field_anon(value);
	} else {
		for (int f = 0; f < MH_FIELD_COUNT; f++)
			value[f] = pick(st, 3);
		value[MH_FIELD_ANON] = mh_field_anon(value);
		mh_table_set(st->table, p, value);
	}
	life->changed |= memcmp(life->process.value, value, sizeof(value)) != 0;
	memcpy(life->process.value, value, sizeof(value));
}

static void remove_process(struct story *st, struct mh_process *p)
{
	uint32_t pid = p->id.pid;

	mh_table_remove(st->table, p);
	assert_null(mh_table_find(st->table, pid));
	end_life(st, pid);
}

static void add_process(struct story *st, uint32_t pid)
{
	struct reference *ref = st->ref;
	struct mh_identity id = {
		.pid = pid,
		/* few start times, so that a reused pid often has that of its last owner */
		.start_ticks = pick(st, 2),
		.twin = pick(st, 20) ? 0 : 5,
	};
	const struct life *ended = &ref->ended[pid];
	struct mh_process *p = NULL;
	struct life *life = &ref->now[pid];

	assert_int_equal(mh_table_add(st->table, &id, &p), 0);
	*life = (struct life){.serial = ++ref->n_lives, .slot = mh_table_slot(st->table, p)};
	life->process.id = id;
	if (!id.twin && ended->serial && !ref->no_twins[pid] &&
	    ended->process.id.start_ticks == id.start_ticks)
		life->process.id.twin = ended->process.id.twin + 1;
	assert_int_equal(p->id.twin, life->process.id.twin);
	assert_int_equal(mh_table_add(st->table, &id, &p), -EEXIST);
	if (++ref->n_live > ref->peak)
		ref->peak = ref->n_live;
}

static void act(struct story *st)
{
	uint32_t pid = 1 + pick(st, st->max_pid);
	struct mh_process *p = mh_table_find(st->table, pid);

	assert_int_equal(p != NULL, st->ref->now[pid].serial != 0);
	if (!p) {
		if (pick(st, 2))
			add_process(st, pid);
		return;
	}
	switch (pick(st, 8)) {
	case 0:
		remove_process(st, p);
		if (pick(st, 2))
			add_process(st, pid);
		break;
	case 1:
	case 2:
		give_names(st, p);
		break;
	default:
		give_values(st, p);
	}
}

/* A full listing in which some processes are missing; `again` begins it a second time. */
static void list_some(struct story *st, bool again)
{
	static bool kept[PIDS + 1];

	if (again)
		mh_table_begin(st->table, st->now);
	for (uint32_t pid = 1; pid <= st->max_pid; pid++) {
		struct mh_process *p = mh_table_find(st->table, pid);

		/* those born in this listing are kept as they are */
		kept[pid] = p && mh_table_is_kept(st->table, p);
		if (!p || kept[pid] || !pick(st, 10))
			continue;
		mh_table_keep(st->table, p);
		kept[pid] = true;
	}
	mh_table_drop_unkept(st->table);
	for (uint32_t pid = 1; pid <= st->max_pid; pid++)
		if (st->ref->now[pid].serial && !kept[pid])
			end_life(st, pid);
}

static void reboot(struct story *st)
{
	/* straight after _begin nobody is kept */
	st->boot_id.bytes[3]++;
	mh_table_set_boot(st->table, &st->boot_id);
	for (uint32_t pid = 1; pid <= st->max_pid; pid++) {
		if (st->ref->now[pid].serial)
			end_life(st, pid);
		st->ref->no_twins[pid] = st->ref->ended[pid].serial;
	}
}

static void same_process(const struct mh_process *p, const struct life *life)
{
	assert_true(mh_identity_same(&p->id, &life->process.id));
	assert_memory_equal(p->value, life->process.value, sizeof(p->value));
	assert_int_equal(p->ppid, life->process.ppid);
	assert_int_equal(p->uid, life->process.uid);
	assert_int_equal(p->comm_len, life->process.comm_len);
	assert_string_equal(p->comm, life->process.comm);
	assert_int_equal(p->cmdline_len, life->process.cmdline_len);
	if (p->cmdline_len)
		assert_memory_equal(p->cmdline, life->cmdline, p->cmdline_len);
	else
		assert_null(p->cmdline);
}

static void check_living(const struct story *st, const struct mh_snapshot *s)
{
	uint32_t n = 0, n_slots = 0;

	for (uint32_t pid = 1; pid <= st->max_pid; pid++) {
		const struct life *life = &st->ref->now[pid];
		const struct mh_process *p = mh_table_find(st->table, pid);

		if (!life->serial) {
			assert_null(p);
			continue;
		}
		assert_non_null(p);
		same_process(p, life);
		assert_int_equal(mh_table_slot(st->table, p), life->slot);
		assert_ptr_equal(&s->process[life->slot], p);
		n++;
		if (life->slot >= n_slots)
			n_slots = life->slot + 1;
	}
	assert_int_equal(s->n_live, n);
	assert_int_equal(mh_table_live(st->table), n);
	assert_int_equal(s->n_slots, n_slots);
	/* as many slots as there are pids: no other slot is taken */
	mh_snapshot_for_each (s, slot) {
		assert_ptr_equal(mh_table_at(st->table, slot), &s->process[slot]);
		n--;
	}
	assert_int_equal(n, 0);
	assert_null(mh_table_at(st->table, s->n_slots));
}

/* A list holds each of the slots whose life is marked so, once. */
static void check_list(struct story *st, const struct mh_snapshot *s, const uint32_t *list,
		       uint32_t n, bool (*belongs)(const struct reference *ref, uint32_t pid))
{
	static uint32_t listed[PIDS + 1];

	memset(listed, 0, sizeof(listed));
	for (uint32_t i = 0; i < n; i++)
		listed[s->process[list[i]].id.pid]++;
	assert_int_equal(listed[0], 0);
	for (uint32_t pid = 1; pid <= st->max_pid; pid++)
		assert_int_equal(listed[pid], belongs(st->ref, pid));
}

static bool is_born(const struct reference *ref, uint32_t pid)
{
	return ref->now[pid].serial && ref->now[pid].serial != ref->shown[pid].serial;
}

static bool is_renamed(const struct reference *ref, uint32_t pid)
{
	return ref->now[pid].renamed && !is_born(ref, pid);
}

static bool is_changed(const struct reference *ref, uint32_t pid)
{
	return ref->now[pid].changed && !is_born(ref, pid);
}

static void check_gone(struct story *st, const struct mh_snapshot *s)
{
	static bool listed[PIDS + 1];

	memset(listed, 0, sizeof(listed));
	for (uint32_t i = 0; i < s->n_gone; i++) {
		uint32_t pid = s->gone[i].process.id.pid;

		assert_false(listed[pid]);
		listed[pid] = true;
		same_process(&s->gone[i].process, &st->ref->ended[pid]);
		assert_int_equal(s->gone[i].slot, st->ref->ended[pid].slot);
	}
	for (uint32_t pid = 1; pid <= st->max_pid; pid++)
		assert_int_equal(listed[pid], st->ref->ended[pid].serial != 0);
}

static void close_round(struct story *st, bool is_first)
{
	struct mh_round round = {.fields = pick(st, 8), .partial = pick(st, 2), .collect_us = 3};
	const struct mh_snapshot *s = mh_table_end(st->table, &round);
	struct reference *ref = st->ref;

	assert_int_equal(s->first, is_first);
	assert_int_equal(s->at.wall_ms, st->now.wall_ms);
	assert_int_equal(s->at.boot_ns, st->now.boot_ns);
	assert_int_equal(s->fields, round.fields);
	assert_int_equal(s->partial, round.partial);
	assert_int_equal(s->collect_us, 3);
	assert_null(s->meminfo);
	assert_memory_equal(&s->boot_id, &st->boot_id, sizeof(s->boot_id));
	check_living(st, s);
	check_gone(st, s);
	check_list(st, s, s->born, s->n_born, is_born);
	check_list(st, s, s->renamed, s->n_renamed, is_renamed);
	check_list(st, s, s->changed, s->n_changed, is_changed);

	for (uint32_t pid = 1; pid <= st->max_pid; pid++)
		ref->now[pid].renamed = ref->now[pid].changed = false;
	memcpy(ref->shown, ref->now, sizeof(ref->shown));
	memset(ref->ended, 0, sizeof(ref->ended));
	memset(ref->no_twins, 0, sizeof(ref->no_twins));
}

static void live(uint64_t seed, uint32_t max_pid, uint32_t rounds, uint32_t max_steps)
{
	struct story st = {.random = seed, .max_pid = max_pid};

	print_message("# seed %u\n", (unsigned)seed);
	st.ref = calloc(1, sizeof(*st.ref));
	assert_non_null(st.ref);
	assert_int_equal(mh_table_new(&st.table, 0), 0);
	for (uint32_t round = 0; round < rounds; round++) {
		uint32_t steps = pick(&st, max_steps);

		st.now.wall_ms += (mh_ms_t)pick(&st, 2000) - 500;
		st.now.boot_ns += 1000000000;
		mh_table_begin(st.table, st.now);
		if (!pick(&st, 40))
			reboot(&st);
		while (steps--)
			act(&st);
		if (!pick(&st, 5))
			list_some(&st, pick(&st, 2));
		close_round(&st, round == 0);
	}
	assert_true(st.ref->peak > max_pid / 4);
	mh_table_free(st.table);
	free(st.ref);
}

static void a_few_pids_that_are_often_reused(void **state)
{
	(void)state;
	live(1, 6, 5000, 12);
	live(2, 40, 3000, 60);
	live(3, 150, 1000, 300);
}

static void thousands_of_processes(void **state)
{
	(void)state;
	live(4, PIDS, 60, 30000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_pids_that_are_often_reused),
		cmocka_unit_test(thousands_of_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
