/*
 * tests/bench/day.c: the made day is the same for the same seed, can have happened on a machine,
 * and is as lively as it says. Figures are of whole numbers, so they are the same everywhere.
 */
#include "tests/bench/day.h"

#include "libmemhist/base/crc32c.h"
#include "libmemhist/view/candle.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { PROCESSES = 2000, SNAPSHOTS = 240, INTERVAL_MS = 10000, SLOTS_MAX = 4096 };

static struct day *open_day(uint64_t seed)
{
	struct day_config config = {
		.processes = PROCESSES,
		.interval_ms = INTERVAL_MS,
		.seed = seed,
	};
	struct day *day;

	assert_int_equal(day_new(&day, &config), 0);
	return day;
}

static const struct mh_snapshot *next(struct day *day)
{
	const struct mh_snapshot *s;

	assert_int_equal(day_next(day, &s), 0);
	assert_true(s->n_slots <= SLOTS_MAX);
	return s;
}

/* --- the same numbers ------------------------------------------------------------------------- */

static uint32_t crc_of(uint32_t crc, const void *bytes, size_t len)
{
	return mh_crc32c(crc, bytes, len);
}

static uint32_t crc_of_process(uint32_t crc, const struct mh_process *p)
{
	const uint64_t numbers[] = {p->id.pid, p->id.twin, p->id.start_ticks, p->ppid, p->uid};

	crc = crc_of(crc, numbers, sizeof(numbers));
	crc = crc_of(crc, p->value, sizeof(p->value));
	crc = crc_of(crc, p->comm, p->comm_len);
	return crc_of(crc, p->cmdline, p->cmdline_len);
}

static uint32_t crc_of_day(uint64_t seed)
{
	struct day *day = open_day(seed);
	uint32_t crc = 0;

	for (int i = 0; i < 20; i++) {
		const struct mh_snapshot *s = next(day);

		crc = crc_of(crc, &s->at.wall_ms, sizeof(s->at.wall_ms));
		crc = crc_of(crc, &s->at.boot_ns, sizeof(s->at.boot_ns));
		mh_snapshot_for_each (s, slot)
			crc = crc_of_process(crc, &s->process[slot]);
		for (uint32_t line = 0; line < s->meminfo->n; line++)
			crc = crc_of(crc, &s->meminfo->line[line].value, sizeof(uint64_t));
	}
	day_free(day);
	return crc;
}

static void test_a_seed_is_a_day(void **state)
{
	(void)state;
	assert_int_equal(crc_of_day(1), crc_of_day(1));
	assert_int_not_equal(crc_of_day(1), crc_of_day(2));
}

/* --- what can be ------------------------------------------------------------------------------ */

struct seen {
	uint32_t series;
	uint64_t rss, vsz; /* the highest so far */
	bool there;
};

static void check_process(const struct mh_process *p, struct seen *seen, uint32_t series)
{
	const uint64_t *value = p->value;

	if (!seen->there || seen->series != series)
		*seen = (struct seen){.series = series, .there = true};
	if (value[MH_FIELD_RSS] > seen->rss)
		seen->rss = value[MH_FIELD_RSS];
	if (value[MH_FIELD_VSZ] > seen->vsz)
		seen->vsz = value[MH_FIELD_VSZ];
	assert_true(value[MH_FIELD_FILE] + value[MH_FIELD_SHMEM] <= value[MH_FIELD_RSS]);
	assert_int_equal(value[MH_FIELD_ANON], mh_field_anon(value));
	assert_true(value[MH_FIELD_HWM] >= seen->rss);
	assert_true(value[MH_FIELD_VSZ] >= value[MH_FIELD_HWM]);
	assert_true(value[MH_FIELD_PEAK] >= seen->vsz);
	assert_true(value[MH_FIELD_PEAK] < UINT64_C(1) << 40);
	assert_in_range(value[MH_FIELD_THREADS], 1, 1000);
	assert_in_range(p->comm_len, 1, 15);
	assert_true(p->cmdline_len > 0);
}

