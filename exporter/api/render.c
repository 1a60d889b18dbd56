/* Nothing here knows of requests, and no foreign byte gets out but by mh_escape_json(). */
#include "exporter/api/render.h"

#include "libmemhist/base/escape.h"

#include <string.h>

static void add_ms(struct mh_buf *out, const char *member, mh_ms_t ms)
{
	mh_buf_printf(out, "\"%s\":%lld", member, (long long)ms);
}

void render_string(struct mh_buf *out, const char *bytes, size_t len)
{
	mh_buf_addc(out, '"');
	mh_escape_json(out, bytes, len);
	mh_buf_addc(out, '"');
}

void render_error(struct mh_buf *out, const char *type, const char *sentence)
{
	mh_buf_printf(out, "{\"status\":\"error\",\"errorType\":\"%s\",\"error\":", type);
	render_string(out, sentence, strlen(sentence));
	mh_buf_adds(out, "}\n");
}

/* Bytes, where the kernel says them. */
static void add_meminfo(struct mh_buf *out, const struct view *v, const char *member,
			const char *key)
{
	const struct mh_meminfo_line *line = v->up && v->has_meminfo
						     ? mh_meminfo_find(&v->meminfo, key)
						     : NULL;

	if (line)
		mh_buf_printf(out, ",\"%s\":%llu", member,
			      (unsigned long long)mh_meminfo_bytes(&v->meminfo, key));
	else
		mh_buf_printf(out, ",\"%s\":null", member);
}

void render_status(struct mh_buf *out, const struct view *v, bool has_history)
{
	mh_buf_adds(out, "{\"status\":\"success\",\"data\":{\"version\":\"" PACKAGE_VERSION
			 "\",\"up\":");
	if (v->up) {
		mh_buf_adds(out, "true,\"reason\":null,");
		add_ms(out, "at_ms", v->at.wall_ms);
	} else {
		mh_buf_adds(out, "false,\"reason\":");
		render_string(out, v->reason.text, strlen(v->reason.text));
		mh_buf_adds(out, ",\"at_ms\":null");
	}
	mh_buf_printf(out, ",\"source\":\"%s\",\"interval_ms\":%u",
		      v->source.following ? "history" : "machine", v->source.interval_ms);
	if (v->up)
		mh_buf_printf(out, ",\"processes\":%u,\"groups\":%zu", v->n_live, v->n_groups);
	else
		mh_buf_adds(out, ",\"processes\":null,\"groups\":null");
	add_meminfo(out, v, "memory_total_bytes", "MemTotal");
	add_meminfo(out, v, "memory_available_bytes", "MemAvailable");
	mh_buf_printf(out, ",\"history\":%s,\"step_ms\":%u}}\n", has_history ? "true" : "false",
		      TRACK_STEP_MS);
}

/* What a track was at the points from `i` on; null where it was not there. */
static void add_values(struct mh_buf *out, const struct recent *r, const struct track *track,
		       uint32_t i)
{
	for (bool first = true; i < r->tracks.n; i++, first = false) {
		uint32_t value = track_at(&r->tracks, track, i);

		if (!first)
			mh_buf_addc(out, ',');
		if (value == TRACK_ABSENT)
			mh_buf_adds(out, "null");
		else
			mh_buf_addu(out, recent_bytes(r, value));
	}
}

static void add_times(struct mh_buf *out, const struct recent *r, uint32_t i)
{
	for (bool first = true; i < r->tracks.n; i++, first = false)
		mh_buf_printf(out, "%s%lld", first ? "" : ",",
			      (long long)r->tracks.wall_ms[i % TRACK_POINTS]);
}

static void add_row(struct mh_buf *out, const struct recent *r, const struct recent_row *row,
		    int window, bool with_series)
{
	int64_t diff;
	double s;

	mh_buf_addc(out, '{');
	mh_buf_add(out, r->text.data + row->text, row->text_len);
	mh_buf_adds(out, ",\"rss_bytes\":");
	mh_buf_addu(out, recent_bytes(r, row->track->value));
	if (track_growth(&r->tracks, row->track, window, &diff, &s))
		mh_buf_printf(out, ",\"growth_bytes_per_second\":%lld,\"growth_seconds\":%lld",
			      (long long)((double)diff * r->page_bytes / s), (long long)s);
	else
		mh_buf_adds(out, ",\"growth_bytes_per_second\":null,\"growth_seconds\":null");
	if (with_series) {
		mh_buf_adds(out, ",\"series_bytes\":[");
		add_values(out, r, row->track, tracks_first(&r->tracks));
		mh_buf_addc(out, ']');
	}
	mh_buf_addc(out, '}');
}

