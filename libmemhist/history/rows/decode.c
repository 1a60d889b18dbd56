/*
 * The decoder. What it remembers within a chapter mirrors the encoder: the chapter's strings and
 * slots, and the meminfo values.
 *
 * A frame that breaks a rule half-way leaves the round open and the chapter closed; the next
 * keyframe lists everybody and puts all right. F1, C2 … are the rules of docs/FORMAT.md.
 */
#include "libmemhist/history/rows/decode.h"

#include "libmemhist/history/rows/decode_chapter.h"
#include "libmemhist/history/columns/part_candles.h"
#include "libmemhist/history/columns/part_decode.h"
#include "libmemhist/history/columns/part_replay.h"
#include "libmemhist/history/segment.h"
#include "libmemhist/history/unknown.h"
#include "libmemhist/history/unpack.h"
#include "libmemhist/model/table.h"
#include "proto/memhist.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mh_decoder {
	struct mh_table *table;
	struct mh_segment_head head;

	bool in_chapter;   /* a keyframe was read, and every frame since */
	uint32_t next_seq; /* a delta must have this one */
	struct mh_chapter_in chapter;
	struct mh_meminfo meminfo;
	struct mh_unpacker unpacker;

	struct mh_part_decoder *parts;
	struct mh_part part;
	bool in_part;          /* its head was read, and every frame since */
	bool is_known;         /* all of it: its frames are passed over */
	bool is_torn;          /* bytes were lost since its last frame … */
	mh_ms_t torn_since_ms; /* … and the last snapshot that is known was then */
	const struct mh_part_sink *sink;
	uint32_t n_chunks; /* that the sink was given of this part */
	bool is_taken;     /* the sink has all of it */
	bool is_replayed;  /* the part is whole, and some of its snapshots are still to come */
	struct mh_replay replay;
	struct mh_last_marks *ended; /* of the part */
	uint32_t n_ended, ended_cap;

	bool is_resumed; /* what is not newer than this is known */
	struct mh_boot_id known_boot;
	mh_boot_ns_t known_ns;

	struct mh_instant at;  /* of the open round */
	struct mh_round round; /* facts of it */
	uint64_t gaps;
};

int mh_decoder_new(struct mh_decoder **ret)
{
	struct mh_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	if (mh_unpacker_init(&d->unpacker) || mh_part_decoder_new(&d->parts) ||
	    mh_table_new(&d->table, 0)) {
		mh_decoder_free(d);
		return -ENOMEM;
	}
	*ret = d;
	return 0;
}

void mh_decoder_free(struct mh_decoder *d)
{
	if (!d)
		return;
	mh_table_free(d->table);
	mh_part_decoder_free(d->parts);
	mh_part_done(&d->part);
	mh_replay_done(&d->replay);
	mh_chapter_in_done(&d->chapter);
	free(d->ended);
	mh_unpacker_done(&d->unpacker);
	free(d);
}

void mh_decoder_be_strict(struct mh_decoder *d)
{
	d->unpacker.is_strict = true;
	mh_part_decoder_be_strict(d->parts);
}

void mh_decoder_resume(struct mh_decoder *d, const struct mh_boot_id *boot_id, mh_boot_ns_t boot_ns)
{
	d->is_resumed = true;
	d->known_boot = *boot_id;
	d->known_ns = boot_ns;
}

static void note_gap(struct mh_decoder *d, enum mh_gap_kind kind, mh_ms_t since_wall_ms)
{
	/* the first is the oldest; damage says more than anything written */
	if (d->round.gap.kind == MH_GAP_NONE)
		d->round.gap.since_wall_ms = since_wall_ms;
	if (d->round.gap.kind == MH_GAP_NONE || kind == MH_GAP_DAMAGE)
		d->round.gap.kind = kind;
}

/* No more of the part comes, or is of use. */
static void leave_part(struct mh_decoder *d)
{
	if (d->in_part && d->is_torn)
		note_gap(d, MH_GAP_DAMAGE, d->torn_since_ms);
	d->in_part = d->is_torn = false;
}

void mh_decoder_new_segment(struct mh_decoder *d)
{
	leave_part(d);
	d->in_chapter = d->is_replayed = d->is_resumed = false;
}

void mh_decoder_lost(struct mh_decoder *d, mh_ms_t last_wall_ms)
{
	d->in_chapter = false;
	if (!d->in_part)
		note_gap(d, MH_GAP_DAMAGE, last_wall_ms);
	else if (!d->is_torn)
		d->torn_since_ms = last_wall_ms;
	d->is_torn = d->in_part; /* Z17: the next frame tells what is missing of it */
}

