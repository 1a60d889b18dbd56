/*
 * Recording a made-up machine (world.h) into a history and keeping what was reported as written, to
 * be compared with what is read back. Failures fail the running cmocka test.
 */
#ifndef MEMHIST_TESTS_UNIT_RECORDING_H
#define MEMHIST_TESTS_UNIT_RECORDING_H

#include "libmemhist/history/reader.h"
#include "libmemhist/history/writer.h"
#include "tests/unit/world.h"

enum { STEPS_MAX = 1000 };

/* Texts of the snapshots that were reported as written, in order. */
struct written {
	char *text[STEPS_MAX];
	mh_ms_t wall_ms[STEPS_MAX];
	size_t n;
	uint64_t process_samples;
};

void note(struct written *log, const struct mh_snapshot *s);
void forget(struct written *log);

/* A configuration with short chapters: a keyframe every 7 snapshots. */
struct mh_writer_config config_for(const char *dir);
struct mh_writer *open_writer(const struct mh_writer_config *config);
void record(struct mh_writer *w, struct world *world, struct written *log, int steps);
struct mh_reader *open_reader(const char *dir, bool follow);

/* Read everything: it is what was written, also by what the snapshots' lists alone say. */
void read_whole(const char *dir, const struct written *log, struct mh_reader_stats *ret);
/* The same, and there is no damage. */
void read_all_back(const char *dir, const struct written *log);
/* Seal every `each`-th open segment. Returns how many there were. */
size_t seal_each(const char *dir, size_t each);

#endif
