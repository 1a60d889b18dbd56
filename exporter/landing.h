/* The page at "/": what this is, and links to the others. */
#ifndef MEMHIST_EXPORTER_LANDING_H
#define MEMHIST_EXPORTER_LANDING_H

#include "libmemhist/base/buf.h"

/* Append the page in HTML. Depends on the configuration alone, never on a request. */
void landing_write(struct mh_buf *out, const char *telemetry_path);

#endif
