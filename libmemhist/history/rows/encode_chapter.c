/*
 * The chapter, written. Lists of slots come in the order of events; a bitmap sorts them.
 *
 * This runs in the thread that samples, so everything is gone through once: the columns of names
 * and identities are filled together, process by process, and so are those of values.
 */
#include "libmemhist/history/rows/encode_chapter.h"

#include "libmemhist/history/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of fields in proto/memhist.proto. */
enum {
	SNAPSHOT_STRING = 2,
	SNAPSHOT_GONE_GAP = 3,
	SNAPSHOT_BORN = 4,
	SNAPSHOT_RENAMED = 5,
	SNAPSHOT_COLUMN = 6,
	SNAPSHOT_ENDED = 12,
	SNAPSHOT_BRIEF = 13,

	COLUMN_FIELD = 1,
	COLUMN_SLOT_GAP = 2, /* and behind it the deltas */

	ENDS_PROCESS = 1,
	ENDS_COLUMN = 2,
};

/* Columns of Processes, in the order of their numbers there, which begin with 1. */
enum processes_column { SLOT_GAP, PID, START, TWIN, PPID, UID, COMM, CMDLINE, EXE, CGROUP, N };

struct mh_written {
	uint64_t value[MH_FIELD_COUNT];
};

/*
 * Snapshots are seconds apart, and little of what is looked at here is still in the caches then. So
 * what is needed for the process after some others is asked for before it is.
 */
enum { AHEAD = 8, CACHE_LINE = 64 };

static void fetch(const void *p, size_t size)
{
	for (size_t at = 0; at < size + CACHE_LINE - 1; at += CACHE_LINE)
		__builtin_prefetch((const char *)p + at);
}

void mh_chapter_out_done(struct mh_chapter_out *c)
{
	mh_names_out_done(&c->names);
	mh_buf_done(&c->nested);
	free(c->written);
	free(c->marked);
}

/* --- slots ------------------------------------------------------------------------------------ */

static int reserve_slots(struct mh_chapter_out *c, uint32_t n_slots)
{
	uint32_t cap = c->slots_cap ? c->slots_cap : 64;
	struct mh_written *written;
	uint64_t *marked;

	if (n_slots <= c->slots_cap)
		return 0;
	while (cap < n_slots)
		cap *= 2;
	written = reallocarray(c->written, cap, sizeof(*written));
	if (!written)
		return -ENOMEM;
	c->written = written;
	marked = calloc(cap / 64, sizeof(*marked));
	if (!marked)
		return -ENOMEM;
	free(c->marked);
	c->marked = marked;
	memset(written + c->slots_cap, 0, (cap - c->slots_cap) * sizeof(*written));
	c->slots_cap = cap;
	return 0;
}

static void mark(struct mh_chapter_out *c, uint32_t slot)
{
	c->marked[slot / 64] |= UINT64_C(1) << slot % 64;
}

static void mark_all(struct mh_chapter_out *c, const uint32_t *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		mark(c, slots[i]);
}

