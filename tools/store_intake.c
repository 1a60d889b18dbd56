/* Sorted samples: stretches of one time, in these stretches of one pid. */
#include "tools/store_intake.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* More than any memory has; exact as a double. */
static const double BYTES_MAX = 1e15;

/* A process in one snapshot. */
struct seen {
	uint32_t pid;
	int64_t start_ms; /* of its label, -1 = it has none … */
	double start_s;   /* … and as a value; NaN */
	mh_fields_t have;
	uint64_t value[MH_FIELD_COUNT];
	const struct store_series *names;
};

struct store_fields store_fields_of(int field)
{
	struct store_fields f = {.needed = (mh_fields_t)1 << field};

	if (field == MH_FIELD_ANON)
		f.needed = MH_FIELDS_OF_RSS;
	else if (mh_fields[field].mark >= 0)
		f.marks = (mh_fields_t)1 << mh_fields[field].mark;
	return f;
}

/* The first series of a field counts: those with a start come first. */
static void take_sample(struct seen *p, const struct store_series *series, double value)
{
	const int field = series->field;

	if (field == STORE_START) {
		if (isnan(p->start_s))
			p->start_s = value;
		return;
	}
	if (mh_fields_have(p->have, field) || value < 0 || value > BYTES_MAX)
		return;
	if (mh_fields[field].unit == MH_UNIT_PAGES)
		value /= INTAKE_PAGE_BYTES;
	p->value[field] = (uint64_t)value;
	p->have |= (mh_fields_t)1 << field;
	if (p->start_ms < 0)
		p->start_ms = series->start_ms;
	if (!p->names)
		p->names = series;
}

/* The samples of one time and pid from `at` on; returns where they end. */
static uint32_t take_pid(const struct store_samples *s, uint32_t at, struct seen *ret)
{
	const mh_ms_t at_ms = s->sample[at].at_ms;
	const uint32_t pid = s->series[s->sample[at].series].pid;

	*ret = (struct seen){.pid = pid, .start_ms = -1, .start_s = NAN};
	for (; at < s->n && s->sample[at].at_ms == at_ms; at++) {
		const struct store_series *series = &s->series[s->sample[at].series];

		if (series->pid != pid)
			break;
		take_sample(ret, series, s->sample[at].value);
	}
	return at;
}

static uint64_t start_of(const struct intake *in, const struct seen *p)
{
	const struct mh_process *before = mh_table_find(in->table, p->pid);
	int64_t start_ms;

	if (p->start_ms >= 0)
		return (uint64_t)p->start_ms;
	if (!isnan(p->start_s) && p->start_s >= 0 && p->start_s < BYTES_MAX) {
		start_ms = llround(p->start_s * 1000);
		if (before &&
		    llabs((int64_t)before->id.start_ticks - start_ms) <= STORE_START_MOVES_MS)
			return before->id.start_ticks;
		return (uint64_t)start_ms;
	}
	if (before && in->gap.kind == MH_GAP_NONE)
		return before->id.start_ticks;
	return (uint64_t)in->at.wall_ms;
}

static int take_process(struct intake *in, struct seen *p, mh_fields_t marks, struct mh_err *err)
{
	const struct mh_names names = {.comm = p->names->comm, .comm_len = p->names->comm_len};
	const struct mh_identity id = {.pid = p->pid, .start_ticks = start_of(in, p)};
	const struct mh_process *before = mh_table_find(in->table, p->pid);

	/* a mark that others have, and this one has not: it did not move */
	for (int field = 0; field < MH_FIELD_COUNT; field++)
		if (mh_fields_have(marks & ~p->have, field) && before)
			p->value[field] = before->value[field];
	return intake_process(in, &id, &names, p->value, in->job->source, err);
}

/* Whether the process is shown; which marks this snapshot has. */
static bool is_whole(const struct seen *p, struct store_fields fields)
{
	return (p->have & fields.needed) == fields.needed;
}

/* The samples of one time from `at` on; *ret_marks: of all whole processes. Returns their end. */
static uint32_t survey(const struct store_samples *s, uint32_t at, struct store_fields fields,
		       uint32_t *ret_whole, mh_fields_t *ret_marks)
{
	const mh_ms_t at_ms = s->sample[at].at_ms;
	struct seen p;

	*ret_whole = 0;
	*ret_marks = 0;
	while (at < s->n && s->sample[at].at_ms == at_ms) {
		at = take_pid(s, at, &p);
		if (!is_whole(&p, fields))
			continue;
		*ret_whole += 1;
		*ret_marks |= p.have & fields.marks;
	}
	return at;
}

int store_intake(struct intake *in, const struct store_samples *s, struct store_fields fields,
		 struct mh_err *err)
{
	int rc = 0;

	for (uint32_t at = 0; at < s->n && !rc;) {
		const mh_ms_t at_ms = s->sample[at].at_ms;
		const struct mh_instant instant = {at_ms, (mh_boot_ns_t)at_ms * 1000000};
		uint32_t n_whole, end;
		mh_fields_t marks;
		struct seen p;

		end = survey(s, at, fields, &n_whole, &marks);
		if (!n_whole) {
			at = end;
			continue;
		}
		rc = intake_begin(in, &instant, NULL, err);
		in->fields = fields.needed | marks;
		/* how late a mark was read, nobody has stored */
		in->lagging = marks;
		while (at < end && !rc) {
			at = take_pid(s, at, &p);
			if (is_whole(&p, fields))
				rc = take_process(in, &p, marks, err);
		}
	}
	return rc;
}
