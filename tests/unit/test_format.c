/* Families in each format: exact lines, and protobuf read back by its schema. */
#include "exporter/format.h"
#include "libmemhist/base/escape.h"
#include "proto/metrics.pb-c.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef Io__Prometheus__Client__MetricFamily pb_family;
typedef Io__Prometheus__Client__Metric pb_metric;

static void write_all(struct mh_buf *out, enum page_format format, const struct families *f)
{
	struct spelled spelled = {.cap = 0};

	mh_buf_clear(out);
	assert_int_equal(format_write(format_of(format), f, &spelled, out, NULL, NULL), 0);
	assert_int_equal(out->error, 0);
	spelled_done(&spelled);
}

/* One of each type, with labels of all sorts. */
static void fill(struct families *f)
{
	uint32_t labels;

	families_init(f, 1000);
	families_begin(f, "m_info", METRIC_INFO, "Always 1.");
	families_add(f, families_labels(f, &(struct label){"version", "1.0"}, 1), 1);
	families_single(f, "m_up", METRIC_GAUGE, "1 when \"up\", see C:\\m\nor not.", 1);
	families_begin(f, "m_nobody_seconds", METRIC_GAUGE, "Left out: it has no samples.");
	families_begin(f, "m_waiting_seconds_total", METRIC_COUNTER, "Time.");
	labels = families_labels(
		f, (const struct label[]){{"group", "a\"b\\c\nd\t\xff"}, {"comm", ""}}, 2);
	families_add(f, labels, 0.5);
	families_add(f, families_labels(f, &(struct label){"group", "z"}, 1), 7);
	families_begin(f, "m_size_bytes", METRIC_GAUGE, "Size.");
	families_add(f, labels, 4096);
	families_begin(f, "m_none", METRIC_GAUGE, "Left out, too.");
	families_end(f);
	assert_int_equal(f->error, 0);
}

#define HOSTILE "a\\\"b\\\\c\\nd\t\xef\xbf\xbd"

static void text_is_what_its_specification_says(void **state)
{
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	struct families f;

	(void)state;
	fill(&f);
	write_all(&out, PAGE_TEXT, &f);
	assert_string_equal(mh_buf_str(&out),
			    "# HELP m_info Always 1.\n"
			    "# TYPE m_info gauge\n"
			    "m_info{version=\"1.0\"} 1\n"
			    "# HELP m_up 1 when \"up\", see C:\\\\m\\nor not.\n"
			    "# TYPE m_up gauge\n"
			    "m_up 1\n"
			    "# HELP m_waiting_seconds_total Time.\n"
			    "# TYPE m_waiting_seconds_total counter\n"
			    "m_waiting_seconds_total{group=\"" HOSTILE "\",comm=\"\"} 0.5\n"
			    "m_waiting_seconds_total{group=\"z\"} 7\n"
			    "# HELP m_size_bytes Size.\n"
			    "# TYPE m_size_bytes gauge\n"
			    "m_size_bytes{group=\"" HOSTILE "\",comm=\"\"} 4096\n");
	families_done(&f);
	mh_buf_done(&out);
}

static void openmetrics_is_what_its_specification_says(void **state)
{
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	struct families f;

	(void)state;
	fill(&f);
	write_all(&out, PAGE_OPENMETRICS, &f);
	assert_string_equal(mh_buf_str(&out),
			    "# TYPE m info\n"
			    "# HELP m Always 1.\n"
			    "m_info{version=\"1.0\"} 1\n"
			    "# TYPE m_up gauge\n"
			    "# HELP m_up 1 when \\\"up\\\", see C:\\\\m\\nor not.\n"
			    "m_up 1\n"
			    "# TYPE m_waiting_seconds counter\n"
			    "# UNIT m_waiting_seconds seconds\n"
			    "# HELP m_waiting_seconds Time.\n"
			    "m_waiting_seconds_total{group=\"" HOSTILE "\",comm=\"\"} 0.5\n"
			    "m_waiting_seconds_total{group=\"z\"} 7\n"
			    "# TYPE m_size_bytes gauge\n"
			    "# UNIT m_size_bytes bytes\n"
			    "# HELP m_size_bytes Size.\n"
			    "m_size_bytes{group=\"" HOSTILE "\",comm=\"\"} 4096\n"
			    "# EOF\n");
	families_done(&f);
	mh_buf_done(&out);
}

