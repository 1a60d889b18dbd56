/*
 * Labels are looked at as they come. What is not of the process (job, instance, what others have
 * added) names the machine; labels that the process has are left out of that.
 */
#include "tools/store_samples.h"

#include "libmemhist/base/escape.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void store_samples_done(struct store_samples *s)
{
	free(s->series);
	free(s->sample);
	*s = (struct store_samples){0};
}

void store_samples_clear(struct store_samples *s)
{
	s->n = s->n_series = 0;
}

/* Room for one more; 0, -ENOMEM or -EOVERFLOW. */
static int reserve(void **items, uint32_t *cap, uint32_t n, size_t size)
{
	uint32_t bigger = *cap ? *cap * 2 : 1024;
	void *moved;

	if (n < *cap)
		return 0;
	if (n >= STORE_SAMPLES_MAX)
		return -EOVERFLOW;
	moved = reallocarray(*items, bigger, size);
	if (!moved)
		return -ENOMEM;
	*items = moved;
	*cap = bigger;
	return 0;
}

void store_series_begin(struct store_samples *s)
{
	s->next = (struct store_series){.start_ms = -1, .field = -1};
	s->is_ours = true;
	s->labels_len = 0;
	s->n_labels = 0;
}

static int field_of(const char *name, size_t len)
{
	const size_t prefix = strlen(STORE_METRIC_PREFIX);
	const char *rest = name + prefix;

	if (len < prefix || memcmp(name, STORE_METRIC_PREFIX, prefix) != 0)
		return -1;
	len -= prefix;
	if (len == strlen(STORE_METRIC_START) && !memcmp(rest, STORE_METRIC_START, len))
		return STORE_START;
	for (int field = 0; field < MH_FIELD_COUNT; field++)
		if (len == strlen(mh_fields[field].metric) &&
		    !memcmp(rest, mh_fields[field].metric, len))
			return field;
	return -1;
}

/* Digits alone, up to `max`; else -1. */
static int64_t number_of(const char *text, size_t len, int64_t max)
{
	int64_t n = 0;

	if (!len || len > 18)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = n * 10 + (text[i] - '0');
	}
	return n > max ? -1 : n;
}

static bool is_called(const char *name, size_t len, const char *wanted)
{
	return len == strlen(wanted) && !memcmp(name, wanted, len);
}

/* One of the machine's. What does not fit is left out of what tells machines apart. */
static void add_to_target(struct store_samples *s, const char *name, size_t name_len,
			  const char *value, size_t value_len)
{
	struct mh_buf text = MH_BUF_INIT(STORE_TARGET_MAX);

	if (s->n_labels++)
		mh_buf_adds(&text, ", ");
	mh_escape_utf8(&text, name, name_len);
	mh_buf_adds(&text, "=\"");
	mh_escape_prometheus(&text, value, value_len);
	mh_buf_addc(&text, '"');
	if (!text.error && s->labels_len + text.len < STORE_TARGET_MAX - 2) {
		memcpy(s->labels + s->labels_len, text.data, text.len);
		s->labels_len += text.len;
	}
	mh_buf_done(&text);
}

int store_series_label(struct store_samples *s, const char *name, size_t name_len,
		       const char *value, size_t value_len)
{
	struct store_series *next = &s->next;

	if (is_called(name, name_len, "__name__")) {
		next->field = field_of(value, value_len);
	} else if (is_called(name, name_len, "pid")) {
		int64_t pid = number_of(value, value_len, MH_PID_MAX);

		next->pid = pid < 1 ? 0 : (uint32_t)pid;
	} else if (is_called(name, name_len, "start")) {
		next->start_ms = number_of(value, value_len, INT64_MAX / 2);
	} else if (is_called(name, name_len, "comm")) {
		next->comm_len = (uint32_t)(value_len < MH_COMM_MAX ? value_len : MH_COMM_MAX);
		memcpy(next->comm, value, next->comm_len);
		next->comm[next->comm_len] = '\0';
	} else if (!is_called(name, name_len, "group")) {
		add_to_target(s, name, name_len, value, value_len);
	}
	return 0;
}

int store_series_end(struct store_samples *s)
{
	char target[STORE_TARGET_MAX] = "{";
	int rc;

	s->is_ours = s->next.field >= 0 && s->next.pid;
	if (!s->is_ours)
		return 0;
	memcpy(target + 1, s->labels, s->labels_len);
	target[1 + s->labels_len] = '}';
	if (!s->target[0])
		memcpy(s->target, target, sizeof(target));
	if (memcmp(s->target, target, s->labels_len + 3) != 0) {
		memcpy(s->other, target, sizeof(target));
		return -EMLINK;
	}
	rc = reserve((void **)&s->series, &s->series_cap, s->n_series, sizeof(*s->series));
	if (rc)
		return rc;
	s->series[s->n_series++] = s->next;
	return 1;
}

int store_sample_add(struct store_samples *s, mh_ms_t at_ms, double value)
{
	int rc;

	/* stale markers are NaN: that nothing follows is seen by there being nothing */
	if (!s->is_ours || !isfinite(value) || at_ms < s->since_ms || at_ms >= s->until_ms)
		return 0;
	rc = reserve((void **)&s->sample, &s->cap, s->n, sizeof(*s->sample));
	if (rc)
		return rc;
	s->sample[s->n++] = (struct store_sample){at_ms, s->n_series - 1, value};
	return 0;
}

static int compare(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int in_order(const void *a, const void *b, void *arg)
{
	const struct store_sample *x = a, *y = b;
	const struct store_series *series = arg;
	const struct store_series *p = &series[x->series], *q = &series[y->series];
	int c = compare(x->at_ms, y->at_ms);

	if (!c)
		c = compare(p->pid, q->pid);
	if (!c)
		c = compare(p->field != STORE_START, q->field != STORE_START);
	if (!c)
		c = compare(p->start_ms < 0, q->start_ms < 0);
	return c ? c : compare(x->series, y->series);
}

void store_samples_sort(struct store_samples *s)
{
	if (s->n)
		qsort_r(s->sample, s->n, sizeof(*s->sample), in_order, s->series);
}
