/*
 * OpenMetrics 1.0, as promtool tsdb create-blocks-from openmetrics reads it: all samples of a
 * metric together, all of a series together, in order of time, stamped in seconds.
 *
 * A history is in order of time, so the samples go through a sorter and are written at the end.
 * What is kept meanwhile is a line per series: some 50 bytes for each process of the range, of
 * which there is a limit (SERIES_PROCESSES_MAX).
 *
 *   - A series of a process is its identity: labels boot, pid, start and, where two would be alike,
 *     twin. Its comm is the latest that it had, so that a change of name does not tear it apart.
 *   - A series cannot have two samples of one millisecond. Where the clock was set back and met a
 *     time again, the one recorded first is kept and the other counted.
 *   - Names of metrics are those of memhist-exporter.
 */
#include "tools/export.h"
#include "tools/export_series.h"
#include "tools/human.h"
#include "tools/outfile.h"
#include "tools/sorter.h"
#include "tools/tool.h"

#include "libmemhist/model/counter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Families by number, in the order in which they are written. */
enum family {
	FAMILY_FIELD, /* + field */
	FAMILY_PROCESSES = MH_FIELD_COUNT,
	FAMILY_GAP,
	FAMILY_COUNTER,                                     /* + counter */
	FAMILY_MEMINFO = FAMILY_COUNTER + MH_COUNTER_COUNT, /* + number of the name */
};

enum { LABELS_MAX = 4096 };

struct writer {
	const struct export_job *job;
	struct outfile out;
	struct sorter *sorter;
	struct series_set series;
	uint64_t n_samples, n_same;
	/* while writing */
	struct mh_buf labels; /* name and labels of the present series */
};

/* --- taking in --------------------------------------------------------------------------- */

static int add(struct writer *w, const struct export_step *step, uint32_t family, uint32_t series,
	       uint64_t value, struct mh_err *err)
{
	struct sort_sample sample = {family, series, step->s->at.wall_ms, value};

	return sorter_add(w->sorter, &sample, err);
}

static int add_values(struct writer *w, const struct export_step *step, uint32_t series,
		      mh_fields_t fields, const struct mh_process *p, struct mh_err *err)
{
	int rc = 0;

	for (int field = 0; field < MH_FIELD_COUNT && !rc; field++)
		if (mh_fields_have(fields, field))
			rc = add(w, step, FAMILY_FIELD + (uint32_t)field, series,
				 mh_field_shown(field, p->value[field], step->segment->page_bytes),
				 err);
	return rc;
}

static int no_series(const struct writer *w, int rc, struct mh_err *err)
{
	if (rc == -EOVERFLOW)
		return mh_errf(
			err, rc,
			"cannot export %s: there are more than %d processes in that stretch; a "
			"shorter one is written for itself, by --since and --until",
			w->job->history, SERIES_PROCESSES_MAX);
	return mh_err_sys(err, rc, "cannot export %s", w->job->history);
}

/* One that has ended: its marks are all that is known. */
static int add_dead(struct writer *w, const struct export_step *step, const struct mh_process *p,
		    struct mh_err *err)
{
	mh_fields_t fields = export_known_marks(step, p) & step->fields;
	uint32_t series;
	int rc;

	if (!fields)
		return 0;
	rc = series_of_process(&w->series, p, &series);
	if (rc)
		return no_series(w, rc, err);
	return add_values(w, step, series, fields, p, err);
}

static int take_processes(struct writer *w, const struct export_step *step, struct mh_err *err)
{
	const struct mh_snapshot *s = step->s;
	const struct chosen *chosen = &step->job->chosen;
	int rc = 0;

	/* before the slots of those that are gone have new owners */
	for (uint32_t i = 0; i < s->n_gone && !rc; i++)
		if (chosen->is_gone[i] && !step->is_new_boot)
			rc = add_dead(w, step, &s->gone[i].process, err);
	for (uint32_t i = 0; i < s->n_brief && !rc; i++)
		if (chosen->is_brief[i])
			rc = add_dead(w, step, &s->brief[i], err);
	if (!rc) {
		rc = series_update(&w->series, s, chosen);
		if (rc)
			rc = no_series(w, rc, err);
	}
	mh_snapshot_for_each (s, slot) {
		if (!rc && chosen->is_slot[slot])
			rc = add_values(w, step, w->series.slot[slot], step->fields,
					&s->process[slot], err);
	}
	return rc;
}

