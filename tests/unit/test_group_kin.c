/*
 * Descendants over a random life, against a reference that looks at everybody in each snapshot:
 * forks, execs, parents that end, pids that are used again, orphans that are adopted.
 */
#include "libmemhist/model/group.h"
#include "tests/unit/rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PIDS = 40, STEPS = 4000 };

/* "h": a group whose descendants follow. "o": one whose do not. All others: no rule. */
static const char *const comms[] = {"x", "y", "h1", "h2", "o1"};
enum { COMMS = 5 };

struct life {
	struct {
		uint64_t start; /* 0: nobody */
		uint32_t ppid;
		uint32_t comm;
		/* the reference's: the group it followed as an orphan, or "" */
		char orphan_of[8];
		char group[8];
		uint32_t bound_ppid;
	} at[PIDS];
	uint64_t clock;
	uint64_t seed;
};

static uint32_t dice(struct life *l, uint32_t n)
{
	l->seed = l->seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(l->seed >> 33) % n;
}

/* 1 is init: it is always there, and adopts. */
static void step(struct life *l)
{
	for (uint32_t i = dice(l, 4); i--;) {
		uint32_t pid = 2 + dice(l, PIDS - 2), parent = 1 + dice(l, PIDS - 1);

		switch (dice(l, 6)) {
		case 0: /* a fork, of a pid that is free */
		case 1:
		case 2:
			if (l->at[pid].start || !l->at[parent].start)
				break;
			memset(&l->at[pid], 0, sizeof(l->at[pid]));
			l->at[pid].start = ++l->clock;
			l->at[pid].ppid = parent;
			l->at[pid].comm = l->at[parent].comm;
			break;
		case 3: /* an exec */
			l->at[pid].comm = dice(l, COMMS);
			break;
		default: /* an end; children go to init */
			l->at[pid].start = 0;
			for (uint32_t child = 2; child < PIDS; child++)
				if (l->at[child].ppid == pid)
					l->at[child].ppid = 1;
		}
	}
}

/* By the rules as group.h tells them, from the top down each time. */
static const char *reference_of(struct life *l, uint32_t pid)
{
	const char *comm = comms[l->at[pid].comm];

	if (comm[0] == 'h' || comm[0] == 'o')
		return comm;
	if (l->at[pid].orphan_of[0])
		return l->at[pid].orphan_of;
	for (uint32_t up = l->at[pid].ppid; up; up = l->at[up].ppid) {
		const char *its = comms[l->at[up].comm];

		if (its[0] == 'h')
			return its;
		if (its[0] == 'o')
			break;
		if (l->at[up].orphan_of[0])
			return l->at[up].orphan_of;
	}
	return comm;
}

/* Who followed somebody in the snapshot before, and has another parent now, stays there. */
static void note_orphans(struct life *l)
{
	for (uint32_t pid = 2; pid < PIDS; pid++) {
		const char *comm = comms[l->at[pid].comm];
		const bool own = comm[0] == 'h' || comm[0] == 'o';

		if (!l->at[pid].start)
			continue;
		if (own)
			l->at[pid].orphan_of[0] = '\0';
		else if (l->at[pid].bound_ppid && l->at[pid].bound_ppid != l->at[pid].ppid &&
			 l->at[pid].group[0] == 'F')
			snprintf(l->at[pid].orphan_of, sizeof(l->at[pid].orphan_of), "%s",
				 l->at[pid].group + 1);
	}
}

/* What each was bound to: "F" and the group for who follows. */
static void note_groups(struct life *l)
{
	for (uint32_t pid = 2; pid < PIDS; pid++) {
		const char *comm = comms[l->at[pid].comm], *group = reference_of(l, pid);
		const bool own = comm[0] == 'h' || comm[0] == 'o';

		l->at[pid].bound_ppid = l->at[pid].start ? l->at[pid].ppid : 0;
		snprintf(l->at[pid].group, sizeof(l->at[pid].group), "%s%s",
			 own || group == comm ? "" : "F", group);
	}
}

static struct mh_rules *rules(void)
{
	struct mh_err err = {""};
	struct mh_rules *r;

	assert_int_equal(mh_rules_new(&r), 0);
	for (int i = 2; i < COMMS; i++) {
		assert_int_equal(mh_rules_begin(r, &err), 0);
		assert_int_equal(mh_rules_add(r, MH_SELECT_COMM, comms[i], &err), 0);
		mh_rules_tree(r, comms[i][0] == 'h');
		assert_int_equal(mh_rules_end(r, &err), 0);
	}
	return r;
}

static void a_random_life_equals_the_reference(void **state)
{
	const struct mh_groups_config config = {.rules = rules()};
	struct life l = {.seed = 4711};
	struct mh_groups *g;
	struct rounds r;
	int followers = 0, orphans = 0;

	(void)state;
	assert_int_equal(mh_groups_new(&g, &config), 0);
	rounds_init(&r);
	l.at[1].start = ++l.clock;
	for (int i = 0; i < STEPS; i++) {
		const struct mh_snapshot *s;

		step(&l);
		note_orphans(&l);
		rounds_begin(&r);
		for (uint32_t pid = 1; pid < PIDS; pid++) {
			const struct mh_names names = {.ppid = l.at[pid].ppid,
						       .comm = comms[l.at[pid].comm],
						       .comm_len = strlen(comms[l.at[pid].comm])};

			if (l.at[pid].start)
				rounds_named(&r, pid, l.at[pid].start, &names, 1);
		}
		s = rounds_end(&r);
		assert_int_equal(mh_groups_update(g, s), 0);
		mh_snapshot_for_each (s, slot)
			assert_string_equal(mh_groups_of(g, slot),
					    reference_of(&l, s->process[slot].id.pid));
		note_groups(&l);
		for (uint32_t pid = 2; pid < PIDS; pid++) {
			followers += l.at[pid].start && l.at[pid].group[0] == 'F';
			orphans += l.at[pid].start && l.at[pid].orphan_of[0];
		}
	}
	assert_true(followers > STEPS && orphans > STEPS / 10); /* the life had what it is about */
	mh_groups_free(g);
	rounds_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_random_life_equals_the_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
