/*
 * Snappy's block format, which remote write and remote read are packed in. Not the framed one.
 */
#ifndef MEMHIST_NET_SNAPPY_H
#define MEMHIST_NET_SNAPPY_H

#include "libmemhist/base/buf.h"

/* Append to `out`, whose cap has to leave room for a sixth more than there is. Returns 0, -ENOMEM
 * or -EOVERFLOW; out->error is left as it was. */
int mh_snappy_compress(const void *bytes, size_t len, struct mh_buf *out);

/* The same; or -EBADMSG: this is not Snappy's. Nothing is allocated for what cannot be there. */
int mh_snappy_uncompress(const void *bytes, size_t len, struct mh_buf *out);

#endif
