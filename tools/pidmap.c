/*
 * Labels as they come are **records**, whose commands are shared by all that have the same. When
 * there are too many, they are sorted, and become a **run** of rows in a temporary file; at the end
 * all runs are merged. Records of one label are in order of arrival in both.
 */
#include "tools/pidmap.h"

#include "libmemhist/base/decimal.h"
#include "libmemhist/base/escape.h"
#include "tools/heap.h"
#include "tools/spill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	RECORDS_MAX = 1 << 19,
	TEXT_BYTES_MAX = 16 << 20, /* of commands that only records have */
	READ_BYTES = 8 << 20,      /* read ahead of all runs together, */
	READ_LEAST = 64 << 10,     /* of one: more than a row */
	WRITE_BYTES = 256 << 10,
	DIGIT_BITS = 12, /* of a pid, in two steps of sorting */
	N_SHOWN = 4096,  /* a power of two */
	SHOWN_BYTES = 1 << 20,
	COMMAND_MAX = 4 * 8192,
	LABEL_MAX = 2 * MH_DECIMAL_MAX + 3,
};

struct record {
	uint32_t pid;
	uint32_t nth : 31;
	uint32_t has_cmdline : 1;
	const struct mh_pooled *command;
};

/* A row in the temporary file: this, and its text as it is shown. */
struct row {
	uint32_t pid;
	uint32_t nth : 31;
	uint32_t has_cmdline : 1;
	uint32_t len;
};

struct run {
	uint64_t at, end; /* bytes of the file not read yet */
	char *ahead;
	size_t n, next; /* bytes of `ahead` */
};

/* A command as it is shown, in `shown_text`. */
struct shown_command {
	const struct mh_pooled *command; /* which is referenced by some record */
	uint32_t at, len;
};

struct pidmap {
	struct record *record, *room; /* room for as many */
	size_t n, cap;
	size_t text_bytes;
	struct shown_command *shown; /* by hash */
	struct mh_buf shown_text;
	struct mh_buf scratch;
	struct spill spill;
	struct run *run;
	size_t n_runs, runs_cap;
	size_t ahead_cap;
	size_t *heap; /* of runs that are not at their end */
	size_t n_heap;
};

static int no_memory(struct mh_err *err)
{
	return mh_err_sys(err, -ENOMEM, "cannot sort the PID map");
}

int pidmap_new(struct pidmap **ret, int dir_fd, struct mh_err *err)
{
	struct pidmap *m = calloc(1, sizeof(*m));

	if (!m)
		return no_memory(err);
	m->spill = (struct spill)SPILL_INIT("the PID map", dir_fd);
	m->shown_text = (struct mh_buf)MH_BUF_INIT(SHOWN_BYTES + COMMAND_MAX);
	m->scratch = (struct mh_buf)MH_BUF_INIT(WRITE_BYTES + 2 * COMMAND_MAX);
	m->shown = calloc(N_SHOWN, sizeof(*m->shown));
	if (!m->shown) {
		pidmap_free(m);
		return no_memory(err);
	}
	*ret = m;
	return 0;
}

void pidmap_free(struct pidmap *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_runs; i++)
		free(m->run[i].ahead);
	free(m->run);
	free(m->heap);
	free(m->record);
	free(m->room);
	free(m->shown);
	mh_buf_done(&m->shown_text);
	mh_buf_done(&m->scratch);
	spill_done(&m->spill);
	free(m);
}

/* --- rows ------------------------------------------------------------------------------------- */

void pidmap_write_header(struct mh_buf *out)
{
	mh_buf_adds(out, "PID\tCOMMAND\n");
}

/* The label, and a tab, into room for LABEL_MAX bytes; returns the end. */
static char *put_label(char *to, uint32_t pid, uint32_t nth)
{
	to = mh_decimal(to, pid);
	if (nth > 1) {
		*to++ = '(';
		to = mh_decimal(to, nth);
		*to++ = ')';
	}
	*to++ = '\t';
	return to;
}

