/*
 * The biggest processes of a history, with a sparkline each.
 */
#ifndef MEMHIST_TOOLS_TOP_H
#define MEMHIST_TOOLS_TOP_H

#include "tools/select.h"

enum { TOP_BARS = 32 };

struct top_row {
	uint32_t series;
	struct mh_candle whole;  /* over the whole span: high, close (the last value) */
	uint64_t high[TOP_BARS]; /* in each part of the span */
	bool is_there[TOP_BARS];
};

struct top {
	struct top_row *row; /* highest first */
	uint32_t n_rows;
	mh_ms_t base_ms, bar_ms; /* a bar's span */
};

/*
 * The series of `selection`, made by a survey with `survey` as its pass; `pass` is for the second
 * one: it brings range, field and rule, and keeps its labels. Returns as pass_run().
 */
int top_collect(struct top *ret, const struct selection *selection, struct pass *pass,
		const struct pass *survey, struct mh_err *err);
void top_done(struct top *top);

/* Eight heights of a block from 0 to the row's high, blank where there was no process. */
void top_sparkline(struct mh_buf *out, const struct top_row *row);

#endif
