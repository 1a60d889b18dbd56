/* Ranges: from words to two times, and the sentence for "nothing there". */
#include "tools/range.h"

#include "tools/human.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

int range_take(struct range_words *w, int id, const char *const value[OPTION_VALUES_MAX],
	       struct mh_err *err)
{
	switch (id) {
	case RANGE_OPT_HOURS:
		return option_number(value[0], 1, RANGE_HOURS_MAX, &w->hours, err);
	case RANGE_OPT_DAYS:
		return option_number(value[0], 1, RANGE_DAYS_MAX, &w->days, err);
	case RANGE_OPT_RANGE:
		w->from = value[0];
		w->to = value[1];
		return 0;
	case RANGE_OPT_SINCE:
		w->since = value[0];
		return 0;
	case RANGE_OPT_UNTIL:
		w->until = value[0];
		return 0;
	case RANGE_OPT_LAST:
		w->last = value[0];
		return 0;
	default:
		return option_no_word(value[0], err);
	}
}

static const mh_ms_t HOUR_MS = 60 * 60 * 1000;

static int read_time(const char *option, const char *text, mh_ms_t now_ms, bool utc, mh_ms_t *ret,
		     struct mh_err *err)
{
	int rc = text ? mh_time_parse(text, now_ms, utc, ret) : 0;

	if (!rc)
		return 0;
	if (rc == -ERANGE)
		return mh_errf(err, -EINVAL, "--%s: there is no such day or time: %s", option,
			       text);
	return mh_errf(err, -EINVAL,
		       "--%s: “%s” is no time like “2026-06-01 12:00:00”, “@1780315200” or "
		       "“2h ago”",
		       option, text);
}

static int read_last(const char *text, mh_ms_t now_ms, mh_ms_t *ret, struct mh_err *err)
{
	mh_ms_t length_ms;
	int rc = mh_duration_parse(text, 0, &length_ms);

	if (rc)
		return mh_errf(err, -EINVAL, "--last: “%s” is %s", text,
			       rc == -ERANGE ? "too long, at most 36525d"
					     : "no length of time like 15m, 2h or 7d");
	*ret = now_ms - length_ms;
	return 0;
}

int range_resolve(const struct range_words *w, mh_ms_t now_ms, bool utc, struct range *ret,
		  struct mh_err *err)
{
	struct range r = RANGE_ALL;
	int n_ways = (w->hours > 0) + (w->days > 0) + (w->from || w->to) + (w->since || w->until) +
		     (w->last != NULL);
	int rc;

	if (n_ways > 1)
		return mh_errf(err, -EINVAL,
			       "--hours, --days, --last, --range and --since/--until each say "
			       "which time is "
			       "wanted: use one of them");
	if (w->hours)
		r.since_ms = now_ms - w->hours * HOUR_MS;
	if (w->days)
		r.since_ms = now_ms - w->days * 24 * HOUR_MS;
	rc = w->last ? read_last(w->last, now_ms, &r.since_ms, err) : 0;
	if (!rc)
		rc = read_time("range", w->from, now_ms, utc, &r.since_ms, err);
	if (!rc)
		rc = read_time("range", w->to, now_ms, utc, &r.until_ms, err);
	if (!rc)
		rc = read_time("since", w->since, now_ms, utc, &r.since_ms, err);
	if (!rc)
		rc = read_time("until", w->until, now_ms, utc, &r.until_ms, err);
	if (!rc && r.since_ms == r.until_ms)
		rc = mh_errf(err, -EINVAL,
			     "the range is empty: it begins and ends at the same time");
	if (!rc && r.since_ms > r.until_ms)
		rc = mh_errf(err, -EINVAL, "the range ends before it begins");
	if (!rc)
		*ret = r;
	return rc;
}

/* " between A and B", " since A", " before B", or nothing for everything. */
static void describe(struct mh_buf *b, const struct range *r, bool utc)
{
	bool has_since = r->since_ms != MH_MS_MIN, has_until = r->until_ms != MH_MS_MAX;

	if (has_since) {
		mh_buf_adds(b, has_until ? " between " : " since ");
		mh_time_format(b, r->since_ms, utc);
	}
	if (has_until) {
		mh_buf_adds(b, has_since ? " and " : " before ");
		mh_time_format(b, r->until_ms, utc);
	}
}

static int no_snapshot(const char *dir, const char *asked, bool utc, struct mh_err *err)
{
	struct mh_buf there = MH_BUF_INIT(256);
	struct mh_history_span span;
	int rc = mh_history_span(dir, &span, err);

	if (rc)
		return rc;
	mh_time_format(&there, span.first_wall_ms, utc);
	mh_buf_adds(&there, " to ");
	mh_time_format(&there, span.last_wall_ms, utc);
	rc = mh_errf(err, -ENODATA, "%s holds no snapshot%s; it reaches from %s%s", dir, asked,
		     mh_buf_str(&there), utc ? " UTC" : "");
	mh_buf_done(&there);
	return rc;
}

int range_no_data(const char *dir, const struct range *range, bool utc,
		  const struct mh_reader_stats *stats, struct mh_err *err)
{
	struct mh_buf asked = MH_BUF_INIT(256);
	int rc;

	describe(&asked, range, utc);
	if (stats->damages)
		rc = mh_errf(err, -EBADMSG,
			     "%s is damaged and holds nothing readable%s (see memhist verify)", dir,
			     mh_buf_str(&asked));
	else if (stats->unreadable)
		rc = mh_errf(err, -EACCES,
			     "%s holds no snapshot%s but in %" PRIu64 " segment%s that cannot be "
			     "opened (permission denied or an I/O error)",
			     dir, mh_buf_str(&asked), stats->unreadable,
			     human_s(stats->unreadable));
	else
		rc = no_snapshot(dir, mh_buf_str(&asked), utc, err);
	mh_buf_done(&asked);
	return rc;
}