/* A row whose command is as it is shown. */
static void add_row(struct mh_buf *out, uint32_t pid, uint32_t nth, const char *text, size_t len)
{
	char *from = mh_buf_reserve(out, LABEL_MAX + len + 1), *to = from;

	if (!from)
		return;
	to = put_label(to, pid, nth);
	if (len)
		memcpy(to, text, len);
	to += len;
	*to++ = '\n';
	out->len += (size_t)(to - from);
}

/* Arguments with blanks between them, behind what is in *out. */
static void write_command(struct mh_buf *out, const char *command, size_t len)
{
	char typed[COMMAND_MAX / 4];

	len = len < sizeof(typed) ? len : sizeof(typed);
	for (size_t i = 0; i < len; i++)
		typed[i] = command[i] ? command[i] : ' ';
	mh_escape_tsv(out, typed, len);
}

void pidmap_write_row(struct mh_buf *out, uint32_t pid, uint32_t nth, const char *command,
		      size_t command_len)
{
	char label[LABEL_MAX];

	mh_buf_add(out, label, (size_t)(put_label(label, pid, nth) - label));
	write_command(out, command, command_len);
	mh_buf_addc(out, '\n');
}

/* A command as it is shown, valid until the next call; NULL: no memory. */
static const char *shown(struct pidmap *m, const struct mh_pooled *command, size_t *ret_len)
{
	struct shown_command *s = &m->shown[command->hash & (N_SHOWN - 1)];

	if (m->shown_text.len > SHOWN_BYTES) {
		memset(m->shown, 0, N_SHOWN * sizeof(*m->shown));
		mh_buf_clear(&m->shown_text);
	}
	if (s->command != command) {
		*s = (struct shown_command){command, (uint32_t)m->shown_text.len, 0};
		write_command(&m->shown_text, command->bytes, command->len);
		s->len = (uint32_t)m->shown_text.len - s->at;
	}
	if (m->shown_text.error)
		return NULL;
	*ret_len = s->len;
	return m->shown_text.data + s->at;
}

/* --- records ---------------------------------------------------------------------------------- */

/* By pid, those of one pid as they were: twelve bits at a time. */
static void sort_by_pid(struct pidmap *m)
{
	static const int n_digits = 1 << DIGIT_BITS;

	for (int shift = 0; shift <= DIGIT_BITS; shift += DIGIT_BITS) {
		uint32_t place[1 << DIGIT_BITS] = {0};
		struct record *swap = m->record;
		uint32_t sum = 0;

		for (size_t i = 0; i < m->n; i++)
			place[m->record[i].pid >> shift & (uint32_t)(n_digits - 1)]++;
		for (int digit = 0; digit < n_digits; digit++) {
			uint32_t n = place[digit];

			place[digit] = sum;
			sum += n;
		}
		for (size_t i = 0; i < m->n; i++) {
			uint32_t digit = m->record[i].pid >> shift & (uint32_t)(n_digits - 1);

			m->room[place[digit]++] = m->record[i];
		}
		m->record = m->room;
		m->room = swap;
	}
}

/* Labels of one pid come in their order but for few, so each is only moved past those. */
static void sort(struct pidmap *m)
{
	sort_by_pid(m);
	for (size_t i = 1; i < m->n; i++) {
		struct record r = m->record[i];
		size_t to = i;

		for (; to && m->record[to - 1].pid == r.pid && m->record[to - 1].nth > r.nth; to--)
			m->record[to] = m->record[to - 1];
		m->record[to] = r;
	}
}

/* The record that stands for its label; *i moves on to the next label. Others give back what they
 * have. */
static struct record fold(struct pidmap *m, struct mh_labels *labels, size_t *i)
{
	struct record is = m->record[(*i)++];

	for (; *i < m->n && m->record[*i].pid == is.pid && m->record[*i].nth == is.nth; ++*i) {
		struct record later = m->record[*i];

		if (later.has_cmdline || !is.has_cmdline) {
			struct record swap = is;

			is = later;
			later = swap;
		}
		mh_labels_put(labels, later.command);
	}
	return is;
}

