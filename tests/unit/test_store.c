/*
 * What a store answers, in both protocols: read as it is meant, and refused where it is not what it
 * should be. Selectors, and how times are asked for.
 */
#include "tools/store.h"

#include "libmemhist/base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NAME "\"__name__\":\"memhist_process_resident_memory_bytes\""
#define BODY(result) \
	"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":" result "}}"

static struct store_samples samples(void)
{
	return (struct store_samples){.since_ms = 1000, .until_ms = 9000};
}

static int read_json(struct store_samples *to, const char *text)
{
	return store_query_answer(text, strlen(text), to);
}

static void json_is_read(void **state)
{
	struct store_samples s = samples();

	(void)state;
	assert_int_equal(
		read_json(
			&s,
			" {\"data\" :{\"stats\":[{\"a\":[[]]},null,-1.5e3,\"\\\"]\"],\"result\":[\n"
			"{\"metric\":{" NAME
			",\"instance\":\"i\\u00e9\\ud83d\\ude00\",\"pid\":\"7\","
			"\"start\":\"5\",\"comm\":\"a\\\\\\\"\\n\"},"
			"\"values\":[[1.5,\"4096\"],[2,\"NaN\"],[3.001,8192],[4,null],[5,\"+Inf\"],"
			"[0.999,\"1\"],[9,\"1\"],[8.999,\"1e3\"]],\"x\":{}},"
			"{\"metric\":{\"__name__\":\"up\"},\"values\":[[2,\"1\"]]}"
			"]},\"status\":\"success\"} "),
		0);
	assert_int_equal(s.n_series, 1);
	assert_int_equal(s.series[0].pid, 7);
	assert_int_equal(s.series[0].start_ms, 5);
	assert_string_equal(s.series[0].comm, "a\\\"\n");
	assert_string_equal(s.target, "{instance=\"i\xc3\xa9\xf0\x9f\x98\x80\"}");
	assert_int_equal(s.n, 3);
	assert_int_equal(s.sample[0].at_ms, 1500);
	assert_true(s.sample[0].value == 4096);
	assert_int_equal(s.sample[1].at_ms, 3001);
	assert_int_equal(s.sample[2].at_ms, 8999);
	assert_true(s.sample[2].value == 1000);
	store_samples_done(&s);
}

static void json_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{}",
		"{\"data\":{}}",
		"{\"data\":{\"result\":{}}}",
		BODY("[1]"),
		BODY("[") "x",
		BODY("[]") "x",
		BODY("[{\"metric\":[]}]"),
		BODY("[{\"metric\":{\"a\":1}}]"),
		BODY("[{\"metric\":{\"a\":\"\\x\"}}]"),
		BODY("[{\"metric\":{\"a\":\"\\u12g4\"}}]"),
		BODY("[{\"metric\":{" NAME ",\"pid\":\"1\"},\"values\":{}}]"),
		BODY("[{\"metric\":{" NAME ",\"pid\":\"1\"},\"values\":[1,2]}]"),
		BODY("[{\"metric\":{" NAME ",\"pid\":\"1\"},\"values\":[[]]}]"),
		BODY("[{\"metric\":{" NAME ",\"pid\":\"1\"},\"values\":[[1]]}]"),
		BODY("[{\"metric\":{" NAME ",\"pid\":\"1\"},\"values\":[[1,\"2\",3]]}]"),
		BODY("[{\"metric\":{" NAME ",\"pid\":\"1\"},\"values\":[[1e300,\"2\"]]}]"),
		BODY("[{\"metric\":{" NAME ",\"pid\":\"1\"},\"values\":[[nan,\"2\"]]}]"),
		BODY("[{\"metric\":{" NAME ",\"pid\":\"1\"},\"values\":[[\"1\",\"2\"]]}]"),
		"{\"a\":]}",
		"{\"a\":,}",
		"{\"a\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct store_samples s = samples();

		if (read_json(&s, bad[i]) != -EBADMSG)
			fail_msg("%s is taken", bad[i]);
		store_samples_done(&s);
	}
}

