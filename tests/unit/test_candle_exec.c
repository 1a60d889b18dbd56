/* High-water marks over an exec: each program has its own (C6 of candle.h). */
#include "libmemhist/model/table.h"
#include "libmemhist/view/candle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct book {
	struct mh_candle line[4];
	size_t n;
};

static int on_emit(void *arg, uint32_t slot, const struct mh_candle *candle)
{
	struct book *b = arg;

	(void)slot;
	assert_true(b->n < sizeof(b->line) / sizeof(b->line[0]));
	b->line[b->n++] = *candle;
	return 0;
}

/*
 * A shell of 10 pages that had 500 in between, then a program of 20 that had 70,
 * and 90 before it ended.
 */
static void marks_over_exec(struct book *built, bool by_names)
{
	static const struct {
		const char *comm;
		uint64_t rss, hwm;
	} sample[] = {{"sh", 10, 10}, {"sh", 10, 500}, {"big", 20, 70}};
	const struct mh_candles_config config = {.field = MH_FIELD_RSS,
						 .interval_ms = 60000,
						 .utc = true,
						 .emit = on_emit,
						 .cut_on_rename = by_names,
						 .arg = built};
	const struct mh_identity id = {.pid = 1, .start_ticks = 1};
	const struct mh_round round = {.fields = MH_FIELDS_ALL};
	struct mh_process *p;
	struct mh_table *table;
	struct mh_candles *c;

	assert_int_equal(mh_table_new(&table, 0), 0);
	assert_int_equal(mh_candles_new(&c, &config), 0);
	for (int i = 0; i < 3; i++) {
		const uint64_t value[MH_FIELD_COUNT] = {
			[MH_FIELD_RSS] = sample[i].rss, [MH_FIELD_HWM] = sample[i].hwm};
		const struct mh_names names = {.comm = sample[i].comm,
					       .comm_len = strlen(sample[i].comm)};

		mh_table_begin(table, (struct mh_instant){.wall_ms = 1000 * i});
		p = mh_table_find(table, id.pid);
		if (!p)
			assert_int_equal(mh_table_add(table, &id, &p), 0);
		assert_true(mh_table_rename(table, p, &names) >= 0);
		mh_table_set(table, p, value);
		assert_int_equal(mh_candles_add(c, mh_table_end(table, &round)), 0);
	}
	mh_table_begin(table, (struct mh_instant){.wall_ms = 3000});
	mh_table_set_one(table, p, MH_FIELD_HWM, 90);
	mh_table_remove(table, p);
	assert_int_equal(mh_candles_add(c, mh_table_end(table, &round)), 0);
	assert_int_equal(mh_candles_finish(c), 0);
	mh_candles_free(c);
	mh_table_free(table);
}

static void test_a_program_has_its_own_marks(void **state)
{
	struct book book = {0};

	(void)state;
	marks_over_exec(&book, true);
	assert_int_equal(book.n, 2);
	assert_int_equal(book.line[0].high, 500);
	assert_int_equal(book.line[0].samples, 2);
	assert_int_equal(book.line[1].high, 90);
	assert_int_equal(book.line[1].samples, 1);
	book = (struct book){0};
	marks_over_exec(&book, false);
	assert_int_equal(book.n, 1);
	assert_int_equal(book.line[0].high, 500);
	assert_int_equal(book.line[0].samples, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program_has_its_own_marks),
	};

	return cmocka_run_group_tests_name("candle_exec", tests, NULL, NULL);
}
