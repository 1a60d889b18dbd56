/*
 * Candles against a naive reference: the reference keeps every sample of every life and computes
 * each window from scratch; the builder sees only changes.
 */
#include "libmemhist/view/candle.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LIVES_MAX = 20000 };

/* A candle and who it is of; lives are numbered by the test in order of birth. */
struct line {
	uint32_t life;
	struct mh_candle candle;
};

struct book {
	struct line *line;
	size_t n, cap;
	uint32_t life_of_slot[256];
	uint32_t first_brief; /* life of the first brief one of the current snapshot */
	uint64_t mark_of_life[LIVES_MAX];
	int changed_of_life[LIVES_MAX]; /* the snapshot that changed it last */
	int snapshot;                   /* number of the current one, from 0 */
	int window_since;               /* the first one of the current window */
	mh_ms_t window_ms;
	uint32_t n_lives;
	bool by_names; /* a rename begins another life */
	size_t n_windows;
	size_t emitted_at_window; /* candles emitted when the last window was closed */
};

static void add_line(struct book *b, uint32_t life, const struct mh_candle *candle)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 64;
		b->line = reallocarray(b->line, b->cap, sizeof(*b->line));
		assert_non_null(b->line);
	}
	b->line[b->n++] = (struct line){life, *candle};
}

static void number_lives(struct book *b, const struct mh_snapshot *s)
{
	b->first_brief = b->n_lives;
	b->n_lives += s->n_brief;
	for (uint32_t i = 0; i < s->n_born; i++)
		b->life_of_slot[s->born[i]] = b->n_lives++;
	for (uint32_t i = 0; b->by_names && i < s->n_renamed; i++) {
		uint32_t *life = &b->life_of_slot[s->renamed[i]];

		b->mark_of_life[b->n_lives] = b->mark_of_life[*life];
		b->changed_of_life[b->n_lives] = b->changed_of_life[*life];
		*life = b->n_lives++;
	}
	assert_true(b->n_lives < LIVES_MAX);
}

/* The mark of a life that moved since its last sample, where it tells something; else 0. */
static uint64_t naive_mark(struct book *b, uint32_t life, const struct mh_snapshot *s,
			   uint64_t mark)
{
	bool lags = mh_fields_have(s->lagging, MH_FIELD_HWM);
	uint64_t was = b->mark_of_life[life];

	b->mark_of_life[life] = mark;
	if (mark == was || s->first || s->gap.kind != MH_GAP_NONE)
		return 0;
	return lags && b->changed_of_life[life] < b->window_since - 1 ? 0 : mark;
}

/* What C6 says of marks that lag. */
static void note_changes(struct book *b, const struct mh_snapshot *s)
{
	for (uint32_t i = 0; i < s->n_changed; i++)
		b->changed_of_life[b->life_of_slot[s->changed[i]]] = b->snapshot;
	b->snapshot++;
}

static void begin_naive(struct book *b, const struct mh_snapshot *s, mh_ms_t interval_ms)
{
	mh_ms_t start_ms, end_ms;

	mh_window(s->at.wall_ms, interval_ms, true, &start_ms, &end_ms);
	if (start_ms != b->window_ms)
		b->window_since = b->snapshot;
	b->window_ms = start_ms;
	for (uint32_t i = 0; i < s->n_born; i++)
		b->changed_of_life[b->life_of_slot[s->born[i]]] = b->snapshot;
}

/* The reference: extends the last candle of this life in this window, or begins one. */
static void naive_sample(struct book *b, uint32_t life, const struct mh_snapshot *s, uint64_t value,
			 uint64_t mark, mh_ms_t interval_ms)
{
	uint64_t high = value > mark ? value : mark;
	struct mh_candle fresh = {.open = value, .high = high, .low = value, .close = value};
	struct mh_candle *c;

	mh_window(s->at.wall_ms, interval_ms, true, &fresh.start_ms, &fresh.end_ms);
	for (size_t i = b->n; i-- > 0;) {
		if (b->line[i].life != life)
			continue;
		if (b->line[i].candle.start_ms != fresh.start_ms)
			break;
		c = &b->line[i].candle;
		c->close = value;
		c->high = high > c->high ? high : c->high;
		c->low = value < c->low ? value : c->low;
		c->samples++;
		return;
	}
	fresh.samples = 1;
	add_line(b, life, &fresh);
}

