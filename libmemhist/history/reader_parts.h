/*
 * Reading a history part by part (reader.h): for who can do with columns what would take longer
 * with snapshots. A part comes in pieces, while it is read, and then as a whole.
 */
#ifndef MEMHIST_HISTORY_READER_PARTS_H
#define MEMHIST_HISTORY_READER_PARTS_H

#include "libmemhist/history/rows/decode.h"
#include "libmemhist/history/columns/part_windows.h"
#include "libmemhist/history/reader.h"

struct mh_reader_parts {
	/* How windows of time are cut; which snapshots are wanted is filled in from the reader's
	 * options. */
	mh_ms_t interval_ms;
	bool utc;
	uint64_t max_snapshots; /* 0: all */
	struct mh_part_choice choice;
	/* As those of struct mh_part_sink; parts without a wanted snapshot are left out. */
	int (*head)(void *arg, struct mh_part *p, struct mh_part_decoder *d,
		    const struct mh_part_windows *w);
	int (*chunk)(void *arg, struct mh_part *p, struct mh_part_decoder *d,
		     const struct mh_part_windows *w);
	void *arg;
};

struct mh_read_part {
	const struct mh_part *part;
	const struct mh_part_windows *windows;
	struct mh_gap gap; /* before its first wanted snapshot, also what the reader found */
};

#endif
