/*
 * Frames one behind the other, in memory: headers, payloads of open and of sealed segments, their
 * rules, and the snapshots they become. What the lists of a snapshot say must be all that changed.
 */
#include "libmemhist/history/rows/decode.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/images.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SNAPSHOTS_MAX = 300, TEXT_MAX = 1 << 22 };

struct look {
	struct mh_buf text, again;
	struct shadow shadow;
	int n;
};

static void look_at(struct look *l, const struct mh_snapshot *s)
{
	mh_buf_clear(&l->text);
	mh_buf_clear(&l->again);
	describe(&l->text, s);
	shadow_follow(&l->shadow, s);
	shadow_describe(&l->again, &l->shadow, s);
	fuzz_assert(l->text.len == l->again.len);
	fuzz_assert(!l->text.len || !memcmp(l->text.data, l->again.data, l->text.len));
	l->n++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct look look = {.text = MH_BUF_INIT(TEXT_MAX), .again = MH_BUF_INIT(TEXT_MAX)};
	struct mh_err err = {""};
	struct mh_decoder *d;

	if (mh_decoder_new(&d))
		return 0;
	for (size_t at = 0; at < len && look.n < SNAPSHOTS_MAX;) {
		struct mh_frame frame;
		size_t need = 0;
		int size = mh_frame_read(bytes + at, len - at, &frame, &need), rc;

		if (size <= 0) {
			fuzz_assert(size == -EBADMSG || need > len - at);
			at++;
			continue;
		}
		fuzz_assert((size_t)size <= len - at);
		at += (size_t)size;
		rc = mh_decoder_frame(d, &frame, &err);
		while (rc == MH_DECODED_SNAPSHOT && look.n < SNAPSHOTS_MAX) {
			look_at(&look, mh_decoder_end(d));
			rc = mh_decoder_more(d);
		}
		fuzz_assert(rc >= 0 || rc == -EBADMSG || rc == -EPROTO || rc == -ENOMEM);
		if (rc < 0)
			mh_decoder_lost(d, 0);
	}
	mh_decoder_free(d);
	shadow_done(&look.shadow);
	mh_buf_done(&look.text);
	mh_buf_done(&look.again);
	return 0;
}

uint8_t *fuzz_seed(unsigned n, size_t *ret_len)
{
	bool is_sealed;

	return image_make(n, ret_len, &is_sealed);
}

void fuzz_mend(uint8_t *bytes, size_t len)
{
	image_mend(bytes, len);
}
