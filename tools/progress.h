/*
 * Progress of long work: one line on a terminal that is redrawn in place, and nothing where
 * standard error is no terminal.
 */
#ifndef MEMHIST_TOOLS_PROGRESS_H
#define MEMHIST_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;
	uint64_t last_ms; /* of the last redraw, CLOCK_MONOTONIC */
	const char *what; /* "reading" */
};

/* `wanted`: --verbose was given. */
void progress_begin(struct progress *p, const char *what, bool wanted);
/* `done` of `total` units; total 0 = unknown, then `done` itself is shown. Cheap to call often. */
void progress_show(struct progress *p, uint64_t done, uint64_t total);
/* Wipe the line: something else is going to be printed. */
void progress_end(struct progress *p);

#endif
