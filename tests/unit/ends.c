#include "tests/unit/ends.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

struct mh_sampler *ends_sampler;
const struct mh_snapshot *ends_snapshot;

void ends_begin(enum mh_scan_backend backend)
{
	const struct mh_sampler_config config = {
		.procfs = "/proc",
		.backend = backend,
		.interval_ms = 1000,
	};
	struct mh_sampler_status status;
	struct mh_err err;

	if (mh_sampler_new(&ends_sampler, &config, &err)) {
		print_message("# skipped: %s\n", err.text);
		skip();
	}
	mh_sampler_status(ends_sampler, &status);
	if (*status.exits_reason) {
		print_message("# skipped: %s\n", status.exits_reason);
		mh_sampler_free(ends_sampler);
		skip();
	}
}

struct mh_scan_stats ends_end(void)
{
	struct mh_sampler_status status;

	mh_sampler_status(ends_sampler, &status);
	assert_int_equal(status.scan.exits_dropped, 0);
	mh_sampler_free(ends_sampler);
	return status.scan;
}

void ends_tick(void)
{
	struct mh_err err;

	if (mh_sampler_tick(ends_sampler, mh_now(), &ends_snapshot, &err))
		fail_msg("%s", err.text);
}

const struct mh_process *ends_brief(pid_t pid)
{
	const struct mh_process *found = NULL;

	for (uint32_t i = 0; i < ends_snapshot->n_brief; i++)
		if (ends_snapshot->brief[i].id.pid == (uint32_t)pid) {
			assert_null(found);
			found = &ends_snapshot->brief[i];
		}
	return found;
}

const struct mh_process *ends_gone(pid_t pid)
{
	for (uint32_t i = 0; i < ends_snapshot->n_gone; i++)
		if (ends_snapshot->gone[i].process.id.pid == (uint32_t)pid)
			return &ends_snapshot->gone[i].process;
	return NULL;
}

const struct mh_process *ends_listed(pid_t pid)
{
	mh_snapshot_for_each (ends_snapshot, slot)
		if (ends_snapshot->process[slot].id.pid == (uint32_t)pid)
			return &ends_snapshot->process[slot];
	return NULL;
}