static void test_values_can_be(void **state)
{
	static struct seen seen[SLOTS_MAX];
	struct day *day = open_day(3);
	struct mh_instant last = {.wall_ms = DAY_BEGIN_MS};

	(void)state;
	for (int i = 0; i < SNAPSHOTS; i++) {
		const struct mh_snapshot *s = next(day);

		assert_true(s->at.wall_ms > last.wall_ms && s->at.boot_ns > last.boot_ns);
		last = s->at;
		assert_int_equal(s->fields, MH_FIELDS_ALL);
		assert_int_equal(s->first, !i);
		mh_snapshot_for_each (s, slot) {
			const struct mh_process *p = &s->process[slot];

			check_process(p, &seen[slot], day_series(day, slot));
			assert_true(p->id.start_ticks * (1000000000 / DAY_CLK_TCK) <=
				    s->at.boot_ns);
			assert_true(day_high(day, slot) >= p->value[MH_FIELD_RSS]);
			assert_true(day_high(day, slot) <= p->value[MH_FIELD_HWM]);
		}
	}
	day_free(day);
}

/* --- how lively it is ------------------------------------------------------------------------- */

static void check_near(double found, double wanted, double least, double most)
{
	if (found < wanted * least || found > wanted * most)
		fail_msg("%g, not about %g", found, wanted);
}

static uint32_t meminfo_changes(const struct mh_meminfo *was, const struct mh_meminfo *is)
{
	uint32_t changes = 0;

	assert_true(mh_meminfo_same_keys(was, is));
	for (uint32_t i = 0; i < is->n; i++)
		changes += is->line[i].value != was->line[i].value;
	return changes;
}

static void test_it_is_as_lively_as_it_says(void **state)
{
	static uint64_t rss[SLOTS_MAX];
	static struct mh_meminfo meminfo;
	struct day *day = open_day(4);
	struct day_counts counts;
	uint64_t changed = 0, samples = 0, born = 0, swapped = 0;

	(void)state;
	for (int i = 0; i < SNAPSHOTS; i++) {
		const struct mh_snapshot *s = next(day);

		for (uint32_t n = 0; n < s->n_changed; n++)
			changed += s->process[s->changed[n]].value[MH_FIELD_RSS] !=
				   rss[s->changed[n]];
		mh_snapshot_for_each (s, slot)
			rss[slot] = s->process[slot].value[MH_FIELD_RSS];
		samples += s->n_live;
		born += s->n_born;
		if (i)
			assert_int_equal(meminfo_changes(&meminfo, s->meminfo), 19);
		meminfo = *s->meminfo;
		for (uint32_t slot = 0; i == 0 && slot < PROCESSES; slot++)
			swapped += s->process[slot].value[MH_FIELD_SWAP] > 0;
		if (i == SNAPSHOTS - 1)
			check_near(s->n_live, PROCESSES + 40 * 3.4, 0.95, 1.05);
	}
	day_counts(day, &counts);
	assert_int_equal(counts.snapshots, SNAPSHOTS);
	assert_int_equal(counts.process_samples, samples);
	assert_int_equal(counts.changed, changed);
	assert_int_equal(counts.born, born);
	assert_true(changed * 100 >= samples * 15 && changed * 100 <= samples * 18);
	check_near((double)(born - PROCESSES) / SNAPSHOTS, 40, 0.9, 1.1);
	check_near((double)samples / SNAPSHOTS - PROCESSES, 40 * 3.4, 0.9, 1.1);
	check_near((double)swapped, PROCESSES / 17.0, 0.7, 1.3);
	day_free(day);
}

static void test_names(void **state)
{
	struct day *day = open_day(5);
	static char known[DAY_CMDLINES][256];
	uint32_t n_known = 0, only_ones = 0, lines = 0;

	(void)state;
	for (int i = 0; i < SNAPSHOTS; i++) {
		const struct mh_snapshot *s = next(day);

		for (uint32_t n = 0; n < s->n_born; n++) {
			const struct mh_process *p = &s->process[s->born[n]];
			char line[256] = "";
			uint32_t at = 0;

			assert_true(p->cmdline_len < sizeof(line));
			memcpy(line, p->cmdline, p->cmdline_len);
			while (at < n_known && memcmp(known[at], line, sizeof(line)) != 0)
				at++;
			if (at == n_known) {
				assert_true(n_known < DAY_CMDLINES);
				memcpy(known[n_known++], line, sizeof(line));
			}
			only_ones += strcmp(line, DAY_ONLY_ONE) == 0;
		}
		if (!i)
			for (lines = 0; strchr(s->meminfo->line[lines].key, '.') == NULL;)
				lines++;
	}
	assert_int_equal(n_known, DAY_CMDLINES);
	assert_int_equal(only_ones, 1);
	assert_int_equal(lines, 54);
	day_free(day);
}

