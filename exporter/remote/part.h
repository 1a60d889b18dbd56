/*
 * Parts of a batch in the order of time, for an endpoint that refuses a batch as a whole: what it
 * has already is older than what it has not, and of what has one time, some series may be bad.
 *
 *     remote_part_begin(part, batch);
 *     remote_part_take(part, 0, batch->n_samples / 2, &half);     // the earlier half
 *     remote_encode_v1(half, 0, half->n_series, &out);
 *
 * Units are samples, by time, then in the order of their series in the batch.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_PART_H
#define MEMHIST_EXPORTER_REMOTE_PART_H

#include "exporter/remote/batch.h"

struct remote_part;

/* For batches of at most `max_samples`. Nothing is allocated before a part is taken. */
int remote_part_new(struct remote_part **ret, uint32_t max_samples);
/* Before the pool of the batches is gone. NULL is allowed. */
void remote_part_free(struct remote_part *p);

/* The next batch; NULL: forget the last one, and give back its series. */
void remote_part_begin(struct remote_part *p, const struct remote_batch *batch);

/*
 * The units `from` … `to` of it. All of them are the batch itself. *ret is there until the next
 * call. Returns 0 or -ENOMEM.
 */
int remote_part_take(struct remote_part *p, size_t from, size_t to,
		     const struct remote_batch **ret);

#endif
