/*
 * The sampling thread: polls the source once an interval, sums groups, and changes the view. It
 * alone touches the source. Ticks are absolute times of CLOCK_BOOTTIME: they never drift, and
 * a late one is not made up for.
 */
#ifndef MEMHIST_EXPORTER_COLLECTOR_H
#define MEMHIST_EXPORTER_COLLECTOR_H

#include "exporter/api/recent.h"
#include "exporter/pulse.h"
#include "exporter/view.h"

struct collector;

struct collector_config {
	struct source *source; /* these three are the caller's and outlive the collector */
	struct view *view;
	struct recent *recent;
	uint32_t interval_ms;
	struct mh_groups *groups; /* these two are taken over, also on failure */
	struct mh_choice *choice; /* NULL: nobody is chosen */
	uint32_t windows;         /* bit i: candles of view_windows[i] */
};

/* Start the thread, which takes its first sample at once. Returns 0, or -errno and a sentence. */
int collector_start(struct collector **ret, const struct collector_config *config,
		    struct mh_err *err);
/* From the next sample on, other groups, and others that are chosen (NULL: nobody). Both are taken
 * over. From any thread. */
void collector_regroup(struct collector *c, struct mh_groups *groups, struct mh_choice *choice);
/* Whether the thread gets on; the collector's. */
struct pulse *collector_pulse(struct collector *c);
/* Let it finish its sample and end. NULL is allowed. */
void collector_stop(struct collector *c);

#endif
