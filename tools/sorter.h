/*
 * Samples sorted by series that come sorted by time, however many there are.
 *
 *     rc = sorter_open(&s, dir_fd, &err);
 *     while (samples)
 *             rc = sorter_add(s, &sample, &err);
 *     rc = sorter_turn(s, &err);                      // from writing to reading
 *     while ((rc = sorter_next(s, &sample, &err)) > 0)
 *             …
 *     sorter_close(s);
 *
 * The order is by family, series and time; samples that are equal in all three come in the order in
 * which they were added. Memory stays below 40 MiB, the C library's for sorting included: what does
 * not fit is sorted piece by piece into a temporary file, 24 bytes a sample, that has no name and
 * so is gone when we are.
 */
#ifndef MEMHIST_TOOLS_SORTER_H
#define MEMHIST_TOOLS_SORTER_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/timespec.h"

struct sort_sample {
	uint32_t family;
	uint32_t series;
	mh_ms_t wall_ms;
	uint64_t value;
};

struct sorter;

/*
 * `dir_fd`: the temporary file is made in this directory, which must outlive the sorter; -1: in
 * that of TMPDIR, else /var/tmp. It is made when it is needed. Returns 0 or -ENOMEM.
 */
int sorter_open(struct sorter **ret, int dir_fd, struct mh_err *err);
void sorter_close(struct sorter *s);

int sorter_add(struct sorter *s, const struct sort_sample *sample, struct mh_err *err);
int sorter_turn(struct sorter *s, struct mh_err *err);
/* 1 and *ret, 0 at the end, or -errno and a sentence. */
int sorter_next(struct sorter *s, struct sort_sample *ret, struct mh_err *err);

#endif
