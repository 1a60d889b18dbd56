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
	uint64_t mark;    /* the high-water mark when it was seen last */
	uint64_t changed; /* number of the snapshot that changed it last */
	uint32_t first;   /* number within the window of its first snapshot */
	bool is_open;
};

struct mh_candles {
	struct mh_candles_config config;
	enum mh_field_index mark; /* C6; or MH_FIELD_NONE */
	bool in_window;
	mh_ms_t start_ms, end_ms;
	uint32_t n_snapshots; /* in the window */
	uint64_t number;      /* of this snapshot, among all */
	/* C6: whether marks count in this snapshot; of which processes, by `changed` */
	bool counts_marks, marks_lag, had_mark, marks_are_new;
	uint64_t counts_since;
	struct building *building;
	uint32_t cap;     /* of building */
	uint32_t n_slots; /* all at or above are not open */
};

/* The mark of a field. One that is a mark is its own. */
static enum mh_field_index find_mark(int field)
{
	for (int f = 0; f < MH_FIELD_COUNT; f++)
		if ((int)mh_fields[f].mark == field)
			return mh_fields[f].mark;
	return mh_fields[field].mark;
}

int mh_candles_new(struct mh_candles **ret, const struct mh_candles_config *config)
{
	struct mh_candles *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->config = *config;
	c->mark = find_mark(config->field);
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
	bool counts = c->counts_marks && (!c->marks_lag || b->changed >= c->counts_since);

	if (counts && mark != b->mark && mark > b->high)
		b->high = mark;
	b->mark = mark;
}

static uint64_t mark_of(const struct mh_candles *c, const struct mh_process *p)
{
	return c->mark == MH_FIELD_NONE ? 0 : p->value[c->mark];
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
		.changed = b->changed,
		.first = c->n_snapshots,
		.is_open = true,
	};
	take_mark(c, b, mark_of(c, p));
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
	take_mark(c, b, mark_of(c, p));
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

/* What is being built of a process that is gone, or NULL. */
static struct building *of_gone(struct mh_candles *c, const struct mh_gone *gone)
{
	struct building *b = gone->slot < c->n_slots ? &c->building[gone->slot] : NULL;

	return b && b->is_open ? b : NULL;
}

/* Everything that was before this snapshot: the window, exits, names. */
static int finish_before(struct mh_candles *c, const struct mh_snapshot *s, bool *ret_new_window)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->n_gone; i++) {
		struct building *b = of_gone(c, &s->gone[i]);

		if (b)
			take_mark(c, b, mark_of(c, &s->gone[i].process));
	}
	*ret_new_window = !c->in_window || s->at.wall_ms < c->start_ms ||
			  s->at.wall_ms >= c->end_ms;
	if (c->in_window && *ret_new_window)
		rc = end_window(c);
	for (uint32_t i = 0; i < s->n_gone && !rc; i++) {
		struct building *b = of_gone(c, &s->gone[i]);

		if (b && c->in_window)
			rc = emit(c, s->gone[i].slot);
		if (b)
			b->is_open = false;
	}
	if (c->config.cut_on_rename && c->in_window)
		for (uint32_t i = 0; i < s->n_renamed && !rc; i++)
			rc = emit(c, s->renamed[i]);
	if (!rc && c->config.update)
		rc = c->config.update(c->config.arg, s);
	return rc;
}

/* Find out whose marks tell something of the time since the snapshot before (C6). */
static void judge_marks(struct mh_candles *c, const struct mh_snapshot *s)
{
	bool has_mark = c->mark != MH_FIELD_NONE && mh_fields_have(s->fields, c->mark);
	bool goes_on = c->number && c->had_mark && has_mark && !s->first &&
		       (s->gap.kind == MH_GAP_NONE || s->gap.kind == MH_GAP_CLOCK_STEP);

	c->number++;
	c->marks_are_new = has_mark && !c->had_mark;
	c->had_mark = has_mark;
	c->counts_marks = goes_on;
	c->marks_lag = c->mark != MH_FIELD_NONE && mh_fields_have(s->lagging, c->mark);
	if (!goes_on)
		c->counts_since = c->number;
}

/* All values of these processes are of this snapshot. */
static void note_changed(struct mh_candles *c, const uint32_t *slot, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		c->building[slot[i]].changed = c->number;
}

/* C7. The window is that of the snapshot. */
static int emit_brief(struct mh_candles *c, const struct mh_snapshot *s)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->n_brief && !rc; i++) {
		uint64_t mark = mark_of(c, &s->brief[i]);
		struct mh_candle candle = {
			.start_ms = c->start_ms,
			.end_ms = c->end_ms,
			.open = mark,
			.high = mark,
			.low = mark,
			.close = mark,
		};

		if (mark)
			rc = c->config.emit(c->config.arg, MH_BRIEF_SLOT(i), &candle);
	}
	return rc;
}

int mh_candles_add(struct mh_candles *c, const struct mh_snapshot *s)
{
	bool new_window;
	int rc = reserve(c, s->n_slots);

	judge_marks(c, s);
	if (!rc)
		rc = finish_before(c, s, &new_window);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < s->n_born; i++)
		c->building[s->born[i]].mark = 0;
	/* of the newborn the mark is of no time before */
	note_changed(c, s->born, s->n_born);
	if (new_window) {
		begin_window(c, s->at.wall_ms);
		if (c->counts_since < c->number - 1)
			c->counts_since = c->number - 1;
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
	note_changed(c, s->changed, s->n_changed);
	if (c->marks_are_new)
		mh_snapshot_for_each (s, slot)
			c->building[slot].changed = c->number;
	if (s->n_slots > c->n_slots)
		c->n_slots = s->n_slots;
	c->n_snapshots++;
	return emit_brief(c, s);
}

int mh_candles_finish(struct mh_candles *c)
{
	return c->in_window ? end_window(c) : 0;
}