/* --- its candles ------------------------------------------------------------------------------ */

struct expected {
	mh_ms_t start_ms;
	struct mh_candle candle[SLOTS_MAX];
	uint64_t emitted, peaks;
};

static int take_candle(void *arg, uint32_t slot, const struct mh_candle *found)
{
	struct expected *expected = arg;
	const struct mh_candle *wanted = &expected->candle[slot];

	assert_int_equal(found->start_ms, expected->start_ms);
	assert_int_equal(found->open, wanted->open);
	assert_int_equal(found->high, wanted->high);
	assert_int_equal(found->low, wanted->low);
	assert_int_equal(found->close, wanted->close);
	assert_int_equal(found->samples, wanted->samples);
	expected->emitted++;
	return 0;
}

static void begin_candle(struct expected *expected, uint32_t slot)
{
	expected->candle[slot] = (struct mh_candle){.low = UINT64_MAX};
}

/* As a database makes them: of the values and highs of all samples, one after another. */
static void expect(struct expected *expected, const struct day *day, const struct mh_snapshot *s)
{
	mh_ms_t start_ms = s->at.wall_ms / 900000 * 900000;

	if (start_ms != expected->start_ms)
		for (uint32_t slot = 0; slot < SLOTS_MAX; slot++)
			begin_candle(expected, slot);
	expected->start_ms = start_ms;
	for (uint32_t n = 0; n < s->n_born; n++)
		begin_candle(expected, s->born[n]);
	mh_snapshot_for_each (s, slot) {
		struct mh_candle *c = &expected->candle[slot];
		uint64_t rss = s->process[slot].value[MH_FIELD_RSS], high = day_high(day, slot);

		if (!c->samples++)
			c->open = rss;
		c->close = rss;
		c->low = rss < c->low ? rss : c->low;
		c->high = high > c->high ? high : c->high;
		expected->peaks += high > rss;
	}
}

static void test_highs_are_those_of_candles(void **state)
{
	static struct expected expected;
	struct mh_candles_config config = {
		.field = MH_FIELD_RSS,
		.interval_ms = 900000,
		.utc = true,
		.emit = take_candle,
		.arg = &expected,
	};
	struct day *day = open_day(6);
	struct mh_candles *candles;

	(void)state;
	assert_int_equal(mh_candles_new(&candles, &config), 0);
	for (int i = 0; i < SNAPSHOTS; i++) {
		const struct mh_snapshot *s = next(day);

		assert_int_equal(mh_candles_add(candles, s), 0);
		expect(&expected, day, s);
	}
	assert_int_equal(mh_candles_finish(candles), 0);
	assert_true(expected.emitted > SNAPSHOTS * 40);
	assert_true(expected.peaks > SNAPSHOTS);
	mh_candles_free(candles);
	day_free(day);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void test_what_it_does_not_make(void **state)
{
	struct day_config config = {.processes = DAY_PROCESSES_MIN - 1, .interval_ms = INTERVAL_MS};
	struct day *day = NULL;

	(void)state;
	assert_int_equal(day_new(&day, &config), -EINVAL);
	config.processes = DAY_PROCESSES_MAX + 1;
	assert_int_equal(day_new(&day, &config), -EINVAL);
	config.processes = DAY_PROCESSES_MAX;
	config.interval_ms = 999;
	assert_int_equal(day_new(&day, &config), -EINVAL);
	assert_null(day);
	day_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_seed_is_a_day),
		cmocka_unit_test(test_values_can_be),
		cmocka_unit_test(test_it_is_as_lively_as_it_says),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_highs_are_those_of_candles),
		cmocka_unit_test(test_what_it_does_not_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
