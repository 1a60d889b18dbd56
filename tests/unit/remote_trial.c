/* A feed, its history, and the model of what is to be sent. */
#include "tests/unit/remote_trial.h"

#include "libmemhist/base/escape.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void book_add(struct book *b, const char *line)
{
	if (b->n == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 256;
		b->line = realloc(b->line, b->cap * sizeof(*b->line));
		assert_non_null(b->line);
	}
	b->line[b->n++] = strdup(line);
}

void book_clear(struct book *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->line[i]);
	free(b->line);
	*b = (struct book){NULL, 0, 0};
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void book_sort(struct book *b)
{
	if (b->n)
		qsort(b->line, b->n, sizeof(*b->line), by_text);
}

void drop_repeats(struct book *b)
{
	size_t n = 0;

	book_sort(b);
	for (size_t i = 0; i < b->n; i++) {
		if (n && !strcmp(b->line[n - 1], b->line[i]))
			free(b->line[i]);
		else
			b->line[n++] = b->line[i];
	}
	b->n = n;
}

void books_are_equal(struct book *a, struct book *b)
{
	book_sort(a);
	book_sort(b);
	for (size_t i = 0; i < a->n && i < b->n; i++)
		assert_string_equal(a->line[i], b->line[i]);
	assert_int_equal(a->n, b->n);
}

bool has_line(const struct book *b, const char *line)
{
	return b->n && bsearch(&line, b->line, b->n, sizeof(*b->line), by_text);
}

void expect(struct trial *t, const char *key, mh_ms_t ms, double value)
{
	struct mh_buf line = MH_BUF_INIT(4096);
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	mh_buf_printf(&line, "%s %lld %016" PRIx64, key, (long long)ms, bits);
	book_add(&t->expected, mh_buf_str(&line));
	mh_buf_done(&line);
}

static void key_of(struct mh_buf *out, const struct trial *t, const struct mh_process *p, int field)
{
	struct mh_buf comm = MH_BUF_INIT(1024);

	mh_escape_utf8(&comm, p->comm, p->comm_len);
	mh_buf_clear(out);
	mh_buf_printf(out, "__name__=memhist_process_%s,", mh_fields[field].metric);
	if (comm.len)
		mh_buf_printf(out, "comm=%s,", mh_buf_str(&comm));
	mh_buf_printf(out, "job=memhist,pid=%u,start=%lld,", p->id.pid,
		      (long long)t->boot_ms + (long long)(p->id.start_ticks * 10 + p->id.twin));
	mh_buf_done(&comm);
}

/* What is to be sent of a snapshot: the two fields of each process, and how many there are. */
static void expect_snapshot(struct trial *t, const struct mh_snapshot *s, mh_ms_t ms)
{
	static const int fields[] = {MH_FIELD_RSS, MH_FIELD_VSZ};
	static const char count[] = "__name__=memhist_processes,job=memhist,";
	struct mh_buf key = MH_BUF_INIT(4096);
	struct book now = {NULL, 0, 0};

	if (!t->boot_ms)
		t->boot_ms = s->at.wall_ms - (mh_ms_t)(s->at.boot_ns / 1000000);
	mh_snapshot_for_each (s, slot)
		for (int i = 0; i < 2; i++) {
			const struct mh_process *p = &s->process[slot];

			key_of(&key, t, p, fields[i]);
			book_add(&now, mh_buf_str(&key));
			if (!t->is_silent)
				expect(t, mh_buf_str(&key), ms,
				       (double)mh_field_shown(fields[i], p->value[fields[i]],
							      4096));
		}
	if (!t->is_silent)
		expect(t, count, ms, s->n_live);
	book_sort(&now);
	for (size_t i = 0; i < t->live.n && !t->is_silent; i++)
		if (!has_line(&now, t->live.line[i]))
			expect(t, t->live.line[i], ms, remote_stale());
	if (!t->is_silent) {
		book_clear(&t->live);
		t->live = now;
	} else {
		book_clear(&now);
	}
	mh_buf_done(&key);
}