/* Cut anywhere, it is no answer; deep as it likes, it is passed over without going deep. */
static void json_is_cut_or_deep(void **state)
{
	static const char whole[] = BODY("[{\"metric\":{" NAME
					 ",\"pid\":\"1\"},\"values\":[[2,\"3\"]]}]");
	struct store_samples s = samples();
	size_t depth = 1 << 20;
	char *deep = malloc(2 * depth + 64);

	(void)state;
	assert_non_null(deep);
	assert_int_equal(read_json(&s, whole), 0);
	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		assert_int_equal(store_query_answer(whole, len, &s), -EBADMSG);
	memcpy(deep, "{\"a\":", 5);
	memset(deep + 5, '[', depth);
	memset(deep + 5 + depth, ']', depth);
	memcpy(deep + 5 + 2 * depth, ",\"data\":{\"result\":[]}}", 23);
	assert_int_equal(read_json(&s, deep), 0);
	free(deep);
	store_samples_done(&s);
}

static void labels_that_are_not_ours(void **state)
{
	static const char *const none[] = {
		"{\"pid\":\"1\"}",
		"{" NAME "}",
		"{" NAME ",\"pid\":\"0\"}",
		"{" NAME ",\"pid\":\"-1\"}",
		"{" NAME ",\"pid\":\"4194305\"}",
		"{" NAME ",\"pid\":\"1x\"}",
		"{\"__name__\":\"memhist_process_resident_memory_byte\",\"pid\":\"1\"}",
		"{\"__name__\":\"memhist_process_\",\"pid\":\"1\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct store_samples s = samples();
		char text[512];

		snprintf(text, sizeof(text), BODY("[{\"metric\":%s,\"values\":[[2,\"1\"]]}]"),
			 none[i]);
		assert_int_equal(read_json(&s, text), 0);
		assert_int_equal(s.n + s.n_series, 0);
		store_samples_done(&s);
	}
}

static void machines_are_told_apart(void **state)
{
	struct store_samples s = samples();

	(void)state;
	assert_int_equal(
		read_json(&s, BODY("[{\"metric\":{" NAME ",\"pid\":\"1\",\"instance\":\"a\","
				   "\"comm\":\"x\",\"group\":\"y\",\"start\":\"3\"}},"
				   "{\"metric\":{" NAME ",\"pid\":\"2\",\"instance\":\"a\"}}]")),
		0);
	assert_int_equal(s.n_series, 2);
	store_samples_clear(&s);
	assert_int_equal(
		read_json(&s, BODY("[{\"metric\":{" NAME ",\"pid\":\"1\",\"instance\":\"ab\"}}]")),
		-EMLINK);
	assert_string_equal(s.target, "{instance=\"a\"}");
	assert_string_equal(s.other, "{instance=\"ab\"}");
	store_samples_done(&s);
}

static void errors_are_quoted(void **state)
{
	static const struct {
		const char *body, *said;
	} cases[] = {
		{"{\"status\":\"error\",\"errorType\":\"x\",\"error\":\"too many\"}", "too many"},
		{"{\"error\":\"cut", ""},
		{"{\"a\":1}", ""},
		{"plain\nand more", "plain"},
		{"<html>x</html>", ""},
		{"", ""},
	};
	char said[STORE_SAID_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		store_query_said(cases[i].body, strlen(cases[i].body), said);
		assert_string_equal(said, cases[i].said);
	}
}

/* ReadResponse{results{timeseries{labels{…} samples{1: 4096.0, 2: 2000}}}} by its bytes. */
static const char response[] =
	"\x0a\x51\x0a\x4f"
	"\x12\x0c\x09\0\0\0\0\0\0\xb0\x40\x10\xd0\x0f" /* samples may come first */
	"\x0a\x31\x0a\x08__name__\x12\x25memhist_process_resident_memory_bytes"
	"\x0a\x08\x0a\x03pid\x12\x01"
	"7"
	"\x1a\x02\x08\x01"; /* a field that is not known */

