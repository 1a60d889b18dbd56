/*
 * By identity: candles come from the reader of candles, process by process of each part; here they
 * get their labels.
 *
 * A part tells its processes in order of pid, not of time. Those of one pid are put in order of
 * appearance, since that is how labels count. Names that come later than the process, or that would
 * change what an earlier part said, wait until their window is told.
 *
 * Where series are forgotten, a series that the next part does not have waits until the window that
 * is told is complete, since rows of it may need its names.
 */
#include "tools/pass.h"

#include "libmemhist/history/columns/candle_reader.h"
#include "tools/pass_forget.h"
#include "tools/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Names of a series from a snapshot on. */
struct later {
	uint32_t at; /* wanted snapshot */
	uint32_t number;
	uint32_t series; /* label's */
	struct mh_label_names names;
};

/* A process of one pid in the part. */
struct appearance {
	uint32_t at;     /* wanted snapshot */
	uint32_t number; /* in the part: a series, or one that was brief */
	const struct mh_identity *id;
	const struct mh_part_version *names;
	uint32_t n_names;
};

struct run {
	struct pass *pass;
	struct mh_err *err;
	/* of the part that is told */
	const struct mh_part *part;
	const struct mh_part_windows *windows;
	uint32_t *label; /* by number */
	uint32_t labels_cap;
	const struct mh_pooled **text, **bracketed; /* by number of string; NULL: not needed yet */
	uint32_t n_texts, texts_cap;
	struct later *later; /* by `at`, from next_later on */
	uint32_t n_later, later_cap, next_later;
	struct appearance *of_pid;
	uint32_t n_of_pid, of_pid_cap;
	uint32_t *brief; /* by pid */
	uint32_t brief_cap;
	struct forgetting forgetting; /* where series are forgotten */
	bool is_told;                 /* a candle of the window that is not complete */
};

