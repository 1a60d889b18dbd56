/*
 * Which frames of a part are read, and which are passed over: one by one, or where the head says
 * how long they are, all at once up to the next that is wanted.
 */
#include "libmemhist/history/columns/part_decoder.h"

#include <errno.h>

void mh_part_decoder_choose(struct mh_part_decoder *d, const struct mh_part_choice *choice)
{
	d->choice = *choice;
}

void mh_part_decoder_want_nothing(struct mh_part_decoder *d)
{
	d->wants_nothing = true;
}

bool mh_part_chunk_is_whole(const struct mh_part_decoder *d)
{
	return !d->left_starts && !d->left_values && !d->left_candles && !d->left_names;
}

/* The field of the next frame of this type by its place; unknown to both is `wanted`. */
static bool is_wanted(const struct mh_frame_order *order, uint32_t at, mh_fields_t wanted)
{
	if (!order->is_known)
		return true;
	return at < order->n && order->field[at] >= 0 && mh_fields_have(wanted, order->field[at]);
}

/* Whether a chunk may have the pid that is wanted. */
static bool may_have_pid(const struct mh_part_decoder *d, uint32_t chunk)
{
	uint32_t pid = d->choice.pid;

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
	d->left_names = !passes_over && d->is_apart && !d->choice.without_names;
}

/* The head of a chunk was passed over. */
static int pass_over(struct mh_part_decoder *d, const struct mh_part *p)
{
	if (!mh_part_chunk_is_whole(d) || d->chunk >= d->n_chunks)
		return -EBADMSG;
	d->n_passed_over += d->chunk_series[d->chunk];
	mh_part_begin_chunk(d, p->series.n, true);
	return 0;
}

static bool wants_tuples(const struct mh_part_decoder *d)
{
	return d->left_tuples && !d->choice.without_names && (d->n_named || !d->choice.pid);
}

static bool wants_strings(const struct mh_part_decoder *d, uint32_t chunk)
{
	return !d->choice.without_names && chunk < d->n_string_chunks &&
	       mh_part_wants_strings(d, chunk);
}

bool mh_part_has_frame(uint8_t type)
{
	return type >= MH_FRAME_SERIES && type <= MH_FRAME_STRINGS && type != MH_FRAME_END;
}

/* Whether a frame has to be read: one of chunk `chunk`, the `at`-th of its type there. */
static bool wants(const struct mh_part_decoder *d, uint8_t type, uint32_t chunk, uint32_t at)
{
	bool is_here = chunk + 1 == d->chunk && !d->passes_over;

	if (d->wants_nothing && mh_part_has_frame(type))
		return false;
	switch (type) {
	case MH_FRAME_SERIES:
		return may_have_pid(d, chunk);
	case MH_FRAME_NAMES:
		return is_here && d->left_names;
	case MH_FRAME_STARTS:
		return is_here && is_wanted(&d->value_order, at, d->starts);
	case MH_FRAME_VALUES:
		return is_here && is_wanted(&d->value_order, at, d->values);
	case MH_FRAME_CANDLES:
		return is_here && d->wants_candles != MH_FIELD_NONE &&
		       is_wanted(&d->candle_order, at, (mh_fields_t)1 << d->wants_candles);
	case MH_FRAME_MEMINFO:
		return d->left_meminfo;
	case MH_FRAME_TUPLES:
		return wants_tuples(d);
	case MH_FRAME_STRINGS:
		return wants_strings(d, at);
	default:
		return true;
	}
}

/* Where the next frame of each type is counted; NULL: there is one of it. */
static uint32_t *counter(struct mh_part_decoder *d, uint8_t type)
{
	return type == MH_FRAME_STARTS    ? &d->n_starts
	       : type == MH_FRAME_VALUES  ? &d->n_values
	       : type == MH_FRAME_CANDLES ? &d->n_candles
	       : type == MH_FRAME_STRINGS ? &d->next_strings
					  : NULL;
}

bool mh_part_wants(const struct mh_part_decoder *d, uint8_t type)
{
	const uint32_t *at = counter((struct mh_part_decoder *)d, type);

	return wants(d, type, type == MH_FRAME_SERIES ? d->chunk : d->chunk - 1, at ? *at : 0);
}

int mh_part_decode_chunk(struct mh_part_decoder *d, const struct mh_frame *frame, struct mh_part *p)
{
	bool is_read = frame->payload && mh_part_wants(d, frame->type);
	uint32_t *at = counter(d, frame->type);

	d->at_frame++;
	if (at && (!is_read || frame->type != MH_FRAME_STRINGS))
		++*at;
	if (!is_read)
		return frame->type == MH_FRAME_SERIES ? pass_over(d, p) : 0;
	switch (frame->type) {
	case MH_FRAME_SERIES:
		return mh_part_take_series(d, frame, p);
	case MH_FRAME_NAMES:
		return mh_part_take_names(d, frame, p);
	case MH_FRAME_STARTS:
		return mh_part_take_starts(d, frame, p);
	case MH_FRAME_VALUES:
		return mh_part_take_values(d, frame, p);
	case MH_FRAME_CANDLES:
		return mh_part_take_candles(d, frame, p);
	case MH_FRAME_MEMINFO:
		return mh_part_take_meminfo(d, frame, p);
	case MH_FRAME_TUPLES:
		return mh_part_take_tuples(d, frame, p);
	case MH_FRAME_STRINGS:
		return mh_part_take_strings(d, frame, p);
	default:
		return 0; /* F5 */
	}
}

static bool names_are_whole(const struct mh_part_decoder *d)
{
	if (wants_tuples(d))
		return false;
	if (!d->is_apart || d->choice.without_names)
		return true;
	return d->choice.pid ? d->n_got == d->n_wanted : d->next_strings == d->n_string_chunks;
}