void mh_decoder_continues(struct mh_decoder *d, mh_ms_t last_wall_ms, mh_ms_t wall_ms)
{
	struct mh_gap *gap = &d->round.gap;
	mh_ms_t known_ms = gap->kind == MH_GAP_NONE ? wall_ms : gap->since_wall_ms;

	if (gap->kind != MH_GAP_DAMAGE && gap->kind != MH_GAP_CLOCK_STEP &&
	    known_ms > last_wall_ms &&
	    (uint64_t)known_ms - (uint64_t)last_wall_ms >
		    (uint64_t)d->head.info.interval_ms * 5 / 2)
		*gap = (struct mh_gap){MH_GAP_MISSING, last_wall_ms};
}

static int take_meminfo(struct mh_decoder *d, const Memhist__V1__Snapshot *m)
{
	uint32_t at = 0;

	if (m->n_meminfo_gap != m->n_meminfo_delta)
		return -EBADMSG;
	for (size_t i = 0; i < m->n_meminfo_gap; i++) {
		if (!mh_next_in_list(&at, i, m->meminfo_gap[i]) || at >= d->meminfo.n)
			return -EBADMSG;
		d->meminfo.line[at].value += (uint64_t)m->meminfo_delta[i]; /* M2, M4 */
	}
	return 0;
}

static int take_segment(struct mh_decoder *d, const Memhist__V1__Segment *m, struct mh_err *err)
{
	struct mh_segment_head head;
	int rc = mh_segment_take(m, 0, &head, err);

	if (!rc) {
		d->head = head;
		d->meminfo = head.meminfo;
		mh_table_set_boot(d->table, &head.boot_id);
		d->chapter.unwanted = 0;
		if (d->sink && d->sink->choice.for_candles)
			d->chapter.unwanted = ~mh_part_candle_fields(&head, d->sink->choice.field);
	}
	return rc;
}

static int apply(struct mh_decoder *d, const Memhist__V1__Snapshot *m, bool key, struct mh_err *err)
{
	int rc = 0;

	if (key) {
		if (!m->segment)
			return -EBADMSG; /* C2 */
		rc = take_segment(d, m->segment, err);
	}
	if (!rc)
		rc = mh_chapter_in_take(&d->chapter, d->table, m, key);
	return rc ? rc : take_meminfo(d, m);
}

static int take_snapshot(struct mh_decoder *d, const struct mh_frame *frame, struct mh_err *err)
{
	bool key = frame->flags & MH_FRAME_KEY;
	ProtobufCMessage *message;
	const Memhist__V1__Snapshot *m;
	int rc;

	if (!key && (!d->in_chapter || frame->seq != d->next_seq))
		return MH_DECODED_ORPHAN; /* C1, F7 */
	d->in_chapter = false;
	rc = mh_unpack(&d->unpacker, frame, &memhist__v1__snapshot__descriptor, &message);
	if (rc)
		return rc;
	m = (const Memhist__V1__Snapshot *)message;
	mh_table_begin(d->table, frame->at);
	/* of a snapshot that nobody wanted, or of a frame that broke a rule half-way */
	mh_table_drop_brief(d->table);
	rc = apply(d, m, key, err);
	if (rc)
		return rc;
	if (m->live_plus_1 != mh_table_live(d->table) + 1)
		return -EBADMSG; /* S5 */
	d->in_chapter = true;
	d->at = frame->at;
	d->next_seq = frame->seq + 1;
	d->round.collect_us = m->collect_us;
	d->round.partial = m->partial;
	d->round.fields = d->head.fields;
	d->round.lagging = d->head.lagging;
	d->round.meminfo = d->meminfo.n ? &d->meminfo : NULL;
	return MH_DECODED_SNAPSHOT;
}

static int take_gap(struct mh_decoder *d, const struct mh_frame *frame)
{
	ProtobufCMessage *message;
	const Memhist__V1__Gap *m;
	int rc = mh_unpack(&d->unpacker, frame, &memhist__v1__gap__descriptor, &message);

	if (rc)
		return rc;
	m = (const Memhist__V1__Gap *)message;
	note_gap(d, (enum mh_gap_kind)m->kind, m->since_wall_ms); /* M5 */
	d->gaps++;
	if (d->in_chapter && frame->seq == d->next_seq)
		d->next_seq++;
	return MH_DECODED_NOTHING;
}

