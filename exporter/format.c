/* A page: its label sets, then its families, in pieces that stay in the processor's caches. */
#include "exporter/format.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PIECE_SAMPLES = 256,
	PIECE_BYTES = 32 * 1024,
	SPELLED_MAX_BYTES = 256 << 20, /* of the worst bytes, twice and more the text of families */
};

const struct format *format_of(enum page_format format)
{
	switch (format) {
	case PAGE_OPENMETRICS:
		return &format_openmetrics;
	case PAGE_PROTOBUF:
		return &format_protobuf;
	default:
		return &format_text;
	}
}

static int spell_labels(const struct format *format, const struct families *f, struct spelled *s)
{
	if (f->n_sets > s->cap) {
		uint32_t *bigger = reallocarray(s->end, f->sets_cap, sizeof(*s->end));

		if (!bigger)
			return -ENOMEM;
		s->end = bigger;
		s->cap = f->sets_cap;
	}
	s->bytes.max = SPELLED_MAX_BYTES;
	mh_buf_clear(&s->bytes);
	for (uint32_t i = 0; i < f->n_sets; i++) {
		format->labels(&s->bytes, f, &f->set[i]);
		s->end[i] = (uint32_t)s->bytes.len;
	}
	mh_buf_str(&s->bytes); /* so that data is not NULL, though no set has a label */
	return s->bytes.error;
}

static int hand_over(struct mh_buf *out, size_t more_than, format_take_fn *take, void *arg)
{
	int rc;

	if (out->error || !take || out->len <= more_than)
		return out->error;
	rc = take(arg, out);
	mh_buf_clear(out);
	return rc;
}

static int write_family(const struct format *format, const struct families *f,
			const struct family *family, const struct spelled *spelled,
			struct mh_buf *out, format_take_fn *take, void *arg)
{
	int rc = 0;

	format->begin(out, f, family, spelled);
	for (uint32_t i = 0; !rc && i < family->n; i += PIECE_SAMPLES) {
		uint32_t left = family->n - i;

		format->samples(out, f, family, spelled, family->first + i,
				left < PIECE_SAMPLES ? left : PIECE_SAMPLES);
		rc = hand_over(out, PIECE_BYTES, take, arg);
	}
	return rc;
}

int format_write(const struct format *format, const struct families *f, struct spelled *spelled,
		 struct mh_buf *out, format_take_fn *take, void *arg)
{
	int rc = spell_labels(format, f, spelled);

	for (uint32_t i = 0; !rc && i < f->n_families; i++)
		rc = write_family(format, f, &f->family[i], spelled, out, take, arg);
	if (rc)
		return rc;
	format->end(out);
	return hand_over(out, 0, take, arg);
}

void spelled_done(struct spelled *s)
{
	mh_buf_done(&s->bytes);
	free(s->end);
}
