/* Batches in both protocols of remote write: what is read back by their schema is what was added.
 */
#include "exporter/remote/encode.h"
#include "libmemhist/base/escape.h"
#include "proto/remote.pb-c.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef Memhist__Remote__V1WriteRequest v1_request;
typedef Memhist__Remote__V2Request v2_request;

enum { SERIES = 60, SAMPLES = 300 };
static const mh_ms_t NOON = 1795262400000;

/* What was added, to be compared with. */
struct expected {
	struct remote_series *series[SERIES];
	uint32_t n[SERIES];
	struct {
		uint64_t bits;
		mh_ms_t ms, start_ms;
	} sample[SERIES][SAMPLES];
};

struct rig {
	uint64_t random;
	struct remote_pool pool;
	struct remote_family *family[3];
	struct remote_batch *batch;
	struct expected expected;
};

static uint32_t pick(struct rig *rig, uint32_t n)
{
	rig->random = rig->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rig->random >> 33) % n;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void rig_begin(struct rig *rig, uint64_t seed, uint32_t max_samples)
{
	*rig = (struct rig){.random = seed};
	rig->family[0] = remote_family_new(&rig->pool, "memhist_x_bytes", METRIC_GAUGE, "Size.");
	rig->family[1] = remote_family_new(&rig->pool, "memhist_y_total", METRIC_COUNTER, "");
	rig->family[2] = remote_family_new(&rig->pool, "memhist_z_info", METRIC_INFO, "Is 1.");
	for (int i = 0; i < 3; i++)
		assert_non_null(rig->family[i]);
	assert_int_equal(remote_batch_new(&rig->batch, &rig->pool, max_samples), 0);
}

static void rig_end(struct rig *rig)
{
	for (int i = 0; i < SERIES; i++)
		remote_series_put(&rig->pool, rig->expected.series[i]);
	remote_batch_free(rig->batch);
	for (int i = 0; i < 3; i++)
		remote_family_put(&rig->pool, rig->family[i]);
	/* nobody holds a string any more */
	assert_int_equal(rig->pool.strings.n_items, rig->pool.strings.n_unused);
	remote_pool_done(&rig->pool);
}

static struct remote_series *random_series(struct rig *rig, int number)
{
	static const char *const names[] = {"pid", "Group", "_x", "comm", "zone", "job", "a9"};
	char value[7][64], unique[16];
	struct label label[8];
	uint32_t n = pick(rig, 8);

	snprintf(unique, sizeof(unique), "%d", number);
	label[0] = (struct label){"number", unique};
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = pick(rig, 60);

		for (uint32_t k = 0; k < len; k++)
			value[i][k] = (char)(pick(rig, 3) ? 'a' + pick(rig, 26)
							  : 1 + pick(rig, 255));
		value[i][len] = '\0';
		if (i < 7)
			label[1 + i] = (struct label){names[i], value[i]};
	}
	return remote_series_get(&rig->pool, rig->family[pick(rig, 3)], label, 1 + (n < 7 ? n : 7));
}

static double random_value(struct rig *rig)
{
	static const double odd[] = {0, -0.0, 1e308, 1e-307, 5e-324, INFINITY, -INFINITY, -1.5};
	uint32_t which = pick(rig, 20);

	if (which < sizeof(odd) / sizeof(*odd))
		return odd[which];
	return which == 19 ? remote_stale() : pick(rig, 1 << 30) * 4096.0;
}

/* Fill the batch; each series is made when it is first used. */
static void fill(struct rig *rig)
{
	struct expected *e = &rig->expected;
	mh_ms_t ms = pick(rig, 10) ? NOON : -5; /* before 1970, too */

	for (uint32_t i = 0; i < rig->batch->max_samples; i++) {
		uint32_t k = pick(rig, SERIES);
		double value = random_value(rig);

		ms += 1 + pick(rig, 1000);
		if (!e->series[k])
			e->series[k] = random_series(rig, (int)k);
		assert_non_null(e->series[k]);
		if (!pick(rig, 4))
			e->series[k]->start_ms = ms - pick(rig, 2000);
		if (e->n[k] == SAMPLES)
			continue;
		assert_int_equal(remote_batch_add(rig->batch, e->series[k], value, ms), 0);
		e->sample[k][e->n[k]].bits = bits_of(value);
		e->sample[k][e->n[k]].start_ms = e->series[k]->start_ms;
		e->sample[k][e->n[k]++].ms = ms;
	}
}

static uint32_t number_of(const struct rig *rig, const struct remote_series *series)
{
	for (uint32_t k = 0; k < SERIES; k++)
		if (rig->expected.series[k] == series)
			return k;
	fail_msg("a series that was not added");
	return 0;
}

