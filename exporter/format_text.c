/* Text format 0.0.4, and the lines of samples that OpenMetrics has as well. */
#include "exporter/format.h"
#include "libmemhist/base/decimal.h"
#include "libmemhist/base/escape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 32 };

/* Whole numbers and thousandths, which are nearly all, by hand. Returns how many bytes. */
static size_t write_number(char to[NUMBER_MAX], double value)
{
	static const double EXACT_MAX = 9007199254740992.0; /* 2^53 */
	int digits;

	if (value >= 0 && value <= EXACT_MAX && value == (double)(uint64_t)value && !signbit(value))
		return (size_t)(mh_decimal(to, (uint64_t)value) - to);
	if (value > 0 && value < EXACT_MAX / 1000) {
		uint64_t thousandths = (uint64_t)(value * 1000 + 0.5);

		/* the nearest double to the number as written is what strtod() gives back */
		if ((double)thousandths / 1000 == value) {
			size_t n = (size_t)(mh_decimal(to, thousandths / 1000) - to);

			to[n++] = '.';
			to[n++] = (char)('0' + thousandths / 100 % 10);
			to[n++] = (char)('0' + thousandths / 10 % 10);
			to[n++] = (char)('0' + thousandths % 10);
			while (to[n - 1] == '0')
				n--;
			return n;
		}
	}
	if (isnan(value) || isinf(value))
		return (size_t)snprintf(to, NUMBER_MAX, "%s",
					isnan(value) ? "NaN"
					: value > 0  ? "+Inf"
						     : "-Inf");
	for (digits = 15; digits < 17; digits++) {
		snprintf(to, NUMBER_MAX, "%.*g", digits, value);
		if (strtod(to, NULL) == value)
			break;
	}
	return (size_t)snprintf(to, NUMBER_MAX, "%.*g", digits, value);
}

/* With the blank in front of the value. */
void format_text_labels(struct mh_buf *out, const struct families *f, const struct label_set *set)
{
	for (uint32_t i = 0; i < set->n; i++) {
		const struct label_pair *pair = &f->pair[set->first + i];

		mh_buf_addc(out, i ? ',' : '{');
		mh_buf_adds(out, pair->name);
		mh_buf_adds(out, "=\"");
		mh_escape_prometheus(out, f->text.data + pair->value, pair->value_len);
		mh_buf_addc(out, '"');
	}
	mh_buf_adds(out, set->n ? "} " : " ");
}

void format_text_samples(struct mh_buf *out, const struct families *f, const struct family *family,
			 const struct spelled *spelled, uint32_t first, uint32_t n)
{
	const char *name = f->text.data + family->name;

	for (uint32_t i = first; i < first + n; i++) {
		const struct family_sample *sample = &f->sample[i];
		uint32_t len;
		const char *labels = spelled_set(spelled, sample->labels, &len);
		char *to = mh_buf_reserve(out, family->name_len + len + NUMBER_MAX);
		char *p = to;

		if (!to)
			return;
		memcpy(p, name, family->name_len);
		p += family->name_len;
		memcpy(p, labels, len);
		p += len;
		p += write_number(p, sample->value);
		*p++ = '\n';
		out->len += (size_t)(p - to);
	}
}

/* In a HELP line of this format a quote is nothing special. */
static void add_help(struct mh_buf *out, const char *help)
{
	for (size_t n; *help; help += n) {
		n = strcspn(help, "\\\n");
		mh_escape_utf8(out, help, n);
		if (!help[n])
			return;
		mh_buf_adds(out, help[n] == '\n' ? "\\n" : "\\\\");
		n++;
	}
}

static void begin(struct mh_buf *out, const struct families *f, const struct family *family,
		  const struct spelled *spelled)
{
	const char *name = f->text.data + family->name;

	(void)spelled;
	mh_buf_printf(out, "# HELP %s ", name);
	add_help(out, f->text.data + family->help);
	mh_buf_printf(out, "\n# TYPE %s %s\n", name,
		      family->type == METRIC_COUNTER ? "counter" : "gauge");
}

static void end(struct mh_buf *out)
{
	(void)out;
}

const struct format format_text = {
	.content_type = "text/plain; version=0.0.4; charset=utf-8",
	.labels = format_text_labels,
	.begin = begin,
	.samples = format_text_samples,
	.end = end,
};