/* The next snapshot of the part: MH_DECODED_SNAPSHOT, MH_DECODED_NOTHING at its end, or -errno. */
static int replay(struct mh_decoder *d)
{
	const struct mh_gap known = d->round.gap;
	int rc = mh_replay_next(&d->replay);

	d->is_replayed = rc > 0;
	if (rc <= 0)
		return rc;
	d->at = d->part.snapshots.item[d->replay.at - 1].at;
	d->round = d->replay.round;
	d->round.gap = known;
	if (d->replay.round.gap.kind != MH_GAP_NONE) {
		note_gap(d, d->replay.round.gap.kind, d->replay.round.gap.since_wall_ms);
		d->gaps++;
	}
	return MH_DECODED_SNAPSHOT;
}

/* How many snapshots of the part were read before, in another segment. */
static uint32_t count_known(const struct mh_decoder *d)
{
	const struct mh_part *p = &d->part;
	uint32_t n = 0;

	if (d->is_resumed && !memcmp(&d->known_boot, &p->head.boot_id, sizeof(d->known_boot)))
		while (n < p->snapshots.n && p->snapshots.item[n].at.boot_ns <= d->known_ns)
			n++;
	return n;
}

/* Give the sink what it wants, as soon as it is there. */
static int sink_chunk(struct mh_decoder *d)
{
	uint32_t n = mh_part_chunks_begun(d->parts);
	int rc = 0;

	if (d->n_chunks < n && mh_part_chunk_is_whole(d->parts)) {
		d->n_chunks = n;
		rc = d->sink->chunk(d->sink->arg, &d->part, d->parts);
	}
	if (rc || d->is_taken || !mh_part_is_whole(d->parts, &d->part))
		return rc;
	d->is_taken = true;
	d->at = d->part.snapshots.item[d->part.snapshots.n - 1].at;
	return MH_DECODED_PART;
}

static int begin_sinking(struct mh_decoder *d)
{
	int rc;

	d->n_chunks = 0;
	d->is_taken = false;
	rc = d->sink->head(d->sink->arg, &d->part, d->parts);
	return rc ? rc : sink_chunk(d);
}

static int begin_replay(struct mh_decoder *d)
{
	int rc = mh_replay_ended(&d->part, &d->ended, &d->ended_cap);

	d->chapter.n_last_marks = 0; /* of the rows before */
	d->n_ended = rc ? 0 : d->part.ended.n;
	if (!rc)
		rc = mh_replay_begin(&d->replay, &d->part, d->table);
	mh_replay_from(&d->replay, count_known(d));
	d->in_part = false;
	return rc ? rc : replay(d);
}

static int take_part(struct mh_decoder *d, const struct mh_frame *frame, struct mh_err *err)
{
	int rc = mh_part_decode_head(d->parts, frame, &d->part, err);

	d->in_chapter = false;
	d->in_part = !rc;
	d->is_replayed = false;
	d->next_seq = frame->seq + 1;
	if (!rc) {
		d->head = d->part.head;
		d->head.meminfo.n = 0;
		d->is_known = count_known(d) == d->part.snapshots.n;
	}
	if (rc)
		return rc;
	if (d->sink)
		return begin_sinking(d);
	return mh_part_is_whole(d->parts, &d->part) && !d->is_known ? begin_replay(d) : 0;
}

/* P3: candles are made anew by who writes anew, so that nobody else unpacks these. */
static int look_at_candles(struct mh_decoder *d, const struct mh_frame *frame)
{
	ProtobufCMessage *message;

	if (!d->unpacker.is_strict || frame->type != MH_FRAME_CANDLES)
		return 0;
	return mh_unpack(&d->unpacker, frame, &memhist__v1__candle_chunk__descriptor, &message);
}

static int take_chunk(struct mh_decoder *d, const struct mh_frame *frame)
{
	int rc;

	if (!d->in_part)
		return MH_DECODED_ORPHAN; /* F7 */
	/* who wants all of a part passes candles over as well (Z17) */
	if (frame->seq != d->next_seq &&
	    (!(d->sink || d->is_torn) || frame->seq < d->next_seq ||
	     mh_part_passed_over(d->parts, &d->part, frame->seq - d->next_seq, frame->type))) {
		leave_part(d);
		return MH_DECODED_ORPHAN;
	}
	d->is_torn = false;
	d->next_seq = frame->seq + 1;
	if (d->is_known && !d->sink)
		return MH_DECODED_NOTHING;
	rc = look_at_candles(d, frame);
	if (!rc)
		rc = mh_part_decode_chunk(d->parts, frame, &d->part);
	if (d->sink) {
		rc = rc ? rc : sink_chunk(d);
		d->in_part = rc >= 0;
		return rc;
	}
	if (!rc && !mh_part_is_whole(d->parts, &d->part))
		return MH_DECODED_NOTHING;
	d->in_part = false;
	return rc ? rc : begin_replay(d);
}