static void label_is(const char *was, const struct mh_pooled *is)
{
	const char *p = is->bytes;
	size_t left = is->len, len;

	assert_string_equal(was, is->bytes);
	assert_true(*was);
	for (; left; p += len, left -= len) {
		len = mh_utf8_length(p, left);
		assert_true(len > 0);
	}
}

static void v1_is_right(const struct rig *rig, uint32_t first, uint32_t n, const struct mh_buf *out)
{
	v1_request *r = memhist__remote__v1_write_request__unpack(NULL, out->len,
								  (const uint8_t *)out->data);

	assert_non_null(r);
	assert_int_equal(r->n_timeseries, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct remote_series *series = rig->batch->series[first + i].series;
		const Memhist__Remote__V1TimeSeries *t = r->timeseries[i];
		uint32_t k = number_of(rig, series);

		assert_int_equal(t->n_labels, series->n_labels);
		for (size_t l = 0; l < t->n_labels; l++) {
			label_is(t->labels[l]->name, series->label[2 * l]);
			label_is(t->labels[l]->value, series->label[2 * l + 1]);
			if (l)
				assert_true(strcmp(t->labels[l - 1]->name, t->labels[l]->name) < 0);
		}
		assert_int_equal(t->n_samples, rig->expected.n[k]);
		for (size_t s = 0; s < t->n_samples; s++) {
			assert_int_equal(bits_of(t->samples[s]->value),
					 rig->expected.sample[k][s].bits);
			assert_int_equal(t->samples[s]->timestamp, rig->expected.sample[k][s].ms);
		}
	}
	memhist__remote__v1_write_request__free_unpacked(r, NULL);
}

static void symbols_are_right(const v2_request *r)
{
	assert_true(r->n_symbols > 0);
	assert_string_equal(r->symbols[0], "");
	for (size_t i = 0; i < r->n_symbols; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(r->symbols[i], r->symbols[k]);
}

static void v2_is_right(const struct rig *rig, uint32_t first, uint32_t n, const struct mh_buf *out)
{
	static const int types[] = {[METRIC_GAUGE] = 2, [METRIC_COUNTER] = 1, [METRIC_INFO] = 6};
	v2_request *r = memhist__remote__v2_request__unpack(NULL, out->len,
							    (const uint8_t *)out->data);

	assert_non_null(r);
	symbols_are_right(r);
	assert_int_equal(r->n_timeseries, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct remote_series *series = rig->batch->series[first + i].series;
		const Memhist__Remote__V2TimeSeries *t = r->timeseries[i];
		uint32_t k = number_of(rig, series);

		assert_int_equal(t->n_labels_refs, 2 * series->n_labels);
		for (size_t l = 0; l < t->n_labels_refs; l++) {
			assert_true(t->labels_refs[l] < r->n_symbols);
			label_is(r->symbols[t->labels_refs[l]], series->label[l]);
		}
		assert_int_equal(t->n_samples, rig->expected.n[k]);
		for (size_t s = 0; s < t->n_samples; s++) {
			mh_ms_t ms = rig->expected.sample[k][s].ms;
			mh_ms_t start_ms = rig->expected.sample[k][s].start_ms;

			assert_int_equal(bits_of(t->samples[s]->value),
					 rig->expected.sample[k][s].bits);
			assert_int_equal(t->samples[s]->timestamp, ms);
			assert_int_equal(t->samples[s]->start_timestamp,
					 start_ms < ms ? start_ms : 0);
		}
		assert_int_equal(t->metadata->type, types[series->family->type]);
		assert_string_equal(r->symbols[t->metadata->help_ref], series->family->help->bytes);
		assert_string_equal(r->symbols[t->metadata->unit_ref], series->family->unit->bytes);
	}
	memhist__remote__v2_request__free_unpacked(r, NULL);
}

static void range_is_right(struct rig *rig, uint32_t first, uint32_t n)
{
	struct mh_buf out = MH_BUF_INIT(REMOTE_REQUEST_MAX),
		      again = MH_BUF_INIT(REMOTE_REQUEST_MAX);

	assert_int_equal(remote_encode_v1(rig->batch, first, n, &out), 0);
	v1_is_right(rig, first, n, &out);
	mh_buf_clear(&out);
	assert_int_equal(remote_encode_v2(rig->batch, first, n, &out), 0);
	v2_is_right(rig, first, n, &out);
	assert_int_equal(remote_encode_v2(rig->batch, first, n, &again), 0);
	assert_int_equal(out.len, again.len);
	assert_memory_equal(out.data, again.data, out.len);
	mh_buf_done(&out);
	mh_buf_done(&again);
}

static void what_is_added_is_read_back(void **state)
{
	static struct rig rig;

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		uint32_t first, n;

		rig_begin(&rig, seed, 1 + (uint32_t)seed * 20);
		fill(&rig);
		range_is_right(&rig, 0, rig.batch->n_series);
		first = pick(&rig, rig.batch->n_series);
		n = 1 + pick(&rig, rig.batch->n_series - first);
		range_is_right(&rig, first, n);
		rig_end(&rig);
	}
}

