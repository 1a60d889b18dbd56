/*
 * Answers of stores: any bytes become samples or an error. The first byte says which protocol. What
 * was taken is within limits and, sorted, in order.
 */
#include "tests/fuzz/fuzz.h"
#include "tools/store.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(struct store_samples *s)
{
	store_samples_sort(s);
	for (uint32_t i = 0; i < s->n; i++) {
		const struct store_sample *a = &s->sample[i];

		fuzz_assert(a->series < s->n_series && isfinite(a->value));
		fuzz_assert(a->at_ms >= s->since_ms && a->at_ms < s->until_ms);
		fuzz_assert(!i || s->sample[i - 1].at_ms <= a->at_ms);
	}
	for (uint32_t i = 0; i < s->n_series; i++) {
		fuzz_assert(s->series[i].pid >= 1 && s->series[i].pid <= MH_PID_MAX);
		fuzz_assert(s->series[i].comm_len <= MH_COMM_MAX);
		fuzz_assert(s->series[i].start_ms >= -1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct store_samples s = {.since_ms = 0, .until_ms = INT64_MAX / 2};
	const char *text = (const char *)bytes + 1;
	struct selector selector;
	struct mh_err err;
	char *copy;
	int rc;

	if (!len)
		return 0;
	len--;
	/* of its own length, so that a sanitizer sees what is read behind it */
	copy = malloc(len + 1);
	if (!copy)
		abort();
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (bytes[0] % 3 == 2) {
		char said[STORE_SAID_MAX];

		store_query_said(copy, strlen(copy), said);
		rc = selector_parse(&selector, copy, &err);
		fuzz_assert(!rc || rc == -EINVAL);
	} else {
		rc = bytes[0] % 3 ? store_read_answer(copy, len, &s)
				  : store_query_answer(copy, len, &s);
		fuzz_assert(!rc || rc == -EBADMSG || rc == -EMLINK || rc == -EOVERFLOW);
	}
	check(&s);
	store_samples_done(&s);
	free(copy);
	return 0;
}

#define QUERY(metric, values)                                                                   \
	"0{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":" \
	"{\"__name__\":\"memhist_process_" metric                                               \
	"\",\"comm\":\"a\\u00e9\\n\",\"instance\":\"i\","                                       \
	"\"pid\":\"7\",\"start\":\"1780315200000\"},\"values\":[" values "]}]}}"

uint8_t *fuzz_seed(unsigned n, size_t *ret_len)
{
	static const char read[] =
		"1\x0a\x4c\x0a\x4a"
		"\x0a\x31\x0a\x08__name__\x12\x25memhist_process_resident_memory_bytes"
		"\x0a\x08\x0a\x03pid\x12\x01"
		"7\x12\x0b\x09\0\0\0\0\0\0\xb0\x40\x10\x01";
	static const char *const seeds[] = {
		QUERY("resident_memory_bytes", "[1780315200.123,\"4096\"],[1780315201,\"NaN\"]"),
		QUERY("start_time_seconds", "[1780315200.123,\"1.78e9\"],[2,null]"),
		"2{instance=\"a:1\", job=~'x.*',a!=`b`}",
		"2{\"status\":\"error\",\"error\":\"too many\"}",
	};

	if (!n)
		return fuzz_copy(read, sizeof(read) - 1, ret_len);
	if (--n >= sizeof(seeds) / sizeof(seeds[0]))
		return NULL;
	return fuzz_copy(seeds[n], strlen(seeds[n]), ret_len);
}

void fuzz_mend(uint8_t *bytes, size_t len)
{
	(void)bytes;
	(void)len;
}