static void take_naive(struct book *b, uint32_t slot, const struct mh_snapshot *s,
		       mh_ms_t interval_ms)
{
	uint32_t life = b->life_of_slot[slot];
	uint64_t mark = naive_mark(b, life, s, s->process[slot].value[MH_FIELD_HWM]);

	naive_sample(b, life, s, s->process[slot].value[MH_FIELD_RSS], mark, interval_ms);
}

/* C6: the last mark counts in the last candle. */
static void end_naive(struct book *b, const struct mh_snapshot *s)
{
	for (uint32_t g = 0; g < s->n_gone; g++) {
		uint32_t life = b->life_of_slot[s->gone[g].slot];
		uint64_t mark = naive_mark(b, life, s, s->gone[g].process.value[MH_FIELD_HWM]);

		for (size_t i = b->n; i-- > 0;) {
			struct mh_candle *c = &b->line[i].candle;

			if (b->line[i].life != life)
				continue;
			c->high = mark > c->high ? mark : c->high;
			break;
		}
	}
}

/* C7 */
static void take_naive_brief(struct book *b, const struct mh_snapshot *s, mh_ms_t interval_ms)
{
	for (uint32_t i = 0; i < s->n_brief; i++) {
		uint64_t mark = s->brief[i].value[MH_FIELD_HWM];
		struct mh_candle c = {.open = mark, .high = mark, .low = mark, .close = mark};

		mh_window(s->at.wall_ms, interval_ms, true, &c.start_ms, &c.end_ms);
		if (mark)
			add_line(b, b->first_brief + i, &c);
	}
}

static int on_emit(void *arg, uint32_t slot, const struct mh_candle *candle)
{
	struct book *b = arg;

	if (slot >= MH_BRIEF_SLOT(0))
		add_line(b, b->first_brief + slot - MH_BRIEF_SLOT(0), candle);
	else
		add_line(b, b->life_of_slot[slot], candle);
	return 0;
}

static int on_window(void *arg, mh_ms_t start_ms, mh_ms_t end_ms)
{
	struct book *b = arg;

	/* everything emitted since the last window belongs to this one */
	for (size_t i = b->emitted_at_window; i < b->n; i++) {
		assert_int_equal(b->line[i].candle.start_ms, start_ms);
		assert_int_equal(b->line[i].candle.end_ms, end_ms);
	}
	b->emitted_at_window = b->n;
	b->n_windows++;
	return 0;
}

static int on_update(void *arg, const struct mh_snapshot *s)
{
	number_lives(arg, s);
	return 0;
}

static int by_life(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->life != y->life)
		return x->life < y->life ? -1 : 1;
	return x->candle.start_ms < y->candle.start_ms ? -1 : 1;
}

static void compare(struct book *built, struct book *naive)
{
	assert_int_equal(built->n, naive->n);
	qsort(built->line, built->n, sizeof(*built->line), by_life);
	qsort(naive->line, naive->n, sizeof(*naive->line), by_life);
	for (size_t i = 0; i < built->n; i++) {
		const struct mh_candle *b = &built->line[i].candle, *n = &naive->line[i].candle;

		assert_int_equal(built->line[i].life, naive->line[i].life);
		assert_int_equal(b->start_ms, n->start_ms);
		assert_int_equal(b->open, n->open);
		assert_int_equal(b->high, n->high);
		assert_int_equal(b->low, n->low);
		assert_int_equal(b->close, n->close);
		assert_int_equal(b->samples, n->samples);
	}
}

