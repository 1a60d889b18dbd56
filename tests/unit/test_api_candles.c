/* Reading candles of one process: when there is nothing, no time, no history. */
#include "exporter/api/candles.h"
#include "tests/unit/recording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

static const struct candles_wish wish = {
	.id = {.pid = 1}, .field = MH_FIELD_RSS, .interval = "1m", .interval_ms = 60000};

static enum candles_end read_candles(const char *dir, uint64_t until_ns, struct mh_err *err)
{
	struct mh_buf out = MH_BUF_INIT(CANDLES_OUT_BYTES);
	const _Atomic uint64_t until = until_ns;
	enum candles_end end = candles_read(&out, dir, &wish, &until, err);

	assert_int_equal(out.error, 0);
	assert_int_equal(out.len > 0, end == CANDLES_READ);
	mh_buf_done(&out);
	return end;
}

static void reading_ends_in_time(void **state)
{
	const char *dir = temp_dir();
	struct mh_writer_config config = config_for(dir);
	struct written log = {0};
	struct mh_err err = {""};
	struct mh_writer *w;
	struct world world;

	(void)state;
	assert_int_equal(read_candles(dir, UINT64_MAX, &err), CANDLES_NOBODY);
	world_init(&world, 5);
	w = open_writer(&config);
	record(w, &world, &log, 60);
	mh_writer_close(w);
	forget(&log);
	world_done(&world);
	err = (struct mh_err){""};
	assert_int_equal(read_candles(dir, UINT64_MAX, &err), CANDLES_READ);
	assert_int_equal(read_candles(dir, 0, &err), CANDLES_LATE);
	assert_string_equal(err.text, "");
	remove_dir(dir);
	assert_int_equal(read_candles(dir, UINT64_MAX, &err), CANDLES_FAILED);
	assert_non_null(strstr(err.text, dir));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_ends_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
