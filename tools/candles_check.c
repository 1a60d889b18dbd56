/*
 * Whether candle columns say what samples say: the history is read twice side by side, and each
 * part that has columns is compared with the same part made of samples. Whatever else there is
 * would be made of samples both times.
 */
#include "tools/candles.h"

#include "libmemhist/history/columns/candle_reader.h"
#include "tools/human.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char who[] = "memhist-candles";

/* A candle of one part, or a piece of one. */
struct piece {
	uint32_t series; /* in the part */
	uint32_t pid;
	uint32_t number; /* in order of time */
	struct mh_candle candle;
};

struct side {
	struct mh_candle_reader *reader;
	struct piece *piece; /* of the part read last */
	size_t n, cap;
	uint32_t *pid; /* by series */
	uint32_t pids_cap;
	struct mh_boot_id boot; /* of the part, */
	mh_boot_ns_t begin_ns;  /* and when it begins */
	uint32_t n_snapshots;
};

struct check {
	const struct candles_config *config;
	struct mh_err *err;
	uint64_t n_compared, n_different;
	struct piece first[2]; /* that differ */
	bool is_there[2];
	uint32_t page_bytes;
};

static int on_part(void *arg, const struct mh_part *p, const struct mh_part_windows *w,
		   const struct mh_gap *gap)
{
	struct side *s = arg;
	uint32_t n = p->series.n + p->brief.n;

	(void)gap;
	s->n = 0;
	s->boot = p->head.boot_id;
	s->begin_ns = p->snapshots.item[0].at.boot_ns;
	s->n_snapshots = w->n_snapshots;
	if (tool_interrupted())
		return -EINTR;
	if (n > s->pids_cap) {
		uint32_t *pid = reallocarray(s->pid, n, sizeof(*pid));

		if (!pid)
			return -ENOMEM;
		s->pid = pid;
		s->pids_cap = n;
	}
	for (uint32_t i = 0; i < p->series.n; i++)
		s->pid[i] = p->series.item[i].id.pid;
	for (uint32_t i = 0; i < p->brief.n; i++)
		s->pid[p->series.n + i] = p->brief.item[i].id.pid;
	return 0;
}

static int on_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct side *s = arg;

	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 1024;
		struct piece *piece = reallocarray(s->piece, cap, sizeof(*piece));

		if (!piece)
			return -ENOMEM;
		s->piece = piece;
		s->cap = cap;
	}
	s->piece[s->n] = (struct piece){series, s->pid[series], (uint32_t)s->n, *candle};
	s->n++;
	return 0;
}

static int open_side(struct side *s, const struct candles_config *c, bool from_samples,
		     struct mh_err *err)
{
	const struct mh_candle_reader_config config = {
		.since_ms = c->range.since_ms,
		.until_ms = c->range.until_ms,
		.field = c->field,
		.interval_ms = c->interval_ms,
		.utc = c->utc,
		.from_samples = from_samples,
		.part = on_part,
		.candle = on_candle,
		.arg = s,
	};

	return mh_candle_reader_new(&s->reader, c->history, &config, err);
}

static void close_side(struct side *s)
{
	mh_candle_reader_free(s->reader);
	free(s->piece);
	free(s->pid);
}

