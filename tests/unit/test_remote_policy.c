/*
 * The rules of exporter/remote/policy.h: what is answered, and what is done then, as tables; and a
 * made receiver that refuses some units, to which whole batches are sent.
 */
#include "exporter/remote/policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { UNITS = 8, STEPS = 8 };

/* --- one answer after the other --------------------------------------------------------------- */

struct answered {
	int status;
	int written; /* -1: no such header */
	enum policy_what what;
	size_t taken, given_up;
	mh_ms_t asked_ms; /* by Retry-After, 0: there is none */
	mh_ms_t wait_ms;
};

/* Statuses that are answered to a batch of UNITS, one after the other, until what they say ends. */
static const struct {
	const char *name;
	enum remote_protocol protocol;
	struct answered step[STEPS];
	size_t left; /* units that are still to be sent then … */
	enum remote_protocol spoken;
} stories[] = {
	{"1.0: 200", REMOTE_V1, {{200, -1, POLICY_TAKEN, 8, 0, 0, 0}}, 0, REMOTE_V1},
	{"1.0: 204", REMOTE_V1, {{204, -1, POLICY_TAKEN, 8, 0, 0, 0}}, 0, REMOTE_V1},
	{"1.0 does not care for headers of 2.0",
	 REMOTE_V1,
	 {{204, 3, POLICY_TAKEN, 8, 0, 0, 0}},
	 0,
	 REMOTE_V1},
	{"2.0: all written", REMOTE_V2, {{204, 8, POLICY_TAKEN, 8, 0, 0, 0}}, 0, REMOTE_V2},
	{"2.0: more written than sent",
	 REMOTE_V2,
	 {{204, 99, POLICY_TAKEN, 8, 0, 0, 0}},
	 0,
	 REMOTE_V2},
	{"2.0: some written", REMOTE_V2, {{204, 5, POLICY_GIVEN_UP, 5, 3, 0, 0}}, 0, REMOTE_V2},
	{"2.0: none written", REMOTE_V2, {{204, 0, POLICY_GIVEN_UP, 0, 8, 0, 0}}, 0, REMOTE_V2},
	{"2.0: 400, some written",
	 REMOTE_V2,
	 {{400, 5, POLICY_GIVEN_UP, 5, 3, 0, 0}},
	 0,
	 REMOTE_V2},
	{"2.0: 400, rolled back", REMOTE_V2, {{400, 0, POLICY_SPLIT, 0, 0, 0, 0}}, 4, REMOTE_V2},
	{"2.0, fixed: not heard",
	 REMOTE_V2,
	 {{204, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}},
	 0,
	 REMOTE_V2},
	{"2.0, fixed: 415", REMOTE_V2, {{415, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}}, 0, REMOTE_V2},
	{"1.0, fixed: 415", REMOTE_V1, {{415, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}}, 0, REMOTE_V1},
	{"2.0, fixed: 400", REMOTE_V2, {{400, -1, POLICY_SPLIT, 0, 0, 0, 0}}, 4, REMOTE_V2},
	{"auto: 2.0 is known", REMOTE_AUTO, {{204, 8, POLICY_TAKEN, 8, 0, 0, 0}}, 0, REMOTE_V2},
	{"auto: 415",
	 REMOTE_AUTO,
	 {{415, -1, POLICY_SWITCHED, 0, 0, 0, 0}, {204, -1, POLICY_TAKEN, 8, 0, 0, 0}},
	 0,
	 REMOTE_V1},
	{"auto: 415 with headers of 2.0",
	 REMOTE_AUTO,
	 {{415, 0, POLICY_SWITCHED, 0, 0, 0, 0}, {204, -1, POLICY_TAKEN, 8, 0, 0, 0}},
	 0,
	 REMOTE_V1},
	{"auto: 2xx without a header",
	 REMOTE_AUTO,
	 {{204, -1, POLICY_SWITCHED, 0, 0, 0, 0}, {204, -1, POLICY_TAKEN, 8, 0, 0, 0}},
	 0,
	 REMOTE_V1},
	{"auto: 400 without a header",
	 REMOTE_AUTO,
	 {{400, -1, POLICY_SWITCHED, 0, 0, 0, 0}, {204, -1, POLICY_TAKEN, 8, 0, 0, 0}},
	 0,
	 REMOTE_V1},
	{"auto: 400 from who knows 2.0",
	 REMOTE_AUTO,
	 {{400, 0, POLICY_SPLIT, 0, 0, 0, 0}, {400, -1, POLICY_SPLIT, 0, 0, 0, 0}},
	 2,
	 REMOTE_V2},
	{"auto: no other status changes the protocol",
	 REMOTE_AUTO,
	 {{500, -1, POLICY_AGAIN, 0, 0, 0, 30},
	  {429, -1, POLICY_AGAIN, 0, 0, 0, 60},
	  {0, -1, POLICY_AGAIN, 0, 0, 0, 120},
	  {404, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}},
	 0,
	 REMOTE_V2},
	{"auto: both are refused",
	 REMOTE_AUTO,
	 {{415, -1, POLICY_SWITCHED, 0, 0, 0, 0}, {415, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}},
	 0,
	 REMOTE_V1},
	{"auto: both get 400",
	 REMOTE_AUTO,
	 {{400, -1, POLICY_SWITCHED, 0, 0, 0, 0}, {400, -1, POLICY_SPLIT, 0, 0, 0, 0}},
	 4,
	 REMOTE_V1},
	{"waits double, up to the limit",
	 REMOTE_V1,
	 {{500, -1, POLICY_AGAIN, 0, 0, 0, 30},
	  {502, -1, POLICY_AGAIN, 0, 0, 0, 60},
	  {503, -1, POLICY_AGAIN, 0, 0, 0, 120},
	  {504, -1, POLICY_AGAIN, 0, 0, 0, 200},
	  {599, -1, POLICY_AGAIN, 0, 0, 0, 200},
	  {200, -1, POLICY_TAKEN, 8, 0, 0, 0}},
	 0,
	 REMOTE_V1},
	{"no answer, and what is none",
	 REMOTE_V1,
	 {{0, -1, POLICY_AGAIN, 0, 0, 0, 30},
	  {100, -1, POLICY_AGAIN, 0, 0, 0, 60},
	  {700, -1, POLICY_AGAIN, 0, 0, 0, 120}},
	 8,
	 REMOTE_V1},
	{"Retry-After lengthens a wait",
	 REMOTE_V1,
	 {{503, -1, POLICY_AGAIN, 0, 0, 2000, 2000},
	  {429, -1, POLICY_AGAIN, 0, 0, 3000, 3000},
	  {500, -1, POLICY_AGAIN, 0, 0, 86400000, 300000},
	  {500, -1, POLICY_AGAIN, 0, 0, 300001, 300000}},
	 8,
	 REMOTE_V1},
	{"Retry-After shortens none",
	 REMOTE_V1,
	 {{503, -1, POLICY_AGAIN, 0, 0, 1, 30},
	  {503, -1, POLICY_AGAIN, 0, 0, 59, 60},
	  {503, -1, POLICY_AGAIN, 0, 0, 0, 120}},
	 8,
	 REMOTE_V1},
	{"301", REMOTE_V1, {{301, -1, POLICY_MISCONFIGURED, 0, 0, 0, 60000}}, 8, REMOTE_V1},
	{"302 of auto",
	 REMOTE_AUTO,
	 {{302, -1, POLICY_MISCONFIGURED, 0, 0, 0, 60000}, {204, 8, POLICY_TAKEN, 8, 0, 0, 0}},
	 0,
	 REMOTE_V2},
	{"401", REMOTE_V1, {{401, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}}, 0, REMOTE_V1},
	{"403", REMOTE_V1, {{403, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}}, 0, REMOTE_V1},
	{"404", REMOTE_V1, {{404, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}}, 0, REMOTE_V1},
	{"408", REMOTE_V1, {{408, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}}, 0, REMOTE_V1},
	{"413", REMOTE_V1, {{413, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}}, 0, REMOTE_V1},
	{"422", REMOTE_V1, {{422, -1, POLICY_GIVEN_UP, 0, 8, 0, 0}}, 0, REMOTE_V1},
	{"404 with Retry-After",
	 REMOTE_V1,
	 {{404, -1, POLICY_GIVEN_UP, 0, 8, 1000, 0}},
	 0,
	 REMOTE_V1},
};

