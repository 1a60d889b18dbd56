/*
 * Candles of one pid in the order in which they came, and after how many of them each window was
 * complete.
 */
#include "tools/candles.h"

#include <errno.h>
#include <stdlib.h>

/* Of 15 minutes each, seven years; 16 MiB. */
enum { KEPT_MAX = 1 << 18 };

struct kept_candle {
	uint32_t series;
	struct mh_candle candle;
};

struct kept_window {
	mh_ms_t start_ms;
	size_t end; /* the candle behind its last one */
};

static int reserve(void **array, size_t *cap, size_t n, size_t size)
{
	size_t bigger = *cap ? *cap * 2 : 1024;
	void *items;

	if (n < *cap)
		return 0;
	items = reallocarray(*array, bigger, size);
	if (!items)
		return -ENOMEM;
	*array = items;
	*cap = bigger;
	return 0;
}

int kept_candle(void *arg, uint32_t series, const struct mh_candle *candle)
{
	struct kept_candles *k = arg;

	k->is_full = k->n == KEPT_MAX;
	if (k->is_full)
		return -EOVERFLOW;
	if (reserve((void **)&k->candle, &k->cap, k->n, sizeof(*k->candle)))
		return -ENOMEM;
	k->candle[k->n++] = (struct kept_candle){series, *candle};
	return 0;
}

int kept_window(void *arg, mh_ms_t start_ms)
{
	struct kept_candles *k = arg;

	k->is_full = k->n_windows == KEPT_MAX;
	if (k->is_full)
		return -EOVERFLOW;
	if (reserve((void **)&k->window, &k->windows_cap, k->n_windows, sizeof(*k->window)))
		return -ENOMEM;
	k->window[k->n_windows++] = (struct kept_window){start_ms, k->n};
	return 0;
}

int kept_tell(const struct kept_candles *k, struct wide_table *w)
{
	size_t i = 0;
	int rc = 0;

	for (size_t at = 0; at < k->n_windows && !rc; at++) {
		for (; i < k->window[at].end && !rc; i++)
			rc = wide_candle(w, k->candle[i].series, &k->candle[i].candle);
		if (!rc)
			rc = wide_window(w, k->window[at].start_ms);
	}
	return rc;
}

void kept_done(struct kept_candles *k)
{
	free(k->candle);
	free(k->window);
	*k = (struct kept_candles){0};
}