static int by_series(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static bool is_same(const struct piece *a, const struct piece *b)
{
	const struct mh_candle *x = &a->candle, *y = &b->candle;

	return a->series == b->series && x->start_ms == y->start_ms && x->end_ms == y->end_ms &&
	       x->open == y->open && x->high == y->high && x->low == y->low &&
	       x->close == y->close && x->samples == y->samples;
}

/* What both have of one part. */
static void compare(struct check *c, struct side *columns, struct side *samples)
{
	struct side *side[] = {columns, samples};
	size_t n = columns->n > samples->n ? columns->n : samples->n;

	for (int i = 0; i < 2; i++)
		if (side[i]->n)
			qsort(side[i]->piece, side[i]->n, sizeof(*side[i]->piece), by_series);
	for (size_t i = 0; i < n; i++) {
		c->n_compared++;
		if (i < columns->n && i < samples->n &&
		    is_same(&columns->piece[i], &samples->piece[i]))
			continue;
		for (int k = 0; k < 2 && !c->n_different; k++) {
			c->is_there[k] = i < side[k]->n;
			if (c->is_there[k])
				c->first[k] = side[k]->piece[i];
		}
		c->n_different++;
	}
}

static void describe(struct mh_buf *out, const struct check *c, int side)
{
	const struct mh_candle *candle = &c->first[side].candle;
	const uint64_t ends[] = {candle->open, candle->high, candle->low, candle->close};

	if (!c->is_there[side]) {
		mh_buf_adds(out, "nothing");
		return;
	}
	mh_buf_printf(out, "process %u from ", c->first[side].pid);
	mh_time_format(out, candle->start_ms, c->config->utc);
	for (int i = 0; i < 4; i++)
		mh_buf_printf(out, " %" PRIu64,
			      mh_field_shown(c->config->field, ends[i], c->page_bytes));
	mh_buf_printf(out, " of %u", candle->samples);
}

static int report(const struct check *c, const struct mh_candle_reader_stats *stats)
{
	struct mh_buf columns = MH_BUF_INIT(1024), samples = MH_BUF_INIT(1024);

	if (c->n_different) {
		describe(&columns, c, 0);
		describe(&samples, c, 1);
		tool_say(who,
			 "%" PRIu64 " of %" PRIu64
			 " candles differ, first: columns say %s; samples say %s",
			 c->n_different, c->n_compared, mh_buf_str(&columns), mh_buf_str(&samples));
		mh_buf_done(&columns);
		mh_buf_done(&samples);
		return STATUS_DAMAGED;
	}
	if (!stats->parts_from_columns) {
		printf("0 candles compared: none of %" PRIu64 " part%s was read from columns; open "
		       "segments have none, nor windows that are not made of quarters of an hour\n",
		       stats->parts_from_samples, human_s(stats->parts_from_samples));
		return STATUS_OK;
	}
	printf("%" PRIu64 " candle%s compared, no difference; columns in %" PRIu64
	       " part%s of %" PRIu64 "\n",
	       c->n_compared, human_s(c->n_compared), stats->parts_from_columns,
	       human_s(stats->parts_from_columns),
	       stats->parts_from_columns + stats->parts_from_samples);
	return STATUS_OK;
}

static bool is_same_part(const struct side *a, const struct side *b)
{
	return !memcmp(&a->boot, &b->boot, sizeof(a->boot)) && a->begin_ns == b->begin_ns &&
	       a->n_snapshots == b->n_snapshots;
}

/* What reading them says. */
static int judge(const struct candles_config *config, const struct mh_reader_stats *stats)
{
	int status = pass_verdict(who, config->history, stats);

	if (status == STATUS_DAMAGED)
		tool_say(who,
			 "%s is damaged in %" PRIu64 " place%s (%" PRIu64
			 " bytes): what is readable was compared; memhist verify tells more",
			 config->history, stats->damages, human_s(stats->damages),
			 stats->damaged_bytes);
	return status;
}

/* Read on until the part comes that the other side has: 1, 0: it is gone, or -errno. */
static int find_part(struct side *s, const struct side *other, struct mh_err *err)
{
	for (;;) {
		int rc = mh_candle_reader_next(s->reader, err);

		if (rc <= 0 || is_same_part(s, other))
			return rc;
	}
}

static int read_both(struct check *c, struct side *columns, struct side *samples)
{
	struct mh_candle_reader_stats stats;
	struct mh_reader_stats reader;
	uint64_t n_parts = 0;
	int rc;

	while ((rc = mh_candle_reader_next(columns->reader, c->err)) > 0) {
		mh_candle_reader_stats(columns->reader, &stats, &reader);
		if (stats.parts_from_columns == n_parts)
			continue;
		n_parts = stats.parts_from_columns;
		rc = find_part(samples, columns, c->err);
		if (!rc)
			rc = mh_errf(c->err, -ESTALE, "%s changed while it was read: run again",
				     c->config->history);
		if (rc < 0)
			break;
		c->page_bytes = mh_candle_reader_segment(columns->reader)->page_bytes;
		compare(c, columns, samples);
	}
	return rc;
}

int candles_check(const struct candles_config *config)
{
	struct mh_err err = {""};
	struct check c = {.config = config, .err = &err};
	struct side columns = {0}, samples = {0};
	struct mh_candle_reader_stats stats;
	struct mh_reader_stats reader;
	int status, rc = open_side(&columns, config, false, &err);

	if (!rc)
		rc = open_side(&samples, config, true, &err);
	if (!rc)
		rc = read_both(&c, &columns, &samples);
	if (rc == -ENOMEM)
		mh_err_sys(&err, rc, "cannot read on in %s", config->history);
	if (!rc) {
		mh_candle_reader_stats(columns.reader, &stats, &reader);
		if (!stats.n_snapshots)
			rc = range_no_data(config->history, &config->range, config->utc, &reader,
					   &err);
	}
	if (rc) {
		status = tool_fail(who, rc, &err);
	} else {
		status = report(&c, &stats);
		if (status == STATUS_OK)
			status = judge(config, &reader);
	}
	close_side(&columns);
	close_side(&samples);
	return status;
}
