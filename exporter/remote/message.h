/*
 * The body of a request: a part of a batch, as the message of one of the protocols, packed.
 *
 *     remote_message_begin(m, batch);
 *     rc = remote_message_make(m, &part);
 *     body = remote_message_bytes(m, &len);
 *
 * What is made stays until another part is: what is sent again is the same bytes.
 */
#ifndef MEMHIST_EXPORTER_REMOTE_MESSAGE_H
#define MEMHIST_EXPORTER_REMOTE_MESSAGE_H

#include "exporter/remote/batch.h"
#include "exporter/remote/policy.h"

struct remote_message;

/* For batches of at most `max_samples`. Returns 0 or -ENOMEM. */
int remote_message_new(struct remote_message **ret, uint32_t max_samples);
/* Before the pool of the batches is gone. NULL is allowed. */
void remote_message_free(struct remote_message *m);

/* The next batch; NULL: forget the last one, and give back its series. */
void remote_message_begin(struct remote_message *m, const struct remote_batch *batch);

/* Returns 0; -EOVERFLOW: the part is too large for one message; or -ENOMEM. */
int remote_message_make(struct remote_message *m, const struct policy_part *part);

/* Of what was made last: the body, and the time of its latest sample. */
const void *remote_message_bytes(const struct remote_message *m, size_t *ret_len);
mh_ms_t remote_message_last_ms(const struct remote_message *m);

#endif
