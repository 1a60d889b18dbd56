/*
 * Sealing and merging beside a writer: another program, `memhist seal`, started now and then and
 * looked after. A daemon stays small that way, whatever a day of history takes; what goes wrong
 * there goes wrong there; and the history goes on as open segments without it.
 *
 *     mh_sealer_new(&s, &config, &err);
 *     mh_sealer_ask(s);                        // at the start, and when a segment was ended
 *     for (;;)
 *             wait until mh_sealer_tend(s, mh_monotonic_ns(), room_bytes)
 *
 * It gets no environment, no descriptor but three of its own, no signal mask, and no configuration,
 * which it may be unable to read by now: it is told where it may write. It is never waited for but
 * by its number, so that a program that waits for children of its own is not disturbed.
 *
 * For one thread. Nothing here waits, except mh_sealer_free().
 */
#ifndef MEMHIST_HISTORY_UPKEEP_SEALER_H
#define MEMHIST_HISTORY_UPKEEP_SEALER_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/places.h"

#include <stdbool.h>
#include <stdint.h>

/* Where the memhist of this version is installed; --bindir of configure. */
#define MH_SEALER_INSTALLED MEMHIST_BINDIR "/memhist"

enum {
	MH_SEALER_EVERY_MS = 60 * 1000,     /* at most one in this time … */
	MH_SEALER_WAIT_MS = 3600 * 1000,    /* … and after failures, which double it, in this */
	MH_SEALER_TIMEOUT_MS = 1800 * 1000, /* one that takes longer is ended */
	MH_SEALER_END_MS = 500,             /* so long it is waited for at the end */
};

struct mh_sealer_config {
	const char *program; /* an absolute path */
	const char *dir_path;
	const struct mh_places *places; /* where it may write; they are copied. NULL: not set */
	/* 0 = those above */
	uint32_t every_ms, wait_ms, timeout_ms;
};

struct mh_sealer;

/* Nothing is started yet. Returns 0, -EINVAL (no absolute path), -ENOMEM, with a sentence. */
int mh_sealer_new(struct mh_sealer **ret, const struct mh_sealer_config *config,
		  struct mh_err *err);
/* Ask the program to end, if it runs; and start none any more. */
void mh_sealer_stop(struct mh_sealer *s);
/* The same, wait for it for MH_SEALER_END_MS, and then kill it. NULL is allowed. */
void mh_sealer_free(struct mh_sealer *s);

/* There is something to seal, perhaps. */
void mh_sealer_ask(struct mh_sealer *s);

/*
 * Start it when it is due, see whether it has ended, end it when it takes too long. A temporary
 * file of it may have `room_bytes`. Returns when to call again, by mh_monotonic_ns(); UINT64_MAX:
 * not before mh_sealer_ask().
 */
uint64_t mh_sealer_tend(struct mh_sealer *s, uint64_t now_ns, uint64_t room_bytes);

struct mh_sealer_status {
	uint64_t runs;         /* that have ended */
	uint64_t failures;     /* of them, and of those that could not be started */
	uint64_t troubles;     /* raised when something is wrong that people should hear of … */
	struct mh_err trouble; /* … and what: it is not said again while nothing else is */
	bool is_running;
	/* in the history, when one had ended last, or before the first */
	uint64_t open_segments, sealed_segments;
};

void mh_sealer_status(const struct mh_sealer *s, struct mh_sealer_status *ret);

#endif
