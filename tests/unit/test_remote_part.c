/* Parts of batches: each sample is in one of them, in the order of time, and the order of series.
 */
#include "exporter/remote/part.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SERIES = 7, TIMES = 30, ROOM = SERIES * TIMES };

struct rig {
	struct remote_pool pool;
	struct remote_family *family;
	struct remote_series *series[SERIES];
	struct remote_batch *batch;
	struct remote_part *part;
};

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig->family = remote_family_new(&rig->pool, "memhist_x_bytes", METRIC_GAUGE, "Size.");
	for (uint32_t s = 0; s < SERIES; s++) {
		char number[] = {(char)('0' + s), '\0'};
		struct label label = {"n", number};

		rig->series[s] = remote_series_get(&rig->pool, rig->family, &label, 1);
		assert_non_null(rig->series[s]);
	}
	assert_int_equal(remote_batch_new(&rig->batch, &rig->pool, ROOM), 0);
	assert_int_equal(remote_part_new(&rig->part, ROOM), 0);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	remote_part_free(rig->part);
	remote_batch_free(rig->batch);
	for (uint32_t s = 0; s < SERIES; s++)
		remote_series_put(&rig->pool, rig->series[s]);
	remote_family_put(&rig->pool, rig->family);
	/* nobody holds a series any more, and so no string */
	assert_int_equal(rig->pool.strings.n_items, rig->pool.strings.n_unused);
	remote_pool_done(&rig->pool);
	free(rig);
	return 0;
}

/* Series by series, so that the batch is not in the order of time; every series misses a time. */
static void fill(struct rig *rig)
{
	for (uint32_t s = 0; s < SERIES; s++)
		for (uint32_t t = 0; t < TIMES; t++)
			if (t != s)
				assert_int_equal(remote_batch_add(rig->batch, rig->series[s],
								  1000 * t + s, 100 + t),
						 0);
}

/* The values of a part by time, then by series. Returns how many. */
static size_t list(const struct rig *rig, const struct remote_batch *b, double ret[ROOM])
{
	size_t n = 0;

	for (mh_ms_t ms = 0; ms < 1000; ms++)
		for (uint32_t known = 0; known < SERIES; known++)
			for (uint32_t s = 0; s < b->n_series; s++) {
				if (b->series[s].series != rig->series[known])
					continue;
				for (uint32_t i = b->series[s].first; i != REMOTE_END;
				     i = b->sample[i].next)
					if (b->sample[i].ms == ms)
						ret[n++] = b->sample[i].value;
			}
	assert_int_equal(n, b->n_samples);
	return n;
}

static void parts_of_each_size(void **state)
{
	struct rig *rig = *state;
	static double all[ROOM], some[ROOM];
	const struct remote_batch *got;
	size_t n;

	fill(rig);
	n = list(rig, rig->batch, all);
	assert_int_equal(n, SERIES * (TIMES - 1));
	for (size_t size = 1; size <= n; size += size < 20 ? 1 : 13) {
		remote_part_begin(rig->part, rig->batch);
		for (size_t from = 0; from < n; from += size) {
			size_t to = from + size < n ? from + size : n;

			assert_int_equal(remote_part_take(rig->part, from, to, &got), 0);
			assert_int_equal(list(rig, got, some), to - from);
			assert_memory_equal(some, all + from, (to - from) * sizeof(*some));
			assert_true(got->first_ms == 100 + (mh_ms_t)all[from] / 1000);
			assert_true(got->last_ms == 100 + (mh_ms_t)all[to - 1] / 1000);
		}
	}
}

static void all_of_it_is_the_batch(void **state)
{
	struct rig *rig = *state;
	const struct remote_batch *got;

	fill(rig);
	remote_part_begin(rig->part, rig->batch);
	assert_int_equal(remote_part_take(rig->part, 0, rig->batch->n_samples, &got), 0);
	assert_ptr_equal(got, rig->batch);
}

/* The next batch has nothing of the last one, and series can go with it. */
static void one_batch_after_another(void **state)
{
	struct rig *rig = *state;
	const struct remote_batch *got;
	uint32_t references;

	fill(rig);
	references = rig->series[0]->references;
	remote_part_begin(rig->part, rig->batch);
	assert_int_equal(remote_part_take(rig->part, 0, 10, &got), 0);
	assert_int_equal(rig->series[1]->references, references + 1);
	remote_part_begin(rig->part, NULL);
	assert_int_equal(rig->series[1]->references, references);

	remote_batch_clear(rig->batch);
	for (int i = 0; i < 2; i++)
		assert_int_equal(remote_batch_add(rig->batch, rig->series[3], i, 500 - i),
				 i ? -EINVAL : 0);
	assert_int_equal(remote_batch_add(rig->batch, rig->series[2], 7, 400), 0);
	remote_part_begin(rig->part, rig->batch);
	assert_int_equal(remote_part_take(rig->part, 0, 1, &got), 0);
	assert_int_equal(got->n_samples, 1);
	assert_ptr_equal(got->series[0].series, rig->series[2]);
	assert_int_equal(remote_part_take(rig->part, 1, 2, &got), 0);
	assert_ptr_equal(got->series[0].series, rig->series[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(parts_of_each_size, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_of_it_is_the_batch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_batch_after_another, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("remote_part", tests, NULL, NULL);
}
