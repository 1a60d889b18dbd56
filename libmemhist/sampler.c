/*
 * The sampler: owns the root, the scanner, the table and the writer, and says what each tick of
 * them makes: a snapshot, in the history when there is one.
 *
 * It is also who recognises gaps, since it alone knows when a snapshot was due:
 *   clock step  the wall clock moved against boot time by more than a second. It goes before the
 *               others: the wall times around it cannot be compared, while missing snapshots can
 *               still be seen from their boot times.
 *   suspended   more than 2.5 intervals passed, for at least one of which the machine slept: boot
 *               time counts through sleep, CLOCK_MONOTONIC does not.
 *   late        more than 2.5 intervals passed otherwise. Ticks that failed count as not taken.
 */
#include "libmemhist/sampler.h"

#include "libmemhist/proc/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	INTERVAL_MIN_MS = 100,
	INTERVAL_MAX_MS = 86400000,
	CLOCK_STEP_MS = 1000,  /* the wall clock was set, not slewed … */
	CLOCK_SLEW_PER = 1000, /* … which takes or gives up to half a thousandth (adjtimex(2)) */
	NS_PER_MS = 1000000,
	PSS_SHARE = 10,  /* of an interval, for proportional memory … */
	PSS_MAX_MS = 50, /* … up to this */
};

struct mh_sampler {
	struct mh_root root;
	struct mh_boot_id boot_id;
	uint32_t interval_ms;
	struct mh_table *table;
	struct mh_offload *offload;
	struct mh_scan *scan;
	struct mh_pss *pss;       /* NULL: not wanted */
	struct mh_writer *writer; /* NULL: no history */
	struct mh_machine machine;
	struct mh_meminfo meminfo; /* of the last snapshot */

	/* the last tick that succeeded, when there was one */
	bool ticked;
	struct mh_instant last;
	uint64_t last_slept_ns;

	uint64_t ticks;
	uint64_t failed_ticks;
	int history_error;
	struct mh_err history_message;
};

static int open_history(struct mh_sampler *s, const struct mh_sampler_config *sampler,
			struct mh_err *err)
{
	static const struct mh_upkeep_config defaults = MH_UPKEEP_DEFAULTS;
	char host[256] = "";
	struct mh_writer_config config = {
		.dir = sampler->history_dir,
		.upkeep = sampler->upkeep ? sampler->upkeep : &defaults,
		.places = sampler->places,
		.interval_ms = s->interval_ms,
		.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
		.clk_tck = (uint32_t)sysconf(_SC_CLK_TCK),
		.host = host,
	};

	gethostname(host, sizeof(host) - 1);
	return mh_writer_open(&s->writer, &config, err);
}

static uint32_t pss_budget_ms(uint32_t interval_ms)
{
	uint32_t share_ms = interval_ms / PSS_SHARE;

	return share_ms < PSS_MAX_MS ? share_ms : PSS_MAX_MS;
}

static int open_all(struct mh_sampler *s, const struct mh_sampler_config *config,
		    struct mh_err *err)
{
	struct mh_scan_config scan = {
		.root = &s->root,
		.backend = config->backend,
		.max_open_files = config->max_open_files,
		.exact_cpus = config->exact_cpus,
		.interval_ms = config->interval_ms,
		.kernel_threads = config->kernel_threads,
	};
	int rc = mh_root_open(&s->root, config->procfs ? config->procfs : "/proc", err);

	if (rc)
		return rc;
	rc = mh_root_boot_id(&s->root, &s->boot_id);
	if (rc)
		return mh_err_sys(err, rc,
				  "%s/sys/kernel/random/boot_id: cannot be read, and processes are "
				  "told apart by it",
				  s->root.path);
	rc = mh_table_new(&s->table, 0);
	if (rc)
		return mh_err_sys(err, rc, "sampling %s", s->root.path);
	/* who may not write will not sample either, and need not look how that could be done */
	rc = config->history_dir ? open_history(s, config, err) : 0;
	if (rc)
		return rc;
	rc = mh_offload_new(&s->offload, &s->root);
	if (rc)
		return mh_err_sys(err, rc, "sampling %s", s->root.path);
	scan.offload = s->offload;
	if (config->pss.top)
		rc = mh_pss_new(&s->pss, &config->pss, &s->root, s->offload,
				pss_budget_ms(s->interval_ms), err);
	return rc ? rc : mh_scan_new(&s->scan, &scan, err);
}

int mh_sampler_new(struct mh_sampler **ret, const struct mh_sampler_config *config,
		   struct mh_err *err)
{
	struct mh_sampler *s;
	int rc;