static struct policy_answer answer_of(const struct answered *a)
{
	return (struct policy_answer){
		.status = a->status,
		.retry_after_ms = a->asked_ms ? a->asked_ms : -1,
		.has_written = a->written >= 0,
		.written = a->written > 0 ? (uint64_t)a->written : 0,
	};
}

static struct policy start(enum remote_protocol protocol)
{
	const struct policy_config config = {protocol, 30, 200};
	struct policy p;

	policy_init(&p, &config);
	policy_begin(&p, UNITS);
	return p;
}

static void what_is_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		struct policy p = start(stories[i].protocol);
		struct policy_part part;
		struct policy_step step;

		for (const struct answered *a = stories[i].step; a->status || a->what; a++) {
			struct policy_answer answer = answer_of(a);

			if (!policy_part(&p, &part))
				fail_msg("%s: nothing is sent", stories[i].name);
			policy_answer(&p, &answer, 0, &step);
			if (step.what != a->what || step.taken != a->taken ||
			    step.given_up != a->given_up || step.wait_ms != a->wait_ms)
				fail_msg("%s: after %d: %d, %zu taken, %zu given up, %d ms",
					 stories[i].name, a->status, step.what, step.taken,
					 step.given_up, (int)step.wait_ms);
		}
		part = (struct policy_part){0};
		policy_part(&p, &part);
		if (part.to - part.from != stories[i].left)
			fail_msg("%s: %zu units are left", stories[i].name, part.to - part.from);
		policy_begin(&p, 1);
		assert_true(policy_part(&p, &part));
		if (part.protocol != stories[i].spoken)
			fail_msg("%s: the next batch is in %d", stories[i].name, part.protocol);
	}
}

