/* The frames of one part, in memory. Any failure ends the program. */
#ifndef MEMHIST_TESTS_UNIT_PART_FRAMES_H
#define MEMHIST_TESTS_UNIT_PART_FRAMES_H

#include "libmemhist/history/columns/part_decode.h"
#include "libmemhist/history/columns/part_encode.h"

enum { PART_FRAMES_MAX = 256 };

/* Payloads come from malloc(). */
struct part_frames {
	struct mh_frame frame[PART_FRAMES_MAX];
	size_t n;
};

void part_frames_encode(struct mh_part_encoder *e, const struct mh_part *p,
			struct part_frames *ret);
/* Returns as mh_part_decode_head() and mh_part_decode_chunk(). */
int part_frames_decode(struct mh_part_decoder *d, const struct part_frames *f, struct mh_part *ret);
void part_frames_forget(struct part_frames *f);

#endif
