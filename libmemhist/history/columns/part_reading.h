/*
 * What the reader (reader.c) does where it is asked for parts: between its decoder and who wants
 * them, it finds out which snapshots are wanted.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_PART_READING_H
#define MEMHIST_HISTORY_COLUMNS_PART_READING_H

#include "libmemhist/history/reader_parts.h"

/* Embedded by the reader; zero-initialise. */
struct mh_part_reading {
	const struct mh_reader_options *options;
	const struct mh_reader_stats *stats;
	struct mh_decoder *decoder;
	struct mh_part_sink sink;
	struct mh_part_windows windows; /* of the part that is read */
	/* of the part taken last */
	struct mh_gap gap;
	mh_ms_t last_ms; /* of its last wanted snapshot */
	uint64_t process_samples;
};

/* Does nothing when the options ask for snapshots. All arguments are kept. */
void mh_part_reading_begin(struct mh_part_reading *r, const struct mh_reader_options *options,
			   struct mh_decoder *decoder, const struct mh_reader_stats *stats);
void mh_part_reading_done(struct mh_part_reading *r);

/* For mh_walk_pass_over(). */
bool mh_part_reading_needs(void *reading, uint8_t type);
uint64_t mh_part_reading_passes_over(void *reading, uint32_t *ret_size);

/*
 * The decoder has a part. `last_ms`: it is the first one of its segment, and the last snapshot
 * before was of this time; else NULL. Returns whether anything of it is wanted.
 */
bool mh_part_reading_take(struct mh_part_reading *r, const mh_ms_t *last_ms);

#endif