/* The marked slots, ascending, as an array of at most `max`; clears the marks. NULL: no memory. */
static uint32_t *take_marked(struct mh_chapter_out *c, size_t max, size_t *ret_n)
{
	uint32_t *slots = mh_arena_array(c->scratch, max + 1, sizeof(*slots));
	size_t n = 0;

	for (uint32_t word = 0; word < c->slots_cap / 64; word++) {
		uint64_t bits = c->marked[word];

		c->marked[word] = 0;
		for (; bits && slots && n < max; bits &= bits - 1)
			slots[n++] = word * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	*ret_n = n;
	return slots;
}

/* Ascending slots as gaps: section 4.2 of docs/FORMAT.md. */
static void add_gaps(struct mh_column *to, const uint32_t *slots, size_t n)
{
	uint32_t next = 0;

	for (size_t i = 0; i < n; i++) {
		mh_column_add(to, slots[i] - next);
		next = slots[i] + 1;
	}
}

/* --- names and identities --------------------------------------------------------------------- */

static bool init_columns(struct mh_chapter_out *c, struct mh_column column[N], size_t n)
{
	for (int i = 0; i < N; i++)
		if (!mh_column_init(&column[i], c->scratch, n,
				    i == START ? MH_COLUMN_64 : MH_COLUMN_32))
			return false;
	return true;
}

static void fill_identities(const struct mh_process *const *who, size_t n,
			    struct mh_column column[N])
{
	uint64_t last_start = 0;
	uint32_t last_pid = 0;
	bool any_twin = false;

	for (size_t i = 0; i < n; i++) {
		const struct mh_identity *id = &who[i]->id;

		mh_column_add_signed(&column[PID], (int32_t)(id->pid - last_pid));
		mh_column_add_signed(&column[START], (int64_t)(id->start_ticks - last_start));
		mh_column_add(&column[TWIN], id->twin);
		any_twin |= id->twin != 0;
		last_pid = id->pid;
		last_start = id->start_ticks;
	}
	if (!any_twin)
		mh_column_clear(&column[TWIN]); /* S2 */
}

static int fill_names(struct mh_chapter_out *c, const struct mh_process *const *who,
		      const uint32_t *slots, size_t n, struct mh_column column[N])
{
	const struct mh_name_columns names = {&column[COMM], &column[CMDLINE], &column[EXE],
					      &column[CGROUP]};

	for (size_t i = 0; i < n; i++) {
		if (n - i > AHEAD)
			fetch(who[i + AHEAD], sizeof(**who));
		mh_column_add(&column[PPID], who[i]->ppid);
		mh_column_add(&column[UID], who[i]->uid);
	}
	return mh_names_out_add(&c->names, who, slots, n, &names);
}

/* Processes alive, by slot; nothing when there are none. */
static int add_processes(struct mh_chapter_out *c, const struct mh_snapshot *s,
			 const uint32_t *slots, size_t n, bool with_identity, uint32_t field)
{
	const struct mh_process **who = mh_arena_array(c->scratch, n, sizeof(*who));
	struct mh_column column[N];

	if (!n)
		return 0;
	if (!who || !init_columns(c, column, n))
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		who[i] = &s->process[slots[i]];
	add_gaps(&column[SLOT_GAP], slots, n);
	if (with_identity)
		fill_identities(who, n, column);
	if (fill_names(c, who, slots, n, column))
		return -ENOMEM;
	mh_wire_begin(c->out, field, mh_wire_columns_size(1, column, N));
	mh_wire_columns(c->out, 1, column, N);
	return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

/* What a message Column is made of. */
struct value_column {
	int field;
	uint32_t next;            /* the slot or position behind the last one */
	struct mh_column part[2]; /* gaps and deltas */
};

static bool init_value_column(struct mh_chapter_out *c, struct value_column *column, int field,
			      size_t n)
{
	*column = (struct value_column){.field = field};
	return mh_column_init(&column->part[0], c->scratch, n, MH_COLUMN_32) &&
	       mh_column_init(&column->part[1], c->scratch, n, MH_COLUMN_64);
}

static void add_value(struct value_column *column, uint32_t at, uint64_t delta)
{
	mh_column_add(&column->part[0], at - column->next);
	mh_column_add_signed(&column->part[1], (int64_t)delta);
	column->next = at + 1;
}

/* As the field of another message; nothing when nothing differs. */
static void add_value_column(struct mh_buf *out, uint32_t as, const struct value_column *column)
{
	const uint32_t number = mh_fields[column->field].column;

	if (!column->next)
		return;
	mh_wire_begin(out, as,
		      mh_wire_uint_size(COLUMN_FIELD, number) +
			      mh_wire_columns_size(COLUMN_SLOT_GAP, column->part, 2));
	mh_wire_uint(out, COLUMN_FIELD, number);
	mh_wire_columns(out, COLUMN_SLOT_GAP, column->part, 2);
}

static int add_columns(struct mh_chapter_out *c, const struct mh_snapshot *s, const uint32_t *slots,
		       size_t n)
{
	struct value_column column[MH_FIELD_COUNT];
	int n_columns = 0;

	for (int field = 0; field < MH_FIELD_COUNT; field++)
		if (mh_fields_have(s->fields, field) && mh_fields[field].column &&
		    !init_value_column(c, &column[n_columns++], field, n))
			return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const uint64_t *value = s->process[slots[i]].value;
		uint64_t *was = c->written[slots[i]].value;

		if (n - i > AHEAD) {
			fetch(&s->process[slots[i + AHEAD]].value, sizeof(*value) * MH_FIELD_COUNT);
			fetch(&c->written[slots[i + AHEAD]], sizeof(*c->written));
		}
		for (int k = 0; k < n_columns; k++) {
			const int field = column[k].field;

			if (value[field] == was[field])
				continue;
			add_value(&column[k], slots[i], value[field] - was[field]);
			was[field] = value[field];
		}
	}
	for (int k = 0; k < n_columns; k++)
		add_value_column(c->out, SNAPSHOT_COLUMN, &column[k]);
	return 0;
}

/* --- ends ------------------------------------------------------------------------------------- */

/* One mark of those who ended, by position (S7). */
static int add_marks(struct mh_chapter_out *c, const struct mh_process *const *who, size_t n,
		     int field)
{
	struct value_column column;

	if (!init_value_column(c, &column, field, n))
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (who[i]->value[field])
			add_value(&column, i, who[i]->value[field]);
	add_value_column(&c->nested, ENDS_COLUMN, &column);
	return 0;
}

static int add_ends(struct mh_chapter_out *c, const struct mh_snapshot *s,
		    const struct mh_process *const *who, size_t n, bool with_names, uint32_t as)
{
	struct mh_column column[N];

	if (!n)
		return 0;
	if (!init_columns(c, column, n))
		return -ENOMEM;
	fill_identities(who, n, column);
	if (with_names && fill_names(c, who, NULL, n, column))
		return -ENOMEM;
	c->nested.max = c->out->max;
	mh_buf_clear(&c->nested);
	mh_wire_begin(&c->nested, ENDS_PROCESS, mh_wire_columns_size(1, column, N));
	mh_wire_columns(&c->nested, 1, column, N);
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		int mark = mh_fields[field].mark;

		if (mark != MH_FIELD_NONE && mh_fields_have(s->fields, mark) &&
		    add_marks(c, who, n, mark))
			return -ENOMEM;
	}
	mh_wire_bytes(c->out, as, c->nested.data, c->nested.len);
	return c->nested.error;
}

