/*
 * Which series are shown. A survey reads the whole range once with a window that never ends, so
 * that it costs one candle per process, and keeps eight bytes and a mark per series.
 */
#include "tools/select.h"

#include "tools/pidmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_MAX = 8192 };

static const mh_ms_t ENDLESS_MS = (mh_ms_t)36500 * 86400000;

/* What the survey finds out about a series. */
struct facts {
	uint64_t high;
	bool matches;
	bool is_given_up; /* under one name at least it was too costly to find out */
};

struct survey {
	struct pass *pass;
	struct mh_match *match;
	struct facts *facts; /* by series */
	uint32_t cap;
	struct mh_buf command;
};

struct candidate {
	struct shown shown;
	uint64_t high;
};

static int reserve(struct survey *v, uint32_t n)
{
	uint32_t cap = v->cap ? v->cap : 1024;
	struct facts *facts;

	if (n <= v->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	facts = reallocarray(v->facts, cap, sizeof(*facts));
	if (!facts)
		return -ENOMEM;
	memset(facts + v->cap, 0, (cap - v->cap) * sizeof(*facts));
	v->facts = facts;
	v->cap = cap;
	return 0;
}

/* Whether a series matches under the name it has now: once is enough. */
static int on_named(void *arg, uint32_t series)
{
	struct survey *v = arg;
	uint64_t given_up = mh_match_given_up(v->match);
	struct facts *facts;
	struct mh_series s;

	if (reserve(v, series + 1))
		return -ENOMEM;
	facts = &v->facts[series];
	if (facts->matches)
		return 0;
	mh_labels_series(v->pass->labels, series, &s);
	mh_buf_clear(&v->command);
	mh_label_command(&v->command, &s);
	facts->matches = mh_match_name(v->match, s.comm, s.comm_len) ||
			 mh_match_name(v->match, v->command.data, v->command.len);
	facts->is_given_up |= mh_match_given_up(v->match) != given_up;
	return 0;
}

static int on_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct survey *v = arg;

	if (reserve(v, series + 1))
		return -ENOMEM;
	if (candle->high > v->facts[series].high)
		v->facts[series].high = candle->high;
	return 0;
}

int select_by_label(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->nth < y->nth ? -1 : x->nth > y->nth;
}

static int by_high(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->high != y->high)
		return x->high > y->high ? -1 : 1;
	return select_by_label(&x->shown, &y->shown);
}

static struct shown shown_of(const struct mh_labels *labels, uint32_t series)
{
	struct mh_series s;

	mh_labels_series(labels, series, &s);
	return (struct shown){.series = series, .pid = s.pid, .nth = s.nth};
}

/* Sort what is in sel->shown and index it. */
static int finish(struct selection *sel)
{
	qsort(sel->shown, sel->n_shown, sizeof(*sel->shown), select_by_label);
	/* one more than needed, since malloc(0) may be NULL */
	sel->place = malloc(((size_t)sel->n_series + 1) * sizeof(*sel->place));
	if (!sel->place)
		return -ENOMEM;
	for (uint32_t i = 0; i < sel->n_series; i++)
		sel->place[i] = NOT_SHOWN;
	for (uint32_t i = 0; i < sel->n_shown; i++)
		sel->place[sel->shown[i].series] = i;
	return 0;
}

/* From what the survey found, take the highest. */
static int choose(struct selection *sel, struct survey *v, uint32_t top)
{
	const struct mh_labels *labels = v->pass->labels;
	uint32_t n = mh_labels_count(labels), n_matching = 0;
	struct candidate *candidates = calloc((size_t)n + 1, sizeof(*candidates));

	sel->shown = calloc((size_t)n + 1, sizeof(*sel->shown));
	if (!candidates || !sel->shown || reserve(v, n)) {
		free(candidates);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		if (!v->match || v->facts[i].matches)
			candidates[n_matching++] = (struct candidate){
				.shown = shown_of(labels, i),
				.high = v->facts[i].high,
			};
		else
			sel->n_given_up += v->facts[i].is_given_up;
	sel->n_series = n;
	sel->n_shown = top && top < n_matching ? top : n_matching;
	sel->n_left_out = n_matching - sel->n_shown;
	if (sel->n_left_out)
		qsort(candidates, n_matching, sizeof(*candidates), by_high);
	for (uint32_t i = 0; i < sel->n_shown; i++)
		sel->shown[i] = candidates[i].shown;
	free(candidates);
	return finish(sel);
}

int select_survey(struct selection *ret, struct pass *pass, const struct select_rule *rule,
		  struct mh_err *err)
{
	struct survey v = {
		.pass = pass,
		.match = rule->match,
		.command = MH_BUF_INIT(COMMAND_MAX),
	};
	struct selection sel = {0};
	int rc;

	pass->interval_ms = ENDLESS_MS;
	pass->candle = on_candle;
	pass->named = rule->match ? on_named : NULL;
	pass->arg = &v;
	rc = pass_run(pass, err);
	if (!rc) {
		sel.n_snapshots = pass->n_snapshots;
		sel.first = pass->first;
		rc = choose(&sel, &v, rule->top);
		if (rc)
			mh_err_sys(err, rc, "cannot choose among the processes of %s", pass->dir);
	}
	free(v.facts);
	mh_buf_done(&v.command);
	if (rc)
		select_done(&sel);
	else
		*ret = sel;
	return rc;
}

int select_all(struct selection *ret, const struct mh_labels *labels, struct mh_err *err)
{
	struct selection sel = {.n_series = mh_labels_count(labels)};
	int rc = -ENOMEM;

	sel.n_shown = sel.n_series;
	sel.shown = calloc((size_t)sel.n_series + 1, sizeof(*sel.shown));
	if (sel.shown) {
		for (uint32_t i = 0; i < sel.n_series; i++)
			sel.shown[i] = shown_of(labels, i);
		rc = finish(&sel);
	}
	if (rc) {
		select_done(&sel);
		return mh_err_sys(err, rc, "cannot list the processes");
	}
	*ret = sel;
	return 0;
}

void select_done(struct selection *s)
{
	free(s->shown);
	free(s->place);
	*s = (struct selection){0};
}

int select_write_map(const struct selection *s, const struct mh_labels *labels, struct outfile *out,
		     struct mh_err *err)
{
	int rc = 0;

	pidmap_write_header(&out->buf);
	for (uint32_t i = 0; i < s->n_shown && !rc; i++) {
		struct mh_series series;

		mh_labels_series(labels, s->shown[i].series, &series);
		pidmap_write_row(&out->buf, series.pid, series.nth, series.command,
				 series.command_len);
		rc = outfile_pump(out, err);
	}
	return rc;
}