/* The message at *p of `end`, by its length; *p is moved behind it. */
static pb_family *read_family(const char **p, const char *end)
{
	size_t len = 0;
	pb_family *family;

	for (int shift = 0;; shift += 7) {
		unsigned char byte;

		assert_true(*p < end);
		byte = (unsigned char)*(*p)++;
		len |= (size_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			break;
	}
	assert_true(len <= (size_t)(end - *p));
	family = io__prometheus__client__metric_family__unpack(NULL, len, (const uint8_t *)*p);
	assert_non_null(family);
	assert_int_equal(io__prometheus__client__metric_family__get_packed_size(family), len);
	*p += len;
	return family;
}

static void assert_metric(const struct families *f, const struct family *family,
			  const struct family_sample *sample, const pb_metric *metric)
{
	const struct label_set *set = &f->set[sample->labels];

	assert_int_equal(metric->n_label, set->n);
	for (size_t i = 0; i < set->n; i++) {
		const struct label_pair *pair = &f->pair[set->first + i];
		struct mh_buf valid = MH_BUF_INIT(1 << 20);

		mh_escape_utf8(&valid, f->text.data + pair->value, pair->value_len);
		assert_string_equal(metric->label[i]->name, pair->name);
		assert_string_equal(metric->label[i]->value, mh_buf_str(&valid));
		mh_buf_done(&valid);
	}
	if (family->type == METRIC_COUNTER) {
		assert_null(metric->gauge);
		assert_true(metric->counter->has_value);
		assert_memory_equal(&metric->counter->value, &sample->value, sizeof(double));
	} else {
		assert_null(metric->counter);
		assert_true(metric->gauge->has_value);
		assert_memory_equal(&metric->gauge->value, &sample->value, sizeof(double));
	}
}

/* The page holds the families, and nothing else. */
static void assert_page(const struct mh_buf *page, const struct families *f)
{
	const char *p = page->data, *end = page->data + page->len;

	for (uint32_t i = 0; i < f->n_families; i++) {
		const struct family *family = &f->family[i];
		pb_family *read = read_family(&p, end);

		assert_string_equal(read->name, f->text.data + family->name);
		assert_string_equal(read->help, f->text.data + family->help);
		assert_true(read->has_type);
		assert_int_equal(read->type, family->type == METRIC_COUNTER
						     ? IO__PROMETHEUS__CLIENT__METRIC_TYPE__COUNTER
						     : IO__PROMETHEUS__CLIENT__METRIC_TYPE__GAUGE);
		assert_int_equal(!read->unit, !family->unit);
		if (read->unit)
			assert_string_equal(read->unit, family->unit);
		assert_int_equal(read->n_metric, family->n);
		for (uint32_t s = 0; s < family->n; s++)
			assert_metric(f, family, &f->sample[family->first + s], read->metric[s]);
		io__prometheus__client__metric_family__free_unpacked(read, NULL);
	}
	assert_ptr_equal(p, end);
}

static void protobuf_reads_back_by_its_schema(void **state)
{
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	struct families f;

	(void)state;
	fill(&f);
	write_all(&out, PAGE_PROTOBUF, &f);
	assert_page(&out, &f);
	families_done(&f);
	mh_buf_done(&out);
}

/* Lengths of one and of several bytes; numbers of all sorts; names of all bytes. */
static void protobuf_of_all_lengths_reads_back(void **state)
{
	struct mh_buf out = MH_BUF_INIT(64 << 20);
	char value[700];
	struct families f;

	(void)state;
	families_init(&f, 100000);
	for (uint32_t n = 0; n < 40; n++) {
		char name[32];

		snprintf(name, sizeof(name), "m_%u_bytes", n);
		families_begin(&f, name, n % 3 ? METRIC_GAUGE : METRIC_COUNTER, "Help.");
		for (uint32_t i = 0; i < n * n; i++) {
			size_t len = (i * 7919u) % sizeof(value);
			double number;
			uint64_t bits = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

			for (size_t c = 0; c < len; c++)
				value[c] = (char)((i + c * n) % 255 + 1);
			value[len ? len - 1 : 0] = '\0';
			memcpy(&number, &bits, sizeof(number));
			families_add(&f, families_labels(&f, &(struct label){"group", value}, 1),
				     number);
		}
	}
	families_end(&f);
	assert_int_equal(f.error, 0);
	write_all(&out, PAGE_PROTOBUF, &f);
	assert_page(&out, &f);
	families_done(&f);
	mh_buf_done(&out);
}

static int join(void *arg, struct mh_buf *piece)
{
	mh_buf_add(arg, piece->data, piece->len);
	return 0;
}

static int refuse(void *arg, struct mh_buf *piece)
{
	(void)arg;
	(void)piece;
	return -EIO;
}

static void pieces_make_the_whole(void **state)
{
	struct mh_buf whole = MH_BUF_INIT(8 << 20), joined = MH_BUF_INIT(8 << 20),
		      piece = MH_BUF_INIT(1 << 20);
	struct spelled spelled = {.cap = 0};
	struct families f;

	(void)state;
	families_init(&f, 100000);
	families_begin(&f, "m", METRIC_GAUGE, "Help.");
	for (uint32_t i = 0; i < 20000; i++)
		families_add(&f, NO_LABELS, i);
	families_end(&f);
	for (int format = 0; format < PAGE_FORMATS; format++) {
		write_all(&whole, (enum page_format)format, &f);
		mh_buf_clear(&joined);
		assert_int_equal(format_write(format_of((enum page_format)format), &f, &spelled,
					      &piece, join, &joined),
				 0);
		assert_int_equal(joined.len, whole.len);
		assert_memory_equal(joined.data, whole.data, whole.len);
		assert_true(piece.cap < whole.len);
		assert_int_equal(format_write(format_of((enum page_format)format), &f, &spelled,
					      &piece, refuse, NULL),
				 -EIO);
		mh_buf_clear(&piece);
	}
	spelled_done(&spelled);
	families_done(&f);
	mh_buf_done(&whole);
	mh_buf_done(&joined);
	mh_buf_done(&piece);
}

static void what_is_beyond_the_limit_is_counted(void **state)
{
	struct mh_buf out = MH_BUF_INIT(1 << 20);
	struct families f;

	(void)state;
	families_init(&f, 2);
	for (int round = 0; round < 2; round++) {
		families_single(&f, "a", METRIC_GAUGE, "A.", 1);
		families_begin(&f, "b", METRIC_GAUGE, "B.");
		for (int i = 0; i < 3; i++)
			families_add(&f, NO_LABELS, i);
		families_single(&f, "c", METRIC_GAUGE, "C.", 1);
		families_end(&f);
		assert_int_equal(f.n_dropped, 3);
		assert_int_equal(f.n_families, 2);
		write_all(&out, PAGE_TEXT, &f);
		assert_null(strstr(mh_buf_str(&out), "C."));
		families_clear(&f);
	}
	families_done(&f);
	mh_buf_done(&out);
}

/* `value` as text. */
static const char *number(struct mh_buf *out, double value)
{
	struct families f;

	families_init(&f, 1);
	families_single(&f, "m", METRIC_GAUGE, "M.", value);
	write_all(out, PAGE_TEXT, &f);
	families_done(&f);
	mh_buf_str(out);
	out->data[out->len - 1] = '\0'; /* its newline */
	return strstr(out->data, "\nm ") + 3;
}

static void numbers_lose_nothing(void **state)
{
	static const double values[] = {0,
					1,
					-1,
					0.1,
					1e9 / 3,
					1795206528.502,
					DBL_MAX,
					-0.5,
					1e15,
					1e-300,
					18446744073709551615.0,
					9007199254740993.0,
					9007199254740.993,
					0.001,
					0.0005,
					123.45,
					1000.0009,
					DBL_MIN,
					INFINITY,
					-INFINITY};
	struct mh_buf out = MH_BUF_INIT(1 << 16);

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_true(strtod(number(&out, values[i]), NULL) == values[i]);
	for (uint64_t i = 1; i < 100000; i++) {
		double value = (double)(i * 7919 * 104729 % 1795206528502) / 1000;

		assert_true(strtod(number(&out, value), NULL) == value);
	}
	assert_string_equal(number(&out, 1795206528.502), "1795206528.502");
	assert_string_equal(number(&out, 35184372088832), "35184372088832");
	assert_string_equal(number(&out, 0.25), "0.25");
	assert_string_equal(number(&out, NAN), "NaN");
	assert_string_equal(number(&out, INFINITY), "+Inf");
	assert_string_equal(number(&out, -INFINITY), "-Inf");
	mh_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_what_its_specification_says),
		cmocka_unit_test(openmetrics_is_what_its_specification_says),
		cmocka_unit_test(protobuf_reads_back_by_its_schema),
		cmocka_unit_test(protobuf_of_all_lengths_reads_back),
		cmocka_unit_test(pieces_make_the_whole),
		cmocka_unit_test(what_is_beyond_the_limit_is_counted),
		cmocka_unit_test(numbers_lose_nothing),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
