/* Groups over a random life, against a reference that is all rule and no memory. */
#include "libmemhist/base/escape.h"
#include "libmemhist/model/group.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* As fields.def says, field by field. */
static void combine(uint64_t group[MH_FIELD_COUNT], const uint64_t value[MH_FIELD_COUNT])
{
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if (mh_fields[f].in_groups == MH_IN_GROUPS_SUM)
			group[f] += value[f];
		else if (mh_fields[f].in_groups == MH_IN_GROUPS_MAX && value[f] > group[f])
			group[f] = value[f];
}

/* What group.h tells, by exhaustive search over a handful of names. */
struct reference {
	struct {
		char name[16];
		uint32_t n_processes;
		uint64_t oldest_ticks;
		uint64_t value[MH_FIELD_COUNT];
		bool placed;
		mh_boot_ns_t seen_ns; /* when it last had a process */
		uint64_t exits;       /* since it has its place */
		uint64_t fresh;       /* of the current snapshot */
	} item[8];
	size_t n;
	uint64_t other_exits;
	size_t of_slot[256];
};

static size_t reference_find(struct reference *ref, const char *name, size_t len)
{
	struct mh_buf spelled = MH_BUF_INIT(1000);
	size_t i;

	mh_escape_utf8(&spelled, name, len);
	if (!len)
		mh_buf_adds(&spelled, "(unnamed)");
	for (i = 0; i < ref->n; i++)
		if (!strcmp(ref->item[i].name, mh_buf_str(&spelled)))
			break;
	if (i == ref->n) {
		assert_in_range(ref->n++, 0, 7);
		snprintf(ref->item[i].name, sizeof(ref->item[i].name), "%s", mh_buf_str(&spelled));
	}
	mh_buf_done(&spelled);
	return i;
}

/* Who ended, by the name that each was last shown under. */
static void reference_exits(struct reference *ref, const struct mh_snapshot *s)
{
	for (size_t i = 0; i < ref->n; i++)
		ref->item[i].fresh = 0;
	for (uint32_t i = 0; i < s->n_gone; i++)
		ref->item[ref->of_slot[s->gone[i].slot]].fresh++;
	for (uint32_t i = 0; i < s->n_brief; i++) {
		size_t k = reference_find(ref, s->brief[i].comm, s->brief[i].comm_len);

		ref->item[k].fresh++;
	}
	/* an exit without a process left begins the hold anew */
	for (size_t i = 0; i < ref->n; i++)
		if (ref->item[i].fresh && ref->item[i].seen_ns + 1000000000 < s->at.boot_ns)
			ref->item[i].seen_ns = s->at.boot_ns - 1000000000;
}

static void reference_book_exits(struct reference *ref)
{
	for (size_t i = 0; i < ref->n; i++) {
		if (ref->item[i].placed) {
			ref->item[i].exits += ref->item[i].fresh;
		} else {
			ref->item[i].exits = 0;
			ref->other_exits += ref->item[i].fresh;
		}
	}
}

/* Names that nobody alive has, in byte order, while less than half of the places are taken. */
static void reference_place_ended(struct reference *ref, size_t half)
{
	for (;;) {
		size_t best = ref->n, n_placed = 0;

		for (size_t i = 0; i < ref->n; i++) {
			n_placed += ref->item[i].placed;
			if (ref->item[i].fresh && !ref->item[i].n_processes &&
			    !ref->item[i].placed &&
			    (best == ref->n || strcmp(ref->item[i].name, ref->item[best].name) < 0))
				best = i;
		}
		if (best == ref->n || n_placed >= half)
			return;
		ref->item[best].placed = true;
	}
}

