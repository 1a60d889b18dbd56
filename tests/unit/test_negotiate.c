/* Which format and compression clients get for what they ask for. */
#include "exporter/negotiate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define OM         "application/openmetrics-text"
#define PROTO      "application/vnd.google.protobuf"
#define PROTO_FULL PROTO ";proto=io.prometheus.client.MetricFamily;encoding=delimited"

static const struct {
	const char *accept;
	enum page_format format;
} formats[] = {
	/* Prometheus 2.42, 2.42 with native histograms, 3 */
	{OM ";version=1.0.0," OM ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	 PAGE_OPENMETRICS},
	{PROTO_FULL "," OM ";version=1.0.0;q=0.8," OM
		    ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	 PAGE_PROTOBUF},
	{OM ";version=1.0.0;escaping=allow-utf-8;q=0.6," OM
	    ";version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/"
	    "plain;version=0.0.4;q=0.3,*/*;q=0.2",
	 PAGE_OPENMETRICS},
	{PROTO_FULL ";escaping=allow-utf-8;q=0.7," OM ";version=1.0.0;q=0.6,*/*;q=0.2",
	 PAGE_PROTOBUF},
	/* curl, a browser, nobody */
	{"*/*", PAGE_TEXT},
	{"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", PAGE_TEXT},
	{"", PAGE_TEXT},
	{NULL, PAGE_TEXT},
	/* weights */
	{"text/plain;q=0.5," OM ";q=0.6", PAGE_OPENMETRICS},
	{"text/plain;q=0.6," OM ";q=0.5", PAGE_TEXT},
	{"text/plain, " OM, PAGE_TEXT},
	{OM ",text/plain", PAGE_TEXT},
	{"text/plain;q=0.001," OM ";q=0.002", PAGE_OPENMETRICS},
	{"text/plain;q=0.0011," OM ";q=0.0019," PROTO ";q=0", PAGE_TEXT},
	{"text/plain;q=0", PAGE_TEXT},
	{"*/*;q=0", PAGE_TEXT},
	{"text/plain;q=0,*/*", PAGE_OPENMETRICS},
	{"text/plain;q=0," OM ";q=0.000,*/*;q=0.1", PAGE_PROTOBUF},
	{"text/*;q=0.2, application/*;q=0.3", PAGE_OPENMETRICS},
	{"application/*", PAGE_OPENMETRICS},
	{"application/*," OM ";q=0", PAGE_PROTOBUF},
	{"text/*," OM ";q=0.9", PAGE_TEXT},
	/* the most specific range decides, wherever it stands */
	{"*/*;q=1,text/plain;q=0.2," OM ";q=0.1," PROTO ";q=0.3", PAGE_PROTOBUF},
	{"text/plain;version=0.0.4;q=0.1,text/plain;q=0.9," OM ";q=0.5", PAGE_OPENMETRICS},
	{"text/plain;q=0.9,text/plain;version=0.0.4;q=0.1," OM ";q=0.5", PAGE_OPENMETRICS},
	{OM ";q=0.1," OM ";q=0.7,text/plain;q=0.5", PAGE_OPENMETRICS},
	/* parameters */
	{OM ";version=1.0.0", PAGE_OPENMETRICS},
	{OM ";version=0.0.1", PAGE_TEXT},
	{OM ";version=2.0.0", PAGE_TEXT},
	{OM "; charset=UTF-8 ; version=\"1.0.0\" ;q=1.000", PAGE_OPENMETRICS},
	{OM ";charset=utf-16,*/*;q=0.1", PAGE_TEXT},
	{"Application/OpenMetrics-Text;VERSION=1.0.0", PAGE_OPENMETRICS},
	{PROTO, PAGE_PROTOBUF},
	{PROTO ";proto=io.prometheus.client.MetricFamily;encoding=text", PAGE_TEXT},
	{PROTO ";proto=io.prometheus.client.MetricFamily;encoding=compact-text", PAGE_TEXT},
	{PROTO ";proto=another", PAGE_TEXT},
	{"text/plain;version=1.0.0;q=0.9," OM ";q=0.5", PAGE_OPENMETRICS},
	{"text/plain;x=\",\";q=0.9," OM ";q=0.5", PAGE_OPENMETRICS},
	/* what is not understood is passed over */
	{OM ";q=1.5," PROTO, PAGE_PROTOBUF},
	{OM ";q=-1", PAGE_TEXT},
	{OM ";q=", PAGE_TEXT},
	{OM ";q=a", PAGE_TEXT},
	{OM ";q", PAGE_TEXT},
	{OM ";q=0.5.5", PAGE_TEXT},
	{OM ";q=1.001", PAGE_TEXT},
	{OM ";version=\"1.0.0", PAGE_TEXT},
	{OM " " PROTO, PAGE_TEXT},
	{OM "/x", PAGE_TEXT},
	{OM "x", PAGE_TEXT},
	{"application", PAGE_TEXT},
	{"application/", PAGE_TEXT},
	{"*", PAGE_TEXT},
	{"/", PAGE_TEXT},
	{",,, ,;,=,\"," OM, PAGE_TEXT}, /* the quote takes the rest */
	{",,, ,;,=," OM " ,", PAGE_OPENMETRICS},
	{" \t" OM "\t;\tversion=1.0.0 ;; , ", PAGE_OPENMETRICS},
	{"\x01\xff," OM, PAGE_OPENMETRICS},
	{OM ";a\xff=1", PAGE_TEXT},
};

