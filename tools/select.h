/*
 * Which series of a history are shown: those that match, the N with the highest highs, or all.
 */
#ifndef MEMHIST_TOOLS_SELECT_H
#define MEMHIST_TOOLS_SELECT_H

#include "libmemhist/model/match.h"
#include "tools/outfile.h"
#include "tools/pass.h"

#define NOT_SHOWN UINT32_MAX

struct shown {
	uint32_t series;
	uint32_t pid, nth;
};

struct selection {
	struct shown *shown; /* by pid, then by order of appearance */
	uint32_t n_shown;
	uint32_t n_left_out; /* matched, but not among the highest */
	uint32_t n_given_up; /* may match, but finding out was too costly: not shown */
	uint32_t *place;     /* by series: index in `shown`, or NOT_SHOWN */
	uint32_t n_series;
	/* what the pass saw that this was made from */
	uint64_t n_snapshots;
	struct mh_instant first;
};

struct select_rule {
	struct mh_match *match; /* a name of the process or its command line; NULL = all */
	uint32_t top;           /* how many, those with the highest highs; 0 = all */
};

/*
 * A pass over the history to find the series to show. `pass` brings range, field and labels rule,
 * and keeps its labels and statistics. Returns as pass_run().
 */
int select_survey(struct selection *ret, struct pass *pass, const struct select_rule *rule,
		  struct mh_err *err);
/* The order of labels, for qsort(): by pid, then by appearance. */
int select_by_label(const void *a, const void *b);
/* All series there are. */
int select_all(struct selection *ret, const struct mh_labels *labels, struct mh_err *err);
void select_done(struct selection *s);

/* The PID map: header and one row per shown series. Returns 0 or as outfile_pump(). */
int select_write_map(const struct selection *s, const struct mh_labels *labels, struct outfile *out,
		     struct mh_err *err);

#endif
