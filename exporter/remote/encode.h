/*
 * A batch in the protocols of remote write, uncompressed (both are sent as one block of snappy):
 *
 *     1.0  prometheus.WriteRequest            labels as strings in each series
 *     2.0  io.prometheus.write.v2.Request     labels as symbols; type, help and unit of each
 * series, and since when a counter counts
 *
 * Both append the series first … first + n - 1 of the batch to `out`. The same batch and range give
 * the same bytes every time. The schemas are in proto/remote.proto.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_ENCODE_H
#define MEMHIST_EXPORTER_REMOTE_ENCODE_H

#include "exporter/remote/batch.h"

/* Room enough for any batch of 10,000 samples of series with labels of common lengths. */
enum { REMOTE_REQUEST_MAX = 16 << 20 };

/* Returns 0, -ENOMEM, or -EOVERFLOW past the cap of `out`, where nothing is added then. */
int remote_encode_v1(const struct remote_batch *b, uint32_t first, uint32_t n, struct mh_buf *out);
int remote_encode_v2(const struct remote_batch *b, uint32_t first, uint32_t n, struct mh_buf *out);

#endif
