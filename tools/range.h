/*
 * The stretch of time that a command line asks for: "the last N hours", "from … to", "since".
 */
#ifndef MEMHIST_TOOLS_RANGE_H
#define MEMHIST_TOOLS_RANGE_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/timespec.h"
#include "libmemhist/history/reader.h"
#include "tools/options.h"

/* As given; 0 and NULL = not given. */
struct range_words {
	long long hours, days;
	const char *from, *to;
	const char *since, *until;
	const char *last; /* a length of time up to now */
};

enum { RANGE_HOURS_MAX = 100 * 366 * 24, RANGE_DAYS_MAX = 100 * 366 };

/* Options, to stand in tables, each in its sentence: a command need not have all. */
enum {
	RANGE_OPT_HOURS = 1000,
	RANGE_OPT_DAYS,
	RANGE_OPT_RANGE,
	RANGE_OPT_SINCE,
	RANGE_OPT_UNTIL,
	RANGE_OPT_LAST,
};

/* Those that all have; `otherwise` says what is read without. */
#define RANGE_OPTIONS(otherwise)                                                                  \
	{RANGE_OPT_RANGE, 0, "range", "FROM TO", "from FROM up to, not including, TO" otherwise}, \
		{RANGE_OPT_SINCE, 0, "since", "TIME",                                             \
		 "2026-06-01 12:00:00, @SECONDS, 2h ago, now"},                                   \
	{                                                                                         \
		RANGE_OPT_UNTIL, 0, "until", "TIME", "up to, not including, TIME"                 \
	}

/* Take one of them; the last resort of a command: of other ids it says that they are no options.
 * Returns 0, or -EINVAL and a sentence. */
int range_take(struct range_words *words, int id, const char *const value[OPTION_VALUES_MAX],
	       struct mh_err *err);

struct range {
	mh_ms_t since_ms; /* inclusive; MH_MS_MIN = from the beginning */
	mh_ms_t until_ms; /* exclusive; MH_MS_MAX = to the end */
};

/*
 * Returns 0, or -EINVAL and a sentence: two ways of asking at once, no such time, or an end that
 * is not after the beginning. Times without a zone are local, or UTC when `utc`.
 */
int range_resolve(const struct range_words *words, mh_ms_t now_ms, bool utc, struct range *ret,
		  struct mh_err *err);

/* Everything. */
#define RANGE_ALL ((struct range){MH_MS_MIN, MH_MS_MAX})

/*
 * The history `dir` was read, and there was no snapshot in the range: a sentence that says why.
 * Returns -EBADMSG: what there is is damaged; -EACCES: it could not be opened; -ENODATA: there is
 * none, the sentence names the span that there is; or the error met while looking.
 */
int range_no_data(const char *dir, const struct range *range, bool utc,
		  const struct mh_reader_stats *stats, struct mh_err *err);

#endif