/* The same bytes, also when the batch's series have been given back since. */
static void a_batch_stays_as_it_was(void **state)
{
	struct mh_buf one = MH_BUF_INIT(REMOTE_REQUEST_MAX), two = MH_BUF_INIT(REMOTE_REQUEST_MAX);
	static struct rig rig;

	(void)state;
	rig_begin(&rig, 7, 500);
	fill(&rig);
	assert_int_equal(remote_encode_v1(rig.batch, 0, rig.batch->n_series, &one), 0);
	for (int i = 0; i < SERIES; i++) {
		remote_series_put(&rig.pool, rig.expected.series[i]);
		rig.expected.series[i] = NULL;
	}
	remote_series_put(&rig.pool, random_series(&rig, 1000));
	assert_int_equal(remote_encode_v1(rig.batch, 0, rig.batch->n_series, &two), 0);
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.data, two.data, one.len);
	mh_buf_done(&one);
	mh_buf_done(&two);
	rig_end(&rig);
}

/* Two halves hold what the whole holds: a refused batch can be cut anywhere. */
static void a_batch_can_be_cut(void **state)
{
	struct mh_buf whole = MH_BUF_INIT(REMOTE_REQUEST_MAX),
		      cut = MH_BUF_INIT(REMOTE_REQUEST_MAX);
	static struct rig rig;
	uint32_t n, samples;

	(void)state;
	rig_begin(&rig, 11, 400);
	fill(&rig);
	n = rig.batch->n_series;
	assert_int_equal(remote_encode_v1(rig.batch, 0, n, &whole), 0);
	for (uint32_t at = 0; at <= n; at++) {
		mh_buf_clear(&cut);
		assert_int_equal(remote_encode_v1(rig.batch, 0, at, &cut), 0);
		assert_int_equal(remote_encode_v1(rig.batch, at, n - at, &cut), 0);
		assert_int_equal(cut.len, whole.len);
		assert_memory_equal(cut.data, whole.data, cut.len);
		samples = remote_batch_samples(rig.batch, 0, at) +
			  remote_batch_samples(rig.batch, at, n - at);
		assert_int_equal(samples, rig.batch->n_samples);
	}
	mh_buf_done(&whole);
	mh_buf_done(&cut);
	rig_end(&rig);
}

static void labels_are_checked(void **state)
{
	static struct rig rig;
	const struct label twice[] = {{"b", "1"}, {"a", ""}, {"b", "2"}, {"__name__", "other"}};
	struct label many[REMOTE_LABELS_MAX];
	struct remote_series *s;

	(void)state;
	rig_begin(&rig, 1, 10);
	s = remote_series_get(&rig.pool, rig.family[0], twice, 4);
	assert_non_null(s);
	assert_int_equal(s->n_labels, 2);
	assert_string_equal(s->label[0]->bytes, "__name__");
	assert_string_equal(s->label[1]->bytes, "memhist_x_bytes");
	assert_string_equal(s->label[2]->bytes, "b");
	assert_string_equal(s->label[3]->bytes, "1");
	remote_series_put(&rig.pool, s);
	for (const char *const *bad = (const char *const[]){"", "1a", "a-b", "\xc3\xa9", NULL};
	     *bad; bad++) {
		struct label label[] = {{"good", "1"}, {*bad, "2"}};

		errno = 0;
		assert_null(remote_series_get(&rig.pool, rig.family[0], label, 2));
		assert_int_equal(errno, EINVAL);
	}
	for (int i = 0; i < REMOTE_LABELS_MAX; i++)
		many[i] = (struct label){"a", "1"};
	assert_null(remote_series_get(&rig.pool, rig.family[0], many, REMOTE_LABELS_MAX));
	rig_end(&rig);
}

