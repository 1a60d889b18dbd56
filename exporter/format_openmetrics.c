/*
 * OpenMetrics 1.0. A family has no _total and no _info in its name, only its samples do; its unit
 * has a line of its own; a quote in HELP is escaped; and the page says where it ends.
 */
#include "exporter/format.h"
#include "libmemhist/base/escape.h"

#include <string.h>

static const char *type_name(enum metric_type type)
{
	return type == METRIC_COUNTER ? "counter" : type == METRIC_INFO ? "info" : "gauge";
}

static void begin(struct mh_buf *out, const struct families *f, const struct family *family,
		  const struct spelled *spelled)
{
	const char *help = f->text.data + family->help;
	const char *name = f->text.data + family->name;
	int len = (int)family->base_len;

	(void)spelled;
	mh_buf_printf(out, "# TYPE %.*s %s\n", len, name, type_name(family->type));
	if (family->unit)
		mh_buf_printf(out, "# UNIT %.*s %s\n", len, name, family->unit);
	mh_buf_printf(out, "# HELP %.*s ", len, name);
	mh_escape_prometheus(out, help, strlen(help));
	mh_buf_addc(out, '\n');
}

static void end(struct mh_buf *out)
{
	mh_buf_adds(out, "# EOF\n");
}

const struct format format_openmetrics = {
	.content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
	.labels = format_text_labels,
	.begin = begin,
	.samples = format_text_samples,
	.end = end,
};
