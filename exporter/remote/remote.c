/* Endpoints from the configuration, and their metrics, which are called as Prometheus' own are. */
#include "exporter/remote/remote.h"

#include "exporter/log.h"
#include "libmemhist/base/crc32c.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	POLL_LEAST_MS = 50, /* between two looks at the history … */
	POLL_MOST_MS = 1000,
	NAME_SHOWN = 100, /* bytes of an endpoint's name in that of a file */
	LABELS_MAX = MH_REMOTE_LABELS_MAX + 2,
};

struct remote {
	size_t n;
	/* as in the configuration; NULL: not started */
	struct remote_endpoint *endpoint[MH_REMOTE_ENDPOINTS_MAX];
};

/* The name without what a path cannot have, and a number that tells the like apart. */
static void name_cursor(char ret[PATH_MAX], const char *dir, const char *name)
{
	char plain[NAME_SHOWN + 1];
	size_t i;

	for (i = 0; name[i] && i < NAME_SHOWN; i++)
		plain[i] =
			strchr("-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz",
			       name[i])
				? name[i]
				: '_';
	plain[i] = '\0';
	snprintf(ret, PATH_MAX, "%s/.remote-write-%s-%08x", dir, plain,
		 mh_crc32c(0, name, strlen(name)));
}

/* The external labels, with job and instance unless they are among them. Returns how many. */
static size_t take_labels(struct label ret[LABELS_MAX], const struct mh_remote_write *write,
			  const char *instance)
{
	const struct label usual[] = {{"job", "memhist"}, {"instance", instance}};
	size_t n = 0;

	for (size_t i = 0; i < write->n_labels; i++)
		ret[n++] = (struct label){write->label[i].name, write->label[i].value};
	for (size_t u = 0; u < 2; u++) {
		size_t i = 0;

		while (i < n && strcmp(ret[i].name, usual[u].name) != 0)
			i++;
		if (i == n)
			ret[n++] = usual[u];
	}
	return n;
}

static int start_endpoint(struct remote *r, const struct remote_config *config, size_t i,
			  struct mh_err *err)
{
	const struct mh_remote_write *write = &config->write[i];
	char instance[256] = "", cursor[PATH_MAX];
	struct label label[LABELS_MAX];
	uint32_t poll_ms = config->interval_ms / 4;
	struct remote_endpoint_config endpoint = {
		.write = write,
		.feed = {.history_dir = config->history_dir,
			 .cursor_file = cursor,
			 .places = config->places,
			 .max_samples = write->max_samples_per_send,
			 .max_age_ms = write->sample_age_limit_ms,
			 .backfill_ms = write->backfill_ms,
			 .series = {.top = write->processes,
				    .match = &write->programs,
				    .process_fields = write->process_fields,
				    .group_fields = write->group_fields,
				    .groups = config->groups[i],
				    .no_meminfo = write->no_meminfo,
				    .max_series = write->max_series,
				    .label = label}},
		.poll_ms = poll_ms < POLL_LEAST_MS  ? POLL_LEAST_MS
			   : poll_ms > POLL_MOST_MS ? POLL_MOST_MS
						    : poll_ms,
	};
	struct mh_err why;
	int rc;

	gethostname(instance, sizeof(instance) - 1);
	endpoint.feed.series.n_labels = take_labels(label, write, instance);
	name_cursor(cursor, config->history_dir, write->name);
	config->groups[i] = NULL;
	rc = remote_endpoint_start(&r->endpoint[i], &endpoint, &why);
	if (rc == -EBUSY) { /* who is followed has the same configuration */
		log_warn("remote write to %s is left to another process: %s", write->name,
			 why.text);
		return 0;
	}
	if (rc)
		return mh_errf(err, rc, "remote write to %s: %s", write->name, why.text);
	log_info("remote write to %s", write->name);
	return 0;
}

int remote_start(struct remote **ret, const struct remote_config *config, struct mh_err *err)
{
	struct remote *r = config->n ? calloc(1, sizeof(*r)) : NULL;
	int rc = config->n && !r ? mh_err_sys(err, -ENOMEM, "cannot start remote write") : 0;

	if (r)
		r->n = config->n;
	for (size_t i = 0; i < config->n && !rc; i++)
		rc = start_endpoint(r, config, i, err);
	for (size_t i = 0; i < config->n; i++) {
		mh_groups_free(config->groups[i]);
		config->groups[i] = NULL;
	}
	if (rc)
		remote_stop(r);
	else
		*ret = r;
	return rc;
}

void remote_stop(struct remote *r)
{
	const uint64_t until_ns = mh_monotonic_ns() + (uint64_t)REMOTE_END_MS * 1000000;

	for (size_t i = 0; r && i < r->n; i++)
		if (r->endpoint[i])
			remote_endpoint_end(r->endpoint[i], until_ns);
	for (size_t i = 0; r && i < r->n; i++)
		remote_endpoint_free(r->endpoint[i]);
	free(r);
}

