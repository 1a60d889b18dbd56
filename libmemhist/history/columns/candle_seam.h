/*
 * What rule 6 of view/candle.h needs to know across the seam of two parts: of each process alive in
 * the last snapshot its high-water mark, and when it changed last.
 *
 * Snapshots are counted through the whole history here.
 */
#ifndef MEMHIST_HISTORY_COLUMNS_CANDLE_SEAM_H
#define MEMHIST_HISTORY_COLUMNS_CANDLE_SEAM_H

#include "libmemhist/history/columns/part_candles.h"

struct mh_seam_process {
	struct mh_identity id;
	uint32_t series; /* in the part before */
	uint32_t print;
	uint64_t mark;
	uint64_t close;
	uint64_t changed; /* snapshot */
};

/* Embedded by its owner; zero-initialise. */
struct mh_seam {
	struct mh_seam_process *process; /* in order of identity */
	uint32_t n, cap;
	struct mh_seam_process *next; /* room for those of the next seam */
	uint32_t next_cap;
	bool is_there; /* a part with this mark came before */
	struct mh_boot_id boot_id;
	uint64_t n_snapshots; /* before the next part */
	uint64_t last_gap;    /* the last snapshot with a gap before it */
	uint64_t window_from; /* the first snapshot of the window that is open */
};

void mh_seam_done(struct mh_seam *s);
/* Nothing is known of what was before. */
void mh_seam_cut(struct mh_seam *s);

/* How the part that is next is joined. */
struct mh_seam_join {
	bool goes_on;   /* marks can be compared */
	bool lags;      /* those of the field */
	bool continues; /* its first window is the one that is open */
};

/*
 * Before the next part: the process `id` ended with this mark. Returns it when that makes the high
 * of its last candle, else NULL.
 */
const struct mh_seam_process *mh_seam_end(const struct mh_seam *s, const struct mh_seam_join *join,
					  const struct mh_identity *id, uint64_t mark);

/*
 * Find out what the edges of a part left open, in its candles, and make the next seam. Returns 0 or
 * -ENOMEM.
 */
int mh_seam_join(struct mh_seam *s, const struct mh_seam_join *join, const struct mh_part *p,
		 const struct mh_part_windows *w, struct mh_part_candles *candles);

#endif