static void run(uint64_t seed, mh_ms_t interval_ms, bool by_names, bool with_jumps)
{
	struct book built = {.by_names = by_names}, naive = {.by_names = by_names};
	struct mh_candles_config config = {
		.field = MH_FIELD_RSS,
		.interval_ms = interval_ms,
		.utc = true,
		.emit = on_emit,
		.window = on_window,
		.update = on_update,
		.cut_on_rename = by_names,
		.arg = &built,
	};
	struct mh_candles *c;
	struct world world;

	world_init(&world, seed);
	assert_int_equal(mh_candles_new(&c, &config), 0);
	for (int i = 0; i < 400; i++) {
		const struct mh_snapshot *s;

		if (with_jumps && !world_random(&world, 20))
			world.now.wall_ms += 1000 * (mh_ms_t)world_random(&world, 100);
		s = world_step(&world);
		end_naive(&naive, s);
		number_lives(&naive, s);
		begin_naive(&naive, s, interval_ms);
		take_naive_brief(&naive, s, interval_ms);
		mh_snapshot_for_each (s, slot)
			take_naive(&naive, slot, s, interval_ms);
		note_changes(&naive, s);
		assert_int_equal(mh_candles_add(c, s), 0);
	}
	assert_int_equal(mh_candles_finish(c), 0);
	compare(&built, &naive);
	mh_candles_free(c);
	free(built.line);
	free(naive.line);
	world_done(&world);
}

static void test_against_reference(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		run(seed, 1000, false, false);
		run(seed, 5000, false, true);
		run(seed, 60000, false, true);
		run(seed, 900000, false, true);
		run(seed, 60000, true, true);
	}
}

static int on_high(void *arg, uint32_t slot, const struct mh_candle *candle)
{
	(void)slot;
	*(uint64_t *)arg = candle->high;
	return 0;
}

/*
 * C6 for a mark that lags: a process of 10 pages rests for some snapshots; then its mark is read,
 * and says 99. Returns the high of the window that this falls into.
 */
static uint64_t high_of_late_mark(mh_fields_t lagging, mh_ms_t interval_ms, enum mh_gap_kind gap)
{
	uint64_t high = 0, value[MH_FIELD_COUNT] = {[MH_FIELD_RSS] = 10, [MH_FIELD_HWM] = 10};
	struct mh_candles_config config = {.field = MH_FIELD_RSS,
					   .interval_ms = interval_ms,
					   .utc = true,
					   .emit = on_high,
					   .arg = &high};
	const struct mh_identity id = {.pid = 1, .start_ticks = 1};
	struct mh_table *table;
	struct mh_candles *c;

	assert_int_equal(mh_table_new(&table, 0), 0);
	assert_int_equal(mh_candles_new(&c, &config), 0);
	for (int i = 0; i < 6; i++) {
		struct mh_round round = {.fields = MH_FIELDS_ALL, .lagging = lagging};
		struct mh_process *p = mh_table_find(table, id.pid);

		mh_table_begin(table, (struct mh_instant){.wall_ms = 1000 * i});
		if (!p)
			assert_int_equal(mh_table_add(table, &id, &p), 0);
		value[MH_FIELD_VSZ] = i < 2 ? 20 : 21;
		value[MH_FIELD_HWM] = i < 5 ? 10 : 99;
		mh_table_set(table, p, value);
		round.gap.kind = i == 3 ? gap : MH_GAP_NONE;
		assert_int_equal(mh_candles_add(c, mh_table_end(table, &round)), 0);
	}
	assert_int_equal(mh_candles_finish(c), 0);
	mh_candles_free(c);
	mh_table_free(table);
	return high;
}

static void test_late_marks(void **state)
{
	const mh_fields_t lagging = MH_FIELDS(HWM);

	(void)state;
	/* it rested from the third snapshot (2 s) to the sixth */
	assert_int_equal(high_of_late_mark(0, 1000, MH_GAP_NONE), 99);
	assert_int_equal(high_of_late_mark(0, 60000, MH_GAP_LATE), 99);
	assert_int_equal(high_of_late_mark(lagging, 60000, MH_GAP_NONE), 99);
	assert_int_equal(high_of_late_mark(lagging, 3000, MH_GAP_NONE), 99);
	assert_int_equal(high_of_late_mark(lagging, 2000, MH_GAP_NONE), 10);
	assert_int_equal(high_of_late_mark(lagging, 1000, MH_GAP_NONE), 10);
	assert_int_equal(high_of_late_mark(lagging, 60000, MH_GAP_LATE), 10);
}

/*
 * The last marks, in candles of `field`: of a process that had 10 pages in its only sample and 99
 * before it ended, and of one of 50 pages that no sample saw.
 */
