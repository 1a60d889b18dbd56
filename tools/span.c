/* The span of wall times, and how it is told. */
#include "tools/span.h"

#include "tools/human.h"

#include <inttypes.h>

void span_add(struct span *s, mh_ms_t wall_ms)
{
	s->n_set_back += s->n && wall_ms < s->last_ms;
	if (!s->n || wall_ms < s->earliest_ms)
		s->earliest_ms = wall_ms;
	if (!s->n || wall_ms > s->latest_ms)
		s->latest_ms = wall_ms;
	s->last_ms = wall_ms;
	s->n++;
}

/* The whole second that a time is shown as. */
static int64_t second_of(mh_ms_t wall_ms)
{
	return wall_ms / 1000 - (wall_ms % 1000 < 0);
}

mh_ms_t span_length(const struct span *s)
{
	int64_t seconds = second_of(s->latest_ms) - second_of(s->earliest_ms);

	/* a crafted history may reach from one end of time to the other */
	return seconds > MH_MS_MAX / 1000 ? MH_MS_MAX : seconds * 1000;
}

void span_describe(struct mh_buf *out, const struct span *s, bool utc)
{
	mh_time_format(out, s->earliest_ms, utc);
	mh_buf_adds(out, " to ");
	mh_time_format(out, s->latest_ms, utc);
	mh_buf_adds(out, utc ? " UTC (" : " (");
	mh_duration_format(out, span_length(s));
	mh_buf_addc(out, ')');
	if (s->n_set_back)
		mh_buf_printf(out, "; the clock was set back %" PRIu64 " time%s", s->n_set_back,
			      human_s(s->n_set_back));
}
