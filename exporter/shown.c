/*
 * The largest are kept in a heap with the least of them on top, so that picking a thousand of
 * thousands costs no more than sorting them.
 */
#include "exporter/shown.h"

#include <errno.h>
#include <stdlib.h>

int shown_reserve(struct shown *s, size_t max_largest, size_t max_chosen)
{
	uint32_t *largest, *chosen, *slot;

	if (max_largest <= s->max_largest && max_chosen <= s->max_chosen && s->slot)
		return 0;
	if (max_largest < s->max_largest)
		max_largest = s->max_largest;
	if (max_chosen < s->max_chosen)
		max_chosen = s->max_chosen;
	/* one more than asked, since nothing of 0 may be NULL */
	largest = reallocarray(s->largest, max_largest + 1, sizeof(*largest));
	if (largest)
		s->largest = largest;
	chosen = largest ? reallocarray(s->chosen, max_chosen + 1, sizeof(*chosen)) : NULL;
	if (chosen)
		s->chosen = chosen;
	slot = chosen ? reallocarray(s->slot, max_largest + max_chosen + 1, sizeof(*slot)) : NULL;
	if (!slot)
		return -ENOMEM;
	s->slot = slot;
	s->max_largest = max_largest;
	s->max_chosen = max_chosen;
	return 0;
}

void shown_done(struct shown *s)
{
	free(s->slot);
	free(s->largest);
	free(s->chosen);
	*s = (struct shown){0};
}

/* A total order: no two are alike. */
static bool is_larger(const struct mh_snapshot *s, uint32_t a, uint32_t b)
{
	uint64_t x = s->process[a].value[MH_FIELD_RSS], y = s->process[b].value[MH_FIELD_RSS];

	if (x != y)
		return x > y;
	if (s->process[a].id.pid != s->process[b].id.pid)
		return s->process[a].id.pid < s->process[b].id.pid;
	return a < b;
}

static void sift_down(const struct mh_snapshot *s, uint32_t *heap, size_t n, size_t at)
{
	const uint32_t slot = heap[at];
	size_t below;

	while ((below = 2 * at + 1) < n) {
		if (below + 1 < n && is_larger(s, heap[below], heap[below + 1]))
			below++;
		if (is_larger(s, heap[below], slot))
			break;
		heap[at] = heap[below];
		at = below;
	}
	heap[at] = slot;
}

/* One more among the `max` largest; returns how many there are then. */
static size_t offer(const struct mh_snapshot *s, uint32_t *heap, size_t n, size_t max,
		    uint32_t slot)
{
	size_t at = n, above;

	if (!max)
		return 0;
	if (n == max) {
		if (!is_larger(s, slot, heap[0]))
			return n;
		heap[0] = slot;
		sift_down(s, heap, n, 0);
		return n;
	}
	for (; at && is_larger(s, heap[above = (at - 1) / 2], slot); at = above)
		heap[at] = heap[above];
	heap[at] = slot;
	return n + 1;
}

/* A heap becomes a list, the largest first. */
static void sort(const struct mh_snapshot *s, uint32_t *heap, size_t n)
{
	while (n > 1) {
		uint32_t least = heap[0];

		n--;
		heap[0] = heap[n];
		sift_down(s, heap, n, 0);
		heap[n] = least;
	}
}

/* Both lists as one, without doubles. */
static void merge(struct shown *shown, const struct mh_snapshot *s, size_t n_largest,
		  size_t n_chosen)
{
	const uint32_t *a = shown->largest, *b = shown->chosen;
	const uint32_t *a_end = a + n_largest, *b_end = b + n_chosen;

	while (a < a_end || b < b_end) {
		if (a < a_end && b < b_end && *a == *b)
			b++;
		else if (b == b_end || (a < a_end && is_larger(s, *a, *b)))
			shown->slot[shown->n++] = *a++;
		else
			shown->slot[shown->n++] = *b++;
	}
}

void shown_pick(struct shown *shown, const struct mh_snapshot *s, const struct mh_choice *choice,
		uint32_t page_bytes)
{
	/* without RSS nobody is largest; rules without a size choose all the same */
	const size_t max_largest = s->fields & MH_FIELDS(RSS) ? shown->max_largest : 0;
	size_t n_largest = 0, n_chosen = 0, n_taken = 0;

	shown->n = 0;
	mh_snapshot_for_each (s, slot) {
		n_largest = offer(s, shown->largest, n_largest, max_largest, slot);
		if (!choice || !mh_choice_takes(choice, slot,
						s->process[slot].value[MH_FIELD_RSS] * page_bytes))
			continue;
		n_taken++;
		n_chosen = offer(s, shown->chosen, n_chosen, shown->max_chosen, slot);
	}
	sort(s, shown->largest, n_largest);
	sort(s, shown->chosen, n_chosen);
	merge(shown, s, n_largest, n_chosen);
	/* nobody of these is among the largest, unless there is more room for those */
	shown->n_left_out = n_taken - n_chosen;
}
