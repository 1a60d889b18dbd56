/* The table of fields: what its readers rely on when a row is added. */
#include "libmemhist/model/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void every_row_is_found_by_name_and_by_column(void **state)
{
	(void)state;
	for (int i = 0; i < MH_FIELD_COUNT; i++) {
		assert_int_equal(mh_field_by_name(mh_fields[i].name), i);
		if (mh_fields[i].column)
			assert_int_equal(mh_field_by_column(mh_fields[i].column), i);
	}
	assert_int_equal(mh_field_by_name("rss"), MH_FIELD_RSS);
	assert_int_equal(mh_field_by_name("vsz"), MH_FIELD_VSZ);
	assert_int_equal(mh_field_by_name(""), -1);
	assert_int_equal(mh_field_by_name("RSS"), -1);
	assert_int_equal(mh_field_by_name("rssx"), -1);
	assert_int_equal(mh_field_by_column(0), -1);
	assert_int_equal(mh_field_by_column(UINT32_MAX), -1);
}

/* Histories that exist name these columns: they can never stand for anything else. */
static void column_numbers_never_change(void **state)
{
	(void)state;
	assert_int_equal(mh_fields[MH_FIELD_RSS].column, 1);
	assert_int_equal(mh_fields[MH_FIELD_VSZ].column, 2);
	assert_int_equal(mh_fields[MH_FIELD_SWAP].column, 3);
	assert_int_equal(mh_fields[MH_FIELD_HWM].column, 4);
	assert_int_equal(mh_fields[MH_FIELD_FILE].column, 5);
	assert_int_equal(mh_fields[MH_FIELD_SHMEM].column, 6);
	assert_int_equal(mh_fields[MH_FIELD_PEAK].column, 7);
	assert_int_equal(mh_fields[MH_FIELD_LOCKED].column, 8);
	assert_int_equal(mh_fields[MH_FIELD_THREADS].column, 9);
}

/* ANON is known exactly when what it follows from is. */
static void what_follows_from_others_is_known_with_them(void **state)
{
	uint64_t value[MH_FIELD_COUNT] = {
		[MH_FIELD_RSS] = 10, [MH_FIELD_FILE] = 3, [MH_FIELD_SHMEM] = 2};

	(void)state;
	assert_int_equal(mh_fields_complete(MH_FIELDS(RSS) | MH_FIELDS(FILE)),
			 MH_FIELDS(RSS) | MH_FIELDS(FILE));
	assert_int_equal(mh_fields_complete(MH_FIELDS_OF_RSS), MH_FIELDS_OF_RSS | MH_FIELDS(ANON));
	assert_int_equal(mh_field_anon(value), 5);
}

static void people_see_bytes_or_counts(void **state)
{
	(void)state;
	assert_int_equal(mh_field_shown(MH_FIELD_RSS, 3, 4096), 12288);
	assert_int_equal(mh_field_shown(MH_FIELD_THREADS, 3, 4096), 3);
	assert_true(mh_field_shown(MH_FIELD_VSZ, UINT64_MAX / 2, 4096) == UINT64_MAX);
}

static bool is_identifier(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
}

static void marks_are_known(void **state)
{
	(void)state;
	for (int i = 0; i < MH_FIELD_COUNT; i++)
		assert_int_equal(mh_field_is_mark(i), i == MH_FIELD_HWM || i == MH_FIELD_PEAK);
}

static void every_row_is_complete(void **state)
{
	(void)state;
	assert_true(MH_FIELD_COUNT <= 32); /* mh_fields_t has a bit for each */
	for (int i = 0; i < MH_FIELD_COUNT; i++) {
		const struct mh_field *f = &mh_fields[i];
		size_t len = strlen(f->metric);

		assert_true(is_identifier(f->name));
		assert_true(is_identifier(f->metric));
		/* Prometheus' names end in the unit */
		assert_int_equal(len > 6 && !strcmp(f->metric + len - 6, "_bytes"),
				 f->unit == MH_UNIT_PAGES);
		assert_int_equal(!f->column, i == MH_FIELD_ANON);
		assert_true(f->mark == MH_FIELD_NONE ||
			    (f->mark != (enum mh_field_index)i && mh_fields[f->mark].column));
		assert_true(!*f->collectd_type || is_identifier(f->collectd_type));
		assert_true(*f->origin != '\0');
		assert_int_equal(f->help[strlen(f->help) - 1], '.');
		assert_int_equal(MH_FIELDS(RSS), 1u << MH_FIELD_RSS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_name_and_by_column),
		cmocka_unit_test(column_numbers_never_change),
		cmocka_unit_test(what_follows_from_others_is_known_with_them),
		cmocka_unit_test(people_see_bytes_or_counts),
		cmocka_unit_test(marks_are_known),
		cmocka_unit_test(every_row_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
