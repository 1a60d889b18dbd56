/*
 * The biggest processes of a history, with a sparkline each, and how many there were: two passes in
 * memory bounded by the processes that live at a time, however long the history is.
 *
 *     struct top top = {.max = 5};        // 0: none, only statistics
 *     top_survey(&top, &survey, &err)     // which they are
 *     top_draw(&top, &detail, &survey, &err)
 *     …
 *     top_done(&top)
 */
#ifndef MEMHIST_TOOLS_TOP_H
#define MEMHIST_TOOLS_TOP_H

#include "tools/pass.h"

enum { TOP_BARS = 32 };

struct top_row {
	struct mh_label label;
	char *command; /* the latest, as that of struct mh_series */
	size_t command_len;
	bool has_cmdline;        /* it is a command line, not "[comm]" */
	uint64_t highest;        /* in the survey */
	struct mh_candle whole;  /* over the whole span: high, close (the last value) */
	uint64_t high[TOP_BARS]; /* in each part of the span */
	bool is_there[TOP_BARS];
};

struct top {
	uint32_t max;
	struct top_row *row; /* highest first */
	uint32_t n_rows;
	mh_ms_t base_ms, bar_ms; /* a bar's span */
};

/*
 * A pass over the history by identity. `survey` brings range and field, and keeps statistics and
 * how many series there were: of its labels only mh_labels_count() means something afterwards.
 * Returns as pass_run(), but not -EAGAIN.
 */
int top_survey(struct top *top, struct pass *survey, struct mh_err *err);
/* The second one, with a `pass` as that was. Returns as that. */
int top_draw(struct top *top, struct pass *pass, const struct pass *survey, struct mh_err *err);
void top_done(struct top *top);

/* Eight heights of a block from 0 to the row's high, blank where there was no process. */
void top_sparkline(struct mh_buf *out, const struct top_row *row);

#endif
