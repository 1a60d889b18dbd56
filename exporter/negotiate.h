/*
 * Which format and compression a client wants, by what it says in Accept and Accept-Encoding (RFC
 * 9110, sections 12.4.2, 12.5.1 and 12.5.3).
 *
 *     struct wishes w = {0};
 *
 *     wishes_accept(&w, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
 *     wishes_accept_encoding(&w, "gzip");
 *     wishes_format(&w)      PAGE_OPENMETRICS
 *     wishes_coding(&w)      PAGE_GZIP
 *
 * Each of our formats gets the weight of the most specific range that it is in. The greatest weight
 * wins, among equals the first of enum page_format. A parameter of a range must be one of the
 * format's, but for `escaping`, which Prometheus 3 asks for: all our names are plain ones, which
 * every way of escaping leaves alone. Nothing that we have is wanted: text, as if nobody had asked.
 *
 * An element that is not understood is passed over, as is what is more than a limit; the others
 * count.
 */
#ifndef MEMHIST_EXPORTER_NEGOTIATE_H
#define MEMHIST_EXPORTER_NEGOTIATE_H

#include "exporter/format.h"

/* In the order in which they are preferred where a client wants them alike. */
enum page_coding { PAGE_GZIP, PAGE_IDENTITY, PAGE_CODINGS };

struct wish {
	bool said;
	uint32_t specific; /* how much the range that decided says */
	uint32_t weight;   /* 0 … 1000, thousandths; 0: refused */
};

struct wishes {
	struct wish format[PAGE_FORMATS];
	struct wish coding[PAGE_CODINGS];
	bool has_coding; /* there was an Accept-Encoding */
};

/* A header field; there may be several of a name. NULL is an empty one. */
void wishes_accept(struct wishes *w, const char *value);
void wishes_accept_encoding(struct wishes *w, const char *value);

enum page_format wishes_format(const struct wishes *w);
/* PAGE_CODINGS: the client refuses all that we have. */
enum page_coding wishes_coding(const struct wishes *w);

#endif
