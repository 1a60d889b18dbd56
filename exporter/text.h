/*
 * The Prometheus text format, version 0.0.4: families of samples, without timestamps (a sample
 * with one would not be marked stale when its series ends).
 *
 *     text_family(out, "memhist_processes", METRIC_GAUGE, "Live processes.");
 *     text_sample(out, "memhist_processes", NULL, 0, 211);
 */
#ifndef MEMHIST_EXPORTER_TEXT_H
#define MEMHIST_EXPORTER_TEXT_H

#include "libmemhist/base/buf.h"

#define TEXT_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER };

struct label {
	const char *name;
	const char *value; /* any bytes */
};

/* # HELP and # TYPE; all samples of the family follow. `help` is one line without a backslash. */
void text_family(struct mh_buf *out, const char *name, enum metric_type type, const char *help);

void text_sample(struct mh_buf *out, const char *name, const struct label *label, size_t n_labels,
		 double value);

/* A family of one sample without labels. */
void text_single(struct mh_buf *out, const char *name, enum metric_type type, const char *help,
		 double value);

#endif