/* Write so many snapshots to the history; as if they were sent at their time. */
void trial_write(struct trial *t, int n)
{
	struct mh_err err;

	if (!t->writer)
		t->writer = open_writer(&t->rig.config);
	while (n--) {
		const struct mh_snapshot *s = world_step(&t->rig.world);

		if (mh_writer_append(t->writer, s, &err))
			fail_msg("%s", err.text);
		expect_snapshot(t, s, s->at.wall_ms);
	}
}

void stop_writing(struct trial *t)
{
	if (t->writer)
		assert_int_equal(mh_writer_close(t->writer), 0);
	t->writer = NULL;
}

struct mh_instant now_of(const struct trial *t)
{
	return t->rig.world.now;
}

void trial_open(struct trial *t)
{
	struct mh_err err;
	int rc = remote_feed_open(&t->feed, &t->config, now_of(t), &err);

	if (rc)
		fail_msg("%d %s", rc, err.text);
}

void trial_begin(struct trial *t, uint64_t seed, uint32_t max_samples)
{
	static const struct label job = {"job", "memhist"};

	*t = (struct trial){.batches = 0};
	rig_begin(&t->rig, seed, 4000, 30000);
	snprintf(t->cursor, sizeof(t->cursor), "%s/cursor", t->rig.dir);
	t->config = (struct remote_feed_config){
		.history_dir = t->rig.dir,
		.cursor_file = t->cursor,
		.max_samples = max_samples,
		.backfill_ms = 3600 * 1000,
		.series = {.top = REMOTE_TOP_ALL, .no_meminfo = true, .label = &job, .n_labels = 1},
	};
	trial_open(t);
}

void trial_end(struct trial *t)
{
	remote_feed_close(t->feed);
	stop_writing(t);
	book_clear(&t->live);
	book_clear(&t->expected);
	book_clear(&t->sent);
	rig_end(&t->rig);
}

void write_down(struct trial *t, const struct remote_batch *b)
{
	struct mh_buf key = MH_BUF_INIT(4096);

	for (uint32_t i = 0; i < b->n_series; i++) {
		const struct remote_series *series = b->series[i].series;
		mh_ms_t before = MH_MS_MIN;

		for (uint32_t k = b->series[i].first; k != REMOTE_END; k = b->sample[k].next) {
			uint64_t bits;

			assert_true(b->sample[k].ms > before);
			before = b->sample[k].ms;
			mh_buf_clear(&key);
			for (uint32_t l = 0; l < series->n_labels; l++)
				mh_buf_printf(&key, "%s=%s,", series->label[2 * l]->bytes,
					      series->label[2 * l + 1]->bytes);
			memcpy(&bits, &b->sample[k].value, sizeof(bits));
			mh_buf_printf(&key, " %lld %016" PRIx64, (long long)b->sample[k].ms, bits);
			book_add(&t->sent, mh_buf_str(&key));
		}
	}
	t->batches++;
	mh_buf_done(&key);
}

/* The endpoint takes one batch; whether there was one. */
bool send_one(struct trial *t)
{
	const struct remote_batch *b = remote_feed_batch(t->feed);
	struct mh_err err;
	int rc = remote_feed_next(t->feed, now_of(t), &err);

	if (rc < 0)
		fail_msg("%s", err.text);
	assert_true(b->n_samples <= b->max_samples);
	if (!b->n_samples)
		return false;
	write_down(t, b);
	if (remote_feed_accept(t->feed, now_of(t), &err))
		fail_msg("%s", err.text);
	return true;
}

void send_all(struct trial *t)
{
	while (send_one(t))
		;
}

struct remote_feed_status status_of(const struct trial *t)
{
	struct remote_feed_status s;

	remote_feed_status(t->feed, now_of(t), &s);
	return s;
}

uint64_t dropped(const struct trial *t)
{
	struct remote_feed_status s = status_of(t);
	uint64_t sum = 0;

	for (int i = 0; i < REMOTE_DROPPED_REASONS; i++)
		sum += s.dropped[i];
	return sum;
}
