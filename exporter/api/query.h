/*
 * The parameters of a request to the API, strictly: each is known, given once, decoded (%XX) and
 * not empty. What is wrong is said in one sentence, which shows nothing of the request.
 *
 *     static const char *const names[] = {"sort", "limit", NULL};
 *     struct query q;
 *
 *     query_begin(&q, names);
 *     query_add(&q, key, key_len, value, value_len);   // for each
 *     if (q.error) …
 *     sort = query_text(&q, "sort");                   // NULL: not given
 */
#ifndef MEMHIST_EXPORTER_API_QUERY_H
#define MEMHIST_EXPORTER_API_QUERY_H

#include "libmemhist/base/timespec.h"

enum { QUERY_MAX = 8, QUERY_VALUE_MAX = 255 };

struct query {
	const char *const *names; /* at most QUERY_MAX, then NULL */
	char value[QUERY_MAX][QUERY_VALUE_MAX + 1];
	bool is_given[QUERY_MAX];
	const char *error; /* the first thing that is wrong: a sentence; sticky */
};

/* `names` outlives the query. */
void query_begin(struct query *q, const char *const *names);
/* One parameter as it was sent, still encoded. `value` NULL: there is no '='. */
void query_add(struct query *q, const char *key, size_t key_len, const char *value,
	       size_t value_len);

/* NULL when it was not given. */
const char *query_text(const struct query *q, const char *name);

/*
 * These return what was given, or what is said to be the default; when it is not one of those that
 * there can be, `q->error` is set and the default returned.
 */
/* Index of one of `words` (NULL at the end). */
int query_word(struct query *q, const char *name, const char *const *words, int otherwise,
	       const char *error);
uint32_t query_number(struct query *q, const char *name, uint32_t min, uint32_t max,
		      uint32_t otherwise, const char *error);
/* A point in time: RFC 3339 with its zone, or seconds since 1970 with up to three decimals. */
mh_ms_t query_time(struct query *q, const char *name, mh_ms_t otherwise);

/* Digits that make a number of at most `max`; moves *p behind them. False: they do not. */
bool query_digits(const char **p, uint64_t max, uint64_t *ret);

#endif