static int reserve(void **array, uint32_t *cap, uint32_t n, size_t size)
{
	uint32_t bigger = *cap ? *cap : 64;
	void *items;

	if (n <= *cap)
		return 0;
	while (bigger < n)
		bigger *= 2;
	items = reallocarray(*array, bigger, size);
	if (!items)
		return -ENOMEM;
	*array = items;
	*cap = bigger;
	return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static int begin_texts(struct run *run)
{
	uint32_t n = run->part->strings.n_items, cap = run->texts_cap;

	if (reserve((void **)&run->text, &cap, n, sizeof(*run->text)) ||
	    reserve((void **)&run->bracketed, &run->texts_cap, n, sizeof(*run->bracketed)))
		return -ENOMEM;
	run->n_texts = n;
	if (n) {
		memset(run->text, 0, n * sizeof(*run->text));
		memset(run->bracketed, 0, n * sizeof(*run->bracketed));
	}
	return 0;
}

static void end_texts(struct run *run)
{
	for (uint32_t i = 0; i < run->n_texts; i++) {
		mh_labels_put(run->pass->labels, run->text[i]);
		mh_labels_put(run->pass->labels, run->bracketed[i]);
	}
	run->n_texts = 0;
}

static const struct mh_pooled *text_of(struct run *run, uint32_t number)
{
	const struct mh_str *str = mh_strset_get(&run->part->strings, number);

	if (!run->text[number])
		run->text[number] = mh_labels_text(run->pass->labels, str->bytes, str->len);
	return run->text[number];
}

static int names_of(struct run *run, const struct mh_part_version *v, struct mh_label_names *ret)
{
	const struct mh_str *cmdline = mh_strset_get(&run->part->strings, v->cmdline);
	const struct mh_str *comm = mh_strset_get(&run->part->strings, v->comm);

	ret->has_cmdline = cmdline->len;
	ret->comm = text_of(run, v->comm);
	if (!cmdline->len && !run->bracketed[v->comm])
		run->bracketed[v->comm] = mh_labels_bracketed(run->pass->labels, comm->bytes,
							      comm->len);
	ret->command = cmdline->len ? text_of(run, v->cmdline) : run->bracketed[v->comm];
	return ret->comm && ret->command ? 0 : -ENOMEM;
}

static int add_later(struct run *run, uint32_t at, uint32_t series,
		     const struct mh_label_names *names)
{
	if (run->n_later == run->later_cap &&
	    reserve((void **)&run->later, &run->later_cap, run->n_later + 1, sizeof(*run->later)))
		return -ENOMEM;
	run->later[run->n_later] = (struct later){at, run->n_later, series, *names};
	run->n_later++;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct later *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int on_names(void *arg, uint32_t to)
{
	struct run *run = arg;
	struct pass *p = run->pass;
	int rc = 0;

	for (; run->next_later < run->n_later && run->later[run->next_later].at < to && !rc;
	     run->next_later++) {
		const struct later *l = &run->later[run->next_later];

		mh_labels_name(p->labels, l->series, &l->names);
		if (p->named)
			rc = p->named(p->arg, l->series);
	}
	return rc;
}

/* --- processes -------------------------------------------------------------------------------- */

static int add_appearance(struct run *run, const struct appearance *a)
{
	uint32_t i = run->n_of_pid;

	if (i == run->of_pid_cap &&
	    reserve((void **)&run->of_pid, &run->of_pid_cap, i + 1, sizeof(*run->of_pid)))
		return -ENOMEM;
	run->n_of_pid++;
	/* those that were brief come first in a snapshot, and are added first */
	for (; i && run->of_pid[i - 1].at > a->at; i--)
		run->of_pid[i] = run->of_pid[i - 1];
	run->of_pid[i] = *a;
	return 0;
}

/* A process that was met before keeps its names up to this snapshot. */
static int give_names(struct run *run, uint32_t at, const struct mh_identity *id,
		      const struct mh_part_version *v, uint32_t *ret)
{
	struct pass *p = run->pass;
	struct mh_label_names names;
	int rc = names_of(run, v, &names);

	if (!rc)
		rc = mh_labels_find(p->labels, id, &names, ret);
	if (rc < 0)
		return rc;
	if (!rc)
		return add_later(run, at, *ret, &names);
	return p->named ? p->named(p->arg, *ret) : 0;
}

static int take_appearance(struct run *run, const struct appearance *a)
{
	const struct mh_part *part = run->part;
	const uint32_t *place = run->windows->place;
	const struct mh_part_version *v = a->names, *end = v + a->n_names;
	uint32_t from = a->at, to = a->at, series = 0;
	int rc;

	if (a->number < part->series.n)
		mh_part_life(run->windows, &part->series.item[a->number], &from, &to);
	/* names that it had before its first wanted snapshot were others */
	while (v + 1 < end && place[v[1].at] <= from)
		v++;
	rc = give_names(run, a->at, a->id, v, &series);
	if (!rc)
		rc = forgetting_show(&run->forgetting, run->pass, series);
	run->label[a->number] = series;
	for (v++; v < end && place[v->at] < to && !rc; v++) {
		struct mh_label_names names;

		rc = names_of(run, v, &names);
		if (!rc)
			rc = add_later(run, place[v->at], series, &names);
	}
	return rc;
}

static int take_pid(struct run *run)
{
	int rc = 0;

	for (uint32_t i = 0; i < run->n_of_pid && !rc; i++)
		rc = take_appearance(run, &run->of_pid[i]);
	run->n_of_pid = 0;
	return rc;
}

static int by_pid(const void *a, const void *b, void *ends)
{
	const struct mh_part_end *x = (struct mh_part_end *)ends + *(const uint32_t *)a;
	const struct mh_part_end *y = (struct mh_part_end *)ends + *(const uint32_t *)b;

	if (x->id.pid != y->id.pid)
		return x->id.pid < y->id.pid ? -1 : 1;
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static int sort_brief(struct run *run)
{
	const struct mh_part *p = run->part;

	if (reserve((void **)&run->brief, &run->brief_cap, p->brief.n, sizeof(*run->brief)))
		return -ENOMEM;
	for (uint32_t i = 0; i < p->brief.n; i++)
		run->brief[i] = i;
	if (p->brief.n)
		qsort_r(run->brief, p->brief.n, sizeof(*run->brief), by_pid, p->brief.item);
	return 0;
}

/* Those that were brief with pids up to this one, in wanted snapshots. */
static int take_brief(struct run *run, uint32_t pid, uint32_t *at)
{
	const struct mh_part *p = run->part;
	const uint32_t *place = run->windows->place;
	int rc = 0;

	for (; *at < p->brief.n && !rc; ++*at) {
		uint32_t i = run->brief[*at];
		const struct mh_part_end *end = &p->brief.item[i];

		if (end->id.pid > pid)
			break;
		if (run->pass->pid && end->id.pid != run->pass->pid)
			continue;
		/* of another pid than the one before */
		if (run->n_of_pid && run->of_pid[0].id->pid != end->id.pid)
			rc = take_pid(run);
		if (!rc && place[end->at] != place[end->at + 1])
			rc = add_appearance(run,
					    &(struct appearance){place[end->at], p->series.n + i,
								 &end->id, &end->names, 1});
	}
	return rc;
}

static int take_series(struct run *run)
{
	const struct mh_part *p = run->part;
	uint32_t brief = 0, version = 0, pid = run->pass->pid;
	int rc = sort_brief(run);

	for (uint32_t i = 0; i < p->series.n && !rc; i++) {
		const struct mh_part_series *s = &p->series.item[i];
		uint32_t from, to, first = version;

		while (version < p->versions.n && p->versions.item[version].series == i)
			version++;
		if (p->series.item[i].id.pid != pid && pid)
			continue;
		if (!i || p->series.item[i - 1].id.pid != s->id.pid) {
			rc = take_pid(run);
			if (!rc)
				rc = take_brief(run, s->id.pid, &brief);
			if (!rc && run->n_of_pid && run->of_pid[0].id->pid != s->id.pid)
				rc = take_pid(run);
		}
		mh_part_life(run->windows, s, &from, &to);
		if (!rc && from < to)
			rc = add_appearance(run, &(struct appearance){from, i, &s->id,
								      &p->versions.item[first],
								      version - first});
	}
	if (!rc)
		rc = take_pid(run);
	if (!rc)
		rc = take_brief(run, MH_PID_MAX, &brief);
	return rc ? rc : take_pid(run);
}

static int take_times(struct run *run, const struct mh_gap *gap)
{
	const struct mh_part *part = run->part;
	const uint32_t *place = run->windows->place;
	int rc = 0;

	for (uint32_t i = 0; i < part->snapshots.n && !rc; i++) {
		const struct mh_part_snapshot *s = &part->snapshots.item[i];

		if (place[i] == place[i + 1])
			continue;
		rc = pass_take_time(run->pass, s->at, place[i] ? s->gap.kind : gap->kind);
	}
	return rc;
}

static int on_part(void *arg, const struct mh_part *part, const struct mh_part_windows *w,
		   const struct mh_gap *gap)
{
	struct run *run = arg;
	struct pass *p = run->pass;
	uint32_t n = part->series.n + part->brief.n;
	int rc;

	if (tool_interrupted())
		return -EINTR;
	end_texts(run);
	forgetting_begin_part(&run->forgetting);
	run->part = part;
	run->windows = w;
	run->n_later = run->next_later = 0;
	rc = take_times(run, gap);
	p->segment = part->head.info;
	p->page_bytes = p->segment.page_bytes;
	if (!rc)
		rc = reserve((void **)&run->label, &run->labels_cap, n + 1, sizeof(*run->label));
	if (!rc)
		rc = begin_texts(run);
	if (!rc)
		rc = mh_labels_begin(p->labels, &part->head.boot_id);
	if (!rc)
		rc = take_series(run);
	if (!rc)
		rc = forgetting_end_part(&run->forgetting);
	if (!rc && !run->is_told)
		rc = forgetting_waiting(&run->forgetting, p);
	if (!rc && run->n_later)
		qsort(run->later, run->n_later, sizeof(*run->later), by_time);
	if (p->progress)
		progress_show(p->progress, p->n_snapshots, p->max_snapshots);
	return rc;
}

static int on_candle(void *arg, uint32_t number, const struct mh_candle *candle)
{
	struct run *run = arg;
	struct pass *p = run->pass;
	struct mh_candle shown = pass_shown(p, candle);

	run->is_told = true;
	return p->candle(p->arg, run->label[number], &shown);
}

static int on_window(void *arg, mh_ms_t start_ms, mh_ms_t end_ms)
{
	struct run *run = arg;
	int rc = 0;

	(void)end_ms;
	if (tool_interrupted())
		return -EINTR;
	if (run->pass->window)
		rc = run->pass->window(run->pass->arg, start_ms);
	run->is_told = false;
	return rc ? rc : forgetting_waiting(&run->forgetting, run->pass);
}

static void done(struct run *run)
{
	end_texts(run);
	free(run->label);
	free(run->text);
	free(run->bracketed);
	free(run->later);
	free(run->of_pid);
	free(run->brief);
	forgetting_done(&run->forgetting);
}

int pass_run_parts(struct pass *p, struct mh_err *err)
{
	struct run run = {.pass = p, .err = err};
	const struct mh_candle_reader_config config = {
		.since_ms = p->since_ms,
		.until_ms = p->until_ms,
		.field = p->field,
		.interval_ms = p->interval_ms,
		.utc = p->utc,
		.max_snapshots = p->max_snapshots,
		.from_samples = p->from_samples,
		.pid = p->pid,
		.part = on_part,
		.names = on_names,
		.candle = on_candle,
		.window = on_window,
		.arg = &run,
	};
	struct mh_candle_reader_stats stats;
	struct mh_candle_reader *c;
	int rc = mh_candle_reader_new(&c, p->dir, &config, err);

	if (rc)
		return rc;
	if (p->forgotten)
		mh_labels_forgetful(p->labels);
	do
		rc = tool_interrupted() ? -EINTR : mh_candle_reader_next(c, err);
	while (rc > 0);
	if (!rc)
		rc = forgetting_all(&run.forgetting, p);
	if (rc == -ENOMEM)
		mh_err_sys(err, rc, "cannot read on in %s", p->dir);
	mh_candle_reader_stats(c, &stats, &p->stats);
	p->n_measured = stats.n_measured;
	mh_candle_reader_free(c);
	done(&run);
	return rc;
}