static void a_series_is_there_once(void **state)
{
	static struct rig rig;
	struct remote_series *series[100], *again;
	char number[16];
	const struct label label[] = {{"n", number}, {"b", "x"}}, other[] = {label[1], label[0]};

	(void)state;
	rig_begin(&rig, 1, 10);
	for (int i = 0; i < 100; i++) {
		snprintf(number, sizeof(number), "%d", i);
		series[i] = remote_series_get(&rig.pool, rig.family[0], label, 2);
	}
	for (int i = 0; i < 100; i += 3)
		remote_series_put(&rig.pool, series[i]);
	for (int i = 0; i < 100; i++) {
		snprintf(number, sizeof(number), "%d", i);
		again = remote_series_get(&rig.pool, rig.family[0], other, 2);
		if (i % 3)
			assert_ptr_equal(again, series[i]);
		assert_int_equal(again->references, i % 3 ? 2 : 1);
		assert_string_equal(again->label[5]->bytes, number);
		remote_series_put(&rig.pool, again);
		if (i % 3)
			remote_series_put(&rig.pool, again);
	}
	assert_int_equal(rig.pool.n_series, 0);
	rig_end(&rig);
}

static void a_long_value_is_cut(void **state)
{
	static struct rig rig;
	static char value[REMOTE_VALUE_MAX + 100];
	struct remote_series *s;

	(void)state;
	rig_begin(&rig, 1, 10);
	memset(value, 'x', sizeof(value) - 1);
	memcpy(value + REMOTE_VALUE_MAX - 1, "\xc3\xa9", 2); /* cut within a character */
	s = remote_series_get(&rig.pool, rig.family[0], &(struct label){"a", value}, 1);
	assert_non_null(s);
	assert_int_equal(s->label[3]->len, REMOTE_VALUE_MAX - 1 + 3);
	assert_string_equal(s->label[3]->bytes + REMOTE_VALUE_MAX - 1, "\xef\xbf\xbd");
	remote_series_put(&rig.pool, s);
	rig_end(&rig);
}

static void a_batch_refuses_what_is_out_of_order(void **state)
{
	static struct rig rig;
	struct remote_series *s;

	(void)state;
	rig_begin(&rig, 1, 3);
	s = remote_series_get(&rig.pool, rig.family[0], NULL, 0);
	assert_int_equal(remote_batch_add(rig.batch, s, 1, NOON), 0);
	assert_int_equal(remote_batch_add(rig.batch, s, 2, NOON), -EINVAL);
	assert_int_equal(remote_batch_add(rig.batch, s, 2, NOON - 1), -EINVAL);
	assert_int_equal(remote_batch_add(rig.batch, s, -NAN, NOON + 1), 0);
	assert_int_equal(bits_of(rig.batch->sample[1].value), 0x7ff8000000000001);
	assert_false(remote_is_stale(rig.batch->sample[1].value));
	assert_int_equal(remote_batch_add(rig.batch, s, remote_stale(), NOON + 2), 0);
	assert_int_equal(bits_of(rig.batch->sample[2].value), 0x7ff0000000000002);
	assert_int_equal(remote_batch_add(rig.batch, s, 3, NOON + 3), -EOVERFLOW);
	assert_int_equal(rig.batch->first_ms, NOON);
	assert_int_equal(rig.batch->last_ms, NOON + 2);
	remote_batch_clear(rig.batch);
	assert_int_equal(remote_batch_add(rig.batch, s, 3, NOON), 0);
	assert_int_equal(rig.batch->n_series, 1);
	remote_series_put(&rig.pool, s);
	rig_end(&rig);
}

static void a_cap_leaves_nothing_behind(void **state)
{
	struct mh_buf out = MH_BUF_INIT(300);
	static struct rig rig;

	(void)state;
	rig_begin(&rig, 3, 100);
	fill(&rig);
	mh_buf_adds(&out, "before");
	assert_int_equal(remote_encode_v1(rig.batch, 0, rig.batch->n_series, &out), -EOVERFLOW);
	assert_int_equal(out.len, 6);
	mh_buf_clear(&out);
	assert_int_equal(remote_encode_v2(rig.batch, 0, rig.batch->n_series, &out), -EOVERFLOW);
	assert_int_equal(out.len, 0);
	mh_buf_done(&out);
	range_is_right(&rig, 0, rig.batch->n_series);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_read_back),
		cmocka_unit_test(a_batch_stays_as_it_was),
		cmocka_unit_test(a_batch_can_be_cut),
		cmocka_unit_test(labels_are_checked),
		cmocka_unit_test(a_series_is_there_once),
		cmocka_unit_test(a_long_value_is_cut),
		cmocka_unit_test(a_batch_refuses_what_is_out_of_order),
		cmocka_unit_test(a_cap_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
