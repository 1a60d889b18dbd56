/*
 * The API's answers in JSON (RFC 8259, UTF-8), without HTTP. docs/API.md is what they say; in
 * short:
 *
 *     {"status":"success","data":{…}}
 *     {"status":"error","errorType":"bad_data","error":"a sentence"}
 *
 * Times are milliseconds since 1970 (…_ms), memory is bytes (…_bytes). Names of processes and
 * groups pass the escaper. Callers look at out->error at the end.
 */
#ifndef MEMHIST_EXPORTER_API_RENDER_H
#define MEMHIST_EXPORTER_API_RENDER_H

#include "exporter/api/recent.h"
#include "exporter/view.h"
#include "libmemhist/model/candle.h"

/* One of Prometheus' words for errors: "bad_data", "not_found", "unavailable", "timeout". */
void render_error(struct mh_buf *out, const char *type, const char *sentence);

/* A string with its quotes. */
void render_string(struct mh_buf *out, const char *bytes, size_t len);

/* The caller holds the view's lock. `has_history`: candles of processes are read from one. */
void render_status(struct mh_buf *out, const struct view *v, bool has_history);

/* For the following the caller holds the lock of `r`. */
struct render_list {
	enum recent_kind kind;
	bool by_growth; /* else by resident memory */
	int window;     /* index of track_windows[]: growth is told of this one */
	uint32_t limit;
	bool with_series; /* what each row was at the points of the last quarter of an hour */
};
void render_list(struct mh_buf *out, const struct recent *r, const struct render_list *list);

/* Whom an answer is about. */
struct render_subject {
	const struct mh_identity *process; /* NULL: a group */
	const char *group;
};
/* The points since then, and the last sample. */
void render_series(struct mh_buf *out, const struct recent *r, const struct track *track,
		   const struct render_subject *subject, mh_ms_t since_ms);

/*
 * An answer of candles: begin, any number of candles in order, end. `source` is "history" or
 * "memory".
 */
void render_candles_begin(struct mh_buf *out, const struct render_subject *subject, int field,
			  const char *interval, mh_ms_t since_ms, const char *source);
void render_candle(struct mh_buf *out, const struct mh_candle *candle);
void render_candles_end(struct mh_buf *out);
/* All candles of `interval_ms` from since_ms on that the points of a track make. */
void render_track_candles(struct mh_buf *out, const struct recent *r, const struct track *track,
			  mh_ms_t interval_ms, mh_ms_t since_ms);

#endif
