/* Encoding and packing, once for each part. */
#include "exporter/remote/message.h"

#include "exporter/remote/encode.h"
#include "exporter/remote/part.h"
#include "libmemhist/net/snappy.h"

#include <errno.h>
#include <stdlib.h>

enum { PACKED_MAX = 20 << 20 }; /* Snappy's worst of REMOTE_REQUEST_MAX */

struct remote_message {
	struct remote_part *part;
	struct mh_buf plain, packed;
	struct policy_part ready; /* what is in `packed`; nothing where it is empty */
	mh_ms_t last_ms;
};

int remote_message_new(struct remote_message **ret, uint32_t max_samples)
{
	struct remote_message *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->plain = (struct mh_buf)MH_BUF_INIT(REMOTE_REQUEST_MAX);
	m->packed = (struct mh_buf)MH_BUF_INIT(PACKED_MAX);
	if (remote_part_new(&m->part, max_samples)) {
		free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

void remote_message_free(struct remote_message *m)
{
	if (!m)
		return;
	remote_part_free(m->part);
	mh_buf_done(&m->plain);
	mh_buf_done(&m->packed);
	free(m);
}

void remote_message_begin(struct remote_message *m, const struct remote_batch *batch)
{
	remote_part_begin(m->part, batch);
	m->ready = (struct policy_part){0};
}

int remote_message_make(struct remote_message *m, const struct policy_part *part)
{
	const struct remote_batch *batch;
	int rc;

	if (m->ready.from == part->from && m->ready.to == part->to &&
	    m->ready.protocol == part->protocol)
		return 0;
	m->ready = (struct policy_part){0};
	mh_buf_clear(&m->plain);
	mh_buf_clear(&m->packed);
	rc = remote_part_take(m->part, part->from, part->to, &batch);
	if (rc)
		return rc;
	rc = part->protocol == REMOTE_V1 ? remote_encode_v1(batch, 0, batch->n_series, &m->plain)
					 : remote_encode_v2(batch, 0, batch->n_series, &m->plain);
	if (!rc)
		rc = mh_snappy_compress(m->plain.data, m->plain.len, &m->packed);
	if (rc)
		return rc;
	m->ready = *part;
	m->last_ms = batch->last_ms;
	return 0;
}

const void *remote_message_bytes(const struct remote_message *m, size_t *ret_len)
{
	*ret_len = m->packed.len;
	return m->packed.data;
}

mh_ms_t remote_message_last_ms(const struct remote_message *m)
{
	return m->last_ms;
}
