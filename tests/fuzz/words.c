/*
 * What people write: patterns, times and lengths of time. The first byte says which; a pattern and
 * a name are apart by a newline.
 */
#include "libmemhist/base/timespec.h"
#include "libmemhist/model/match.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { EXACT, SUBSTRING, DURATION, TIME, KINDS };

static void match(const char *text, enum mh_match_plain plain)
{
	const char *newline = strchr(text, '\n');
	const char *name = newline ? newline + 1 : "name";
	char *pattern = strndup(text, newline ? (size_t)(newline - text) : strlen(text));
	struct mh_err err = {""};
	struct mh_match *m;

	if (!pattern)
		return;
	if (mh_match_new(&m, pattern, plain, &err)) {
		fuzz_assert(err.text[0]);
	} else {
		mh_match_name(m, name, strlen(name));
		mh_match_name(m, "", 0);
		mh_match_free(m);
	}
	free(pattern);
}

static void duration(const char *text)
{
	struct mh_buf b = MH_BUF_INIT(1 << 10);
	mh_ms_t ms, again;

	if (!mh_duration_parse(text, 1000, &ms)) {
		fuzz_assert(ms > 0);
		/* what is written for people is read as what it was */
		mh_duration_format(&b, ms);
		fuzz_assert(b.len);
	}
	if (!mh_duration_parse(text, 0, &again))
		fuzz_assert(again == ms);
	mh_buf_done(&b);
}

static void point_in_time(const char *text)
{
	struct mh_buf b = MH_BUF_INIT(1 << 10);
	mh_ms_t ms, start, end;

	for (int utc = 0; utc < 2; utc++) {
		if (mh_time_parse(text, INT64_C(1795206528502), utc, &ms))
			continue;
		mh_buf_clear(&b);
		mh_time_format(&b, ms, utc);
		mh_window(ms, 900000, utc, &start, &end);
		fuzz_assert(start <= ms && ms < end);
	}
	mh_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text;

	if (!len)
		return 0;
	text = strndup((const char *)bytes + 1, len - 1);
	if (!text)
		return 0;
	switch (bytes[0] % KINDS) {
	case EXACT:
		match(text, MH_MATCH_EXACT);
		break;
	case SUBSTRING:
		match(text, MH_MATCH_SUBSTRING);
		break;
	case DURATION:
		duration(text);
		break;
	default:
		point_in_time(text);
		break;
	}
	free(text);
	return 0;
}

uint8_t *fuzz_seed(unsigned n, size_t *ret_len)
{
	static const char *const seeds[] = {
		"\x04plain\nplain",
		"\x04/^post(gres|master)[0-9]{1,3}$/\npostgres12",
		"\x01/(a+)+$/\naaaaaaaaaaaaaaaaaaaaaaaaab",
		"\x01/(?<n>x)|\\bword\\b.*?[[:alpha:]]\\x{41}/\na word",
		"\x02"
		"1h30m",
		"\x02"
		"250ms",
		"\x02"
		"100w",
		"\x03"
		"2026-11-20 20:28:48",
		"\x03"
		"2026-02-28T23:59:59+09:00",
		"\x03"
		"@1795206528",
		"\x03"
		"10m ago",
		"\x03"
		"-10m",
		"\x03now",
	};

	if (n >= sizeof(seeds) / sizeof(seeds[0]))
		return NULL;
	return fuzz_copy(seeds[n], strlen(seeds[n]), ret_len);
}

void fuzz_mend(uint8_t *bytes, size_t len)
{
	(void)bytes;
	(void)len;
}