	if (config->interval_ms < INTERVAL_MIN_MS || config->interval_ms > INTERVAL_MAX_MS)
		return mh_errf(err, -EINVAL, "an interval of %u ms: it must be %u … %u ms",
			       config->interval_ms, INTERVAL_MIN_MS, INTERVAL_MAX_MS);
	s = calloc(1, sizeof(*s));
	if (!s)
		return mh_err_sys(err, -ENOMEM, "sampling");
	s->root.fd = -1;
	s->interval_ms = config->interval_ms;
	mh_machine_init(&s->machine);
	rc = open_all(s, config, err);
	if (rc) {
		mh_sampler_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

int mh_sampler_free(struct mh_sampler *s)
{
	int rc;

	if (!s)
		return 0;
	rc = mh_writer_close(s->writer);
	mh_pss_free(s->pss);
	mh_scan_free(s->scan);
	mh_offload_free(s->offload);
	mh_table_free(s->table);
	mh_machine_done(&s->machine);
	if (s->root.fd >= 0)
		mh_root_close(&s->root);
	free(s);
	return rc;
}

static struct mh_gap gap_before(const struct mh_sampler *s, struct mh_instant now,
				uint64_t slept_ns)
{
	struct mh_gap gap = {.kind = MH_GAP_NONE, .since_wall_ms = s->last.wall_ms};
	const uint64_t interval_ns = (uint64_t)s->interval_ms * NS_PER_MS;
	int64_t boot_ns, wall_ms, step_ms, most_ms;

	if (!s->ticked)
		return (struct mh_gap){.kind = MH_GAP_NONE};
	boot_ns = (int64_t)(now.boot_ns - s->last.boot_ns);
	wall_ms = now.wall_ms - s->last.wall_ms;
	step_ms = wall_ms - boot_ns / NS_PER_MS;
	most_ms = CLOCK_STEP_MS + boot_ns / NS_PER_MS / CLOCK_SLEW_PER;
	if (step_ms > most_ms || step_ms < -most_ms)
		gap.kind = MH_GAP_CLOCK_STEP;
	else if (boot_ns > (int64_t)(interval_ns / 2 * 5))
		gap.kind = (int64_t)(slept_ns - s->last_slept_ns) >= (int64_t)interval_ns
				   ? MH_GAP_SUSPENDED
				   : MH_GAP_LATE;
	return gap;
}

static void write_history(struct mh_sampler *s, const struct mh_snapshot *snapshot)
{
	if (!s->writer)
		return;
	s->history_error = mh_writer_append(s->writer, snapshot, &s->history_message);
	if (!s->history_error)
		s->history_message.text[0] = '\0';
}

int mh_sampler_tick(struct mh_sampler *s, struct mh_instant now, const struct mh_snapshot **ret,
		    struct mh_err *err)
{
	const uint64_t began_ns = mh_monotonic_ns();
	const uint64_t slept_ns = now.boot_ns - began_ns;
	struct mh_round round = {
		.fields = mh_scan_fields(s->scan),
		.lagging = mh_scan_lagging(s->scan),
	};
	const struct mh_snapshot *snapshot;
	int rc;

	mh_table_begin(s->table, now);
	mh_table_set_boot(s->table, &s->boot_id);
	rc = mh_scan_pass(s->scan, s->table, &round.partial, err);
	if (rc) {
		s->failed_ticks++;
		return rc;
	}
	mh_table_drop_unkept(s->table);
	mh_machine_read(&s->machine, &s->root, &s->meminfo);
	round.meminfo = s->meminfo.n ? &s->meminfo : NULL; /* missing, not zero */
	round.gap = gap_before(s, now, slept_ns);
	round.collect_us = (uint32_t)((mh_monotonic_ns() - began_ns) / 1000);
	snapshot = mh_table_end(s->table, &round);
	write_history(s, snapshot);
	if (s->pss)
		mh_pss_update(s->pss, snapshot);

	s->ticks++;
	s->ticked = true;
	s->last = now;
	s->last_slept_ns = slept_ns;
	*ret = snapshot;
	return 0;
}

void mh_sampler_sync(struct mh_sampler *s)
{
	if (s->writer)
		mh_writer_sync(s->writer, NULL);
}

size_t mh_sampler_pss(const struct mh_sampler *s, const struct mh_pss_value **ret)
{
	return s->pss ? mh_pss_list(s->pss, ret) : 0;
}

void mh_sampler_status(const struct mh_sampler *s, struct mh_sampler_status *ret)
{
	*ret = (struct mh_sampler_status){
		.ticks = s->ticks,
		.failed_ticks = s->failed_ticks,
		.has_history = s->writer != NULL,
		.has_pss = s->pss != NULL,
		.history_error = s->history_error,
		.history_message = s->history_message,
	};
	mh_scan_backend(s->scan, &ret->backend, &ret->backend_reason);
	ret->exits_reason = mh_scan_exits_reason(s->scan);
	mh_scan_stats(s->scan, &ret->scan);
	if (s->pss)
		mh_pss_stats(s->pss, &ret->pss);
	if (s->writer) {
		mh_writer_stats(s->writer, &ret->history);
		mh_writer_upkeep(s->writer, &ret->upkeep);
	}
}
