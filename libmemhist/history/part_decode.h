/*
 * Frames of a sealed segment back to a part: the reverse of part_encode.h. Every payload is taken
 * as hostile; memory is bounded by what the bytes can hold before it is allocated.
 *
 *     mh_part_decode_head(d, frame, part);
 *     while (!mh_part_is_whole(d, part))
 *             mh_part_decode_chunk(d, frame, part);      // frames that follow, in order
 *
 * A part is whole when all its chunks were taken in: then it is as mh_part_builder_end() gave it.
 */
#ifndef MEMHIST_HISTORY_PART_DECODE_H
#define MEMHIST_HISTORY_PART_DECODE_H

#include "libmemhist/base/err.h"
#include "libmemhist/history/frame.h"
#include "libmemhist/history/part.h"

struct mh_part_decoder;

int mh_part_decoder_new(struct mh_part_decoder **ret);
void mh_part_decoder_free(struct mh_part_decoder *d);

/*
 * Begin a part. Returns 0, -EBADMSG: breaks a rule; -EPROTO and a sentence: written by a newer
 * memhist in a way this one must not guess at; -ENOMEM. After an error the part is void.
 */
int mh_part_decode_head(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p,
			struct mh_err *err);
/*
 * The next frame of the part begun. Values of fields that are not `wanted` are passed over, and so
 * are chunks of unknown columns.
 */
int mh_part_decode_chunk(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p,
			 mh_fields_t wanted);
bool mh_part_is_whole(const struct mh_part_decoder *d, const struct mh_part *p);

#endif
