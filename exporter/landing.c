/* A page that needs no style, script or image: its content security policy allows none. */
#include "exporter/landing.h"

#include "exporter/flags.h"
#include "libmemhist/base/escape.h"

static void add_link(struct mh_buf *out, const char *path, const char *text)
{
	mh_buf_adds(out, "<li><a href=\"");
	mh_escape_html(out, path, strlen(path));
	mh_buf_printf(out, "\">%s</a></li>\n", text);
}

void landing_write(struct mh_buf *out, const char *telemetry_path)
{
	mh_buf_adds(out, "<!DOCTYPE html>\n"
			 "<html lang=\"en\">\n"
			 "<head><meta charset=\"utf-8\"><title>memhist-exporter</title></head>\n"
			 "<body>\n"
			 "<h1>memhist-exporter " PACKAGE_VERSION "</h1>\n"
			 "<p>The memory of this machine's processes, for Prometheus.</p>\n"
			 "<ul>\n");
	add_link(out, EXPORTER_UI_PATH, "Live: what is large, what grows");
	add_link(out, telemetry_path, "Metrics");
	add_link(out, EXPORTER_HEALTHY_PATH, "Health: the exporter runs");
	add_link(out, EXPORTER_READY_PATH, "Readiness: its samples are current");
	mh_buf_adds(out, "</ul>\n</body>\n</html>\n");
}
