/*
 * Invariants:
 *   - a track without a ring had its present value at all points from `first` on;
 *   - a ring holds the values of the points first … n - 1, as far as these are known.
 */
#include "exporter/api/track.h"

#include <stdlib.h>

struct track_ring {
	union {
		uint32_t value[TRACK_POINTS];
		struct track_ring *next; /* of those that are free */
	};
};

const struct track_window track_windows[TRACK_WINDOWS] = {{"5m", 300000}, {"15m", 900000}};

/* Samples come a little early and late: a point may be a twentieth of a step early. */
static const uint64_t LEAST_STEP_NS = TRACK_STEP_MS * UINT64_C(950000);
static const uint64_t HALF_STEP_NS = TRACK_STEP_MS * UINT64_C(500000);

void tracks_done(struct tracks *t)
{
	while (t->free_rings) {
		struct track_ring *next = t->free_rings->next;

		free(t->free_rings);
		t->free_rings = next;
	}
}

uint32_t tracks_first(const struct tracks *t)
{
	return t->n > TRACK_POINTS ? t->n - TRACK_POINTS : 0;
}

/* The oldest point in each window. */
static void find_bases(struct tracks *t)
{
	uint32_t i = tracks_first(t);

	for (int w = TRACK_WINDOWS - 1; w >= 0; w--) {
		uint64_t reach_ns = (uint64_t)track_windows[w].ms * 1000000 + HALF_STEP_NS;

		while (i < t->n && t->boot_ns[i % TRACK_POINTS] + reach_ns < t->now.boot_ns)
			i++;
		t->base[w] = i;
	}
}

void tracks_tick(struct tracks *t, struct mh_instant at)
{
	uint32_t last = (t->n + TRACK_POINTS - 1) % TRACK_POINTS;

	t->now = at;
	t->is_point = !t->n || at.boot_ns >= t->boot_ns[last] + LEAST_STEP_NS;
	if (t->is_point) {
		t->wall_ms[t->n % TRACK_POINTS] = at.wall_ms;
		t->boot_ns[t->n % TRACK_POINTS] = at.boot_ns;
		t->n++;
	}
	t->next = t->is_point ? t->n - 1 : t->n;
	find_bases(t);
}

static struct track_ring *take_ring(struct tracks *t)
{
	struct track_ring *ring = t->free_rings;

	if (ring)
		t->free_rings = ring->next;
	else if (t->n_rings < TRACK_RINGS_MAX)
		ring = malloc(sizeof(*ring));
	if (ring)
		t->n_rings++;
	return ring;
}

static void give_ring(struct tracks *t, struct track *track)
{
	if (!track->ring)
		return;
	track->ring->next = t->free_rings;
	t->free_rings = track->ring;
	track->ring = NULL;
	t->n_rings--;
}

static uint32_t cut(uint64_t value)
{
	return value < TRACK_ABSENT ? (uint32_t)value : TRACK_ABSENT - 1;
}

void track_begin(const struct tracks *t, struct track *track, uint64_t value)
{
	*track = (struct track){.value = cut(value), .first = t->next, .changed = t->next};
}

void track_end(struct tracks *t, struct track *track)
{
	give_ring(t, track);
	*track = (struct track){0};
}

/* It is about to change for the first time in long. */
static void begin_ring(struct tracks *t, struct track *track)
{
	track->ring = take_ring(t);
	if (!track->ring) {
		track->first = t->next;
		return;
	}
	for (uint32_t i = 0; i < TRACK_POINTS; i++)
		track->ring->value[i] = track->value;
}

void track_set(struct tracks *t, struct track *track, uint64_t value)
{
	uint32_t now = cut(value);

	if (now != track->value) {
		if (!track->ring)
			begin_ring(t, track);
		track->value = now;
		track->changed = t->next;
	}
	if (!t->is_point || !track->ring)
		return;
	track->ring->value[(t->n - 1) % TRACK_POINTS] = now;
	if (track->changed <= tracks_first(t))
		give_ring(t, track);
}

uint32_t track_at(const struct tracks *t, const struct track *track, uint32_t i)
{
	if (i < track->first || i < tracks_first(t) || i >= t->n)
		return TRACK_ABSENT;
	return track->ring ? track->ring->value[i % TRACK_POINTS] : track->value;
}

bool track_growth(const struct tracks *t, const struct track *track, int window, int64_t *ret_diff,
		  double *ret_s)
{
	uint32_t base = t->base[window] > track->first ? t->base[window] : track->first;
	uint64_t base_ns;
	double s;

	if (base >= t->n)
		return false;
	base_ns = t->boot_ns[base % TRACK_POINTS];
	if (t->now.boot_ns <= base_ns)
		return false;
	s = (double)(t->now.boot_ns - base_ns) / 1e9;
	*ret_diff = (int64_t)track->value - track_at(t, track, base);
	*ret_s = s > TRACK_LEAST_S ? s : TRACK_LEAST_S;
	return true;
}
