/*
 * The pages. `current` are those of the figures in `families`, which are those of the view when
 * its serial was `serial`.
 *
 * Invariants:
 *   P1  All of `current` are of the same figures.
 *   P2  `live_bytes` is the sum of all pages that somebody has a reference to, `current` has one to
 *       each of its own.
 *   P3  Without `current`, at most held_bytes and one generation of pages are referenced.
 */
#include "exporter/pages.h"

#include "exporter/exposition.h"
#include "exporter/gzip.h"
#include "exporter/log.h"

#include <errno.h>

enum {
	HELD_BYTES = 16 << 20,
	PAGE_MAX_BYTES = 64 << 20,
	PIECE_MAX_BYTES = 1 << 20, /* what is written between two rounds of gzip */
};

struct pages {
	struct pages_config config;
	struct self self;
	struct families families;
	bool filled;
	uint64_t serial;
	struct page *current[PAGE_FORMATS][PAGE_CODINGS]; /* NULL: not written yet */
	size_t live_bytes;
	struct page_counts counts;
	size_t last_len[PAGE_FORMATS][PAGE_CODINGS];
	/* memory to be used again */
	struct spelled spelled;
	struct gzip *gzip;
	struct mh_buf piece;
	bool dropping; /* series, as the log was told */
};

int pages_new(struct pages **ret, const struct pages_config *config)
{
	struct pages *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->config = *config;
	if (!p->config.held_bytes)
		p->config.held_bytes = HELD_BYTES;
	p->piece = (struct mh_buf)MH_BUF_INIT(PIECE_MAX_BYTES);
	families_init(&p->families, config->max_series);
	*ret = p;
	return 0;
}

static void forget_pages(struct pages *p)
{
	for (int f = 0; f < PAGE_FORMATS; f++)
		for (int c = 0; c < PAGE_CODINGS; c++) {
			page_release(p->current[f][c]);
			p->current[f][c] = NULL;
		}
}

void pages_free(struct pages *p)
{
	if (!p)
		return;
	forget_pages(p);
	families_done(&p->families);
	spelled_done(&p->spelled);
	gzip_free(p->gzip);
	mh_buf_done(&p->piece);
	free(p);
}

void page_release(struct page *page)
{
	if (!page || --page->references)
		return;
	page->owner->live_bytes -= page->len;
	free(page->data);
	free(page);
}

/* Bytes of pages that clients hold, which forgetting the current ones would not set free. */
static size_t bytes_held(const struct pages *p)
{
	size_t held = p->live_bytes;

	for (int f = 0; f < PAGE_FORMATS; f++)
		for (int c = 0; c < PAGE_CODINGS; c++)
			if (p->current[f][c] && p->current[f][c]->references == 1)
				held -= p->current[f][c]->len;
	return held;
}

static void report_dropped(struct pages *p)
{
	if (p->families.n_dropped && !p->dropping)
		log_warn("more than %u series: the last are left out, see --web.max-series",
			 p->config.max_series);
	p->dropping = p->families.n_dropped;
}

/* Gather figures anew when the view has changed. */
static int renew_figures(struct pages *p)
{
	struct view *v = p->config.view;
	bool stale;

	view_lock(v);
	if (view_expire(v, mh_now().boot_ns))
		log_error("%s", v->reason.text);
	stale = !p->filled || (p->serial != v->serial && bytes_held(p) <= p->config.held_bytes);
	if (stale) {
		forget_pages(p);
		exposition_fill(&p->families, v, self_read(&p->self) ? NULL : &p->self, &p->counts);
		p->serial = v->serial;
		p->filled = !p->families.error;
	}
	view_unlock(v);
	if (stale)
		report_dropped(p);
	return p->families.error;
}

static int take_piece(void *arg, struct mh_buf *piece)
{
	return gzip_add(arg, piece->data, piece->len);
}

static int write_gzip(struct pages *p, const struct format *format, struct mh_buf *out)
{
	int rc = p->gzip ? 0 : gzip_new(&p->gzip);

	if (rc)
		return rc;
	gzip_begin(p->gzip, out);
	mh_buf_clear(&p->piece);
	rc = format_write(format, &p->families, &p->spelled, &p->piece, take_piece, p->gzip);
	return rc ? rc : gzip_end(p->gzip);
}

static int write_page(struct pages *p, enum page_format format, enum page_coding coding)
{
	struct mh_buf out = MH_BUF_INIT(PAGE_MAX_BYTES);
	struct page *page = calloc(1, sizeof(*page));
	size_t *last_len = &p->last_len[format][coding];
	int rc = page ? 0 : -ENOMEM;

	/* about as long as before: then it is allocated once, and without much to spare */
	if (!rc && *last_len)
		mh_buf_reserve(&out, *last_len + *last_len / 16);
	if (!rc)
		rc = coding == PAGE_GZIP ? write_gzip(p, format_of(format), &out)
					 : format_write(format_of(format), &p->families,
							&p->spelled, &out, NULL, NULL);
	if (rc) {
		mh_buf_done(&out);
		free(page);
		return rc;
	}
	*page = (struct page){.data = out.data, .len = out.len, .owner = p, .references = 1};
	*last_len = out.len;
	p->live_bytes += out.len;
	p->counts.written++;
	p->current[format][coding] = page;
	return 0;
}

int pages_get(struct pages *p, enum page_format format, enum page_coding coding, struct page **ret)
{
	int rc = renew_figures(p);

	if (!rc && !p->current[format][coding])
		rc = write_page(p, format, coding);
	if (rc)
		return rc;
	*ret = p->current[format][coding];
	(*ret)->references++;
	return 0;
}

uint64_t pages_written(const struct pages *p)
{
	return p->counts.written;
}
