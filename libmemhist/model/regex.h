/*
 * Regular expressions with named parts, on text: what the rules of groups ask of command lines.
 * PCRE2 on UTF-8, meaning what they mean in Go's regexp and RE2, which configurations of
 * process-exporter are written for: '.' is any character but a newline, '$' the very end, the
 * leftmost match counts. Whatever PCRE2 knows besides (lookaround, references) may be used.
 *
 * Names of processes need not be UTF-8 and are matched by match.h; text given here must be, see
 * mh_escape_utf8().
 *
 * Effort is limited: one match takes at most about a millisecond, and an expression that ran into
 * this MH_REGEX_PATIENCE times is passed over until mh_regex_forgive(). So a process that chooses
 * its command line with care cannot stall a scan, however many of it there are.
 */
#ifndef MEMHIST_MODEL_REGEX_H
#define MEMHIST_MODEL_REGEX_H

#include "libmemhist/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MH_REGEX_MAX = 4096, /* bytes of one expression */
	MH_REGEX_PARTS = 64, /* parts in brackets of one expression, named or not */
	MH_REGEX_PATIENCE = 4,
};

struct mh_regex;

/* Working memory of matching, shared by the expressions of one owner and thread. */
struct mh_regex_room;

int mh_regex_room_new(struct mh_regex_room **ret);
/* NULL is allowed. */
void mh_regex_room_free(struct mh_regex_room *room);

/*
 * Returns 0; -ENOMEM; or -EINVAL and a sentence: nothing, too long, too many parts, or PCRE2's
 * reason and place.
 */
int mh_regex_new(struct mh_regex **ret, const char *pattern, struct mh_err *err);
/* NULL is allowed. */
void mh_regex_free(struct mh_regex *re);

/* Whether it matches anywhere in `text`, which must be UTF-8. */
bool mh_regex_match(struct mh_regex *re, struct mh_regex_room *room, const char *text, size_t len);
/* How often matching was given up at the limit, or not begun. */
uint64_t mh_regex_given_up(const struct mh_regex *re);
/* Whether matching was not begun since this was asked last, in this room. */
bool mh_regex_passed_over(struct mh_regex_room *room);
/* What took too long may have another try: to be called once a tick. */
void mh_regex_forgive(struct mh_regex *re);

/* The number of the part called so, or -1. */
int mh_regex_part(const struct mh_regex *re, const char *name, size_t len);

/* A place in the text that matched. */
struct mh_regex_span {
	uint32_t at, len;
};

/*
 * After a match, and before the next one in this room: where that part is. One that took no part in
 * the match is empty.
 */
struct mh_regex_span mh_regex_found(const struct mh_regex_room *room, int part);

#endif
