/* Limits and sizes, as people write them, as they are said to people, and as LOCK has them. */
#include "libmemhist/base/size.h"
#include "libmemhist/history/upkeep/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t bytes;
	} cases[] = {
		{"0", 0, 0},
		{"1048576", 0, 1 << 20},
		{"7b", 0, 7},
		{"1K", 0, 1024},
		{"1k", 0, 1024},
		{"2KiB", 0, 2048},
		{"3kb", 0, 3072},
		{"512M", 0, UINT64_C(512) << 20},
		{"2GiB", 0, UINT64_C(2) << 30},
		{"2Gi", 0, UINT64_C(2) << 30},
		{"1T", 0, UINT64_C(1) << 40},
		{"8191P", 0, UINT64_C(8191) << 50},
		{"8192P", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"G", -EINVAL, 0},
		{"-1G", -EINVAL, 0},
		{" 1G", -EINVAL, 0},
		{"1 G", -EINVAL, 0},
		{"1.5G", -EINVAL, 0},
		{"1E", -EINVAL, 0},
		{"1GG", -EINVAL, 0},
		{"1Gibi", -EINVAL, 0},
		{"1bi", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t bytes = 0;

		if (mh_size_parse(cases[i].text, &bytes) != cases[i].rc || bytes != cases[i].bytes)
			fail_msg("“%s”", cases[i].text);
	}
}

static void sizes_are_said_in_the_fitting_unit(void **state)
{
	char text[MH_SIZE_TEXT];

	(void)state;
	assert_string_equal(mh_size_text(text, 0), "0 bytes");
	assert_string_equal(mh_size_text(text, 1023), "1023 bytes");
	assert_string_equal(mh_size_text(text, 1024), "1.0 KiB");
	assert_string_equal(mh_size_text(text, (1 << 20) - 1), "1.0 MiB");
	assert_string_equal(mh_size_text(text, UINT64_C(3) << 29), "1.5 GiB");
	assert_string_equal(mh_size_text(text, UINT64_MAX), "16.0 EiB");
}

static const struct mh_limits defaults = MH_LIMITS_DEFAULTS;

static bool are_equal(const struct mh_limits *a, const struct mh_limits *b)
{
	return a->max_bytes == b->max_bytes && a->max_age_ms == b->max_age_ms &&
	       a->min_free_bytes == b->min_free_bytes && a->min_free_percent == b->min_free_percent;
}

/* Refused with a sentence that has this in it, and nothing is changed. */
static void refused(int (*read)(struct mh_limits *, const char *, struct mh_err *),
		    const char *text, const char *reason)
{
	struct mh_limits l = defaults;
	struct mh_err err = {""};

	assert_int_equal(read(&l, text, &err), -EINVAL);
	if (!strstr(err.text, reason))
		fail_msg("“%s”: %s", text, err.text);
	assert_true(are_equal(&l, &defaults));
}

static void limits_are_read(void **state)
{
	struct mh_limits l = defaults;

	(void)state;
	assert_int_equal(mh_limits_max_size(&l, "10G", NULL), 0);
	assert_int_equal(l.max_bytes, UINT64_C(10) << 30);
	assert_int_equal(mh_limits_max_size(&l, "none", NULL), 0);
	assert_int_equal(l.max_bytes, 0);
	assert_int_equal(mh_limits_max_size(&l, "1M", NULL), 0);
	assert_int_equal(mh_limits_max_size(&l, "0", NULL), 0);
	assert_int_equal(l.max_bytes, 0);
	assert_int_equal(mh_limits_max_age(&l, "1y", NULL), 0);
	assert_int_equal(l.max_age_ms, INT64_C(365) * 86400 * 1000);
	assert_int_equal(mh_limits_max_age(&l, "None", NULL), 0);
	assert_int_equal(l.max_age_ms, 0);
	assert_int_equal(mh_limits_min_free(&l, "5G", NULL), 0);
	assert_int_equal(l.min_free_bytes, UINT64_C(5) << 30);
	assert_int_equal(l.min_free_percent, 0);
	assert_int_equal(mh_limits_min_free(&l, "10%", NULL), 0);
	assert_int_equal(l.min_free_bytes, 0);
	assert_int_equal(l.min_free_percent, 10);
	assert_int_equal(mh_limits_min_free(&l, "0", NULL), 0);
	assert_int_equal(l.min_free_percent, 0);
}

