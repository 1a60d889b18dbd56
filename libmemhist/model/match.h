/*
 * Matching names: a plain word, or a regular expression between slashes ("/^post(gres|master)/"),
 * as collectd's Select options are written. Regular expressions are PCRE2 on bytes (a name need
 * not be UTF-8), unanchored, with limits on matching effort, so that no name can stall a scan.
 * A newline is an ordinary byte: '.' matches it, '$' is the very end of the name.
 *
 * Matching allocates nothing (but see pcre2_match(3) where there is no just-in-time compiler). A
 * match has one owner thread: it keeps working memory of its own.
 */
#ifndef MEMHIST_MODEL_MATCH_H
#define MEMHIST_MODEL_MATCH_H

#include "libmemhist/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mh_match;

/* How a pattern without slashes is read. */
enum mh_match_plain { MH_MATCH_EXACT, MH_MATCH_SUBSTRING };

/*
 * Returns 0, -ENOMEM, or -EINVAL with the place and reason of the fault in *err: a regular
 * expression that PCRE2 refuses, nothing (between the slashes or at all), more than 4,096 bytes.
 */
int mh_match_new(struct mh_match **ret, const char *pattern, enum mh_match_plain plain,
		 struct mh_err *err);
void mh_match_free(struct mh_match *m);
/* Whether `name` matches. A match that runs into the effort limit does not, and is counted. */
bool mh_match_name(struct mh_match *m, const char *name, size_t len);
/* How often matching has been given up at the effort limit: those names may match or not. */
uint64_t mh_match_given_up(const struct mh_match *m);

/*
 * collectd's ignore list: names are selected when any pattern matches, or, with `invert`
 * (IgnoreSelected true), when none does. Without patterns everything is selected.
 * Embedded by its owner; zero-initialise.
 */
struct mh_select {
	struct mh_match **match;
	size_t n;
	bool invert;
};

/* As mh_match_new() for an exact word; -EOVERFLOW after 1,024 patterns. */
int mh_select_add(struct mh_select *s, const char *pattern, struct mh_err *err);
void mh_select_done(struct mh_select *s);
bool mh_select_name(const struct mh_select *s, const char *name, size_t len);
/* As mh_match_given_up(), of all patterns together. */
uint64_t mh_select_given_up(const struct mh_select *s);

#endif
