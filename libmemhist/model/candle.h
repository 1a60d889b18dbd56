/* A candle: what one field of one process did in one window of time. */
#ifndef MEMHIST_MODEL_CANDLE_H
#define MEMHIST_MODEL_CANDLE_H

#include "libmemhist/base/timespec.h"

struct mh_candle {
	mh_ms_t start_ms; /* window, [start, end) */
	mh_ms_t end_ms;
	uint64_t open, high, low, close; /* pages */
	uint32_t samples; /* 0: only a high-water mark is known, see rule C7 of view/candle.h */
};

#endif