static void formats_are_those_that_clients_want(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct wishes w = {0};

		wishes_accept(&w, formats[i].accept);
		if (wishes_format(&w) != formats[i].format)
			fail_msg("'%s' gives %d", formats[i].accept, (int)wishes_format(&w));
	}
}

static void several_headers_are_one_list(void **state)
{
	struct wishes w = {0};

	(void)state;
	wishes_accept(&w, "text/plain;q=0.5");
	wishes_accept(&w, OM);
	wishes_accept_encoding(&w, "br");
	wishes_accept_encoding(&w, "gzip;q=0.1, identity;q=0");
	assert_int_equal(wishes_format(&w), PAGE_OPENMETRICS);
	assert_int_equal(wishes_coding(&w), PAGE_GZIP);
}

static const struct {
	const char *accept_encoding;
	enum page_coding coding;
} codings[] = {
	{"gzip", PAGE_GZIP},
	{"GZip", PAGE_GZIP},
	{"x-gzip", PAGE_GZIP},
	{"gzip, deflate, br, zstd", PAGE_GZIP},
	{"deflate;q=1, gzip;q=0.001", PAGE_GZIP},
	{"gzip;q=0.5,identity;q=0.4", PAGE_GZIP},
	{"gzip;q=0.4,identity;q=0.5", PAGE_IDENTITY},
	{"identity, gzip", PAGE_GZIP},
	{"*", PAGE_GZIP},
	{"*;q=0.5, gzip;q=0", PAGE_IDENTITY},
	{"gzip;q=0", PAGE_IDENTITY},
	{"gzip;q=0.0", PAGE_IDENTITY},
	{"identity", PAGE_IDENTITY},
	{"br", PAGE_IDENTITY},
	{"", PAGE_IDENTITY},
	{"gzip;q=2", PAGE_IDENTITY},
	{"gzip;q=x, identity;q=0.1", PAGE_IDENTITY},
	{"gzipx", PAGE_IDENTITY},
	{"identity;q=0, gzip", PAGE_GZIP},
	{"*;q=0, gzip", PAGE_GZIP},
	{"identity;q=0", PAGE_CODINGS},
	{"br, identity;q=0", PAGE_CODINGS},
	{"*;q=0", PAGE_CODINGS},
	{"*;q=0, identity", PAGE_IDENTITY},
	{"gzip;q=0, identity;q=0, *;q=1", PAGE_CODINGS},
};

static void codings_are_those_that_clients_want(void **state)
{
	struct wishes none = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
		struct wishes w = {0};

		wishes_accept_encoding(&w, codings[i].accept_encoding);
		if (wishes_coding(&w) != codings[i].coding)
			fail_msg("'%s' gives %d", codings[i].accept_encoding,
				 (int)wishes_coding(&w));
	}
	assert_int_equal(wishes_coding(&none), PAGE_IDENTITY);
}

static void long_lists_have_an_end(void **state)
{
	struct mh_buf list = MH_BUF_INIT(1 << 20);
	struct wishes w = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		mh_buf_adds(&list, "a/b;c=d;e=\"f,\\\"\",");
	mh_buf_adds(&list, OM);
	wishes_accept(&w, mh_buf_str(&list));
	assert_int_equal(wishes_format(&w), PAGE_TEXT);
	mh_buf_done(&list);
}

/* Nothing of any bytes is read beyond their end (the sanitizers would see), nor taken for good. */
static void any_bytes_are_an_answer(void **state)
{
	static const char alphabet[] = "ax*/;,=\" \tq01.\\\xff";
	uint32_t random = 7;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct wishes w = {0};
		char *value;
		size_t len;

		random = random * 1664525 + 1013904223;
		len = random >> 16 & 31;
		value = malloc(len + 1);
		for (size_t i = 0; i < len; i++) {
			random = random * 1664525 + 1013904223;
			value[i] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
		}
		value[len] = '\0';
		wishes_accept(&w, value);
		wishes_accept_encoding(&w, value);
		assert_true(wishes_format(&w) < PAGE_FORMATS);
		assert_true(wishes_coding(&w) <= PAGE_CODINGS);
		free(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_those_that_clients_want),
		cmocka_unit_test(several_headers_are_one_list),
		cmocka_unit_test(codings_are_those_that_clients_want),
		cmocka_unit_test(long_lists_have_an_end),
		cmocka_unit_test(any_bytes_are_an_answer),
	};

	return cmocka_run_group_tests_name("negotiate", tests, NULL, NULL);
}