static void what_is_remembered(void **state)
{
	struct policy p = start(REMOTE_AUTO);
	struct policy_part part;
	struct policy_step step;

	(void)state;
	policy_answer(&p, &(struct policy_answer){.status = 415}, 0, &step);
	for (int batch = 0; batch < 10; batch++) {
		assert_true(policy_part(&p, &part));
		assert_int_equal(part.protocol, REMOTE_V1);
		policy_answer(&p, &(struct policy_answer){.status = 204}, 0, &step);
		assert_int_equal(step.what, POLICY_TAKEN);
		policy_begin(&p, UNITS);
	}
	/* a receiver that was replaced */
	policy_answer(&p, &(struct policy_answer){.status = 415}, 0, &step);
	assert_int_equal(step.what, POLICY_SWITCHED);
	assert_true(policy_part(&p, &part));
	assert_int_equal(part.protocol, REMOTE_V2);
}

static void attempts_are_counted(void **state)
{
	struct policy p = start(REMOTE_V1);
	struct policy_part part;
	struct policy_step step;

	(void)state;
	for (uint32_t attempt = 0; attempt < 100; attempt++) {
		assert_true(policy_part(&p, &part));
		assert_int_equal(part.attempt, attempt);
		assert_int_equal(part.from, 0);
		assert_int_equal(part.to, UNITS);
		policy_answer(&p, &(struct policy_answer){.status = attempt % 2 ? 503 : 0}, 0,
			      &step);
	}
	policy_answer(&p, &(struct policy_answer){.status = 400}, 0, &step);
	assert_true(policy_part(&p, &part));
	assert_int_equal(part.attempt, 0);
	policy_answer(&p, &(struct policy_answer){.status = 500}, 0, &step);
	assert_int_equal(step.wait_ms, 30);
}

/* Whatever the chance: no wait is shorter than the one before, none longer than allowed. */
static void waits(void **state)
{
	const double random[] = {0, 0.25, 0.5, 0.999999};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct policy p = start(REMOTE_V1);
		mh_ms_t last = 0;
		struct policy_step step;

		for (int n = 0; n < 10; n++) {
			mh_ms_t most = 30 << (n < 3 ? n : 3);

			if (most > 200)
				most = 200;
			policy_answer(&p, &(struct policy_answer){.status = 503},
				      n ? 0.5 : random[i], &step);
			assert_true(step.wait_ms >= last);
			assert_true(step.wait_ms <= most);
			assert_true(step.wait_ms >= most * 4 / 5);
			last = step.wait_ms;
		}
		assert_true(i == 0 || last < 200); /* not all at the same time */
	}
}

/* --- receivers that refuse -------------------------------------------------------------------- */

enum { MANY = 2000 };

/*
 * A receiver that rolls back what has a bad unit in it, and takes a unit once at most and no unit
 * before one that it has. Returns the number of requests.
 */
static unsigned int send_all(struct policy *p, const bool *bad, bool *taken, size_t *given_up)
{
	unsigned int requests = 0;
	struct policy_part part, last = {.to = 0};

	memset(taken, 0, MANY * sizeof(*taken));
	*given_up = 0;
	policy_begin(p, MANY);
	while (policy_part(p, &part)) {
		struct policy_answer answer = {.status = 204};
		struct policy_step step;

		assert_true(part.from < part.to && part.to <= MANY);
		assert_true(part.from == last.from || part.from == last.to);
		for (size_t u = part.from; u < part.to; u++)
			if (bad[u])
				answer.status = 400;
		for (size_t u = part.from; u < part.to && answer.status == 204; u++) {
			assert_false(taken[u]);
			taken[u] = true;
		}
		policy_answer(p, &answer, 0, &step);
		assert_int_equal(step.taken, answer.status == 204 ? part.to - part.from : 0);
		*given_up += step.given_up;
		last = part;
		requests++;
		assert_true(requests <= 2 * POLICY_SPLITS + 1);
	}
	assert_int_equal(last.to, MANY);
	return requests;
}

