/*
 * The life of a history, step by step, for tests that cut it short: a made-up machine (world.h) is
 * recorded into segments of a few snapshots, which are brought to the disk, sealed and merged on
 * the way. What happens is told as it happens, so that who cuts can compare what was promised with
 * what is left. Nothing here is cmocka's: a story is told in processes that are killed.
 */
#ifndef MEMHIST_TESTS_FAULTS_STORY_H
#define MEMHIST_TESTS_FAULTS_STORY_H

#include "libmemhist/history/reader.h"
#include "libmemhist/history/writer.h"
#include "tests/unit/world.h"

/* A snapshot: its time, which is never told twice, and a checksum of all that it says. */
struct told {
	mh_ms_t wall_ms;
	uint32_t digest;
};

enum story_event {
	STORY_TRY,     /* a snapshot goes to the writer */
	STORY_DONE,    /* and was acknowledged … */
	STORY_REFUSED, /* … or refused, for want of room below max_bytes */
	STORY_SYNC,    /* what was acknowledged goes to the disk */
	STORY_SYNCED,  /* and was acknowledged */
};

struct story_config {
	const char *dir;
	uint64_t seed;         /* of the machine */
	mh_ms_t wall_ms;       /* the first snapshot is some seconds later */
	uint32_t crowd;        /* pids of the machine: about half of them are alive */
	uint32_t rotate_every; /* snapshots of a segment */
	uint32_t sync_every;   /* snapshots; 0 = never */
	uint32_t seal_every;   /* snapshots after which finished segments are sealed; 0 = never */
	uint32_t merge_every;  /* snapshots after which sealed segments are merged; 0 = never */
	bool has_upkeep; /* a thread brings it to the disk, at least at the end of segments … */
	uint64_t max_bytes; /* … and lets the oldest go when there is more; 0 = none */
	void (*tell)(void *arg, enum story_event event, struct told snapshot);
	void *arg;
};

struct story;

/* All return 0 or -errno with a sentence. */
int story_begin(struct story **ret, const struct story_config *config, struct mh_err *err);
/* One snapshot, and what is due after it. */
int story_step(struct story *s, struct mh_err *err);
int story_end(struct story *s);

/* The open segments of a directory but the newest become sealed ones; sealed ones are merged where
 * `merge`; and what was left of that by those who were killed is removed. */
int story_tend(const char *dir, bool merge, struct mh_err *err);

/* A checksum of all that a snapshot says. `b` is working memory. */
struct told story_told(const struct mh_snapshot *s, struct mh_buf *b);

/* Read a history: each of its snapshots goes to `take`, which may say stop by other than 0. A
 * directory without a segment or without a snapshot is an empty history. */
int story_read(const char *dir, int (*take)(void *arg, struct told snapshot, int gap_kind),
	       void *arg, struct mh_reader_stats *ret, struct mh_err *err);

#endif