static void remote_read_is_read(void **state)
{
	struct store_samples s = samples();
	size_t len = sizeof(response) - 1;

	(void)state;
	assert_int_equal(store_read_answer(response, len, &s), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.series[0].pid, 7);
	assert_int_equal(s.sample[0].at_ms, 2000);
	assert_true(s.sample[0].value == 4096);
	for (size_t cut = 1; cut < len; cut++)
		assert_int_equal(store_read_answer(response, cut, &s), -EBADMSG);
	/* no answer at all is an empty one, as protobuf has it */
	assert_int_equal(store_read_answer(response, 0, &s), 0);
	assert_int_equal(store_read_answer("<html>", 6, &s), -EBADMSG);
	store_samples_done(&s);
}

static void requests_say_what_is_meant(void **state)
{
	/* ReadRequest{queries{1: 1000, 2: 8999, matchers{2: a, 3: b}, matchers{1: 2, 2: c, 3: d"}}}
	 */
	static const char expected[] = "\x0a\x1b\x08\xe8\x07\x10\xa7\x46"
				       "\x1a\x08\x08\x00\x12\x01"
				       "a\x1a\x01"
				       "b"
				       "\x1a\x09\x08\x02\x12\x01"
				       "c\x1a\x02"
				       "d\"";
	struct mh_buf out = MH_BUF_INIT(4096);
	struct selector s;
	struct mh_err err;

	(void)state;
	assert_int_equal(selector_parse(&s, " { a = 'b' , c=~\"d\\\"\", } ", &err), 0);
	assert_int_equal(store_read_request(&s, 1000, 9000, &out), 0);
	assert_int_equal(out.len, sizeof(expected) - 1);
	assert_memory_equal(out.data, expected, out.len);
	mh_buf_clear(&out);
	assert_int_equal(store_query_request(&s, 1000, 9000, &out), 0);
	assert_string_equal(mh_buf_str(&out),
			    "query=%7Ba%3D%22b%22%2Cc%3D~%22d%5C%22%22%7D%5B8000ms%5D&time=8.999");
	mh_buf_done(&out);
}

static void selectors_are_read(void **state)
{
	static const char *const bad[] = {
		"",        "a",   "{",         "{a}",      "{a=}",      "{a='}",   "{a='b'",
		"{a!'b'}", "{,}", "{a='b',,}", "{=\"b\"}", "{a='\\x'}", "{é='b'}", "{}}",
	};
	struct selector s;
	struct mh_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (selector_parse(&s, bad[i], &err) != -EINVAL)
			fail_msg("%s is taken", bad[i]);
	assert_int_equal(selector_parse(&s, NULL, &err), 0);
	assert_int_equal(s.n, 0);
	assert_int_equal(selector_parse(&s, "{}", &err), 0);
	assert_int_equal(selector_parse(&s, "{a!=`\\`,b!~'\\'\\n'}", &err), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.matcher[0].type, MATCHER_NOT_EQUAL);
	assert_string_equal(s.matcher[0].value, "\\");
	assert_int_equal(s.matcher[1].type, MATCHER_NOT_REGEX);
	assert_string_equal(s.matcher[1].value, "'\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_read),
		cmocka_unit_test(json_that_is_none_is_refused),
		cmocka_unit_test(json_is_cut_or_deep),
		cmocka_unit_test(labels_that_are_not_ours),
		cmocka_unit_test(machines_are_told_apart),
		cmocka_unit_test(errors_are_quoted),
		cmocka_unit_test(remote_read_is_read),
		cmocka_unit_test(requests_say_what_is_meant),
		cmocka_unit_test(selectors_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
