/*
 * A history's directory for tests of retention: files that have the names and sizes of segments, an
 * hour each, and what goes of them, in words. The disk is that of disk.h, half empty.
 */
#ifndef MEMHIST_TESTS_UNIT_SHELF_H
#define MEMHIST_TESTS_UNIT_SHELF_H

#include "libmemhist/history/upkeep/retention.h"

#include <sys/types.h>

enum { SHELF_BYTES = 64 * 1024, SHELF_HOUR_MS = 3600 * 1000 };

/* Segment n begins n hours after this. */
#define SHELF_START_MS INT64_C(1790000000000)

struct shelf {
	const char *dir;
	int dir_fd;
	struct mh_limits limits;
	struct mh_retention_job job;
	struct mh_retention_result result;
	struct mh_err err;
	char gone[512]; /* as told: "size 1, size 2, age 3" */
};

/* Segments 1 … n, no limits, nobody writes. */
void shelf_fill(struct shelf *f, unsigned n);
void shelf_remove(struct shelf *f);
void shelf_name(char ret[MH_SEGMENT_NAME_MAX], uint64_t seq);
/* A file of this size, without blocks. */
void shelf_put(const struct shelf *f, const char *name, off_t bytes);
/* What everything takes now. */
uint64_t shelf_taken(const struct shelf *f);

/* Tells f->gone: what job.told is. */
int shelf_note(void *arg, const struct mh_segment_file *file, enum mh_deletion by);
/* Apply f->limits as f->job says. */
int shelf_apply(struct shelf *f);
/* Applied without an error, these went, in this order, and are gone. */
void shelf_goes(struct shelf *f, const char *gone);

#endif
