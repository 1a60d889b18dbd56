/*
 * The two sources of snapshots. Exactly one of `sampler` and `follow_dir` is set; when following,
 * `reader` is NULL until the history can be opened, and again after it could not be read.
 */
#include "exporter/source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { STALE_INTERVALS = 3 };

struct source {
	struct source_config config;
	struct mh_sampler *sampler;
	/* the sampler's; they do not change */
	const char *backend, *backend_reason, *exits_reason;
	struct mh_upkeep_status upkeep; /* as it was at the start */
	bool following;
	struct mh_err follow_reason;
	struct mh_reader *reader;
	struct mh_reader_stats reader_stats; /* of the last reader that was there */
	uint32_t interval_ms;
	/* the newest snapshot of the followed history: when it came, and how old it was */
	bool arrived;
	mh_boot_ns_t arrived_ns;
	uint64_t arrived_age_ms;
};

/* Once for all: whoever asks later may do so while the sampler works. */
static void note_backend(struct source *s)
{
	struct mh_sampler_status status;

	mh_sampler_status(s->sampler, &status);
	s->backend = status.backend;
	s->backend_reason = status.backend_reason;
	s->exits_reason = status.exits_reason;
	s->upkeep = status.upkeep;
}

int source_new(struct source **ret, const struct source_config *config, struct mh_err *err)
{
	struct mh_sampler_config sampler = {.procfs = config->procfs,
					    .backend = config->backend,
					    .max_open_files = config->max_open_files,
					    .exact_cpus = config->exact_cpus,
					    .pss = config->pss,
					    .history_dir = config->history_dir,
					    .upkeep = config->upkeep,
					    .places = config->places,
					    .interval_ms = config->interval_ms};
	struct source *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return mh_err_sys(err, -ENOMEM, "cannot start sampling");
	s->config = *config;
	s->interval_ms = config->interval_ms;
	rc = mh_sampler_new(&s->sampler, &sampler, err);
	if (rc == -EBUSY && config->history_dir) {
		s->following = true;
		mh_errf(&s->follow_reason, 0, "following %s: another process writes it",
			config->history_dir);
		rc = 0;
	}
	if (rc) {
		free(s);
		return rc;
	}
	if (s->sampler)
		note_backend(s);
	*ret = s;
	return 0;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	mh_sampler_free(s->sampler);
	mh_reader_close(s->reader);
	free(s);
}

const char *source_following(const struct source *s)
{
	return s->following ? s->follow_reason.text : NULL;
}

bool source_has_history(const struct source *s)
{
	return s->sampler && s->config.history_dir;
}

bool source_upkeep(const struct source *s, struct mh_upkeep_status *ret)
{
	if (!source_has_history(s))
		return false;
	*ret = s->upkeep;
	return true;
}

const char *source_backend(const struct source *s, const char **ret_reason)
{
	*ret_reason = s->backend_reason;
	return s->backend;
}

const char *source_exits_refused(const struct source *s)
{
	const bool by_bpf = s->backend && strcmp(s->backend, "procfs") != 0;

	return by_bpf && *s->exits_reason ? s->exits_reason : NULL;
}

static int poll_sampler(struct source *s, struct mh_instant now, source_take_fn *take, void *arg,
			struct mh_err *err)
{
	struct source_item item = {.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
				   .clk_tck = (uint32_t)sysconf(_SC_CLK_TCK)};
	int rc = mh_sampler_tick(s->sampler, now, &item.snapshot, err);

	if (rc)
		return rc;
	item.n_pss = mh_sampler_pss(s->sampler, &item.pss);
	take(arg, &item);
	return 0;
}

static int open_reader(struct source *s, struct mh_err *err)
{
	struct mh_reader_options options = {
		.since_ms = MH_MS_MIN, .until_ms = MH_MS_MAX, .follow = true};

	return s->reader ? 0 : mh_reader_open(&s->reader, s->config.history_dir, &options, err);
}

static void note_arrival(struct source *s, const struct mh_snapshot *snapshot,
			 struct mh_instant now, uint32_t interval_ms)
{
	mh_ms_t taken_ms = snapshot->at.wall_ms;

	s->arrived = true;
	s->arrived_ns = now.boot_ns;
	/* from the future when the wall clock was set back since */
	s->arrived_age_ms = taken_ms < now.wall_ms ? (uint64_t)now.wall_ms - (uint64_t)taken_ms : 0;
	s->interval_ms = interval_ms ? interval_ms : s->config.interval_ms;
}

/* News are due when they are written, but are seen when they are looked for. */
static uint64_t stale_after_ms(const struct source *s)
{
	uint64_t due_ms = s->interval_ms > s->config.interval_ms ? s->interval_ms
								 : s->config.interval_ms;

	return STALE_INTERVALS * due_ms;
}

static int check_fresh(const struct source *s, struct mh_instant now, struct mh_err *err)
{
	uint64_t age_ms = s->arrived_age_ms + (now.boot_ns - s->arrived_ns) / 1000000;

	if (!s->arrived)
		return mh_errf(err, -ENODATA, "no snapshot in %s yet: its writer has just begun",
			       s->config.history_dir);
	if (age_ms > stale_after_ms(s))
		return mh_errf(err, -ESTALE,
			       "no new snapshot in %s for more than %d intervals: its writer may "
			       "have ended",
			       s->config.history_dir, STALE_INTERVALS);
	return 0;
}

static int poll_reader(struct source *s, struct mh_instant now, source_take_fn *take, void *arg,
		       struct mh_err *err)
{
	struct source_item item = {0};
	int rc = open_reader(s, err);

	if (rc)
		return rc;
	while ((rc = mh_reader_next(s->reader, &item.snapshot, err)) > 0) {
		const struct mh_segment_info *segment = mh_reader_segment(s->reader);

		item.page_bytes = segment->page_bytes;
		item.clk_tck = segment->clk_tck;
		note_arrival(s, item.snapshot, now, segment->interval_ms);
		mh_reader_stats(s->reader, &s->reader_stats);
		take(arg, &item);
	}
	mh_reader_stats(s->reader, &s->reader_stats); /* damage alone counts too */
	if (!rc)
		return check_fresh(s, now, err);
	/* whatever it was, the next poll begins anew at the newest snapshot */
	mh_reader_close(s->reader);
	s->reader = NULL;
	return rc;
}

int source_poll(struct source *s, struct mh_instant now, source_take_fn *take, void *arg,
		struct mh_err *err)
{
	return s->following ? poll_reader(s, now, take, arg, err)
			    : poll_sampler(s, now, take, arg, err);
}

void source_status(const struct source *s, struct source_status *ret)
{
	*ret = (struct source_status){.following = s->following,
				      .interval_ms = s->interval_ms,
				      .stale_after_ms = stale_after_ms(s)};
	if (s->following)
		ret->reader = s->reader_stats;
	else
		mh_sampler_status(s->sampler, &ret->sampler);
}