void mh_decoder_set_sink(struct mh_decoder *d, const struct mh_part_sink *sink)
{
	d->sink = sink;
	if (sink)
		mh_part_decoder_choose(d->parts, &sink->choice);
	d->chapter.without_names = sink && sink->choice.for_candles && sink->choice.without_names;
}

uint32_t mh_decoder_known(const struct mh_decoder *d)
{
	return count_known(d);
}

bool mh_decoder_wants(const struct mh_decoder *d, uint8_t type)
{
	return !d->in_part || !d->sink || mh_part_wants(d->parts, type);
}

uint64_t mh_decoder_pass_over(const struct mh_decoder *d, uint32_t *ret_size)
{
	*ret_size = 0;
	return d->in_part && d->sink ? mh_part_pass_over(d->parts, &d->part, ret_size) : 0;
}

const struct mh_part *mh_decoder_part(const struct mh_decoder *d)
{
	return &d->part;
}

void mh_decoder_note_gap(struct mh_decoder *d, const struct mh_gap *gap)
{
	if (gap->kind != MH_GAP_NONE)
		note_gap(d, gap->kind, gap->since_wall_ms);
}

struct mh_gap mh_decoder_take_gap(struct mh_decoder *d)
{
	struct mh_gap all = d->round.gap;

	d->round.gap = (struct mh_gap){0};
	return all;
}

int mh_decoder_more(struct mh_decoder *d)
{
	return d->is_replayed ? replay(d) : MH_DECODED_NOTHING;
}

struct mh_instant mh_decoder_at(const struct mh_decoder *d)
{
	return d->at;
}

const struct mh_last_marks *mh_decoder_last_marks(const struct mh_decoder *d, uint32_t *ret_n)
{
	bool is_of_part = d->is_replayed && d->replay.at == 1;

	*ret_n = is_of_part ? d->n_ended : d->chapter.n_last_marks;
	return is_of_part ? d->ended : d->chapter.last_marks;
}

const struct mh_boot_id *mh_decoder_boot(const struct mh_decoder *d)
{
	return &d->head.boot_id;
}

static int take_frame(struct mh_decoder *d, const struct mh_frame *frame, struct mh_err *err)
{
	if (frame->version > MH_FRAME_VERSION)
		return mh_errf(err, -EPROTO, /* F6 */
			       "written in format version %u, this memhist reads up to %d: use a "
			       "newer one",
			       frame->version, MH_FRAME_VERSION);
	if (d->is_torn && !mh_part_has_frame(frame->type))
		leave_part(d);
	switch (frame->type) {
	case MH_FRAME_SNAPSHOT:
		return take_snapshot(d, frame, err);
	case MH_FRAME_GAP:
		return take_gap(d, frame);
	case MH_FRAME_PART:
		return take_part(d, frame, err);
	case MH_FRAME_SERIES:
	case MH_FRAME_CANDLES:
	case MH_FRAME_VALUES:
	case MH_FRAME_STARTS:
	case MH_FRAME_NAMES:
	case MH_FRAME_MEMINFO:
	case MH_FRAME_TUPLES:
	case MH_FRAME_STRINGS:
		return take_chunk(d, frame);
	default: /* F5 */
		if (d->unpacker.is_strict && frame->type != MH_FRAME_END)
			return -EPROTO; /* P3 */
		if ((d->in_chapter || d->in_part) && frame->seq == d->next_seq)
			d->next_seq++;
		return MH_DECODED_NOTHING;
	}
}

int mh_decoder_frame(struct mh_decoder *d, const struct mh_frame *frame, struct mh_err *err)
{
	struct mh_err why = {""};
	int rc = take_frame(d, frame, &why);

	if (rc < 0)
		leave_part(d);
	if (rc == -EPROTO && !why.text[0])
		return mh_refuse_unknown(err);
	return rc == -EPROTO ? mh_errf(err, rc, "%s", why.text) : rc;
}

const struct mh_snapshot *mh_decoder_end(struct mh_decoder *d)
{
	const struct mh_snapshot *s = mh_table_end(d->table, &d->round);

	d->round.gap = (struct mh_gap){0};
	return s;
}

uint64_t mh_decoder_gaps(const struct mh_decoder *d)
{
	return d->gaps;
}

const struct mh_segment_info *mh_decoder_segment(const struct mh_decoder *d)
{
	return &d->head.info;
}