static int add_run(struct pidmap *m, uint64_t from, struct mh_err *err)
{
	size_t cap = m->runs_cap ? m->runs_cap * 2 : 16;
	struct run *run = m->run;

	if (m->n_runs == m->runs_cap) {
		run = reallocarray(m->run, cap, sizeof(*run));
		if (!run)
			return no_memory(err);
		m->run = run;
		m->runs_cap = cap;
	}
	run[m->n_runs++] = (struct run){.at = from, .end = m->spill.bytes};
	return 0;
}

static int write_scratch(struct pidmap *m, struct mh_err *err)
{
	int rc = m->scratch.error ? mh_err_sys(err, m->scratch.error, "cannot sort the PID map")
				  : spill_write(&m->spill, m->scratch.data, m->scratch.len, err);

	mh_buf_clear(&m->scratch);
	return rc;
}

/* Records become a run. */
static int write_records(struct pidmap *m, struct mh_labels *labels, struct mh_err *err)
{
	uint64_t from = m->spill.bytes;
	size_t n = 0;
	int rc = 0;

	sort(m);
	for (size_t i = 0; i < m->n && !rc;) {
		struct record r = fold(m, labels, &i);
		size_t len = 0;
		const char *text = shown(m, r.command, &len);
		struct row row = {r.pid, r.nth, r.has_cmdline, (uint32_t)len};

		m->record[n++] = r;
		if (!text)
			return no_memory(err);
		mh_buf_add(&m->scratch, &row, sizeof(row));
		mh_buf_add(&m->scratch, text, len);
		if (m->scratch.len >= WRITE_BYTES || m->scratch.error)
			rc = write_scratch(m, err);
	}
	if (!rc)
		rc = write_scratch(m, err);
	if (rc)
		return rc;
	/* commands are known by their addresses, which others may have after this */
	memset(m->shown, 0, N_SHOWN * sizeof(*m->shown));
	mh_buf_clear(&m->shown_text);
	for (size_t i = 0; i < n; i++)
		mh_labels_put(labels, m->record[i].command);
	m->n = m->text_bytes = 0;
	return add_run(m, from, err);
}

static int reserve(struct pidmap *m, struct mh_err *err)
{
	size_t cap = m->cap ? m->cap * 2 : 1024;
	struct record *record, *room;

	if (m->n < m->cap)
		return 0;
	record = reallocarray(m->record, cap, sizeof(*record));
	if (record)
		m->record = record;
	room = reallocarray(m->room, cap, sizeof(*room));
	if (room)
		m->room = room;
	if (!record || !room)
		return no_memory(err);
	m->cap = cap;
	return 0;
}

int pidmap_add(struct pidmap *m, struct mh_labels *labels, const struct mh_forgotten *label,
	       struct mh_err *err)
{
	int rc = 0;

	if (m->n == RECORDS_MAX || m->text_bytes > TEXT_BYTES_MAX)
		rc = write_records(m, labels, err);
	if (!rc)
		rc = reserve(m, err);
	if (rc)
		return rc;
	m->record[m->n++] = (struct record){label->pid, label->nth & (UINT32_MAX >> 1),
					    label->has_cmdline, label->command};
	/* a part of it for each who has it */
	m->text_bytes += label->command->len / label->command->references;
	return 0;
}

/* --- runs ------------------------------------------------------------------------------------- */

/* The next row of a run as a whole in memory: 1, 0 at its end, or -errno. */
static int refill(struct pidmap *m, struct run *run, struct mh_err *err)
{
	size_t have = run->n - run->next, more = m->ahead_cap - have;
	struct row row;
	int rc;

	if (have >= sizeof(row)) {
		memcpy(&row, run->ahead + run->next, sizeof(row));
		if (have - sizeof(row) >= row.len)
			return 1;
	}
	if (more > run->end - run->at)
		more = run->end - run->at;
	memmove(run->ahead, run->ahead + run->next, have);
	rc = spill_read(&m->spill, run->at, run->ahead + have, more, err);
	if (rc)
		return rc;
	run->at += more;
	run->n = have + more;
	run->next = 0;
	return run->n != 0;
}

