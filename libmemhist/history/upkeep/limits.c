/* Limits to words and back. */
#include "libmemhist/history/upkeep/limits.h"

#include "libmemhist/base/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { AGE_LEAST_MS = 60 * 1000, SEGMENTS_LEAST = 8 };

static bool is_none(const char *text)
{
	return !strcmp(text, "0") || !strcasecmp(text, "none");
}

static int read_size(const char *text, uint64_t *ret, struct mh_err *err)
{
	int rc = mh_size_parse(text, ret);

	if (rc == -ERANGE)
		return mh_errf(err, -EINVAL, "\"%s\" is more than any disk holds", text);
	if (rc)
		return mh_errf(err, -EINVAL,
			       "\"%s\" is no size: digits and K, M, G or T (powers of 1024), "
			       "\"none\" for no limit",
			       text);
	return 0;
}

static int read_duration(const char *text, mh_ms_t *ret, struct mh_err *err)
{
	int rc = mh_duration_parse(text, 0, ret);

	if (rc == -ERANGE)
		return mh_errf(err, -EINVAL, "\"%s\" is longer than 100 years", text);
	if (rc)
		return mh_errf(err, -EINVAL,
			       "\"%s\" is no duration: digits and s, m, h, d, w or y, as in "
			       "\"90s\" or \"1y\"",
			       text);
	return 0;
}

int mh_limits_max_size(struct mh_limits *l, const char *text, struct mh_err *err)
{
	uint64_t bytes = 0;
	int rc = is_none(text) ? 0 : read_size(text, &bytes, err);

	if (rc)
		return rc;
	if (bytes < MH_MAX_BYTES_LEAST && !is_none(text))
		return mh_errf(err, -EINVAL, "\"%s\" is too small: it is 1 MiB at least", text);
	l->max_bytes = bytes;
	return 0;
}

int mh_limits_max_age(struct mh_limits *l, const char *text, struct mh_err *err)
{
	mh_ms_t ms = 0;
	int rc = is_none(text) ? 0 : read_duration(text, &ms, err);

	if (rc)
		return rc;
	if (ms < AGE_LEAST_MS && !is_none(text))
		return mh_errf(err, -EINVAL, "\"%s\" is too short: it is a minute at least", text);
	l->max_age_ms = ms;
	return 0;
}

int mh_limits_min_free(struct mh_limits *l, const char *text, struct mh_err *err)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t bytes = 0;
	unsigned long percent = 0;
	int rc;

	if (digits && !strcmp(text + digits, "%")) {
		percent = digits < 4 ? strtoul(text, NULL, 10) : 100;
		if (percent < 1 || percent > 99)
			return mh_errf(err, -EINVAL, "\"%s\" is not within 1%% … 99%%", text);
	} else if (!is_none(text)) {
		rc = read_size(text, &bytes, NULL);
		if (rc || !bytes)
			return mh_errf(err, -EINVAL,
				       "\"%s\" is neither a size (digits and K, M, G or T) nor a "
				       "percentage (\"5%%\") nor \"none\"",
				       text);
	}
	l->min_free_bytes = bytes;
	l->min_free_percent = (uint32_t)percent;
	return 0;
}

int mh_limits_sync(uint32_t *ret_ms, const char *text, struct mh_err *err)
{
	mh_ms_t ms = 0;
	int rc = !strcmp(text, "0") ? 0 : read_duration(text, &ms, err);

	if (rc)
		return rc;
	if (ms > MH_SYNC_MAX_MS)
		return mh_errf(err, -EINVAL, "\"%s\" is too long: it is an hour at most", text);
	*ret_ms = (uint32_t)ms;
	return 0;
}

uint64_t mh_limits_segment_bytes(const struct mh_limits *l, uint64_t bytes)
{
	const uint64_t share = l->max_bytes / SEGMENTS_LEAST;

	return share && share < bytes ? share : bytes;
}

void mh_limits_describe(struct mh_buf *out, const struct mh_limits *l)
{
	char size[MH_SIZE_TEXT];

	if (l->max_bytes)
		mh_buf_printf(out, "at most %s", mh_size_text(size, l->max_bytes));
	else
		mh_buf_adds(out, "of any size");
	mh_buf_adds(out, l->max_age_ms ? ", not older than " : ", of any age");
	if (l->max_age_ms)
		mh_duration_format(out, l->max_age_ms);
	if (!l->min_free_bytes && !l->min_free_percent)
		return;
	mh_buf_adds(out, ", ");
	if (l->min_free_bytes)
		mh_buf_adds(out, mh_size_text(size, l->min_free_bytes));
	if (l->min_free_percent)
		mh_buf_printf(out, "%s%u %%", l->min_free_bytes ? " or " : "", l->min_free_percent);
	mh_buf_adds(out, " left free");
}

void mh_limits_write(struct mh_buf *out, const struct mh_limits *l)
{
	mh_buf_printf(out,
		      "max_bytes %" PRIu64 "\nmax_age_ms %" PRId64 "\nmin_free_bytes %" PRIu64
		      "\nmin_free_percent %" PRIu32 "\n",
		      l->max_bytes, l->max_age_ms, l->min_free_bytes, l->min_free_percent);
}

/* The number behind `key` at the beginning of a line. */
static bool find(const char *text, const char *key, uint64_t max, uint64_t *ret)
{
	const size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n'), line += line != NULL) {
		char *end;

		if (strncmp(line, key, len) != 0 || line[len] != ' ')
			continue;
		errno = 0;
		*ret = strtoull(line + len + 1, &end, 10);
		return !errno && *end == '\n' && *ret <= max;
	}
	return false;
}

bool mh_limits_read(struct mh_limits *ret, const char *text)
{
	uint64_t bytes, age, free_bytes, percent;

	if (!find(text, "max_bytes", INT64_MAX, &bytes) ||
	    !find(text, "max_age_ms", INT64_MAX, &age) ||
	    !find(text, "min_free_bytes", INT64_MAX, &free_bytes) ||
	    !find(text, "min_free_percent", 99, &percent))
		return false;
	*ret = (struct mh_limits){
		.max_bytes = bytes,
		.max_age_ms = (mh_ms_t)age,
		.min_free_bytes = free_bytes,
		.min_free_percent = (uint32_t)percent,
	};
	return true;
}
