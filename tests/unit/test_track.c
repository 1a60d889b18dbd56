/* What figures were in the last quarter of an hour, against arrays that keep everything. */
#include "exporter/api/track.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { FIGURES = 40, SAMPLES = 6000 };

static struct mh_instant at_second(uint32_t s)
{
	return (struct mh_instant){1000000000000 + s * 1000LL, (1000 + s) * UINT64_C(1000000000)};
}

/* A figure as it is known without saving room. */
struct plain {
	bool is_there;
	uint32_t born; /* sample */
	uint32_t value[SAMPLES];
	struct track track;
};

/* One that never changes, those that seldom do, and those that always do; they come and go. */
static uint32_t next_value(uint32_t figure, uint32_t before)
{
	uint32_t odds = figure % 4 == 0 ? 0 : figure % 4 == 1 ? 2 : figure % 4 == 2 ? 100 : 1500;

	return odds && rand() % odds == 0 ? (uint32_t)rand() % 1000 : before;
}

static void check_figure(const struct tracks *t, const struct plain *p, uint32_t now,
			 const uint32_t *sample_of)
{
	for (uint32_t i = tracks_first(t); i < t->n; i++) {
		uint32_t sample = sample_of[i];
		uint32_t expected = sample >= p->born ? p->value[sample] : TRACK_ABSENT;

		assert_int_equal(track_at(t, &p->track, i), expected);
		assert_true(t->wall_ms[i % TRACK_POINTS] == at_second(sample).wall_ms);
	}
	assert_int_equal(p->track.value, p->value[now]);
	assert_int_equal(track_at(t, &p->track, t->n), TRACK_ABSENT);
	for (int w = 0; w < TRACK_WINDOWS; w++) {
		uint32_t base = UINT32_MAX;
		int64_t diff = 0;
		double s = 0;

		/* the oldest point in the window, from birth on */
		for (uint32_t i = t->n; i-- > tracks_first(t) && sample_of[i] >= p->born;)
			if (sample_of[i] + track_windows[w].ms / 1000 + TRACK_STEP_MS / 2000 >= now)
				base = sample_of[i];
		assert_int_equal(track_growth(t, &p->track, w, &diff, &s),
				 base != UINT32_MAX && base != now);
		if (base == UINT32_MAX || base == now)
			continue;
		assert_true(diff == (int64_t)p->value[now] - p->value[base]);
		assert_true(s >= TRACK_LEAST_S && (now - base < TRACK_LEAST_S || s == now - base));
	}
}

static void all_is_as_it_was(void **state)
{
	static struct plain plain[FIGURES];
	static uint32_t sample_of[SAMPLES];
	struct tracks t = {0};

	(void)state;
	srand(3);
	for (uint32_t s = 0; s < SAMPLES; s++) {
		tracks_tick(&t, at_second(s));
		if (s % 10 == 0)
			sample_of[s / 10] = s;
		assert_int_equal(t.n, s / 10 + 1);
		for (uint32_t f = 0; f < FIGURES; f++) {
			struct plain *p = &plain[f];

			if (p->is_there && rand() % 3000 == 0) {
				track_end(&t, &p->track);
				p->is_there = false;
			} else if (p->is_there) {
				p->value[s] = next_value(f, p->value[s - 1]);
				track_set(&t, &p->track, p->value[s]);
			} else if (rand() % 20 == 0) {
				p->is_there = true;
				p->born = s;
				p->value[s] = (uint32_t)rand() % 1000;
				track_begin(&t, &p->track, p->value[s]);
			}
			if (p->is_there && rand() % 50 == 0)
				check_figure(&t, p, s, sample_of);
		}
	}
	for (uint32_t f = 0; f < FIGURES; f++)
		track_end(&t, &plain[f].track);
	assert_int_equal(t.n_rings, 0);
	tracks_done(&t);
}

static void what_never_changes_takes_no_room(void **state)
{
	struct tracks t = {0};
	struct track track;

	(void)state;
	tracks_tick(&t, at_second(0));
	track_begin(&t, &track, 7);
	for (uint32_t s = 10; s < 3000; s += 10) {
		tracks_tick(&t, at_second(s));
		track_set(&t, &track, s < 1000 ? 7 : 8);
		assert_int_equal(t.n_rings, s >= 1000 && s < 1900);
		assert_int_equal(track_at(&t, &track, t.n - 1), s < 1000 ? 7 : 8);
	}
	tracks_done(&t);
}

/* The limit of rings: who gets none is as if it were new, and nothing else is lost. */
static void room_is_limited(void **state)
{
	enum { N = TRACK_RINGS_MAX + 10 };
	struct track *track = calloc(N, sizeof(*track));
	struct tracks t = {0};

	(void)state;
	assert_non_null(track);
	for (uint32_t s = 0; s < 30; s += 10) {
		tracks_tick(&t, at_second(s));
		for (uint32_t i = 0; i < N; i++)
			if (s)
				track_set(&t, &track[i], s == 20 ? 6 : 5);
			else
				track_begin(&t, &track[i], 5);
	}
	assert_int_equal(t.n_rings, TRACK_RINGS_MAX);
	assert_int_equal(track_at(&t, &track[0], 1), 5);
	assert_int_equal(track_at(&t, &track[0], 2), 6);
	assert_int_equal(track_at(&t, &track[N - 1], 1), TRACK_ABSENT);
	assert_int_equal(track_at(&t, &track[N - 1], 2), 6);
	for (uint32_t i = 0; i < N; i++)
		track_end(&t, &track[i]);
	assert_int_equal(t.n_rings, 0);
	tracks_done(&t);
	free(track);
}

static void samples_may_be_rare_or_uneven(void **state)
{
	static const uint32_t seconds[] = {0, 60, 69, 79, 3600, 3605, 3609, 3610};
	static const uint32_t points[] = {1, 2, 2, 3, 4, 4, 4, 5};
	struct tracks t = {0};
	struct track track;
	int64_t diff;
	double s;

	(void)state;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		tracks_tick(&t, at_second(seconds[i]));
		if (i)
			track_set(&t, &track, i);
		else
			track_begin(&t, &track, 0);
		assert_int_equal(t.n, points[i]);
	}
	/* what was an hour ago is in no window */
	assert_true(track_growth(&t, &track, 0, &diff, &s));
	assert_true(diff == 7 - 4);
	assert_true(s == TRACK_LEAST_S);
	track_end(&t, &track);
	tracks_done(&t);
}

static void large_values_are_cut(void **state)
{
	struct tracks t = {0};
	struct track track;

	(void)state;
	tracks_tick(&t, at_second(0));
	track_begin(&t, &track, UINT64_MAX);
	assert_int_equal(track_at(&t, &track, 0), TRACK_ABSENT - 1);
	tracks_tick(&t, at_second(10));
	track_set(&t, &track, UINT64_C(1) << 32);
	assert_int_equal(track_at(&t, &track, 1), TRACK_ABSENT - 1);
	track_end(&t, &track);
	tracks_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_as_it_was),
		cmocka_unit_test(what_never_changes_takes_no_room),
		cmocka_unit_test(room_is_limited),
		cmocka_unit_test(samples_may_be_rare_or_uneven),
		cmocka_unit_test(large_values_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
