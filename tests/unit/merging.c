/* A history to be merged. */
#include "tests/unit/merging.h"

#include "libmemhist/history/merge.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

void rig_begin(struct rig *r, uint64_t seed, mh_ms_t rotate_ms, mh_ms_t before_ms)
{
	struct mh_err err;

	*r = (struct rig){.dir = temp_dir()};
	r->config = config_for(r->dir);
	r->config.rotate_ms = (uint32_t)rotate_ms;
	world_init(&r->world, seed);
	r->world.now.wall_ms = MIDNIGHT - before_ms;
	r->dir_fd = mh_dir_open(r->dir, &err);
	assert_true(r->dir_fd >= 0);
}

void rig_write(struct rig *r, int steps)
{
	struct mh_writer *w = open_writer(&r->config);

	record(w, &r->world, &r->log, steps);
	assert_int_equal(mh_writer_close(w), 0);
}

void rig_end(struct rig *r)
{
	mh_dir_list_done(&r->list);
	close(r->dir_fd);
	world_done(&r->world);
	forget(&r->log);
	remove_dir(r->dir);
}

const struct mh_segment_list *rig_list(struct rig *r)
{
	assert_int_equal(mh_dir_list(r->dir_fd, &r->list), 0);
	return &r->list;
}

size_t rig_merge(struct rig *r, bool all)
{
	struct mh_merge_result result;
	struct mh_merge_run run;
	struct mh_err err;
	size_t n = 0;

	rig_list(r);
	for (size_t at = 0; mh_merge_next(&r->list, all, &at, &run); n++) {
		assert_true(run.n >= 2);
		if (mh_merge(r->dir_fd, &r->list.file[run.first], run.n, &result, &err))
			fail_msg("%s", err.text);
		assert_int_equal(faccessat(r->dir_fd, result.name, F_OK, 0), 0);
		assert_int_equal(result.bytes_before, run.bytes);
	}
	rig_list(r);
	return n;
}
