/* Parts on their way through the reader. */
#include "libmemhist/history/columns/part_reading.h"

static int on_head(void *arg, struct mh_part *p, struct mh_part_decoder *d)
{
	struct mh_part_reading *r = arg;
	const struct mh_reader_parts *parts = r->options->parts;
	const struct mh_part_wish wish = {
		.interval_ms = parts->interval_ms,
		.utc = parts->utc,
		.since_ms = r->options->since_ms,
		.until_ms = r->options->until_ms,
		.max_snapshots = parts->max_snapshots ? parts->max_snapshots - r->stats->snapshots
						      : 0,
		.n_known = mh_decoder_known(r->decoder),
	};
	int rc = mh_part_windows_fill(&r->windows, p, &wish);

	if (!rc && !r->windows.n)
		mh_part_decoder_want_nothing(d);
	if (rc || !r->windows.n)
		return rc;
	return parts->head(parts->arg, p, d, &r->windows);
}

static int on_chunk(void *arg, struct mh_part *p, struct mh_part_decoder *d)
{
	struct mh_part_reading *r = arg;
	const struct mh_reader_parts *parts = r->options->parts;

	return r->windows.n ? parts->chunk(parts->arg, p, d, &r->windows) : 0;
}

void mh_part_reading_begin(struct mh_part_reading *r, const struct mh_reader_options *options,
			   struct mh_decoder *decoder, const struct mh_reader_stats *stats)
{
	if (!options->parts)
		return;
	r->options = options;
	r->decoder = decoder;
	r->stats = stats;
	r->sink = (struct mh_part_sink){on_head, on_chunk, r, options->parts->choice};
	mh_decoder_set_sink(decoder, &r->sink);
}

void mh_part_reading_done(struct mh_part_reading *r)
{
	mh_part_windows_done(&r->windows);
}

bool mh_part_reading_needs(void *reading, uint8_t type)
{
	const struct mh_part_reading *r = reading;

	return mh_decoder_wants(r->decoder, type);
}

uint64_t mh_part_reading_passes_over(void *reading, uint32_t *ret_size)
{
	const struct mh_part_reading *r = reading;

	return mh_decoder_pass_over(r->decoder, ret_size);
}

static void count_samples(struct mh_part_reading *r, const struct mh_part *p)
{
	r->process_samples = 0;
	for (uint32_t i = 0; i < p->series.n; i++) {
		uint32_t from, to;

		if (r->windows.is_whole) {
			r->process_samples += p->series.item[i].count;
			continue;
		}
		mh_part_life(&r->windows, &p->series.item[i], &from, &to);
		r->process_samples += to - from;
	}
}

bool mh_part_reading_take(struct mh_part_reading *r, const mh_ms_t *last_ms)
{
	const struct mh_part *p = mh_decoder_part(r->decoder);
	const struct mh_part_windows *w = &r->windows;
	mh_ms_t first_ms = 0;

	if (!w->n) {
		mh_decoder_note_gap(r->decoder, &w->rest);
		return false;
	}
	for (uint32_t i = 0; i < p->snapshots.n; i++) {
		if (w->place[i] == w->place[i + 1])
			continue; /* not wanted */
		r->last_ms = p->snapshots.item[i].at.wall_ms;
		if (!w->place[i])
			first_ms = r->last_ms;
	}
	mh_decoder_note_gap(r->decoder, &w->gap);
	if (last_ms)
		mh_decoder_continues(r->decoder, *last_ms, first_ms);
	r->gap = mh_decoder_take_gap(r->decoder);
	mh_decoder_note_gap(r->decoder, &w->rest);
	count_samples(r, p);
	return true;
}
