/* Samples for remote write in a machine without memory: each allocation fails in turn. */
#include "exporter/remote/encode.h"
#include "exporter/remote/series.h"
#include "tests/unit/nomem.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { STEPS = 6, STEPS_WITH_MEMORY = 3, BATCH = 2000 };

struct rig {
	struct world world;
	struct mh_groups *groups;
	struct remote_pool pool;
	struct remote_maker *maker;
	struct remote_batch *batch;
	struct mh_buf request;
};

/* How many samples of processes there are; all go into the batch. */
static uint32_t move(struct rig *rig)
{
	static const char prefix[] = "memhist_process_";
	const struct remote_item *item;
	uint32_t of_processes = 0;
	size_t n;

	item = remote_maker_items(rig->maker, &n);
	for (size_t i = 0; i < n; i++) {
		const char *name = item[i].series->family->name->bytes;

		of_processes += !remote_is_stale(item[i].value) &&
				!strncmp(name, prefix, strlen(prefix));
		assert_int_equal(
			remote_batch_add(rig->batch, item[i].series, item[i].value, item[i].ms), 0);
	}
	remote_maker_remove(rig->maker, n);
	return of_processes;
}

static void step(struct rig *rig, bool has_memory)
{
	const struct mh_snapshot *s;
	struct remote_taking how;
	uint32_t n;
	int rc;

	nomem_pause();
	s = world_step(&rig->world);
	if (!has_memory)
		nomem_resume();
	how = (struct remote_taking){.snapshot = s,
				     .page_bytes = 4096,
				     .clk_tck = 100,
				     .boot_ms = 1795000000000,
				     .ms = s->at.wall_ms};
	rc = remote_maker_take(rig->maker, &how);
	assert_true(rc == 0 || (rc == -ENOMEM && nomem_failed()));
	n = move(rig);
	if (has_memory)
		assert_int_equal(n, 2 * s->n_live);
	mh_buf_clear(&rig->request);
	rc = remote_encode_v2(rig->batch, 0, rig->batch->n_series, &rig->request);
	assert_true(rc == 0 || (rc == -ENOMEM && nomem_failed()));
	remote_batch_clear(rig->batch);
}

static void run(struct rig *rig)
{
	struct mh_groups_config grouping = {.max_groups = 4};
	struct remote_series_config config = {.top = REMOTE_TOP_ALL};
	int rc;

	nomem_pause();
	world_init(&rig->world, 5);
	assert_int_equal(mh_groups_new(&rig->groups, &grouping), 0);
	nomem_resume();
	config.groups = rig->groups;
	rc = remote_maker_new(&rig->maker, &rig->pool, &config);
	if (!rc) {
		rig->groups = NULL;
		rc = remote_batch_new(&rig->batch, &rig->pool, BATCH);
	}
	assert_true(nomem_failed() ? rc == 0 || rc == -ENOMEM : rc == 0);
	for (int i = 0; !rc && i < STEPS + STEPS_WITH_MEMORY; i++)
		step(rig, i >= STEPS);
}

static void each_allocation_fails_in_turn(void **state)
{
	(void)state;
	for (nomem_begin(); nomem_next();) {
		struct rig rig = {.request = MH_BUF_INIT(REMOTE_REQUEST_MAX)};

		run(&rig);
		remote_batch_free(rig.batch);
		remote_maker_free(rig.maker);
		mh_groups_free(rig.groups);
		mh_buf_done(&rig.request);
		assert_int_equal(rig.pool.n_series, 0);
		assert_int_equal(rig.pool.strings.n_items, rig.pool.strings.n_unused);
		remote_pool_done(&rig.pool);
		world_done(&rig.world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