bool mh_part_is_whole(const struct mh_part_decoder *d, const struct mh_part *p)
{
	return d->wants_nothing ||
	       (d->chunk == d->n_chunks && p->series.n + d->n_passed_over == d->n_series &&
		mh_part_chunk_is_whole(d) && !d->left_meminfo && names_are_whole(d));
}

/* --- frames by number ------------------------------------------------------------------------- */

static uint32_t frames_of_chunk(const struct mh_part_decoder *d, const struct mh_part *p)
{
	bool has_starts = p->head.features & MH_FEATURE_STARTS;

	return 2 + d->n_columns * (has_starts ? 2 : 1) + d->n_candle_columns;
}

/* The type of a frame behind the head, its chunk, and the how manieth of its type it is there. */
static uint8_t kind(const struct mh_part_decoder *d, const struct mh_part *p, uint32_t number,
		    uint32_t *ret_chunk, uint32_t *ret_at)
{
	uint32_t n = frames_of_chunk(d, p), at = number % n;
	uint32_t candles = n - d->n_columns - d->n_candle_columns, values = n - d->n_columns;

	*ret_chunk = number / n;
	*ret_at = 0;
	if (*ret_chunk < d->n_chunks) {
		if (at < 2)
			return at ? MH_FRAME_NAMES : MH_FRAME_SERIES;
		*ret_at = at < candles ? at - 2 : at < values ? at - candles : at - values;
		return at < candles  ? MH_FRAME_STARTS
		       : at < values ? MH_FRAME_CANDLES
				     : MH_FRAME_VALUES;
	}
	at = d->n_frames - number;
	if (at <= d->n_string_chunks) {
		*ret_at = d->n_string_chunks - at;
		return MH_FRAME_STRINGS;
	}
	return at == d->n_string_chunks + 1 && d->n_tuples ? MH_FRAME_TUPLES : MH_FRAME_MEMINFO;
}

/* Z16: lengths count when there are as many as there are frames; else these are looked at. */
static int take_lengths(struct mh_part_decoder *d, const Memhist__V1__PartHead *m)
{
	struct mh_varints v = mh_bytes_of(m->frame_bytes);

	if (d->n_frames > m->frame_bytes.len || !d->value_order.is_known ||
	    !d->candle_order.is_known)
		return 0;
	if (mh_part_numbers(&d->frame_bytes, &d->frame_bytes_cap, d->n_frames))
		return -ENOMEM;
	for (uint32_t i = 0; i < d->n_frames; i++) {
		uint64_t bytes = mh_varint_next(&v);

		if (!bytes || bytes > MH_FRAME_PAYLOAD_MAX)
			return 0; /* F2 */
		d->frame_bytes[i] = (uint32_t)bytes;
	}
	if (mh_varints_done(&v))
		d->n_frame_bytes = d->n_frames;
	return 0;
}

int mh_part_begin_frames(struct mh_part_decoder *d, const Memhist__V1__PartHead *m,
			 const struct mh_part *p)
{
	uint64_t n_strings = 0, n_frames;

	if (m->n_chunk_strings >= UINT32_MAX ||
	    mh_part_numbers(&d->string_base, &d->string_bases_cap, m->n_chunk_strings + 1))
		return -ENOMEM;
	d->string_base[0] = 0;
	for (size_t i = 0; i < m->n_chunk_strings; i++) {
		n_strings += m->chunk_strings[i];
		if (!m->chunk_strings[i] || n_strings > UINT32_MAX)
			return -EBADMSG;
		d->string_base[i + 1] = (uint32_t)n_strings;
	}
	d->n_string_chunks = (uint32_t)m->n_chunk_strings;
	d->left_meminfo = m->segment->n_meminfo_key && !d->choice.without_meminfo;
	d->left_tuples = m->names;
	d->n_named = p->brief.n;
	d->n_columns = (uint32_t)m->segment->n_field;
	d->n_candle_columns = (uint32_t)m->n_candle_field;
	n_frames = (uint64_t)d->n_chunks * frames_of_chunk(d, p) +
		   (m->segment->n_meminfo_key != 0) + (m->names != 0) + d->n_string_chunks;
	if (n_frames > UINT32_MAX)
		return 0;
	d->n_frames = (uint32_t)n_frames;
	return take_lengths(d, m);
}

uint64_t mh_part_pass_over(const struct mh_part_decoder *d, const struct mh_part *p,
			   uint32_t *ret_size)
{
	uint32_t chunk, at, i = d->at_frame;
	uint64_t bytes = 0;

	*ret_size = 0;
	for (; i < d->n_frame_bytes; i++) {
		uint8_t type = kind(d, p, i, &chunk, &at);

		if (wants(d, type, chunk, at)) {
			*ret_size = MH_FRAME_HEAD + d->frame_bytes[i];
			break;
		}
		bytes += MH_FRAME_HEAD + d->frame_bytes[i];
	}
	return bytes;
}

int mh_part_passed_over(struct mh_part_decoder *d, struct mh_part *p, uint32_t n, uint8_t next)
{
	uint32_t chunk, at;

	if (d->at_frame + (uint64_t)n >= d->n_frame_bytes ||
	    kind(d, p, d->at_frame + n, &chunk, &at) != next)
		return -EBADMSG;
	while (n--) {
		struct mh_frame frame = {.type = kind(d, p, d->at_frame, &chunk, &at)};
		int rc = wants(d, frame.type, chunk, at) ? -EBADMSG
							 : mh_part_decode_chunk(d, &frame, p);

		if (rc)
			return rc;
	}
	return 0;
}