static int take_meminfo(struct writer *w, const struct export_step *step, struct mh_err *err)
{
	const struct mh_meminfo *m = step->s->meminfo;
	uint64_t value;
	int rc = 0;

	for (uint32_t i = 0; m && i < m->n && !rc; i++) {
		char name[MH_MEMINFO_METRIC_MAX];
		uint32_t number;

		if (!mh_meminfo_is_own(&m->line[i]))
			continue;
		mh_meminfo_metric(name, &m->line[i]);
		value = m->line[i].value;
		if (m->line[i].is_kib && __builtin_mul_overflow(value, 1024, &value))
			value = UINT64_MAX;
		if (mh_strset_add(&w->series.meminfo, name, strlen(name), &number) < 0)
			return mh_err_sys(err, -ENOMEM, "cannot export %s", w->job->history);
		rc = add(w, step, FAMILY_MEMINFO + number, w->series.host, value, err);
	}
	for (int i = 0; m && i < MH_COUNTER_COUNT && !rc; i++) {
		if (!mh_counters_get(m, i, &value))
			continue;
		if (mh_counters[i].unit == MH_COUNTER_PAGES &&
		    __builtin_mul_overflow(value, step->segment->page_bytes, &value))
			value = UINT64_MAX;
		rc = add(w, step, FAMILY_COUNTER + (uint32_t)i, w->series.host, value, err);
	}
	return rc;
}

static int snapshot(void *self, const struct export_step *step, struct mh_err *err)
{
	struct writer *w = self;
	const struct mh_snapshot *s = step->s;
	int rc;

	if (series_set_boot(&w->series, &s->boot_id, step->segment->host))
		return mh_err_sys(err, -ENOMEM, "cannot export %s", w->job->history);
	rc = take_processes(w, step, err);
	if (!rc)
		rc = add(w, step, FAMILY_PROCESSES, w->series.host, s->n_live, err);
	/* how long it was, at its end */
	if (!rc && s->gap.kind != MH_GAP_NONE)
		rc = add(w, step, FAMILY_GAP, w->series.host * SERIES_GAP_KINDS + s->gap.kind,
			 s->at.wall_ms > s->gap.since_wall_ms
				 ? (uint64_t)(s->at.wall_ms - s->gap.since_wall_ms)
				 : 0,
			 err);
	return rc ? rc : take_meminfo(w, step, err);
}

/* --- writing ----------------------------------------------------------------------------- */

struct family_facts {
	char name[MH_MEMINFO_METRIC_MAX + 32]; /* of samples */
	const char *unit;                      /* that the name ends with; NULL: none */
	const char *help;
	bool is_counter;
	double divisor;
};

/* What a name ends with, where that is a unit. */
static const char *unit_of(const char *name)
{
	static const char *const units[] = {"bytes", "seconds"};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(units[i]);

		if (len > n && name[len - n - 1] == '_' && !strcmp(name + len - n, units[i]))
			return units[i];
	}
	return NULL;
}

static void describe(const struct writer *w, uint32_t family, struct family_facts *ret)
{
	*ret = (struct family_facts){.help = "A line of /proc/meminfo.", .divisor = 1};
	if (family < FAMILY_PROCESSES) {
		snprintf(ret->name, sizeof(ret->name), "memhist_process_%s",
			 mh_fields[family].metric);
		ret->help = mh_fields[family].help;
	} else if (family == FAMILY_PROCESSES) {
		snprintf(ret->name, sizeof(ret->name), "memhist_processes");
		ret->help = "Live processes, without kernel threads.";
	} else if (family == FAMILY_GAP) {
		snprintf(ret->name, sizeof(ret->name), "memhist_gap_seconds");
		ret->help = "At the first snapshot behind a gap: how long it was.";
		ret->divisor = 1e3;
	} else if (family < FAMILY_MEMINFO) {
		const struct mh_counter *c = &mh_counters[family - FAMILY_COUNTER];

		snprintf(ret->name, sizeof(ret->name), "%s", c->metric);
		ret->help = c->help;
		ret->is_counter = true;
		ret->divisor = c->unit == MH_COUNTER_USEC ? 1e6 : 1;
	} else {
		const struct mh_str *name = mh_strset_get(&w->series.meminfo,
							  family - FAMILY_MEMINFO);

		snprintf(ret->name, sizeof(ret->name), "%s", name->bytes);
	}
}

static void begin_family(struct writer *w, uint32_t family, struct family_facts *ret)
{
	struct mh_buf *b = &w->out.buf;
	char name[sizeof(ret->name)];

	describe(w, family, ret);
	snprintf(name, sizeof(name), "%s", ret->name);
	/* a counter's samples are called _total, the counter itself is not */
	if (ret->is_counter)
		name[strlen(name) - strlen("_total")] = '\0';
	ret->unit = unit_of(name);
	mh_buf_printf(b, "# TYPE %s %s\n", name, ret->is_counter ? "counter" : "gauge");
	if (ret->unit)
		mh_buf_printf(b, "# UNIT %s %s\n", name, ret->unit);
	mh_buf_printf(b, "# HELP %s %s\n", name, ret->help);
}

