/* Frames of parts: copies of what the encoder gives. */
#include "tests/unit/part_frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void keep(struct part_frames *f, uint8_t type, const struct mh_payload *payload)
{
	uint8_t *copy = malloc(payload->len);

	assert_non_null(copy);
	assert_in_range(f->n, 0, PART_FRAMES_MAX - 1);
	memcpy(copy, payload->bytes, payload->len);
	f->frame[f->n++] = (struct mh_frame){
		.type = type,
		.flags = payload->flags,
		.version = 1,
		.len = (uint32_t)payload->len,
		.payload = copy,
	};
}

void part_frames_forget(struct part_frames *f)
{
	for (size_t i = 0; i < f->n; i++)
		free((void *)f->frame[i].payload);
	f->n = 0;
}

void part_frames_encode(struct mh_part_encoder *e, const struct mh_part *p, struct part_frames *ret)
{
	struct mh_payload payload;
	struct part_frames head = {.n = 0};
	uint8_t type;
	int rc;

	ret->n = 1; /* the head, which is made last */
	assert_int_equal(mh_part_encode_begin(e, p), 0);
	while ((rc = mh_part_encode_next(e, p, &type, &payload)) > 0)
		keep(ret, type, &payload);
	assert_int_equal(rc, 0);
	assert_int_equal(mh_part_encode_head(e, p, &payload), 0);
	keep(&head, MH_FRAME_PART, &payload);
	ret->frame[0] = head.frame[0];
}

int part_frames_decode(struct mh_part_decoder *d, const struct part_frames *f, struct mh_part *ret)
{
	struct mh_err err;
	int rc = mh_part_decode_head(d, &f->frame[0], ret, &err);

	for (size_t i = 1; i < f->n && !rc; i++)
		rc = mh_part_decode_chunk(d, &f->frame[i], ret);
	return rc;
}
