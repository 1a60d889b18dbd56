/*
 * By command: reader → candle builder → labels, in the order that keeps labels true: a candle is
 * emitted while its process' slot still means what it meant when the candle was built (see
 * mh_candles_config). By identity there is a shorter way: pass_parts.c.
 *
 * A stretch in which the field was not measured (an import without that column) is passed over:
 * the builder ends before it and a new one begins after it.
 */
#include "tools/pass.h"

#include "tools/human.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

struct run {
	struct pass *pass;
	struct mh_reader *reader;
	struct mh_candles *candles; /* NULL while the field is not measured */
};

struct mh_candle pass_shown(const struct pass *p, const struct mh_candle *candle)
{
	struct mh_candle shown = *candle;

	shown.open = mh_field_shown(p->field, candle->open, p->page_bytes);
	/* most processes do not change in most windows */
	shown.high = shown.low = shown.close = shown.open;
	if (candle->high != candle->open)
		shown.high = mh_field_shown(p->field, candle->high, p->page_bytes);
	if (candle->low != candle->open)
		shown.low = mh_field_shown(p->field, candle->low, p->page_bytes);
	if (candle->close != candle->open)
		shown.close = mh_field_shown(p->field, candle->close, p->page_bytes);
	return shown;
}

int pass_take_time(struct pass *p, struct mh_instant at, enum mh_gap_kind gap)
{
	bool is_first = !p->n_snapshots++;

	if (is_first)
		p->first = at;
	span_add(&p->span, at.wall_ms);
	if (gap < GAP_KINDS)
		p->n_gaps[gap]++;
	return is_first && p->begin ? p->begin(p->arg) : 0;
}

static int on_candle(void *arg, uint32_t slot, const struct mh_candle *candle)
{
	struct run *run = arg;
	struct pass *p = run->pass;
	struct mh_candle shown = pass_shown(p, candle);

	return p->candle(p->arg, mh_labels_of_slot(p->labels, slot), &shown);
}

static int on_window(void *arg, mh_ms_t start_ms, mh_ms_t end_ms)
{
	struct run *run = arg;

	(void)end_ms;
	return run->pass->window ? run->pass->window(run->pass->arg, start_ms) : 0;
}

static int tell_names(struct pass *p, const struct mh_snapshot *s)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->n_brief && !rc; i++)
		rc = p->named(p->arg, mh_labels_of_slot(p->labels, MH_BRIEF_SLOT(i)));
	for (uint32_t i = 0; i < s->n_born && !rc; i++)
		rc = p->named(p->arg, mh_labels_of_slot(p->labels, s->born[i]));
	for (uint32_t i = 0; i < s->n_renamed && !rc; i++)
		rc = p->named(p->arg, mh_labels_of_slot(p->labels, s->renamed[i]));
	return rc;
}

/* Everything before this snapshot has been emitted: its names and units hold from here on. */
static int on_update(void *arg, const struct mh_snapshot *s)
{
	struct run *run = arg;
	struct pass *p = run->pass;
	int rc = mh_labels_update(p->labels, s);

	p->page_bytes = p->segment.page_bytes;
	return !rc && p->named ? tell_names(p, s) : rc;
}

static int begin_candles(struct run *run)
{
	struct mh_candles_config config = {
		.field = run->pass->field,
		.interval_ms = run->pass->interval_ms,
		.utc = run->pass->utc,
		.emit = on_candle,
		.window = on_window,
		.update = on_update,
		.cut_on_rename = run->pass->by == MH_LABEL_BY_COMMAND,
		.arg = run,
	};

	return run->candles ? 0 : mh_candles_new(&run->candles, &config);
}

static int end_candles(struct run *run)
{
	int rc = run->candles ? mh_candles_finish(run->candles) : 0;

	mh_candles_free(run->candles);
	run->candles = NULL;
	return rc;
}

static int take(struct run *run, const struct mh_snapshot *s)
{
	struct pass *p = run->pass;
	int rc = pass_take_time(p, s->at, s->gap.kind);

	if (rc)
		return rc;
	p->segment = *mh_reader_segment(run->reader);
	if (!(s->fields & (mh_fields_t)1 << p->field)) {
		rc = end_candles(run);
		return rc ? rc : on_update(run, s);
	}
	p->n_measured++;
	rc = begin_candles(run);
	return rc ? rc : mh_candles_add(run->candles, s);
}

static int read_all(struct run *run, struct mh_err *err)
{
	struct pass *p = run->pass;
	const struct mh_snapshot *s;
	int rc = 0;

	while (!p->max_snapshots || p->n_snapshots < p->max_snapshots) {
		if (tool_interrupted())
			return -EINTR;
		rc = mh_reader_next(run->reader, &s, err);
		if (rc <= 0)
			break;
		rc = take(run, s);
		if (rc)
			break;
		if (p->progress)
			progress_show(p->progress, p->n_snapshots, p->max_snapshots);
	}
	if (!rc)
		rc = end_candles(run);
	if (rc == -ENOMEM)
		mh_err_sys(err, rc, "cannot read on in %s", p->dir);
	return rc;
}

int pass_run(struct pass *p, struct mh_err *err)
{
	struct mh_reader_options options = {.since_ms = p->since_ms, .until_ms = p->until_ms};
	struct run run = {.pass = p};
	int rc;

	rc = mh_labels_new(&p->labels, p->by);
	if (rc)
		return mh_err_sys(err, rc, "cannot read %s", p->dir);
	if (p->by == MH_LABEL_BY_IDENTITY)
		return pass_run_parts(p, err);
	rc = mh_reader_open(&run.reader, p->dir, &options, err);
	if (rc)
		return rc;
	rc = read_all(&run, err);
	mh_reader_stats(run.reader, &p->stats);
	mh_candles_free(run.candles);
	mh_reader_close(run.reader);
	return rc;
}

void pass_done(struct pass *p)
{
	mh_labels_free(p->labels);
	p->labels = NULL;
}

int pass_verdict(const char *who, const char *dir, const struct mh_reader_stats *stats)
{
	if (stats->unreadable)
		tool_say(who, "%" PRIu64 " segment%s of %s cannot be opened and %s left out",
			 stats->unreadable, human_s(stats->unreadable), dir,
			 stats->unreadable == 1 ? "is" : "are");
	if (stats->damages)
		return STATUS_DAMAGED;
	return stats->unreadable ? STATUS_PARTIAL : STATUS_OK;
}

void pass_describe_gaps(struct mh_buf *out, const uint64_t n_gaps[GAP_KINDS])
{
	uint64_t n = 0;
	const char *separator = ": ";

	for (int kind = MH_GAP_NONE + 1; kind < GAP_KINDS; kind++)
		n += n_gaps[kind];
	if (!n) {
		mh_buf_adds(out, "none");
		return;
	}
	mh_buf_addu(out, n);
	for (int kind = MH_GAP_NONE + 1; kind < GAP_KINDS; kind++) {
		if (!n_gaps[kind])
			continue;
		mh_buf_printf(out, "%s%" PRIu64 " %s", separator, n_gaps[kind],
			      mh_gap_name((enum mh_gap_kind)kind));
		separator = ", ";
	}
}

void candle_merge(struct mh_candle *into, const struct mh_candle *later)
{
	if (candle_is_none(into)) {
		*into = *later;
		return;
	}
	if (later->high > into->high)
		into->high = later->high;
	if (later->low < into->low)
		into->low = later->low;
	into->close = later->close;
	into->samples += later->samples;
}
