/*
 * The formats of the metrics page, each a small writer over the same families:
 *
 *   text         Prometheus' text format 0.0.4 ("Exposition formats" of its documentation)
 *   openmetrics  OpenMetrics 1.0 (the specification of that name)
 *   protobuf     io.prometheus.client.MetricFamily (proto/metrics.proto), each message with its
 *                length in front
 *
 * A label set is the same bytes wherever it stands in a page of a format, so it is spelled once,
 * before the families. All formats show the same values: text in as few digits as give the same
 * double back.
 */
#ifndef MEMHIST_EXPORTER_FORMAT_H
#define MEMHIST_EXPORTER_FORMAT_H

#include "exporter/families.h"

/* In the order in which they are preferred where a client wants several alike. */
enum page_format { PAGE_TEXT, PAGE_OPENMETRICS, PAGE_PROTOBUF, PAGE_FORMATS };

/* The label sets of a page as a format spells them. */
struct spelled {
	struct mh_buf bytes;
	uint32_t *end; /* by set: the offset behind it */
	uint32_t cap;
};

struct format {
	const char *content_type;
	void (*labels)(struct mh_buf *out, const struct families *f, const struct label_set *set);
	/* What stands in front of a family's samples. */
	void (*begin)(struct mh_buf *out, const struct families *f, const struct family *family,
		      const struct spelled *spelled);
	/* `n` samples of the family from number `first` of all on. */
	void (*samples)(struct mh_buf *out, const struct families *f, const struct family *family,
			const struct spelled *spelled, uint32_t first, uint32_t n);
	void (*end)(struct mh_buf *out); /* what stands behind all families */
};

extern const struct format format_text, format_openmetrics, format_protobuf;

/* By enum page_format. */
const struct format *format_of(enum page_format format);

static inline const char *spelled_set(const struct spelled *s, uint32_t set, uint32_t *ret_len)
{
	uint32_t begin = set ? s->end[set - 1] : 0;

	*ret_len = s->end[set] - begin;
	return s->bytes.data + begin;
}

/*
 * A page in pieces: what is written so far is handed to `take` now and then, and always at the end,
 * with the bytes in `out`, which is empty after. Returns 0, or -errno, also what `take` returned.
 */
typedef int format_take_fn(void *arg, struct mh_buf *out);

/* Write all families into `out`, which is then looked at by the caller: out->error. With `take`,
 * piece by piece. `spelled` is memory to be used again; zero-initialise it. */
int format_write(const struct format *format, const struct families *f, struct spelled *spelled,
		 struct mh_buf *out, format_take_fn *take, void *arg);
void spelled_done(struct spelled *s);

/* Shared by the two formats of text. */
void format_text_labels(struct mh_buf *out, const struct families *f, const struct label_set *set);
void format_text_samples(struct mh_buf *out, const struct families *f, const struct family *family,
			 const struct spelled *spelled, uint32_t first, uint32_t n);

#endif
