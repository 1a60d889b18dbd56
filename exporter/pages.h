/*
 * The metrics page in the formats and compressions that somebody asked for. Figures are gathered
 * once per sample, and each page is written once per sample, when the first client asks for it; all
 * others get the same bytes.
 *
 *     struct page *page;
 *
 *     if (!pages_get(pages, PAGE_OPENMETRICS, PAGE_GZIP, &page)) {
 *             …send page->data, page->len…
 *             page_release(page);
 *     }
 *
 * A page lives until the last reference to it is gone, so a client that reads slowly gets the whole
 * of the one that it began. Clients that hold on to many old pages cannot make memory grow without
 * a limit: while more than that is held, everybody gets the pages that are there, until some are
 * given back. That is as long as clients may take for an answer (server.c).
 *
 * To be used by one thread.
 */
#ifndef MEMHIST_EXPORTER_PAGES_H
#define MEMHIST_EXPORTER_PAGES_H

#include "exporter/negotiate.h"
#include "exporter/view.h"

struct pages;

struct page {
	char *data;
	size_t len;

	/* private */
	struct pages *owner;
	uint64_t references;
};

struct pages_config {
	struct view *view; /* outlives the pages */
	uint32_t max_series;
	size_t held_bytes; /* old pages that clients may hold; 0 = 16 MiB */
};

/* Returns 0 or -ENOMEM. */
int pages_new(struct pages **ret, const struct pages_config *config);
/* After the last reference was given back. NULL is allowed. */
void pages_free(struct pages *p);

/* A reference to the page. Returns 0, -ENOMEM, or -EOVERFLOW: it would be too long. */
int pages_get(struct pages *p, enum page_format format, enum page_coding coding, struct page **ret);
void page_release(struct page *page);

/* How many were written. */
uint64_t pages_written(const struct pages *p);

#endif
