/* Tallies of exits. The peak is kept for two minutes, so that no scraper misses it. */
#include "libmemhist/model/tally.h"

#define NS_PER_MINUTE UINT64_C(60000000000)

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void mh_tally_begin(struct mh_tally *t, mh_boot_ns_t now_ns)
{
	uint64_t minute = now_ns / NS_PER_MINUTE;

	t->fresh = 0;
	if (t->minute == minute)
		return;
	t->earlier_peak = t->minute + 1 == minute ? t->peak_pages : 0;
	t->peak_pages = 0;
	t->minute = minute;
}

void mh_tally_add(struct mh_tally *t, uint64_t n, uint64_t peak_pages)
{
	t->fresh += n;
	t->peak_pages = higher(t->peak_pages, peak_pages);
}

void mh_tally_book(struct mh_tally *t)
{
	t->total += t->fresh;
}

void mh_tally_continue(struct mh_tally *t, const struct mh_tally *old)
{
	const bool same = old->minute == t->minute;

	t->total += old->total;
	t->peak_pages = higher(t->peak_pages, same ? old->peak_pages : 0);
	t->earlier_peak = higher(t->earlier_peak, same                           ? old->earlier_peak
						  : old->minute + 1 == t->minute ? old->peak_pages
										 : 0);
}

uint64_t mh_tally_peak(const struct mh_tally *t)
{
	return higher(t->peak_pages, t->earlier_peak);
}