void remote_regroup(struct remote *r, struct mh_groups **groups)
{
	for (size_t i = 0; r && i < r->n; i++) {
		if (!groups[i] || !r->endpoint[i])
			continue;
		remote_endpoint_regroup(r->endpoint[i], groups[i]);
		groups[i] = NULL;
	}
}

/* --- metrics ---------------------------------------------------------------------------------- */

struct page {
	struct families *out;
	size_t n;
	struct remote_endpoint_status status[MH_REMOTE_ENDPOINTS_MAX];
	uint32_t labels[MH_REMOTE_ENDPOINTS_MAX];
};

typedef double value_fn(const struct remote_endpoint_status *s);

static void add(struct page *p, const char *name, enum metric_type type, const char *help,
		value_fn *value)
{
	families_begin(p->out, name, type, help);
	for (size_t i = 0; i < p->n; i++)
		families_add(p->out, p->labels[i], value(&p->status[i]));
}

static double samples(const struct remote_endpoint_status *s)
{
	return (double)s->samples;
}

static double failed(const struct remote_endpoint_status *s)
{
	return (double)s->failed;
}

static double retried(const struct remote_endpoint_status *s)
{
	return (double)s->retried;
}

static double pending(const struct remote_endpoint_status *s)
{
	return (double)s->feed.pending;
}

static double bytes(const struct remote_endpoint_status *s)
{
	return (double)s->bytes;
}

static double misconfigured(const struct remote_endpoint_status *s)
{
	return (double)s->misconfigured;
}

static double highest(const struct remote_endpoint_status *s)
{
	return (double)s->highest_ms / 1e3;
}

static double lag(const struct remote_endpoint_status *s)
{
	return (double)s->feed.lag_ms / 1e3;
}

static double up(const struct remote_endpoint_status *s)
{
	return s->is_up;
}

static double protocol(const struct remote_endpoint_status *s)
{
	return s->protocol == REMOTE_V2 ? 2 : 1;
}

static double position_errors(const struct remote_endpoint_status *s)
{
	return (double)s->feed.cursor_errors;
}

static void add_dropped(struct page *p)
{
	families_begin(p->out, "memhist_remote_write_samples_dropped_total", METRIC_COUNTER,
		       "Samples that were not sent: the history had deleted them (an estimate), "
		       "they were too old, not later than those before, or of more series than "
		       "there may be.");
	for (size_t i = 0; i < p->n; i++)
		for (int reason = 0; reason < REMOTE_DROPPED_REASONS; reason++) {
			const struct label label[] = {{"remote_name", p->status[i].name},
						      {"reason", remote_dropped_names[reason]}};
			uint64_t n = p->status[i].feed.dropped[reason];

			if (reason == REMOTE_DROPPED_AGE)
				n += p->status[i].too_old;
			families_add(p->out, families_labels(p->out, label, 2), (double)n);
		}
}

void remote_expose(struct remote *r, struct families *out)
{
	struct page p = {.out = out};

	for (size_t i = 0; r && i < r->n; i++) {
		struct label label;

		if (!r->endpoint[i])
			continue;
		remote_endpoint_status(r->endpoint[i], &p.status[p.n]);
		label = (struct label){"remote_name", p.status[p.n].name};
		p.labels[p.n++] = families_labels(out, &label, 1);
	}
	if (!p.n)
		return;
	add(&p, "memhist_remote_write_up", METRIC_GAUGE,
	    "1 when the endpoint's last answer was good.", up);
	add(&p, "memhist_remote_write_protocol", METRIC_GAUGE,
	    "Version of remote write that is spoken, 1 or 2.", protocol);
	add(&p, "memhist_remote_write_samples_total", METRIC_COUNTER,
	    "Samples that the endpoint has taken, stale markers included.", samples);
	add(&p, "memhist_remote_write_samples_failed_total", METRIC_COUNTER,
	    "Samples that it has refused for good.", failed);
	add(&p, "memhist_remote_write_samples_retried_total", METRIC_COUNTER,
	    "Samples that were sent again.", retried);
	add_dropped(&p);
	add(&p, "memhist_remote_write_samples_pending", METRIC_GAUGE,
	    "Samples that are recorded and not sent yet; those in the history are an estimate.",
	    pending);
	add(&p, "memhist_remote_write_sent_bytes_total", METRIC_COUNTER,
	    "Bytes of requests, compressed, without headers.", bytes);
	add(&p, "memhist_remote_write_misconfigured_total", METRIC_COUNTER,
	    "Requests that met a redirect, which is not followed, or that could not be made for "
	    "want of a file.",
	    misconfigured);
	add(&p, "memhist_remote_write_highest_sent_timestamp_seconds", METRIC_GAUGE,
	    "Time of the latest sample taken, in seconds since 1970; 0 before the first.", highest);
	add(&p, "memhist_remote_write_lag_seconds", METRIC_GAUGE,
	    "How far the endpoint is behind what is recorded.", lag);
	add(&p, "memhist_remote_write_position_errors_total", METRIC_COUNTER,
	    "Times that the position in the history could not be written down.", position_errors);
}
