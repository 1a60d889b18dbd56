/*
 * What a history may take: how much, how long, and what is to be left for others. One meaning, and
 * one spelling, for all who let people choose.
 */
#ifndef MEMHIST_HISTORY_UPKEEP_LIMITS_H
#define MEMHIST_HISTORY_UPKEEP_LIMITS_H

#include "libmemhist/base/err.h"
#include "libmemhist/base/timespec.h"

enum {
	MH_SYNC_MAX_MS = 3600 * 1000,
	MH_MIN_FREE_FILES = 10000, /* the share of inodes that is left free is never more */
};

#define MH_MAX_BYTES_LEAST (UINT64_C(1) << 20)

struct mh_limits {
	uint64_t max_bytes; /* of all files in the directory; 0 = no limit */
	mh_ms_t max_age_ms; /* of a segment's end, to the newest data; 0 = no limit */
	/* What is left free in the file system: where both are given, the smaller. 0 = not given */
	uint64_t min_free_bytes;
	uint32_t min_free_percent; /* of inodes too, up to MH_MIN_FREE_FILES; 5 where not given */
};

/* 2 GiB, of any age; 1 GiB or 5 % is left free. */
#define MH_LIMITS_DEFAULTS                                                           \
	{                                                                            \
		.max_bytes = UINT64_C(2) << 30, .min_free_bytes = UINT64_C(1) << 30, \
		.min_free_percent = 5                                                \
	}

/*
 * What people write: "512M", "2GiB"; "30d", "1y"; "1G", "5%"; "0" and "none" are no limit. Return
 * 0, or -EINVAL and a sentence that has no option's name.
 */
int mh_limits_max_size(struct mh_limits *l, const char *text, struct mh_err *err);
int mh_limits_max_age(struct mh_limits *l, const char *text, struct mh_err *err);
int mh_limits_min_free(struct mh_limits *l, const char *text, struct mh_err *err);
/* "60s", "5m"; "0" is each snapshot. Up to MH_SYNC_MAX_MS. As above. */
int mh_limits_sync(uint32_t *ret_ms, const char *text, struct mh_err *err);

/* How large a segment may become, so that there are always some to let go: `bytes` or less. */
uint64_t mh_limits_segment_bytes(const struct mh_limits *l, uint64_t bytes);

/* For people: "at most 2.0 GiB, of any age, 1.0 GiB or 5 % left free". */
void mh_limits_describe(struct mh_buf *out, const struct mh_limits *l);

/* For programs, one line each, as D3 of docs/FORMAT.md has it; and back: whether they are there. */
void mh_limits_write(struct mh_buf *out, const struct mh_limits *l);
bool mh_limits_read(struct mh_limits *ret, const char *text);

#endif
