/*
 * Groups over time. The figures of a window do not change until the next one is complete, so every
 * scraper that looks at least once in a window sees the same.
 */
#include "exporter/exposition_windows.h"

#include <math.h>
#include <stdio.h>

enum { HELP_MAX = 256 };

static const struct figure {
	const char *name, *help;
	size_t offset;
} figures[] = {
	{"open", "first sum", offsetof(struct mh_candle, open)},
	{"high", "highest sum, or higher mark of a process,", offsetof(struct mh_candle, high)},
	{"low", "lowest sum", offsetof(struct mh_candle, low)},
	{"close", "last sum", offsetof(struct mh_candle, close)},
};

static uint64_t value_of(const struct mh_candle *candle, const struct figure *figure)
{
	return *(const uint64_t *)((const char *)candle + figure->offset);
}

/* Labels: of groups that are there, and of the first that is gone. */
struct sets {
	uint32_t first, gone;
};

static void write_candles(struct families *out, const struct view *v, int w,
			  const struct figure *figure, const struct sets *sets)
{
	uint32_t next = sets->gone;
	char name[METRIC_NAME_MAX + 1], help[HELP_MAX];

	snprintf(name, sizeof(name), "memhist_group_resident_memory_%s_%s_bytes",
		 view_windows[w].name, figure->name);
	snprintf(help, sizeof(help),
		 "Resident memory of the group in the last complete window of %s: the %s of its "
		 "samples.",
		 view_windows[w].name, figure->help);
	families_begin(out, name, METRIC_GAUGE, help);
	for (size_t i = 0; i < v->n_kept; i++) {
		uint32_t set = exposition_set_of(sets->first, v->kept[i].group, &next);

		if (v->kept[i].candle[w].samples)
			families_add(out, set, (double)value_of(&v->kept[i].candle[w], figure));
	}
}

static void write_window(struct families *out, const struct view *v, int w, const struct sets *sets)
{
	const struct mh_ledger_window *window = &v->totals.window[w];
	char name[METRIC_NAME_MAX + 1];

	if (!window->samples)
		return;
	snprintf(name, sizeof(name), "memhist_window_%s_start_timestamp_seconds",
		 view_windows[w].name);
	families_single(out, name, METRIC_GAUGE,
			"When the window began that is shown, in seconds since 1970.",
			(double)window->start_ms / 1e3);
	snprintf(name, sizeof(name), "memhist_window_%s_samples", view_windows[w].name);
	families_single(out, name, METRIC_GAUGE,
			"Samples in it: fewer than are due where there was a gap.",
			window->samples);
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		write_candles(out, v, w, &figures[i], sets);
}

void exposition_windows(struct families *out, const struct view *v, uint32_t first)
{
	const struct sets sets = {first, out->n_sets};
	uint32_t next = sets.gone;

	if (!mh_fields_have(v->fields, MH_FIELD_RSS))
		return;
	for (size_t i = 0; i < v->n_kept; i++)
		if (v->kept[i].group == VIEW_NO_GROUP)
			families_labels(out, &(struct label){"group", v->kept[i].name}, 1);
	families_single(out, "memhist_observed_seconds_total", METRIC_COUNTER,
			"Time that byte-seconds were counted in: all but gaps.", v->totals.seconds);
	families_begin(out, "memhist_group_resident_memory_byte_seconds_total", METRIC_COUNTER,
		       "Resident memory of the group over time; its rate is the true mean.");
	for (size_t i = 0; i < v->n_kept; i++)
		families_add(out, exposition_set_of(first, v->kept[i].group, &next),
			     floor(v->kept[i].byte_seconds));
	for (int w = 0; w < MH_LEDGER_WINDOWS; w++)
		write_window(out, v, w, &sets);
}
