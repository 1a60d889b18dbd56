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
}

static bool is_identifier(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
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
		assert_true(len > 6 && !strcmp(f->metric + len - 6, "_bytes"));
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
		cmocka_unit_test(every_row_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