void render_list(struct mh_buf *out, const struct recent *r, const struct render_list *list)
{
	int order = list->by_growth ? RECENT_BY_GROWTH + list->window : RECENT_BY_RSS;
	const struct recent_list *rows = &r->list[list->kind][order];

	mh_buf_adds(out, "{\"status\":\"success\",\"data\":{");
	add_ms(out, "at_ms", r->at.wall_ms);
	mh_buf_printf(out, ",\"sort\":\"%s\",\"window\":\"%s\"", list->by_growth ? "growth" : "rss",
		      track_windows[list->window].name);
	if (list->with_series) {
		mh_buf_adds(out, ",\"times_ms\":[");
		add_times(out, r, tracks_first(&r->tracks));
		mh_buf_addc(out, ']');
	}
	mh_buf_printf(out, ",\"%s\":[", list->kind == RECENT_GROUPS ? "groups" : "processes");
	for (size_t i = 0; i < rows->n && i < list->limit; i++) {
		if (i)
			mh_buf_addc(out, ',');
		add_row(out, r, &rows->row[i], list->window, list->with_series);
	}
	mh_buf_adds(out, "]}}\n");
}

static void add_subject(struct mh_buf *out, const struct render_subject *subject)
{
	if (subject->process) {
		mh_buf_adds(out, "\"process\":\"");
		recent_write_id(out, subject->process);
		mh_buf_addc(out, '"');
	} else {
		mh_buf_adds(out, "\"group\":");
		render_string(out, subject->group, strlen(subject->group));
	}
}

/* Whether the last sample came after the last point. */
static bool is_behind(const struct recent *r)
{
	const struct tracks *t = &r->tracks;

	return t->n && t->boot_ns[(t->n - 1) % TRACK_POINTS] < r->at.boot_ns;
}

void render_series(struct mh_buf *out, const struct recent *r, const struct track *track,
		   const struct render_subject *subject, mh_ms_t since_ms)
{
	uint32_t i = tracks_first(&r->tracks);

	while (i < r->tracks.n && r->tracks.wall_ms[i % TRACK_POINTS] < since_ms)
		i++;
	mh_buf_adds(out, "{\"status\":\"success\",\"data\":{");
	add_subject(out, subject);
	mh_buf_adds(out, ",\"times_ms\":[");
	add_times(out, r, i);
	if (is_behind(r))
		mh_buf_printf(out, "%s%lld", i < r->tracks.n ? "," : "", (long long)r->at.wall_ms);
	mh_buf_adds(out, "],\"rss_bytes\":[");
	add_values(out, r, track, i);
	if (is_behind(r)) {
		if (i < r->tracks.n)
			mh_buf_addc(out, ',');
		mh_buf_addu(out, recent_bytes(r, track->value));
	}
	mh_buf_adds(out, "]}}\n");
}

void render_candles_begin(struct mh_buf *out, const struct render_subject *subject, int field,
			  const char *interval, mh_ms_t since_ms, const char *source)
{
	mh_buf_adds(out, "{\"status\":\"success\",\"data\":{");
	add_subject(out, subject);
	mh_buf_printf(out, ",\"field\":\"%s\",\"interval\":\"%s\",", mh_fields[field].name,
		      interval);
	add_ms(out, "since_ms", since_ms);
	mh_buf_printf(out,
		      ",\"source\":\"%s\",\"columns\":[\"start_ms\",\"open\",\"high\",\"low\","
		      "\"close\",\"samples\"],\"candles\":[",
		      source);
}

void render_candle(struct mh_buf *out, const struct mh_candle *candle)
{
	mh_buf_printf(out, "%s[%lld,%llu,%llu,%llu,%llu,%u]",
		      out->len && out->data[out->len - 1] == ']' ? "," : "",
		      (long long)candle->start_ms, (unsigned long long)candle->open,
		      (unsigned long long)candle->high, (unsigned long long)candle->low,
		      (unsigned long long)candle->close, candle->samples);
}

void render_candles_end(struct mh_buf *out)
{
	mh_buf_adds(out, "]}}\n");
}

/* Another sample: into the candle, or into the next one when it belongs there. */
static void add_sample(struct mh_buf *out, struct mh_candle *candle, mh_ms_t interval_ms,
		       mh_ms_t wall_ms, uint64_t value)
{
	mh_ms_t start_ms, end_ms;

	mh_window(wall_ms, interval_ms, true, &start_ms, &end_ms);
	if (candle->samples && candle->start_ms == start_ms) {
		candle->high = value > candle->high ? value : candle->high;
		candle->low = value < candle->low ? value : candle->low;
		candle->close = value;
		candle->samples++;
		return;
	}
	if (candle->samples)
		render_candle(out, candle);
	*candle = (struct mh_candle){start_ms, end_ms, value, value, value, value, 1};
}

void render_track_candles(struct mh_buf *out, const struct recent *r, const struct track *track,
			  mh_ms_t interval_ms, mh_ms_t since_ms)
{
	struct mh_candle candle = {0};

	for (uint32_t i = tracks_first(&r->tracks); i < r->tracks.n; i++) {
		mh_ms_t wall_ms = r->tracks.wall_ms[i % TRACK_POINTS];
		uint32_t value = track_at(&r->tracks, track, i);

		if (wall_ms >= since_ms && value != TRACK_ABSENT)
			add_sample(out, &candle, interval_ms, wall_ms, recent_bytes(r, value));
	}
	if (is_behind(r) && r->at.wall_ms >= since_ms)
		add_sample(out, &candle, interval_ms, r->at.wall_ms, recent_bytes(r, track->value));
	if (candle.samples)
		render_candle(out, &candle);
}
