/*
 * The candle builder. One candle per slot is under construction; the number of snapshots seen in
 * the window tells how many samples a process has, so that one which does not change costs nothing.
 *
 * Invariant: building[slot].is_open exactly for processes alive in the last snapshot.
 */
#include "libmemhist/view/candle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct building {
	uint64_t open, high, low, close;
	uint64_t mark;  /* the high-water mark when it was seen last */
	uint32_t first; /* number within the window of its first snapshot */
	bool is_open;
};

struct mh_candles {
	struct mh_candles_config config;
	bool in_window;
	mh_ms_t start_ms, end_ms;
	uint32_t n_snapshots; /* in the window */
	bool counts_marks;    /* of this snapshot, see C6 */
	struct building *building;
	uint32_t cap;     /* of building */
	uint32_t n_slots; /* all at or above are not open */
};

int mh_candles_new(struct mh_candles **ret, const struct mh_candles_config *config)
{
	struct mh_candles *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->config = *config;
	*ret = c;
	return 0;
}

void mh_candles_free(struct mh_candles *c)
{
	if (!c)
		return;
	free(c->building);
	free(c);
}

static int reserve(struct mh_candles *c, uint32_t n_slots)
{
	uint32_t cap = c->cap ? c->cap : 64;
	struct building *building;

	if (n_slots <= c->cap)
		return 0;
	while (cap < n_slots)
		cap *= 2;
	building = reallocarray(c->building, cap, sizeof(*building));
	if (!building)
		return -ENOMEM;
	memset(building + c->cap, 0, (cap - c->cap) * sizeof(*building));
	c->building = building;
	c->cap = cap;
	return 0;
}

/* Emit what has been built in a slot. A process without a sample in this window gives nothing. */
static int emit(struct mh_candles *c, uint32_t slot)
{
	const struct building *b = &c->building[slot];
	struct mh_candle candle = {
		.start_ms = c->start_ms,
		.end_ms = c->end_ms,
		.open = b->open,
		.high = b->high,
		.low = b->low,
		.close = b->close,
		.samples = c->n_snapshots - b->first,
	};

	return candle.samples ? c->config.emit(c->config.arg, slot, &candle) : 0;
}

/*
 * The mark belongs to the time since the snapshot before: it is the exact high of that time when it
 * is not what it was then (C6). It may have fallen: an exec begins a new life of the mark, within
 * that time too.
 */
static void take_mark(struct mh_candles *c, struct building *b, uint64_t mark)
{
	if (c->counts_marks && mark != b->mark && mark > b->high)
		b->high = mark;
	b->mark = mark;
}

/* The first sample of a process in a window, or of its life. */
static void begin(struct mh_candles *c, uint32_t slot, const struct mh_process *p)
{
	struct building *b = &c->building[slot];
	uint64_t value = p->value[c->config.field];

	*b = (struct building){
		.open = value,
		.high = value,
		.low = value,
		.close = value,
		.mark = b->mark,
		.first = c->n_snapshots,
		.is_open = true,
	};
	take_mark(c, b, p->value[MH_FIELD_HWM]);
}

static void update(struct mh_candles *c, uint32_t slot, const struct mh_process *p)
{
	struct building *b = &c->building[slot];
	uint64_t value = p->value[c->config.field];

	b->close = value;
	if (value > b->high)
		b->high = value;
	if (value < b->low)
		b->low = value;
	take_mark(c, b, p->value[MH_FIELD_HWM]);
}

/* Emit everybody; those alive go on in the next window. */
static int end_window(struct mh_candles *c)
{
	int rc = 0;

	for (uint32_t slot = 0; slot < c->n_slots && !rc; slot++)
		if (c->building[slot].is_open)
			rc = emit(c, slot);
	if (!rc && c->config.window)
		rc = c->config.window(c->config.arg, c->start_ms, c->end_ms);
	c->in_window = false;
	return rc;
}

static void begin_window(struct mh_candles *c, mh_ms_t wall_ms)
{
	mh_window(wall_ms, c->config.interval_ms, c->config.utc, &c->start_ms, &c->end_ms);
	c->n_snapshots = 0;
	c->in_window = true;
}

/* Everything that was before this snapshot: the window, exits, names. */
static int finish_before(struct mh_candles *c, const struct mh_snapshot *s, bool *ret_new_window)
{
	int rc = 0;

	*ret_new_window = !c->in_window || s->at.wall_ms < c->start_ms ||
			  s->at.wall_ms >= c->end_ms;
	if (c->in_window && *ret_new_window)
		rc = end_window(c);
	for (uint32_t i = 0; i < s->n_gone && !rc; i++) {
		uint32_t slot = s->gone[i].slot;

		if (slot >= c->n_slots || !c->building[slot].is_open)
			continue;
		if (c->in_window)
			rc = emit(c, slot);
		c->building[slot].is_open = false;
	}
	if (c->config.cut_on_rename && c->in_window)
		for (uint32_t i = 0; i < s->n_renamed && !rc; i++)
			rc = emit(c, s->renamed[i]);
	if (!rc && c->config.update)
		rc = c->config.update(c->config.arg, s);
	return rc;
}

/* Whether marks tell something of the time since the snapshot before, and that time is short. */
static bool counts_marks(const struct mh_candles *c, const struct mh_snapshot *s)
{
	return c->config.field == MH_FIELD_RSS && mh_fields_have(s->fields, MH_FIELD_HWM) &&
	       !s->first && (s->gap.kind == MH_GAP_NONE || s->gap.kind == MH_GAP_CLOCK_STEP);
}

int mh_candles_add(struct mh_candles *c, const struct mh_snapshot *s)
{
	bool new_window;
	int rc = reserve(c, s->n_slots);

	if (!rc)
		rc = finish_before(c, s, &new_window);
	if (rc)
		return rc;
	c->counts_marks = counts_marks(c, s);
	for (uint32_t i = 0; i < s->n_born; i++)
		c->building[s->born[i]].mark = 0;
	if (new_window) {
		begin_window(c, s->at.wall_ms);
		mh_snapshot_for_each (s, slot)
			begin(c, slot, &s->process[slot]);
	} else {
		for (uint32_t i = 0; i < s->n_born; i++)
			begin(c, s->born[i], &s->process[s->born[i]]);
		for (uint32_t i = 0; c->config.cut_on_rename && i < s->n_renamed; i++)
			begin(c, s->renamed[i], &s->process[s->renamed[i]]);
		for (uint32_t i = 0; i < s->n_changed; i++)
			update(c, s->changed[i], &s->process[s->changed[i]]);
	}
	if (s->n_slots > c->n_slots)
		c->n_slots = s->n_slots;
	c->n_snapshots++;
	return 0;
}

int mh_candles_finish(struct mh_candles *c)
{
	return c->in_window ? end_window(c) : 0;
}