static void what_is_no_limit_is_refused(void **state)
{
	(void)state;
	refused(mh_limits_max_size, "1023K", "1 MiB at least");
	refused(mh_limits_max_size, "lots", "is no size");
	refused(mh_limits_max_size, "", "is no size");
	refused(mh_limits_max_size, "9999999P", "more than any disk");
	refused(mh_limits_max_age, "30", "is no duration");
	refused(mh_limits_max_age, "5s", "a minute at least");
	refused(mh_limits_max_age, "101y", "longer than 100 years");
	refused(mh_limits_min_free, "0%", "1% … 99%");
	refused(mh_limits_min_free, "100%", "1% … 99%");
	refused(mh_limits_min_free, "12345678901234567890%", "1% … 99%");
	refused(mh_limits_min_free, "5 %", "neither a size");
	refused(mh_limits_min_free, "%", "neither a size");
	refused(mh_limits_min_free, "0K", "neither a size");
}

static void the_interval_of_syncs_is_read(void **state)
{
	struct mh_err err = {""};
	uint32_t ms = 1;

	(void)state;
	assert_int_equal(mh_limits_sync(&ms, "0", NULL), 0);
	assert_int_equal(ms, 0);
	assert_int_equal(mh_limits_sync(&ms, "1m30s", NULL), 0);
	assert_int_equal(ms, 90000);
	assert_int_equal(mh_limits_sync(&ms, "1h", NULL), 0);
	assert_int_equal(mh_limits_sync(&ms, "61m", &err), -EINVAL);
	assert_non_null(strstr(err.text, "an hour at most"));
	assert_int_equal(mh_limits_sync(&ms, "none", &err), -EINVAL);
	assert_int_equal(ms, 3600000);
}

static void described_as(const struct mh_limits *l, const char *text)
{
	struct mh_buf b = MH_BUF_INIT(1024);

	mh_limits_describe(&b, l);
	assert_string_equal(mh_buf_str(&b), text);
	mh_buf_done(&b);
}

static void limits_are_described(void **state)
{
	(void)state;
	described_as(&defaults, "at most 2.0 GiB, of any age, 1.0 GiB or 5 % left free");
	described_as(&(struct mh_limits){0}, "of any size, of any age");
	described_as(&(struct mh_limits){.max_age_ms = 86400000, .min_free_percent = 9},
		     "of any size, not older than 1 d, 9 % left free");
}

static void limits_are_written_and_read_back(void **state)
{
	const struct mh_limits l = {INT64_MAX, 1, 1 << 20, 99};
	struct mh_limits back = {0};
	struct mh_buf b = MH_BUF_INIT(1024);

	(void)state;
	mh_buf_adds(&b, "4711\n");
	mh_limits_write(&b, &l);
	assert_true(mh_limits_read(&back, mh_buf_str(&b)));
	assert_true(are_equal(&back, &l));
	mh_buf_done(&b);
	back = defaults;
	assert_false(mh_limits_read(&back, ""));
	assert_false(mh_limits_read(&back, "4711\n"));
	assert_false(mh_limits_read(&back, "max_bytes x\nmax_age_ms 1\nmin_free_bytes 1\n"
					   "min_free_percent 1\n"));
	assert_false(mh_limits_read(&back, "max_bytes 1\nmax_age_ms 1\nmin_free_bytes 1\n"
					   "min_free_percent 100\n"));
	/* cut while it was read */
	assert_false(mh_limits_read(&back, "max_bytes 1\nmax_age_ms 1\nmin_free_bytes 1\n"
					   "min_free_percent 1"));
	assert_true(are_equal(&back, &defaults));
}

static void segments_are_small_where_the_history_is(void **state)
{
	(void)state;
	assert_int_equal(mh_limits_segment_bytes(&defaults, 16 << 20), 16 << 20);
	assert_int_equal(mh_limits_segment_bytes(&(struct mh_limits){0}, 16 << 20), 16 << 20);
	assert_int_equal(
		mh_limits_segment_bytes(&(struct mh_limits){.max_bytes = 1 << 20}, 16 << 20),
		128 << 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(sizes_are_said_in_the_fitting_unit),
		cmocka_unit_test(limits_are_read),
		cmocka_unit_test(what_is_no_limit_is_refused),
		cmocka_unit_test(the_interval_of_syncs_is_read),
		cmocka_unit_test(limits_are_described),
		cmocka_unit_test(limits_are_written_and_read_back),
		cmocka_unit_test(segments_are_small_where_the_history_is),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
