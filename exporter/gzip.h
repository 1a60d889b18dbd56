/* gzip (RFC 1952), piece by piece, with memory that is used again. */
#ifndef MEMHIST_EXPORTER_GZIP_H
#define MEMHIST_EXPORTER_GZIP_H

#include "libmemhist/base/buf.h"

struct gzip;

/* Returns 0 or -ENOMEM. */
int gzip_new(struct gzip **ret);
/* NULL is allowed. */
void gzip_free(struct gzip *g);

/* Begin anew; what comes out is appended to `out`. */
void gzip_begin(struct gzip *g, struct mh_buf *out);
/* Each returns 0, or out->error. */
int gzip_add(struct gzip *g, const char *bytes, size_t len);
int gzip_end(struct gzip *g);

#endif
