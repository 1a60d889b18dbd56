/*
 * memhist-candles --prometheus: what a store has of one machine is fetched, stretch by stretch of
 * time, into a history of its own, from which the tables are made as from any other. Memory is
 * bounded by one stretch: where an answer is too long, the next one is of less time.
 *
 * The history is in a directory of TMPDIR, and is gone afterwards.
 */
#include "tools/candles.h"

#include "libmemhist/config/http.h"
#include "tools/human.h"
#include "tools/outdir.h"
#include "tools/store.h"
#include "tools/store_intake.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static const mh_ms_t SECOND_MS = 1000, DAY_MS = 24 * 60 * 60 * 1000;

static const char who[] = "memhist-candles";

struct fetching {
	const struct candles_config *config;
	struct mh_http_config http;
	struct selector selector;
	struct store_fields fields;
	struct range range; /* both ends known */
	struct store *store;
	struct store_samples samples;
	struct import_job job;
	struct intake intake;
	struct outdir dir;
	uint64_t n_requests, n_samples;
	struct mh_err *err;
};

/* The last day, unless something else was asked for; the future holds nothing. */
static struct range known_range(struct range r, mh_ms_t now_ms)
{
	if (r.until_ms > now_ms)
		r.until_ms = now_ms + 1;
	if (r.since_ms == MH_MS_MIN)
		r.since_ms = r.until_ms - DAY_MS;
	if (r.since_ms < 0)
		r.since_ms = 0;
	return r;
}

static int several_machines(struct fetching *f)
{
	return mh_errf(
		f->err, -EDOM,
		"%s has processes of several machines, such as %.150s and %.150s: choose one "
		"by --selector",
		f->config->prometheus, f->samples.target, f->samples.other);
}

static int nothing_there(const struct fetching *f)
{
	struct mh_buf asked = MH_BUF_INIT(1024);
	int rc;

	mh_buf_printf(&asked, STORE_METRIC_PREFIX "%s", mh_fields[f->config->field].metric);
	if (f->config->selector)
		mh_buf_printf(&asked, "%.400s", f->config->selector);
	mh_buf_adds(&asked, " from ");
	mh_time_format(&asked, f->range.since_ms, f->config->utc);
	mh_buf_adds(&asked, " to ");
	mh_time_format(&asked, f->range.until_ms, f->config->utc);
	rc = mh_errf(f->err, -ENODATA, "%s has no samples of %s%s", f->config->prometheus,
		     mh_buf_str(&asked), f->config->utc ? " UTC" : "");
	mh_buf_done(&asked);
	return rc;
}

static int take_samples(struct fetching *f)
{
	f->n_samples += f->samples.n;
	return store_intake(&f->intake, &f->samples, f->fields, f->err);
}

/* How long the next stretch is. */
struct stretch {
	mh_ms_t length_ms, max_ms;
	unsigned n_good; /* one after the other */
};

/* Twice as long where there was little; a limit that was met is forgotten after a while. */
static void lengthen(struct stretch *s, const struct store_samples *got)
{
	if (++s->n_good % 16 == 0)
		s->max_ms *= 2;
	if (s->max_ms > DAY_MS)
		s->max_ms = DAY_MS;
	if (got->n < STORE_SAMPLES_MAX / 8 && got->n_series < STORE_SAMPLES_MAX / 128)
		s->length_ms *= 2;
	if (s->length_ms > s->max_ms)
		s->length_ms = s->max_ms;
}

static int shorten(struct stretch *s, mh_ms_t was_ms)
{
	if (was_ms <= SECOND_MS)
		return -EIO; /* and the sentence of store_fetch() */
	s->length_ms = was_ms / 2 < SECOND_MS ? SECOND_MS : was_ms / 2;
	s->max_ms = s->length_ms;
	s->n_good = 0;
	return 0;
}

