/*
 * Reading: who is meant is known by the end only (the last process that had a pid), so candles are
 * kept until then.
 */
#include "exporter/api/candles.h"
#include "exporter/api/render.h"
#include "libmemhist/history/columns/candle_reader.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEPT_MAX = 4096, /* candles: more than may be asked for, where the clock was set back */
	MEANT_MAX = 64,  /* lives in one part that may be meant */
};

struct reading {
	const struct candles_wish *wish;
	const _Atomic uint64_t *until_ns;
	/* who it is, as far as is known */
	bool is_known;
	struct mh_identity id;
	struct mh_boot_id boot_id;
	/* the numbers of the lives in the part that are told */
	uint32_t meant[MEANT_MAX];
	unsigned int n_meant;
	uint32_t page_bytes;
	struct mh_candle open; /* samples or a high: in the making */
	bool is_open;
	struct mh_candle *kept;
	size_t n, cap;
};

static bool is_later(const struct mh_identity *a, const struct mh_identity *b)
{
	return a->start_ticks != b->start_ticks ? a->start_ticks > b->start_ticks
						: a->twin > b->twin;
}

/* Somebody who is meant: from now on they are, and not who was before. */
static void consider(struct reading *r, const struct mh_boot_id *boot_id,
		     const struct mh_identity *id)
{
	const struct candles_wish *wish = r->wish;
	bool is_same_boot = r->is_known && !memcmp(&r->boot_id, boot_id, sizeof(*boot_id));

	if (id->pid != wish->id.pid || (wish->is_exact && !mh_identity_same(id, &wish->id)) ||
	    (is_same_boot && !is_later(id, &r->id)))
		return;
	r->is_known = true;
	r->id = *id;
	r->boot_id = *boot_id;
	r->n = 0;
	r->is_open = false;
}

static bool is_late(const struct reading *r)
{
	return mh_monotonic_ns() > atomic_load(r->until_ns);
}

static int on_part(void *arg, const struct mh_part *p, const struct mh_part_windows *w,
		   const struct mh_gap *gap)
{
	struct reading *r = arg;

	(void)w;
	(void)gap;
	if (is_late(r))
		return -ETIMEDOUT;
	r->page_bytes = p->head.info.page_bytes;
	r->n_meant = 0;
	for (uint32_t i = 0; i < p->series.n; i++)
		consider(r, &p->head.boot_id, &p->series.item[i].id);
	for (uint32_t i = 0; i < p->brief.n; i++)
		consider(r, &p->head.boot_id, &p->brief.item[i].id);
	if (!r->is_known || memcmp(&r->boot_id, &p->head.boot_id, sizeof(r->boot_id)) != 0)
		return 0;
	for (uint32_t i = 0; i < p->series.n && r->n_meant < MEANT_MAX; i++)
		if (mh_identity_same(&p->series.item[i].id, &r->id))
			r->meant[r->n_meant++] = i;
	for (uint32_t i = 0; i < p->brief.n && r->n_meant < MEANT_MAX; i++)
		if (mh_identity_same(&p->brief.item[i].id, &r->id))
			r->meant[r->n_meant++] = p->series.n + i;
	return 0;
}

static bool is_meant(const struct reading *r, uint32_t series)
{
	for (unsigned int i = 0; i < r->n_meant; i++)
		if (r->meant[i] == series)
			return true;
	return false;
}

/* The candle is whole. */
static int keep(struct reading *r)
{
	if (!r->is_open)
		return 0;
	r->is_open = false;
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 64;
		struct mh_candle *kept = cap <= KEPT_MAX ? reallocarray(r->kept, cap, sizeof(*kept))
							 : NULL;

		if (!kept)
			return cap <= KEPT_MAX ? -ENOMEM : -EOVERFLOW;
		r->kept = kept;
		r->cap = cap;
	}
	r->kept[r->n++] = r->open;
	return 0;
}

static int on_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct reading *r = arg;
	struct mh_candle c = *candle, *open = &r->open;
	int field = r->wish->field;

	if (!is_meant(r, series))
		return 0;
	c.open = mh_field_shown(field, c.open, r->page_bytes);
	c.high = mh_field_shown(field, c.high, r->page_bytes);
	c.low = mh_field_shown(field, c.low, r->page_bytes);
	c.close = mh_field_shown(field, c.close, r->page_bytes);
	if (!r->is_open) {
		*open = c;
		r->is_open = true;
		return 0;
	}
	open->high = c.high > open->high ? c.high : open->high;
	if (c.samples) { /* else only a mark */
		open->low = c.low < open->low ? c.low : open->low;
		open->close = c.close;
		open->samples += c.samples;
	}
	return 0;
}

static int on_window(void *arg, mh_ms_t start_ms, mh_ms_t end_ms)
{
	(void)start_ms;
	(void)end_ms;
	return keep(arg);
}

static void render(struct mh_buf *out, const struct reading *r, mh_ms_t since_ms)
{
	const struct render_subject subject = {.process = &r->id};

	render_candles_begin(out, &subject, r->wish->field, r->wish->interval, since_ms, "history");
	for (size_t i = 0; i < r->n; i++)
		render_candle(out, &r->kept[i]);
	render_candles_end(out);
}

enum candles_end candles_read(struct mh_buf *out, const char *dir, const struct candles_wish *wish,
			      const _Atomic uint64_t *until_ns, struct mh_err *err)
{
	struct reading r = {.wish = wish, .until_ns = until_ns};
	struct mh_candle_reader_config config = {.until_ms = MH_MS_MAX,
						 .field = wish->field,
						 .interval_ms = wish->interval_ms,
						 .utc = true,
						 .pid = wish->id.pid,
						 .part = on_part,
						 .candle = on_candle,
						 .window = on_window,
						 .arg = &r};
	struct mh_candle_reader *reader;
	mh_ms_t end_ms;
	int rc;

	if (is_late(&r))
		return CANDLES_LATE;
	/* the first candle is whole as well */
	mh_window(wish->since_ms, wish->interval_ms, true, &config.since_ms, &end_ms);
	rc = mh_candle_reader_new(&reader, dir, &config, err);
	if (!rc) {
		while ((rc = mh_candle_reader_next(reader, err)) > 0)
			if (is_late(&r)) {
				rc = -ETIMEDOUT;
				break;
			}
		mh_candle_reader_free(reader);
	}
	if (!rc)
		rc = keep(&r);
	/* who lived before that time is in its part, too */
	if (!rc && r.n)
		render(out, &r, config.since_ms);
	free(r.kept);
	if (rc == -ETIMEDOUT)
		return CANDLES_LATE;
	if (rc == -ENOMEM || rc == -EOVERFLOW)
		mh_err_sys(err, rc, "cannot make candles of the history %s", dir);
	if (!rc && out->error)
		rc = mh_err_sys(err, out->error, "cannot write candles");
	if (rc && rc != -ENODATA)
		return CANDLES_FAILED;
	return !rc && r.n ? CANDLES_READ : CANDLES_NOBODY;
}
