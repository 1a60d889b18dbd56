/*
 * A feed of remote write, the history that it reads, and a model that believes only the snapshots
 * as they were written: what of them is to be sent. Failures fail the running cmocka test.
 */
#ifndef MEMHIST_TESTS_UNIT_REMOTE_TRIAL_H
#define MEMHIST_TESTS_UNIT_REMOTE_TRIAL_H

#include "exporter/remote/feed.h"
#include "tests/unit/merging.h"

/* Lines of text: what was sent, what was to be sent, who lives. */
struct book {
	char **line;
	size_t n, cap;
};

void book_clear(struct book *b);
void book_sort(struct book *b);
void drop_repeats(struct book *b);
void books_are_equal(struct book *a, struct book *b);
/* In a sorted one. */
bool has_line(const struct book *b, const char *line);

struct trial {
	struct rig rig;
	struct mh_writer *writer;
	struct remote_feed_config config;
	struct remote_feed *feed;
	char cursor[300];
	mh_ms_t boot_ms;
	struct book live;     /* keys of the last snapshot */
	struct book expected; /* "key ms bits" */
	struct book sent;
	uint64_t batches;
	bool is_silent; /* what is written is not expected */
};

/*
 * An empty history of small segments, and a feed that takes all of it: every process, nothing of
 * groups and meminfo; in batches of so many samples.
 */
void trial_begin(struct trial *t, uint64_t seed, uint32_t max_samples);
void trial_end(struct trial *t);
/* Open the feed (anew), with t->config. */
void trial_open(struct trial *t);

/* Write so many snapshots to the history; they are expected to be sent with their times. */
void trial_write(struct trial *t, int n);
/* The run of the writer ends; the next trial_write() is another. */
void stop_writing(struct trial *t);
struct mh_instant now_of(const struct trial *t);
void expect(struct trial *t, const char *key, mh_ms_t ms, double value);

/* The endpoint takes one batch; whether there was one. */
bool send_one(struct trial *t);
void send_all(struct trial *t);
/* A batch goes into t->sent. */
void write_down(struct trial *t, const struct remote_batch *b);

struct remote_feed_status status_of(const struct trial *t);
uint64_t dropped(const struct trial *t);

#endif