static int fetch_all(struct fetching *f, struct progress *progress)
{
	const struct range *r = &f->range;
	const uint64_t all_s = (uint64_t)((r->until_ms - r->since_ms) / SECOND_MS);
	struct stretch s = {300 * SECOND_MS, DAY_MS, 0};
	int rc = 0;

	for (mh_ms_t at = r->since_ms; at < r->until_ms && !rc;) {
		mh_ms_t end = r->until_ms - at < s.length_ms ? r->until_ms : at + s.length_ms;

		rc = store_fetch(f->store, at, end, &f->samples, f->err);
		f->n_requests++;
		if (rc == -EOVERFLOW) {
			rc = shorten(&s, end - at);
			continue;
		}
		if (rc == -EMLINK)
			rc = several_machines(f);
		if (!rc)
			rc = take_samples(f);
		if (!rc)
			lengthen(&s, &f->samples);
		at = end;
		progress_show(progress, (uint64_t)((at - r->since_ms) / SECOND_MS), all_s);
	}
	return rc;
}

static int fetch_into(struct fetching *f, const char *dir)
{
	const struct store_config config = {
		.http = &f->http,
		.selector = &f->selector,
		.fields = f->fields.needed | f->fields.marks,
	};
	struct progress progress;
	int rc;

	progress_begin(&progress, "fetching: second", f->config->verbose);
	f->job = (struct import_job){.who = who,
				     .source = f->config->prometheus,
				     .dir = dir,
				     .host = "",
				     .clk_tck = STORE_CLK_TCK,
				     .progress = &progress};
	rc = intake_open(&f->intake, &f->job, f->err);
	if (!rc)
		rc = store_open(&f->store, &config, f->err);
	if (!rc)
		rc = fetch_all(f, &progress);
	if (!rc && !f->intake.is_begun)
		rc = nothing_there(f);
	if (!rc)
		rc = intake_finish(&f->intake, f->err);
	progress_end(&progress);
	if (!rc && f->config->verbose)
		tool_say(who, "%" PRIu64 " sample%s of %s, by %" PRIu64 " request%s (%s)",
			 f->n_samples, human_s(f->n_samples), f->samples.target, f->n_requests,
			 human_s(f->n_requests), store_way(f->store));
	store_close(f->store);
	store_samples_done(&f->samples);
	intake_done(&f->intake);
	return rc;
}

/* A directory that is never given its name. */
static int open_dir(struct outdir *ret, struct mh_err *err)
{
	const char *tmp = getenv("TMPDIR");
	char *path;
	int rc;

	if (asprintf(&path, "%s/memhist-candles.%ld", tmp && *tmp ? tmp : "/var/tmp",
		     (long)getpid()) < 0)
		return mh_err_sys(err, -ENOMEM, "cannot make a directory");
	rc = outdir_open(ret, path, NULL, err);
	free(path);
	return rc;
}

static int prepare(void *arg, struct mh_err *err)
{
	struct fetching *f = arg;

	f->err = err;
	return fetch_into(f, f->dir.temp);
}

/* How to ask, and where to put what comes. */
static int set_up(struct fetching *f, struct mh_http_file *file, struct mh_err *err)
{
	const struct candles_config *c = f->config;
	int rc = c->http_config ? mh_http_file_read(file, c->http_config, err) : 0;

	if (rc == -EBADMSG) /* which is no damaged history */
		rc = -EINVAL;
	f->http = file->config;
	f->http.url = c->prometheus;
	if (!rc)
		rc = selector_parse(&f->selector, c->selector, err);
	return rc ? rc : open_dir(&f->dir, err);
}

int candles_store(const struct candles_config *config)
{
	struct candles_config local = *config;
	struct mh_http_file file = {0};
	struct mh_err err = {""};
	struct fetching f = {
		.config = config,
		.fields = store_fields_of(config->field),
		.range = known_range(config->range, mh_now().wall_ms),
		.dir = {.fd = -1, .parent_fd = -1},
	};
	int status, rc = set_up(&f, &file, &err);

	if (rc) {
		status = tool_fail(who, rc, &err);
	} else {
		local.history = f.dir.temp;
		local.prepare = prepare;
		local.prepare_arg = &f;
		status = candles_run(&local);
	}
	outdir_done(&f.dir);
	mh_http_file_done(&file);
	return status;
}
