/* Processes that rules choose: by any rule, from a size on, as they are called now. */
#include "libmemhist/model/choice.h"
#include "libmemhist/model/regex.h"
#include "tests/unit/rounds.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { NO_SIZE = 0, MIB = 1 << 20 };

struct rule {
	enum mh_selector selector;
	const char *word; /* NULL: no selector */
	uint64_t min_rss; /* NO_SIZE: it has none */
};

static struct mh_rules *rules(const struct rule *rule, size_t n)
{
	struct mh_err err = {""};
	struct mh_rules *r;

	assert_int_equal(mh_rules_new(&r), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(mh_rules_begin(r, &err), 0);
		if (rule[i].word)
			assert_int_equal(mh_rules_add(r, rule[i].selector, rule[i].word, &err), 0);
		if (rule[i].min_rss != NO_SIZE)
			mh_rules_min_rss(r, rule[i].min_rss);
		assert_int_equal(mh_rules_end_choice(r, &err), 0);
	}
	return r;
}

static struct mh_choice *choice(const struct rule *rule, size_t n)
{
	struct mh_choice *c;

	assert_int_equal(mh_choice_new(&c, rules(rule, n)), 0);
	return c;
}

/* The pids that are chosen, in order of slots: "7 9". */
static void expect(struct mh_choice *c, const struct mh_snapshot *s, const char *pids)
{
	char text[256] = "";
	size_t len = 0;

	assert_int_equal(mh_choice_update(c, s), 0);
	mh_snapshot_for_each (s, slot) {
		if (!mh_choice_takes(c, slot, s->process[slot].value[MH_FIELD_RSS] * 4096))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", len ? " " : "",
					s->process[slot].id.pid);
	}
	assert_string_equal(text, pids);
}

/* 256 pages are a MiB. */
static void any_rule_chooses_by_its_size(void **state)
{
	static const struct rule rule[] = {{MH_SELECT_COMM, "db", 4 * MIB},
					   {MH_SELECT_CMDLINE, "--small", 2 * MIB},
					   {MH_SELECT_COMM, "web", NO_SIZE},
					   {0, NULL, 100 * MIB}};
	struct mh_choice *c = choice(rule, 4);
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "db", "db", 4 * 256 - 1);
	rounds_process(&r, 2, 1, "db", "db", 4 * 256);
	rounds_process(&r, 3, 1, "db", "db --small", 2 * 256); /* the rule that asks for less */
	rounds_process(&r, 4, 1, "db", "db --small", 2 * 256 - 1);
	rounds_process(&r, 5, 1, "web", "web", 0);
	rounds_process(&r, 6, 1, "x", "x", 100 * 256);
	rounds_process(&r, 7, 1, "x", "x", 100 * 256 - 1);
	expect(c, rounds_end(&r), "2 3 5 6");
	rounds_begin(&r); /* nobody is born: sizes alone are others */
	rounds_process(&r, 1, 1, "db", "db", 4 * 256);
	rounds_process(&r, 2, 1, "db", "db", 4 * 256 - 1);
	rounds_process(&r, 7, 1, "x", "x", 100 * 256);
	expect(c, rounds_end(&r), "1 7");
	mh_choice_free(c);
	rounds_done(&r);
}

static void who_is_renamed_or_follows_in_a_slot_is_asked(void **state)
{
	static const struct rule rule[] = {{MH_SELECT_COMM, "db", NO_SIZE}};
	struct mh_choice *c = choice(rule, 1);
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "sh", "sh", 1);
	rounds_process(&r, 2, 1, "db", "db", 1);
	expect(c, rounds_end(&r), "2");
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "db", "sh", 1); /* executed another program */
	rounds_process(&r, 3, 1, "sh", "sh", 1); /* in the slot of the one who ended */
	expect(c, rounds_end(&r), "1");
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "sh", "sh", 1);
	rounds_process(&r, 3, 9, "db", "db", 1); /* the same pid, another process */
	expect(c, rounds_end(&r), "3");
	mh_choice_free(c);
	rounds_done(&r);
}