static void reference_update(struct reference *ref, const struct mh_snapshot *s, size_t places,
			     mh_boot_ns_t hold_ns)
{
	const size_t half = places / 2;

	reference_exits(ref, s);
	for (size_t i = 0; i < ref->n; i++) {
		ref->item[i].n_processes = 0;
		memset(ref->item[i].value, 0, sizeof(ref->item[i].value));
	}
	mh_snapshot_for_each (s, slot) {
		const struct mh_process *p = &s->process[slot];
		size_t i = reference_find(ref, p->comm, p->comm_len);

		ref->of_slot[slot] = i;
		if (!ref->item[i].n_processes++ || p->id.start_ticks < ref->item[i].oldest_ticks)
			ref->item[i].oldest_ticks = p->id.start_ticks;
		ref->item[i].seen_ns = s->at.boot_ns;
		combine(ref->item[i].value, p->value);
	}
	for (size_t i = 0; i < ref->n; i++) {
		/* the first snapshot without a process begins the hold, a second after the last */
		if (s->at.boot_ns >= ref->item[i].seen_ns + 1000000000 + hold_ns)
			ref->item[i].placed = false;
		places -= ref->item[i].placed;
	}
	for (; places; places--) {
		size_t best = ref->n;

		for (size_t i = 0; i < ref->n; i++) {
			uint64_t rss = ref->item[i].value[MH_FIELD_RSS], best_rss;

			if (!ref->item[i].n_processes || ref->item[i].placed)
				continue;
			best_rss = best < ref->n ? ref->item[best].value[MH_FIELD_RSS] : 0;
			if (best == ref->n || rss > best_rss ||
			    (rss == best_rss &&
			     strcmp(ref->item[i].name, ref->item[best].name) < 0))
				best = i;
		}
		if (best == ref->n)
			break;
		ref->item[best].placed = true;
	}
	reference_place_ended(ref, half);
	reference_book_exits(ref);
}

static void same_exits(const struct mh_groups *g, const struct reference *ref)
{
	const struct mh_group_exits *exits;
	size_t n = mh_groups_exits(g, &exits), shown = 0;

	for (size_t i = 0; i < ref->n; i++) {
		size_t at = 0;

		if (!ref->item[i].exits)
			continue;
		while (at < n && strcmp(exits[at].name, ref->item[i].name) != 0)
			at++;
		assert_in_range(at, 0, n - 1);
		assert_int_equal(exits[at].total, ref->item[i].exits);
		shown++;
	}
	assert_int_equal(n, shown + (ref->other_exits > 0));
	if (ref->other_exits) {
		assert_string_equal(exits[shown].name, "other");
		assert_int_equal(exits[shown].total, ref->other_exits);
	}
}

static void same_as_reference(const struct mh_groups *g, const struct reference *ref)
{
	const struct mh_group *group;
	size_t n = mh_groups_list(g, &group), shown = 0, waiting = 0;
	struct mh_group other = {.oldest_ticks = UINT64_MAX};

	for (size_t i = 0; i < ref->n; i++) {
		if (!ref->item[i].n_processes)
			continue;
		if (ref->item[i].placed) {
			size_t at = 0;

			while (at < n && strcmp(group[at].name, ref->item[i].name) != 0)
				at++;
			assert_in_range(at, 0, n - 1);
			assert_int_equal(group[at].n_processes, ref->item[i].n_processes);
			assert_int_equal(group[at].oldest_ticks, ref->item[i].oldest_ticks);
			assert_memory_equal(group[at].value, ref->item[i].value,
					    sizeof(group[at].value));
			shown++;
		} else {
			waiting++;
			other.n_processes += ref->item[i].n_processes;
			if (ref->item[i].oldest_ticks < other.oldest_ticks)
				other.oldest_ticks = ref->item[i].oldest_ticks;
			combine(other.value, ref->item[i].value);
		}
	}
	assert_int_equal(mh_groups_overflow(g), waiting);
	assert_int_equal(n, shown + (waiting > 0));
	for (size_t i = 1; i < shown; i++)
		assert_true(strcmp(group[i - 1].name, group[i].name) < 0);
	if (!waiting)
		return;
	assert_string_equal(group[shown].name, "other");
	assert_int_equal(group[shown].n_processes, other.n_processes);
	assert_int_equal(group[shown].oldest_ticks, other.oldest_ticks);
	assert_memory_equal(group[shown].value, other.value, sizeof(other.value));
}

/* From a crowd, where places are scarce, to so few that names come and go. */
static void a_random_life_equals_the_reference(void **state)
{
	static const uint32_t targets[] = {40, 8, 3};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		static const struct mh_groups_config config = {.max_groups = 2, .hold_ms = 5000};
		struct mh_groups *g;
		struct reference ref = {.n = 0};
		struct world w;

		assert_int_equal(mh_groups_new(&g, &config), 0);
		world_init(&w, 42 + i);
		w.target = targets[i];
		for (int step = 0; step < 3000; step++) {
			const struct mh_snapshot *s = world_step(&w);

			assert_int_equal(mh_groups_update(g, s), 0);
			reference_update(&ref, s, 2, UINT64_C(5000000000));
			same_as_reference(g, &ref);
			same_exits(g, &ref);
		}
		world_done(&w);
		mh_groups_free(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_random_life_equals_the_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
