/* Which frames of a chunk are read, and which are passed over. */
#include "libmemhist/history/part_decoder.h"

#include <errno.h>

void mh_part_decoder_choose(struct mh_part_decoder *d, const struct mh_part_choice *choice)
{
	d->choice = *choice;
}

bool mh_part_chunk_is_whole(const struct mh_part_decoder *d)
{
	return !d->left_starts && !d->left_values && !d->left_candles;
}

/* The field of the next frame of this type by its place; unknown to both is `wanted`. */
static bool is_wanted(const struct mh_frame_order *order, uint32_t at, mh_fields_t wanted)
{
	if (!order->is_known)
		return true;
	return at < order->n && order->field[at] >= 0 && mh_fields_have(wanted, order->field[at]);
}

/* Whether the next chunk may have the pid that is wanted. */
static bool may_have_pid(const struct mh_part_decoder *d)
{
	uint32_t pid = d->choice.pid, chunk = d->chunk;

	return !pid || chunk >= d->n_chunks ||
	       (d->chunk_pid[chunk] <= pid &&
		(chunk + 1 == d->n_chunks || d->chunk_pid[chunk + 1] >= pid));
}

void mh_part_begin_chunk(struct mh_part_decoder *d, uint32_t base, bool passes_over)
{
	d->chunk++;
	d->base = base;
	d->passes_over = passes_over;
	d->n_starts = d->n_candles = d->n_values = 0;
	d->left_starts = passes_over ? 0 : d->starts;
	d->left_values = passes_over ? 0 : d->values;
	d->left_candles = !passes_over && d->wants_candles != MH_FIELD_NONE;
}

/* The head of a chunk was passed over. */
static int pass_over(struct mh_part_decoder *d, const struct mh_part *p)
{
	uint32_t left = d->n_series - p->series.n - d->n_passed_over;

	if (!mh_part_chunk_is_whole(d) || d->chunk >= d->n_chunks)
		return -EBADMSG;
	d->n_passed_over += left < MH_PART_CHUNK_SERIES ? left : MH_PART_CHUNK_SERIES;
	mh_part_begin_chunk(d, p->series.n, true);
	return 0;
}

bool mh_part_wants(const struct mh_part_decoder *d, uint8_t type)
{
	switch (type) {
	case MH_FRAME_SERIES:
		return may_have_pid(d);
	case MH_FRAME_STARTS:
		return !d->passes_over && is_wanted(&d->value_order, d->n_starts, d->starts);
	case MH_FRAME_VALUES:
		return !d->passes_over && is_wanted(&d->value_order, d->n_values, d->values);
	case MH_FRAME_CANDLES:
		return !d->passes_over && d->wants_candles != MH_FIELD_NONE &&
		       is_wanted(&d->candle_order, d->n_candles,
				 (mh_fields_t)1 << d->wants_candles);
	default:
		return true;
	}
}

int mh_part_decode_chunk(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	uint32_t *counter = frame->type == MH_FRAME_STARTS    ? &d->n_starts
			    : frame->type == MH_FRAME_VALUES  ? &d->n_values
			    : frame->type == MH_FRAME_CANDLES ? &d->n_candles
							      : NULL;
	bool is_read = frame->payload && mh_part_wants(d, frame->type);

	if (counter)
		++*counter;
	if (!is_read)
		return frame->type == MH_FRAME_SERIES ? pass_over(d, p) : 0;
	switch (frame->type) {
	case MH_FRAME_SERIES:
		return mh_part_take_series(d, frame, p);
	case MH_FRAME_STARTS:
		return mh_part_take_starts(d, frame, p);
	case MH_FRAME_VALUES:
		return mh_part_take_values(d, frame, p);
	case MH_FRAME_CANDLES:
		return mh_part_take_candles(d, frame, p);
	default:
		return 0; /* F5 */
	}
}

bool mh_part_is_whole(const struct mh_part_decoder *d, const struct mh_part *p)
{
	return d->chunk == d->n_chunks && p->series.n + d->n_passed_over == d->n_series &&
	       mh_part_chunk_is_whole(d);
}