/* Whether a mark moved after it was last written. */
static bool moved(const struct mh_chapter_out *c, const struct mh_gone *gone)
{
	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		int mark = mh_fields[field].mark;

		if (mark != MH_FIELD_NONE &&
		    gone->process.value[mark] != c->written[gone->slot].value[mark])
			return true;
	}
	return false;
}

/* S7, S8. Before what is known of the slots of the gone is forgotten. */
static int add_all_ends(struct mh_chapter_out *c, const struct mh_snapshot *s)
{
	uint32_t max = s->n_gone > s->n_brief ? s->n_gone : s->n_brief;
	const struct mh_process **who = mh_arena_array(c->scratch, max, sizeof(*who));
	size_t n = 0;
	int rc;

	if (!max)
		return 0;
	if (!who)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_gone; i++)
		if (moved(c, &s->gone[i]))
			who[n++] = &s->gone[i].process;
	rc = add_ends(c, s, who, n, false, SNAPSHOT_ENDED);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < s->n_brief; i++)
		who[i] = &s->brief[i];
	return add_ends(c, s, who, s->n_brief, true, SNAPSHOT_BRIEF);
}

/* --- frames ----------------------------------------------------------------------------------- */

static int add_gone(struct mh_chapter_out *c, const struct mh_snapshot *s)
{
	struct mh_column gaps;
	uint32_t *slots;
	size_t n;

	for (uint32_t i = 0; i < s->n_gone; i++) {
		mark(c, s->gone[i].slot);
		c->written[s->gone[i].slot] = (struct mh_written){0};
	}
	slots = take_marked(c, s->n_gone, &n);
	if (!slots || !mh_column_init(&gaps, c->scratch, n, MH_COLUMN_32))
		return -ENOMEM;
	add_gaps(&gaps, slots, n);
	mh_wire_columns(c->out, SNAPSHOT_GONE_GAP, &gaps, 1);
	return 0;
}

static int add_key(struct mh_chapter_out *c, const struct mh_snapshot *s)
{
	uint32_t *slots;
	size_t n;
	int rc;

	if (c->slots_used)
		memset(c->written, 0, c->slots_used * sizeof(*c->written));
	c->slots_used = s->n_slots;
	mh_snapshot_for_each (s, slot)
		mark(c, slot);
	slots = take_marked(c, s->n_live, &n);
	rc = slots ? add_processes(c, s, slots, n, true, SNAPSHOT_BORN) : -ENOMEM;
	return rc ? rc : add_columns(c, s, slots, n);
}

static int add_delta(struct mh_chapter_out *c, const struct mh_snapshot *s)
{
	uint32_t *slots;
	size_t n;

	if (add_gone(c, s))
		return -ENOMEM;
	mark_all(c, s->renamed, s->n_renamed);
	slots = take_marked(c, s->n_renamed, &n);
	if (!slots || add_processes(c, s, slots, n, false, SNAPSHOT_RENAMED))
		return -ENOMEM;
	mark_all(c, s->born, s->n_born);
	slots = take_marked(c, s->n_born, &n);
	if (!slots || add_processes(c, s, slots, n, true, SNAPSHOT_BORN))
		return -ENOMEM;
	mark_all(c, s->born, s->n_born);
	mark_all(c, s->changed, s->n_changed);
	slots = take_marked(c, (size_t)s->n_born + s->n_changed, &n);
	return slots ? add_columns(c, s, slots, n) : -ENOMEM;
}

int mh_chapter_out_add(struct mh_chapter_out *c, struct mh_arena *scratch,
		       const struct mh_snapshot *s, bool key, struct mh_buf *out)
{
	uint32_t n_slots = s->n_slots;
	const struct mh_str *str;
	int rc;

	c->scratch = scratch;
	c->out = out;
	for (uint32_t i = 0; i < s->n_gone; i++)
		if (s->gone[i].slot >= n_slots)
			n_slots = s->gone[i].slot + 1;
	rc = reserve_slots(c, n_slots);
	if (!rc && n_slots > c->slots_used)
		c->slots_used = n_slots;
	if (!rc)
		rc = mh_names_out_begin(&c->names, key, n_slots);
	if (!rc)
		rc = add_all_ends(c, s);
	if (!rc)
		rc = key ? add_key(c, s) : add_delta(c, s);
	if (rc)
		return rc;
	while ((str = mh_names_out_new(&c->names)))
		mh_wire_bytes(out, SNAPSHOT_STRING, str->bytes, str->len);
	return out->error;
}