/* Rules that come later know everybody, not only who is born after. */
static void other_rules_ask_everybody(void **state)
{
	static const struct rule rule[] = {{MH_SELECT_COMM, "db", NO_SIZE}};
	struct mh_choice *c;
	struct rounds r;

	(void)state;
	rounds_init(&r);
	for (int i = 0; i < 2; i++) {
		rounds_begin(&r);
		rounds_process(&r, 1, 1, "db", "db", 1);
		rounds_end(&r);
	}
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "db", "db", 1);
	c = choice(rule, 1);
	expect(c, rounds_end(&r), "1");
	assert_false(mh_choice_takes(c, 1000000, MIB)); /* no slot that there is */
	mh_choice_free(c);
	rounds_done(&r);
}

/* Who comes too late in a sample for an expression is asked again in the next one. */
static void who_was_passed_over_is_asked_again(void **state)
{
	static const struct rule rule[] = {{MH_SELECT_CMDLINE, "^(a+)+$", NO_SIZE}};
	static const char slow[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";
	struct mh_choice *c = choice(rule, 1);
	struct rounds r;
	uint32_t pid;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	for (pid = 1; pid <= MH_REGEX_PATIENCE; pid++)
		rounds_process(&r, pid, 1, "x", slow, 1);
	rounds_process(&r, 99, 1, "x", "aaa", 1);
	expect(c, rounds_end(&r), "");
	assert_true(mh_choice_given_up(c) > 0);
	rounds_begin(&r); /* the slow ones are gone */
	rounds_process(&r, 99, 1, "x", "aaa", 1);
	expect(c, rounds_end(&r), "99");
	mh_choice_free(c);
	rounds_done(&r);
}

static bool is_bash(const struct mh_process *p)
{
	return p->comm_len == 4 && !memcmp(p->comm, "bash", 4);
}

/* Over a random life: the same as if everybody were asked each time. */
static void memory_says_what_asking_everybody_does(void **state)
{
	static const struct rule rule[] = {{MH_SELECT_COMM, "bash", 3 * MIB},
					   {MH_SELECT_CMDLINE, "--id=1.$", 5 * MIB},
					   {MH_SELECT_USER, "root", 18 * MIB}};
	size_t n_chosen = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		struct mh_choice *c = choice(rule, 3);
		struct mh_rules *asked = rules(rule, 3);
		struct world w;

		world_init(&w, 70 + seed);
		for (int step = 0; step < 150; step++) {
			const struct mh_snapshot *s = world_step(&w);

			assert_int_equal(mh_choice_update(c, s), 0);
			mh_rules_tick(asked, s->at);
			mh_snapshot_for_each (s, slot) {
				const struct mh_process *p = &s->process[slot];
				const uint64_t rss = p->value[MH_FIELD_RSS] * 4096;
				const bool takes = mh_choice_takes(c, slot, rss);
				bool undecided;

				assert_int_equal(takes,
						 rss >= mh_rules_choose(asked, p, &undecided));
				if (is_bash(p) && rss >= 3 * MIB)
					assert_true(takes);
				n_chosen += takes;
			}
		}
		mh_rules_free(asked);
		mh_choice_free(c);
		world_done(&w);
	}
	assert_true(n_chosen > 100);
}

static void a_rule_that_says_nothing_is_refused(void **state)
{
	struct mh_err err = {""};
	struct mh_rules *r;

	(void)state;
	assert_int_equal(mh_rules_new(&r), 0);
	assert_int_equal(mh_rules_begin(r, &err), 0);
	assert_int_equal(mh_rules_end_choice(r, &err), -EINVAL);
	assert_string_equal(err.text,
			    "a rule says whom it takes: by comm, exe, cmdline, program, user, "
			    "cgroup, unit, class or min_rss");
	mh_rules_free(r);
}

static void no_rules_choose_nobody(void **state)
{
	struct mh_choice *c = choice(NULL, 0);
	struct rounds r;

	(void)state;
	rounds_init(&r);
	rounds_begin(&r);
	rounds_process(&r, 1, 1, "db", "db", UINT64_MAX / 4096);
	expect(c, rounds_end(&r), "");
	mh_choice_free(c);
	mh_choice_free(NULL);
	rounds_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_rule_chooses_by_its_size),
		cmocka_unit_test(who_is_renamed_or_follows_in_a_slot_is_asked),
		cmocka_unit_test(other_rules_ask_everybody),
		cmocka_unit_test(who_was_passed_over_is_asked_again),
		cmocka_unit_test(memory_says_what_asking_everybody_does),
		cmocka_unit_test(a_rule_that_says_nothing_is_refused),
		cmocka_unit_test(no_rules_choose_nobody),
	};

	return cmocka_run_group_tests_name("choice", tests, NULL, NULL);
}