static struct row first_of(const struct run *run)
{
	struct row row;

	memcpy(&row, run->ahead + run->next, sizeof(row));
	return row;
}

static bool is_before(const void *arg, size_t a, size_t b)
{
	const struct pidmap *m = arg;
	struct row x = first_of(&m->run[a]), y = first_of(&m->run[b]);

	if (x.pid != y.pid)
		return x.pid < y.pid;
	return x.nth != y.nth ? x.nth < y.nth : a < b;
}

static int begin_merge(struct pidmap *m, struct mh_err *err)
{
	size_t bytes = READ_BYTES / m->n_runs;

	m->ahead_cap = bytes < READ_LEAST ? READ_LEAST : bytes;
	m->heap = calloc(m->n_runs, sizeof(*m->heap));
	for (size_t i = 0; i < m->n_runs; i++) {
		int rc;

		m->run[i].ahead = malloc(m->ahead_cap);
		if (!m->heap || !m->run[i].ahead)
			return no_memory(err);
		rc = refill(m, &m->run[i], err);
		if (rc < 0)
			return rc;
		if (rc)
			m->heap[m->n_heap++] = i;
	}
	heap_make(m->heap, m->n_heap, is_before, m);
	return 0;
}

/* A row that waits in `scratch` for what else there is of its label. */
static void write_waiting(struct pidmap *m, const struct row *row, struct outfile *out)
{
	if (!row->nth)
		return;
	add_row(&out->buf, row->pid, row->nth, m->scratch.data, m->scratch.len);
}

static int merge(struct pidmap *m, struct outfile *out, struct mh_err *err)
{
	struct row is = {0};
	int rc = begin_merge(m, err);

	while (!rc && m->n_heap) {
		struct run *run = &m->run[m->heap[0]];
		struct row row = first_of(run);
		bool is_same = row.pid == is.pid && row.nth == is.nth;

		if (!is_same)
			write_waiting(m, &is, out);
		if (!is_same || row.has_cmdline || !is.has_cmdline) {
			mh_buf_clear(&m->scratch);
			mh_buf_add(&m->scratch, run->ahead + run->next + sizeof(row), row.len);
			is = row;
		}
		run->next += sizeof(row) + row.len;
		rc = refill(m, run, err);
		if (!rc)
			m->heap[0] = m->heap[--m->n_heap];
		if (rc >= 0) {
			heap_sift(m->heap, m->n_heap, 0, is_before, m);
			rc = outfile_pump(out, err);
		}
	}
	if (!rc)
		write_waiting(m, &is, out);
	return rc;
}

/* --- the map ---------------------------------------------------------------------------------- */

static int write_from_memory(struct pidmap *m, struct mh_labels *labels, struct outfile *out,
			     struct mh_err *err)
{
	int rc = 0;

	sort(m);
	for (size_t i = 0; i < m->n && !rc;) {
		struct record r = fold(m, labels, &i);
		size_t len;
		const char *text = shown(m, r.command, &len);

		if (!text)
			return no_memory(err);
		add_row(&out->buf, r.pid, r.nth, text, len);
		rc = outfile_pump(out, err);
	}
	return rc;
}

int pidmap_write(struct pidmap *m, struct mh_labels *labels, struct outfile *out,
		 struct mh_err *err)
{
	int rc = 0;

	pidmap_write_header(&out->buf);
	if (!m->n_runs)
		return write_from_memory(m, labels, out, err);
	if (m->n)
		rc = write_records(m, labels, err);
	free(m->record);
	free(m->room);
	m->record = m->room = NULL;
	m->n = m->cap = 0;
	return rc ? rc : merge(m, out, err);
}
