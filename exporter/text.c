/* Writing text format 0.0.4, after Prometheus' "Exposition formats". */
#include "exporter/text.h"

#include "libmemhist/base/escape.h"

void text_family(struct mh_buf *out, const char *name, enum metric_type type, const char *help)
{
	mh_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		      type == METRIC_COUNTER ? "counter" : "gauge");
}

/* Whole numbers as such, others in the fewest digits that give the same double back. */
static void add_number(struct mh_buf *out, double value)
{
	static const double EXACT_MAX = 9007199254740992.0; /* 2^53 */
	char text[32];

	if (value >= 0 && value <= EXACT_MAX && value == (double)(uint64_t)value) {
		mh_buf_addu(out, (uint64_t)value);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	mh_buf_adds(out, text);
}

void text_sample(struct mh_buf *out, const char *name, const struct label *label, size_t n_labels,
		 double value)
{
	mh_buf_adds(out, name);
	for (size_t i = 0; i < n_labels; i++) {
		mh_buf_addc(out, i ? ',' : '{');
		mh_buf_adds(out, label[i].name);
		mh_buf_adds(out, "=\"");
		mh_escape_prometheus(out, label[i].value, strlen(label[i].value));
		mh_buf_addc(out, '"');
	}
	mh_buf_adds(out, n_labels ? "} " : " ");
	add_number(out, value);
	mh_buf_addc(out, '\n');
}

void text_single(struct mh_buf *out, const char *name, enum metric_type type, const char *help,
		 double value)
{
	text_family(out, name, type, help);
	text_sample(out, name, NULL, 0, value);
}