static void bad_units_stand_alone(void **state)
{
	static const size_t places[][4] = {
		{0, 0, 0, 0},
		{1999, 1999, 1999, 1999},
		{0, 1999, 1000, 999},
		{7, 8, 9, 1234},
	};
	static bool bad[MANY], taken[MANY];
	struct policy p = start(REMOTE_V1);

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t n_bad = 0, given_up;

		memset(bad, 0, sizeof(bad));
		for (int k = 0; k < 4; k++)
			bad[places[i][k]] = true;
		send_all(&p, bad, taken, &given_up);
		for (size_t u = 0; u < MANY; u++) {
			assert_true(taken[u] == !bad[u]);
			n_bad += bad[u];
		}
		assert_int_equal(given_up, n_bad);
	}
}

/* What came already is refused, and what is new behind it is not lost. */
static void a_batch_that_overlaps(void **state)
{
	static bool bad[MANY], taken[MANY];
	struct policy p = start(REMOTE_V1);
	size_t given_up;

	(void)state;
	memset(bad, 0, sizeof(bad));
	memset(bad, true, 1001 * sizeof(bool));
	send_all(&p, bad, taken, &given_up);
	for (size_t u = 1001; u < MANY; u++)
		assert_true(taken[u]);
}

static void everything_is_refused(void **state)
{
	static bool bad[MANY], taken[MANY];
	struct policy p = start(REMOTE_V1);
	unsigned int requests = 0, last = 10000;
	size_t given_up;

	(void)state;
	memset(bad, true, sizeof(bad));
	for (int batch = 0; batch < 12; batch++) {
		requests = send_all(&p, bad, taken, &given_up);
		assert_int_equal(given_up, MANY);
		assert_true(requests <= last);
		last = requests;
	}
	assert_int_equal(requests, 3);

	/* and when it ends, all care is taken again */
	memset(bad, false, sizeof(bad));
	assert_int_equal(send_all(&p, bad, taken, &given_up), 1);
	bad[77] = true;
	send_all(&p, bad, taken, &given_up);
	assert_int_equal(given_up, 1);
}

static void more_halves_than_there_is_room_for(void **state)
{
	struct policy p = start(REMOTE_V1);
	struct policy_part part;
	struct policy_step step;
	size_t given_up = 0;

	(void)state;
	policy_begin(&p, SIZE_MAX);
	for (int n = 0; policy_part(&p, &part); n++) {
		assert_true(n <= 2 * POLICY_SPLITS + 1);
		policy_answer(&p, &(struct policy_answer){.status = 400}, 0, &step);
		given_up += step.given_up;
	}
	assert_true(given_up == SIZE_MAX);
}

static void what_is_not_sent(void **state)
{
	struct policy p = start(REMOTE_V1);
	struct policy_part part;
	struct policy_step step;

	(void)state;
	policy_answer(&p, &(struct policy_answer){.status = 400}, 0, &step);
	assert_int_equal(policy_give_up(&p), UNITS / 2);
	assert_true(policy_part(&p, &part));
	assert_int_equal(part.from, UNITS / 2);
	assert_int_equal(policy_give_up(&p), UNITS / 2);
	assert_false(policy_part(&p, &part));
	policy_begin(&p, 0);
	assert_false(policy_part(&p, &part));
	policy_begin(&p, 2);
	policy_split(&p, &step);
	assert_int_equal(step.what, POLICY_SPLIT);
	policy_split(&p, &step);
	assert_int_equal(step.given_up, 1);
	assert_true(policy_part(&p, &part));
	assert_int_equal(part.from, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_done),
		cmocka_unit_test(what_is_remembered),
		cmocka_unit_test(attempts_are_counted),
		cmocka_unit_test(waits),
		cmocka_unit_test(bad_units_stand_alone),
		cmocka_unit_test(a_batch_that_overlaps),
		cmocka_unit_test(everything_is_refused),
		cmocka_unit_test(more_halves_than_there_is_room_for),
		cmocka_unit_test(what_is_not_sent),
	};

	return cmocka_run_group_tests_name("remote_policy", tests, NULL, NULL);
}