static void last_marks(int field, struct mh_candle ret[static 2])
{
	struct book built = {0};
	const struct mh_candles_config config = {
		.field = field, .interval_ms = 60000, .utc = true, .emit = on_emit, .arg = &built};
	const uint64_t seen[MH_FIELD_COUNT] = {[MH_FIELD_RSS] = 10, [MH_FIELD_HWM] = 10};
	const uint64_t unseen[MH_FIELD_COUNT] = {[MH_FIELD_HWM] = 50};
	const struct mh_identity id = {.pid = 1, .start_ticks = 1};
	const struct mh_identity brief_id = {.pid = 2, .start_ticks = 2};
	const struct mh_names names = {.comm = "brief", .comm_len = 5};
	const struct mh_round round = {.fields = MH_FIELDS_ALL};
	struct mh_process *p;
	struct mh_table *table;
	struct mh_candles *c;

	assert_int_equal(mh_table_new(&table, 0), 0);
	assert_int_equal(mh_candles_new(&c, &config), 0);
	mh_table_begin(table, (struct mh_instant){.wall_ms = 1000});
	assert_int_equal(mh_table_add(table, &id, &p), 0);
	mh_table_set(table, p, seen);
	assert_int_equal(mh_candles_add(c, mh_table_end(table, &round)), 0);
	mh_table_begin(table, (struct mh_instant){.wall_ms = 2000});
	mh_table_set_one(table, p, MH_FIELD_HWM, 99);
	mh_table_remove(table, p);
	assert_int_equal(mh_table_add_brief(table, &brief_id, &names, unseen), 0);
	assert_int_equal(mh_candles_add(c, mh_table_end(table, &round)), 0);
	assert_int_equal(mh_candles_finish(c), 0);
	assert_int_equal(built.n, 2);
	ret[0] = built.line[0].candle;
	ret[1] = built.line[1].candle;
	mh_candles_free(c);
	mh_table_free(table);
	free(built.line);
}

/* What is known of RSS is known of its mark as well. */
static void test_a_mark_is_its_own(void **state)
{
	const int fields[] = {MH_FIELD_RSS, MH_FIELD_HWM};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		struct mh_candle candle[2];

		last_marks(fields[i], candle);
		assert_int_equal(candle[0].samples, 1);
		assert_int_equal(candle[0].open, 10);
		assert_int_equal(candle[0].high, 99);
		assert_int_equal(candle[1].samples, 0);
		assert_int_equal(candle[1].high, 50);
		assert_int_equal(candle[1].low, 50);
	}
}

static int refuse(void *arg, uint32_t slot, const struct mh_candle *candle)
{
	(void)arg;
	(void)slot;
	(void)candle;
	return -7;
}

static void test_callback_stops(void **state)
{
	struct mh_candles_config config = {
		.field = MH_FIELD_SWAP, .interval_ms = 1000, .utc = true, .emit = refuse};
	struct mh_candles *c;
	struct world world;

	(void)state;
	world_init(&world, 1);
	assert_int_equal(mh_candles_new(&c, &config), 0);
	assert_int_equal(mh_candles_add(c, world_step(&world)), 0);
	assert_int_equal(mh_candles_add(c, world_step(&world)), -7);
	mh_candles_free(c);
	world_done(&world);
}

/* One window can be met twice when the clock is set back; each visit gives its own candle (C4). */
static void test_clock_set_back(void **state)
{
	struct book built = {0};
	struct mh_candles_config config = {
		.field = MH_FIELD_RSS,
		.interval_ms = 60000,
		.utc = true,
		.emit = on_emit,
		.window = on_window,
		.arg = &built,
	};
	struct mh_candles *c;
	struct world world;

	(void)state;
	world_init(&world, 2);
	assert_int_equal(mh_candles_new(&c, &config), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mh_candles_add(c, world_step(&world)), 0);
		world.now.wall_ms += i ? -120000 : 120000;
	}
	assert_int_equal(mh_candles_finish(c), 0);
	assert_int_equal(built.n_windows, 3);
	mh_candles_free(c);
	free(built.line);
	world_done(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_reference), cmocka_unit_test(test_late_marks),
		cmocka_unit_test(test_a_mark_is_its_own), cmocka_unit_test(test_callback_stops),
		cmocka_unit_test(test_clock_set_back),
	};

	return cmocka_run_group_tests_name("candle", tests, NULL, NULL);
}