static void begin_series(struct writer *w, uint32_t family, uint32_t series,
			 const struct family_facts *facts)
{
	mh_buf_clear(&w->labels);
	mh_buf_adds(&w->labels, facts->name);
	if (family < FAMILY_PROCESSES)
		series_write_process(&w->series, series, &w->labels);
	else if (family == FAMILY_GAP)
		series_write_gap(&w->series, series, &w->labels);
	else
		series_write_host(&w->series, series, &w->labels);
	mh_buf_addc(&w->labels, ' ');
}

/*
 * Seconds, exact to the millisecond also for readers that multiply by 1000 and cut off what is
 * behind the point, as Prometheus does: where the nearest binary fraction lies just below, half a
 * microsecond is added.
 */
static void add_time(struct mh_buf *b, mh_ms_t wall_ms)
{
	const char *more = (mh_ms_t)((double)wall_ms / 1000.0 * 1000.0) == wall_ms ? "" : "0005";
	uint64_t ms = wall_ms < 0 ? -(uint64_t)wall_ms : (uint64_t)wall_ms;

	if (wall_ms < 0)
		mh_buf_addc(b, '-');
	mh_buf_addu(b, ms / 1000);
	if (ms % 1000)
		mh_buf_printf(b, ".%03u%s", (unsigned)(ms % 1000), more);
}

static void add_sample(struct writer *w, const struct family_facts *facts,
		       const struct sort_sample *sample)
{
	struct mh_buf *b = &w->out.buf;

	mh_buf_add(b, w->labels.data, w->labels.len);
	if (facts->divisor > 1)
		mh_buf_printf(b, "%.17g", (double)sample->value / facts->divisor);
	else
		mh_buf_addu(b, sample->value);
	mh_buf_addc(b, ' ');
	add_time(b, sample->wall_ms);
	mh_buf_addc(b, '\n');
	w->n_samples++;
}

static int write_all(struct writer *w, struct mh_err *err)
{
	struct sort_sample sample, last = {0};
	struct family_facts facts;
	bool is_first = true;
	int rc;

	while ((rc = sorter_next(w->sorter, &sample, err)) > 0) {
		bool is_family = is_first || sample.family != last.family;
		bool is_series = is_family || sample.series != last.series;

		if (!is_series && sample.wall_ms == last.wall_ms) {
			w->n_same++;
			continue;
		}
		if (is_family)
			begin_family(w, sample.family, &facts);
		if (is_series)
			begin_series(w, sample.family, sample.series, &facts);
		add_sample(w, &facts, &sample);
		last = sample;
		is_first = false;
		rc = tool_interrupted() ? -EINTR : outfile_pump(&w->out, err);
		if (rc)
			return rc;
	}
	mh_buf_adds(&w->out.buf, "# EOF\n");
	return rc;
}

/* --- the format -------------------------------------------------------------------------- */

static void close_writer(void *self)
{
	struct writer *w = self;

	if (!w)
		return;
	sorter_close(w->sorter);
	series_done(&w->series);
	mh_buf_done(&w->labels);
	outfile_done(&w->out);
	free(w);
}

static int open_writer(void **ret, struct export_job *job, struct mh_err *err)
{
	struct writer *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return mh_err_sys(err, -ENOMEM, "cannot export %s", job->history);
	w->job = job;
	w->labels = (struct mh_buf)MH_BUF_INIT(LABELS_MAX);
	rc = outfile_open(&w->out, job->output, job->history, err);
	if (rc) {
		free(w);
		return rc;
	}
	rc = sorter_open(&w->sorter, w->out.has_dir ? w->out.dir_fd : -1, err);
	if (rc) {
		close_writer(w);
		return rc;
	}
	*ret = w;
	return 0;
}

static int commit(void *self, struct mh_err *err)
{
	struct writer *w = self;
	int rc = sorter_turn(w->sorter, err);

	if (!rc)
		rc = write_all(w, err);
	if (!rc)
		rc = outfile_commit(&w->out, err);
	if (!rc && w->n_same)
		tool_say(w->job->who,
			 "%" PRIu64
			 " sample%s left out, since the clock was set back and the series "
			 "had a sample of the same time already; %" PRIu64 " written",
			 w->n_same, human_s(w->n_same), w->n_samples);
	return rc;
}

const struct export_format export_openmetrics = {
	.name = "openmetrics",
	.output = "-",
	.has_derived = true,
	.open = open_writer,
	.snapshot = snapshot,
	.commit = commit,
	.close = close_writer,
};
